import type { CallEnd } from "./api";
import type { Command, Reply } from "./connection";
import { PealError } from "./errors";
import type { CallUpdateJson } from "./gen/peal_pb";
import type { KnownCall } from "./known";

/** What leaving a call needs of it. */
export interface DepartureHost {
  /** Whether the server can be reached now. */
  online(): boolean;
  request(command: Command, lasting: boolean): Promise<Reply>;
  /** Takes what the server answers. */
  apply(update: CallUpdateJson): void;
  /** The call is over on this device; `told` says whether its listeners are to hear of it. */
  over(end: CallEnd, told: boolean): void;
}

/**
 * How this device leaves a call. A hang-up holds here at once, whether the server
 * can be reached or not, and is told to it for as long as that takes.
 */
export class Departure {
  readonly #call: KnownCall;
  readonly #host: DepartureHost;

  constructor(call: KnownCall, host: DepartureHost) {
    this.#call = call;
    this.#host = host;
  }

  async cancel(): Promise<void> {
    const { id: callId, direction, state } = this.#call;
    if (direction !== "outgoing" || state !== "ringing")
      throw new PealError("wrong_state", "there is no invitation to cancel");
    // Nobody waits for a server that is away, or knows nothing yet, to stop one's own ringing.
    if (!this.#host.online() || !this.#call.known) return this.#cancelForGood();
    const reply = await this.#host.request({ cancel: { callId } }, true);
    if (reply.call) this.#host.apply(reply.call);
    if (reply.error && reply.error.code !== "call_ended") throw reply.error;
  }

  async reject(): Promise<void> {
    const { id: callId, direction, state } = this.#call;
    if (direction !== "incoming" || state !== "ringing")
      throw new PealError("wrong_state", "there is no invitation to reject");
    await this.#leave({ reject: { callId } }, "rejected");
  }

  async hangup(): Promise<void> {
    const { id: callId, direction, state } = this.#call;
    switch (state) {
      case "ended":
        return;
      case "ringing":
        // The server names the reason; an invitation that it never saw is cancelled.
        if (direction === "outgoing") await this.#cancelForGood();
        else await this.#leave({ hangup: { callId } }, "rejected");
        return;
      default:
        await this.#leave({ hangup: { callId } }, "completed");
    }
  }

  /** The server takes this device for in it, by an invitation of its own that was given up: nobody here has answered. */
  async unwanted(): Promise<void> {
    await this.#leave({ hangup: { callId: this.#call.id } }, "completed");
  }

  async #cancelForGood(): Promise<void> {
    const withdrawn = this.withdraw();
    this.#host.over(this.#end("cancelled"), true);
    await withdrawn;
  }

  /** Ends an invitation at the server's side, which may never have seen it. */
  async withdraw(): Promise<void> {
    const { id: callId } = this.#call;
    let reply = await this.#host.request({ cancel: { callId } }, true);
    // Answered at the last moment: that it is to end holds all the same.
    if (reply.error?.code === "already_accepted")
      reply = await this.#host.request({ hangup: { callId } }, true);
    this.#host.apply(reply.call ?? {});
  }

  async #leave(command: Command, reason: CallEnd["reason"]): Promise<void> {
    const { id: callId } = this.#call;
    const sent = this.#host.request(command, true);
    this.#host.over(this.#end(reason), true);
    let reply = await sent;
    // An acceptance that this device gave up waiting for has arrived.
    if (reply.error?.code === "already_accepted" && reply.call?.call?.role === "ROLE_CALLEE")
      reply = await this.#host.request({ hangup: { callId } }, true);
    this.#host.apply(reply.call ?? {});
  }

  /** How a call ended that ended too long ago for a welcome: a hang-up of one that is over asks just that. */
  async lookUp(): Promise<void> {
    const reply = await this.#host.request({ hangup: { callId: this.#call.id } }, true);
    this.#host.apply(reply.call ?? {});
    this.forget("lost");
  }

  /** Over without a word of the server's: it ended while nobody listened, or this login did. */
  forget(reason: "lost" | "kicked"): void {
    if (!this.#call.end) this.#host.over(this.#end(reason), true);
  }

  /** An invitation that failed: it ends without a word, its promise tells. */
  abandon(): void {
    if (!this.#call.end) this.#host.over(this.#end("failed"), false);
  }

  #end(reason: CallEnd["reason"]): CallEnd {
    const { snapshot, state, connectedForMs } = this.#call;
    return {
      reason,
      actor: snapshot.local.account,
      byThisDevice: true,
      answered: state !== "ringing",
      durationSeconds: Math.floor(connectedForMs / 1_000),
      record: null,
    };
  }
}
