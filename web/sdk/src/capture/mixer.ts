/**
 * Makes the sound that is sent: the microphone's at the volume that was set, and with it the
 * sound of what is shown. As long as nobody asks for that the microphone's track goes as it
 * is: what is not needed cannot add delay.
 */
export class Mixer {
  #volume = 1;
  #context: AudioContext | null = null;
  #gain: GainNode | null = null;
  #meter: { readonly node: AnalyserNode; readonly samples: Float32Array<ArrayBuffer> } | null =
    null;
  #metered: MediaStreamTrack | null = null;
  #mixed: readonly (MediaStreamTrack | null)[] = [];
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
    if (this.#gain) this.#gain.gain.value = this.#volume;
  }

  /** The track to send for a track of the microphone, and one of what is shown. */
  of(microphone: MediaStreamTrack | null, shown: MediaStreamTrack | null): MediaStreamTrack | null {
    const plain = microphone ?? shown;
    if (!plain || (this.#volume === 1 && !(microphone && shown))) {
      if (this.#meter) this.#unmix();
      else this.close();
      return plain;
    }
    const context = this.#open();
    // It would send silence: before a gesture in the page, and while a phone call has the sound.
    if (context.state !== "running") return plain;
    if (this.#mixed[0] !== microphone || this.#mixed[1] !== shown)
      this.#mix(context, microphone, shown);
    return this.#sent ?? plain;
  }

  #open(): AudioContext {
    this.#context ??= new AudioContext();
    this.#context.onstatechange = this.#changed;
    if (this.#context.state !== "running") this.#context.resume().catch(() => {});
    return this.#context;
  }

  #mix(
    context: AudioContext,
    microphone: MediaStreamTrack | null,
    shown: MediaStreamTrack | null,
  ): void {
    this.#unmix();
    const sink = context.createMediaStreamDestination();
    if (microphone) {
      this.#gain = context.createGain();
      this.#gain.gain.value = this.#volume;
      sourceOf(context, microphone).connect(this.#gain).connect(sink);
    }
    if (shown) sourceOf(context, shown).connect(sink);
    this.#mixed = [microphone, shown];
    this.#sent = sink.stream.getAudioTracks()[0] ?? null;
  }

  #unmix(): void {
    this.#gain?.disconnect();
    this.#sent?.stop();
    this.#gain = this.#sent = null;
    this.#mixed = [];
  }

  /** How loud the microphone is at this moment: 0 to 1. */
  level(microphone: MediaStreamTrack | null): number {
    if (!microphone) return 0;
    const context = this.#open();
    if (!this.#meter || this.#metered !== microphone) {
      const node = context.createAnalyser();
      sourceOf(context, microphone).connect(node);
      this.#meter = { node, samples: new Float32Array(node.fftSize) };
      this.#metered = microphone;
    }
    const { node, samples } = this.#meter;
    node.getFloatTimeDomainData(samples);
    return Math.sqrt(samples.reduce((sum, s) => sum + s * s, 0) / samples.length);
  }

  close(): void {
    this.#unmix();
    if (!this.#context) return;
    this.#context.onstatechange = null;
    this.#context.close().catch(() => {});
    this.#context = this.#meter = this.#metered = null;
  }
}

function sourceOf(context: AudioContext, track: MediaStreamTrack): MediaStreamAudioSourceNode {
  return context.createMediaStreamSource(new MediaStream([track]));
}
