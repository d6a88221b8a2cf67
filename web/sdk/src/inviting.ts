import type { Command, Reply } from "./connection";
import { PealError } from "./errors";
import type { CallUpdateJson, InviteJson } from "./gen/peal_pb";
import type { KnownCall } from "./known";
import { begin, type View } from "./machine";
import type { Negotiation } from "./negotiation";
import type { OwnDevices } from "./own";
import type { Snapshot } from "./snapshot";

/** What inviting someone needs of the call. */
export interface InvitingHost {
  readonly call: KnownCall;
  readonly own: OwnDevices;
  readonly negotiation: Negotiation;
  request(command: Command): Promise<Reply>;
  /** What the server tells, as this device sees it. */
  read(update: CallUpdateJson): Snapshot | null;
  /** Takes what the server tells, and tells what that changes. */
  apply(update: CallUpdateJson): void;
  /** Takes another snapshot, and tells nobody. */
  know(view: View): void;
  /** Ends a call that this device is in on the server's side alone. */
  dismiss(callId: string): Promise<void>;
}

/**
 * How this device invites: it opens the devices, sends the invitation and starts
 * ICE. Those who called get to listen before they hear of anything.
 */
export class Inviting {
  readonly #host: InvitingHost;
  /** What came while the call was being made: told once `call()` has resolved. */
  #early: CallUpdateJson[] | null = null;

  constructor(host: InvitingHost) {
    this.#host = host;
  }

  async invite(invite: InviteJson): Promise<void> {
    this.#early = [];
    try {
      await this.#invite(invite);
    } finally {
      // Also of an invitation that is over at once, as with a busy callee.
      setTimeout(() => this.#catchUp(), 0);
    }
  }

  /** Keeps news for later, if it is too early for it. */
  keeps(update: CallUpdateJson): boolean {
    this.#early?.push(update);
    return this.#early !== null;
  }

  async #invite(invite: InviteJson): Promise<void> {
    const { call, own, negotiation } = this.#host;
    await own.open(call.video);
    if (call.end) return; // Given up meanwhile.
    own.show();
    await own.send();
    const offer = await negotiation.media.offer(1, false);
    const { tracks } = own;
    const reply = await this.#host.request({
      invite: { ...invite, callId: call.id, offer, tracks },
    });
    const update = reply.call ?? {};
    if (call.end) {
      // It became the other side's call meanwhile, which is not wanted either.
      if (update.mergedInto) await this.#host.dismiss(update.mergedInto);
      return;
    }
    if (reply.error) throw reply.error;
    this.#early?.unshift(update);
    try {
      if (update.mergedInto) await this.#merge(update);
      else await this.#taken(update);
      await negotiation.media.release();
    } catch (e) {
      // It must not ring, or be on, for nobody.
      if (!call.end) void this.#host.dismiss(update.mergedInto ?? call.id);
      throw e;
    }
    // Without a connection nothing was told of what has changed meanwhile.
    if (JSON.stringify(own.tracks) !== JSON.stringify(tracks)) own.report();
  }

  async #taken(update: CallUpdateJson): Promise<void> {
    const { call, negotiation } = this.#host;
    // The rest of the news waits for those who listen; whom to hide does not.
    const { snapshot } = call;
    const { icePolicy } = this.#host.read(update) ?? snapshot;
    this.#host.know({ snapshot: { ...snapshot, icePolicy }, end: null });
    await negotiation.media.commit(update.iceServers ?? []);
  }

  /** Glare: the other one's invitation is the call now, and this device answers it. */
  async #merge(update: CallUpdateJson): Promise<void> {
    const next = this.#host.read(update);
    if (!next) throw new PealError("internal", "the server merged the call into nothing");
    const { type } = this.#host.call;
    this.#host.know(begin({ ...next, type, state: "ringing", rev: next.rev - 1 }));
    this.#host.negotiation.replace();
    await this.#host.own.send();
  }

  #catchUp(): void {
    const early = this.#early ?? [];
    this.#early = null;
    for (const update of early) this.#host.apply(update);
  }
}
