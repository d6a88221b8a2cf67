/** What the browser says of media at one moment. */
export interface Flow {
  /** Packets of sound and picture that came, in all. */
  readonly packets: number;
  /**
   * A path of the newest restart works, and media still flow by an earlier one. Browsers
   * prefer the better network or relay for 3.9 s after its end.
   */
  readonly held: boolean;
}

/** What a watch goes by, at the time it looks. */
export interface WatchFacts {
  /** The other side says that it sends. */
  readonly expected: boolean;
  /** Nobody has accepted yet. */
  readonly ringing: boolean;
  readonly connected: boolean;
}

/** What a watch finds out. */
export type Found =
  /** Media came up, or went down, as the browser has it. */
  | { readonly kind: "up"; readonly up: boolean }
  /** Media flow, or are missed, by turns: for people to see. */
  | { readonly kind: "flows"; readonly flows: boolean }
  /** Nothing comes: whether the server can be reached still is to be found out now. */
  | { readonly kind: "suspect" }
  /** ICE lost its way: another generation is needed, on new connections or on those there are. */
  | { readonly kind: "stuck"; readonly rebuild: boolean };

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
/** How long a restart may take, and how long the first connection until one helps. */
const connectMs = 10_000;
const firstMs = 5_000;
/** How soon another generation is asked for again: nobody may have heard it. */
const againMs = 5_000;

/**
 * Finds out that media does not flow any more, and asks for a restart of ICE:
 * once, and again only where nothing comes of it. That is harmless where the
 * old path comes back. New connections cost a freeze and begin with a poor picture: they
 * are asked for where a restart does not help, and where the server was lost as well.
 *
 *     flowing ──silent, disconnected, failed──► asking ──begin──► restarting ──something came──► flowing
 *        ▲        never connected in 5 s         │  ▲                │
 *        └────────────── something came ─────────┘  └ 10 s, failed, held ┘
 */
export class Watch {
  readonly #facts: () => WatchFacts;
  readonly #flow: () => Promise<Flow>;
  readonly #found: (found: Found) => void;
  #phase: "flowing" | "asking" | "restarting" = "flowing";
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** The next look; looking there is between `begin` and `stop`. */
  #looking: ReturnType<typeof setTimeout> | undefined;
  /** Generations so far. */
  #begun = 0;
  /** Both sides have all they need: what does not come is missed. */
  #open = false;
  #count = 0;
  /** Looks in a row that found something new. */
  #run = 0;
  #last = 0;
  #suspected = false;
  /** The next look is to tell whether the network is another. */
  #doubted = false;
  /** There were media once: before, the browser holds on to no path. */
  #came = false;
  /** What was reported of their flow. */
  #told = false;
  /** New connections were asked for. */
  #rebuild = false;
  /** When the path in use was not one that is held on to. */
  #held = 0;

  constructor(facts: () => WatchFacts, flow: () => Promise<Flow>, found: (found: Found) => void) {
    this.#facts = facts;
    this.#flow = flow;
    this.#found = found;
  }

