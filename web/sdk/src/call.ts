import { Answering } from "./answering";
import type {
  AcceptOptions,
  CallEnd,
  CallHandle,
  CallRecord,
  ConnectionState,
  Direction,
  MediaPath,
  MediaProfile,
} from "./api";
import type { Command, Reply } from "./connection";
import { Departure } from "./departure";
import { PealError } from "./errors";
import type { CallUpdateJson, CandidatesJson, InviteJson } from "./gen/peal_pb";
import { Inviting } from "./inviting";
import { KnownCall } from "./known";
import { advance, type Change } from "./machine";
import type { MakePeerConnection, Media } from "./media";
import { Negotiation } from "./negotiation";
import { OwnDevices } from "./own";
import { pathNames } from "./path";
import { QualityMeter } from "./quality";
import { readSnapshot, type Snapshot, typeNames } from "./snapshot";
import { TypeSwitch } from "./switch";
import { type RenderMode, Views } from "./views";

/** What a call needs of its client. */
export interface CallHost {
  readonly account: string;
  readonly deviceId: string;
  readonly policy: RTCIceTransportPolicy;
  readonly connection: ConnectionState;
  readonly make: MakePeerConnection;
  request(command: Command, lasting?: boolean): Promise<Reply>;
  tell(command: Command): void;
  /** The network may be gone, or another: the connection is tried at once. */
  suspect(): void;
  /** The call is over on this device: the client is idle before anyone hears of it. */
  over(call: Call): void;
  /** Ends a call that this device is in on the server's side alone. */
  dismiss(callId: string): Promise<void>;
  /** Takes news of any call of this account. */
  news(update: CallUpdateJson): void;
  /** A record of this account was filed. */
  filed(record: CallRecord): void;
}

/**
 * One call on this device: the snapshots it was told, the media that follow
 * from them, and what the application may do. Its life is drawn in machine.ts.
 */
