import { capture } from "./capture";

/** One's own microphone and camera in a call, and what of them is sent. */
export class LocalTracks {
  readonly stream = new MediaStream();
  audioMuted = false;
  videoMuted = false;
  #closed = false;

  get audio(): MediaStreamTrack | null {
    return this.stream.getAudioTracks()[0] ?? null;
  }

  get video(): MediaStreamTrack | null {
    return this.stream.getVideoTracks()[0] ?? null;
  }

  /** Opens what is not open yet. */
  async open(audio: boolean, video: boolean): Promise<void> {
    const wantAudio = audio && !this.audio;
    const wantVideo = video && !this.video;
    if (!wantAudio && !wantVideo) return;
    const stream = await capture(wantAudio, wantVideo);
    for (const track of stream.getTracks()) {
      if (this.#closed) track.stop();
      else this.put(track);
    }
  }

  /** Takes a track in the place of the one of its kind. */
  put(track: MediaStreamTrack): void {
    this.shut(track.kind === "audio" ? "audio" : "video");
    this.stream.addTrack(track);
    this.apply();
  }

  shut(kind: "audio" | "video"): void {
    const track = kind === "audio" ? this.audio : this.video;
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
    this.release();
  }
}
