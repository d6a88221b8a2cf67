import { PealError } from "./api/errors";
import type { KnownCall } from "./call-state";

/**
 * Changes a call from audio to video, which takes both sides, and from video to
 * audio, which takes one.
 */
export class TypeSwitch {
  readonly #call: KnownCall;
  readonly #ask: (type: 1 | 2) => Promise<void>;
  #waiting: { resolve: () => void; reject: (e: PealError) => void } | null = null;
  #asked: Promise<void> | null = null;

  /** `ask` tells the server what this side wants, and takes its answer. */
  constructor(call: KnownCall, ask: (type: 1 | 2) => Promise<void>) {
    this.#call = call;
    this.#ask = ask;
  }

  to(type: 1 | 2): Promise<void> {
    const { state } = this.#call;
    if (state === "ringing" || state === "ended") {
      return Promise.reject(
        new PealError("wrong_state", "the type can change once the call is answered"),
      );
    }
    if (type === 1) return this.#ask(1).then(() => this.settle());
    this.#asked ??= this.#askForVideo().finally(() => {
      this.#asked = null;
    });
    return this.#asked;
  }

  async #askForVideo(): Promise<void> {
    await this.#ask(2);
    const answered = new Promise<void>((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
    this.settle();
    await answered;
  }

  /** Looks at where the call stands: an answer that is waited for may be there. */
  settle(): void {
    const { end, type, snapshot } = this.#call;
    if (!this.#waiting || (snapshot.videoAsked === "local" && !end)) return;
    const { resolve, reject } = this.#waiting;
    this.#waiting = null;
    if (end) reject(new PealError("call_ended", "the call is over"));
    else if (type === 2) resolve();
    else reject(new PealError("declined", "the other person does not want a video call"));
  }
}
