/**
 * The typed core's public surface: what an application sees of a client and a
 * call. The classes in client.ts and call.ts implement these interfaces.
 */
/** A failure that an application can act on. `code` is stable, `message` says what to do. */
interface PealErrorLike {
    readonly code: PealErrorCode;
    readonly message: string;
    /** Whether the same request may succeed later, unchanged. */
    readonly retry: boolean;
}
/** Codes made by the browser side; the server's own codes are in docs/protocol.md and pass through. */
type LocalErrorCode = "insecure_context" | "not_connected" | "not_logged_in" | "wrong_state" | "request_timeout" | "microphone_denied" | "microphone_missing" | "microphone_in_use" | "camera_denied" | "camera_missing" | "camera_in_use" | "autoplay_blocked" | "media_failed" | "unsupported_browser" | "internal";
type PealErrorCode = LocalErrorCode | (string & {});
interface ClientOptions {
    /** Where the server is: "https://calls.example.org". Default: the origin that served the script. */
    server?: string;
    /** Gives a token whenever one is needed: at login, at each reconnect and before expiry. */
    getToken: () => string | Promise<string>;
    /** Go on after a reload with the call that this page was in. Default true. */
    resume?: boolean;
    /** Only relayed media ("relay"), for tests of a network. Default "all". */
    iceTransportPolicy?: RTCIceTransportPolicy;
    /** Write what happens to the console. Default false. */
    debug?: boolean;
}
/** offline: not started or closed; connecting: also while reconnecting. */
type ConnectionState = "offline" | "connecting" | "online";
interface ClientEvents {
    connection: (state: ConnectionState) => void;
    /** Someone calls. Never for a call that this page makes itself. */
    incoming: (call: CallHandle) => void;
    /** The call that was going on before a reload goes on. */
    resumed: (call: CallHandle) => void;
    /** A call of this account was filed, on whichever of its devices it was. */
    record: (record: CallRecord) => void;
    /** The login is over and no reconnect follows: replaced, kicked, logged out. */
    closed: (why: PealErrorLike) => void;
    error: (error: PealErrorLike) => void;
}
interface CallOptions {
    /** A video call; default false. */
    video?: boolean;
    /** 1 audio, 2 video, 3 other: for applications that number their calls. Default: by `video`. */
    type?: 1 | 2 | 3;
    /** Comes back to the callee as it was given. */
    attachment?: string;
    /** How long to ring, at most 120 000; default: the server's. */
    ringTimeoutMs?: number;
}
interface AcceptOptions {
    /** Send one's own picture; default: when it is a video call. */
    video?: boolean;
}
interface Client extends Listenable<ClientEvents> {
    readonly connection: ConnectionState;
    /** The account that the token names; empty before the first login. */
    readonly account: string;
    readonly deviceId: string;
    /** The call that is going on or ringing here; null when idle. */
    readonly activeCall: CallHandle | null;
    /** Resolves when logged in; fails for a bad token, and stays failing until called again. */
    connect(): Promise<void>;
    /** Resolves when the server has taken the invitation, not when it is answered. */
    call(account: string, options?: CallOptions): Promise<CallHandle>;
    /** Ends a call, logs out and closes for good. */
    close(): Promise<void>;
}
type CallState = "ringing" | "connecting" | "connected" | "ended";
type Direction = "outgoing" | "incoming";
type EndReason = "completed" | "cancelled" | "rejected" | "timeout" | "busy" | "failed" | "lost" | "superseded" | "kicked" | "server"
/** Only on this device: another device of this account answered. */
 | "answered_elsewhere";
