import { PealError } from "../api/errors";
import type { LostDevice, MediaProfile } from "../api/types";
import type { KnownCall } from "../call-state";
import type { TracksJson } from "../gen/peal_pb";
import type { Negotiation } from "../media/negotiation";
import type { Kind } from "../media/profile";
import { ScreenShare } from "./screen";
import { LocalTracks } from "./tracks";

/** What the call hears of this person's devices. */
export type DeviceNews =
  /** What the server and the other side learn of the tracks that are sent. */
  | { readonly kind: "tracks"; readonly tracks: TracksJson }
  /** One's own picture. */
  | { readonly kind: "stream"; readonly stream: MediaStream | null }
  /** One's own screen is shown, or no more. */
  | { readonly kind: "screen"; readonly on: boolean }
  | { readonly kind: "lost"; readonly device: LostDevice }
  | { readonly kind: "failed"; readonly error: PealError };

/**
 * One's own devices in a call. Whatever changes about them is sent, shown and
 * reported to the other side.
 */
export class OwnDevices {
  readonly #call: KnownCall;
  readonly #negotiation: Negotiation;
  readonly #tell: (news: DeviceNews) => void;
  readonly #tracks: LocalTracks;
  /** Whether a call can do without a microphone. */
  readonly #optional: boolean;
  readonly #screen: ScreenShare;
  /** The camera was not opened for a video call, as the screen is to be its picture. */
  #owed = false;

