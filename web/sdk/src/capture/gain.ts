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

  /** From 0, silent, over 1, as it is. */
  set volume(volume: number) {
    this.#volume = Math.max(volume, 0);
    if (this.#node) this.#node.gain.value = this.#volume;
  }

  /** The track to send for a track of the microphone. */
  of(track: MediaStreamTrack): MediaStreamTrack {
    if (this.#volume === 1 && !this.#node) return track;
    if (this.#track === track && this.#sent) return this.#sent;
    this.#context ??= new AudioContext();
    // Without a gesture in the page it would stand still, and send silence.
    this.#context.resume().catch(() => {});
    this.#node?.disconnect();
    this.#node = this.#context.createGain();
    this.#node.gain.value = this.#volume;
    const sink = this.#context.createMediaStreamDestination();
    this.#context.createMediaStreamSource(new MediaStream([track])).connect(this.#node);
    this.#node.connect(sink);
    this.#track = track;
    this.#sent = sink.stream.getAudioTracks()[0] ?? track;
    return this.#sent;
  }

  close(): void {
    this.#context?.close().catch(() => {});
    this.#context = null;
    this.#node = null;
    this.#track = null;
    this.#sent = null;
  }
}