interface CallEnd {
    readonly reason: EndReason;
    /** Who ended it; empty for a time-out or the server. */
    readonly actor: string;
    /** Whether it was this very device. */
    readonly byThisDevice: boolean;
    /** Whether it had been answered: a call that ended after that was more than a ring. */
    readonly answered: boolean;
    readonly durationSeconds: number;
    readonly record: CallRecord | null;
}
interface CallRecord {
    readonly callId: string;
    /** 1 completed, 2 cancelled, 3 rejected, 4 timed out, 5 busy. */
    readonly kind: 1 | 2 | 3 | 4 | 5;
    readonly type: 1 | 2 | 3;
    readonly caller: string;
    readonly callee: string;
    readonly reason: EndReason;
    readonly createdAt: Date;
    readonly endedAt: Date;
    readonly durationSeconds: number;
}
/** What the other side sends. */
interface RemoteTracks {
    readonly audio: boolean;
    readonly audioMuted: boolean;
    readonly video: boolean;
    readonly videoMuted: boolean;
}
/** 0 unknown, 1 excellent … 5 unusable. */
interface NetworkQuality {
    readonly uplink: 0 | 1 | 2 | 3 | 4 | 5;
    readonly downlink: 0 | 1 | 2 | 3 | 4 | 5;
}
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
    remoteTracks: (tracks: RemoteTracks) => void;
    localStream: (stream: MediaStream | null) => void;
    remoteStream: (stream: MediaStream | null) => void;
    /** The browser refuses to play sound before a gesture: call `play()` in one. */
    autoplayBlocked: () => void;
    networkQuality: (local: NetworkQuality) => void;
    error: (error: PealErrorLike) => void;
    ended: (end: CallEnd) => void;
}
interface CallHandle extends Listenable<CallEvents> {
    readonly id: string;
    readonly direction: Direction;
    /** The other person's account and numeric id. */
    readonly peer: string;
    readonly peerUid: number;
    readonly localUid: number;
    /** 1 audio, 2 video, 3 other. */
    readonly type: 1 | 2 | 3;
    readonly video: boolean;
    readonly attachment: string;
    readonly state: CallState;
    readonly end: CallEnd | null;
    readonly localStream: MediaStream | null;
    readonly remoteStream: MediaStream | null;
    readonly remoteTracks: RemoteTracks;
    readonly microphoneOn: boolean;
    readonly cameraOn: boolean;
    /** Milliseconds that both sides have had media; for showing the duration. */
    readonly connectedForMs: number;
    /** What is left of the ringing. */
    readonly ringRemainingMs: number;
    accept(options?: AcceptOptions): Promise<void>;
    reject(): Promise<void>;
    /** Gives up a call that still rings. Fails with "already_accepted" when the answer came first. */
    cancel(): Promise<void>;
    /** Ends the call whatever its state. Works without a connection: it is sent when one is back. */
    hangup(): Promise<void>;
    /** This device stops ringing after so long; the others ring on. */
    setRingTimeout(ms: number): Promise<void>;
    /** Mutes or unmutes one's own sound. */
    setMicrophone(on: boolean): Promise<void>;
    /** Closes or opens the camera; its light goes with it. */
    setCamera(on: boolean): Promise<void>;
    /** Sends black in place of one's own picture; the camera stays open. */
    muteCamera(muted: boolean): Promise<void>;
    /** Stops playing the other side's sound here. */
    muteRemote(muted: boolean): void;
    /** Show the picture inside an element; null takes it away. */
    attachLocal(view: HTMLElement | null): void;
    attachRemote(view: HTMLElement | null): void;
    /** Starts blocked playback; call it in a click. */
    play(): Promise<void>;
    getStats(): Promise<RTCStatsReport>;
}
type EventMap<E> = {
    [K in keyof E]: (...args: never[]) => void;
};
interface Listenable<E extends EventMap<E>> {
    on<K extends keyof E>(event: K, listener: E[K]): this;
    once<K extends keyof E>(event: K, listener: E[K]): this;
    off<K extends keyof E>(event: K, listener: E[K]): this;
}

/** The component's states, with its numbers. */
declare const State: {
    readonly idle: 0;
    readonly calling: 1;
    readonly called: 2;
    readonly inCall: 3;
};
type StateNumber = (typeof State)[keyof typeof State];
/** An error as pages of the component know it. */
interface ComponentError {
    code: string;
    message: string;
}

/**
 * Error is one entry of the catalogue in docs/protocol.md.
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
    readonly name = "PealError";
    readonly code: PealErrorCode;
    readonly retry: boolean;
    constructor(code: PealErrorCode, message: string, retry?: boolean);
    /** What the server said. */
    static from(e: ErrorJson): PealError;
    /** What was thrown, as a PealError. */
    static of(e: unknown): PealError;
}