  /** A generation begins: the first, or a restart, which may be on new connections. */
  begin(restart: boolean, anew: boolean): void {
    clearTimeout(this.#timer);
    this.#rebuild = false;
    if (anew) this.#doubted = false;
    this.#begun++;
    this.#run = 0;
    this.#held = performance.now();
    this.#suspected = false;
    // While it rings nothing can come.
    this.#open = restart && !this.#facts().ringing;
    this.#phase = this.#open ? "restarting" : "flowing";
    if (this.#open) this.#timer = setTimeout(() => this.#expired(), connectMs);
    // Also where a look is under way: a connection that closes at that moment never answers.
    clearTimeout(this.#looking);
    this.#lookSoon();
  }

  /** Descriptions and candidates flow: media are to come. */
  open(): void {
    if (this.#open) return;
    this.#open = true;
    if (this.#phase !== "flowing" || this.#facts().connected) return;
    // A restart does no harm where it only takes longer.
    this.#timer = setTimeout(() => this.#ask(false), firstMs);
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
        this.#found({ kind: "up", up: true });
        break;
      case "disconnected":
        // Nothing came for seconds, not even answers to checks: enough waited.
        this.#tell(false);
        this.#found({ kind: "up", up: false });
        if (this.#phase === "flowing") this.#ask(false);
        break;
      case "failed":
        this.#found({ kind: "up", up: false });
        this.#ask(this.#phase === "restarting");
        break;
      case "new":
      case "connecting":
      case "closed":
        break;
    }
  }

  /**
   * The server was lost, and found again. Where media was missed meanwhile the network
   * of this side is another, and the browser would hold on to paths of the one before.
   */
  reconnected(): void {
    const missed = this.#suspected && this.#facts().expected;
    const never = this.#phase === "flowing" && !this.#facts().connected;
    if (this.#looking === undefined || (!missed && !never && this.#phase !== "asking")) return;
    // Unless they come again: it was the same network, away for a moment.
    this.#doubted = true;
    clearTimeout(this.#looking);
    this.#lookSoon();
  }

  #lookSoon(): void {
    const soon = this.#phase === "restarting" || (this.#doubted && this.#open);
    const wait = soon ? restartLookMs : lookMs;
    this.#looking = setTimeout(() => void this.#look(), wait);
  }

  async #look(): Promise<void> {
    const [begun, looking] = [this.#begun, this.#looking];
    if (!this.#due) return this.#lookSoon();
    const flow = await this.#flow().catch(() => null); // A connection that was closed meanwhile.
    if (this.#looking !== looking) return; // Over, or another look has been set.
    // What was so before a restart is no news of it.
    if (flow && begun === this.#begun) this.#saw(flow);
    this.#lookSoon();
  }

  /** Until the first connection is up nothing can come, and looking slows its making. A doubt is looked at all the same. */
  get #due(): boolean {
    const first = this.#phase === "flowing" && !this.#came && !this.#facts().connected;
    return this.#open && (!first || this.#doubted);
  }

  #saw(flow: Flow): void {
    const now = performance.now();
    const doubted = this.#doubted && flow.packets === this.#count;
    this.#doubted = false;
    if (doubted && (this.#facts().expected || !this.#facts().connected)) {
      this.#ask(this.#came);
    } else if (flow.packets > this.#count) {
      this.#run++;
      this.#last = now;
      this.#suspected = false;
      const flows = this.#facts().connected || this.#run >= stream; // The browser may not say so yet.
      this.#came ||= flows;
      if (this.#phase !== "flowing" && flows) this.#cameBack();
    } else if (flow.packets < this.#count) {
      this.#run = 0; // Another connection.
    } else if (this.#phase === "restarting") {
      // A path that works is taken at once, or not for long.
      if (flow.held && this.#facts().expected && now - this.#held >= heldMs) this.#ask(true);
    } else {
      this.#missed(now - this.#last);
    }
    this.#count = flow.packets;
    if (!flow.held) this.#held = now;
  }

  /** Nothing came since the last look, and for so long. */
  #missed(silence: number): void {
    if (this.#run < stream || !this.#facts().expected) return;
    if (silence >= suspectMs && !this.#suspected) {
      this.#suspected = true;
      this.#found({ kind: "suspect" });
    }
    if (silence < silentMs) return;
    this.#run = 0;
    if (this.#phase === "flowing") this.#ask(false);
  }

  /** The server took media for down since the restart began. */
  #cameBack(): void {
    const restarted = this.#phase === "restarting";
    this.#flows();
    if (restarted) this.#found({ kind: "up", up: true });
  }

  #flows(): void {
    clearTimeout(this.#timer);
    this.#phase = "flowing";
    this.#came = true;
    this.#rebuild = false;
    this.#tell(true);
  }

  #tell(flows: boolean): void {
    if (flows === this.#told) return;
    this.#told = flows;
    this.#found({ kind: "flows", flows });
  }

  #expired(): void {
    if (!this.#facts().connected) this.#ask(true);
    else this.#cameBack();
  }

  /**
   * Asks for another generation until there is one, or this one comes back. Where there
   * is none for long, the other side may believe that all is well.
   */
  #ask(rebuild: boolean): void {
    this.#phase = "asking";
    this.#rebuild ||= rebuild;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ask(true), againMs);
    this.#tell(false);
    this.#found({ kind: "stuck", rebuild: this.#rebuild });
  }
}

/** One entry of the statistics. */
interface Stat {
  readonly type: string;
  readonly state?: string;
  readonly packetsReceived?: number;
  readonly selectedCandidatePairId?: string;
  readonly localCandidateId?: string;
  readonly usernameFragment?: string;
}

/** Reads the statistics of a connection. */
export async function flowOf(pc: RTCPeerConnection | null): Promise<Flow> {
  const all: ReadonlyMap<string, Stat> = (await pc?.getStats()) ?? new Map();
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
