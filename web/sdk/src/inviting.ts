import { PealError } from "./api/errors";
import type { KnownCall } from "./call-state";
import type { OwnDevices } from "./capture/local-media";
import type { CallUpdateJson, InviteJson } from "./gen/peal_pb";
import type { Negotiation } from "./media/negotiation";
import type { Reply } from "./shell";
import type { Snapshot } from "./snapshot";

/** What inviting someone needs of the call. */
export interface InvitingHost {
  readonly call: KnownCall;
  readonly own: OwnDevices;
  readonly negotiation: Negotiation;
  /** Sends the invitation; `take` gets its answer before anything that follows it. */
  invite<T>(invite: InviteJson, take: (reply: Reply) => Promise<T>): Promise<T>;
  /** What the server tells, as this device sees it. */
  read(update: CallUpdateJson): Snapshot | null;
  /** Takes another snapshot, and tells nobody. */
  adopt(snapshot: Snapshot): void;
}

/**
 * How this device invites: it opens the devices, sends the invitation and starts
 * ICE. Those who called get to listen before they hear of anything.
 */
export class Inviting {
  readonly #host: InvitingHost;
  /** The id of the call that the server has taken the invitation for; null before that. */
  taken: string | null = null;

  constructor(host: InvitingHost) {
    this.#host = host;
  }

  async invite(invite: InviteJson): Promise<void> {
    const { call, own, negotiation } = this.#host;
    await own.open(call.video);
    if (call.end) return; // Given up meanwhile.
    own.show();
    await own.send();
    const offer = await negotiation.offer();
    const { tracks } = own;
    await this.#host.invite({ ...invite, offer, tracks }, async ({ error, call: update }) => {
      if (call.end) return;
      if (error) throw error;
      this.taken = update?.mergedInto ?? call.id;
      if (update?.mergedInto) await this.#merge(update);
      else await this.#taken(update ?? {});
    });
    // Without a connection nothing was told of what has changed meanwhile.
    if (JSON.stringify(own.tracks) !== JSON.stringify(tracks)) own.report();
  }

  async #taken(update: CallUpdateJson): Promise<void> {
    const { call, negotiation } = this.#host;
    // What it has come to meanwhile waits for those who listen; whom to hide does not.
    const next = this.#host.read(update) ?? call.snapshot;
    this.#host.adopt({ ...next, state: "ringing", end: null });
    await negotiation.invited(update, false);
  }

  /** Glare: the other one's invitation is the call now, and this device answers it. */
  async #merge(update: CallUpdateJson): Promise<void> {
    const next = this.#host.read(update);
    if (!next) throw new PealError("internal", "the server merged the call into nothing");
    const { type } = this.#host.call;
    this.#host.adopt({ ...next, type, state: "ringing", rev: next.rev - 1 });
    // The tracks go into the connection that takes the place of the one for the invitation.
    await Promise.all([this.#host.negotiation.invited(update, true), this.#host.own.send()]);
  }
}