interface InvitedEvent {
    invitor: string;
    userIds: string[];
    isFromGroup: boolean;
    groupId: string;
    attachment: unknown;
    type: 1 | 2 | 3;
    channelId: string;
}
interface AvailableEvent {
    userId: string;
    uid: number;
    available: boolean;
}
interface MutedEvent {
    userId: string;
    muted: boolean;
}
interface QualityEvent {
    [userId: string]: {
        uplinkNetworkQuality: number;
        downlinkNetworkQuality: number;
    };
}
interface JoinEvent {
    uid: number;
    cid: string;
    channelName: string;
    userId: string;
}
type TimeOutSide = "callTimeOut" | "beCallTimeOut" | "groupCallTimeOut" | "groupInviteTimeOut";
/** The component's events and what their listeners get. */
interface ComponentEvents {
    onInvited: (event: InvitedEvent) => void;
    onUserAccept: (userId: string) => void;
    onUserEnter: (userId: string) => void;
    onUserReject: (userId: string) => void;
    onUserBusy: (userId: string) => void;
    onUserCancel: (userId: string) => void;
    onUserLeave: (userId: string) => void;
    onUserDisconnect: (userId: string) => void;
    onCallingTimeOut: (side: TimeOutSide) => void;
    /** The same by its other spelling. */
    onCallingTimeout: (side: TimeOutSide) => void;
    onCameraAvailable: (event: AvailableEvent) => void;
    onAudioAvailable: (event: AvailableEvent) => void;
    onVideoMuted: (event: MutedEvent) => void;
    onAudioMuted: (event: MutedEvent) => void;
    onUserNetworkQuality: (event: QualityEvent) => void;
    onCallTypeChange: (type: 1 | 2) => void;
    onCallEnd: () => void;
    onDisconnect: () => void;
    onOtherClientAccept: () => void;
    onOtherClientReject: () => void;
    onMessageSent: (userId: string) => void;
    onJoinChannel: (event: JoinEvent) => void;
    onError: (error: ComponentError, ...rest: unknown[]) => void;
}

interface DeviceEntry {
    label: string;
    deviceId: string;
    active?: boolean;
}
interface DeviceLists {
    audioIn: DeviceEntry[];
    audioOut: DeviceEntry[];
    video: DeviceEntry[];
}

/**
 * Events with types. A listener that throws does not keep the others from
 * being called: its error is reported as an uncaught one.
 */
declare class Emitter<E extends EventMap<E>> implements Listenable<E> {
    #private;
    on<K extends keyof E>(event: K, listener: E[K]): this;
    once<K extends keyof E>(event: K, listener: E[K]): this;
    off<K extends keyof E>(event: K, listener: E[K]): this;
    /** Drops the listeners of one event, or of all. */
    protected drop(event?: keyof E): void;
    protected emit<K extends keyof E>(event: K, ...args: Parameters<E[K]>): void;
}

/** A record as pages of the component know it: a message of type g2. */
interface RecordMessage {
    type: "g2";
    scene: "p2p";
    from: string;
    to: string;
    flow: "in" | "out";
    time: number;
    attach: {
        type: 1 | 2;
        channelId: string;
        status: 1 | 2 | 3 | 4 | 5;
        durations: {
            accid: string;
            duration: number;
        }[];
    };
}

