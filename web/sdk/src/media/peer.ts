import type { MediaPath, MediaProfile, NetworkQuality } from "../api/types";
import type { CandidateJson, IceServerJson } from "../gen/peal_pb";
import { Adaptation } from "./adaptation";
import { type Found, flowOf, Watch, type WatchFacts } from "./loss";
import { readPath } from "./path";
import { relayed, withoutAddresses, withoutOrders } from "./privacy";
import { encoding, ofScreen, withStereo } from "./profile";

/** Makes peer connections: the browser's, or fakes in tests. */
export type MakePeerConnection = (configuration: RTCConfiguration) => RTCPeerConnection;

/** What a peer connection goes by, at the time it is asked. */
export interface MediaFacts extends Omit<WatchFacts, "connected"> {
  /** By which paths media may flow. */
  readonly policy: RTCIceTransportPolicy;
  /** Candidates of one's own addresses are kept back for now: `resend` gives them. */
  readonly discreet: boolean;
  /** What is to be sent. */
  readonly profile: MediaProfile;
}

/** The events of a peer connection. */
export type MediaNews =
  | Found
  /** Candidates to send, of the present generation. */
  | {
      readonly kind: "candidates";
      readonly generation: number;
      readonly candidates: CandidateJson[];
    }
  | { readonly kind: "remoteStream"; readonly stream: MediaStream }
  /** The connection came to nothing before the acceptance: Firefox gives one 5 s. */
  | { readonly kind: "lapsed" };

/** What of an encoding `encoding` decides. */
const shaped = ["priority", "maxBitrate", "maxFramerate"] as const;
/** How long candidates are gathered into one frame. */
const batchMs = 50;
/** The most candidates of the other side's that are taken in one generation. */
const heldMost = 64;
/**
 * How many connections that fail before the acceptance have the next one made at once: most
 * people answer within that time. A later one waits for the acceptance, as each has an address
 * of the relay.
 */
const lapsesMost = 2;
/** The most candidates in one frame. */
const batchSize = 32;

/**
 * The peer connection of one call, over its media generations. Only the
 * caller offers. Nothing of this side's candidates leaves, nothing of the
 * other side's is used, and no track goes into the connection, before
 * `release`: the callee releases once the server has confirmed its acceptance.
 */
