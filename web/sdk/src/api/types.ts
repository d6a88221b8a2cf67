/**
 * The typed core's public surface: what an application sees of a client and a
 * call. The classes in client.ts and call.ts implement these interfaces.
 */

/** A failure that an application can act on. `code` is stable, `message` says what to do. */
export interface PealErrorLike {
  /** What failed, for programs. */
  readonly code: PealErrorCode;
  /** What failed, and what to do, for developers. */
  readonly message: string;
  /** Whether the same request may succeed later, unchanged. */
  readonly retry: boolean;
}

/** Codes made by the browser side; the server's own codes are in docs/build/protocol.md and pass through. */
export type LocalErrorCode =
  | "insecure_context" // no camera or microphone on plain HTTP
  | "not_connected"
  | "not_logged_in"
  | "wrong_state"
  | "token_failed" // getToken gave none
  | "request_timeout"
  | "microphone_denied"
  | "microphone_missing"
  | "microphone_in_use"
  | "camera_denied"
  | "camera_missing"
  | "camera_in_use"
  | "speaker_missing"
  | "screen_denied"
  | "screen_unsupported" // as in the browsers of phones
  | "bad_view" // not an element
  | "autoplay_blocked"
  | "ringtone_failed" // there is no such sound, or the browser cannot play it
  | "media_failed"
  | "declined"
  | "unsupported_browser"
  | "bad_server" // not an address that the browser connects to
  | "internal";
/** A code of the browser side, or one of the server's. */
export type PealErrorCode = LocalErrorCode | (string & {});

/** What a client is made with. */
export interface ClientOptions {
  /** Where the server is: "https://calls.example.org". Default: the origin that served the script. */
  server?: string;
  /** Gives a token whenever one is needed: at login, before it expires, and at reconnects that the last one does not serve for. */
  getToken: () => string | Promise<string>;
  /** Go on after a reload with the call that this page was in. Default true. */
  resume?: boolean;
  /** Only relayed media ("relay"), for tests of a network. Default "all". */
  iceTransportPolicy?: RTCIceTransportPolicy;
  /** Whether a call needs a microphone. "optional": a call is made and answered without one as well, and a microphone that is connected later joins. Default "required". */
  microphone?: "required" | "optional";
  /** Keep in this browser which devices the person chose. Default false: they are forgotten with the page. */
  rememberDevices?: boolean;
  /** What the page plays while a call comes in: the address of a sound, or true for a built-in tone. Default: nothing. */
  ringtone?: string | true;
  /** The same while someone is called. */
  ringback?: string | true;
  /** Write what happens to the console. Default false. */
  debug?: boolean;
}

/** How good the sound is to be, and how much it may take: from speech at 20 kbit/s to stereo at 128. */
export type AudioQuality =
  | "speech_low_quality"
  | "speech_standard"
  | "music_standard"
  | "standard_stereo"
  | "high_quality"
  | "high_quality_stereo";

/** What one sends. What is left out is the browser's choice. */
export interface MediaProfile {
  video?: {
    /** Wished for, in pixels: a camera gives the nearest that it has. */
    width?: number;
    /** Wished for, in pixels. */
    height?: number;
    /** At most so many frames a second. */
    frameRate?: number;
    /** At most so many bits a second. */
    maxBitrate?: number;
  };
  /** In stereo when both sides ask for it. */
  audio?: AudioQuality;
}

/** offline: not started or closed; connecting: also while reconnecting. */
export type ConnectionState = "offline" | "connecting" | "online";

/** What has a state that changes: made for React's `useSyncExternalStore` and its like. */
export interface Store<T> {
  /** Calls the listener after each change; gives the function that ends that. */
  subscribe(listener: () => void): () => void;
  /** The state now. It never changes itself: until something does, it is the same object. */
  getSnapshot(): T;
}

/** A client at one moment. */
export interface ClientSnapshot {
  /** Whether the server can be reached. */
  readonly connection: ConnectionState;
  /** The account that the token names; empty before the first login. */
  readonly account: string;
  /** The call that is going on or ringing here; null when idle. */
  readonly call: CallHandle | null;
  /** The call that ended last, until the next one begins: to show how it ended. */
  readonly lastCall: CallHandle | null;
  /** Why the login is over; null while it lasts, and before the first one. */
  readonly closed: PealErrorLike | null;
}

