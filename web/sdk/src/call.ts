import { Answering } from "./answering";
import { PealError } from "./api/errors";
import type { AcceptOptions, CallEnd, CallHandle, CallSnapshot } from "./api/types";
import { DeviceCall } from "./call-devices";
import type { CallSetup } from "./call-media";
import type { Change, End } from "./device/machine";
import type { CallUpdateJson, CandidatesJson, InviteJson } from "./gen/peal_pb";
import { Inviting } from "./inviting";
import type { Command, Reply, Update } from "./shell";
import { readRecord, typeNames } from "./snapshot";
import { TypeSwitch } from "./type-switch";

/**
 * One call on this device: the snapshots that it received, the media that follow
 * from them, and what the application may do. The device decides how the call goes on.
 */
export class Call extends DeviceCall implements CallHandle {
  readonly #switch: TypeSwitch;
  readonly #inviting: Inviting;
  readonly #answering: Answering;
  #invited: Promise<void> = Promise.resolve();
  /** Updates that came before `invited` settled; they are delivered after it. Then null. */
  #early: Update[] | null = null;
  /** The application has ended it. */
  #givenUp = false;
  /** The answer to what this device asked is being taken: its promise tells, no event does. */
  #replying = false;

  constructor(setup: CallSetup) {
    super(setup);
    const { own, negotiation, shell } = this;
    this.#switch = new TypeSwitch(this, (type) => this.#askForType(type));
    this.#inviting = new Inviting(this, own, negotiation, shell);
    this.#answering = new Answering(this, own, negotiation, shell);
  }

  protected get now(): CallSnapshot {
    return { ...pick(this, inSnapshot), peerPresent: this.snapshot.peer.present };
  }

  // -------------------------------------------------------------- the caller

  /** Resolves when the server has taken the invitation, and rejects where it has not. */
  get invited(): Promise<void> {
    return this.#invited;
  }

