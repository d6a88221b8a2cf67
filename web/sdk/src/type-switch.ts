import { PealError } from "./api/errors";
import type { KnownCall } from "./call-state";

/** What the type of a call needs of it. */
export interface SwitchHost {
  readonly call: KnownCall;
  /** Tells the server what this side wants, and takes its answer. */
  ask(type: 1 | 2): Promise<void>;
}

/**
 * Changes a call from audio to video, which takes both sides, and from video to
 * audio, which takes one.
 */
export class TypeSwitch {
  readonly #host: SwitchHost;
  #waiting: { resolve: () => void; reject: (e: PealError) => void } | null = null;
  #asked: Promise<void> | null = null;

  constructor(host: SwitchHost) {
    this.#host = host;
  }

  to(type: 1 | 2): Promise<void> {
    const { state } = this.#host.call;
    if (state === "ringing" || state === "ended") {
      return Promise.reject(
        new PealError("wrong_state", "the type can change once the call is answered"),
      );
    }
    if (type === 1) return this.#host.ask(1).then(() => this.settle());
    this.#asked ??= this.#askForVideo().finally(() => {
      this.#asked = null;
    });
    return this.#asked;
  }

  async #askForVideo(): Promise<void> {
    await this.#host.ask(2);
    const answered = new Promise<void>((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
    this.settle();
    await answered;
  }

  /** Looks at where the call stands: whoever waits for an answer may have it. */
  settle(): void {
    const { end, type, snapshot } = this.#host.call;
    if (!this.#waiting || (snapshot.videoAsked === "local" && !end)) return;
    const { resolve, reject } = this.#waiting;
    this.#waiting = null;
    if (end) reject(new PealError("call_ended", "the call is over"));
    else if (type === 2) resolve();
    else reject(new PealError("declined", "the other person does not want a video call"));
  }
}
