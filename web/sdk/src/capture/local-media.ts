import { PealError } from "../api/errors";
import type { LostDevice, MediaProfile } from "../api/types";
import type { KnownCall } from "../call-state";
import type { TracksJson } from "../gen/peal_pb";
import type { Negotiation } from "../media/negotiation";
import type { Kind } from "../media/profile";
import { LocalTracks } from "./tracks";

/** What the call hears of this person's devices. */
export type DeviceNews =
  /** What the server and the other side learn of the tracks that are sent. */
  | { readonly kind: "tracks"; readonly tracks: TracksJson }
  /** One's own picture. */
  | { readonly kind: "stream"; readonly stream: MediaStream | null }
  | { readonly kind: "lost"; readonly device: LostDevice }
  | { readonly kind: "failed"; readonly error: PealError };

/**
 * One's own devices in a call. Whatever changes about them is sent, shown and
 * told to the other side.
 */
export class OwnDevices {
  readonly #call: KnownCall;
  readonly #negotiation: Negotiation;
  readonly #tell: (news: DeviceNews) => void;
  readonly #tracks: LocalTracks;

  constructor(
    call: KnownCall,
    negotiation: Negotiation,
    profile: () => MediaProfile,
    tell: (news: DeviceNews) => void,
  ) {
    this.#call = call;
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
  }

  /** What is captured; null while nothing is. */
  get stream(): MediaStream | null {
    return this.#tracks.stream.getTracks().length > 0 ? this.#tracks.stream : null;
  }

  get microphoneOn(): boolean {
    return this.#tracks.audio !== null && !this.#tracks.audioMuted;
  }

  get cameraOn(): boolean {
    return this.#tracks.video !== null && !this.#tracks.videoMuted;
  }

  /** Opens the devices, and does no more than that. */
  open(video: boolean): Promise<void> {
    return this.#tracks.open(true, video);
  }

  /** One question for both devices; who has no camera answers by sound. */
  async openForAnswer(video: boolean): Promise<void> {
    try {
      await this.open(video);
    } catch (e) {
      if (!PealError.of(e).code.startsWith("camera")) throw e;
      this.#failed(e);
      await this.#tracks.openSound();
    }
    if (!this.#call.end) this.show();
  }

  /** Sends what an opening of devices gives, or what it gives without the camera. */
  join(opening: Promise<void>): void {
    const changed = (): void => this.changed();
    opening.then(changed, (e: unknown) => {
      this.#failed(e);
      this.#tracks.openSound().then(changed, changed);
    });
  }

  /** Puts the tracks into the peer connection. */
  send(): Promise<void> {
    const { media } = this.#negotiation;
    const sent = media.setTracks(this.#tracks.sentAudio, this.#tracks.video);
    return sent.catch((e: unknown) => {
      // A connection that was replaced needs none: its successor gets them.
      if (media === this.#negotiation.media) throw e;
    });
  }

  show(): void {
    this.#tell({ kind: "stream", stream: this.stream });
  }

  /** What is sent now. */
  get tracks(): TracksJson {
    return {
      audio: this.#tracks.audio !== null,
      audioMuted: this.#tracks.audioMuted,
      video: this.#tracks.video !== null,
      videoMuted: this.#tracks.videoMuted,
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
    if (on) await this.#tracks.open(false, true);
    else this.#tracks.shut("video");
    this.changed();
  }

  async muteCamera(muted: boolean): Promise<void> {
    this.#tracks.videoMuted = muted;
    this.#tracks.apply();
    this.changed();
  }

  /** Uses another device where one of its kind is open, and else for the next opening. */
  async choose(kind: Kind, deviceId: string): Promise<void> {
    await this.#tracks.choose(kind, deviceId);
    this.changed();
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
    this.#tracks.close();
  }
}
