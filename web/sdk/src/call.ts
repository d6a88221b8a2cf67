import { Answering } from "./answering";
import { PealError } from "./api/errors";
import type {
  AcceptOptions,
  CallEnd,
  CallHandle,
  CallQuality,
  CallSnapshot,
  Direction,
  MediaPath,
  MediaProfile,
  NetworkQuality,
  RemoteTracks,
  ScreenOptions,
} from "./api/types";
import { KnownCall } from "./call-state";
import type { Chosen } from "./capture/devices";
import { type DeviceNews, OwnDevices } from "./capture/local-media";
import type { Change, End } from "./device/machine";
import type { CallUpdateJson, CandidatesJson, InviteJson } from "./gen/peal_pb";
import { Inviting } from "./inviting";
import { type CallMediaNews, Negotiation } from "./media/negotiation";
import { pathNames } from "./media/path";
import type { MakePeerConnection, Media } from "./media/peer";
import { merged, soundBitrate } from "./media/profile";
import { QualityMeter } from "./media/quality";
import type { Command, Reply, Shell, Update } from "./shell";
import { readRecord, type Snapshot, typeNames } from "./snapshot";
import { TypeSwitch } from "./type-switch";
import { type RenderMode, Views } from "./view/views";

/**
 * One call on this device: the snapshots it was told, the media that follow
 * from them, and what the application may do. What becomes of it the device decides.
 */
