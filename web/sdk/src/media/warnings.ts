import type { QualityWarning, RemoteTracks } from "../api/types";
import type { Look } from "./look";

/** What the rules take from the call. */
export interface CallFacts {
  /** What the other side says that it sends. */
  readonly remote: RemoteTracks;
  /** This side's microphone is open and not muted. */
  readonly microphone: boolean;
  /** Bits per second that this side's sound needs. */
  readonly soundBitrate: number;
  /** Media goes through a relay. */
  readonly relayed: boolean;
}

/** How many looks in a row with its cause begin a warning. A look is 2 s. */
const begins: Record<QualityWarning, number> = {
  low_bandwidth: 2,
  microphone_silent: 3,
  one_way_media: 2,
  relay: 2,
};
/** How many looks in a row without its cause end a warning. */
const ends = 2;
const all = Object.keys(begins) as QualityWarning[];

/** A level below this is digital silence: -80 dBFS, less than the noise of any room. */
const silentLevel = 0.0001;
/** Reports about sound come every 2.5 to 7.5 s: this is more than two of them. */
const unreportedMs = 16_000;

/** Decides which warnings hold, by looks at the statistics of the connection. */
export class Warnings {
  /** Those that hold. */
  on: readonly QualityWarning[] = [];
  /** Per warning, the looks in a row that speak against what holds. */
  readonly #runs = new Map<QualityWarning, number>();
  /** Answers to connectivity checks since the expected media stopped. */
  #answers = 0;
  /** When the other side last reported about this side's packets, or had nothing to report. */
  #reportedAt = 0;

  /**
   * Takes a look; gives the warnings that have begun or ended. `strain` is the grade of what this
   * side sends, for browsers that do not tell how much room the network has.
   */
  take(look: Look, facts: CallFacts, strain: number): QualityWarning[] {
    const causes: Record<QualityWarning, boolean> = {
      low_bandwidth: lowBandwidth(look, facts, strain),
      microphone_silent: facts.microphone && silent(look, facts),
      one_way_media: this.#oneWay(look, facts.remote),
      relay: facts.relayed,
    };
    const changed = all.filter((warning) => {
      const cause = causes[warning];
      const run = cause === this.on.includes(warning) ? 0 : (this.#runs.get(warning) ?? 0) + 1;
      const changes = run >= (cause ? begins[warning] : ends);
      this.#runs.set(warning, changes ? 0 : run);
      return changes;
    });
    this.on = all.filter((warning) => this.on.includes(warning) !== changed.includes(warning));
    return changed;
  }

  /**
   * The connection works and nothing comes of what the other side says that it sends; or the
   * other side reports what it sends, and nothing about the packets of this side.
   */
  #oneWay(look: Look, remote: RemoteTracks): boolean {
    const sound = remote.audio && !remote.audioMuted;
    const picture = remote.video && !remote.videoMuted;
    const missed = (sound || picture) && look.received(sound ? "audio" : "") === 0;
    const answers = Math.max(look.grown("responsesReceived", "candidate-pair"), 0);
    this.#answers = missed ? this.#answers + answers : 0;
    // Where this side sends nothing there is nothing to report.
    const receiverReportAt = look.max("timestamp", "remote-inbound-rtp");
    const sends = look.sent() > 0 && this.#reportedAt > 0;
    this.#reportedAt = Math.max(
      receiverReportAt,
      sends ? this.#reportedAt : look.max("timestamp", "candidate-pair"),
    );
    const senderReportAt = look.max("timestamp", "remote-outbound-rtp");
    return this.#answers > 0 || senderReportAt - this.#reportedAt > unreportedMs;
  }
}

function lowBandwidth(look: Look, { soundBitrate }: CallFacts, strain: number): boolean {
  // A picture that is sent no more keeps its last reason.
  if (look.limited && look.sent("video") > 0) return true;
  const available = look.max("availableOutgoingBitrate", "candidate-pair");
  return available ? available < soundBitrate : strain >= 4;
}

/**
 * Firefox tells no level. Its encoder makes packets of one size from digital silence, of 3, 20
 * or 35 bytes, which is less than half of the bitrate. From the faintest noise it makes packets
 * of many sizes, from loud sound packets of the full bitrate. A packet has 20 ms.
 */
function silent(look: Look, { soundBitrate }: CallFacts): boolean {
  if (look.values("totalAudioEnergy", "media-source").length > 0)
    return look.level("media-source") < silentLevel;
  const bytes = look.grown("bytesSent", "outbound-rtp", "audio");
  const packets = look.sent("audio");
  return !(bytes % packets) && bytes * 8 * 50 <= (packets * soundBitrate) / 2;
}