/** The callbacks that some methods take beside the promise; they run before it settles. */
interface Callbacks {
    success?: () => void;
    failed?: (error: ComponentError) => void;
}
interface SetupOptions {
    appKey: string;
    /** Where the server is; default: where the script came from. */
    server?: string;
    [more: string]: unknown;
}
interface LoginOptions extends Callbacks {
    account: string;
    token?: string;
    server?: string;
    /** Fresh tokens, for reconnects after `token` has expired. */
    getToken?: () => string | Promise<string>;
    /** Go on after a reload with the call that this page was in. Default false. */
    resume?: boolean;
    onconnect?: () => void;
    onerror?: (error: ComponentError) => void;
    ondisconnect?: (why: ComponentError) => void;
    onmsg?: (message: RecordMessage) => void;
    [more: string]: unknown;
}
interface InviteOptions extends Callbacks {
    userId: string;
    /** 1 audio, 2 video, 3 other. */
    type: 1 | 2 | 3;
    /** Comes back to the callee as it was given. */
    attachment?: unknown;
}
interface RoomInfo {
    channelName: string;
    channelId: string;
    channelCreateTime: number;
    channelExpireTime: number;
    creator: string;
    uid: number;
    members: {
        uid: number;
        account: string;
        accid: string;
        createTimestamp: number;
        expireTimestamp: number;
    }[];
}
/**
 * The component API: what pages of the component that this one replaces were
 * written against. It translates to and from the typed core and decides nothing.
 */
declare class RTCCalling extends Emitter<ComponentEvents> {
    #private;
    static readonly version = "0.1.0";
    /** A plain function: pages call it with `new` as well, and get the singleton either way. */
    static readonly getInstance: {
        (options?: {
            debug?: boolean;
        }): RTCCalling;
        new (options?: {
            debug?: boolean;
        }): RTCCalling;
    };
    /** Numeric ids of the accounts in the call. */
    readonly userMap: Record<number, string>;
    constructor(options?: {
        debug?: boolean;
    });
    setupAppKey(options: SetupOptions): void;
    login(options: LoginOptions): Promise<void>;
    logout(options?: Callbacks): Promise<void>;
    destroy(): void;
    addDelegate<K extends keyof ComponentEvents>(event: K, listener: ComponentEvents[K]): void;
    removeDelegate(event: keyof ComponentEvents): void;
    removeAllListeners(event?: keyof ComponentEvents): this;
    setTokenService(service: (uid: number) => Promise<string>): void;
    /** The state: 0 idle, 1 calling, 2 called, 3 in a call. */
    get callStatus(): StateNumber;
    call(options: InviteOptions): Promise<void>;
    cancel(options?: Callbacks): Promise<void>;
    accept(options?: Callbacks): Promise<void>;
    reject(options?: Callbacks): Promise<void>;
    hangup(options?: Callbacks): Promise<void>;
    leave(options?: Callbacks & {
        channelId?: string;
    }): Promise<void>;
    setCallTimeout(ms: number): void;
    setupLocalView(view?: HTMLElement | null): void;
    setupRemoteView(userId: string, view?: HTMLElement | null): void;
    enableLocalVideo(enable: boolean): Promise<void>;
    enableLocalAudio(enable: boolean): Promise<void>;
    muteLocalVideo(mute: boolean): Promise<void>;
    muteLocalAudio(mute: boolean): Promise<void>;
    setAudioMute(mute: boolean, userId: string): Promise<void>;
    getDevices(): Promise<DeviceLists>;
    switchDevice(type: "microphoneId" | "cameraId" | "speakerId", deviceId: string): Promise<void>;
    selectSpeakers(deviceId: string): Promise<void>;
    getRoomInfo(): RoomInfo;
    switchCallType(_type: 1 | 2): Promise<void>;
    groupCall(options: Callbacks): Promise<void>;
    groupInvite(options: Callbacks): Promise<void>;
}

/** The version of the component. */
declare const version = "0.1.0";

/** A client of the typed core. What it may be asked is all in `Client`. */
declare const PealClient: new (options: ClientOptions) => Client;
type PealClient = Client;

export { PealClient, PealError, RTCCalling, RTCCalling as default, version };
export type { AcceptOptions, AvailableEvent, CallEnd, CallEvents, CallHandle, CallOptions, CallRecord, CallState, Callbacks, Client, ClientEvents, ClientOptions, ComponentError, ComponentEvents, ConnectionState, Direction, EndReason, EventMap, InviteOptions, InvitedEvent, JoinEvent, Listenable, LocalErrorCode, LoginOptions, MutedEvent, NetworkQuality, PealErrorCode, PealErrorLike, QualityEvent, RecordMessage, RemoteTracks, RoomInfo, SetupOptions, TimeOutSide };