/** A kind of device. */
export type DeviceKind = "microphone" | "camera" | "speaker";

/** One microphone, camera or speaker. */
export interface MediaDevice {
  /** What it is. */
  readonly kind: DeviceKind;
  /** Its id, for `choose`; empty before the browser has allowed devices of its kind. */
  readonly id: string;
  /** Its name; "microphone 1" and so on before the browser has allowed devices of its kind. */
  readonly label: string;
  /** True for one of each kind: the one in use, or the one that opens next. */
  readonly active: boolean;
}

/** The devices of this machine. */
export interface DeviceSnapshot {
  /** Microphones. */
  readonly microphones: readonly MediaDevice[];
  /** Cameras. */
  readonly cameras: readonly MediaDevice[];
  /** Speakers; none where the browser leaves the choice to the system. */
  readonly speakers: readonly MediaDevice[];
}

/** The microphones, cameras and speakers of this machine. */
export interface Devices extends Store<DeviceSnapshot> {
  /** Asks the browser for them. `getSnapshot` gives what was known last: it follows while someone subscribes. */
  list(): Promise<DeviceSnapshot>;
  /**
   * Uses a device from now on, in this call and in later ones; the id "" leaves it to the browser.
   * What is closed or muted stays so. Fails with `microphone_missing`, `camera_missing` or
   * `speaker_missing` when it is not there, and in a call when it cannot be opened.
   */
  choose(kind: DeviceKind, id: string): Promise<void>;
}

/** What a client tells. */
export interface ClientEvents {
  /** The connection to the server changed. Calls go on without it. */
  connection: (state: ConnectionState) => void;
  /** Someone calls. Never for a call that this page makes itself. */
  incoming: (call: CallHandle) => void;
  /** The call that was going on before a reload goes on. */
  resumed: (call: CallHandle) => void;
  /** A call of this account was filed, now or while this client was away. Each comes once. */
  record: (record: CallRecord) => void;
  /** The browser keeps `ringtone` or `ringback` silent until the person clicks or presses a key in the page. After that it sounds, and the event comes with false. */
  ringtoneBlocked: (blocked: boolean) => void;
  /** The login is over and no reconnect follows: replaced, kicked, logged out. */
  closed: (why: PealErrorLike) => void;
  /** Something failed that no promise tells of. */
  error: (error: PealErrorLike) => void;
}

/** What `call` takes. */
export interface CallOptions {
  /** A video call; default false. */
  video?: boolean;
  /** 1 audio, 2 video, 3 other: for applications that number their calls. Default: by `video`. */
  type?: 1 | 2 | 3;
  /** Comes back to the callee as it was given. */
  attachment?: string;
  /** How long to ring, at most 120 000; default: the server's. */
  ringTimeoutMs?: number;
  /** What is sent in this call. */
  profile?: MediaProfile;
  /** Let the other person learn of one's addresses only once the call is answered. Default: the server's choice. */
  relayUntilAccept?: boolean;
  /** Let neither side learn of the other's addresses: media goes by the relay. Default: the server's choice. */
  relayOnly?: boolean;
}

/** What `accept` takes. */
export interface AcceptOptions {
  /** Send one's own picture; default: when it is a video call. */
  video?: boolean;
  /** What is sent in this call. */
  profile?: MediaProfile;
}

/** Which records to list: newest first, at most 100 at once. */
export interface RecordsOptions {
  /** Only calls that ended before this time, or before the call of this record: for the next page. */
  before?: Date | CallRecord;
  /** At most 100, which is also the default. */
  limit?: number;
}

