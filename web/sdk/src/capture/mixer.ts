/**
 * Makes the sound that is sent: the microphone's at the volume that was set, and with it the
 * sound of what is shown. As long as nobody asks for that the microphone's track goes as it
 * is: what is not needed cannot add delay.
 */
export class Mixer {
  #volume = 1;
  #context: AudioContext | null = null;
  #gain: GainNode | null = null;
  /** What the mix is made of. */
  #mixed: readonly (MediaStreamTrack | null)[] = [];
  #nodes: readonly AudioNode[] = [];
  #sent: MediaStreamTrack | null = null;
  #metered: MediaStreamTrack | null = null;
  #meter: readonly [AudioNode, AnalyserNode] | null = null;
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
    if (!microphone || (this.#volume === 1 && !shown)) {
      if (this.#meter) this.#unmix();
      else this.close();
      return microphone ?? shown;
    }
    // What is heard without a mix: a microphone that is muted is not.
    const plain = microphone.enabled ? microphone : (shown ?? microphone);
    const context = this.#open();
    // It would send silence: before a gesture in the page, and while a phone call has the sound.
    if (context?.state !== "running") return plain;
    if (this.#mixed[0] !== microphone || this.#mixed[1] !== shown)
      this.#mix(context, microphone, shown);
    return this.#sent ?? plain;
  }

  /** Null where the browser has no Web Audio, or no speaker for it. */
  #open(): AudioContext | null {
    try {
      this.#context ??= new AudioContext();
    } catch {
      return null;
    }
    this.#context.onstatechange = this.#changed;
    if (this.#context.state !== "running") this.#context.resume().catch(() => {});
    return this.#context;
  }

  #mix(context: AudioContext, microphone: MediaStreamTrack, shown: MediaStreamTrack | null): void {
    this.#unmix();
    const sink = context.createMediaStreamDestination();
    this.#gain = context.createGain();
    this.#gain.gain.value = this.#volume;
    const nodes: AudioNode[] = [sourceOf(context, microphone), this.#gain];
    nodes[0]?.connect(this.#gain).connect(sink);
    if (shown) {
      const source = sourceOf(context, shown);
      source.connect(sink);
      nodes.push(source);
    }
    this.#nodes = nodes;
    this.#mixed = [microphone, shown];
    this.#sent = sink.stream.getAudioTracks()[0] ?? null;
  }

  #unmix(): void {
    for (const node of this.#nodes) node.disconnect();
    this.#sent?.stop();
    this.#gain = this.#sent = null;
    this.#mixed = this.#nodes = [];
  }

  /** How loud the microphone is at this moment: 0 to 1. */
  level(microphone: MediaStreamTrack | null): number {
    const context = microphone && this.#open();
    if (!context) return 0;
    if (!this.#meter || this.#metered !== microphone) {
      this.#meter?.[0].disconnect();
      const source = sourceOf(context, microphone);
      this.#meter = [source, context.createAnalyser()];
      source.connect(this.#meter[1]);
      this.#metered = microphone;
    }
    const [, node] = this.#meter;
    const samples = new Float32Array(node.fftSize);
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