export class Media {
  readonly remote = new MediaStream();
  #pc: RTCPeerConnection | null = null;
  #generation = 0;
  #released = false;
  #answered = false;
  #held: { generation: number; candidate: CandidateJson }[] = [];
  /** The other side's candidates that were taken, by generation. */
  readonly #taken = new Map<number, Set<string>>();
  #gathered: CandidateJson[] = [];
  #unsent: CandidateJson[] = [];
  #batch: ReturnType<typeof setTimeout> | undefined;
  readonly #watch: Watch;
  #work: Promise<unknown> = Promise.resolve();
  #audio: MediaStreamTrack | null = null;
  #video: MediaStreamTrack | null = null;
  #closed = false;
  #over = (_why: DOMException): void => {};
  /** Rejects with the end: what a browser is doing with a connection that closes never settles. */
  readonly #end = new Promise<never>((_, reject) => {
    this.#over = reject;
  });
  /** Connections that failed before the acceptance. */
  #lapses = 0;
  readonly #adaptation = new Adaptation();
  readonly #make: MakePeerConnection;
  readonly #facts: () => MediaFacts;
  readonly #tell: (news: MediaNews) => void;

  constructor(make: MakePeerConnection, facts: () => MediaFacts, tell: (news: MediaNews) => void) {
    this.#make = make;
    this.#facts = facts;
    this.#tell = tell;
    this.#end.catch(() => {}); // Also where nothing is under way.
    const connected = (): boolean => this.#pc?.connectionState === "connected";
    this.#watch = new Watch(
      () => ({ ...facts(), connected: connected() }),
      () => flowOf(this.#pc),
      tell,
    );
  }

  get connection(): RTCPeerConnection | null {
    return this.#pc;
  }

  get generation(): number {
    return this.#generation;
  }

  /** Whether pictures can flow: an answer without them means that no codec is common. */
  get pictures(): boolean {
    const { currentLocalDescription, currentRemoteDescription } = this.#pc ?? {};
    return ![currentLocalDescription, currentRemoteDescription].some(
      (d) => d?.type === "answer" && /^m=video 0 /m.test(d.sdp),
    );
  }

  /** How loud the other side is at this moment: 0 to 1. */
  get level(): number {
    const receivers = this.#pc?.getReceivers() ?? [];
    const sources = receivers.flatMap((r) =>
      r.track.kind === "audio" ? r.getSynchronizationSources() : [],
    );
    return Math.max(0, ...sources.map((s) => s.audioLevel ?? 0));
  }

  /** There is a connection to the server again. */
  reconnected(): void {
    this.#watch.reconnected();
  }

  /** What media flows by; null while it does not. */
  async path(): Promise<MediaPath | null> {
    const pc = this.#pc;
    if (pc?.connectionState !== "connected") return null;
    return readPath(await pc.getStats());
  }

  /** Puts the local tracks in; null takes one out. */
  setTracks(audio: MediaStreamTrack | null, video: MediaStreamTrack | null): Promise<void> {
    this.#audio = audio;
    this.#video = video;
    return this.#queue(async () => {
      await this.#putTracks();
      await this.#shape();
    });
  }

  /**
   * The caller's offer of a generation. `commit` starts ICE: it is called once
   * the ICE servers are known.
   */
  offer(generation: number, rebuild: boolean): Promise<string> {
    return this.#queue(async () => {
      const pc = this.#begin(generation, rebuild);
      if (pc.getTransceivers().length === 0) {
        pc.addTransceiver("audio", { direction: "sendrecv" });
        // In an audio call as well: it may become a video call, at once.
        pc.addTransceiver("video", { direction: "sendrecv" });
      }
      await this.#putTracks();
      const made = await pc.createOffer(generation > 1 ? { iceRestart: true } : {});
      const sdp = withStereo(made.sdp ?? "", this.#facts().profile);
      this.#offer = { type: "offer", sdp };
      return withoutAddresses(sdp);
    });
  }

  #offer: RTCSessionDescriptionInit | null = null;

  commit(servers: readonly IceServerJson[]): Promise<void> {
    return this.#queue(async () => {
      if (!this.#pc || !this.#offer) return;
      this.#configure(servers);
      await this.#pc.setLocalDescription(this.#offer);
      await this.#shape();
    });
  }

  /** The callee's answer to an offer. It starts gathering, and nothing else before `release`. */
  answer(
    generation: number,
    rebuild: boolean,
    offer: string,
    servers: readonly IceServerJson[],
  ): Promise<string> {
    return this.#queue(async () => {
      const pc = this.#begin(generation, rebuild);
      this.#configure(servers);
      await pc.setRemoteDescription({ type: "offer", sdp: withoutOrders(offer) });
      for (const t of pc.getTransceivers()) t.direction = "sendrecv";
      await this.#putTracks();
      const made = await pc.createAnswer();
      const sdp = withStereo(made.sdp ?? "", this.#facts().profile);
      await pc.setLocalDescription({ type: "answer", sdp });
      await this.#shape();
      this.#answered = true;
      await this.#takeHeld();
      return withoutAddresses(sdp);
    });
  }

  /** The callee's answer, at the caller: one per generation is applied. */
  take(generation: number, answer: string): Promise<void> {
    return this.#queue(async () => {
      if (!this.#pc || generation !== this.#generation || this.#answered) return;
      this.#answered = true;
      // The browser does one after the other, without a way back here in between.
      await Promise.all([
        this.#pc.setRemoteDescription({ type: "answer", sdp: withoutOrders(answer) }),
        this.#takeHeld(),
      ]);
    });
  }

  /** The other side's candidates, used as soon as they can be. */
  addRemote(generation: number, candidates: readonly CandidateJson[]): Promise<void> {
    return this.#queue(async () => {
      for (const candidate of candidates) this.#hold(generation, candidate);
      await this.#takeHeld();
    });
  }

  /** Takes a candidate until it can be used: each once, and no more than a side may send. */
  #hold(generation: number, candidate: CandidateJson): void {
    if (this.#generation === 0) {
      // A page that was reloaded knows of no generation yet: the newest is the one to come.
      if (this.#held.some((h) => h.generation > generation)) return;
      this.#held = this.#held.filter((h) => h.generation === generation);
      for (const g of this.#taken.keys()) if (g !== generation) this.#taken.delete(g);
    } else if (generation > this.#generation + 2) return;
    const taken = this.#taken.get(generation) ?? new Set();
    const key = `${candidate.sdpMid ?? ""} ${candidate.candidate ?? ""}`;
    if (taken.has(key) || taken.size >= heldMost) return;
    this.#taken.set(generation, taken.add(key));
    this.#held.push({ generation, candidate });
  }

  /** From here on candidates flow, both ways, and tracks are in the connection. */
  release(): Promise<void> {
    this.#released = true;
    if (this.failed) this.#watch.changed("failed");
    this.#flush();
    return this.#queue(async () => {
      await this.#takeHeld();
      await this.#putTracks();
    });
  }

  /** The candidates so far, to be sent with the acceptance. */
  takeGathered(): CandidateJson[] {
    this.#unsent = this.#gathered.slice(batchSize);
    return this.#gathered.slice(0, batchSize);
  }

  /** The connection came to nothing. */
  get failed(): boolean {
    return this.#pc?.connectionState === "failed";
  }

  /** How many of the other side's candidates of this generation wait to be used. */
  get held(): number {
    return this.#held.filter((h) => h.generation === this.#generation).length;
  }

  /**
   * Sends all candidates of this generation again, where more than `beyond` were sent: the
   * other side may have missed them.
   */
  resend(beyond = -1): void {
    if (this.#gathered.length - this.#unsent.length <= beyond) return;
    this.#unsent = [...this.#gathered];
    this.#flush();
  }

  close(): void {
    this.#closed = true;
    this.#over(closed());
    this.#clearBatch();
    this.#watch.stop();
    this.#pc?.close();
    this.#pc = null;
    for (const t of this.remote.getTracks()) this.remote.removeTrack(t);
  }

  /** One thing at a time, in order. What comes after `close` does nothing. */
  #queue<T>(task: () => T | Promise<T>): Promise<T> {
    const run = async (): Promise<T> => {
      if (this.#closed) throw closed();
      return await Promise.race([task(), this.#end]);
    };
    const result = this.#work.then(run, run);
    this.#work = result.catch(() => {});
    return result;
  }

  /** Starts a generation, on a new peer connection where that is needed. */
  #begin(generation: number, rebuild: boolean): RTCPeerConnection {
    this.#clearBatch();
    this.#generation = generation;
    this.#answered = false;
    this.#gathered = [];
    this.#unsent = [];
    this.#held = this.#held.filter((h) => h.generation >= generation);
    for (const g of this.#taken.keys()) if (g < generation) this.#taken.delete(g);
    this.#watch.begin(generation > 1, rebuild);
    if (this.#pc && !rebuild) return this.#pc;
    this.#pc?.close();
    for (const t of this.remote.getTracks()) this.remote.removeTrack(t);
    const pc = this.#make({
      iceTransportPolicy: this.#facts().policy,
      bundlePolicy: "max-bundle",
    });
    pc.onicecandidate = (e) => {
      if (pc === this.#pc) this.#found(e.candidate);
    };
    pc.onconnectionstatechange = () => {
      if (pc !== this.#pc) return;
      if (this.#released) this.#watch.changed(pc.connectionState);
      else if (this.failed && this.#lapses++ < lapsesMost) this.#tell({ kind: "lapsed" });
    };
    pc.ontrack = (e) => {
      if (pc !== this.#pc) return;
      this.remote.addTrack(e.track);
      this.#tell({ kind: "remoteStream", stream: this.remote });
    };
    this.#pc = pc;
    return pc;
  }

  #configure(servers: readonly IceServerJson[]): void {
    this.#pc?.setConfiguration({
      iceTransportPolicy: this.#facts().policy,
      bundlePolicy: "max-bundle",
      iceServers: servers.map((s) => ({
        urls: s.urls ?? [],
        ...(s.username ? { username: s.username, credential: s.credential ?? "" } : {}),
      })),
    });
  }

  /** Nothing of a microphone or a camera goes into a connection before `release`. */
  async #putTracks(): Promise<void> {
    if (!this.#released) return;
    const tracks = new Map([
      ["audio", this.#audio],
      ["video", this.#video],
    ]);
    for (const t of this.#pc?.getTransceivers() ?? []) {
      const { kind } = t.receiver.track;
      const track = tracks.get(kind) ?? null;
      tracks.delete(kind); // One sender of each kind, however many sections there are.
      if (t.sender.track !== track) await t.sender.replaceTrack(track);
    }
  }

  /** Goes by how what is sent fares: the picture gives way to the sound. */
  adapt(uplink: NetworkQuality["uplink"]): void {
    if (this.#adaptation.look(uplink)) this.#queue(() => this.#shape()).catch(() => {});
  }

  /** Keeps what is sent to the profile and the network: the browser goes below that by itself. */
  async #shape(): Promise<void> {
    for (const t of this.#pc?.getTransceivers() ?? []) {
      const { kind } = t.receiver.track;
      const screen = kind === "video" && this.#video?.contentHint === "detail";
      const profile = screen ? ofScreen(this.#facts().profile) : this.#facts().profile;
      const how = encoding(profile, kind, this.#adaptation.share);
      const parameters = t.sender.getParameters();
      if (parameters.encodings.every((e) => shaped.every((key) => e[key] === how[key]))) continue;
      for (const e of parameters.encodings) {
        delete e.maxBitrate;
        delete e.maxFramerate;
        Object.assign(e, how);
      }
      await t.sender.setParameters(parameters);
    }
  }

  #found(candidate: RTCIceCandidate | null): void {
    const c = candidate?.toJSON();
    const json: CandidateJson = { candidate: c?.candidate ?? "" };
    if (c?.sdpMid != null) json.sdpMid = c.sdpMid;
    if (c?.sdpMLineIndex != null) json.sdpMLineIndex = c.sdpMLineIndex;
    if (c?.usernameFragment != null) json.usernameFragment = c.usernameFragment;
    if (!candidate) return; // That there are no more is nothing that the other side waits for.
    this.#gathered.push(json);
    this.#unsent.push(json);
    this.#batch ??= setTimeout(() => this.#flush(), batchMs);
  }

  #flush(): void {
    clearTimeout(this.#batch);
    this.#batch = undefined;
    if (!this.#released) return;
    if (this.#facts().discreet) this.#unsent = relayed(this.#unsent);
    while (this.#unsent.length > 0) {
      const candidates = this.#unsent.splice(0, batchSize);
      this.#tell({ kind: "candidates", generation: this.#generation, candidates });
    }
  }

  async #takeHeld(): Promise<void> {
    if (!this.#released || !this.#answered || !this.#pc) return;
    this.#watch.open();
    const ready = this.#held.filter((h) => h.generation === this.#generation);
    this.#held = this.#held.filter((h) => h.generation > this.#generation);
    // One that does not fit, as of a section that was refused, harms nobody.
    const pc = this.#pc;
    await Promise.allSettled(ready.map(({ candidate }) => pc.addIceCandidate(candidate)));
  }

  #clearBatch(): void {
    clearTimeout(this.#batch);
    this.#batch = undefined;
  }
}

function closed(): DOMException {
  return new DOMException("the call is over", "AbortError");
}
