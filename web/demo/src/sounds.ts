/**
 * The sounds of the page, made here: no files to load. Each one is a short
 * piece computed once and looped by the audio thread, which goes on in a hidden
 * tab where timers do not.
 */

type Loop = "ringtone" | "ringback";
type Chime = "connected" | "ended";

/** A struck bell, at a time, of a pitch and a loudness. */
interface Note {
  readonly at: number;
  readonly hertz: number;
  readonly level: number;
}

const ringtone: readonly Note[] = [
  { at: 0, hertz: 659.3, level: 1 },
  { at: 0.18, hertz: 830.6, level: 0.9 },
  { at: 0.36, hertz: 987.8, level: 0.9 },
  { at: 0.72, hertz: 830.6, level: 0.7 },
  { at: 0.9, hertz: 1108.7, level: 0.8 },
];
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
  #playing: { loop: Loop; source: AudioBufferSourceNode } | null = null;

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

  /** Plays one loop, or none. Asking for the one that plays changes nothing. */
  loop(wanted: Loop | null): void {
    if (this.#playing?.loop === wanted) return;
    this.#playing?.source.stop();
    this.#playing = null;
    const context = wanted ? this.#open() : null;
    if (!wanted || !context) return;
    const buffer = wanted === "ringtone" ? bells(context, ringtone, 3) : ringback(context);
    this.#playing = { loop: wanted, source: start(context, buffer, true) };
    // Without a gesture this waits for one, and the loop is heard from then on.
    void context.resume().catch(() => {});
  }

  chime(chime: Chime): void {
    const context = this.#context;
    if (context?.state === "running") start(context, bells(context, chimes[chime], 1.2), false);
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

function start(context: AudioContext, buffer: AudioBuffer, loop: boolean): AudioBufferSourceNode {
  const source = new AudioBufferSourceNode(context, { buffer, loop });
  source.connect(context.destination);
  source.start();
  return source;
}

/** Soft bells: a fundamental and two partials that fade faster. */
function bells(context: AudioContext, notes: readonly Note[], seconds: number): AudioBuffer {
  const { buffer, samples, rate } = silence(context, seconds);
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

/** One second of a low tone, then three of silence: the other side rings. */
function ringback(context: AudioContext): AudioBuffer {
  const { buffer, samples, rate } = silence(context, 4);
  for (let i = 0; i < rate; i++) {
    const s = i / rate;
    const edge = Math.min(1, s / 0.05, (1 - s) / 0.15);
    samples[i] = 0.035 * edge * Math.sin(2 * Math.PI * 425 * s);
  }
  return buffer;
}

function silence(
  context: AudioContext,
  seconds: number,
): { buffer: AudioBuffer; samples: Float32Array; rate: number } {
  const rate = context.sampleRate;
  const buffer = context.createBuffer(1, Math.floor(rate * seconds), rate);
  return { buffer, samples: buffer.getChannelData(0), rate };
}
