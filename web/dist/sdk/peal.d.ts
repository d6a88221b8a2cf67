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
type LocalErrorCode = "insecure_context" | "not_connected" | "not_logged_in" | "wrong_state" | "request_timeout" | "microphone_denied" | "microphone_missing" | "microphone_in_use" | "camera_denied" | "camera_missing" | "camera_in_use" | "autoplay_blocked" | "media_failed" | "declined" | "unsupported_browser" | "internal";
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
/** How good the sound is to be, and how much it may take: from speech at 20 kbit/s to stereo at 128. */
type AudioQuality = "speech_low_quality" | "speech_standard" | "music_standard" | "standard_stereo" | "high_quality" | "high_quality_stereo";
/** What one sends. What is left out is the browser's choice. */
interface MediaProfile {
    video?: {
        /** Wished for, in pixels: a camera gives the nearest that it has. */
        width?: number;
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
interface ClientEvents {
    connection: (state: ConnectionState) => void;
    /** Someone calls. Never for a call that this page makes itself. */
    incoming: (call: CallHandle) => void;
    /** The call that was going on before a reload goes on. */
    resumed: (call: CallHandle) => void;
    /** A call of this account was filed, now or while this client was away. Each comes once. */
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
    profile?: MediaProfile;
}
interface AcceptOptions {
    /** Send one's own picture; default: when it is a video call. */
    video?: boolean;
    profile?: MediaProfile;
}
/** Which records to list: newest first, at most 100 at once. */
interface RecordsOptions {
    /** Only calls that ended before this time, or before the call of this record: for the next page. */
    before?: Date | CallRecord;
    /** At most 100, which is also the default. */
    limit?: number;
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
    /** The records of this account's calls, newest first. */
    records(options?: RecordsOptions): Promise<CallRecord[]>;
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
/** A device that is gone, and the label of the one that took its place. */
interface LostDevice {
    readonly kind: "microphone" | "camera" | "speaker";
    readonly label: string;
    readonly replacement: string | null;
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
    /** An audio call became a video call or the other way round, not by what this device did last. */
    type: (type: 1 | 2 | 3) => void;
    /** The other person asks for a video call, or (false) no longer does. `switchType(2)` agrees, `switchType(1)` refuses. */
    videoRequest: (asked: boolean) => void;
    /** A microphone, camera or speaker in use was unplugged; `replacement` is used now. */
    deviceLost: (device: LostDevice) => void;
    localStream: (stream: MediaStream | null) => void;
    remoteStream: (stream: MediaStream | null) => void;
    /** The browser plays no sound before the person has done something in the page: the next click or key lets it through, which is told by false. */
    autoplayBlocked: (blocked: boolean) => void;
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
    /**
     * Makes it an audio call at once (1), or a video call (2) once the other person
     * agrees: it fails with "declined" when that person does not, within 30 s.
     */
    switchType(type: 1 | 2): Promise<void>;
    /** Whether the other person waits for an answer to `videoRequest`. */
    readonly videoRequested: boolean;
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
/** `switchCallType(2)` agrees, `switchCallType(1)` refuses. */
interface TypeRequestEvent {
    userId: string;
    type: 2;
    active: boolean;
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
    /** The other side asks for a video call, or (not active) no longer does: ours, not in the original. */
    onCallTypeRequest: (event: TypeRequestEvent) => void;
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

/** The size of a picture in pixels, and whether it is cut to fill that. */
interface RenderMode {
    width?: number;
    height?: number;
    cut?: boolean;
}

/**
 * What pages reach for behind the component: the streams of the media library
 * that the original was built on, by their names there. Each does its work on
 * the call that is going on.
 */
interface LocalStreamHandle {
    /** The browser's stream; null while nothing is captured. */
    readonly mediaStream: MediaStream | null;
    muteAudio(): Promise<void>;
    unmuteAudio(): Promise<void>;
    muteVideo(): Promise<void>;
    unmuteVideo(): Promise<void>;
    /** How loud one's own sound is sent, 0 to 100. */
    setCaptureVolume(volume: number): void;
    setLocalRenderMode(mode: RenderMode): void;
}
interface RemoteStreamHandle {
    readonly mediaStream: MediaStream | null;
    /** Stops the sound here; the other side is not told. */
    muteAudio(): Promise<void>;
    unmuteAudio(): Promise<void>;
    muteVideo(): Promise<void>;
    unmuteVideo(): Promise<void>;
    /** How loud it is played here, 0 to 100. */
    setAudioVolume(volume: number): void;
    setRemoteRenderMode(mode: RenderMode): void;
}
interface DeviceInfo {
    deviceId: string;
    label: string;
}
interface SdkInstance {
    /** What there is of signalling: the account and the device that are logged in. */
    readonly signal: {
        readonly account: string;
        readonly deviceId: string;
    };
    readonly rtcClient: {
        readonly adapterRef: {
            readonly localStream: LocalStreamHandle | null;
            /** By numeric id. */
            readonly remoteStreamMap: Readonly<Record<number, RemoteStreamHandle>>;
        };
        /** The browser's own connection; null without a call. */
        readonly peerConnection: RTCPeerConnection | null;
    };
    readonly WebRTC2: {
        getDevices(): Promise<{
            audioIn: DeviceInfo[];
            audioOut: DeviceInfo[];
            video: DeviceInfo[];
        }>;
        getCameras(): Promise<DeviceInfo[]>;
        getMicrophones(): Promise<DeviceInfo[]>;
        getSpeakers(): Promise<DeviceInfo[]>;
    };
}

/** What a page sets by `setCallProfile`. */
interface CallProfile {
    /** 2: 320 × 180, 4: 640 × 480, 8: 1280 × 720, 16: 1920 × 1080. */
    resolution?: 2 | 4 | 8 | 16;
    /** 1: 5, 2: 10, 3: 15, 4: 20, 5: 25 frames a second. */
    frameRate?: 1 | 2 | 3 | 4 | 5 | 6;
    quality?: AudioQuality;
    /** Taken and passed over: nothing is recorded, media goes from person to person. */
    recordConfig?: unknown;
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
interface SetupOptions extends CallProfile {
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
interface GroupInviteOptions extends Callbacks {
    userIds: string[];
    groupId?: string;
    attachment?: unknown;
}
interface GroupCallOptions extends GroupInviteOptions {
    /** 1 audio, 2 video, 3 other. */
    type: 1 | 2 | 3;
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
    setCallProfile(profile: CallProfile): void;
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
    /** To audio (1) at once; to video (2) when the other side agrees, by `switchCallType(2)` of its own. */
    switchCallType(type: 1 | 2): Promise<void>;
    getSdkInstance(): SdkInstance;
    groupCall(options: GroupCallOptions): Promise<void>;
    groupInvite(options: GroupInviteOptions): Promise<void>;
}

/** The version of the component. */
declare const version = "0.1.0";

/** A client of the typed core. What it may be asked is all in `Client`. */
declare const PealClient: new (options: ClientOptions) => Client;
type PealClient = Client;

export { PealClient, PealError, RTCCalling, RTCCalling as default, version };
export type { AcceptOptions, AudioQuality, AvailableEvent, CallEnd, CallEvents, CallHandle, CallOptions, CallRecord, CallState, Callbacks, Client, ClientEvents, ClientOptions, ComponentError, ComponentEvents, ConnectionState, Direction, EndReason, EventMap, GroupCallOptions, GroupInviteOptions, InviteOptions, InvitedEvent, JoinEvent, Listenable, LocalErrorCode, LoginOptions, LostDevice, MediaProfile, MutedEvent, NetworkQuality, PealErrorCode, PealErrorLike, QualityEvent, RecordMessage, RecordsOptions, RemoteTracks, RoomInfo, SetupOptions, TimeOutSide, TypeRequestEvent };
