import { PealError } from "./api/errors";
import type { CallEnd, MediaProfile, ScreenOptions } from "./api/types";
import { type CallSetup, MediaCall } from "./call-media";
import type { Chosen } from "./capture/devices";
import { type DeviceNews, OwnDevices } from "./capture/local-media";
import type { CallMediaNews } from "./media/negotiation";
import { merged } from "./media/profile";
import { type RenderMode, Views } from "./view/views";

/** A call and this person's devices in it: microphone, camera and screen, and where the page shows and plays media. */
export abstract class DeviceCall extends MediaCall {
  protected readonly own: OwnDevices;
  readonly #views = new Views((blocked) => {
    if (this.end) return;
    this.#autoplayBlocked = blocked;
    this.emit("autoplayBlocked", blocked);
  });
  #autoplayBlocked = false;

  constructor(setup: CallSetup) {
    super(setup);
    this.own = new OwnDevices(
      this,
      this.negotiation,
      () => this.profile,
      setup.microphone === "optional",
      (news) => this.#devices(news),
    );
    navigator.mediaDevices?.addEventListener?.("devicechange", this.#devicesChanged);
  }

  abstract switchType(type: 1 | 2): Promise<void>;

  get localStream(): MediaStream | null {
    return this.own.stream;
  }
  get microphoneOn(): boolean {
    return this.own.microphoneOn;
  }
  get cameraOn(): boolean {
    return this.own.cameraOn;
  }
  get screenOn(): boolean {
    return this.own.screenOn;
  }
  get microphone(): MediaStreamTrack | null {
    return this.own.microphone;
  }
  get camera(): MediaStreamTrack | null {
    return this.own.camera;
  }
  get microphoneLevel(): number {
    return this.own.microphoneLevel;
  }
  get autoplayBlocked(): boolean {
    return this.#autoplayBlocked && !this.end;
  }

  protected override finish(end: CallEnd): void {
    super.finish(end);
    navigator.mediaDevices?.removeEventListener?.("devicechange", this.#devicesChanged);
    this.own.close();
    this.#views.close();
  }

  /** The caller tells what it sends from the start, the callee once it has answered. */
  get #mayReport(): boolean {
    return !this.end && (this.state !== "ringing" || this.direction === "outgoing");
  }

  #devices(news: DeviceNews): void {
    switch (news.kind) {
      case "tracks":
        if (this.#mayReport) this.tell({ tracks: { callId: this.id, tracks: news.tracks } });
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

  protected override heard(news: CallMediaNews): void {
    switch (news.kind) {
      case "remoteStream":
        this.#views.showRemote(news.stream);
        this.emit("remoteStream", news.stream);
        break;
      case "flows":
        this.flows(news.flows);
        break;
      case "path":
        this.flowsBy(news.path);
        break;
      case "tracks":
        this.own.report();
        break;
      case "failed":
        this.emit("error", news.error);
        break;
    }
  }

  /** Shows the other side's picture as long as there is one. */
  protected showPicture(): void {
    const { video, screen } = this.remoteTracks;
    this.#views.hasPicture(video && this.video, screen);
  }

  setMicrophone(on: boolean): Promise<void> {
    return this.own.setMicrophone(on);
  }

  openMicrophone(open: boolean): Promise<void> {
    return this.own.openMicrophone(open);
  }

  setCamera(on: boolean): Promise<void> {
    return this.own.setCamera(on);
  }

  muteCamera(muted: boolean): Promise<void> {
    return this.own.muteCamera(muted);
  }

  /** Uses another device: at once where one of its kind is open, and for what opens later. */
  chooseDevice(kind: keyof Chosen, deviceId: string): Promise<void> {
    return kind === "speaker" ? this.#views.speaker(deviceId) : this.own.choose(kind, deviceId);
  }

  flipCamera(): Promise<void> {
    return this.own.flip();
  }

  setProfile(profile: MediaProfile): Promise<void> {
    this.profile = merged(this.profile, profile);
    return this.own.reshape();
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
      await this.own.shareScreen(audio, consent);
    } catch (e) {
      // The other person need not answer any more.
      if (asked && this.snapshot.videoAsked === "local") this.switchType(1).catch(() => {});
      throw e;
    }
  }

  async stopScreenShare(): Promise<void> {
    this.own.stopScreenShare();
  }

  /** How loud one's own sound is sent: 1 as it is. */
  setCaptureVolume(volume: number): void {
    this.own.setVolume(volume);
  }

  /** A speaker that is gone makes no sound: the system's takes its place. */
  readonly #devicesChanged = (): void => {
    // Nobody asked for it: what does not join is as it was.
    this.own.devicesChanged().catch(() => {});
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
}
