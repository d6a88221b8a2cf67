import { PealError } from "./api/errors";
import type { AcceptOptions } from "./api/types";
import type { KnownCall } from "./call-state";
import type { OwnDevices } from "./capture/local-media";
import { microphoneGranted, requireSecureContext } from "./capture/open";
import type { Input } from "./device/io";
import type { Negotiation } from "./media/negotiation";
import type { Shell } from "./shell";

/**
 * How this device answers. The answer was prepared while it rang; what is left is
 * to open the devices, and only a question to the person is worth waiting for.
 */
export class Answering {
  readonly #call: KnownCall;
  readonly #own: OwnDevices;
  readonly #negotiation: Negotiation;
  readonly #shell: Shell;
  /** The acceptance that is on its way. */
  #accepting: Promise<void> | null = null;
  #accepted = false;
  /** What the person chose, and what is being opened for it. */
  #camera: boolean | null = null;
  #opening: Promise<void> | null = null;
  /** Devices of an acceptance that failed are being closed. */
  #closing: Promise<void> = Promise.resolve();
  /** Looked at while it rings: browsers take their time to say. */
  #granted: Promise<boolean> | null = null;

  constructor(call: KnownCall, own: OwnDevices, negotiation: Negotiation, shell: Shell) {
    this.#call = call;
    this.#own = own;
    this.#negotiation = negotiation;
    this.#shell = shell;
  }

  /** What can be known before the person decides. */
  prepare(): void {
    this.#granted = microphoneGranted();
  }

  /** A second click gets what the first one gets. */
  accept(options: AcceptOptions): Promise<void> {
    this.#accepting ??= this.#answer(options).finally(() => {
      this.#accepting = null;
      this.#call.answering = false;
    });
    return this.#accepting;
  }

  async #answer(options: AcceptOptions): Promise<void> {
    const call = this.#call;
    const rings = call.direction === "incoming" && call.state === "ringing";
    if (!rings || !this.#negotiation.prepared)
      throw new PealError("wrong_state", "there is no invitation to answer");
    requireSecureContext();
    call.answering = true;
    try {
      await this.#accept((options.video ?? call.video) && call.video);
    } catch (e) {
      throw PealError.of(e);
    }
  }

  async #accept(camera: boolean): Promise<void> {
    const call = this.#call;
    const own = this.#own;
    const negotiation = this.#negotiation;
    this.#camera = camera;
    let opening: Promise<void> = Promise.resolve();
    // A question to the person may never be answered.
    const over = new Promise<never>((_, reject) => {
      call.once("ended", () => reject(new PealError("call_ended", "the call is over")));
    });
    await Promise.race([this.#closing, over]);
    try {
      if (await (this.#granted ?? microphoneGranted())) opening = own.open(camera);
      else await Promise.race([own.openForAnswer(camera), over]);
      // What fails is looked at once the acceptance holds.
      opening.then(() => own.send()).catch(() => {});
      this.#opening = opening;
      const { generation, answer } = await Promise.race([negotiation.accepting(), over]);
      if (call.end) throw new PealError("call_ended", "the call is over");
      const { media } = negotiation;
      const accept = {
        callId: call.id,
        answer,
        generation,
        candidates: media.takeGathered(),
        candidatesHeld: media.held,
      };
      const wish = (ticket: number): Input => ({ kind: "accept", ticket, accept });
      await this.#shell.ask(wish, ({ error }) => {
        if (error) throw error;
        if (this.#accepted) return;
        negotiation.accepted();
        this.#holds(opening);
      });
    } catch (e) {
      if (this.#accepted) return; // It turned out to hold before its answer came.
      // It may ring on, and be accepted after all: the devices close, not more.
      const close = (): void => {
        own.release();
        own.send().catch(() => {}); // The call may be over.
      };
      this.#opening = null;
      this.#closing = opening.then(close, close);
      throw e;
    }
  }

  /** The acceptance held although its answer was lost for too long: the call is on. */
  adopt(): void {
    const call = this.#call;
    const own = this.#own;
    if (call.direction !== "incoming" || this.#accepted) return;
    // It may be an audio call by then.
    const reopen = () => own.open(this.#camera !== false && call.video);
    this.#holds(this.#opening ?? this.#closing.then(reopen));
  }

  #holds(opening: Promise<void>): void {
    this.#accepted = true;
    this.#call.answered();
    this.#own.join(opening);
  }
}
