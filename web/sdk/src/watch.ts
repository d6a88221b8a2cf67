/** What the browser says of media at one moment. */
export interface Flow {
  /** Packets of sound and picture that came, in all. */
  readonly packets: number;
  /**
   * A path of the newest restart works, and media still go by one of before. Browsers
   * prefer the better network or relay for 3.9 s after its end.
   */
  readonly held: boolean;
}

/** What a watch asks, and whom it tells. */
export interface WatchHost {
  flow(): Promise<Flow>;
  /** Whether the other side says that it sends. */
  expected(): boolean;
  connected(): boolean;
  /** Media came up, or went down. */
  up(up: boolean): void;
  /** Nothing comes: whether the server can be reached still is to be found out now. */
  suspect(): void;
  /** ICE lost its way: another generation is needed, on new connections or on those there are. */
  stuck(rebuild: boolean): void;
}

/** How often to look whether something came, and whether a restart has come to something. */
const lookMs = 200;
const restartLookMs = 100;
/**
 * How long nothing may come where something is expected. The browser calls a
 * connection disconnected after 2.5 s at the earliest, Firefox after 5: too late
 * for people who talk. A gap of 400 ms costs a ping, one of 800 ms a restart,
 * during which the old path is used on if it comes back.
 */
const suspectMs = 400;
const silentMs = 800;
/** How long the browser may take to go by a new path that works. */
const heldMs = 250;
/** Looks in a row with something new before their end means anything: a lone packet is no stream. */
const stream = 4;
/** How long a restart may take. */
const connectMs = 10_000;
/** How soon another generation is asked for again: nobody may have heard it. */
const againMs = 5_000;

/**
 * Finds out that media does not flow any more, and asks for a restart of ICE:
 * once, and again only where nothing comes of it. That is harmless where the
 * old path comes back. New connections cost a freeze and begin with a poor picture: they
 * are asked for where a restart does not help.
 *
 *     flowing ──silent, disconnected, failed──► asking ──begin──► restarting ──something came──► flowing
 *        ▲                                       │  ▲                │
 *        └────────────── something came ─────────┘  └ 10 s, failed, held ┘
 */
export class Watch {
  readonly #host: WatchHost;
  #phase: "flowing" | "asking" | "restarting" = "flowing";
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** The next look; looking there is between `begin` and `stop`. */
  #looking: ReturnType<typeof setTimeout> | undefined;
  /** Generations so far. */
  #begun = 0;
  #count = 0;
  /** Looks in a row that found something new. */
  #run = 0;
  #last = 0;
  #suspected = false;
  /** When the path in use was not one that is held on to. */
  #held = 0;

  constructor(host: WatchHost) {
    this.#host = host;
  }

  /** A generation begins: the first, or a restart. */
  begin(restart: boolean): void {
    clearTimeout(this.#timer);
    this.#begun++;
    this.#run = 0;
    this.#held = Date.now();
    this.#phase = restart ? "restarting" : "flowing";
    if (restart) this.#timer = setTimeout(() => this.#expired(), connectMs);
    if (this.#looking === undefined) this.#lookSoon();
  }

  stop(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#looking);
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
        if (this.#phase === "flowing") this.#ask(false);
        break;
      case "failed":
        this.#host.up(false);
        this.#ask(this.#phase === "restarting");
        break;
      case "new":
      case "connecting":
      case "closed":
        break;
    }
  }

  #lookSoon(): void {
    const wait = this.#phase === "restarting" ? restartLookMs : lookMs;
    this.#looking = setTimeout(() => void this.#look(), wait);
  }

  async #look(): Promise<void> {
    const begun = this.#begun;
    const flow = await this.#host.flow().catch(() => null); // A connection that was closed meanwhile.
    if (this.#looking === undefined) return;
    // What was so before a restart is no news of it.
    if (flow && begun === this.#begun) this.#saw(flow);
    this.#lookSoon();
  }

  #saw(flow: Flow): void {
    const now = Date.now();
    if (flow.packets > this.#count) {
      this.#run++;
      this.#last = now;
      this.#suspected = false;
      if (this.#phase !== "flowing" && this.#host.connected()) this.#cameBack();
    } else if (flow.packets < this.#count) {
      this.#run = 0; // Another connection.
    } else if (this.#phase === "restarting") {
      // A path that works is taken at once, or not for long.
      if (flow.held && this.#host.expected() && now - this.#held >= heldMs) this.#ask(true);
    } else {
      this.#missed(now - this.#last);
    }
    this.#count = flow.packets;
    if (!flow.held) this.#held = now;
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
    if (this.#phase === "flowing") this.#ask(false);
  }

  /** The server took media for down since the restart began. */
  #cameBack(): void {
    const restarted = this.#phase === "restarting";
    this.#flows();
    if (restarted) this.#host.up(true);
  }

  #flows(): void {
    clearTimeout(this.#timer);
    this.#phase = "flowing";
  }

  #expired(): void {
    if (!this.#host.connected()) this.#ask(true);
    else this.#cameBack();
  }

  /** Asks for another generation until there is one, or this one comes back. */
  #ask(rebuild: boolean): void {
    this.#phase = "asking";
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ask(rebuild), againMs);
    this.#host.stuck(rebuild);
  }
}

/** One entry of the statistics. */
interface Stat {
  readonly id: string;
  readonly type: string;
  readonly state?: string;
  readonly packetsReceived?: number;
  readonly selectedCandidatePairId?: string;
  readonly localCandidateId?: string;
  readonly usernameFragment?: string;
}

/** Reads the statistics of a connection. */
export async function flowOf(pc: RTCPeerConnection | null): Promise<Flow> {
  const all = new Map<string, Stat>();
  (await pc?.getStats())?.forEach((s: Stat) => {
    all.set(s.id, s);
  });
  let packets = 0;
  let selected: Stat | undefined;
  const working: Stat[] = [];
  for (const s of all.values()) {
    if (s.type === "inbound-rtp") packets += s.packetsReceived ?? 0;
    if (s.type === "transport") selected = all.get(s.selectedCandidatePairId ?? "");
    if (s.type === "candidate-pair" && s.state === "succeeded") working.push(s);
  }
  // Each restart has a user name of its own.
  const user = (pair: Stat) => all.get(pair.localCandidateId ?? "")?.usernameFragment;
  const newest = /^a=ice-ufrag:(\S+)/m.exec(pc?.localDescription?.sdp ?? "")?.[1];
  const held =
    selected !== undefined &&
    newest !== undefined &&
    user(selected) !== newest &&
    working.some((pair) => user(pair) === newest);
  return { packets, held };
}
