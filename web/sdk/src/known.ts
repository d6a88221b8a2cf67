import type { CallEnd, CallEvents, CallState, Direction, RemoteTracks } from "./api";
import { Emitter } from "./emitter";
import { begin, type View } from "./machine";
import type { Snapshot } from "./snapshot";

/** What this device knows of a call: the newest snapshot, in the words of the API. */
export abstract class KnownCall extends Emitter<CallEvents> {
  readonly direction: Direction;
  #view: View;
  #seenAt = Date.now();

  constructor(direction: Direction, first: Snapshot) {
    super();
    this.direction = direction;
    this.#view = begin(first);
  }

  protected get view(): View {
    return this.#view;
  }

  /** Takes another view. What is left of times counts from now. */
  protected know(view: View): void {
    if (view !== this.#view) this.#seenAt = Date.now();
    this.#view = view;
  }

  get snapshot(): Snapshot {
    return this.#view.snapshot;
  }
  /** Whether the server has told of this call. */
  get known(): boolean {
    return this.snapshot.rev > 0;
  }
  get id(): string {
    return this.snapshot.id;
  }
  get peer(): string {
    return this.snapshot.peer.account;
  }
  get peerUid(): number {
    return this.snapshot.peer.uid;
  }
  get localUid(): number {
    return this.snapshot.local.uid;
  }
  get type(): 1 | 2 | 3 {
    return this.snapshot.type;
  }
  get video(): boolean {
    return this.type === 2;
  }
  get attachment(): string {
    return this.snapshot.attachment;
  }
  get state(): CallState {
    return this.end ? "ended" : this.snapshot.state;
  }
  get end(): CallEnd | null {
    return this.#view.end;
  }
  get peerMediaUp(): boolean {
    return this.snapshot.peer.mediaUp;
  }
  get remoteTracks(): RemoteTracks {
    return this.snapshot.peer.tracks;
  }
  get videoRequested(): boolean {
    return !this.end && this.snapshot.videoAsked === "peer";
  }
  get connectedForMs(): number {
    const { state, connectedForMs } = this.snapshot;
    return state === "connected" ? connectedForMs + Date.now() - this.#seenAt : connectedForMs;
  }
  get ringRemainingMs(): number {
    return Math.max(0, this.snapshot.ringRemainingMs - (Date.now() - this.#seenAt));
  }
}
