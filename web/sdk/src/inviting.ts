import { PealError } from "./api/errors";
import type { KnownCall } from "./call-state";
import type { OwnDevices } from "./capture/local-media";
import type { Input } from "./device/io";
import type { CallUpdateJson, InviteJson } from "./gen/peal_pb";
import type { Negotiation } from "./media/negotiation";
import type { Shell } from "./shell";

/**
 * How this device invites: it opens the devices, sends the invitation and starts
 * ICE. Those who called get to listen before they hear of anything.
 */
export class Inviting {
  readonly #call: KnownCall;
  readonly #own: OwnDevices;
  readonly #negotiation: Negotiation;
  readonly #shell: Shell;
  /** The id of the call that the server has taken the invitation for; null before that. */
  taken: string | null = null;

  constructor(call: KnownCall, own: OwnDevices, negotiation: Negotiation, shell: Shell) {
    this.#call = call;
    this.#own = own;
    this.#negotiation = negotiation;
    this.#shell = shell;
  }

  async invite(invite: InviteJson): Promise<void> {
    const call = this.#call;
    const own = this.#own;
    const negotiation = this.#negotiation;
    await own.open(call.video);
    if (call.end) return; // Given up meanwhile.
    own.show();
    await own.send();
    const offer = await negotiation.offer();
    const { tracks } = own;
    const wish = (ticket: number): Input => ({
      kind: "invite",
      ticket,
      invite: { ...invite, offer, tracks },
    });
    await this.#shell.ask(wish, async ({ error, call: update }) => {
      if (call.end) return;
      if (error) throw error;
      this.taken = update?.mergedInto ?? call.id;
      if (update?.mergedInto) await this.#merge(update);
      else await this.#taken(update ?? {});
    });
    // Without a connection no message reported what has changed meanwhile.
    if (JSON.stringify(own.tracks) !== JSON.stringify(tracks)) own.report();
  }

  async #taken(update: CallUpdateJson): Promise<void> {
    const call = this.#call;
    const negotiation = this.#negotiation;
    // What it has come to meanwhile waits for those who listen; whom to hide does not.
    const next = this.#shell.snapshotOf(update) ?? call.snapshot;
    this.#call.know({ ...next, state: "ringing", end: null });
    await negotiation.invited(update, false);
  }

  /** Glare: the other one's invitation is the call now, and this device answers it. */
  async #merge(update: CallUpdateJson): Promise<void> {
    const next = this.#shell.snapshotOf(update);
    if (!next) throw new PealError("internal", "the server merged the call into nothing");
    const { type } = this.#call;
    this.#call.know({ ...next, type, state: "ringing", rev: next.rev - 1 });
    // The tracks go into the connection that takes the place of the one for the invitation.
    await Promise.all([this.#negotiation.invited(update, true), this.#own.send()]);
  }
}
