import type {
  AcceptOptions,
  CallEnd,
  CallEvents,
  CallHandle,
  CallRecord,
  CallState,
  Direction,
  RemoteTracks,
} from "./api";
import { microphoneGranted, requireSecureContext } from "./capture";
import type { Command, Reply } from "./connection";
import { Emitter } from "./emitter";
import { PealError } from "./errors";
import type { CallUpdateJson, CandidatesJson, InviteJson, TracksJson } from "./gen/peal_pb";
import { LocalTracks } from "./local";
import { advance, begin, type Change, type View } from "./machine";
import type { MakePeerConnection, Media } from "./media";
import { Negotiation } from "./negotiation";
import { QualityMeter } from "./quality";
import { readSnapshot, type Snapshot } from "./snapshot";
import { Views } from "./views";

/** What a call needs of its client. */
export interface CallHost {
  readonly account: string;
  readonly deviceId: string;
  readonly policy: RTCIceTransportPolicy;
  readonly make: MakePeerConnection;
  request(command: Command, lasting?: boolean): Promise<Reply>;
  tell(command: Command): void;
  /** The call is over on this device: the client is idle before anyone hears of it. */
  over(call: Call): void;
  /** A record of this account was filed. */
  filed(record: CallRecord): void;
}

/**
 * One call on this device: the snapshots it was told, the media that follow
 * from them, and what the application may do. Its life is drawn in machine.ts.
 */
export class Call extends Emitter<CallEvents> implements CallHandle {
  readonly direction: Direction;
  readonly #host: CallHost;
  readonly #local = new LocalTracks();
  readonly #views = new Views(() => this.emit("autoplayBlocked"));
  readonly #meter = new QualityMeter();
  #view: View;
  readonly #negotiation: Negotiation;
  #seenAt = Date.now();
  #accepting = false;
  #accepted = false;
  /** What came while the call was being made: told once `call()` has resolved. */
  #early: CallUpdateJson[] | null = null;
  #mediaWasUp = false;

