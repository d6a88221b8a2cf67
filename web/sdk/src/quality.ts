import type { MediaPath, NetworkQuality } from "./api";
import { readPath } from "./path";

type Grade = NetworkQuality["uplink"];

/** The counters of one look at the statistics. */
interface Counters {
  readonly received: number;
  readonly lost: number;
}

/** One entry of the statistics; what it counts depends on its type. */
interface Stat {
  readonly type: string;
  readonly nominated?: boolean;
  readonly state?: string;
  readonly [counter: string]: unknown;
}

/** Judges the network by what the browser measures, every two seconds. */
export class QualityMeter {
  #timer: ReturnType<typeof setInterval> | undefined;
  #before: Counters = { received: 0, lost: 0 };

  start(
    pc: () => RTCPeerConnection | null,
    report: (quality: NetworkQuality, path: MediaPath | null) => void,
  ): void {
    if (this.#timer !== undefined) return;
    this.#timer = setInterval(() => {
      const current = pc();
      if (!current) return;
      current.getStats().then(
        (stats) => report(this.#judge(stats), readPath(stats)),
        () => {}, // The connection closed meanwhile.
      );
    }, 2_000);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #judge(stats: RTCStatsReport): NetworkQuality {
    let received = 0;
    let lost = 0;
    let remoteLoss: number | null = null;
    let roundTrip: number | null = null;
    stats.forEach((s: Stat) => {
      const number = (key: string): number => (typeof s[key] === "number" ? (s[key] as number) : 0);
      if (s.type === "inbound-rtp") {
        received += number("packetsReceived");
        lost += Math.max(number("packetsLost"), 0);
      } else if (s.type === "remote-inbound-rtp") {
        remoteLoss = Math.max(remoteLoss ?? 0, number("fractionLost"));
      } else if (s.type === "candidate-pair" && s.nominated === true && s.state === "succeeded") {
        roundTrip = number("currentRoundTripTime");
      }
    });
    const now = { received, lost };
    const got = now.received - this.#before.received;
    const missed = now.lost - this.#before.lost;
    this.#before = now;
    return {
      uplink: remoteLoss === null ? 0 : grade(remoteLoss, roundTrip),
      downlink: got + missed <= 0 ? 0 : grade(missed / (got + missed), roundTrip),
    };
  }
}

/** 1 excellent to 5 unusable, by loss and round trip: the worse of the two. */
export function grade(loss: number, roundTripSeconds: number | null): Grade {
  const byLoss: Grade = loss < 0.01 ? 1 : loss < 0.03 ? 2 : loss < 0.08 ? 3 : loss < 0.2 ? 4 : 5;
  const rtt = roundTripSeconds ?? 0;
  const byDelay: Grade = rtt < 0.15 ? 1 : rtt < 0.3 ? 2 : rtt < 0.6 ? 3 : rtt < 1.2 ? 4 : 5;
  return byLoss > byDelay ? byLoss : byDelay;
}
