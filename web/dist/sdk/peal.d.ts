/**
 * The typed core's public surface: what an application sees of a client and a
 * call. The classes in client.ts and call.ts implement these interfaces.
 */
/** A failure that an application can act on. `code` is stable, `message` says what to do. */
interface PealErrorLike {
    /** What failed, for programs. */
    readonly code: PealErrorCode;
    /** What failed, and what to do, for developers. */
    readonly message: string;
    /** Whether the same request may succeed later, unchanged. */
    readonly retry: boolean;
}
/** Codes made by the browser side; the server's own codes are in docs/build/protocol.md and pass through. */
type LocalErrorCode = "insecure_context" | "not_connected" | "not_logged_in" | "wrong_state" | "token_failed" | "request_timeout" | "microphone_denied" | "microphone_missing" | "microphone_in_use" | "camera_denied" | "camera_missing" | "camera_in_use" | "speaker_missing" | "screen_denied" | "screen_unsupported" | "bad_view" | "autoplay_blocked" | "ringtone_failed" | "media_failed" | "declined" | "unsupported_browser" | "bad_server" | "internal";
/** A code of the browser side, or one of the server's. */
type PealErrorCode = LocalErrorCode | (string & {});
/** What a client is made with. */
interface ClientOptions {
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
type AudioQuality = "speech_low_quality" | "speech_standard" | "music_standard" | "standard_stereo" | "high_quality" | "high_quality_stereo";
/** What one sends. What is left out is the browser's choice. */
interface MediaProfile {
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
type ConnectionState = "offline" | "connecting" | "online";
/** What has a state that changes: made for React's `useSyncExternalStore` and its like. */
interface Store<T> {
    /** Calls the listener after each change; gives the function that ends that. */
    subscribe(listener: () => void): () => void;
    /** The state now. It never changes itself: until something does, it is the same object. */
    getSnapshot(): T;
}
/** A client at one moment. */
interface ClientSnapshot {
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
type DeviceKind = "microphone" | "camera" | "speaker";
/** One microphone, camera or speaker. */
interface MediaDevice {
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
interface DeviceSnapshot {
    /** Microphones. */
    readonly microphones: readonly MediaDevice[];
    /** Cameras. */
    readonly cameras: readonly MediaDevice[];
    /** Speakers; none where the browser leaves the choice to the system. */
    readonly speakers: readonly MediaDevice[];
}
/** The microphones, cameras and speakers of this machine. */
interface Devices extends Store<DeviceSnapshot> {
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
interface ClientEvents {
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
interface CallOptions {
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
interface AcceptOptions {
    /** Send one's own picture; default: when it is a video call. */
    video?: boolean;
    /** What is sent in this call. */
    profile?: MediaProfile;
}
/** Which records to list: newest first, at most 100 at once. */
interface RecordsOptions {
    /** Only calls that ended before this time, or before the call of this record: for the next page. */
    before?: Date | CallRecord;
    /** At most 100, which is also the default. */
    limit?: number;
}
/** One device of an account: logs in, rings, calls. At most one call at a time. */
interface Client extends Listenable<ClientEvents>, Store<ClientSnapshot> {
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
type CallState = "ringing" | "connecting" | "connected" | "ended";
/** Whether this account called, or was called. */
type Direction = "outgoing" | "incoming";
/** Why a call ended. Every call has exactly one, the same for everyone in it. */
type EndReason = "completed" | "cancelled" | "rejected" | "timeout" | "busy" | "failed" | "lost" | "superseded" | "kicked" | "server"
/** Only on this device: another device of this account answered. */
 | "answered_elsewhere";
/** How a call ended. */
interface CallEnd {
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
interface CallParty {
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
interface CallRecord {
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
interface RemoteTracks {
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
interface ScreenOptions {
    /** Send the sound of the tab or the screen too, where the browser gives it; default false. */
    audio?: boolean;
}
/** A device that is gone, and the label of the one that took its place. */
interface LostDevice {
    /** Which of one's devices. */
    readonly kind: DeviceKind;
    /** Its name. */
    readonly label: string;
    /** The name of the one that is used now; null when there is none. */
    readonly replacement: string | null;
}
/** 0 unknown, 1 excellent … 5 unusable. */
interface NetworkQuality {
    /** What one sends. */
    readonly uplink: 0 | 1 | 2 | 3 | 4 | 5;
    /** What one receives. */
    readonly downlink: 0 | 1 | 2 | 3 | 4 | 5;
}
/** How media fared in one direction in the last two seconds. */
interface FlowQuality {
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
type QualityWarning = "low_bandwidth" | "microphone_silent" | "one_way_media" | "relay";
/** The quality of a call in the last two seconds. The rule of each number is in docs/build/media.md. */
interface CallQuality {
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
type MediaPath = "host" | "reflexive" | "relay-udp" | "relay-tcp" | "relay-tls" | "relay-peer";
/** What a call tells. */
interface CallEvents {
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
interface CallSnapshot {
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
interface CallHandle extends Listenable<CallEvents>, Store<CallSnapshot> {
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
type EventMap<E> = {
    [K in keyof E]: (...args: never[]) => void;
};
/** What tells of events. Each method gives the thing itself, for chaining. */
interface Listenable<E extends EventMap<E>> {
    /** Listens to an event. */
    on<K extends keyof E>(event: K, listener: E[K]): this;
    /** Listens to the next one alone. */
    once<K extends keyof E>(event: K, listener: E[K]): this;
    /** Stops listening. */
    off<K extends keyof E>(event: K, listener: E[K]): this;
}

/**
 * Error is one entry of the catalogue in docs/build/protocol.md.
 *
 * @generated from message peal.v1.Error
 */
type ErrorJson = {
    /**
     * The stable name: "busy_elsewhere".
     *
     * @generated from field: string code = 1;
     */
    code?: string;
    /**
     * A sentence for the developer that says what to do.
     *
     * @generated from field: string message = 2;
     */
    message?: string;
    /**
     * Whether the same command may succeed later, unchanged.
     *
     * @generated from field: bool retry = 3;
     */
    retry?: boolean;
    /**
     * For rate limits: when.
     *
     * @generated from field: uint32 retry_after_ms = 4;
     */
    retryAfterMs?: number;
};

/** A typed failure: `code` is stable, `message` says what to do. */
declare class PealError extends Error implements PealErrorLike {
    /** Always PealError. */
    readonly name = "PealError";
    /** What failed, for programs. */
    readonly code: PealErrorCode;
    /** Whether the same request may succeed later, unchanged. */
    readonly retry: boolean;
    /** For those who make such errors of their own, in tests. */
    constructor(code: PealErrorCode, message: string, retry?: boolean);
    /** What the server said. */
    static from(e: ErrorJson): PealError;
    /** What was thrown, as a PealError. */
    static of(e: unknown): PealError;
}

/** One device. */
interface DeviceEntry {
    /** Its name. Before the browser has allowed devices of its kind: "microphone 1" and so on. */
    label: string;
    /** Its id, for `switchDevice`; empty before the browser has allowed devices of its kind. */
    deviceId: string;
    /** True for one of each kind: the one in use, or the one that the next opening takes. */
    active?: boolean;
}
/** The devices of this machine. */
interface DeviceLists {
    /** Microphones. */
    audioIn: DeviceEntry[];
    /** Speakers. */
    audioOut: DeviceEntry[];
    /** Cameras. */
    video: DeviceEntry[];
}

/** The component's states, with its numbers. */
declare const State: {
    readonly idle: 0;
    readonly calling: 1;
    readonly called: 2;
    readonly inCall: 3;
};
/** The component's state: 0 idle, 1 calling, 2 called, 3 in a call. */
type StateNumber = (typeof State)[keyof typeof State];
/** An error as pages of the component know it. */
interface ComponentError {
    /** One of the codes below. */
    code: string;
    /** What failed, and what to do, for developers. */
    message: string;
}

/** Any function: pages may type what a listener gets in their own way. */
type Listener = (...args: never[]) => void;
/**
 * Events with types, in the manners of eventemitter3. One thing differs: a listener that
 * throws does not stop the others, and its error is reported as an uncaught one.
 */
declare class Emitter<E extends EventMap<E>> implements Listenable<E> {
    #private;
    constructor();
    /** Calls the listener at each event. In it, `this` is `context`, by default the emitter. */
    on<K extends keyof E>(event: K, listener: E[K], context?: unknown): this;
    on(event: PropertyKey, listener: Listener, context?: unknown): this;
    /** The same as `on`. */
    addListener<K extends keyof E>(event: K, listener: E[K], context?: unknown): this;
    addListener(event: PropertyKey, listener: Listener, context?: unknown): this;
    /** Calls the listener at the next event alone. */
    once<K extends keyof E>(event: K, listener: E[K], context?: unknown): this;
    once(event: PropertyKey, listener: Listener, context?: unknown): this;
    /** Drops a listener: where they are given, only with this context, or only one of `once`. Without a listener: all of the event. */
    off<K extends keyof E>(event: K, listener?: E[K], context?: unknown, once?: boolean): this;
    off(event: PropertyKey, listener?: Listener, context?: unknown, once?: boolean): this;
    /** The same as `off`. */
    removeListener<K extends keyof E>(event: K, listener?: E[K], context?: unknown, once?: boolean): this;
    removeListener(event: PropertyKey, listener?: Listener, context?: unknown, once?: boolean): this;
    /** Drops the listeners of an event, or of all. */
    removeAllListeners(event?: PropertyKey): this;
    /** The listeners of an event. */
    listeners(event: PropertyKey): Listener[];
    /** How many listeners an event has. */
    listenerCount(event: PropertyKey): number;
    /** The events that have listeners. */
    eventNames(): PropertyKey[];
    protected emit<K extends keyof E>(event: K, ...args: Parameters<E[K]>): boolean;
}

/** What a page sets by `setCallProfile`. */
interface CallProfile {
    /** 2: 320 × 180, 4: 640 × 480, 8: 1280 × 720, 16: 1920 × 1080. */
    resolution?: 2 | 4 | 8 | 16;
    /** 1: 5, 2: 10, 3: 15, 4: 20, 5: 25 frames a second. */
    frameRate?: 1 | 2 | 3 | 4 | 5 | 6;
    /** speech_low_quality 20 kbit/s, speech_standard 32, music_standard 64, standard_stereo 80, high_quality 96, high_quality_stereo 128. */
    quality?: AudioQuality;
    /** Taken and passed over: nothing is recorded, media goes from person to person. */
    recordConfig?: unknown;
}

/** What onInvited gives. */
interface InvitedEvent {
    /** The account that calls. */
    invitor: string;
    /** The name of the person who calls, as the token says; absent where it has none. Put it into the page as text, never as HTML. Ours, not in the original. */
    invitorName?: string;
    /** The https URL of that person's picture; absent where there is none. Ours, not in the original. */
    invitorAvatar?: string;
    /** Oneself. */
    userIds: string[];
    /** False: there are no group calls. */
    isFromGroup: boolean;
    /** Empty. */
    groupId: string;
    /** As the caller gave it; undefined when it gave none. */
    attachment: unknown;
    /** 1 audio, 2 video, 3 other. */
    type: 1 | 2 | 3;
    /** The call's id. */
    channelId: string;
}
/** What onAudioAvailable and onCameraAvailable give. */
interface AvailableEvent {
    /** The account. */
    userId: string;
    /** Its numeric id. */
    uid: number;
    /** On or off. */
    available: boolean;
}
/** What onAudioMuted and onVideoMuted give. */
interface MutedEvent {
    /** The account. */
    userId: string;
    /** Muted or not. */
    muted: boolean;
}
/** What onUserNetworkQuality gives, by account: 0 unknown, 1 excellent … 5 unusable. */
interface QualityEvent {
    /** By account. */
    [userId: string]: {
        /** What that person sends. */
        uplinkNetworkQuality: number;
        /** What that person receives. */
        downlinkNetworkQuality: number;
    };
}
/** What onJoinChannel gives. */
interface JoinEvent {
    /** One's own numeric id. */
    uid: number;
    /** The call's id. */
    cid: string;
    /** The call's id. */
    channelName: string;
    /** One's own account. */
    userId: string;
}
/** What onCallTypeRequest gives: `switchCallType(2)` agrees, `switchCallType(1)` refuses. */
interface TypeRequestEvent {
    /** The account that asks. */
    userId: string;
    /** Always 2: to audio nobody has to be asked. */
    type: 2;
    /** False: it no longer asks. */
    active: boolean;
}
/** Which side timed out: callTimeOut is the caller, beCallTimeOut the callee. */
type TimeOutSide = "callTimeOut" | "beCallTimeOut" | "groupCallTimeOut" | "groupInviteTimeOut";
/** The component's events and what their listeners get. */
interface ComponentEvents {
    /** The callee's devices: someone calls. At a login too, while the invitation lives. */
    onInvited: (event: InvitedEvent) => void;
    /** The caller: the callee answered. */
    onUserAccept: (userId: string) => void;
    /** Both: that person's media is up. Show the picture now, or earlier. */
    onUserEnter: (userId: string) => void;
    /** The caller: the callee declined. */
    onUserReject: (userId: string) => void;
    /** The caller: the callee is in another call. */
    onUserBusy: (userId: string) => void;
    /** The callee's devices: the caller gave up, or is gone. */
    onUserCancel: (userId: string) => void;
    /** Those who stay: that person hung up. */
    onUserLeave: (userId: string) => void;
    /** Those who stay: that person's connection is lost for good. */
    onUserDisconnect: (userId: string) => void;
    /** Both: nobody answered in time. */
    onCallingTimeOut: (side: TimeOutSide) => void;
    /** The same by its other spelling. */
    onCallingTimeout: (side: TimeOutSide) => void;
    /** That person's camera is on, or off. In video calls only. */
    onCameraAvailable: (event: AvailableEvent) => void;
    /** That person's microphone is on, or off. */
    onAudioAvailable: (event: AvailableEvent) => void;
    /** That person muted or unmuted the picture. */
    onVideoMuted: (event: MutedEvent) => void;
    /** That person muted or unmuted the sound. */
    onAudioMuted: (event: MutedEvent) => void;
    /** A person, or oneself, shows the screen, or no more: ours, not in the original. */
    onScreenShare: (event: AvailableEvent) => void;
    /** Every two seconds in a call, for both people. */
    onUserNetworkQuality: (event: QualityEvent) => void;
    /** The other side made it an audio call (1), or agreed to a video call (2). */
    onCallTypeChange: (type: 1 | 2) => void;
    /** The other side asks for a video call, or (not active) no longer does: ours, not in the original. */
    onCallTypeRequest: (event: TypeRequestEvent) => void;
    /** Everyone in the call but the one who hung up: it is over, and the state is idle. Only for calls that were answered. Before that: onUserReject, onUserBusy, onUserCancel, onCallingTimeOut, onOtherClientAccept, onOtherClientReject. */
    onCallEnd: () => void;
    /** One's own connection to the call is lost for good. */
    onDisconnect: () => void;
    /** Another device of one's account answered. */
    onOtherClientAccept: () => void;
    /** Another device of one's account declined. */
    onOtherClientReject: () => void;
    /** The caller: a record of kind 2 to 5 was filed. */
    onMessageSent: (userId: string) => void;
    /** Oneself: media is being joined. */
    onJoinChannel: (event: JoinEvent) => void;
    /** Something failed that no promise tells of. The message says what, and what to do. */
    onError: (error: ComponentError, ...rest: unknown[]) => void;
}

/** A record as pages of the component know it: a message of type g2. */
interface RecordMessage {
    /** Always g2. */
    type: "g2";
    /** Always p2p. */
    scene: "p2p";
    /** The caller. */
    from: string;
    /** The callee. */
    to: string;
    /** out when oneself called, else in. */
    flow: "in" | "out";
    /** When it ended, in milliseconds since 1970. */
    time: number;
    attach: {
        /** 1 audio, 2 video. */
        type: 1 | 2;
        /** The call's id. */
        channelId: string;
        /** 1 completed, 2 cancelled, 3 rejected, 4 timed out, 5 busy. */
        status: 1 | 2 | 3 | 4 | 5;
        /** For the caller and the callee: how long both had media, in seconds. */
        durations: {
            accid: string;
            duration: number;
        }[];
    };
}

/** The callbacks that some methods take beside the promise; they run before it settles. */
interface Callbacks {
    /** It worked. */
    success?: () => void;
    /** It did not. */
    failed?: (error: ComponentError) => void;
}
/** What `setupAppKey` takes. A profile given here is for every call. */
interface SetupOptions extends CallProfile {
    /** Accepted and not used: a token is all that a login needs. */
    appKey: string;
    /** Where the server is, as in "https://calls.example.com". Default: where the script came from. */
    server?: string;
    /** Ours: "optional" makes and answers calls without a microphone as well; one that is connected later joins. Default "required". */
    microphone?: "required" | "optional";
    /** Ours: keep in this browser which devices the person chose. Default false. */
    rememberDevices?: boolean;
    /** Ours: what the page plays while a call comes in: the address of a sound, or true for a built-in tone. Default: nothing. */
    ringtone?: string | true;
    /** Ours: the same while someone is called. */
    ringback?: string | true;
    /** What the original took besides is taken and passed over. */
    [more: string]: unknown;
}
/** What `login` takes. */
interface LoginOptions extends Callbacks {
    /** The account of the token. The token decides; the console warns where they differ. */
    account: string;
    /** The token that the application's backend made for this account. One of `token` and `getToken` is needed. */
    token?: string;
    /** As in `setupAppKey`. */
    server?: string;
    /** Fresh tokens, for reconnects after `token` has expired. */
    getToken?: () => string | Promise<string>;
    /** Go on after a reload with the call that this page was in. Default false: that call ends. */
    resume?: boolean;
    /** Logged in; also after each reconnect. */
    onconnect?: () => void;
    /** The login failed. */
    onerror?: (error: ComponentError) => void;
    /** The login is over and no reconnect follows. The code is kicked, replaced, logged_out, bad_token, … */
    ondisconnect?: (why: ComponentError) => void;
    /** A call was filed, now or while this browser was away. Each record comes once. */
    onmsg?: (message: RecordMessage) => void;
    /** What the original took besides is taken and passed over. */
    [more: string]: unknown;
}
/** What `call` takes. */
interface InviteOptions extends Callbacks {
    /** The account to call. */
    userId: string;
    /** 1 audio, 2 video, 3 other: media as audio. */
    type: 1 | 2 | 3;
    /** Comes back to the callee as it was given: an object as an object, a string as a string. 4 KiB at most. */
    attachment?: unknown;
    /** Let the callee learn of one's addresses only once the call is answered. */
    relayUntilAccept?: boolean;
    /** Let neither side learn of the other's addresses: media goes by the relay. */
    relayOnly?: boolean;
}
/** What `groupInvite` takes. */
interface GroupInviteOptions extends Callbacks {
    /** The accounts to invite. */
    userIds: string[];
    /** The application's name of the group. */
    groupId?: string;
    /** As in `call`. */
    attachment?: unknown;
}
/** What `groupCall` takes. */
interface GroupCallOptions extends GroupInviteOptions {
    /** 1 audio, 2 video, 3 other. */
    type: 1 | 2 | 3;
}
/** One person in a call, as `getRoomInfo` tells. */
interface RoomMember {
    /** Numeric id of the account. */
    uid: number;
    /** The account. */
    account: string;
    /** The account again. */
    accid: string;
    /** The person's name, as the token says; absent where none is known, as of a callee that has not accepted. Ours, not in the original. */
    name?: string;
    /** The https URL of the person's picture; absent where none is known. Ours, not in the original. */
    avatar?: string;
    /** When the call began, in milliseconds since 1970. */
    createTimestamp: number;
    /** Always 0: a call has no end that is set. */
    expireTimestamp: number;
}
/** The call that is going on, in the words of the original's rooms. */
interface RoomInfo {
    /** The call's id. */
    channelName: string;
    /** The call's id. */
    channelId: string;
    /** When the call began, in milliseconds since 1970, as text. */
    channelCreateTime: string;
    /** Always "0": a call has no end that is set. */
    channelExpireTime: string;
    /** The account that called. */
    creator: string;
    /** One's own numeric id. */
    uid: number;
    /** Oneself first, then the other person, also before the call is answered. */
    members: RoomMember[];
}

/** As the original types it, so that lines of its pages compile. `SdkInstance` is what it is. */
type Untyped = ReturnType<typeof JSON.parse>;
/**
 * The component API: what pages of the component that this one replaces were
 * written against. It translates to and from the typed core and decides nothing.
 */
declare class RTCCalling extends Emitter<ComponentEvents> {
    #private;
    /** The version of the component. */
    static readonly version = "0.1.0";
    /** A plain function: pages call it with `new` as well, and get the singleton either way. */
    static readonly getInstance: {
        /** Gives the singleton. */
        (options?: {
            debug?: boolean;
        }): RTCCalling;
        /** Gives the singleton as well. */
        new (options?: {
            debug?: boolean;
        }): RTCCalling;
    };
    /** What `getInstance` gave last; null before that and after `destroy`. */
    static get instance(): RTCCalling | null;
    /** Numeric ids of the accounts in the call. */
    readonly userMap: Record<number, string>;
    /** A page that wants one instance takes `getInstance`. `debug` writes what happens to the console; default true. */
    constructor(options?: {
        debug?: boolean;
    });
    /** Once, before login: where the server is. */
    setupAppKey(options: SetupOptions): void;
    /** What the next call sends: picture size, frames and quality of sound. What was set since the last call adds up; after the call `setupAppKey`'s profile or the defaults hold again. Values that are not documented cause onError and change nothing. */
    setCallProfile(profile: CallProfile): void;
    /** Logs in and stays logged in, over losses of the connection. With the account that is logged in: its call goes on, and these options replace the earlier ones. With another account: the first one is logged out. Fails with 102 for a token that is not good, 108 when the server does not answer, 101 when a later login, logout or destroy came first. */
    login(options: LoginOptions): Promise<void>;
    /** Ends a call, then logs out. Fails with 101 when not logged in. */
    logout(options?: Callbacks): Promise<void>;
    /** Ends everything, drops all listeners and forgets the singleton. A page that logs in later takes a new instance, or adds its listeners again. */
    destroy(): void;
    /** The same as `on`. */
    addDelegate<K extends keyof ComponentEvents>(event: K, listener: ComponentEvents[K]): void;
    /** The same, with a listener that is typed in the page's own way. */
    addDelegate(event: PropertyKey, listener: Listener): void;
    /** Drops every listener of an event. */
    removeDelegate(event: PropertyKey): void;
    /** Calls the listeners of an event. */
    emit<K extends keyof ComponentEvents>(event: K, ...payload: Parameters<ComponentEvents[K]>): boolean;
    /** Awaited with one's own numeric id before media is joined; when it fails, so does the join. Its value is not used: media needs no token of its own here. */
    setTokenService(service: (uid: number) => Promise<string>): void;
    /** The state: 0 idle, 1 calling, 2 called, 3 in a call. */
    get callStatus(): StateNumber;
    /** Calls someone. Resolves when the server has taken the invitation, whether the callee is there or not; the rest follows as events. Fails with 106 without a type, 116 when this account is in a call on another device, 114 without a device, 100 when one is denied or in use. */
    call(options: InviteOptions): Promise<void>;
    /** Gives up a call that still rings. 10410 when the answer came first. */
    cancel(options?: Callbacks): Promise<void>;
    /** Answers on this device. Resolves when the server has stored it; 10420 when another device was faster. 100 or 114 when the microphone cannot be had: the call rings on, so leave the page its way to accept and reject. */
    accept(options?: Callbacks): Promise<void>;
    /** Declines, on all of one's devices. */
    reject(options?: Callbacks): Promise<void>;
    /** Ends whatever there is: cancels, rejects or hangs up. Holds at once, also without a connection. */
    hangup(options?: Callbacks): Promise<void>;
    /** Ends a one-to-one call; only while it goes on. */
    leave(options?: Callbacks & {
        channelId?: string;
    }): Promise<void>;
    /** How long a call rings, in milliseconds: for the call that rings here and all later ones, made and received, until it is set again. 1 000 to 120 000: what is less or more is set to that and causes onError. */
    setCallTimeout(ms: number): void;
    /** Shows one's own picture inside an element, or in it where it is a `<video>`; none takes it away. Before, in or after a call. There is a picture while a call has the camera open: the caller's from `call`, the callee's from `accept`. What is no element causes onError and shows nothing. */
    setupLocalView(view?: HTMLElement | null): void;
    /** Shows someone's picture inside an element, or in it where it is a `<video>`; none takes it away. Before, in or after a call. */
    setupRemoteView(userId: string, view?: HTMLElement | null): void;
    /** Opens or closes the camera; the other side gets onCameraAvailable. 103 without a call, 100 in an audio call: ask by `switchCallType(2)`. */
    enableLocalVideo(enable: boolean): Promise<void>;
    /** Opens or closes the microphone; the other side gets onAudioAvailable. 103 without a call. */
    enableLocalAudio(enable: boolean): Promise<void>;
    /** Sends black in place of the picture; the other side gets onVideoMuted. 103 without a call. */
    muteLocalVideo(mute: boolean): Promise<void>;
    /** Sends silence in place of the sound; the other side gets onAudioMuted. 103 without a call. */
    muteLocalAudio(mute: boolean): Promise<void>;
    /** Ours: shows one's screen, a window or a tab in the camera's place; both get onScreenShare. Call it in a click. In an audio call the other side is asked for a video call. 100 where the person or the browser does not allow it, 10409 when the other side does not agree. */
    shareScreen(options?: ScreenOptions): Promise<void>;
    /** Ours: ends that. The browser's own bar does as well. */
    stopScreenShare(): Promise<void>;
    /** Ours: uses the camera on the other side of a phone, or the next one. 103 without a call, 114 where there is no other. */
    flipCamera(): Promise<void>;
    /** Stops someone's sound here. 105 when that person is not in the call. */
    setAudioMute(mute: boolean, userId: string): Promise<void>;
    /** The devices of this machine; one of each kind is active: the one in use, or the one that opens next. Before the browser has allowed any, they are named "microphone 1" and so on. Where the browser names none within a second, those in use. */
    getDevices(): Promise<DeviceLists>;
    /** Uses another device from now on, in this call and the next ones. What is closed or muted stays so: the choice holds once it opens. 103 without a call, 114 when it is not there, 100 when it cannot be opened. */
    switchDevice(type: "microphoneId" | "cameraId" | "speakerId", deviceId: string): Promise<void>;
    /** The same as `switchDevice("speakerId", …)`. */
    selectSpeakers(deviceId: string): Promise<void>;
    /** The call that rings or goes on. Fails with 102 when not logged in, 103 without a call. */
    getRoomInfo(): Promise<RoomInfo>;
    /** To audio (1) at once; to video (2) when the other side agrees, by `switchCallType(2)` of its own. */
    switchCallType(type: 1 | 2): Promise<void>;
    /** Handles of what lies behind the component, as pages reach for them: one object for the life of the instance, whose parts show the call that there is. */
    getSdkInstance(): Untyped;
    /** Not available: fails with 100. */
    groupCall(options: GroupCallOptions): Promise<void>;
    /** Not available: fails with 118, or with 119 in a call. */
    groupInvite(options: GroupInviteOptions): Promise<void>;
}

/** The size of a picture in pixels, and whether it is cut to fill that. */
interface RenderMode {
    /** In pixels; default: as wide as its place. */
    width?: number;
    /** In pixels; default: as high as its place. */
    height?: number;
    /** True (default) cuts it to fill that, false shows it whole. */
    cut?: boolean;
}

/**
 * What pages reach for behind the component: the streams of the media library
 * that the original was built on, by their names there. A stream is one object
 * as long as its call: volumes and sizes are set again in each call.
 */
interface StreamHandle {
    /** The browser's stream; null while there is none. */
    readonly mediaStream: MediaStream | null;
    /** Whether it has sound. */
    readonly audio: boolean;
    /** Whether it has a picture. */
    readonly video: boolean;
    /** The numeric id of the person that it comes from. */
    getId(): number;
    /** Whether it has sound. */
    hasAudio(): boolean;
    /** Whether it has a picture. */
    hasVideo(): boolean;
    /** How loud it is, 0 to 1, as of the last two seconds. */
    getAudioLevel(): number;
    /** The track of the sound; null without one. */
    getAudioTrack(): MediaStreamTrack | null;
    /** The track of the picture; null without one. */
    getVideoTrack(): MediaStreamTrack | null;
    /** Shows the picture in an element. The sound plays by itself. */
    play(view: HTMLElement | null): Promise<void>;
    /** Takes the picture from its element. */
    stop(): void;
    /** One's own: sends silence. The other person's: stops the sound here, and that person does not notice. */
    muteAudio(): Promise<void>;
    /** Takes that back. */
    unmuteAudio(): Promise<void>;
    /** One's own: sends black. The other person's: hides the picture here, and that person does not notice. */
    muteVideo(): Promise<void>;
    /** Takes that back. */
    unmuteVideo(): Promise<void>;
}
/** One's own stream. */
interface LocalStreamHandle extends StreamHandle {
    /** How loud one's own sound is sent, 0 to 100; default 100. */
    setCaptureVolume(volume?: number): void;
    /** The size of one's own picture. */
    setLocalRenderMode(mode: RenderMode): void;
}
/** The other person's stream. */
interface RemoteStreamHandle extends StreamHandle {
    /** How loud it is played here, 0 to 100; default 100. */
    setAudioVolume(volume?: number): void;
    /** The size of the other person's picture. */
    setRemoteRenderMode(mode: RenderMode): void;
}
/** One device. */
interface DeviceInfo {
    /** Its id, for `switchDevice`. */
    deviceId: string;
    /** Its name. */
    label: string;
}
/** The events of `rtcClient`. */
interface RtcEvents {
    /** That person's media is up. */
    "peer-online": (event: {
        uid: number;
    }) => void;
    /** That person is no longer in the call. */
    "peer-leave": (event: {
        uid: number;
    }) => void;
    /** That person sends sound or a picture from now on. */
    "stream-added": (event: StreamEvent) => void;
    /** That person closed the microphone or the camera. */
    "stream-removed": (event: StreamEvent) => void;
    /** That person muted the sound. */
    "mute-audio": (event: {
        uid: number;
    }) => void;
    /** That person unmuted the sound. */
    "unmute-audio": (event: {
        uid: number;
    }) => void;
    /** That person muted the picture. */
    "mute-video": (event: {
        uid: number;
    }) => void;
    /** That person unmuted the picture. */
    "unmute-video": (event: {
        uid: number;
    }) => void;
    /** Every two seconds in a call: 0 unknown, 1 excellent … 5 unusable. */
    "network-quality": (event: {
        uid: number;
        uplinkNetworkQuality: number;
        downlinkNetworkQuality: number;
    }[]) => void;
    /** Every two seconds in a call: how loud each side is, 0 to 100. */
    "volume-indicator": (event: {
        uid: number;
        level: number;
    }[]) => void;
    /** The call is over. */
    "channel-closed": (event: object) => void;
}
/** What stream-added and stream-removed give. */
interface StreamEvent {
    /** The stream. */
    stream: RemoteStreamHandle;
    /** What of it. */
    mediaType: "audio" | "video";
}
/** The events of the media library below the original, as far as a call has them. A listener that is no function is passed over. */
interface RtcClient extends Listenable<RtcEvents> {
    /** The streams of the call that there is. */
    readonly adapterRef: {
        /** One's own stream; null without a call. */
        readonly localStream: LocalStreamHandle | null;
        /** By numeric id. */
        readonly remoteStreamMap: Readonly<Record<number, RemoteStreamHandle>>;
    };
    /** The browser's own connection; null without a call. */
    readonly peerConnection: RTCPeerConnection | null;
}
/** What `getSdkInstance` gives. */
interface SdkInstance {
    /** What there is of signalling: the account and the device that are logged in; null before that. */
    readonly signal: {
        readonly account: string;
        readonly deviceId: string;
    } | null;
    /** The media of the call, and its events. */
    readonly rtcClient: RtcClient;
    /** The devices of this machine. */
    readonly WebRTC2: {
        /** All devices. */
        getDevices(): Promise<DeviceLists>;
        /** Cameras. */
        getCameras(): Promise<DeviceInfo[]>;
        /** Microphones. */
        getMicrophones(): Promise<DeviceInfo[]>;
        /** Speakers. */
        getSpeakers(): Promise<DeviceInfo[]>;
    };
}

/** The version of the component. */
declare const version = "0.1.0";

/** A client of the typed core. What it may be asked is all in `Client`. */
declare const PealClient: new (options: ClientOptions) => Client;
type PealClient = Client;

export { PealClient, PealError, RTCCalling, RTCCalling as default, version };
export type { AcceptOptions, AudioQuality, AvailableEvent, CallEnd, CallEvents, CallHandle, CallOptions, CallParty, CallProfile, CallQuality, CallRecord, CallSnapshot, CallState, Callbacks, Client, ClientEvents, ClientOptions, ClientSnapshot, ComponentError, ComponentEvents, ConnectionState, DeviceEntry, DeviceInfo, DeviceKind, DeviceLists, DeviceSnapshot, Devices, Direction, EndReason, EventMap, FlowQuality, GroupCallOptions, GroupInviteOptions, InviteOptions, InvitedEvent, JoinEvent, Listenable, LocalErrorCode, LocalStreamHandle, LoginOptions, LostDevice, MediaDevice, MediaPath, MediaProfile, MutedEvent, NetworkQuality, PealErrorCode, PealErrorLike, QualityEvent, QualityWarning, RecordMessage, RecordsOptions, RemoteStreamHandle, RemoteTracks, RenderMode, RoomInfo, RoomMember, RtcClient, RtcEvents, ScreenOptions, SdkInstance, SetupOptions, StateNumber, Store, StreamEvent, StreamHandle, TimeOutSide, TypeRequestEvent };
