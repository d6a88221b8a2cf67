import type { MediaPath, MediaProfile } from "./api";
import type { Command, Reply } from "./connection";
import { PealError } from "./errors";
import type { CallUpdateJson } from "./gen/peal_pb";
import { type MakePeerConnection, Media } from "./media";
import { pathNames } from "./path";
import type { Snapshot } from "./snapshot";

/** What the negotiation of a call needs of it. */
export interface NegotiationHost {
  readonly make: MakePeerConnection;
  policy(): RTCIceTransportPolicy;
  profile(): MediaProfile;
  /** The newest snapshot. */
  snapshot(): Snapshot;
  over(): boolean;
  request(command: Command): Promise<Reply>;
  tell(command: Command): void;
  /** Takes the snapshot that an answer brought. */
  apply(update: CallUpdateJson): void;
  remoteStream(stream: MediaStream): void;
  /** This side's media came up or went down. */
  mediaUp(up: boolean): void;
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

  constructor(host: NegotiationHost) {
    this.#host = host;
    this.#media = this.#make();
  }

  get media(): Media {
    return this.#media;
  }

  /** The generation that the prepared answer is for. */
  get answering(): number {
    return this.#answering;
  }

  /** The prepared answer; null before there is an offer. */
  get prepared(): Promise<string> | null {
    return this.#answer;
  }

  /** Begins anew, as the other side of another call: glare. */
  replace(): void {
    this.#media.close();
    this.#media = this.#make();
  }

  /** The caller gets the callee's answer. */
  takeAnswer(update: CallUpdateJson): void {
    const s = this.#host.snapshot();
    if (this.#host.over() || !update.answer || update.call?.rev !== s.rev) return;
    this.#media.take(s.generation, update.answer).catch((e: unknown) => this.#failed(e));
  }

  /** While it rings: everything but the acceptance itself. */
  prepare(update: CallUpdateJson): void {
    const { generation } = this.#host.snapshot();
    if (!update.offer || this.#answering >= generation) return;
    this.#answering = generation;
    this.#answer = this.#media.answer(
      generation,
      generation > 1,
      update.offer,
      update.iceServers ?? [],
    );
    this.#answer.catch((e: unknown) => this.#failed(e));
  }

  /** An offer to answer at once: of a new generation, or after glare or a reload. */
  takeOffer(update: CallUpdateJson): void {
    const s = this.#host.snapshot();
    if (s.role !== "callee" || !update.offer || this.#answering >= s.generation) return;
    if (s.state === "ringing") {
      this.prepare(update);
      return;
    }
    this.#answering = s.generation;
    const rebuild = this.#media.generation > 0 && s.rebuild > this.#media.generation;
    this.#media
      .answer(s.generation, rebuild, update.offer, update.iceServers ?? [])
      .then((sdp) => this.#send({ answer: { callId: s.id, generation: s.generation, sdp } }))
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
    const reply = await this.#host.request(command);
    if (reply.call) this.#host.apply(reply.call);
  }

  async #restart(fromGeneration: number, rebuild: boolean): Promise<void> {
    const s = this.#host.snapshot();
    if (this.#host.over() || fromGeneration !== s.generation) return;
    await this.#send({ restart: { callId: s.id, fromGeneration, rebuild } });
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
        discreet: () => {
          const { icePolicy, state } = this.#host.snapshot();
          return icePolicy === "relayUntilAccept" && state === "ringing";
        },
        profile: () => this.#host.profile(),
      },
      {
        candidates: (generation, candidates) =>
          this.#host.tell({
            candidates: { callId: this.#host.snapshot().id, generation, candidates },
          }),
        up: (generation, up) => {
          if (this.#host.over()) return;
          this.#host.mediaUp(up);
          void this.#report(generation, up);
        },
        remoteStream: (stream) => this.#host.remoteStream(stream),
        expected: () => {
          const { audio, video } = this.#host.snapshot().peer.tracks;
          return audio || video;
        },
        suspect: () => this.#host.suspect(),
        stuck: (generation, rebuild) => void this.#restart(generation, rebuild),
      },
    );
  }

  #failed(e: unknown): void {
    if (!this.#host.over())
      this.#host.failed(new PealError("media_failed", PealError.of(e).message));
  }
}
