import { Gesture, wantsGesture } from "./gesture";

/** A built-in tone: what sounds, in hertz, and for how many seconds of each cycle. */
interface Tone {
  readonly pitches: readonly number[];
  readonly sounds: number;
  readonly cycle: number;
}

/** The callee hears two tones in turn; the caller hears what the telephone has there, of ITU-T E.180. */
export const tones = {
  ringtone: { pitches: [659, 523], sounds: 1.6, cycle: 3 },
  ringback: { pitches: [450], sounds: 1, cycle: 5 },
} as const satisfies Record<string, Tone>;

/** How long each of several pitches sounds, in seconds. */
const eachSounds = 0.4;
/** How long a browser that lets the page sound takes to begin at most. */
const patienceMs = 500;

/** A change in whether a sound plays. */
export type RingNews =
  /** The browser wants a gesture first; false once that is over. */
  | { readonly kind: "blocked"; readonly blocked: boolean }
  /** It cannot be played, and rings no more. */
  | { readonly kind: "failed"; readonly why: string };

/** What rings in the page: a file, or a built-in tone. It sounds until `stop`. */
export class Ringing {
  readonly #play: () => Promise<void>;
  readonly #end: () => void;
  readonly #tell: (news: RingNews) => void;
  readonly #gesture: Gesture;
  #over = false;

  constructor(sound: string | Tone, tell: (news: RingNews) => void) {
    this.#tell = tell;
    this.#gesture = new Gesture(this.#start, (blocked) => tell({ kind: "blocked", blocked }));
    if (typeof sound === "string") {
      const element = new Audio(sound);
      element.loop = true;
      this.#play = () => element.play();
      this.#end = () => element.pause();
    } else {
      const context = new AudioContext();
      const source = context.createBufferSource();
      source.buffer = bufferOf(context, sound);
      source.loop = true;
      source.connect(context.destination);
      source.start();
      this.#play = () => running(context);
      this.#end = () => void context.close().catch(() => {});
    }
    this.#start();
  }

  readonly #start = (): void => {
    this.#play().then(
      () => this.#gesture.await(false),
      (e: unknown) => {
        if (this.#over) return;
        if (wantsGesture(e)) {
          this.#gesture.await(true);
          return;
        }
        this.stop();
        this.#tell({ kind: "failed", why: e instanceof Error ? e.message : String(e) });
      },
    );
  };

  stop(): void {
    this.#gesture.await(false);
    if (this.#over) return;
    this.#over = true;
    this.#end();
  }
}

/** Without a gesture a context neither begins nor says so. */
async function running(context: AudioContext): Promise<void> {
  await Promise.race([context.resume(), new Promise((resolve) => setTimeout(resolve, patienceMs))]);
  if (context.state !== "running") throw new DOMException("no gesture yet", "NotAllowedError");
}

function bufferOf(context: AudioContext, { pitches, sounds, cycle }: Tone): AudioBuffer {
  const rate = context.sampleRate;
  const buffer = context.createBuffer(1, cycle * rate, rate);
  const samples = buffer.getChannelData(0);
  for (let i = 0; i < sounds * rate; i++) {
    const at = i / rate;
    const pitch = pitches[Math.floor(at / eachSounds) % pitches.length] ?? 0;
    // It swells and fades, so that it does not click.
    const length = pitches.length > 1 ? eachSounds : sounds;
    const edge = Math.min(1, 50 * (at % length), 50 * (length - (at % length)));
    samples[i] = 0.2 * edge * Math.sin(2 * Math.PI * pitch * at);
  }
  return buffer;
}
