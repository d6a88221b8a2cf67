import type { Change } from "../device/machine";

/** What a plan goes by of the call, as the newest snapshot has it. */
export interface CallFacts {
  readonly role: "caller" | "callee";
  readonly ringing: boolean;
  readonly generation: number;
  /** A connection of an earlier generation than this one is of no use any more. */
  readonly rebuild: number;
  /** The server kept back candidates of the caller's until the acceptance. */
  readonly keptBack: boolean;
  /** How many of the caller's candidates the device that answered had. */
  readonly held: number;
}

/**
 * What a plan hears: the facts of the call, what the person does, and how media fare. `begun` is
 * the generation that the connection has begun, which comes after its order.
 */
export type Input =
  /** This device calls. */
  | { readonly kind: "calls" }
  /** The server has taken the invitation. */
  | { readonly kind: "invited" }
  /** The server has merged the invitation with the other side's, which is accepted by that. */
  | { readonly kind: "merged" }
  /** It rings here. */
  | { readonly kind: "rings"; readonly call: CallFacts; readonly offer: string }
  /** The call went on while this program was started again. */
  | { readonly kind: "resumed"; readonly call: CallFacts; readonly offer: string }
  /** The call has changed. Descriptions are of `generation`. */
  | {
      readonly kind: "updated";
      readonly call: CallFacts;
      readonly begun: number;
      readonly changes: readonly Change[];
      readonly generation: number;
      readonly offer: string;
      readonly answer: string;
    }
  /** The person accepts: the prepared answer goes as it is, unless its connection failed. */
  | { readonly kind: "accepts"; readonly failed: boolean }
  /** The acceptance goes out, with the newest answer. */
  | { readonly kind: "accepting" }
  /** The server has confirmed the acceptance. */
  | { readonly kind: "accepted" }
  /** What was prepared while it rings is of no use any more: another network, or a failure. */
  | { readonly kind: "lapsed"; readonly begun: number }
  /** No media arrive: a restart of ICE would help, or with `rebuild` new connections. */
  | { readonly kind: "lost"; readonly begun: number; readonly rebuild: boolean };

/** What is to be done about the peer connection and the server, in order. */
export type Order =
  /** Make an offer, on a connection of its own with `rebuild`; with `send` start ICE and send it. */
  | {
      readonly kind: "offer";
      readonly generation: number;
      readonly rebuild: boolean;
      readonly send: boolean;
    }
  /** Start ICE for the offer that is made. */
  | { readonly kind: "commit" }
  /** Make the answer to an offer; with `give` send it. */
  | {
      readonly kind: "answer";
      readonly generation: number;
      readonly rebuild: boolean;
      readonly offer: string;
      readonly give: boolean;
    }
  /** Send the answer that is made. */
  | { readonly kind: "give"; readonly generation: number }
  /** Use the other side's answer. */
  | { readonly kind: "apply"; readonly generation: number; readonly answer: string }
  /** From here on candidates flow both ways, and tracks are sent. */
  | { readonly kind: "release" }
  /** Another connection takes the place of this one, for another call. */
  | { readonly kind: "replace" }
  /** Send candidates again, where more than `beyond` were sent. */
  | { readonly kind: "resend"; readonly beyond: number }
  /** Tell the other side what this one sends. */
  | { readonly kind: "tracks" }
  /** Tell the server whether media are up, and look whether they come. */
  | { readonly kind: "report" }
  /** Look whether media come: the server was lost, and is found again. */
  | { readonly kind: "look" }
  /** Ask the server for another generation. */
  | { readonly kind: "restart"; readonly fromGeneration: number; readonly rebuild: boolean };

/** Every candidate, however many were sent. */
const all = -1;

/**
 * Decides which description this side of a call owes to one other side, of which generation
 * and on which connection, and what is to be sent again. It is pure, and equals the plan in Go
 * (client/media/internal/plan): both play the same transcripts.
 *
 *     caller   offer 1 ──invited──► commit, release ──generation──► offer n, commit, send
 *     callee   offer ──► answer ──accepted──► release ──offer──► answer n, give
 */
export class Plan {
  #call: CallFacts;
  /** The generation of the newest description that was ordered; 0 before the first. */
  #generation = 0;
  /** The generation whose offer is answered, or being answered, and that offer. */
  #answering = 0;
  #offer = "";
  /** The generation whose answer goes with the acceptance. */
  #accepting = 0;
  #released = false;
  #orders: Order[] = [];

  constructor(call: CallFacts) {
    this.#call = call;
  }

  /** The generation whose answer is made, or being made; 0 where there is none. */
  get answering(): number {
    return this.#answering;
  }

