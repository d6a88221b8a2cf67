import type { LostDevice, MediaProfile } from "../api/types";
import { audioConstraints, videoConstraints } from "../media/profile";
import { Gain } from "./gain";
import { capture } from "./open";

type Kind = "audio" | "video";

/** One's own microphone and camera in a call, and what of them is sent. */
export class LocalTracks {
  readonly stream = new MediaStream();
  audioMuted = false;
  videoMuted = false;
  readonly #profile: () => MediaProfile;
  readonly #lost: (device: LostDevice) => void;
  readonly #gain = new Gain();
  /** What was asked for last: a device that takes its time to open may not be wanted any more. */
  readonly #wanted = { audio: false, video: false };
  #closed = false;

  /** `lost` hears of a device that was unplugged; what took its place is in the stream. */
  constructor(profile: () => MediaProfile, lost: (device: LostDevice) => void) {
    this.#profile = profile;
    this.#lost = lost;
  }

  get audio(): MediaStreamTrack | null {
    return this.stream.getAudioTracks()[0] ?? null;
  }

  get video(): MediaStreamTrack | null {
    return this.stream.getVideoTracks()[0] ?? null;
  }

  /** The sound that is sent: the microphone's, at the volume that was set. */
  get sentAudio(): MediaStreamTrack | null {
    return this.audio && this.#gain.of(this.audio);
  }

  /** How loud one's own sound is sent: 1 as it is, 0 not at all. */
  setVolume(volume: number): void {
    this.#gain.volume = volume;
  }

  /** Opens what is not open yet. */
  async open(audio: boolean, video: boolean): Promise<void> {
    if (this.#closed) return;
    this.#wanted.audio ||= audio;
    this.#wanted.video ||= video;
    const wantAudio = audio && !this.audio;
    const wantVideo = video && !this.video;
    if (!wantAudio && !wantVideo) return;
    const profile = this.#profile();
    const stream = await capture(
      wantAudio && audioConstraints(profile),
      wantVideo && videoConstraints(profile),
    );
    for (const track of stream.getTracks()) {
      const kind = kindOf(track);
      // Another may have been faster.
      if (this.#wanted[kind] && !this[kind]) this.put(track);
      else track.stop();
    }
  }

  /** Opens the microphone, where it is wanted still: without the camera that cannot be had. */
  openSound(): Promise<void> {
    return this.open(this.#wanted.audio, false);
  }

  /** Takes a track in the place of the one of its kind. */
  put(track: MediaStreamTrack): void {
    this.#remove(kindOf(track));
    this.stream.addTrack(track);
    // Browsers say so when a device is gone, not when `stop` was called.
    track.addEventListener("ended", () => void this.#replace(track), { once: true });
    this.apply();
  }

  /** The device behind a track was unplugged: the browser's choice takes its place. */
  async #replace(track: MediaStreamTrack): Promise<void> {
    if (this.#closed || !this.stream.getTracks().includes(track)) return;
    this.stream.removeTrack(track);
    const audio = track.kind === "audio";
    let replacement: string | null = null;
    try {
      await this.open(audio, !audio);
      replacement = (audio ? this.audio : this.video)?.label ?? null;
    } catch {
      // There is no other, or it cannot be had: that is told as well.
    }
    if (!this.#closed)
      this.#lost({ kind: audio ? "microphone" : "camera", label: track.label, replacement });
  }

  /** Closes a device, also one that is being opened. */
  shut(kind: Kind): void {
    this.#wanted[kind] = false;
    this.#remove(kind);
  }

  #remove(kind: Kind): void {
    const track = this[kind];
    if (!track) return;
    track.stop();
    this.stream.removeTrack(track);
  }

  /** Brings the tracks in step with what is muted. */
  apply(): void {
    if (this.audio) this.audio.enabled = !this.audioMuted;
    if (this.video) this.video.enabled = !this.videoMuted;
  }

  /** Closes the devices; they can be opened again. */
  release(): void {
    this.shut("audio");
    this.shut("video");
  }

  /** Closes the devices for good: also those that are being opened. */
  close(): void {
    this.#closed = true;
    this.#gain.close();
    this.release();
  }
}

function kindOf(track: MediaStreamTrack): Kind {
  return track.kind === "audio" ? "audio" : "video";
}