export class Call extends KnownCall implements CallHandle {
  readonly #host: CallHost;
  readonly #own: OwnDevices;
  readonly #views = new Views((blocked) => {
    if (!this.end) this.emit("autoplayBlocked", blocked);
  });
  readonly #meter = new QualityMeter();
  readonly #negotiation: Negotiation;
  readonly #switch: TypeSwitch;
  readonly #inviting: Inviting;
  readonly #answering: Answering;
  readonly #departure: Departure;
  /** What is asked of the devices and sent of them. */
  profile: MediaProfile = {};
  /** This device's own ring time-out; zero while it has none. */
  #ringTimeoutMs = 0;
  /** Media are missed, and what the application was told of that. */
  #lost = { now: false, told: false };
  #path: MediaPath | null = null;
  /** The answer to what this device asked is being taken: its promise tells, no event does. */
  #replying = false;

  constructor(host: CallHost, direction: Direction, first: Snapshot) {
    super(direction, first);
    this.#host = host;
    this.#negotiation = new Negotiation({
      make: host.make,
      // Also before the server has told what holds: the caller knows what it asked for.
      policy: () => (this.snapshot.icePolicy === "relayOnly" ? "relay" : host.policy),
      profile: () => this.profile,
      snapshot: () => this.snapshot,
      over: () => this.end !== null,
      online: () => host.connection === "online",
      request: (command) => host.request(command),
      tell: (command) => host.tell(command),
      apply: (update) => this.update(update),
      remoteStream: (stream) => {
        this.#views.showRemote(stream);
        this.emit("remoteStream", stream);
      },
      flows: (flows) => this.#flows(flows),
      path: (path) => this.#flowsBy(path),
      suspect: () => host.suspect(),
      failed: (error) => this.emit("error", error),
    });
    this.#own = new OwnDevices({
      video: () => this.video,
      profile: () => this.profile,
      send: (audio, video) => this.#media.setTracks(audio, video),
      report: (tracks) => {
        if (this.#mayReport) host.tell({ tracks: { callId: this.id, tracks } });
      },
      show: (stream) => {
        this.#views.showLocal(stream);
        this.emit("localStream", stream);
      },
      lost: (device) => this.emit("deviceLost", device),
      // What was under way when the call ended has nobody to fail for.
      failed: (error) => {
        if (!this.end) this.emit("error", error);
      },
    });
    this.#switch = new TypeSwitch({
      call: this,
      ask: (type) => this.#askForType(type),
    });
    this.#inviting = new Inviting({
      call: this,
      own: this.#own,
      negotiation: this.#negotiation,
      request: (command) => host.request(command),
      read: (update) => this.#read(update),
      apply: (update) => this.update(update),
      know: (view) => this.know(view),
      dismiss: (callId) => host.dismiss(callId),
    });
    this.#answering = new Answering({
      call: this,
      own: this.#own,
      negotiation: this.#negotiation,
      request: (command) => host.request(command),
      apply: (update) => this.update(update),
    });
    this.#departure = new Departure(this, {
      online: () => host.connection === "online",
      request: (command, lasting) => host.request(command, lasting),
      // One that was left may be this device's again, merged with one that it made since.
      apply: (update) => host.news(update),
      over: (end, told) => {
        this.know({ snapshot: this.snapshot, end });
        if (told) this.#over(end);
        else this.#clear();
      },
    });
    navigator.mediaDevices?.addEventListener?.("devicechange", this.#devicesChanged);
  }

  /** The caller tells what it sends from the start, the callee once it has answered. */
  get #mayReport(): boolean {
    return !this.end && (this.state !== "ringing" || this.direction === "outgoing");
  }

  get #media(): Media {
    return this.#negotiation.media;
  }

  get localStream(): MediaStream | null {
    return this.#own.stream;
  }
  get remoteStream(): MediaStream | null {
    return this.#media.remote.getTracks().length > 0 ? this.#media.remote : null;
  }
  get microphoneOn(): boolean {
    return this.#own.microphoneOn;
  }
  get cameraOn(): boolean {
    return this.#own.cameraOn;
  }
  get path(): MediaPath | null {
    return this.#path;
  }
  /** The browser's connection, for those who know what they do. */
  get peerConnection(): RTCPeerConnection | null {
    return this.#media.connection;
  }

  // -------------------------------------------------------------- the caller

  /** The client calls it once. */
  invite(invite: InviteJson): Promise<void> {
    return this.#inviting.invite(invite);
  }

  // -------------------------------------------------------------- the callee

  /** Prepares the answer while it rings, and tells the server that it does. */
  ring(update: CallUpdateJson): void {
    this.#rings();
    this.#negotiation.prepare(update);
    this.#answering.prepare();
  }

  /** Goes on after a reload. */
  resume(update: CallUpdateJson): void {
    const lost = this.state === "connected";
    this.#lost = { now: lost, told: lost };
    if (lost) this.#measure();
    this.#own.join(this.#own.open(this.video));
    void this.#media.release().catch(() => {});
    this.#negotiation.generationChanged(update);
    this.#negotiation.takeOffer(update);
  }

  async accept(options: AcceptOptions = {}): Promise<void> {
    if (options.profile) this.profile = options.profile;
    await this.#answering.accept(options);
  }

  reject(): Promise<void> {
    return this.#departure.reject();
  }

  async setRingTimeout(ms: number): Promise<void> {
    const reply = await this.#host.request({ ringing: { callId: this.id, ringTimeoutMs: ms } });
    if (reply.call) this.update(reply.call);
    if (reply.error) throw reply.error;
    this.#ringTimeoutMs = ms;
  }

  /** Given again, a time-out of before keeps its end. */
  #rings(): void {
    this.#host.tell({ ringing: { callId: this.id, ringTimeoutMs: this.#ringTimeoutMs } });
  }

  // ---------------------------------------------------------------- both ends

  switchType(type: 1 | 2): Promise<void> {
    return this.#switch.to(type);
  }

  async #askForType(type: 1 | 2): Promise<void> {
    const command = { switchType: { callId: this.id, type: typeNames[type] } };
    const reply = await this.#host.request(command);
    this.#replying = true;
    if (reply.call) this.update(reply.call);
    this.#replying = false;
    if (reply.error) throw reply.error;
  }

  cancel(): Promise<void> {
    return this.#departure.cancel();
  }

  hangup(): Promise<void> {
    return this.#departure.hangup();
  }

  /** Over without a word of the server's: it ended while nobody listened, or this login did. */
  forget(reason: "lost" | "kicked" = "lost"): void {
    this.#departure.forget(reason);
  }

  /** Over, and how is for the server to say. */
  lookUp(): Promise<void> {
    return this.#departure.lookUp();
  }

  /** The server may have an invitation that failed here, or get it yet: it must not ring. */
  withdraw(): Promise<void> {
    return this.#departure.withdraw();
  }

  /** An invitation that failed: it ends without a word, its promise tells. */
  abandon(): void {
    this.#departure.abandon();
  }

  // ------------------------------------------------------------ what is told

  /** Takes what the server tells of this call. */
  update(update: CallUpdateJson): void {
    if (this.#inviting.keeps(update)) return;
    this.#answering.tell();
    const next = this.#read(update);
    if (!next) return;
    if (this.#rang && next.role === "callee" && next.state !== "ringing" && !next.end) {
      void this.#departure.unwanted();
      return;
    }
    const { view, changes } = advance(this.view, next);
    this.know(view);
    // Before anyone is told, who may take their time.
    this.#negotiation.takeAnswer(update);
    for (const change of changes) this.#changed(change, update);
    if (next.end?.record) this.#host.filed(next.end.record);
    if (this.end) return;
    this.#negotiation.takeOffer(update);
  }

  /** Whether it rings here, and nobody has asked to answer. */
  get #rang(): boolean {
    return this.direction === "incoming" && this.state === "ringing" && !this.#answering.asked;
  }

  candidates(c: CandidatesJson): void {
    if (this.end) return;
    this.#media.addRemote(c.generation ?? 1, c.candidates ?? []).catch(() => {});
  }

  /** After a reconnect: what may have been lost on the way is sent again. */
  refresh(): void {
    if (this.end) return;
    this.#media.resend();
    if (this.#mayReport) this.#own.report();
    this.#media.reconnected();
    if (this.state === "ringing") {
      if (this.direction === "incoming") this.#rings();
      this.#negotiation.renew();
      return;
    }
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
        // The caller's may have come before the device that answered was there;
        // those of the callee went with the acceptance, unless nobody knows of it.
        if (this.snapshot.role === "caller") {
          const { icePolicy, candidatesHeld } = this.snapshot;
          // What was kept back until now goes now.
          this.#media.resendBeyond(icePolicy === "relayUntilAccept" ? -1 : candidatesHeld);
        } else {
          if (this.direction === "outgoing" || this.#answering.adopt()) this.#media.resend();
          this.#negotiation.accepted();
          this.#own.report();
        }
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
        this.#views.hasPicture(change.tracks.video && this.video);
        this.emit("remoteTracks", change.tracks);
        break;
      case "type":
        this.#typeChanged(change.type);
        break;
      case "videoRequest":
        if (!this.#replying) this.emit("videoRequest", change.asked);
        break;
      case "videoAnswer":
        this.#switch.settle();
        break;
      case "connected":
        this.#measure();
        this.emit("connected");
        this.#flows(!this.#lost.now);
        break;
      case "ended":
        this.#over(change.end);
        break;
    }
  }

  /** The cameras go with the type: both sides wanted what it is now. */
  #typeChanged(type: 1 | 2 | 3): void {
    this.#own.setCamera(type === 2).catch((e: unknown) => this.emit("error", PealError.of(e)));
    this.#views.hasPicture(this.remoteTracks.video && type === 2);
    this.#switch.settle();
    if (!this.#replying) this.emit("type", type);
  }

  #over(end: CallEnd): void {
    this.#clear();
    this.emit("ended", end);
  }

  #clear(): void {
    navigator.mediaDevices?.removeEventListener?.("devicechange", this.#devicesChanged);
    this.#switch.settle();
    this.#meter.stop();
    this.#media.close();
    this.#own.close();
    this.#views.close();
    this.#host.over(this);
  }

  // -------------------------------------------------------------------- media

  #measure(): void {
    this.#meter.start(
      () => this.#media.connection,
      () => this.remoteTracks.audio || this.remoteTracks.video,
      (quality, path) => {
        if (path && path !== this.#path) {
          this.#flowsBy(path);
          const { generation } = this.#media;
          this.#host.tell({
            media: { callId: this.id, generation, up: true, path: pathNames[path] },
          });
        }
        this.#media.adapt(this.#meter.strain);
        this.emit("networkQuality", quality);
      },
    );
  }

  #flowsBy(path: MediaPath): void {
    if (this.#path === path) return;
    this.#path = path;
    this.emit("path", path);
  }

  #flows(flows: boolean): void {
    this.#lost.now = !flows;
    // The first time the server says when both sides have media.
    if (this.state !== "connected" || this.#lost.told === this.#lost.now) return;
    this.#lost.told = this.#lost.now;
    this.emit(flows ? "connected" : "reconnecting");
  }

  // ------------------------------------------------------------ local devices

  setMicrophone(on: boolean): Promise<void> {
    return this.#own.setMicrophone(on);
  }

  openMicrophone(open: boolean): Promise<void> {
    return this.#own.openMicrophone(open);
  }

  setCamera(on: boolean): Promise<void> {
    return this.#own.setCamera(on);
  }

  muteCamera(muted: boolean): Promise<void> {
    return this.#own.muteCamera(muted);
  }

  /** Puts another device's track in the place of the one in use. */
  replaceTrack(track: MediaStreamTrack): void {
    this.#own.replace(track);
  }

  /** How loud one's own sound is sent: 1 as it is. */
  setCaptureVolume(volume: number): void {
    this.#own.setVolume(volume);
  }

  /** A speaker that is gone makes no sound: the system's takes its place. */
  readonly #devicesChanged = (): void => {
    this.#views.speakerLost().then(
      (label) => {
        if (label !== null && !this.end)
          this.emit("deviceLost", { kind: "speaker", label, replacement: "default" });
      },
      (e: unknown) => this.emit("error", PealError.of(e)),
    );
  };

  muteRemote(muted: boolean): void {
    this.#views.mute(muted);
  }

  get speakerId(): string {
    return this.#views.speakerId;
  }

  setRenderMode(which: "local" | "remote", mode: RenderMode): void {
    this.#views.render(which, mode);
  }

  setSpeaker(deviceId: string): Promise<void> {
    return this.#views.speaker(deviceId);
  }

  /** Stops showing the other side's picture here. */
  hideRemote(hidden: boolean): void {
    this.#views.hide(hidden);
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
