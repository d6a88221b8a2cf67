import { Emitter } from "../api/emitter";
import type { CallRecord, MediaProfile } from "../api/types";
import type { Call } from "../call";
import { type DeviceLists, listDevices } from "../capture/devices";
import { PealClient } from "../client";
import { type CallProfile, readProfile } from "../media/profile";
import { version } from "../version";
import { Follower } from "./call-events";
import { type ComponentError, componentError, refusedBy, State, type StateNumber } from "./codes";
import type { ComponentEvents } from "./events";
import type {
  Callbacks,
  GroupCallOptions,
  GroupInviteOptions,
  InviteOptions,
  LoginOptions,
  RoomInfo,
  RoomMember,
  SetupOptions,
} from "./options";
import { recordMessage } from "./record-message";
import { type SdkInstance, sdkInstance } from "./sdk-instance";

const longestRing = 120_000;
let singleton: RTCCalling | null = null;

/**
 * The component API: what pages of the component that this one replaces were
 * written against. It translates to and from the typed core and decides nothing.
 */
export class RTCCalling extends Emitter<ComponentEvents> {
  /** The version of the component. */
  static readonly version = version;

  /** A plain function: pages call it with `new` as well, and get the singleton either way. */
  static readonly getInstance = function getInstance(
    options: { debug?: boolean } = {},
  ): RTCCalling {
    singleton ??= new RTCCalling(options);
    return singleton;
  } as {
    /** Gives the singleton. */
    (options?: { debug?: boolean }): RTCCalling;
    /** Gives the singleton as well. */
    new (options?: { debug?: boolean }): RTCCalling;
  };

  /** Numeric ids of the accounts in the call. */
  readonly userMap: Record<number, string> = {};
  readonly #debug: boolean;
  #client: PealClient | null = null;
  #server: string | undefined;
  #tokenService: ((uid: number) => Promise<string>) | null = null;
  #ringTimeout = 0;
  /** For every call, and for the next one alone. */
  #usual: MediaProfile = {};
  #profile: MediaProfile | null = null;
  #localView: HTMLElement | null = null;
  readonly #remoteViews = new Map<string, HTMLElement | null>();
  #joinedAt = 0;
  readonly #made = new Set<string>();

  /** A page that wants one instance takes `getInstance`. `debug` writes what happens to the console; default true. */
  constructor(options: { debug?: boolean } = {}) {
    super();
    this.#debug = options.debug ?? true;
  }

  // ------------------------------------------------------------------- login

  /** Once, before login: where the server is. */
  setupAppKey(options: SetupOptions): void {
    this.#server = options.server ?? this.#server;
    this.#usual = this.#read(options);
  }

  /** What is sent in the next call: picture size, frames and quality of sound. For one call, then back to `setupAppKey`'s or the defaults. What is none of the documented values is told by onError and passed over. */
  setCallProfile(profile: CallProfile): void {
    this.#profile = this.#read(profile);
    const call = this.#call;
    if (call && this.#state === State.called) call.profile = this.#takeProfile();
  }

  #read(profile: CallProfile): MediaProfile {
    return readProfile(profile, (what) => {
      const error = { code: "100", message: `${what} is none of those in the documentation` };
      // Who sets it before there is a listener hears of it all the same.
      setTimeout(() => this.emit("onError", error), 0);
    });
  }

