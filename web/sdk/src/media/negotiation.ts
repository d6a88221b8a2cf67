import { PealError } from "../api/errors";
import type { MediaPath, MediaProfile } from "../api/types";
import type { Change } from "../device/machine";
import type { CallUpdateJson, IceServerJson } from "../gen/peal_pb";
import type { Command, Reply } from "../shell";
import type { Snapshot } from "../snapshot";
import { pathNames } from "./path";
import { type MakePeerConnection, Media } from "./peer";
import { type CallFacts, type Input, type Order, Plan } from "./plan";

/** What the negotiation of a call needs of it. */
export interface NegotiationHost {
  readonly make: MakePeerConnection;
  policy(): RTCIceTransportPolicy;
  profile(): MediaProfile;
  /** The newest snapshot. */
  snapshot(): Snapshot;
  over(): boolean;
  /** Whether the server can be reached now. */
  online(): boolean;
  request(command: Command): Promise<Reply>;
  tell(command: Command): void;
  /** Tells the other side what this one sends. */
  tracks(): void;
  remoteStream(stream: MediaStream): void;
  /** What comes from the other side flows, or is missed, by turns. */
  flows(flows: boolean): void;
  /** What media flows by. */
  path(path: MediaPath): void;
  /** Nothing comes from the other side: is the server there? */
  suspect(): void;
  failed(error: PealError): void;
}

/** What a plan goes by, of a snapshot. */
function factsOf(s: Snapshot): CallFacts {
  return {
    role: s.role === "caller" ? "caller" : "callee",
    ringing: s.state === "ringing",
    generation: s.generation,
    rebuild: s.rebuild,
    keptBack: s.icePolicy === "relayUntilAccept",
    held: s.candidatesHeld,
  };
}

/** Carries out the plan of a call's media: on the peer connection, and at the server. */
export class Negotiation {
  readonly #host: NegotiationHost;
  readonly #plan: Plan;
  #media: Media;
  /** The answer that is made, or being made. */
  #answer: Promise<string> | null = null;
  /** The newest ICE servers. */
  #servers: readonly IceServerJson[] = [];

  constructor(host: NegotiationHost) {
    this.#host = host;
    this.#plan = new Plan(factsOf(host.snapshot()));
    this.#media = this.#make();
  }

  get media(): Media {
    return this.#media;
  }

  /** There is an offer, and so an answer to it. */
  get prepared(): boolean {
    return this.#answer !== null;
  }

  /** The offer that goes with an invitation. */
  offer(): Promise<string> {
    this.#step({ kind: "calls" });
    return this.#offer;
  }
  #offer: Promise<string> = Promise.resolve("");