  constructor(
    call: KnownCall,
    negotiation: Negotiation,
    profile: () => MediaProfile,
    optional: boolean,
    tell: (news: DeviceNews) => void,
  ) {
    this.#call = call;
    this.#optional = optional;
    this.#negotiation = negotiation;
    this.#tell = tell;
    this.#tracks = new LocalTracks(
      profile,
      (device) => {
        this.changed();
        if (device instanceof PealError) this.#failed(device);
        else tell({ kind: "lost", device });
      },
      () => this.#resend(),
    );
    this.#screen = new ScreenShare(this.#tracks, (on) => this.#screenChanged(on));
  }

  /** What is captured; null while nothing is. */
  get stream(): MediaStream | null {
    return this.#tracks.stream.getTracks().length > 0 ? this.#tracks.stream : null;
  }

  get microphoneOn(): boolean {
    return this.#tracks.audio !== null && !this.#tracks.audioMuted;
  }

  get cameraOn(): boolean {
    return this.#tracks.camera !== null && !this.#tracks.videoMuted;
  }

  get screenOn(): boolean {
    return this.#screen.on;
  }

  get microphone(): MediaStreamTrack | null {
    return this.#tracks.audio;
  }

  get camera(): MediaStreamTrack | null {
    return this.#tracks.camera;
  }

  get microphoneLevel(): number {
    return this.#tracks.level;
  }

  /** Opens the devices, and does no more than that. */
  async open(video: boolean): Promise<void> {
    try {
      await this.#tracks.open(true, video);
    } catch (e) {
      const { code } = PealError.of(e);
      if (!this.#optional || !code.startsWith("microphone")) throw e;
      // Browsers do not say which of two devices it was: each is tried for itself.
      if (!video || code.endsWith("denied")) this.#without(e);
      else await this.#tracks.openAlone("audio").catch((e: unknown) => this.#without(e));
      await this.#tracks.openAlone("video").catch((e: unknown) => this.#failed(e));
    }
  }

  /** The call goes on without a microphone. */
  #without(e: unknown): void {
    this.#failed(e);
    if (PealError.of(e).code === "microphone_missing") this.#tracks.awaitMicrophone();
  }

  /** One question for both devices; a callee without a camera answers by sound. */
  async openForAnswer(video: boolean): Promise<void> {
    try {
      await this.open(video);
    } catch (e) {
      if (!PealError.of(e).code.startsWith("camera")) throw e;
      this.#failed(e);
      await this.#tracks.openAlone("audio");
    }
    if (!this.#call.end) this.show();
  }

  /** Sends what an opening of devices gives, or what it gives without the camera. */
  join(opening: Promise<void>): void {
    const changed = (): void => this.changed();
    opening.then(changed, (e: unknown) => {
      this.#failed(e);
      this.#tracks.openAlone("audio").then(changed, changed);
    });
  }

  /** Devices were connected or taken away: one that was missing joins. */
  async devicesChanged(): Promise<void> {
    if (await this.#tracks.devicesChanged()) this.changed();
  }

  /** Puts the tracks into the peer connection. */
  async send(): Promise<void> {
    const { media } = this.#negotiation;
    try {
      await media.setTracks(this.#tracks.sentAudio, this.#tracks.video);
    } catch (e) {
      // A connection that was replaced needs none: its successor gets them.
      if (media === this.#negotiation.media) throw e;
    }
  }

  show(): void {
    this.#tell({ kind: "stream", stream: this.stream });
  }

  /** What is sent now. */
  get tracks(): TracksJson {
    return {
      audio: this.#tracks.audio !== null || this.#tracks.screenSound !== null,
      audioMuted: this.#tracks.audioMuted && this.#tracks.screenSound === null,
      video: this.#tracks.video !== null,
      videoMuted: this.#tracks.videoMuted && !this.screenOn,
      screen: this.screenOn,
    };
  }

  report(): void {
    this.#tell({ kind: "tracks", tracks: this.tracks });
  }

  /** Shows, sends and tells what is there now. */
  changed(): void {
    if (this.#call.end) return; // What opens late is closed, and nobody hears of it.
    this.show();
    this.#resend();
    this.report();
  }

  #resend(): void {
    this.send().catch((e: unknown) => this.#failed(e));
  }

  #failed(e: unknown): void {
    this.#tell({ kind: "failed", error: PealError.of(e) });
  }

  async setMicrophone(on: boolean): Promise<void> {
    this.#tracks.audioMuted = !on;
    if (on) await this.#tracks.open(true, false);
    this.#tracks.apply();
    this.changed();
  }

  async openMicrophone(open: boolean): Promise<void> {
    if (open) await this.#tracks.open(true, false);
    else this.#tracks.shut("audio");
    this.changed();
  }

  async setCamera(on: boolean): Promise<void> {
    if (on && !this.#call.video)
      throw new PealError(
        "wrong_state",
        "this is an audio call: ask for a video call by switchType(2), in the component API switchCallType(2)",
      );
    if (on && this.screenOn)
      throw new PealError(
        "wrong_state",
        "the screen is shown in the camera's place: stopScreenShare() first",
      );
    if (on) await this.#tracks.open(false, true);
    else this.#tracks.shut("video");
    this.changed();
  }

  /** For a change of the call's type: its picture is the screen, where that is to be shared. */
  async followType(video: boolean): Promise<void> {
    if (!video) {
      this.#tracks.shut("video"); // Before the screen goes, whose place it would take.
      this.#screen.end();
    }
    if (video && this.#screen.pending) this.#owed = true;
    else await this.setCamera(video);
  }

  /** Shows one's screen in the camera's place once `consent` allows it. */
  async shareScreen(audio: boolean, consent: () => Promise<void>): Promise<void> {
    this.#owed = false;
    try {
      await this.#screen.begin(audio, async () => {
        await consent();
        if (this.#call.end) throw new PealError("call_ended", "the call is over");
      });
    } catch (e) {
      if (this.#owed && this.#call.video && !this.#call.end)
        this.setCamera(true).catch((e: unknown) => this.#failed(e));
      throw e;
    }
  }

  stopScreenShare(): void {
    this.#screen.end();
  }

  #screenChanged(on: boolean): void {
    if (this.#call.end) return;
    this.changed();
    this.#tell({ kind: "screen", on });
    // The camera comes back where it is wanted. It may take its time, or a question to the person.
    if (!on)
      this.#tracks.openAlone("video").then(
        () => this.changed(),
        (e: unknown) => this.#failed(e),
      );
  }

  /** Another size, frame rate or quality from now on. */
  async reshape(): Promise<void> {
    await this.#tracks.reshape();
    this.changed();
  }

  /** Uses the camera on the other side of a phone. */
  async flip(): Promise<void> {
    if (!this.camera) throw new PealError("wrong_state", "the camera is closed: setCamera(true)");
    await this.#whatever(this.#tracks.flip());
  }

  async muteCamera(muted: boolean): Promise<void> {
    this.#tracks.videoMuted = muted;
    this.#tracks.apply();
    this.changed();
  }

  /** Uses another device where one of its kind is open, and else for the next opening. */
  async choose(kind: Kind, deviceId: string): Promise<void> {
    await this.#whatever(this.#tracks.choose(kind, deviceId));
  }

  /** A change that fails may have changed the tracks as well. */
  async #whatever(change: Promise<void>): Promise<void> {
    try {
      await change;
    } finally {
      this.changed();
    }
  }

  /** How loud one's own sound is sent: 1 as it is. */
  setVolume(volume: number): void {
    this.#tracks.setVolume(volume);
    this.changed();
  }

  /** Closes the devices; they can be opened again. */
  release(): void {
    this.#tracks.release();
  }

  close(): void {
    this.#screen.end(new PealError("call_ended", "the call is over"));
    this.#tracks.close();
  }
}
