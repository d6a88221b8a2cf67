/** One entry of the statistics; what it counts depends on its type. */
interface Stat {
  readonly id?: string;
  readonly type: string;
  readonly selectedCandidatePairId?: string;
  readonly selected?: boolean;
  readonly kind?: string;
  readonly nominated?: boolean;
  readonly state?: string;
  readonly qualityLimitationReason?: string;
  readonly [field: string]: unknown;
}

/**
 * A look at a connection's statistics, beside the look before. Each method takes the entries
 * of a type and, where it is given, of a kind.
 */
export class Look {
  readonly #all: readonly Stat[];
  readonly #before: readonly Stat[];

  constructor(stats: RTCStatsReport, before: Look | null) {
    this.#all = [...stats.values()];
    this.#before = before ? before.#all : [];
  }

  /** The values of a field, where entries have it. */
  values(field: string, type: string, kind?: string, all: readonly Stat[] = this.#all): number[] {
    return all
      .filter((s) => s.type === type && (!kind || s.kind === kind) && s[field] !== undefined)
      .map((s) => Number(s[field]));
  }

  /** The largest value; 0 where there is none. */
  max(field: string, type: string, kind?: string): number {
    return Math.max(0, ...this.values(field, type, kind));
  }

  /** How much a counter has grown; less than 0 where another connection began. */
  grown(field: string, type: string, kind?: string): number {
    return sum(this.values(field, type, kind)) - sum(this.values(field, type, kind, this.#before));
  }

  received(kind?: string): number {
    return this.grown("packetsReceived", "inbound-rtp", kind);
  }

  sent(kind?: string): number {
    return this.grown("packetsSent", "outbound-rtp", kind);
  }

  /** Whether anything had come by the look before. */
  get cameBefore(): boolean {
    return sum(this.values("packetsReceived", "inbound-rtp", "", this.#before)) > 0;
  }

  /** The time since the look before; 0 for the first look at a connection. */
  get seconds(): number {
    const [before] = this.values("timestamp", "candidate-pair", "", this.#before);
    const [now = 0] = this.values("timestamp", "candidate-pair");
    return before && this.received() >= 0 && this.sent() >= 0 ? (now - before) / 1_000 : 0;
  }

  /** Bits per second of RTP packets, with their headers. */
  bitrate(way: "Sent" | "Received", type: string): number {
    const bytes = this.grown(`bytes${way}`, type) + this.grown(`headerBytes${way}`, type);
    return Math.round((bytes * 8) / this.seconds);
  }

  /** The root mean square of a sound: 0 to 1, and 0 where the browser does not tell. */
  level(type: string): number {
    const energy = this.grown("totalAudioEnergy", type, "audio");
    const level = Math.sqrt(energy / this.grown("totalSamplesDuration", type, "audio"));
    return level >= 0 && level <= 1 ? level : 0; // The connection may be a new one.
  }

  /**
   * The last round trip of the pair that carries media, in seconds. One that did before keeps the
   * round trip that it had: it counts only where the browser does not say which pair it is.
   */
  get roundTrips(): number[] {
    const used = this.#all.flatMap((s) => s.selectedCandidatePairId ?? []);
    const selected = this.#all.filter((s) => s.selected || (s.id && used.includes(s.id)));
    const nominated = this.#all.filter((s) => s.nominated && s.state === "succeeded");
    const pairs = selected.length > 0 ? selected : nominated;
    return this.values("currentRoundTripTime", "candidate-pair", "", pairs);
  }

  /** The browser lowers the picture's quality because of the network. */
  get limited(): boolean {
    return this.#all.some((s) => s.qualityLimitationReason === "bandwidth");
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}
