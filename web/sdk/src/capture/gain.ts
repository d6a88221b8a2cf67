/**
 * Makes a track louder or quieter before it is sent. As long as nobody asks for
 * that the track goes as it is: what is not needed cannot add delay.
 */
export class Gain {
  #volume = 1;
  #context: AudioContext | null = null;
  #node: GainNode | null = null;
  #track: MediaStreamTrack | null = null;
  #sent: MediaStreamTrack | null = null;
  readonly #changed: () => void;

  /** `changed` hears when another track is to be sent. */
  constructor(changed: () => void) {
    this.#changed = changed;
  }

  get volume(): number {
    return this.#volume;
  }

  /** From 0, silent, over 1, as it is. */
  set volume(volume: number) {
    this.#volume = Math.max(volume, 0);
    if (this.#node) this.#node.gain.value = this.#volume;
  }

  /** The track to send for a track of the microphone. */
  of(track: MediaStreamTrack): MediaStreamTrack {
    if (this.#volume === 1) {
      this.close();
      return track;
    }
    if (!this.#context) {
      this.#context = new AudioContext();
      this.#context.onstatechange = this.#changed;
    }
    // It would send silence: before a gesture in the page, and while a phone call has the sound.
    if (this.#context.state !== "running") {
      this.#context.resume().catch(() => {});
      return track;
    }
    if (this.#track !== track) this.#build(this.#context, track);
    return this.#sent ?? track;
  }

  #build(context: AudioContext, track: MediaStreamTrack): void {
    this.#node?.disconnect();
    this.#sent?.stop();
    this.#node = context.createGain();
    this.#node.gain.value = this.#volume;
    const sink = context.createMediaStreamDestination();
    context
      .createMediaStreamSource(new MediaStream([track]))
      .connect(this.#node)
      .connect(sink);
    this.#track = track;
    this.#sent = sink.stream.getAudioTracks()[0] ?? null;
  }

  close(): void {
    if (!this.#context) return;
    this.#context.onstatechange = null;
    this.#context.close().catch(() => {});
    this.#sent?.stop();
    this.#context = this.#node = this.#track = this.#sent = null;
  }
}
