/** The chimes of the page, made here: no files to load. What rings is the client's. */

type Chime = "connected" | "ended";

/** A struck bell, at a time, of a pitch and a loudness. */
interface Note {
  readonly at: number;
  readonly hertz: number;
  readonly level: number;
}

const chimes: Readonly<Record<Chime, readonly Note[]>> = {
  connected: [
    { at: 0, hertz: 659.3, level: 0.6 },
    { at: 0.1, hertz: 987.8, level: 0.6 },
  ],
  ended: [
    { at: 0, hertz: 493.9, level: 0.5 },
    { at: 0.14, hertz: 329.6, level: 0.5 },
  ],
};

export class Sounds {
  #context: AudioContext | null = null;

  /** Whether the browser keeps the page silent until it is clicked or typed into. */
  get locked(): boolean {
    if (this.#context?.state === "running") return false;
    return !navigator.userActivation?.hasBeenActive;
  }

  /** To be called in a gesture: from then on the browser lets sounds through. */
  unlock(): void {
    const context = this.#open();
    if (context?.state === "suspended") void context.resume().catch(() => {});
  }

  chime(chime: Chime): void {
    const context = this.#context;
    if (context?.state === "running") start(context, bells(context, chimes[chime], 1.2));
  }

  #open(): AudioContext | null {
    // Where there is no audio device or interface, the page works without sounds.
    try {
      this.#context ??= new AudioContext();
    } catch {
      return null;
    }
    return this.#context;
  }
}

function start(context: AudioContext, buffer: AudioBuffer): void {
  const source = new AudioBufferSourceNode(context, { buffer });
  source.connect(context.destination);
  source.start();
}

/** Soft bells: a fundamental and two partials that fade faster. */
function bells(context: AudioContext, notes: readonly Note[], seconds: number): AudioBuffer {
  const rate = context.sampleRate;
  const buffer = context.createBuffer(1, Math.floor(rate * seconds), rate);
  const samples = buffer.getChannelData(0);
  for (const { at, hertz, level } of notes) {
    const first = Math.floor(at * rate);
    for (let i = first; i < samples.length; i++) {
      const s = (i - first) / rate;
      const attack = Math.min(1, s / 0.006);
      const turn = 2 * Math.PI * hertz * s;
      const tone =
        Math.sin(turn) * Math.exp(-4 * s) +
        0.35 * Math.sin(2 * turn) * Math.exp(-7 * s) +
        0.12 * Math.sin(3.01 * turn) * Math.exp(-11 * s);
      samples[i] = (samples[i] ?? 0) + 0.09 * level * attack * tone;
    }
  }
  return buffer;
}
