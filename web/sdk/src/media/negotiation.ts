import { PealError } from "../api/errors";
import type { MediaPath, MediaProfile } from "../api/types";
import type { CallUpdateJson } from "../gen/peal_pb";
import type { Command, Reply } from "../shell";
import type { Snapshot } from "../snapshot";
import { pathNames } from "./path";
import { type MakePeerConnection, Media } from "./peer";

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
  remoteStream(stream: MediaStream): void;
  /** What comes from the other side flows, or is missed, by turns. */
  flows(flows: boolean): void;
  /** What media flows by. */
  path(path: MediaPath): void;
  /** Nothing comes from the other side: is the server there? */
  suspect(): void;
  failed(error: PealError): void;
}

/**
 * Brings the media of a call in step with its snapshots: which description this
 * side owes, of which generation, on which peer connection.
 */
export class Negotiation {
  readonly #host: NegotiationHost;
  #media: Media;
  #answer: Promise<string> | null = null;
  /** The generation whose offer is answered, or being answered. */
  #answering = 0;
  /** The newest offer while it rings. */
  #rung: CallUpdateJson = {};
  /** The generation whose answer goes with the acceptance. */
  #accepting = 0;

  constructor(host: NegotiationHost) {
    this.#host = host;
    this.#media = this.#make();
  }

  get media(): Media {
    return this.#media;
  }

  /** There is an offer, and so an answer to it. */
  get prepared(): boolean {
    return this.#answer !== null;
  }

  /** The answer that goes with the acceptance: it stays as it is from here on. */
  async accepting(): Promise<{ generation: number; answer: string }> {
    if (this.#media.failed) this.#prepare();
    for (;;) {
      const made = this.#answer;
      const answer = (await made) ?? "";
      if (made !== this.#answer) continue; // It was made anew meanwhile.
      this.#accepting = this.#answering;
      return { generation: this.#accepting, answer };
    }
  }

  /** Begins anew, as the other side of another call: glare. */
  replace(): void {
    this.#media.close();
    this.#media = this.#make();
  }

  /** The caller gets the callee's answer. */
  takeAnswer(update: CallUpdateJson): void {
    const s = this.#host.snapshot();
    if (this.#host.over() || !update.answer || !this.#timely(update)) return;
    this.#media.take(s.generation, update.answer).catch((e: unknown) => this.#failed(e));
  }

  /** Whether a description is of the present generation. Later news may have come first. */
  #timely(update: CallUpdateJson): boolean {
    return (update.call?.generation ?? 1) === this.#host.snapshot().generation;
  }

  /** While it rings: everything but the acceptance itself. */
  prepare(update: CallUpdateJson): void {
    const { generation } = this.#host.snapshot();
    if (!update.offer || this.#answering >= generation) return;
    this.#answering = generation;
    this.#rung = update;
    this.#prepare();
  }

  /** Each answer that is prepared has a connection of its own. */
  #prepare(): void {
    const { offer = "", iceServers = [] } = this.#rung;
    this.#answer = this.#media.answer(this.#answering, true, offer, iceServers);
    this.#answer.catch((e: unknown) => this.#failed(e));
  }

  /**
   * While it rings: what was prepared is of no use any more, as on another network. The
   * caller offers anew; the callee's answer is prepared anew, unless it is on its way.
   */
  renew(): void {
    const { role, state } = this.#host.snapshot();
    if (state !== "ringing" || this.#host.over()) return;
    if (role === "caller") void this.#restart(this.#media.generation, true);
    else if (this.#answer && this.#accepting < this.#answering) this.#prepare();
  }

  /** An offer to answer at once: of a new generation, or after glare or a reload. */
  takeOffer(update: CallUpdateJson): void {
    const s = this.#host.snapshot();
    if (s.role !== "callee" || !update.offer || this.#answering >= s.generation) return;
    if (!this.#timely(update)) return;
    if (s.state === "ringing") {
      this.prepare(update);
      return;
    }
    this.#answering = s.generation;
    const rebuild = this.#media.generation > 0 && s.rebuild > this.#media.generation;
    const { offer, iceServers = [] } = update;
    this.#give(s, this.#media.answer(s.generation, rebuild, offer, iceServers));
  }

  /** The acceptance holds. The caller may have offered anew while it was on its way. */
  accepted(): void {
    const s = this.#host.snapshot();
    if (!this.#answer || s.generation !== this.#answering) return;
    if (this.#accepting < this.#answering) this.#give(s, this.#answer);
  }

  #give({ id: callId, generation }: Snapshot, answer: Promise<string>): void {
    answer
      .then((sdp) => this.#send({ answer: { callId, generation, sdp } }))
      .catch((e: unknown) => this.#failed(e));
  }

  /** The caller offers each new generation; the callee waits for the offer. */
  generationChanged(update: CallUpdateJson): void {
    const s = this.#host.snapshot();
    if (s.role !== "caller" || this.#media.generation >= s.generation) return;
    this.#media
      .offer(s.generation, s.rebuild > this.#media.generation)
      .then(async (sdp) => {
        await this.#media.commit(update.iceServers ?? []);
        await this.#send({ offer: { callId: s.id, generation: s.generation, sdp } });
      })
      .catch((e: unknown) => this.#failed(e));
  }

  async #send(command: Command): Promise<void> {
    await this.#host.request(command);
  }

  async #restart(fromGeneration: number, rebuild: boolean): Promise<void> {
    const s = this.#host.snapshot();
    // Where connections anew are needed, a restart in between was not enough.
    const last = rebuild ? s.rebuild : s.generation;
    // Nothing waits for a connection: whether it is needed then will be seen.
    if (this.#host.over() || !this.#host.online() || last > fromGeneration) return;
    await this.#send({ restart: { callId: s.id, fromGeneration: s.generation, rebuild } });
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
        stuck: (generation, rebuild) => void this.#restart(generation, rebuild),
        lapsed: () => this.renew(),
      },
    );
  }

  #failed(e: unknown): void {
    if (!this.#host.over())
      this.#host.failed(new PealError("media_failed", PealError.of(e).message));
  }
}