/** One device of an account: logs in, rings, calls. At most one call at a time. */
export interface Client extends Listenable<ClientEvents>, Store<ClientSnapshot> {
  /** Whether the server can be reached now. */
  readonly connection: ConnectionState;
  /** The account that the token names; empty before the first login. */
  readonly account: string;
  /** This device among the account's; a page keeps it over reloads. */
  readonly deviceId: string;
  /** The call that is going on or ringing here; null when idle. */
  readonly activeCall: CallHandle | null;
  /** The microphones, cameras and speakers, and the choice among them. */
  readonly devices: Devices;
  /**
   * Resolves when logged in; fails for a bad token, and stays failing until called again. Fails
   * also where the server does not answer for 15 s; a login that was there already goes on
   * trying then, and its call goes on.
   */
  connect(): Promise<void>;
  /** Calls someone. The call is there at once: show one's own picture, mute, cancel. Its `invited` tells whether the server has taken the invitation. Throws where there can be no call: not logged in, in a call already, no HTTPS. */
  call(account: string, options?: CallOptions): CallHandle;
  /** The records of this account's calls, newest first. */
  records(options?: RecordsOptions): Promise<CallRecord[]>;
  /** Ends a call, logs out and closes for good. */
  close(): Promise<void>;
}

/** ringing; connecting: answered, media is being set up; connected: both sides have had media; ended. */
export type CallState = "ringing" | "connecting" | "connected" | "ended";
/** Whether this account called, or was called. */
export type Direction = "outgoing" | "incoming";
/** Why a call ended. Every call has exactly one, the same for everyone in it. */
export type EndReason =
  | "completed"
  | "cancelled"
  | "rejected"
  | "timeout"
  | "busy"
  | "failed"
  | "lost"
  | "superseded"
  | "kicked"
  | "server"
  /** Only on this device: another device of this account answered. */
  | "answered_elsewhere";

/** How a call ended. */
export interface CallEnd {
  /** Why. */
  readonly reason: EndReason;
  /** Who ended it; empty for a time-out or the server. */
  readonly actor: string;
  /** Whether it was this very device. */
  readonly byThisDevice: boolean;
  /** Whether it had been answered: a call that ended after that was more than a ring. */
  readonly answered: boolean;
  /** How long both sides had media. */
  readonly durationSeconds: number;
  /** What was filed; null when this device ended it and the server has not answered yet. */
  readonly record: CallRecord | null;
}

/** One person who has a part in a call. */
export interface CallParty {
  /** The person's account. */
  readonly account: string;
  /** Whether this person called or was called. */
  readonly role: "caller" | "callee";
  /** The person's name, as the token says: the caller's as of the invitation, the callee's as of the acceptance. Empty where the token has none, and for a callee that has not accepted. Put it into the page as text, never as HTML. */
  readonly name: string;
  /** The https URL of the person's picture, likewise; empty where there is none. */
  readonly avatar: string;
}

/** The one lasting note of a call. */
export interface CallRecord {
  /** The call's id. */
  readonly callId: string;
  /** 1 completed, 2 cancelled, 3 rejected, 4 timed out, 5 busy. */
  readonly kind: 1 | 2 | 3 | 4 | 5;
  /** 1 audio, 2 video, 3 other: what it was at its end. */
  readonly type: 1 | 2 | 3;
  /** The account that called. */
  readonly caller: string;
  /** The account that was called. */
  readonly callee: string;
  /** Everybody who had a part in the call, the caller first. */
  readonly parties: readonly CallParty[];
  /** Why it ended. */
  readonly reason: EndReason;
  /** When it began to ring, by the server's clock. */
  readonly createdAt: Date;
  /** When it ended, by the server's clock. */
  readonly endedAt: Date;
  /** How long both sides had media. */
  readonly durationSeconds: number;
}

/** What the other side sends. */
export interface RemoteTracks {
  /** There is sound: of the microphone, or of what is shared. */
  readonly audio: boolean;
  /** Silence is sent. */
  readonly audioMuted: boolean;
  /** There is a picture: of the camera, or the screen. */
  readonly video: boolean;
  /** Black is sent. */
  readonly videoMuted: boolean;
  /** The picture is the other person's screen, to be shown whole. */
  readonly screen: boolean;
}

/** What `shareScreen` takes. */
export interface ScreenOptions {
  /** Send the sound of the tab or the screen too, where the browser gives it; default false. */
  audio?: boolean;
}

/** A device that is gone, and the label of the one that took its place. */
export interface LostDevice {
  /** Which of one's devices. */
  readonly kind: DeviceKind;
  /** Its name. */
  readonly label: string;
  /** The name of the one that is used now; null when there is none. */
  readonly replacement: string | null;
}