export class Call extends KnownCall implements CallHandle {
  /** The shell of the login that the call belongs to. */
  readonly #shell: Shell;
  readonly #own: OwnDevices;
  readonly #views = new Views((blocked) => {
    if (this.end) return;
    this.#autoplayBlocked = blocked;
    this.emit("autoplayBlocked", blocked);
  });
  readonly #meter = new QualityMeter();
  readonly #negotiation: Negotiation;
  readonly #switch: TypeSwitch;
  readonly #inviting: Inviting;
  readonly #answering: Answering;
  /** What is asked of the devices and sent of them. */
  profile: MediaProfile;
  #invited: Promise<void> = Promise.resolve();
  /** Updates that came before `invited` settled; they are delivered after it. Then null. */
  #early: Update[] | null = null;
  /** The application has ended it. */
  #givenUp = false;
  /** Media are missed, and what the application was told of that. */
  #lost = { now: false, told: false };
  #path: MediaPath | null = null;
  #networkQuality: NetworkQuality | null = null;
  #autoplayBlocked = false;
  /** The answer to what this device asked is being taken: its promise tells, no event does. */
  #replying = false;

  constructor(
    shell: Shell,
    make: MakePeerConnection,
    policy: RTCIceTransportPolicy,
    direction: Direction,
    first: Snapshot,
    profile: MediaProfile,
    microphone: "required" | "optional",
  ) {
    super(direction, first);
    this.#shell = shell;
    this.profile = profile;
    this.#negotiation = new Negotiation(
      this,
      shell,
      make,
      () => ({ policy, profile: this.profile }),
      (news) => this.#heard(news),
    );
    const profileNow = (): MediaProfile => this.profile;
    this.#own = new OwnDevices(
      this,
      this.#negotiation,
      profileNow,
      microphone === "optional",
      (news) => this.#devices(news),
    );
    this.#switch = new TypeSwitch(this, (type) => this.#askForType(type));
    this.#inviting = new Inviting(this, this.#own, this.#negotiation, shell);
    this.#answering = new Answering(this, this.#own, this.#negotiation, shell);
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
  override get remoteTracks(): RemoteTracks {
    const tracks = super.remoteTracks;
    return { ...tracks, video: tracks.video && this.#media.pictures };
  }
  get microphoneOn(): boolean {
    return this.#own.microphoneOn;
  }
  get cameraOn(): boolean {
    return this.#own.cameraOn;
  }
  get screenOn(): boolean {
    return this.#own.screenOn;
  }
  get microphone(): MediaStreamTrack | null {
    return this.#own.microphone;
  }
  get camera(): MediaStreamTrack | null {
    return this.#own.camera;
  }
  get microphoneLevel(): number {
    return this.#own.microphoneLevel;
  }
  get remoteLevel(): number {
    return this.#media.level;
  }
  get path(): MediaPath | null {
    return this.#path;
  }
  protected get now(): CallSnapshot {
    const { id, direction, state, type, video, attachment, end } = this;
    const { peer, peerName, peerAvatar, parties } = this;
    const { localStream, remoteStream, remoteTracks, microphoneOn, cameraOn, screenOn } = this;
    const { videoRequested, path, quality, connectedAt, ringEndsAt } = this;
    const call = { id, direction, state, type, video, attachment, end };
    const people = { peer, peerName, peerAvatar, parties };
    const streams = { localStream, remoteStream, remoteTracks, microphoneOn, cameraOn, screenOn };
    const reconnecting = this.#lost.told && !end;
    const peerPresent = this.snapshot.peer.present;
    const autoplayBlocked = this.#autoplayBlocked && !end;
    const networkQuality = this.#networkQuality;
    const health = { reconnecting, peerPresent, path, networkQuality, quality };
    const asks = { videoRequested, autoplayBlocked };
    return { ...call, ...people, ...streams, ...health, ...asks, connectedAt, ringEndsAt };
  }
  get quality(): CallQuality | null {
    return this.#meter.quality;
  }
  /** How loud each side was when the network was last judged: 0 to 1. */
  get audioLevels(): { readonly local: number; readonly remote: number } {
    return this.#meter.levels;
  }
  /** The browser's connection, for those who know what they do. */
  get peerConnection(): RTCPeerConnection | null {
    return this.#media.connection;
  }

  // -------------------------------------------------------------- the caller

  /** Resolves when the server has taken the invitation, and rejects where it has not. */
  get invited(): Promise<void> {
    return this.#invited;
  }

  /** The client calls it once. */
  invite(invite: InviteJson): void {
    // The browser may ask for a device, and its prompt may never be answered.
    const over = new Promise<void>((resolve, reject) => {
      this.once("ended", ({ reason }) => {
        if (this.#givenUp) resolve(); // It was what the application wanted.
        const text = `the call ended before the server took the invitation: ${reason}`;
        reject(new PealError("call_ended", text));
      });
    });
    over.catch(() => {}); // Also where the call ends long after that.
    const shell = this.#shell;
    this.#invited = Promise.race([this.#inviting.invite(invite), over]).catch((e: unknown) => {
      if (!this.end) this.#fail();
      throw PealError.of(e);
    });
    this.#early = [];
    void this.#invited
      .then(() => shell.turn())
      .then(
        () => {
          const early = this.#early ?? [];
          this.#early = null;
          for (const update of early) this.take(update);
        },
        () => {}, // Nobody has to wait for it.
      );
  }

  /** It could not be made: it is over without a word, its promise tells. */
  #fail(): void {
    const shell = this.#shell;
    const { taken: call } = this.#inviting;
    this.#finish({
      reason: "failed",
      actor: this.snapshot.local.account,
      byThisDevice: true,
      answered: false,
      durationSeconds: 0,
      record: null,
    });
    shell.input({ kind: "abandon", call: this.id });
    // Where the server has taken it, it must not ring, or be on, for nobody.
    if (call !== null) void shell.leave((ticket) => ({ kind: "hangup", ticket, call }));
  }

  // -------------------------------------------------------------- the callee

  /** Prepares the answer while it rings, and tells the server that it does. */
  ring(update: CallUpdateJson): void {
    this.#negotiation.begins("rings", update);
    this.#answering.prepare();
    this.#showPicture();
  }

  /** Goes on after a reload. */
  resume(update: CallUpdateJson): void {
    const lost = this.state === "connected";
    this.#lost = { now: lost, told: lost };
    if (lost) this.#measure();
    this.#own.join(this.#own.open(this.video));
    this.#negotiation.begins("resumed", update);
    this.#showPicture();
  }

  #showPicture(): void {
    const { video, screen } = this.remoteTracks;
    this.#views.hasPicture(video && this.video, screen);
  }

  async accept(options: AcceptOptions = {}): Promise<void> {
    if (options.profile) this.profile = options.profile;
    await this.#answering.accept(options);
  }

  reject(): Promise<void> {
    return this.#leave("reject");
  }

  async setRingTimeout(ms: number): Promise<void> {
    const reply = await this.#command({ ringing: { callId: this.id, ringTimeoutMs: ms } });
    if (reply.error) throw reply.error;
  }

  // ---------------------------------------------------------------- both ends

  switchType(type: 1 | 2): Promise<void> {
    return this.#switch.to(type);
  }

  async #askForType(type: 1 | 2): Promise<void> {
    const command = { switchType: { callId: this.id, type: typeNames[type] } };
    const reply = await this.#command(command, true);
    if (reply.error) throw reply.error;
  }

  cancel(): Promise<void> {
    return this.#leave("cancel");
  }

  hangup(): Promise<void> {
    return this.end ? Promise.resolve() : this.#leave("hangup");
  }

  async #leave(kind: "cancel" | "reject" | "hangup"): Promise<void> {
    this.#givenUp = true;
    const { error } = await this.#shell.leave((ticket) => ({ kind, ticket, call: this.id }));
    if (error) throw error;
  }

  // ------------------------------------------------------------ what is told

  /** Takes what the device tells of this call. */
  take(told: Update): void {
    if (this.end) return;
    if (this.#early) {
      this.#early.push(told);
      return;
    }
    const { update, changes, reply } = told;
    const next = this.#shell.snapshotOf(update);
    if (!next) return;
    if (changes.length > 0 || next.rev >= this.snapshot.rev) this.know(next);
    this.#replying = reply;
    if (changes.includes("accepted") && next.role === "callee") this.#answering.adopt();
    // Before anyone is told, who may take their time.
    this.#negotiation.updated(update, changes);
    for (const change of changes) this.#changed(change);
    this.#replying = false;
  }

  /** Asks the server, and takes the snapshot that it answers. Events come after that. */
  #command(command: Command, updateFirst = false): Promise<Reply> {
    return this.#shell.command(command, {
      updateFirst,
      take: (reply) => {
        const next = reply.call && this.#shell.snapshotOf(reply.call);
        if (next && !next.end && next.id === this.id && next.rev > this.snapshot.rev)
          this.know(next);
        return reply;
      },
    });
  }

  /** It is over on this device. */
  ended(end: End): void {
    if (this.end) return;
    const { reason, actor, byThisDevice, answered, durationMs, record } = end;
    const told: CallEnd = {
      reason,
      actor,
      byThisDevice,
      answered,
      durationSeconds: Math.floor(durationMs / 1_000),
      record: record ? readRecord(record) : null,
    };
    this.#finish(told);
    this.emit("ended", told);
  }

  candidates(c: CandidatesJson): void {
    if (this.end) return;
    this.#media.addRemote(c.generation ?? 1, c.candidates ?? []).catch(() => {});
  }

  #tell(command: Command): void {
    this.#shell.input({ kind: "mention", command });
  }

  #changed(change: Change): void {
    const { peer, videoAsked } = this.snapshot;
    switch (change) {
      case "accepted":
        this.emit("accepted");
        break;
      case "generation":
      case "peerEpoch":
      case "reconnected":
        break; // For the media alone.
      case "peerPresence":
        this.emit("peerPresence", peer.present);
        break;
      case "peerMedia":
        this.emit("peerMedia", peer.mediaUp);
        break;
      case "remoteTracks":
        this.#showPicture();
        this.emit("remoteTracks", this.remoteTracks);
        break;
      case "type":
        this.#typeChanged(this.type);
        break;
      case "videoRequest":
        if (!this.#replying) this.emit("videoRequest", videoAsked === "peer");
        break;
      case "videoAnswer":
        this.#switch.settle();
        break;
      case "connected":
        this.#measure();
        this.emit("connected");
        this.#flows(!this.#lost.now);
        break;
    }
  }

  /** The cameras go with the type: both sides wanted what it is now. */
  #typeChanged(type: 1 | 2 | 3): void {
    this.#own.followType(type === 2).catch((e: unknown) => this.emit("error", PealError.of(e)));
    this.#showPicture();
    this.#switch.settle();
    if (!this.#replying) this.emit("type", type);
  }

  #finish(end: CallEnd): void {
    this.finish(end);
    navigator.mediaDevices?.removeEventListener?.("devicechange", this.#devicesChanged);
    this.#switch.settle();
    this.#meter.stop();
    this.#media.close();
    this.#own.close();
    this.#views.close();
  }

  // -------------------------------------------------------------------- media

  #heard(news: CallMediaNews): void {
    switch (news.kind) {
      case "remoteStream":
        this.#views.showRemote(news.stream);
        this.emit("remoteStream", news.stream);
        break;
      case "flows":
        this.#flows(news.flows);
        break;
      case "path":
        this.#flowsBy(news.path);
        break;
      case "tracks":
        this.#own.report();
        break;
      case "failed":
        this.emit("error", news.error);
        break;
    }
  }

  #measure(): void {
    this.#meter.start(
      () => this.#media.connection,
      (path) => ({
        remote: this.remoteTracks,
        // Also off where its volume is 0.
        microphone: this.localStream?.getAudioTracks()[0]?.enabled ?? false,
        soundBitrate: soundBitrate(this.profile),
        relayed: (path ?? this.#path)?.startsWith("relay") ?? false,
      }),
      (quality, path) => {
        if (path && path !== this.#path) {
          this.#flowsBy(path);
          const { generation } = this.#media;
          this.#tell({
            media: { callId: this.id, generation, up: true, path: pathNames[path] },
          });
        }
        this.#media.adapt(this.#meter.strain);
        this.#networkQuality = quality;
        this.emit("networkQuality", quality);
        this.#tellQuality();
      },
    );
  }

  #tellQuality(): void {
    const { quality, changed } = this.#meter;
    if (!quality || !changed) return;
    for (const warning of changed)
      this.emit("qualityWarning", warning, quality.warnings.includes(warning));
    this.emit("quality", quality);
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

  #devices(news: DeviceNews): void {
    switch (news.kind) {
      case "tracks":
        if (this.#mayReport) this.#tell({ tracks: { callId: this.id, tracks: news.tracks } });
        break;
      case "stream":
        this.#views.showLocal(news.stream, this.screenOn);
        this.emit("localStream", news.stream);
        break;
      case "screen":
        this.emit("screenShare", news.on);
        break;
      case "lost":
        this.emit("deviceLost", news.device);
        break;
      case "failed":
        // What was under way when the call ended has nobody to fail for.
        if (!this.end) this.emit("error", news.error);
        break;
    }
  }

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

  /** Uses another device: at once where one of its kind is open, and for what opens later. */
  chooseDevice(kind: keyof Chosen, deviceId: string): Promise<void> {
    return kind === "speaker" ? this.#views.speaker(deviceId) : this.#own.choose(kind, deviceId);
  }

  flipCamera(): Promise<void> {
    return this.#own.flip();
  }

  setProfile(profile: MediaProfile): Promise<void> {
    this.profile = merged(this.profile, profile);
    return this.#own.reshape();
  }

  async shareScreen({ audio = false }: ScreenOptions = {}): Promise<void> {
    const rings = this.state === "ringing";
    if (this.end || (rings && (this.direction === "incoming" || !this.video)))
      throw new PealError("wrong_state", "the screen is shared in a call that was answered");
    let asked = false;
    const consent = async (): Promise<void> => {
      asked = !this.video;
      if (asked) await this.switchType(2);
    };
    try {
      await this.#own.shareScreen(audio, consent);
    } catch (e) {
      // The other person need not answer any more.
      if (asked && this.snapshot.videoAsked === "local") this.switchType(1).catch(() => {});
      throw e;
    }
  }

  async stopScreenShare(): Promise<void> {
    this.#own.stopScreenShare();
  }

  /** How loud one's own sound is sent: 1 as it is. */
  setCaptureVolume(volume: number): void {
    this.#own.setVolume(volume);
  }

  /** A speaker that is gone makes no sound: the system's takes its place. */
  readonly #devicesChanged = (): void => {
    // Nobody asked for it: what does not join is as it was.
    this.#own.devicesChanged().catch(() => {});
    this.#views.speakersChanged().then(
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

  setRenderMode(which: "local" | "remote", mode: RenderMode): void {
    this.#views.render(which, mode);
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
