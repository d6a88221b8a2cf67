/** What a watch asks, and whom it tells. */
export interface WatchHost {
  /** How many packets of sound and picture came, in all. */
  received(): Promise<number>;
  /** Whether the other side says that it sends. */
  expected(): boolean;
  connected(): boolean;
  /** Media came up, or went down. */
  up(up: boolean): void;
  /** Nothing comes: whether the server can be reached still is to be found out now. */
  suspect(): void;
  /** ICE lost its way: another generation is needed. */
  stuck(): void;
}

/** How often to look whether something came. */
const lookMs = 200;
/**
 * How long nothing may come where something is expected. The browser calls a
 * connection disconnected after 2.5 s at the earliest, Firefox after 5: too late
 * for people who talk. A gap of 400 ms costs a ping, one of 800 ms a restart,
 * during which the old path is used on if it comes back.
 */
const suspectMs = 400;
const silentMs = 800;
/** Looks in a row with something new before their end means anything: a lone packet is no stream. */
const stream = 4;
/** How long a restart may take. */
const connectMs = 10_000;
/** How soon another generation is asked for again: nobody may have heard it. */
const againMs = 5_000;

/**
 * Finds out that media does not flow any more, and asks for a restart of ICE:
 * once, and again only where nothing comes of it.
 *
 *     flowing ──silent, disconnected, failed──► asking ──begin──► restarting ──something came──► flowing
 *        ▲                                       │  ▲                │
 *        └────────────── something came ─────────┘  └── 10 s, failed ┘
 */
export class Watch {
  readonly #host: WatchHost;
  #phase: "flowing" | "asking" | "restarting" = "flowing";
  #timer: ReturnType<typeof setTimeout> | undefined;
  #looking: ReturnType<typeof setInterval> | undefined;
  #count = 0;
  /** Looks in a row that found something new. */
  #run = 0;
  #last = 0;
  #suspected = false;

  constructor(host: WatchHost) {
    this.#host = host;
  }

  /** A generation begins: the first, or a restart. */
  begin(restart: boolean): void {
    clearTimeout(this.#timer);
    this.#run = 0;
    this.#phase = restart ? "restarting" : "flowing";
    if (restart) this.#timer = setTimeout(() => this.#expired(), connectMs);
    this.#looking ??= setInterval(() => void this.#look(), lookMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
    clearInterval(this.#looking);
    this.#looking = undefined;
  }

  /** The state of the peer connection changed. */
  changed(state: RTCPeerConnectionState): void {
    switch (state) {
      case "connected":
        this.#flows();
        this.#host.up(true);
        break;
      case "disconnected":
        // Nothing came for seconds, not even answers to checks: enough waited.
        this.#host.up(false);
        if (this.#phase === "flowing") this.#ask();
        break;
      case "failed":
        this.#host.up(false);
        this.#ask();
        break;
      case "new":
      case "connecting":
      case "closed":
        break;
    }
  }

  async #look(): Promise<void> {
    let count: number;
    try {
      count = await this.#host.received();
    } catch {
      return; // Closed meanwhile.
    }
    if (this.#looking === undefined) return;
    const now = Date.now();
    if (count > this.#count) {
      this.#run++;
      this.#last = now;
      this.#suspected = false;
      if (this.#phase !== "flowing" && this.#host.connected()) this.#cameBack();
    } else if (count < this.#count) {
      this.#run = 0; // Another connection.
    } else {
      this.#missed(now - this.#last);
    }
    this.#count = count;
  }

  /** Nothing came since the last look, and for so long. */
  #missed(silence: number): void {
    if (this.#run < stream || !this.#host.expected()) return;
    if (silence >= suspectMs && !this.#suspected) {
      this.#suspected = true;
      this.#host.suspect();
    }
    if (silence < silentMs) return;
    this.#run = 0;
    if (this.#phase === "flowing") this.#ask();
  }

  /** By the old path or the new one: the server took media for down since the restart began. */
  #cameBack(): void {
    const restarted = this.#phase === "restarting";
    this.#flows();
    if (restarted) this.#host.up(true);
  }

  #flows(): void {
    clearTimeout(this.#timer);
    this.#phase = "flowing";
  }

  /** A restart that leads nowhere is followed by another. */
  #expired(): void {
    if (!this.#host.connected()) this.#ask();
    else {
      this.#flows();
      this.#host.up(true);
    }
  }

  /** Asks for another generation until there is one, or this one comes back. */
  #ask(): void {
    this.#phase = "asking";
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ask(), againMs);
    this.#host.stuck();
  }
}

/** Counts the packets of sound and picture that a connection has received. */
export async function received(pc: RTCPeerConnection | null): Promise<number> {
  let count = 0;
  (await pc?.getStats())?.forEach((s: { type: string; packetsReceived?: number }) => {
    if (s.type === "inbound-rtp") count += s.packetsReceived ?? 0;
  });
  return count;
}
