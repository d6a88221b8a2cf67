import type { CallEnd } from "../api/types";
import type { Call } from "../call";
import { componentError } from "./codes";
import { endingEvents } from "./endings";
import type { ComponentEvents } from "./events";

/** What following a call needs of the component. */
export interface FollowerHost {
  readonly account: string;
  tell<K extends keyof ComponentEvents>(event: K, ...payload: Parameters<ComponentEvents[K]>): void;
  /** Awaited before media counts as joined; a failure ends the call. */
  authorize(uid: number): Promise<void>;
  /** Media is joined: the account of each uid is known. */
  joined(call: Call): void;
}

const autoplay =
  "autoplay_blocked: the browser plays nothing before a click or key in the page; the next one starts it";

/** What of the other side's sound and picture was told. */
const nothing = { audio: false, video: false, audioMuted: false, videoMuted: false };

/**
 * Tells of one call, from its start to its end, in the component's events and
 * their order. It decides nothing.
 */
export class Follower {
  readonly #call: Call;
  readonly #host: FollowerHost;
  #joined = false;
  #entered = false;
  #shown = nothing;

  constructor(call: Call, host: FollowerHost) {
    this.#call = call;
    this.#host = host;
    const { tell } = host;
    call.on("accepted", () => {
      if (call.direction === "outgoing") void this.#answered();
      // Also where the acceptance held although nobody waited for it any more.
      else this.joined();
    });
    call.on("peerMedia", (up) => {
      if (up) this.#enters();
    });
    call.on("remoteTracks", () => this.#showTracks());
    call.on("type", (type) => {
      tell("onCallTypeChange", type === 2 ? 2 : 1);
      this.#showTracks();
    });
    call.on("videoRequest", (active) =>
      tell("onCallTypeRequest", { userId: call.peer, type: 2, active }),
    );
    call.on("networkQuality", (q) => {
      tell("onUserNetworkQuality", {
        [host.account]: { uplinkNetworkQuality: q.uplink, downlinkNetworkQuality: q.downlink },
        [call.peer]: { uplinkNetworkQuality: q.downlink, downlinkNetworkQuality: q.uplink },
      });
    });
    call.on("deviceLost", ({ kind, label, replacement }) => {
      const now = replacement === null ? `there is no other ${kind}` : `using "${replacement}"`;
      tell("onError", { code: "114", message: `the ${kind} "${label}" is gone: ${now}` });
    });
    call.on("autoplayBlocked", (blocked) => {
      if (blocked) tell("onError", { code: "100", message: autoplay });
    });
    call.on("error", (error) => tell("onError", componentError(error)));
    call.on("ended", (end) => this.#ended(end));
  }

  /** Media is being joined: by the acceptance, or by coming back after a reload. */
  joined(): void {
    const call = this.#call;
    if (call.end || this.#joined) return;
    this.#joined = true;
    this.#host.joined(call);
    this.#host.tell("onJoinChannel", {
      uid: call.localUid,
      cid: call.id,
      channelName: call.id,
      userId: this.#host.account,
    });
    // The other side may have been faster.
    if (call.peerMediaUp) this.#enters();
  }

  async #answered(): Promise<void> {
    const call = this.#call;
    this.#host.tell("onUserAccept", call.peer);
    try {
      await this.#host.authorize(call.localUid);
    } catch (e) {
      this.#host.tell("onError", componentError(e));
      await call.hangup();
      return;
    }
    this.joined();
  }

  #enters(): void {
    if (this.#entered || !this.#joined) return;
    this.#entered = true;
    this.#host.tell("onUserEnter", this.#call.peer);
    this.#showTracks();
  }

  /** Tells what of the other side's sound and picture has changed: sound first. */
  #showTracks(): void {
    if (!this.#entered) return;
    const { peer: userId, peerUid: uid, remoteTracks, video } = this.#call;
    const was = this.#shown;
    const now = { ...remoteTracks, video: remoteTracks.video && video };
    this.#shown = now;
    const { tell } = this.#host;
    if (now.audio !== was.audio) tell("onAudioAvailable", { userId, uid, available: now.audio });
    if (now.video !== was.video) tell("onCameraAvailable", { userId, uid, available: now.video });
    if (now.audioMuted !== was.audioMuted) tell("onAudioMuted", { userId, muted: now.audioMuted });
    if (now.videoMuted !== was.videoMuted) tell("onVideoMuted", { userId, muted: now.videoMuted });
  }

  #ended(end: CallEnd): void {
    for (const [event, ...payload] of endingEvents(end, this.#call.direction, this.#call.peer)) {
      this.#host.tell(event, ...(payload as Parameters<ComponentEvents[typeof event]>));
    }
  }
}