  #takeProfile(): MediaProfile {
    const profile = this.#profile ?? this.#usual;
    this.#profile = null;
    return profile;
  }

  /** Logs in and stays logged in, over losses of the connection. Fails with 102 for a token that is not good, 108 when the server does not answer. */
  login(options: LoginOptions): Promise<void> {
    return this.#run(options, async () => {
      if (this.#client) await this.#client.close();
      const client = new PealClient({
        getToken: this.#tokens(options),
        resume: options.resume ?? false,
        debug: this.#debug,
        ...((options.server ?? this.#server)
          ? { server: options.server ?? this.#server ?? "" }
          : {}),
      });
      this.#client = client;
      this.#follow(client, options);
      try {
        await client.connect();
      } catch (e) {
        if (this.#client === client) this.#client = null;
        options.onerror?.(componentError(e));
        throw e;
      }
      warnOfOther(options.account, client.account);
    });
  }

  /** The token that was given serves once; after that `getToken`, where there is one. */
  #tokens(options: LoginOptions): () => string | Promise<string> {
    let given = options.token;
    return () => {
      const token = given ?? options.getToken?.() ?? options.token ?? "";
      if (options.getToken) given = undefined;
      return token;
    };
  }

  #follow(client: PealClient, options: LoginOptions): void {
    client.on("connection", (state) => {
      if (state === "online") options.onconnect?.();
    });
    client.on("closed", (why) => {
      if (this.#client === client) this.#client = null;
      options.ondisconnect?.({ code: why.code, message: why.message });
      if (why.code === "kicked") this.destroy();
    });
    client.on("incoming", (call) => this.#invited(client, call as Call));
    client.on("resumed", (call) => this.#took(client, call as Call).joined());
    client.on("record", (record) => this.#filed(record, client.account, options));
    client.on("error", (error) => this.emit("onError", componentError(error)));
  }

  /** Ends a call, then logs out. Fails with 101 when not logged in. */
  logout(options: Callbacks = {}): Promise<void> {
    return this.#run(options, async () => {
      if (!this.#client) throw { code: "101", message: "not connected" } satisfies ComponentError;
      await this.#client.close();
    });
  }

  /** Ends everything, drops all listeners and forgets the singleton. */
  destroy(): void {
    void this.#client?.close();
    this.#client = null;
    this.drop();
    if (singleton === this) singleton = null;
  }

  /** The same as `on`. */
  addDelegate<K extends keyof ComponentEvents>(event: K, listener: ComponentEvents[K]): void {
    this.on(event, listener);
  }

  /** Drops every listener of an event. */
  removeDelegate(event: keyof ComponentEvents): void {
    this.drop(event);
  }

  /** Drops every listener of an event, or of all. */
  removeAllListeners(event?: keyof ComponentEvents): this {
    this.drop(event);
    return this;
  }

  /** Awaited with one's own numeric id before media is joined; when it fails, so does the join. Its value is not used: media needs no token of its own here. */
  setTokenService(service: (uid: number) => Promise<string>): void {
    this.#tokenService = service;
  }

  // ---------------------------------------------------------------- one call

  get #call(): Call | null {
    return this.#client?.activeCall ?? null;
  }

  get #state(): StateNumber {
    const call = this.#call;
    if (!call) return State.idle;
    if (call.state !== "ringing") return State.inCall;
    return call.direction === "outgoing" ? State.calling : State.called;
  }

  /** The state: 0 idle, 1 calling, 2 called, 3 in a call. */
  get callStatus(): StateNumber {
    return this.#state;
  }

  /** Calls someone. Resolves when the server has taken the invitation, whether the callee is there or not; the rest is told by events. Fails with 106 without a type, 116 when this account is in a call on another device, 114 without a device, 100 when one is denied or in use. */
  call(options: InviteOptions): Promise<void> {
    return this.#run(options, async () => {
      this.#allow("call");
      const client = this.#online();
      const { userId, attachment } = options;
      const type = callType(options.type);
      if (typeof userId !== "string" || userId === "")
        throw { code: "100", message: "userId is missing" } satisfies ComponentError;
      const ringTimeoutMs = this.#ringTimeout;
      this.#ringTimeout = 0;
      const call = client.call(userId, {
        type,
        ...(attachment === undefined ? {} : { attachment: JSON.stringify(attachment) }),
        ...(ringTimeoutMs ? { ringTimeoutMs } : {}),
        relayUntilAccept: options.relayUntilAccept === true,
        relayOnly: options.relayOnly === true,
        profile: this.#takeProfile(),
      });
      this.#took(client, call);
      this.#made.add(call.id);
      await call.invited;
    });
  }

  /** Gives up a call that still rings. 10410 when the answer came first. */
  cancel(options: Callbacks = {}): Promise<void> {
    return this.#run(options, async () => {
      this.#allow("cancel");
      await this.#call?.cancel();
    });
  }

  /** Answers on this device. Resolves when the server has stored it; 10420 when another device was faster. */
  accept(options: Callbacks = {}): Promise<void> {
    const call = this.#call;
    return this.#run(options, async () => {
      this.#allow("accept");
      if (call) await this.#authorize(call.localUid);
      await call?.accept();
    });
  }

  /** Declines, on all of one's devices. */
  reject(options: Callbacks = {}): Promise<void> {
    return this.#run(options, async () => {
      this.#allow("reject");
      await this.#call?.reject();
    });
  }

  /** Ends whatever there is: cancels, rejects or hangs up. Holds at once, also without a connection. */
  hangup(options: Callbacks = {}): Promise<void> {
    return this.#run(options, async () => {
      this.#allow("hangup");
      await this.#call?.hangup();
    });
  }

  /** Ends a one-to-one call; only while it goes on. */
  leave(options: Callbacks & { channelId?: string } = {}): Promise<void> {
    return this.#run(options, async () => {
      this.#allow("leave");
      await this.#call?.hangup();
    });
  }

  /** How long to ring, in milliseconds: 120 000 at most, more is cut to that and told by onError. While it rings here: this device's own time. Otherwise: the next call's, made or received. */
  setCallTimeout(ms: number): void {
    const clamped = Math.min(ms, longestRing);
    if (clamped < ms) {
      this.emit("onError", {
        code: "100",
        message: `the ring time-out is at most ${longestRing} ms`,
      });
    }
    const call = this.#call;
    if (this.#state === State.called && call) {
      call.setRingTimeout(clamped).catch((e: unknown) => this.emit("onError", componentError(e)));
    } else {
      this.#ringTimeout = clamped;
    }
  }

  // ------------------------------------------------------------------- media

  /** Shows one's own picture inside an element, or in it where it is a `<video>`; none takes it away. Before, in or after a call. */
  setupLocalView(view: HTMLElement | null = null): void {
    this.#localView = view;
    this.#call?.attachLocal(view);
  }

  /** Shows someone's picture inside an element, or in it where it is a `<video>`; none takes it away. Before, in or after a call. */
  setupRemoteView(userId: string, view: HTMLElement | null = null): void {
    this.#remoteViews.set(userId, view);
    if (this.#call?.peer === userId) this.#call.attachRemote(view);
  }

  /** Opens or closes the camera; the other side gets onCameraAvailable. 103 without a call. */
  async enableLocalVideo(enable: boolean): Promise<void> {
    await this.#guard(() => this.#inCall().setCamera(enable));
  }

  /** Opens or closes the microphone; the other side gets onAudioAvailable. 103 without a call. */
  async enableLocalAudio(enable: boolean): Promise<void> {
    await this.#guard(() => this.#inCall().openMicrophone(enable));
  }

  /** Sends black in place of the picture; the other side gets onVideoMuted. 103 without a call. */
  async muteLocalVideo(mute: boolean): Promise<void> {
    await this.#guard(() => this.#inCall().muteCamera(mute));
  }

  /** Sends silence in place of the sound; the other side gets onAudioMuted. 103 without a call. */
  async muteLocalAudio(mute: boolean): Promise<void> {
    await this.#guard(() => this.#inCall().setMicrophone(!mute));
  }

  /** Stops someone's sound here. 105 when that person is not in the call. */
  async setAudioMute(mute: boolean, userId: string): Promise<void> {
    const call = this.#call;
    if (!call || call.peer !== userId)
      throw { code: "105", message: `no stream of ${userId}` } satisfies ComponentError;
    call.muteRemote(mute);
  }

  /** The devices of this machine; one of each kind is active: the one in use, or the one that opens next. Labels are empty before the browser has allowed any. Where the browser names none within a second, those in use. */
  getDevices(): Promise<DeviceLists> {
    return listDevices(this.#call?.localStream);
  }

  /** Uses another device from now on, in this call and the next ones. What is closed or muted stays so: the choice holds once it opens. 103 without a call, 114 when it is not there, 100 when it cannot be opened. */
  async switchDevice(
    type: "microphoneId" | "cameraId" | "speakerId",
    deviceId: string,
  ): Promise<void> {
    await this.#guard(async () => {
      const call = this.#inCall();
      if (type === "speakerId") await call.setSpeaker(deviceId);
      else await call.chooseDevice(type === "cameraId" ? "video" : "audio", deviceId);
    });
  }

  /** The same as `switchDevice("speakerId", …)`. */
  selectSpeakers(deviceId: string): Promise<void> {
    return this.switchDevice("speakerId", deviceId);
  }

  /** The call that is going on. Throws 103 without one. */
  getRoomInfo(): RoomInfo {
    const call = this.#inCall();
    const caller = call.direction === "outgoing";
    const account = this.#client?.account ?? "";
    const member = (name: string, uid: number): RoomMember => ({
      uid,
      account: name,
      accid: name,
      createTimestamp: this.#joinedAt,
      expireTimestamp: 0,
    });
    return {
      channelName: call.id,
      channelId: call.id,
      channelCreateTime: this.#joinedAt,
      channelExpireTime: 0,
      creator: caller ? account : call.peer,
      uid: call.localUid,
      members: [member(account, call.localUid), member(call.peer, call.peerUid)],
    };
  }

  /** To audio (1) at once; to video (2) when the other side agrees, by `switchCallType(2)` of its own. */
  switchCallType(type: 1 | 2): Promise<void> {
    return this.#run({}, async () => {
      this.#allow("switchCallType");
      if (type !== 1 && type !== 2)
        throw { code: "106", message: "the type is 1 or 2" } satisfies ComponentError;
      await this.#inCall().switchType(type);
    });
  }

  /** Handles of what lies behind the component, as pages reach for them. */
  getSdkInstance(): SdkInstance {
    const { account = "", deviceId = "" } = this.#client ?? {};
    return sdkInstance(this.#call, { account, deviceId });
  }

  // -------------------------------------------------------------- not (yet)

  /** Not available: fails with 100. */
  groupCall(options: GroupCallOptions): Promise<void> {
    return this.#run(options, async () => {
      this.#allow("call");
      callType(options.type);
      throw noGroups;
    });
  }

  /** Not available: fails with 118, or with 119 in a call. */
  groupInvite(options: GroupInviteOptions): Promise<void> {
    return this.#run(options, async () => {
      throw this.#state === State.inCall
        ? ({ code: "119", message: "this is not a group call" } satisfies ComponentError)
        : ({
            code: "118",
            message: "there is no group call to invite to",
          } satisfies ComponentError);
    });
  }

  // ------------------------------------------------------------------ events

  #invited(client: PealClient, call: Call): void {
    this.#took(client, call);
    const ring = this.#ringTimeout;
    this.#ringTimeout = 0;
    if (ring) this.setCallTimeout(ring);
    this.emit("onInvited", {
      invitor: call.peer,
      userIds: [client.account],
      isFromGroup: false,
      groupId: "",
      attachment: parse(call.attachment),
      type: call.type,
      channelId: call.id,
    });
  }

  /** Follows a call from its start. */
  #took(client: PealClient, call: Call): Follower {
    if (call.direction === "incoming") call.profile = this.#takeProfile();
    call.attachLocal(this.#localView);
    call.attachRemote(this.#remoteViews.get(call.peer) ?? null);
    return new Follower(call, {
      account: client.account,
      tell: (event, ...payload) => this.emit(event, ...payload),
      authorize: (uid) => this.#authorize(uid),
      joined: () => this.#joined(client, call),
    });
  }

  #joined(client: PealClient, call: Call): void {
    this.#joinedAt = Date.now();
    this.userMap[call.localUid] = client.account;
    this.userMap[call.peerUid] = call.peer;
  }

  async #authorize(uid: number): Promise<void> {
    await this.#tokenService?.(uid);
  }

  #filed(record: CallRecord, account: string, options: LoginOptions): void {
    // Only the device that called says that the record was sent.
    if (record.kind !== 1 && this.#made.has(record.callId))
      this.emit("onMessageSent", record.callee);
    this.#made.delete(record.callId);
    options.onmsg?.(recordMessage(record, account));
  }

  // ------------------------------------------------------------------- errors

  #online(): PealClient {
    if (!this.#client) throw { code: "102", message: "log in first" } satisfies ComponentError;
    return this.#client;
  }

  #inCall(): Call {
    const call = this.#call;
    if (!call) throw { code: "103", message: "there is no call" } satisfies ComponentError;
    return call;
  }

  #allow(method: Parameters<typeof refusedBy>[0]): void {
    const refusal = refusedBy(method, this.#state);
    if (refusal) throw refusal;
  }

  async #guard(task: () => Promise<void>): Promise<void> {
    try {
      await task();
    } catch (e) {
      throw known(e);
    }
  }

  /** Runs a method with its callbacks. The promise is safe to ignore: who ignores it has the callback, or onError. */
  #run(callbacks: Callbacks, task: () => Promise<void>): Promise<void> {
    const result = (async () => {
      try {
        await task();
      } catch (e) {
        const error = known(e);
        callbacks.failed?.(error);
        throw error;
      }
      callbacks.success?.();
    })();
    result.catch(() => {});
    return result;
  }
}

const noGroups: ComponentError = {
  code: "100",
  message: "group calls are not available in this version",
};

/** The token says who one is, whatever name is given beside it: a mix-up would go unseen. */
function warnOfOther(given: string, named: string): void {
  if (!given || given === named) return;
  console.warn(`[peal] login as "${given}": the token names "${named}", who is logged in now`);
}

/** The type of a call; pages may have it as text. */
function callType(type: unknown): 1 | 2 | 3 {
  const number = Number(type);
  if (number === 1 || number === 2 || number === 3) return number;
  throw {
    code: "106",
    message: "type is missing: 1 audio, 2 video, 3 other",
  } satisfies ComponentError;
}

function known(e: unknown): ComponentError {
  if (
    typeof e === "object" &&
    e !== null &&
    "code" in e &&
    "message" in e &&
    !(e instanceof Error)
  ) {
    return { code: String(e.code), message: String(e.message) };
  }
  return componentError(e);
}

/** An attachment comes back as it was given: an object as an object, a string as a string. */
function parse(text: string): unknown {
  if (text === "") return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text; // Of a client that sends plain text.
  }
}