/** 0 unknown, 1 excellent … 5 unusable. */
export interface NetworkQuality {
  /** What one sends. */
  readonly uplink: 0 | 1 | 2 | 3 | 4 | 5;
  /** What one receives. */
  readonly downlink: 0 | 1 | 2 | 3 | 4 | 5;
}

/** How media fared in one direction in the last two seconds. */
export interface FlowQuality {
  /** The part of the packets that was lost: 0 to 1. */
  readonly lossRate: number;
  /** The jitter of the sound in milliseconds. */
  readonly jitterMs: number;
  /** Bits per second of all RTP packets, with RTP headers and retransmissions. */
  readonly bitrate: number;
}

/**
 * A condition that the application can show to a person. low_bandwidth: the network has less room
 * than sound and picture need; microphone_silent: the microphone is on and gives digital silence;
 * one_way_media: media flows in one direction only; relay: media goes through a relay.
 */
export type QualityWarning = "low_bandwidth" | "microphone_silent" | "one_way_media" | "relay";

/** The quality of a call in the last two seconds. The rule of each number is in docs/build/media.md. */
export interface CallQuality {
  /** The round trip between both browsers in milliseconds; null before it was measured. */
  readonly roundTripMs: number | null;
  /** What this device sends. Loss and jitter come from the other side's last reports; 0 before the first report. */
  readonly sent: FlowQuality;
  /** What this device receives. */
  readonly received: FlowQuality;
  /** The estimated mean opinion score of the received sound, from 1 to 4.5; null while no sound comes. */
  readonly mos: number | null;
  /** The warnings that hold now. */
  readonly warnings: readonly QualityWarning[];
}

/**
 * What media flows by: from machine to machine, in one network (host) or through
 * NATs (reflexive), or by the relay, which this side reaches over UDP, TCP or
 * TLS, or which is the other side's alone (relay-peer).
 */
export type MediaPath =
  | "host"
  | "reflexive"
  | "relay-udp"
  | "relay-tcp"
  | "relay-tls"
  | "relay-peer";

/** What a call tells. */
export interface CallEvents {
  /** The callee answered; media is being set up. */
  accepted: () => void;
  /** Media is up on both ends. Fires again when it comes back after a loss. */
  connected: () => void;
  /** Media was lost and is being restored. */
  reconnecting: () => void;
  /** The other person's media is up. */
  peerMedia: (up: boolean) => void;
  /** The other person's page lost or regained its connection. */
  peerPresence: (present: boolean) => void;
  /** What the other side sends has changed. */
  remoteTracks: (tracks: RemoteTracks) => void;
  /** An audio call became a video call or the other way round, not by what this device did last. */
  type: (type: 1 | 2 | 3) => void;
  /** The other person asks for a video call, or (false) no longer does. `switchType(2)` agrees, `switchType(1)` refuses. */
  videoRequest: (asked: boolean) => void;
  /** A microphone, camera or speaker in use was unplugged (one that is not allowed any more is an `error`); `replacement` is used now. Where there is none, a microphone that is connected later joins by itself; a camera is opened by `setCamera`. */
  deviceLost: (device: LostDevice) => void;
  /** One's own screen is shown to the other person, or no more: by `stopScreenShare`, or by the browser's own bar. */
  screenShare: (on: boolean) => void;
  /** One's own stream; null when nothing is captured any more. */
  localStream: (stream: MediaStream | null) => void;
  /** The other side's stream. */
  remoteStream: (stream: MediaStream | null) => void;
  /** The browser plays no sound, or no picture, before the person clicks or presses a key in the page. After that it plays, and the event comes with false. */
  autoplayBlocked: (blocked: boolean) => void;
  /** Media flows by another path than before. */
  path: (path: MediaPath) => void;
  /** Every two seconds in a call. */
  networkQuality: (local: NetworkQuality) => void;
  /** The measured quality, every two seconds in a call. */
  quality: (quality: CallQuality) => void;
  /** A warning begins (true) or ends (false). The end of the call ends all warnings without this event. */
  qualityWarning: (warning: QualityWarning, on: boolean) => void;
  /** Something failed that no promise tells of; the call goes on. */
  error: (error: PealErrorLike) => void;
  /** It is over: devices are closed, pictures taken away, and another call may be made. */
  ended: (end: CallEnd) => void;
}

