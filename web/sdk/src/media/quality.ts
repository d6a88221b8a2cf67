import type { MediaPath, NetworkQuality } from "../api/types";
import { readPath } from "./path";

type Grade = NetworkQuality["uplink"];

/** One entry of the statistics; what it counts depends on its type. */
interface Stat {
  readonly id: string;
  readonly type: string;
  readonly kind?: string;
  readonly nominated?: boolean;
  readonly state?: string;
  readonly [counter: string]: unknown;
}

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

/** How loud a sound is over a time, by what the browser adds up. */
class Loudness {
  #energy = 0;
  #seconds = 0;

  /** The root mean square since the last call: 0 to 1. */
  since({ totalAudioEnergy, totalSamplesDuration }: Stat): number {
    const energy = Number(totalAudioEnergy) || 0;
    const seconds = Number(totalSamplesDuration) || 0;
    const level = Math.sqrt((energy - this.#energy) / (seconds - this.#seconds));
    this.#energy = energy;
    this.#seconds = seconds;
    return level >= 0 && level <= 1 ? level : 0; // The connection may be a new one.
  }
}

/** Judges the network by what the browser measures, every two seconds. */
export class QualityMeter {
  #timer: ReturnType<typeof setInterval> | undefined;
  /** Packets that came and that were lost, at the last look. */
  #before = { received: 0, lost: 0 };
  /** The shortest round trip so far: what the way takes by itself. */
  #least = Number.POSITIVE_INFINITY;
  /** The grade of what one sends without what the way takes by itself: sending less does not shorten it. */
  strain: Grade = 0;
  /** How loud each side was between the last two looks: 0 to 1. */
  levels = { local: 0, remote: 0 };
  /** What each side's sound had come to at the last look. */
  readonly #loudness = { local: new Loudness(), remote: new Loudness() };

  /** `expected` says whether the other side sends anything. */
  start(
    pc: () => RTCPeerConnection | null,
    expected: () => boolean,
    report: (quality: NetworkQuality, path: MediaPath | null) => void,
  ): void {
    if (this.#timer !== undefined) return;
    this.#timer = setInterval(() => {
      const current = pc();
      if (!current) return;
      current.getStats().then(
        (stats) => report(this.judge(stats, expected()), readPath(stats)),
        () => {}, // The connection closed meanwhile.
      );
    }, lookMs);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  judge(stats: RTCStatsReport, expected: boolean): NetworkQuality {
    const number = (s: Stat, key: string): number =>
      typeof s[key] === "number" ? (s[key] as number) : 0;
    let received = 0;
    let lost = 0;
    let jitter = 0;
    let roundTrip = 0;
    // What the other side says of what it gets; null where it said nothing.
    let sent: { loss: number; jitter: number } | null = null;
    let sentRoundTrip = 0;
    stats.forEach((s: Stat) => {
      if (s.type === "inbound-rtp") {
        received += number(s, "packetsReceived");
        lost += Math.max(number(s, "packetsLost"), 0);
        // A picture's packets come in bursts, which is no fault of the network.
        if (s.kind !== "audio") return;
        jitter = Math.max(jitter, number(s, "jitter"));
        this.levels.remote = this.#loudness.remote.since(s);
      } else if (s.type === "media-source" && s.kind === "audio") {
        this.levels.local = this.#loudness.local.since(s);
      } else if (s.type === "remote-inbound-rtp") {
        sent = {
          loss: Math.max(sent?.loss ?? 0, number(s, "fractionLost")),
          jitter: Math.max(sent?.jitter ?? 0, s.kind === "audio" ? number(s, "jitter") : 0),
        };
        sentRoundTrip = Math.max(sentRoundTrip, number(s, "roundTripTime"));
      } else if (s.type === "candidate-pair" && s.nominated === true && s.state === "succeeded") {
        roundTrip = Math.max(roundTrip, number(s, "currentRoundTripTime"));
      }
    });
    const got = received - this.#before.received;
    const missed = Math.max(lost - this.#before.lost, 0);
    // Nothing was before the first look at a connection.
    const first = this.#before.received === 0 || received < this.#before.received;
    this.#before = { received, lost };
    let downlink: Grade = 0;
    if (got > 0) downlink = grade({ loss: missed / (got + missed), jitter, roundTrip });
    else if (expected && !first) downlink = 5;
    const up = sent as { loss: number; jitter: number } | null; // TypeScript does not look into forEach.
    const trip = Math.max(roundTrip, sentRoundTrip);
    if (trip > 0) this.#least = Math.min(this.#least, trip);
    this.strain = up ? grade({ ...up, roundTrip: Math.max(trip - this.#least, 0) }) : 0;
    return {
      uplink: up ? grade({ ...up, roundTrip: trip }) : 0,
      downlink,
    };
  }
}
