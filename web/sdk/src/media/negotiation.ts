import { PealError } from "../api/errors";
import type { MediaPath } from "../api/types";
import type { KnownCall } from "../call-state";
import type { Change } from "../device/machine";
import type { CallUpdateJson, IceServerJson } from "../gen/peal_pb";
import type { Command, Shell } from "../shell";
import type { Snapshot } from "../snapshot";
import { pathNames } from "./path";
import { type MakePeerConnection, Media, type MediaFacts, type MediaNews } from "./peer";
import { type CallFacts, type Input, type Order, Plan } from "./plan";

/** What the call hears of its media. */
export type CallMediaNews =
  | { readonly kind: "remoteStream"; readonly stream: MediaStream }
  /** What comes from the other side flows, or is missed, by turns. */
  | { readonly kind: "flows"; readonly flows: boolean }
  /** What media flow by. */
  | { readonly kind: "path"; readonly path: MediaPath }
  /** The other side must learn what this one sends. */
  | { readonly kind: "tracks" }
  | { readonly kind: "failed"; readonly error: PealError };

/** How long the server may wait for the path of media that are up: the next look tells it as well. */
const pathPatienceMs = 500;

function tooLate(): Promise<null> {
  return new Promise((resolve) => setTimeout(resolve, pathPatienceMs, null));
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
  readonly #call: KnownCall;
  readonly #shell: Shell;
  readonly #make: () => Media;
  readonly #tell: (news: CallMediaNews) => void;
  readonly #plan: Plan;
  #media: Media;
  /** The offer that is made, or being made; and the answer. */
  #offer: Promise<string> = Promise.resolve("");
  #answer: Promise<string> | null = null;
  /** The newest ICE servers. */
  #servers: readonly IceServerJson[] = [];

  constructor(
    call: KnownCall,
    shell: Shell,
    make: MakePeerConnection,
    facts: () => Pick<MediaFacts, "policy" | "profile">,
    tell: (news: CallMediaNews) => void,
  ) {
    this.#call = call;
    this.#shell = shell;
    this.#tell = tell;
    this.#plan = new Plan(factsOf(call.snapshot));
    this.#make = () =>
      new Media(
        make,
        () => {
          const { icePolicy, role, state, peer } = call.snapshot;
          const ringing = state === "ringing";
          const { policy, profile } = facts();
          return {
            // Also before the server has answered: the caller knows what it asked for.
            policy: icePolicy === "relayOnly" ? "relay" : policy,
            profile,
            ringing,
            // The caller is: of the callee nothing leaves before its acceptance holds.
            discreet: icePolicy === "relayUntilAccept" && role === "caller" && ringing,
            expected: peer.tracks.audio || peer.tracks.video,
          };
        },
        (news) => this.#heard(news),
      );
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
    this.#begin({ kind: "calls" });
    return this.#offer;
  }

  /** The server has taken the invitation, or merged it with the other side's: glare. */
  async invited(update: CallUpdateJson, merged: boolean): Promise<void> {
    this.#serversOf(update);
    await Promise.all(this.#step({ kind: merged ? "merged" : "invited" }));
  }

  /** It rings here, or the call went on while the page was loaded again. */
  begins(kind: "rings" | "resumed", update: CallUpdateJson): void {
    this.#serversOf(update);
    const call = factsOf(this.#call.snapshot);
    this.#begin({ kind, call, offer: update.offer ?? "" });
  }

  /** The call has changed. */
  updated(update: CallUpdateJson, changes: readonly Change[]): void {
    this.#serversOf(update);
    this.#begin({
      kind: "updated",
      call: factsOf(this.#call.snapshot),
      begun: this.#media.generation,
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
      let answer: string | null;
      try {
        answer = await made;
      } catch (e) {
        if (made === this.#answer) throw e;
        continue; // Its connection was replaced.
      }
      if (made !== this.#answer) continue; // Another was made meanwhile.
      this.#begin({ kind: "accepting" });
      return { generation: this.#plan.answering, answer: answer ?? "" };
    }
  }

  /** The server has confirmed the acceptance. */
  accepted(): void {
    this.#begin({ kind: "accepted" });
  }

  /** Carries out a step. Descriptions report their own failures, and what opens the tracks theirs. */
  #begin(input: Input): void {
    for (const done of this.#step(input)) done.catch(() => {});
  }

  #step(input: Input): Promise<void>[] {
    return this.#plan.step(input).map((order) => Promise.resolve(this.#carryOut(order)));
  }

  #carryOut(order: Order): void | Promise<void> {
    const { id: callId } = this.#call;
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
        else this.#answer.catch(this.#failing());
        break;
      case "give":
        if (this.#answer !== null) this.#give(this.#answer, callId, order.generation);
        break;
      case "apply":
        this.#media.take(order.generation, order.answer).catch(this.#failing());
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
        this.#tell({ kind: "tracks" });
        break;
      case "look":
        this.#media.reconnected();
        break;
      case "report": {
        const { generation, connection } = this.#media;
        const up = connection?.connectionState === "connected";
        this.#mention({ media: { callId, generation, up } });
        break;
      }
      case "restart":
        // Without a connection to the server it waits: whether it is needed then will be seen.
        if (!this.#call.end && this.#shell.device.state === "online") {
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
      .catch(this.#failing());
  }

  #give(answer: Promise<string>, callId: string, generation: number): void {
    answer
      .then((sdp) => this.#send({ answer: { callId, generation, sdp } }))
      .catch(this.#failing());
  }

  #send(command: Command): Promise<unknown> {
    return this.#shell.command(command);
  }

  #mention(command: Command): void {
    this.#shell.input({ kind: "mention", command });
  }

  #heard(news: MediaNews): void {
    const { end, id: callId } = this.#call;
    switch (news.kind) {
      case "candidates": {
        const { generation, candidates } = news;
        this.#mention({ candidates: { callId, generation, candidates } });
        break;
      }
      case "up":
        if (!end) void this.#report(news.up);
        break;
      case "flows":
        if (!end) this.#tell(news);
        break;
      case "remoteStream":
        this.#tell(news);
        break;
      case "suspect":
        this.#shell.input({ kind: "suspect" });
        break;
      case "stuck":
        this.#begin({ kind: "lost", begun: this.#media.generation, rebuild: news.rebuild });
        break;
      case "lapsed":
        this.#begin({ kind: "lapsed", begun: this.#media.generation });
        break;
    }
  }

  /** Tells the server, and by the way what media flows by. */
  async #report(up: boolean): Promise<void> {
    const { generation } = this.#media;
    // A page in the background may wait for its statistics for as long as others have work.
    const path = up ? await Promise.race([this.#media.path().catch(() => null), tooLate()]) : null;
    const now = this.#media.connection?.connectionState === "connected";
    if (this.#call.end || this.#media.generation !== generation || now !== up) return;
    const report = { callId: this.#call.id, generation, up };
    this.#mention({ media: path ? { ...report, path: pathNames[path] } : report });
    if (path) this.#tell({ kind: "path", path });
  }

  /** What reports a failure of the connection that there is now: one that is replaced later fails nobody. */
  #failing(): (e: unknown) => void {
    const media = this.#media;
    return (e) => {
      if (media === this.#media) this.#failed(e);
    };
  }

  #failed(e: unknown): void {
    if (this.#call.end) return;
    const error = new PealError("media_failed", PealError.of(e).message);
    this.#tell({ kind: "failed", error });
  }
}