  constructor(host: CallHost, direction: Direction, first: Snapshot) {
    super();
    this.#host = host;
    this.direction = direction;
    this.#view = begin(first);
    this.#negotiation = new Negotiation({
      make: host.make,
      policy: host.policy,
      snapshot: () => this.#view.snapshot,
      over: () => this.end !== null,
      request: (command) => host.request(command),
      tell: (command) => host.tell(command),
      apply: (update) => this.update(update),
      remoteStream: (stream) => {
        this.#views.showRemote(stream);
        this.emit("remoteStream", stream);
      },
      mediaUp: (up) => this.#mediaUp(up),
      failed: (error) => this.emit("error", error),
    });
  }

  get #media(): Media {
    return this.#negotiation.media;
  }

  get id(): string {
    return this.#view.snapshot.id;
  }
  get peer(): string {
    return this.#view.snapshot.peer.account;
  }
  get peerUid(): number {
    return this.#view.snapshot.peer.uid;
  }
  get localUid(): number {
    return this.#view.snapshot.local.uid;
  }
  get type(): 1 | 2 | 3 {
    return this.#view.snapshot.type;
  }
  get video(): boolean {
    return this.type === 2;
  }
  get attachment(): string {
    return this.#view.snapshot.attachment;
  }
  get state(): CallState {
    return this.#view.end ? "ended" : this.#view.snapshot.state;
  }
  get end(): CallEnd | null {
    return this.#view.end;
  }
  get localStream(): MediaStream | null {
    return this.#local.stream.getTracks().length > 0 ? this.#local.stream : null;
  }
  get remoteStream(): MediaStream | null {
    return this.#media.remote.getTracks().length > 0 ? this.#media.remote : null;
  }
  get remoteTracks(): RemoteTracks {
    return this.#view.snapshot.peer.tracks;
  }
  get microphoneOn(): boolean {
    return this.#local.audio !== null && !this.#local.audioMuted;
  }
  get cameraOn(): boolean {
    return this.#local.video !== null && !this.#local.videoMuted;
  }
  get connectedForMs(): number {
    const s = this.#view.snapshot;
    return s.state === "connected"
      ? s.connectedForMs + Date.now() - this.#seenAt
      : s.connectedForMs;
  }
  get ringRemainingMs(): number {
    return Math.max(0, this.#view.snapshot.ringRemainingMs - (Date.now() - this.#seenAt));
  }
  /** Whether the server has told of this call. */
  get known(): boolean {
    return this.#view.snapshot.rev > 0;
  }
  /** The browser's connection, for those who know what they do. */
  get peerConnection(): RTCPeerConnection | null {
    return this.#media.connection;
  }

  // -------------------------------------------------------------- the caller

  /** Opens the devices, invites, and starts ICE. The client calls it once. */
  async invite(invite: InviteJson): Promise<void> {
    this.#early = [];
    try {
      await this.#invite(invite);
    } finally {
      // Those who called get to listen before they hear of anything: also of an
      // invitation that is over at once, as with a busy callee.
      setTimeout(() => this.#catchUp(), 0);
    }
  }

  async #invite(invite: InviteJson): Promise<void> {
    await this.#local.open(true, this.video);
    if (this.end) return; // Given up meanwhile.
    this.#showLocal();
    await this.#media.setTracks(this.#local.audio, this.#local.video);
    const offer = await this.#media.offer(1, false);
    const reply = await this.#host.request({ invite: { ...invite, callId: this.id, offer } });
    if (this.end) return;
    if (reply.error) throw reply.error;
    const update = reply.call ?? {};
    this.#early?.unshift(update);
    if (update.mergedInto) {
      await this.#merge(update);
    } else {
      await this.#media.commit(update.iceServers ?? []);
      this.#reportTracks();
    }
    await this.#media.release();
  }

  /** Glare: the other one's invitation is the call now, and this device answers it. */
  async #merge(update: CallUpdateJson): Promise<void> {
    const next = this.#read(update);
    if (!next) throw new PealError("internal", "the server merged the call into nothing");
    this.#view = begin({ ...next, state: "ringing", rev: next.rev - 1 });
    this.#negotiation.replace();
    await this.#media.setTracks(this.#local.audio, this.#local.video);
  }

  #catchUp(): void {
    const early = this.#early ?? [];
    this.#early = null;
    for (const update of early) this.update(update);
  }

  // -------------------------------------------------------------- the callee

  /** Prepares the answer while it rings, and tells the server that it does. */
  ring(update: CallUpdateJson): void {
    this.#host.tell({ ringing: { callId: this.id } });
    this.#negotiation.prepare(update);
  }

  /** Goes on after a reload. */
  resume(update: CallUpdateJson): void {
    this.#mediaWasUp = this.state === "connected";
    if (this.#mediaWasUp) this.#measure();
    this.#local.open(true, this.video).then(
      () => this.#localChanged(),
      (e: unknown) => this.emit("error", PealError.of(e)),
    );
    void this.#media.release().catch(() => {});
    this.#negotiation.generationChanged(update);
    this.#negotiation.takeOffer(update);
  }

  async accept(options: AcceptOptions = {}): Promise<void> {
    if (
      this.direction !== "incoming" ||
      this.state !== "ringing" ||
      this.#accepting ||
      !this.#negotiation.prepared
    ) {
      throw new PealError("wrong_state", "there is no invitation to answer");
    }
    requireSecureContext();
    this.#accepting = true;
    const camera = (options.video ?? this.video) && this.video;
    let opened: Promise<void> = Promise.resolve();
    try {
      // Only a question to the user is worth waiting for, and only for the microphone.
      if (await microphoneGranted()) opened = this.#local.open(true, camera);
      else await this.#openForAnswer(camera);
      opened.catch(() => {}); // Looked at once the acceptance holds.
      const generation = this.#negotiation.answering;
      const answer = await this.#negotiation.prepared;
      if (this.end) throw new PealError("call_ended", "the call is over");
      const reply = await this.#host.request({ accept: { callId: this.id, answer, generation } });
      if (reply.error) {
        if (reply.call) this.update(reply.call);
        throw reply.error;
      }
      this.#accepted = true;
      void this.#media.release().catch(() => {});
      setTimeout(() => this.update(reply.call ?? {}), 0);
      opened.then(
        () => this.#localChanged(),
        (e: unknown) => this.#openWithoutCamera(e),
      );
    } catch (e) {
      // It may ring on, and be accepted after all: the devices close, not more.
      const close = (): void => this.#local.release();
      opened.then(close, close);
      throw PealError.of(e);
    } finally {
      this.#accepting = false;
    }
  }

  /** The acceptance held although its answer was lost for too long: the call is on. */
  #adopt(): void {
    this.#accepted = true;
    void this.#media.release().catch(() => {});
    this.#local.open(true, this.video).then(
      () => this.#localChanged(),
      (e: unknown) => this.#openWithoutCamera(e),
    );
  }

  /** One question for both devices; a callee without a camera answers by sound. */
  async #openForAnswer(camera: boolean): Promise<void> {
    try {
      await this.#local.open(true, camera);
    } catch (e) {
      if (!PealError.of(e).code.startsWith("camera")) throw e;
      this.emit("error", PealError.of(e));
      await this.#local.open(true, false);
    }
    this.#showLocal();
  }

  #openWithoutCamera(e: unknown): void {
    this.emit("error", PealError.of(e));
    this.#local.open(true, false).then(
      () => this.#localChanged(),
      () => this.#localChanged(),
    );
  }

  reject(): Promise<void> {
    if (this.direction !== "incoming" || this.state !== "ringing") {
      return Promise.reject(new PealError("wrong_state", "there is no invitation to reject"));
    }
    return this.#endBy({ reject: { callId: this.id } }, "rejected");
  }

  async setRingTimeout(ms: number): Promise<void> {
    const reply = await this.#host.request({ ringing: { callId: this.id, ringTimeoutMs: ms } });
    if (reply.call) this.update(reply.call);
    if (reply.error) throw reply.error;
  }

  // ---------------------------------------------------------------- both ends

  async cancel(): Promise<void> {
    if (this.direction !== "outgoing" || this.state !== "ringing") {
      throw new PealError("wrong_state", "there is no invitation to cancel");
    }
    const reply = await this.#host.request({ cancel: { callId: this.id } }, true);
    if (reply.call) this.update(reply.call);
    if (reply.error && reply.error.code !== "call_ended") throw reply.error;
  }

  hangup(): Promise<void> {
    switch (this.state) {
      case "ended":
        return Promise.resolve();
      case "ringing":
        // The server names the reason; an invitation that it never saw is cancelled.
        return this.direction === "outgoing"
          ? this.#cancelForGood()
          : this.#endBy({ hangup: { callId: this.id } }, "rejected");
      default:
        return this.#endBy({ hangup: { callId: this.id } }, "completed");
    }
  }

  async #cancelForGood(): Promise<void> {
    const callId = this.id;
    const sent = this.#host.request({ cancel: { callId } }, true);
    this.#finish("cancelled");
    let reply = await sent;
    // Answered at the last moment: that it is to end holds all the same.
    if (reply.error?.code === "already_accepted")
      reply = await this.#host.request({ hangup: { callId } }, true);
    this.update(reply.call ?? {});
  }

  async #endBy(command: Command, reason: CallEnd["reason"]): Promise<void> {
    const reply = this.#host.request(command, true);
    this.#finish(reason);
    this.update((await reply).call ?? {});
  }

  /** Over on this device at once, whether the server can be reached or not. */
  #finish(reason: CallEnd["reason"]): void {
    const s = this.#view.snapshot;
    const end: CallEnd = {
      reason,
      actor: s.local.account,
      byThisDevice: true,
      answered: s.state !== "ringing",
      durationSeconds: Math.floor(this.connectedForMs / 1_000),
      record: null,
    };
    this.#view = { snapshot: s, end };
    this.#over(end);
  }

  /** The server knows nothing of this call any more: it ended while nobody listened. */
  forget(): void {
    if (!this.end) this.#finish("lost");
  }

  /** An invitation that failed: it ends without a word, its promise tells. */
  abandon(): void {
    if (this.end) return;
    const s = this.#view.snapshot;
    const actor = s.local.account;
    this.#view = {
      snapshot: s,
      end: {
        reason: "failed",
        actor,
        byThisDevice: true,
        answered: false,
        durationSeconds: 0,
        record: null,
      },
    };
    this.#clear();
  }

  // ------------------------------------------------------------ what is told

  /** Takes what the server tells of this call. */
  update(update: CallUpdateJson): void {
    if (this.#early) {
      this.#early.push(update);
      return;
    }
    const next = this.#read(update);
    if (!next) return;
    const { view, changes } = advance(this.#view, next);
    if (view !== this.#view) this.#seenAt = Date.now();
    this.#view = view;
    for (const change of changes) this.#changed(change, update);
    if (next.end?.record) this.#host.filed(next.end.record);
    if (this.end) return;
    this.#negotiation.update(update);
  }

  candidates(c: CandidatesJson): void {
    if (this.end) return;
    this.#media.addRemote(c.generation ?? 1, c.candidates ?? []).catch(() => {});
  }

  /** After a reconnect: what may have been lost on the way is sent again. */
  refresh(): void {
    if (this.end) return;
    this.#media.resend();
    if (this.state === "ringing") {
      if (this.direction === "incoming") this.#host.tell({ ringing: { callId: this.id } });
      return;
    }
    this.#reportTracks();
    const pc = this.#media.connection;
    this.#host.tell({
      media: {
        callId: this.id,
        generation: this.#media.generation,
        up: pc?.connectionState === "connected",
      },
    });
  }

  #read(update: CallUpdateJson): Snapshot | null {
    return update.call ? readSnapshot(update.call, this.#host.account, this.#host.deviceId) : null;
  }

  #changed(change: Change, update: CallUpdateJson): void {
    switch (change.kind) {
      case "accepted":
        if (this.direction === "incoming" && !this.#accepted) this.#adopt();
        this.#media.resend();
        this.#reportTracks();
        this.emit("accepted");
        break;
      case "generation":
        this.#negotiation.generationChanged(update);
        break;
      case "peerEpoch":
        this.#media.resend();
        break;
      case "peerPresence":
        this.emit("peerPresence", change.present);
        break;
      case "peerMedia":
        this.emit("peerMedia", change.up);
        break;
      case "remoteTracks":
        this.emit("remoteTracks", change.tracks);
        break;
      case "connected":
        this.#measure();
        this.emit("connected");
        break;
      case "ended":
        this.#over(change.end);
        break;
    }
  }

  #over(end: CallEnd): void {
    this.#clear();
    this.emit("ended", end);
  }

  #clear(): void {
    this.#meter.stop();
    this.#media.close();
    this.#local.close();
    this.#views.close();
    this.#host.over(this);
  }

  // -------------------------------------------------------------------- media

  #measure(): void {
    this.#meter.start(
      () => this.#media.connection,
      (quality) => this.emit("networkQuality", quality),
    );
  }

  #mediaUp(up: boolean): void {
    // The first time the server says when both sides have media.
    if (up && this.#mediaWasUp) this.emit("connected");
    else if (!up) this.emit("reconnecting");
    this.#mediaWasUp ||= up;
  }

  // ------------------------------------------------------------ local devices

  #showLocal(): void {
    this.#views.showLocal(this.localStream);
    this.emit("localStream", this.localStream);
  }

  #localChanged(): void {
    if (this.end) return;
    this.#showLocal();
    this.#media
      .setTracks(this.#local.audio, this.#local.video)
      .catch((e: unknown) => this.emit("error", PealError.of(e)));
    this.#reportTracks();
  }

  #reportTracks(): void {
    const tracks: TracksJson = {
      audio: this.#local.audio !== null,
      audioMuted: this.#local.audioMuted,
      video: this.#local.video !== null,
      videoMuted: this.#local.videoMuted,
    };
    if (this.state !== "ringing" || this.direction === "outgoing") {
      this.#host.tell({ tracks: { callId: this.id, tracks } });
    }
  }

  async setMicrophone(on: boolean): Promise<void> {
    if (on) await this.#local.open(true, false);
    this.#local.audioMuted = !on;
    this.#local.apply();
    this.#localChanged();
  }

  async openMicrophone(open: boolean): Promise<void> {
    if (open) await this.#local.open(true, false);
    else this.#local.shut("audio");
    this.#localChanged();
  }

  async setCamera(on: boolean): Promise<void> {
    if (!this.video) throw new PealError("wrong_state", "this is an audio call");
    if (on) await this.#local.open(false, true);
    else this.#local.shut("video");
    this.#localChanged();
  }

  async muteCamera(muted: boolean): Promise<void> {
    this.#local.videoMuted = muted;
    this.#local.apply();
    this.#localChanged();
  }

  /** Puts another device's track in the place of the one in use. */
  replaceTrack(track: MediaStreamTrack): void {
    this.#local.put(track);
    this.#localChanged();
  }

  muteRemote(muted: boolean): void {
    this.#views.mute(muted);
  }

  setSpeaker(deviceId: string): Promise<void> {
    return this.#views.speaker(deviceId);
  }

  setVolume(volume: number): void {
    this.#views.setVolume(volume);
  }

  attachLocal(view: HTMLElement | null): void {
    this.#views.attachLocal(view, this.localStream);
  }

  attachRemote(view: HTMLElement | null): void {
    this.#views.attachRemote(view, this.remoteStream);
  }

  play(): Promise<void> {
    return this.#views.play();
  }

  getStats(): Promise<RTCStatsReport> {
    const pc = this.#media.connection;
    return pc ? pc.getStats() : Promise.reject(new PealError("wrong_state", "there is no media"));
  }
}