/** A call at one moment. */
export interface CallSnapshot {
  /** The call's id, the same for everyone. */
  readonly id: string;
  /** Whether this account called. */
  readonly direction: Direction;
  /** Where it stands. */
  readonly state: CallState;
  /** 1 audio, 2 video, 3 other. */
  readonly type: 1 | 2 | 3;
  /** Whether it is a video call. */
  readonly video: boolean;
  /** The other person's account. */
  readonly peer: string;
  /** What the other person is called; the account where the token names nothing. */
  readonly peerName: string;
  /** The address of the other person's picture; empty where there is none. */
  readonly peerAvatar: string;
  /** Everybody who has a part in the call, the caller first. */
  readonly parties: readonly CallParty[];
  /** What the caller gave with it; empty when nothing. */
  readonly attachment: string;
  /** One's own stream; null while nothing is captured. */
  readonly localStream: MediaStream | null;
  /** The other person's; null before there is any. */
  readonly remoteStream: MediaStream | null;
  /** What the other side sends. */
  readonly remoteTracks: RemoteTracks;
  /** Open and not muted. */
  readonly microphoneOn: boolean;
  /** Open and not muted. */
  readonly cameraOn: boolean;
  /** One's own screen is shown to the other person. */
  readonly screenOn: boolean;
  /** Media was lost and is being restored. */
  readonly reconnecting: boolean;
  /** The other person's page has its connection. */
  readonly peerPresent: boolean;
  /** The other person waits for an answer to `videoRequest`. */
  readonly videoRequested: boolean;
  /** The browser plays nothing before the person clicks or presses a key in the page. */
  readonly autoplayBlocked: boolean;
  /** What media flows by; null before it does. */
  readonly path: MediaPath | null;
  /** What the network was judged last; null before that. */
  readonly networkQuality: NetworkQuality | null;
  /** What was measured last; null before that. */
  readonly quality: CallQuality | null;
  /** Since when both sides have media, in milliseconds since 1970 by this device's clock; null before that. For showing the duration. */
  readonly connectedAt: number | null;
  /** When it stops ringing, in milliseconds since 1970 by this device's clock; null once it does not ring. */
  readonly ringEndsAt: number | null;
  /** How it ended; null before that. */
  readonly end: CallEnd | null;
}

/** One call on this device, from its first moment to its end. */
export interface CallHandle extends Listenable<CallEvents>, Store<CallSnapshot> {
  /** The call's id, the same for everyone. */
  readonly id: string;
  /** Whether this account called. */
  readonly direction: Direction;
  /** Resolves when the server has taken the invitation, not when it is answered. Rejects when it has not: no microphone, no server, in a call on another device, a text that is too long, or the login was over before. Where the application gave the call up before, it resolves; a call that came in has resolved. */
  readonly invited: Promise<void>;
  /** When it began, by the server's clock; until the server has it, by this device's. */
  readonly createdAt: Date;
  /** The other person's account. */
  readonly peer: string;
  /** The other person's name; the account where no name is known. */
  readonly peerName: string;
  /** The https URL of the other person's picture; empty where none is known. */
  readonly peerAvatar: string;
  /** Everybody who has a part in the call, the caller first. */
  readonly parties: readonly CallParty[];
  /** The other person's numeric id. */
  readonly peerUid: number;
  /** One's own numeric id. */
  readonly localUid: number;
  /** 1 audio, 2 video, 3 other. */
  readonly type: 1 | 2 | 3;
  /** Whether it is a video call now. */
  readonly video: boolean;
  /** What the caller gave with it; empty when nothing. */
  readonly attachment: string;
  /** Where it stands. */
  readonly state: CallState;
  /** How it ended; null before that. */
  readonly end: CallEnd | null;
  /** One's own stream; null while nothing is captured. */
  readonly localStream: MediaStream | null;
  /** The other person's; null before there is any. */
  readonly remoteStream: MediaStream | null;
  /** What the other side sends. */
  readonly remoteTracks: RemoteTracks;
  /** Open and not muted. */
  readonly microphoneOn: boolean;
  /** Open and not muted. */
  readonly cameraOn: boolean;
  /** One's own screen is shown to the other person. */
  readonly screenOn: boolean;
  /** What media flows by; null before it does. */
  readonly path: MediaPath | null;
  /** The last measured quality; null before the first `quality` event. */
  readonly quality: CallQuality | null;
  /** Milliseconds that both sides have had media; for showing the duration. */
  readonly connectedForMs: number;
  /** What is left of the ringing. */
  readonly ringRemainingMs: number;

