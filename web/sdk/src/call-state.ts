import { Emitter } from "./api/emitter";
import type {
  CallEnd,
  CallEvents,
  CallParty,
  CallSnapshot,
  CallState,
  Direction,
  RemoteTracks,
  Store,
} from "./api/types";
import type { Snapshot } from "./snapshot";
import { SnapshotStore } from "./store";

/** What this device knows of a call: the newest snapshot, in the words of the API. */
export abstract class KnownCall extends Emitter<CallEvents> implements Store<CallSnapshot> {
  readonly direction: Direction;
  #snapshot: Snapshot;
  #end: CallEnd | null = null;
  readonly #seenFirst = new Date();
  /** By the clock that nobody sets. */
  #seenAt = performance.now();
  /** The same by the wall clock, which pages show times by. */
  #seenAtWall = Date.now();
  #endedAt: number | null = null;
  #connectedAt = 0;
  #ringEndsAt = 0;
  #answered = false;
  #answering = false;
  #store: SnapshotStore<CallSnapshot> | null = null;

  constructor(direction: Direction, first: Snapshot) {
    super();
    this.direction = direction;
    this.#snapshot = first;
  }

  /** The call in the words of a store. */
  protected abstract readonly now: CallSnapshot;

  get #states(): SnapshotStore<CallSnapshot> {
    this.#store ??= new SnapshotStore(() => this.now, this.now);
    return this.#store;
  }

  subscribe(listener: () => void): () => void {
    return this.#states.subscribe(listener);
  }

  getSnapshot(): CallSnapshot {
    return this.#states.getSnapshot();
  }

  /** Each event for the application changes what the store returns. */
  protected override emit<K extends keyof CallEvents>(
    event: K,
    ...payload: Parameters<CallEvents[K]>
  ): boolean {
    this.#store?.changed();
    return super.emit(event, ...payload);
  }

  /** Takes a newer snapshot. What is left of times counts from the newest one. */
  know(snapshot: Snapshot): void {
    this.#seenAt = performance.now();
    this.#seenAtWall = Date.now();
    this.#snapshot = snapshot;
    this.#store?.changed();
  }

  /** The call is over on this device: its times stand still. */
  protected finish(end: CallEnd): void {
    this.#endedAt = performance.now();
    this.#end = end;
    this.#store?.changed();
  }

  get #sinceSeen(): number {
    return (this.#endedAt ?? performance.now()) - this.#seenAt;
  }

  /** This device's acceptance holds: known at once, and told in a moment. */
  answered(): void {
    this.#answered = true;
    this.#store?.changed();
  }

  /** The person has answered here, and the server has not confirmed it yet. */
  get answering(): boolean {
    return this.#answering;
  }

  set answering(answering: boolean) {
    this.#answering = answering;
    this.#store?.changed();
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
  get connectedAt(): number | null {
    const { state, connectedForMs } = this.snapshot;
    if (state !== "connected") return null;
    const at = this.#seenAtWall - connectedForMs;
    // What a snapshot takes on its way is no news.
    if (Math.abs(at - this.#connectedAt) > 1_000) this.#connectedAt = at;
    return this.#connectedAt;
  }
  get ringEndsAt(): number | null {
    if (this.state !== "ringing") return null;
    const at = this.#seenAtWall + this.snapshot.ringRemainingMs;
    if (Math.abs(at - this.#ringEndsAt) > 1_000) this.#ringEndsAt = at;
    return this.#ringEndsAt;
  }
  get ringRemainingMs(): number {
    return Math.max(0, this.snapshot.ringRemainingMs - this.#sinceSeen);
  }
}
