import type { CallEnd, NetworkQuality } from "../api/types";
import type { Call } from "../call";
import { componentError } from "./codes";
import { endingEvents } from "./endings";
import type { ComponentEvents } from "./events";
import type { CallRtc } from "./sdk-instance";

/** What following a call needs of the component. */
export interface FollowerHost {
  readonly account: string;
  /** Fires its events beside the component's. */
  readonly rtc: CallRtc;
  tell<K extends keyof ComponentEvents>(event: K, ...payload: Parameters<ComponentEvents[K]>): void;
  /** Awaited before media counts as joined; a failure ends the call. */
  authorize(uid: number): Promise<void>;
  /** Media is joined: the account of each uid is known. */
  joined(call: Call): void;
}

const autoplay =
  "autoplay_blocked: the browser plays nothing before a click or key in the page; the next one starts it";

/** Which changes of the other side's sound and picture were reported. */
const nothing = { audio: false, video: false, audioMuted: false, videoMuted: false, screen: false };

/**
 * Tells of one call, from its start to its end, in the component's events and
 * their order. It decides nothing.
 */
export class Follower {
  readonly #call: Call;
  readonly #host: FollowerHost;
  /** Fires an event while the call lasts. */
  readonly #tell: FollowerHost["tell"];
  /** The same for those of the media library. */
  readonly #fire: CallRtc["emit"];
  #joined = false;
  #entered = false;
  /** The browser wants a gesture before it plays. */
  #blocked = false;
  #shown = nothing;

  constructor(call: Call, host: FollowerHost) {
    this.#call = call;
    this.#host = host;
    const tell: FollowerHost["tell"] = (event, ...payload) => {
      // A listener may have ended the call.
      if (!call.end) host.tell(event, ...payload);
    };
    this.#tell = tell;
    this.#fire = (event, ...payload) => !call.end && host.rtc.emit(event, ...payload);
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
    call.on("screenShare", (available) => {
      tell("onScreenShare", { userId: this.#host.account, uid: call.localUid, available });
    });
    call.on("networkQuality", (q) => this.#judged(q));
    call.on("deviceLost", ({ kind, label, replacement }) => {
      const now = replacement === null ? `there is no other ${kind}` : `using "${replacement}"`;
      tell("onError", { code: "114", message: `the ${kind} "${label}" is gone: ${now}` });
    });
    call.on("autoplayBlocked", (blocked) => {
      this.#blocked = blocked;
      this.#warn();
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
    this.#tell("onJoinChannel", {
      uid: call.localUid,
      cid: call.id,
      channelName: call.id,
      userId: this.#host.account,
    });
    if (call.direction === "incoming") this.#warn();
    // The other side may have been faster.
    if (call.peerMediaUp) this.#enters();
  }

  /** Nothing is missed while a call comes in, so the warning waits for the answer. */
  #warn(): void {
    const ready = this.#joined || this.#call.direction === "outgoing";
    if (this.#blocked && ready) this.#tell("onError", { code: "100", message: autoplay });
  }

  async #answered(): Promise<void> {
    const call = this.#call;
    this.#tell("onUserAccept", call.peer);
    try {
      await this.#host.authorize(call.localUid);
    } catch (e) {
      this.#tell("onError", componentError(e));
      await call.hangup();
      return;
    }
    this.joined();
  }

  #enters(): void {
    if (this.#entered || !this.#joined) return;
    this.#entered = true;
    this.#tell("onUserEnter", this.#call.peer);
    this.#fire("peer-online", { uid: this.#call.peerUid });
    this.#showTracks();
  }

  /** Tells what of the other side's sound and picture has changed: sound first. */
  #showTracks(): void {
    if (!this.#entered) return;
    const { peer: userId, peerUid: uid, remoteTracks, video } = this.#call;
    const was = this.#shown;
    const now = { ...remoteTracks, video: remoteTracks.video && video };
    this.#shown = now;
    const { rtc } = this.#host;
    const tell = this.#tell;
    const streams = (has: boolean, mediaType: "audio" | "video"): void => {
      const stream = rtc.remote(this.#call);
      this.#fire(has ? "stream-added" : "stream-removed", { stream, mediaType });
    };
    if (now.audio !== was.audio) {
      tell("onAudioAvailable", { userId, uid, available: now.audio });
      streams(now.audio, "audio");
    }
    if (now.video !== was.video) {
      tell("onCameraAvailable", { userId, uid, available: now.video });
      streams(now.video, "video");
    }
    if (now.screen !== was.screen) tell("onScreenShare", { userId, uid, available: now.screen });
    if (now.audioMuted !== was.audioMuted) {
      tell("onAudioMuted", { userId, muted: now.audioMuted });
      this.#fire(now.audioMuted ? "mute-audio" : "unmute-audio", { uid });
    }
    if (now.videoMuted !== was.videoMuted) {
      tell("onVideoMuted", { userId, muted: now.videoMuted });
      this.#fire(now.videoMuted ? "mute-video" : "unmute-video", { uid });
    }
  }

  #judged({ uplink, downlink }: NetworkQuality): void {
    const { peer, peerUid, localUid, audioLevels } = this.#call;
    const { account } = this.#host;
    const local = { uplinkNetworkQuality: uplink, downlinkNetworkQuality: downlink };
    const remote = { uplinkNetworkQuality: downlink, downlinkNetworkQuality: uplink };
    this.#tell("onUserNetworkQuality", { [account]: local, [peer]: remote });
    this.#fire("network-quality", [
      { uid: localUid, ...local },
      { uid: peerUid, ...remote },
    ]);
    this.#fire("volume-indicator", [
      { uid: localUid, level: Math.round(audioLevels.local * 100) },
      { uid: peerUid, level: Math.round(audioLevels.remote * 100) },
    ]);
  }

  #ended(end: CallEnd): void {
    const { rtc } = this.#host;
    if (this.#entered) rtc.emit("peer-leave", { uid: this.#call.peerUid });
    if (this.#joined) rtc.emit("channel-closed", {});
    for (const [event, ...payload] of endingEvents(end, this.#call.direction, this.#call.peer)) {
      this.#host.tell(event, ...(payload as Parameters<ComponentEvents[typeof event]>));
    }
  }
}