  /** The server has taken the invitation, or merged it with the other side's: glare. */
  async invited(update: CallUpdateJson, merged: boolean): Promise<void> {
    this.#serversOf(update);
    await Promise.all(this.#step({ kind: merged ? "merged" : "invited" }));
  }

  /** It rings here, or the call went on while the page was loaded again. */
  begins(kind: "rings" | "resumed", update: CallUpdateJson): void {
    this.#serversOf(update);
    const call = factsOf(this.#host.snapshot());
    this.#begin({ kind, call, offer: update.offer ?? "" });
  }

  /** The call has changed. */
  updated(update: CallUpdateJson, changes: readonly Change[]): void {
    this.#serversOf(update);
    this.#begin({
      kind: "updated",
      call: factsOf(this.#host.snapshot()),
      changes,
      generation: update.call?.generation ?? 1,
      offer: update.offer ?? "",
      answer: update.answer ?? "",
    });
  }

  /** The answer that goes with the acceptance: it stays as it is from here on. */
  async accepting(): Promise<{ generation: number; answer: string }> {
    this.#begin({ kind: "accepts", failed: this.#media.failed });
    for (;;) {
      const made = this.#answer;
      const answer = (await made) ?? "";
      if (made !== this.#answer) continue; // Another was made meanwhile.
      this.#begin({ kind: "accepting" });
      return { generation: this.#plan.answering, answer };
    }
  }

  /** The server has confirmed the acceptance. */
  accepted(): void {
    this.#begin({ kind: "accepted" });
  }

  /** Carries out a step; what fails of it is told to the application, if it must be told. */
  #begin(input: Input): void {
    for (const done of this.#step(input)) done.catch(() => {}); // The call is over.
  }

  #step(input: Input): Promise<void>[] {
    return this.#plan.step(input).map((order) => Promise.resolve(this.#carryOut(order)));
  }

  #carryOut(order: Order): void | Promise<void> {
    const { id: callId } = this.#host.snapshot();
    switch (order.kind) {
      case "offer":
        this.#offer = this.#media.offer(order.generation, order.rebuild);
        if (order.send) this.#sendOffer(this.#offer, callId, order.generation);
        break;
      case "commit":
        return this.#media.commit(this.#servers);
      case "answer":
        this.#answer = this.#media.answer(
          order.generation,
          order.rebuild,
          order.offer,
          this.#servers,
        );
        if (order.give) this.#give(this.#answer, callId, order.generation);
        else this.#answer.catch((e: unknown) => this.#failed(e));
        break;
      case "give":
        if (this.#answer) this.#give(this.#answer, callId, order.generation);
        break;
      case "apply":
        this.#media.take(order.generation, order.answer).catch((e: unknown) => this.#failed(e));
        break;
      case "release":
        return this.#media.release();
      case "replace":
        this.#media.close();
        this.#media = this.#make();
        break;
      case "resend":
        this.#media.resend(order.beyond);
        break;
      case "tracks":
        this.#host.tracks();
        break;
      case "look":
        this.#media.reconnected();
        break;
      case "report": {
        const { generation, connection } = this.#media;
        const up = connection?.connectionState === "connected";
        this.#host.tell({ media: { callId, generation, up } });
        break;
      }
      case "restart":
        // Without a connection to the server it waits: whether it is needed then will be seen.
        if (!this.#host.over() && this.#host.online()) {
          const { fromGeneration, rebuild } = order;
          void this.#send({ restart: { callId, fromGeneration, rebuild } });
        }
        break;
    }
  }

  #serversOf({ iceServers = [] }: CallUpdateJson): void {
    if (iceServers.length > 0) this.#servers = iceServers;
  }

  #sendOffer(offer: Promise<string>, callId: string, generation: number): void {
    offer
      .then(async (sdp) => {
        await this.#media.commit(this.#servers);
        await this.#send({ offer: { callId, generation, sdp } });
      })
      .catch((e: unknown) => this.#failed(e));
  }

  #give(answer: Promise<string>, callId: string, generation: number): void {
    answer
      .then((sdp) => this.#send({ answer: { callId, generation, sdp } }))
      .catch((e: unknown) => this.#failed(e));
  }

  async #send(command: Command): Promise<void> {
    await this.#host.request(command);
  }

  /** Tells the server, and by the way what media flows by. */
  async #report(generation: number, up: boolean): Promise<void> {
    const path = up ? await this.#media.path().catch(() => null) : null;
    const now = this.#media.connection?.connectionState === "connected";
    if (this.#host.over() || this.#media.generation !== generation || now !== up) return;
    const { id } = this.#host.snapshot();
    const report = { callId: id, generation, up };
    this.#host.tell({ media: path ? { ...report, path: pathNames[path] } : report });
    if (path) this.#host.path(path);
  }

  #make(): Media {
    return new Media(
      {
        make: this.#host.make,
        policy: () => this.#host.policy(),
        // The caller is: of the callee nothing leaves before its acceptance holds.
        discreet: () => {
          const { icePolicy, role, state } = this.#host.snapshot();
          return icePolicy === "relayUntilAccept" && role === "caller" && state === "ringing";
        },
        profile: () => this.#host.profile(),
      },
      {
        candidates: (generation, candidates) =>
          this.#host.tell({
            candidates: { callId: this.#host.snapshot().id, generation, candidates },
          }),
        up: (generation, up) => {
          if (!this.#host.over()) void this.#report(generation, up);
        },
        flows: (flows) => {
          if (!this.#host.over()) this.#host.flows(flows);
        },
        remoteStream: (stream) => this.#host.remoteStream(stream),
        expected: () => {
          const { audio, video } = this.#host.snapshot().peer.tracks;
          return audio || video;
        },
        rings: () => this.#host.snapshot().state === "ringing",
        suspect: () => this.#host.suspect(),
        stuck: (rebuild) => this.#begin({ kind: "lost", rebuild }),
        lapsed: () => this.#begin({ kind: "lapsed" }),
      },
    );
  }

  #failed(e: unknown): void {
    if (!this.#host.over())
      this.#host.failed(new PealError("media_failed", PealError.of(e).message));
  }
}