  /** The client calls it once. */
  invite(invite: InviteJson): void {
    // The browser may ask for a device, and its prompt may never be answered.
    const over = new Promise<void>((resolve, reject) => {
      this.once("ended", ({ reason }) => {
        if (this.#givenUp) resolve(); // It was what the application wanted.
        const text = `the call ended before the server took the invitation: ${reason}`;
        reject(new PealError("call_ended", text));
      });
    });
    over.catch(() => {}); // Also where the call ends long after that.
    const shell = this.shell;
    this.#invited = Promise.race([this.#inviting.invite(invite), over]).catch((e: unknown) => {
      if (!this.end) this.#fail();
      throw PealError.of(e);
    });
    this.#early = [];
    void this.#invited
      .then(() => shell.turn())
      .then(
        () => {
          const early = this.#early ?? [];
          this.#early = null;
          for (const update of early) this.take(update);
        },
        () => {}, // Nobody has to wait for it.
      );
  }

  /** It could not be made: it is over without a word, its promise tells. */
  #fail(): void {
    const shell = this.shell;
    const { taken: call } = this.#inviting;
    this.finish({
      reason: "failed",
      actor: this.snapshot.local.account,
      byThisDevice: true,
      answered: false,
      durationSeconds: 0,
      record: null,
    });
    shell.input({ kind: "abandon", call: this.id });
    // Where the server has taken it, it must not ring, or be on, for nobody.
    if (call !== null) void shell.leave((ticket) => ({ kind: "hangup", ticket, call }));
  }

  // -------------------------------------------------------------- the callee

  /** Prepares the answer while it rings, and tells the server that it does. */
  ring(update: CallUpdateJson): void {
    this.negotiation.begins("rings", update);
    this.#answering.prepare();
    this.showPicture();
  }

  /** Goes on after a reload. */
  resume(update: CallUpdateJson): void {
    this.reloaded();
    this.own.join(this.own.open(this.video));
    this.negotiation.begins("resumed", update);
    this.showPicture();
  }

  async accept(options: AcceptOptions = {}): Promise<void> {
    if (options.profile) this.profile = options.profile;
    await this.#answering.accept(options);
  }

  reject(): Promise<void> {
    return this.#leave("reject");
  }

  async setRingTimeout(ms: number): Promise<void> {
    const reply = await this.#command({ ringing: { callId: this.id, ringTimeoutMs: ms } });
    if (reply.error) throw reply.error;
  }

  // ---------------------------------------------------------------- both ends

  switchType(type: 1 | 2): Promise<void> {
    return this.#switch.to(type);
  }

  async #askForType(type: 1 | 2): Promise<void> {
    const command = { switchType: { callId: this.id, type: typeNames[type] } };
    const reply = await this.#command(command, true);
    if (reply.error) throw reply.error;
  }

  cancel(): Promise<void> {
    return this.#leave("cancel");
  }

  hangup(): Promise<void> {
    return this.end ? Promise.resolve() : this.#leave("hangup");
  }

  async #leave(kind: "cancel" | "reject" | "hangup"): Promise<void> {
    this.#givenUp = true;
    const { error } = await this.shell.leave((ticket) => ({ kind, ticket, call: this.id }));
    if (error) throw error;
  }

  // ------------------------------------------------------------ events

  /** Takes what the device tells of this call. */
  take(told: Update): void {
    if (this.end) return;
    if (this.#early) {
      this.#early.push(told);
      return;
    }
    const { update, changes, reply } = told;
    const next = this.shell.snapshotOf(update);
    if (!next) return;
    if (changes.length > 0 || next.rev >= this.snapshot.rev) this.know(next);
    this.#replying = reply;
    if (changes.includes("accepted") && next.role === "callee") this.#answering.adopt();
    // Before any listener runs: a listener may take its time.
    this.negotiation.updated(update, changes);
    for (const change of changes) this.#changed(change);
    this.#replying = false;
  }

  /** Asks the server, and takes the snapshot that it answers. Events come after that. */
  #command(command: Command, updateFirst = false): Promise<Reply> {
    return this.shell.command(command, {
      updateFirst,
      take: (reply) => {
        const next = reply.call && this.shell.snapshotOf(reply.call);
        if (next && !next.end && next.id === this.id && next.rev > this.snapshot.rev)
          this.know(next);
        return reply;
      },
    });
  }

  /** It is over on this device. */
  ended(end: End): void {
    if (this.end) return;
    const { reason, actor, byThisDevice, answered, durationMs, record } = end;
    const told: CallEnd = {
      reason,
      actor,
      byThisDevice,
      answered,
      durationSeconds: Math.floor(durationMs / 1_000),
      record: record ? readRecord(record) : null,
    };
    this.finish(told);
    this.emit("ended", told);
  }

  candidates(c: CandidatesJson): void {
    if (this.end) return;
    this.media.addRemote(c.generation ?? 1, c.candidates ?? []).catch(() => {});
  }

  #changed(change: Change): void {
    const { peer, videoAsked } = this.snapshot;
    switch (change) {
      case "accepted":
        this.emit("accepted");
        break;
      case "generation":
      case "peerEpoch":
      case "reconnected":
        break; // For the media alone.
      case "peerPresence":
        this.emit("peerPresence", peer.present);
        break;
      case "peerMedia":
        this.emit("peerMedia", peer.mediaUp);
        break;
      case "remoteTracks":
        this.showPicture();
        this.emit("remoteTracks", this.remoteTracks);
        break;
      case "type":
        this.#typeChanged(this.type);
        break;
      case "videoRequest":
        if (!this.#replying) this.emit("videoRequest", videoAsked === "peer");
        break;
      case "videoAnswer":
        this.#switch.settle();
        break;
      case "connected":
        this.connected();
        break;
    }
  }

  /** The cameras go with the type: both sides wanted what it is now. */
  #typeChanged(type: 1 | 2 | 3): void {
    this.own.followType(type === 2).catch((e: unknown) => this.emit("error", PealError.of(e)));
    this.showPicture();
    this.#switch.settle();
    if (!this.#replying) this.emit("type", type);
  }

  protected override finish(end: CallEnd): void {
    super.finish(end);
    this.#switch.settle();
  }
}

/** The members of a call that its snapshot has as they are. */
const inSnapshot = [
  "id",
  "direction",
  "state",
  "type",
  "video",
  "attachment",
  "end",
  "peer",
  "peerName",
  "peerAvatar",
  "parties",
  "localStream",
  "remoteStream",
  "remoteTracks",
  "microphoneOn",
  "cameraOn",
  "screenOn",
  "reconnecting",
  "path",
  "networkQuality",
  "quality",
  "videoRequested",
  "autoplayBlocked",
  "connectedAt",
  "ringEndsAt",
] as const;

function pick<T, K extends keyof T>(from: T, names: readonly K[]): Pick<T, K> {
  return Object.fromEntries(names.map((name) => [name, from[name]])) as Pick<T, K>;
}
