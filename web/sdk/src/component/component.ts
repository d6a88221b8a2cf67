import { Emitter, type Listener } from "../api/emitter";
import type { CallRecord, ClientOptions, MediaProfile, ScreenOptions } from "../api/types";
import type { Call } from "../call";
import { type DeviceLists, listDevices } from "../capture/devices";
import type { PealClient } from "../client";
import { type CallProfile, defined, merged, readProfile } from "../media/profile";
import { version } from "../version";
import { isView, notAView } from "../view/picture";
import { Follower } from "./call-events";
import { run, safely } from "./callbacks";
import {
  type ComponentError,
  componentError,
  known,
  refusedBy,
  State,
  type StateNumber,
} from "./codes";
import type { ComponentEvents } from "./events";
import type {
  Callbacks,
  GroupCallOptions,
  GroupInviteOptions,
  InviteOptions,
  LoginOptions,
  RoomInfo,
  SetupOptions,
} from "./options";
import { recordMessage } from "./record-message";
import { roomOf, shownAs } from "./room";
import { Sdk } from "./sdk-instance";
import { Session } from "./session";

/** As the original types it, so that lines of its pages compile. `SdkInstance` is what it is. */
type Untyped = ReturnType<typeof JSON.parse>;

const shortestRing = 1_000;
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

  /** What `getInstance` gave last; null before that and after `destroy`. */
  static get instance(): RTCCalling | null {
    return singleton;
  }

  /** Numeric ids of the accounts in the call. */
  readonly userMap: Record<number, string> = {};
  readonly #debug: boolean;
  #session: Session | null = null;
  #destroyed = false;
  /** Counts what was asked of the login: the last one holds. */
  #asked = 0;
  #server: string | undefined;
  #tokenService: ((uid: number) => Promise<string>) | null = null;
  /** What of `setupAppKey` is the core's. */
  #core: Omit<ClientOptions, "getToken"> = {};
  #ringTimeout = 0;
  /** For every call, and for the next one alone. */
  #usual: MediaProfile = {};
  #profile: MediaProfile = {};
  #localView: HTMLElement | null = null;
  readonly #remoteViews = new Map<string, HTMLElement | null>();
  readonly #made = new Set<string>();
  readonly #sdk = new Sdk(
    () => this.#call,
    () => this.#session?.client ?? null,
  );

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
    const { microphone, rememberDevices, ringtone, ringback } = options;
    this.#core = defined({ microphone, rememberDevices, ringtone, ringback });
  }

  /** What the next call sends: picture size, frames and quality of sound. What was set since the last call adds up; after the call `setupAppKey`'s profile or the defaults hold again. Values that are not documented cause onError and change nothing. */
  setCallProfile(profile: CallProfile): void {
    this.#profile = merged(this.#profile, this.#read(profile));
    const call = this.#call;
    if (!call || this.#state !== State.called) return;
    call.profile = merged(call.profile, this.#profile);
    this.#profile = {};
  }

  #read(profile: CallProfile): MediaProfile {
    return readProfile(profile, (what) => {
      const error = { code: "100", message: `${what} is none of those in the documentation` };
      // A page may set it before it listens.
      setTimeout(() => this.emit("onError", error), 0);
    });
  }

  #takeProfile(): MediaProfile {
    const profile = merged(this.#usual, this.#profile);
    this.#profile = {};
    return profile;
  }

  /** Logs in and stays logged in, over losses of the connection. With the account that is logged in: its call goes on, and these options replace the earlier ones. With another account: the first one is logged out. Fails with 102 for a token that is not good, 108 when the server does not answer, 101 when a later login, logout or destroy came first. */
  login(options: LoginOptions): Promise<void> {
    return this.#run(options, async () => {
      const asked = ++this.#asked;
      if (!options.token && !options.getToken) throw noToken;
      if (this.#destroyed && this.listenerCount("onInvited") === 0)
        console.warn("[peal] login after destroy: this instance has lost its listeners");
      const server = options.server ?? this.#server;
      const before = this.#session;
      try {
        if (before && !before.serves(options, server)) {
          this.#session = null;
          await before.client.close();
          this.#stillAsked(asked);
        }
        // The login that is on its way may have the older token.
        const again = this.#session !== null && this.#session.client.connection !== "online";
        this.#session?.renew(options);
        await this.#connect(options, server).catch((e: unknown) => {
          if (!again || asked !== this.#asked || known(e).code !== "102") throw e;
          return this.#connect(options, server);
        });
        this.#stillAsked(asked);
      } catch (e) {
        const error = asked === this.#asked ? known(e) : superseded;
        safely(options.onerror, error);
        throw error;
      }
    });
  }

  async #connect(options: LoginOptions, server: string | undefined): Promise<void> {
    let session = this.#session;
    if (!session) {
      session = new Session(options, server, { ...this.#core, debug: this.#debug });
      this.#session = session;
      this.#follow(session);
    }
    const { client } = session;
    if (client.connection === "online") safely(options.onconnect);
    try {
      await client.connect();
    } catch (e) {
      if (this.#session === session && client.connection === "offline") this.#session = null;
      throw e;
    }
    session.warnOfOther();
  }

  /** A failure that no callback hears goes to the console, as the promise may be ignored. */
  #run(callbacks: Callbacks, task: () => Promise<void>): Promise<void> {
    return run(callbacks, task, this.#debug);
  }

  #stillAsked(asked: number): void {
    if (asked !== this.#asked) throw superseded;
  }

  #follow(session: Session): void {
    const { client } = session;
    client.on("connection", (state) => {
      if (state === "online") safely(session.options.onconnect);
    });
    client.on("closed", (why) => {
      const current = this.#session === session;
      const asked = this.#asked;
      if (current) this.#session = null;
      safely(session.options.ondisconnect, { code: why.code, message: why.message });
      // The page may have logged in again in its callback.
      if (current && why.code === "kicked" && asked === this.#asked) this.destroy();
    });
    client.on("incoming", (call) => this.#invited(client, call as Call));
    client.on("resumed", (call) => this.#took(client, call as Call).joined());
    client.on("record", (record) => this.#filed(record, session));
    client.on("ringtoneBlocked", (blocked) => {
      if (blocked) this.emit("onError", { code: "100", message: silentRing });
    });
    client.on("error", (error) => this.emit("onError", componentError(error)));
  }

  /** Ends a call, then logs out. Fails with 101 when not logged in. */
  logout(options: Callbacks = {}): Promise<void> {
    return this.#run(options, async () => {
      this.#asked++;
      const session = this.#session;
      if (!session) throw { code: "101", message: "not connected" } satisfies ComponentError;
      this.#session = null; // A login from here on is another one.
      await session.client.close();
    });
  }

  /** Ends everything, drops all listeners and forgets the singleton. A page that logs in later takes a new instance, or adds its listeners again. */
  destroy(): void {
    this.#asked++;
    this.#destroyed = true;
    const session = this.#session;
    this.#session = null;
    void session?.client.close();
    this.removeAllListeners();
    this.#localView = null;
    this.#remoteViews.clear();
    if (singleton === this) singleton = null;
  }

  /** The same as `on`. */
  addDelegate<K extends keyof ComponentEvents>(event: K, listener: ComponentEvents[K]): void;
  /** The same, with a listener that is typed in the page's own way. */
  addDelegate(event: PropertyKey, listener: Listener): void;
  addDelegate(event: PropertyKey, listener: Listener): void {
    this.on(event, listener);
  }

  /** Drops every listener of an event. */
  removeDelegate(event: PropertyKey): void {
    this.removeAllListeners(event);
  }

  /** Calls the listeners of an event. */
  override emit<K extends keyof ComponentEvents>(
    event: K,
    ...payload: Parameters<ComponentEvents[K]>
  ): boolean {
    return super.emit(event, ...payload);
  }

  /** Awaited with one's own numeric id before media is joined; when it fails, so does the join. Its value is not used: media needs no token of its own here. */
  setTokenService(service: (uid: number) => Promise<string>): void {
    this.#tokenService = service;
  }

  // ---------------------------------------------------------------- one call

  get #call(): Call | null {
    return this.#session?.client.activeCall ?? null;
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

  /** Calls someone. Resolves when the server has taken the invitation, whether the callee is there or not; the rest follows as events. Fails with 106 without a type, 116 when this account is in a call on another device, 114 without a device, 100 when one is denied or in use. */
  call(options: InviteOptions): Promise<void> {
    return this.#run(options, async () => {
      this.#allow("call");
      const client = this.#online();
      const { userId, attachment } = options;
      const type = callType(options.type);
      if (typeof userId !== "string" || userId === "")
        throw { code: "100", message: "userId is missing" } satisfies ComponentError;
      const ringTimeoutMs = this.#ringTimeout;
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

  /** Answers on this device. Resolves when the server has stored it; 10420 when another device was faster. 100 or 114 when the microphone cannot be had: the call rings on, so leave the page its way to accept and reject. */
  accept(options: Callbacks = {}): Promise<void> {
    const call = this.#call;
    return this.#run(options, async () => {
      this.#allow("accept");
      if (!call) return;
      const over = new Promise<void>((resolve) => call.once("ended", () => resolve()));
      await Promise.race([this.#authorize(call.localUid), over]);
      await call.accept();
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

  /** How long a call rings, in milliseconds: for the call that rings here and all later ones, made and received, until it is set again. 1 000 to 120 000: what is less or more is set to that and causes onError. */
  setCallTimeout(ms: number): void {
    const clamped = Math.min(Math.max(Math.round(ms), shortestRing), longestRing);
    if (clamped !== ms) {
      const range = `${shortestRing} to ${longestRing} ms`;
      this.emit("onError", { code: "100", message: `the ring time-out is ${range}, not ${ms}` });
    }
    if (Number.isNaN(clamped)) return;
    this.#ringTimeout = clamped;
    const call = this.#call;
    if (call && this.#state === State.called) this.#ringFor(call);
  }

  #ringFor(call: Call): void {
    call
      .setRingTimeout(this.#ringTimeout)
      .catch((e: unknown) => this.emit("onError", componentError(e)));
  }

  // ------------------------------------------------------------------- media

  /** Shows one's own picture inside an element, or in it where it is a `<video>`; none takes it away. Before, in or after a call. There is a picture while a call has the camera open: the caller's from `call`, the callee's from `accept`. What is no element causes onError and shows nothing. */
  setupLocalView(view: HTMLElement | null = null): void {
    this.#localView = this.#view(view);
    this.#call?.attachLocal(this.#localView);
  }

  /** Shows someone's picture inside an element, or in it where it is a `<video>`; none takes it away. Before, in or after a call. */
  setupRemoteView(userId: string, view: HTMLElement | null = null): void {
    const place = this.#view(view);
    this.#remoteViews.set(userId, place);
    if (this.#call?.peer === userId) this.#call.attachRemote(place);
  }

  /** What is no element shows nothing: it must not fail the call. */
  #view(view: HTMLElement | null): HTMLElement | null {
    if (isView(view)) return view;
    this.emit("onError", { code: "100", message: `bad_view: ${notAView(view)}` });
    return null;
  }

  /** Opens or closes the camera; the other side gets onCameraAvailable. 103 without a call, 100 in an audio call: ask by `switchCallType(2)`. */
  async enableLocalVideo(enable: boolean): Promise<void> {
    await this.#run({}, () => this.#inCall().setCamera(enable));
  }

  /** Opens or closes the microphone; the other side gets onAudioAvailable. 103 without a call. */
  async enableLocalAudio(enable: boolean): Promise<void> {
    await this.#run({}, () => this.#inCall().openMicrophone(enable));
  }

  /** Sends black in place of the picture; the other side gets onVideoMuted. 103 without a call. */
  async muteLocalVideo(mute: boolean): Promise<void> {
    await this.#run({}, () => this.#inCall().muteCamera(mute));
  }

  /** Sends silence in place of the sound; the other side gets onAudioMuted. 103 without a call. */
  async muteLocalAudio(mute: boolean): Promise<void> {
    await this.#run({}, () => this.#inCall().setMicrophone(!mute));
  }

  /** Ours: shows one's screen, a window or a tab in the camera's place; both get onScreenShare. Call it in a click. In an audio call the other side is asked for a video call. 100 where the person or the browser does not allow it, 10409 when the other side does not agree. */
  async shareScreen(options: ScreenOptions = {}): Promise<void> {
    await this.#run({}, () => this.#inCall().shareScreen(options));
  }

  /** Ours: ends that. The browser's own bar does as well. */
  async stopScreenShare(): Promise<void> {
    await this.#run({}, () => this.#inCall().stopScreenShare());
  }

  /** Ours: uses the camera on the other side of a phone, or the next one. 103 without a call, 114 where there is no other. */
  async flipCamera(): Promise<void> {
    await this.#run({}, () => this.#inCall().flipCamera());
  }

  /** Stops someone's sound here. 105 when that person is not in the call. */
  async setAudioMute(mute: boolean, userId: string): Promise<void> {
    const call = this.#call;
    if (!call || call.peer !== userId)
      throw { code: "105", message: `no stream of ${userId}` } satisfies ComponentError;
    call.muteRemote(mute);
  }

  /** The devices of this machine; one of each kind is active: the one in use, or the one that opens next. Before the browser has allowed any, they are named "microphone 1" and so on. Where the browser names none within a second, those in use. */
  getDevices(): Promise<DeviceLists> {
    return listDevices(this.#call);
  }

  /** Uses another device from now on, in this call and the next ones. What is closed or muted stays so: the choice holds once it opens. 103 without a call, 114 when it is not there, 100 when it cannot be opened. */
  async switchDevice(
    type: "microphoneId" | "cameraId" | "speakerId",
    deviceId: string,
  ): Promise<void> {
    await this.#run({}, async () => {
      const call = this.#inCall();
      const kinds = { microphoneId: "audio", cameraId: "video", speakerId: "speaker" } as const;
      await call.chooseDevice(kinds[type], deviceId);
    });
  }

  /** The same as `switchDevice("speakerId", …)`. */
  selectSpeakers(deviceId: string): Promise<void> {
    return this.switchDevice("speakerId", deviceId);
  }

  /** The call that rings or goes on. Fails with 102 when not logged in, 103 without a call. */
  async getRoomInfo(): Promise<RoomInfo> {
    const { account } = this.#online();
    return roomOf(this.#inCall(), account);
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

  /** Handles of what lies behind the component, as pages reach for them: one object for the life of the instance, whose parts show the call that there is. */
  getSdkInstance(): Untyped {
    return this.#sdk;
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
    if (this.#ringTimeout) this.#ringFor(call);
    const { name, avatar } = shownAs(call, call.peer);
    this.emit("onInvited", {
      invitor: call.peer,
      ...(name && { invitorName: name }),
      ...(avatar && { invitorAvatar: avatar }),
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
      rtc: this.#sdk.rtcClient,
      tell: (event, ...payload) => {
        this.emit(event, ...payload);
      },
      authorize: (uid) => this.#authorize(uid),
      joined: () => this.#joined(client, call),
    });
  }

  #joined(client: PealClient, call: Call): void {
    this.userMap[call.localUid] = client.account;
    this.userMap[call.peerUid] = call.peer;
  }

  async #authorize(uid: number): Promise<void> {
    await this.#tokenService?.(uid);
  }

  #filed(record: CallRecord, { client, options }: Session): void {
    // Only the device that called says that the record was sent.
    if (record.kind !== 1 && this.#made.has(record.callId))
      this.emit("onMessageSent", record.callee);
    this.#made.delete(record.callId);
    safely(options.onmsg, recordMessage(record, client.account));
  }

  // ------------------------------------------------------------------- errors

  #online(): PealClient {
    if (!this.#session) throw { code: "102", message: "log in first" } satisfies ComponentError;
    return this.#session.client;
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
}

const superseded: ComponentError = {
  code: "101",
  message: "a later login, logout or destroy took the place of this login",
};

const silentRing =
  "ringtone_blocked: the browser plays no ringtone before the person clicks in the page";

const noToken: ComponentError = {
  code: "102",
  message: "token or getToken is missing: your backend makes tokens",
};

const noGroups: ComponentError = {
  code: "100",
  message: "group calls are not available in this version",
};

/** The type of a call; pages may have it as text. */
function callType(type: unknown): 1 | 2 | 3 {
  const number = Number(type);
  if (number === 1 || number === 2 || number === 3) return number;
  throw {
    code: "106",
    message: "type is missing: 1 audio, 2 video, 3 other",
  } satisfies ComponentError;
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