  /**
   * Answers on this device. Fails with "answered_elsewhere" when another one was faster, "call_ended"
   * when it is over. Where the browser has to ask for the microphone it fails as well when that cannot
   * be had, and rings on; where the microphone is allowed already it waits for no device, and `error`
   * tells of one that cannot be had. It answers without a camera where only that is missing.
   */
  accept(options?: AcceptOptions): Promise<void>;
  /** Declines, on all of one's devices. */
  reject(): Promise<void>;
  /** Gives up a call that still rings. Fails with "already_accepted" when the answer came first. */
  cancel(): Promise<void>;
  /** Ends the call whatever its state. Works without a connection: it is sent when one is back. */
  hangup(): Promise<void>;
  /** This device stops ringing after so long; the others ring on. */
  setRingTimeout(ms: number): Promise<void>;
  /**
   * Makes it an audio call at once (1), or a video call (2) once the other person
   * agrees: it fails with "declined" when that person does not, within 30 s.
   */
  switchType(type: 1 | 2): Promise<void>;
  /** Whether the other person waits for an answer to `videoRequest`. */
  readonly videoRequested: boolean;
  /** Mutes or unmutes one's own sound. */
  setMicrophone(on: boolean): Promise<void>;
  /** Closes or opens the camera; its light goes with it. While the screen has its place it cannot be opened (`wrong_state`), and closing it keeps it closed after that. */
  setCamera(on: boolean): Promise<void>;
  /** Sends black in place of one's own picture; the camera stays open. */
  muteCamera(muted: boolean): Promise<void>;
  /**
   * Shows one's screen, a window or a tab in the camera's place, until `stopScreenShare` or the
   * browser's own bar ends it, or the call ends. Browsers allow it in a click alone. In an audio call the
   * other person is asked for a video call; `stopScreenShare` takes that back. Fails with `screen_denied` when the person
   * does not choose one, with `screen_unsupported` on phones, with `declined` when the other person does not agree, with
   * `call_ended` when the call is over before that, and with `wrong_state` while it rings or where one is shared already.
   */
  shareScreen(options?: ScreenOptions): Promise<void>;
  /** Ends that, also where it is not shown yet; the camera comes back if it was on. */
  stopScreenShare(): Promise<void>;
  /** Uses the camera on the other side of a phone; where cameras have no sides, the next one. Fails with `camera_missing` where there is no other. */
  flipCamera(): Promise<void>;
  /** Sends in another size, frame rate or quality from now on; what is left out stays as it is. Stereo is settled when the call begins. */
  setProfile(profile: MediaProfile): Promise<void>;
  /** How loud one's own microphone is at this moment, 0 to 1: for a meter, read some times a second. 0 before the person has clicked in the page. */
  readonly microphoneLevel: number;
  /** How loud the other side is at this moment, 0 to 1. */
  readonly remoteLevel: number;
  /** How loud the other side is played here: 0 silent, 1 as it comes. */
  setVolume(volume: number): void;
  /** Stops playing the other side's sound here. */
  muteRemote(muted: boolean): void;
  /** Show the picture inside an element, or in it where it is a `<video>`; null takes it away. */
  attachLocal(view: HTMLElement | null): void;
  /** The same for the other person's picture. */
  attachRemote(view: HTMLElement | null): void;
  /** Starts blocked playback; call it in a click. */
  play(): Promise<void>;
  /** The browser's statistics of the connection. */
  getStats(): Promise<RTCStatsReport>;
}

/** Events by name, each with the type of its listener. */
export type EventMap<E> = { [K in keyof E]: (...args: never[]) => void };

/** What tells of events. Each method gives the thing itself, for chaining. */
export interface Listenable<E extends EventMap<E>> {
  /** Listens to an event. */
  on<K extends keyof E>(event: K, listener: E[K]): this;
  /** Listens to the next one alone. */
  once<K extends keyof E>(event: K, listener: E[K]): this;
  /** Stops listening. */
  off<K extends keyof E>(event: K, listener: E[K]): this;
}
