import type {
  CallQuality,
  FlowQuality,
  MediaPath,
  NetworkQuality,
  QualityWarning,
} from "../api/types";
import { Look } from "./look";
import { readPath } from "./path";
import { type CallFacts, Warnings } from "./warnings";

type Grade = NetworkQuality["uplink"];

/** How media fared one way since the last look. Times are in seconds. */
export interface Fate {
  /** Of all packets that were sent, the part that was lost: 0 to 1. */
  readonly loss: number;
  readonly jitter: number;
  readonly roundTrip: number;
}

/** How often to look. */
const lookMs = 2_000;

/**
 * The worst values of grades 1 to 4; what is worse is 5. Speech codecs conceal a
 * few percent of loss; up to 150 ms one way a conversation feels immediate and
 * beyond 400 it does not (ITU-T G.114), of which the round trip is twice.
 */
const bounds: readonly { readonly grade: Grade; readonly worst: Fate }[] = [
  { grade: 1, worst: { loss: 0.01, jitter: 0.02, roundTrip: 0.15 } },
  { grade: 2, worst: { loss: 0.03, jitter: 0.04, roundTrip: 0.3 } },
  { grade: 3, worst: { loss: 0.08, jitter: 0.08, roundTrip: 0.6 } },
  { grade: 4, worst: { loss: 0.2, jitter: 0.15, roundTrip: 1.2 } },
];

/** 1 excellent to 5 unusable: the worst that loss, jitter and round trip come to. */
export function grade(f: Fate): Grade {
  for (const { grade, worst } of bounds) {
    if (f.loss < worst.loss && f.jitter < worst.jitter && f.roundTrip < worst.roundTrip)
      return grade;
  }
  return 5;
}

/**
 * The mean opinion score of sound by ITU-T G.107, of which only delay and loss count:
 * R = 93.2 - Idd - Ie,eff, and Ie and Bpl are those of G.711 with loss concealment (G.113).
 */
export function meanOpinionScore(oneWayMs: number, lossRate: number): number {
  const x = Math.log2(Math.max(oneWayMs, 100) / 100);
  const delay = 25 * ((1 + x ** 6) ** (1 / 6) - 3 * (1 + (x / 3) ** 6) ** (1 / 6) + 2);
  const percent = lossRate * 100;
  const r = Math.max(93.2 - delay - (95 * percent) / (percent + 25.1), 0);
  // The polynomial falls below 1 for a small R.
  return Math.max(1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6, 1);
}

/** Judges the network by what the browser measures, every two seconds. */
export class QualityMeter {
  #timer: ReturnType<typeof setInterval> | undefined;
  #look: Look | null = null;
  /** The shortest round trip so far: what the way takes by itself. */
  #least = Number.POSITIVE_INFINITY;
  /** The grade of what one sends without what the way takes by itself: sending less does not shorten it. */
  strain: Grade = 0;
  /** How loud each side was between the last two looks: 0 to 1. */
  levels = { local: 0, remote: 0 };
  readonly #warnings = new Warnings();
  /** The last numbers; null before there were two looks at one connection. */
  quality: CallQuality | null = null;
  /** The warnings that the last look began or ended; null where it gave no numbers. */
  changed: readonly QualityWarning[] | null = null;

  start(
    pc: () => RTCPeerConnection | null,
    facts: (path: MediaPath | null) => CallFacts,
    report: (quality: NetworkQuality, path: MediaPath | null) => void,
  ): void {
    if (this.#timer !== undefined) return;
    this.#timer = setInterval(() => {
      const current = pc();
      if (!current) return;
      current.getStats().then(
        (stats) => {
          if (this.#timer === undefined) return; // The call ended meanwhile.
          const path = readPath(stats);
          report(this.judge(stats, facts(path)), path);
        },
        () => {}, // The connection closed meanwhile.
      );
    }, lookMs);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    // The end ends the warnings too.
    if (this.quality) this.quality = { ...this.quality, warnings: [] };
  }

  judge(stats: RTCStatsReport, facts: CallFacts): NetworkQuality {
    const look = new Look(stats, this.#look);
    this.#look = look;
    this.levels = { local: look.level("media-source"), remote: look.level("inbound-rtp") };
    const received = {
      // A picture's packets come in bursts, which is no fault of the network.
      jitter: look.max("jitter", "inbound-rtp", "audio"),
      loss: part(look.grown("packetsLost", "inbound-rtp"), look.received()),
      roundTrip: Math.max(0, ...look.roundTrips),
    };
    // What the other side says of what it gets.
    const reported = look.values("fractionLost", "remote-inbound-rtp").length > 0;
    const sent = {
      loss: look.max("fractionLost", "remote-inbound-rtp"),
      jitter: look.max("jitter", "remote-inbound-rtp", "audio"),
      roundTrip: Math.max(received.roundTrip, look.max("roundTripTime", "remote-inbound-rtp")),
    };
    let downlink: Grade = 0;
    if (look.received() > 0) downlink = grade(received);
    // Nothing was before the first look at a connection.
    else if (look.received() === 0 && look.cameBefore)
      downlink = facts.remote.audio || facts.remote.video ? 5 : 0;
    if (sent.roundTrip > 0) this.#least = Math.min(this.#least, sent.roundTrip);
    const strain = Math.max(sent.roundTrip - this.#least, 0);
    this.strain = reported ? grade({ ...sent, roundTrip: strain }) : 0;
    this.#measure(look, received, sent, facts);
    return { uplink: reported ? grade(sent) : 0, downlink };
  }

  /** Sets `quality` and `changed`, unless another connection has begun. */
  #measure(look: Look, received: Fate, sent: Fate, facts: CallFacts): void {
    this.changed = look.seconds > 0 ? this.#warnings.take(look, facts, this.strain) : null;
    if (!this.changed) return;
    // Reports say how long packets of media take.
    const reported = look.values("roundTripTime", "remote-inbound-rtp");
    const trips = reported.length > 0 ? reported : look.roundTrips;
    const trip = Math.max(0, ...trips);
    const sound = look.received("audio");
    const unplayed =
      look.grown("packetsLost", "inbound-rtp", "audio") +
      look.grown("packetsDiscarded", "inbound-rtp", "audio");
    const waited =
      look.grown("jitterBufferDelay", "inbound-rtp", "audio") /
      look.grown("jitterBufferEmittedCount", "inbound-rtp", "audio");
    const score = meanOpinionScore(milliseconds(trip / 2 + (waited || 0)), part(unplayed, sound));
    this.quality = {
      roundTripMs: trips.length > 0 ? milliseconds(trip) : null,
      sent: flow(sent, look.bitrate("Sent", "outbound-rtp")),
      received: flow(received, look.bitrate("Received", "inbound-rtp")),
      mos: sound > 0 ? Math.round(score * 100) / 100 : null,
      warnings: this.#warnings.on,
    };
  }
}

function flow({ loss, jitter }: Fate, bitrate: number): FlowQuality {
  return { lossRate: loss, jitterMs: milliseconds(jitter), bitrate };
}

/** Whole milliseconds of seconds. */
function milliseconds(seconds: number): number {
  return Math.round(seconds * 1_000);
}

/** The part of all packets that was lost. A packet that comes late takes its loss back. */
function part(lost: number, received: number): number {
  return lost > 0 ? lost / (lost + received) : 0;
}