  step(input: Input): Order[] {
    this.#orders = [];
    switch (input.kind) {
      case "calls":
        this.#makeOffer(1, false, false);
        break;
      case "invited":
        this.#do({ kind: "commit" });
        this.#release();
        break;
      case "merged":
        this.#generation = 0;
        this.#do({ kind: "replace" });
        this.#release();
        break;
      case "rings":
        this.#call = input.call;
        this.#takeOffer(input.call.generation, input.offer);
        break;
      case "resumed":
        this.#call = input.call;
        this.#release();
        this.#offerAgain();
        this.#takeOffer(input.call.generation, input.offer);
        break;
      case "updated":
        this.#updated(input);
        break;
      case "accepts":
        if (input.failed) this.#answerAgain();
        break;
      case "accepting":
        this.#accepting = this.#answering;
        break;
      case "accepted":
        if (!this.#released) this.#release();
        break;
      case "lapsed":
        this.#renew(input.begun);
        break;
      case "lost":
        this.#restart(input.begun, input.rebuild);
        break;
    }
    return this.#orders;
  }

  #do(order: Order): void {
    this.#orders.push(order);
  }

  #release(): void {
    this.#released = true;
    this.#do({ kind: "release" });
  }

  #updated({ call, begun, changes, generation, offer, answer }: Input & { kind: "updated" }): void {
    this.#call = call;
    if (answer !== "" && generation === this.#generation)
      this.#do({ kind: "apply", generation, answer });
    for (const change of changes) {
      if (change === "accepted") this.#answered();
      else if (change === "generation") this.#offerAgain();
      else if (change === "peerEpoch") this.#do({ kind: "resend", beyond: all });
      else if (change === "reconnected") this.#reconnected(begun);
    }
    this.#takeOffer(generation, offer);
  }

  /** The call is answered. What the other side may have missed goes again. */
  #answered(): void {
    const { role, keptBack, held, generation } = this.#call;
    const unknown = !this.#released; // The word that the acceptance holds was lost.
    if (unknown) this.#release();
    if (role === "caller") {
      this.#do({ kind: "resend", beyond: keptBack ? all : held });
      return;
    }
    if (unknown) this.#do({ kind: "resend", beyond: all });
    // The caller may have offered again while the acceptance was on its way.
    if (this.#answering > this.#accepting && this.#answering === generation)
      this.#do({ kind: "give", generation });
    this.#do({ kind: "tracks" });
  }

  /** This side has a connection to the server again: what it sent may have been lost. */
  #reconnected(begun: number): void {
    const { role, ringing } = this.#call;
    this.#do({ kind: "resend", beyond: all });
    if (!ringing || role === "caller") this.#do({ kind: "tracks" });
    this.#do({ kind: "look" });
    if (ringing) this.#renew(begun);
    else this.#do({ kind: "report" });
  }

  /** The caller offers each new generation; the callee waits for the offer. */
  #offerAgain(): void {
    const { role, generation, rebuild } = this.#call;
    if (role === "caller" && this.#generation < generation)
      this.#makeOffer(generation, rebuild > this.#generation, true);
  }

  #makeOffer(generation: number, rebuild: boolean, send: boolean): void {
    this.#generation = generation;
    this.#do({ kind: "offer", generation, rebuild, send });
  }

  /** Answers an offer: while it rings for the acceptance, otherwise at once. */
  #takeOffer(of: number, offer: string): void {
    const { role, generation, rebuild, ringing } = this.#call;
    if (role !== "callee" || offer === "" || of !== generation || this.#answering >= generation)
      return;
    const fresh = this.#generation > 0 && (ringing || rebuild > this.#generation);
    this.#generation = generation;
    this.#answering = generation;
    this.#offer = offer;
    this.#do({ kind: "answer", generation, rebuild: fresh, offer, give: !ringing });
  }

  /** The caller offers again; the callee's answer is made again, unless it is on its way. */
  #renew(begun: number): void {
    if (!this.#call.ringing) return;
    if (this.#call.role === "caller") this.#restart(begun, true);
    else if (this.#accepting < this.#answering) this.#answerAgain();
  }

  #answerAgain(): void {
    const generation = this.#answering;
    if (generation === 0) return;
    this.#do({ kind: "answer", generation, rebuild: true, offer: this.#offer, give: false });
  }

  /**
   * Asks for another generation, unless there is one that has not begun. If new connections are
   * needed, a restart of ICE in between does not count.
   */
  #restart(begun: number, rebuild: boolean): void {
    const { generation, rebuild: rebuilt } = this.#call;
    if ((rebuild ? rebuilt : generation) > begun) return;
    this.#do({ kind: "restart", fromGeneration: generation, rebuild });
  }
}
