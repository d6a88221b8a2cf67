import { Emitter } from "./api/emitter";
import type {
  CallEnd,
  CallEvents,
  CallParty,
  CallState,
  Direction,
  RemoteTracks,
} from "./api/types";
import type { Snapshot } from "./snapshot";

/** What this device knows of a call: the newest snapshot, in the words of the API. */
export abstract class KnownCall extends Emitter<CallEvents> {
  readonly direction: Direction;
  #snapshot: Snapshot;
  #end: CallEnd | null = null;
  readonly #seenFirst = new Date();
  #seenAt = Date.now();
  #endedAt: number | null = null;
  #answered = false;

  constructor(direction: Direction, first: Snapshot) {
    super();
    this.direction = direction;
    this.#snapshot = first;
  }

  /** Takes a newer snapshot. What is left of times counts from the newest one. */
  know(snapshot: Snapshot): void {
    this.#seenAt = Date.now();
    this.#snapshot = snapshot;
  }

  /** The call is over on this device: its times stand still. */
  protected finish(end: CallEnd): void {
    this.#endedAt = Date.now();
    this.#end = end;
  }

  get #sinceSeen(): number {
    return (this.#endedAt ?? Date.now()) - this.#seenAt;
  }

  /** This device's acceptance holds: known at once, and told in a moment. */
  answered(): void {
    this.#answered = true;
  }

  get snapshot(): Snapshot {
    return this.#snapshot;
  }
  get id(): string {
    return this.snapshot.id;
  }
  get createdAt(): Date {
    return this.snapshot.createdAt ?? this.#seenFirst;
  }
  get peer(): string {
    return this.snapshot.peer.account;
  }
  get parties(): readonly CallParty[] {
    return this.snapshot.parties;
  }
  /** A person of the call, by the account. */
  #party(account: string): CallParty | undefined {
    return this.parties.find((p) => p.account === account);
  }
  get peerName(): string {
    return this.#party(this.peer)?.name || this.peer;
  }
  get peerAvatar(): string {
    return this.#party(this.peer)?.avatar ?? "";
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
    const { state } = this.snapshot;
    if (this.end) return "ended";
    return this.#answered && state === "ringing" ? "connecting" : state;
  }
  get end(): CallEnd | null {
    return this.#end;
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
    return state === "connected" ? connectedForMs + this.#sinceSeen : connectedForMs;
  }
  get ringRemainingMs(): number {
    return Math.max(0, this.snapshot.ringRemainingMs - this.#sinceSeen);
  }
}
