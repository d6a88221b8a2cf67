import { Emitter, type Listener } from "../api/emitter";
import { bindMembers } from "../api/members";
import type { Call } from "../call";
import { listDevices } from "../capture/list";
import type { PealClient } from "../client";
import type { RenderMode } from "../view/views";
import type { ComponentError } from "./codes";

/**
 * What pages reach for behind the component: the streams of the media library
 * that the original was built on, by their names there. A stream is one object
 * as long as its call.
 */
export interface StreamHandle {
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
export interface LocalStreamHandle extends StreamHandle {
  /** How loud one's own sound is sent, 0 to 100; default 100. */
  setCaptureVolume(volume?: number): void;
  /** The size of one's own picture. */
  setLocalRenderMode(mode: RenderMode): void;
}

/** The other person's stream. */
export interface RemoteStreamHandle extends StreamHandle {
  /** How loud it is played here, 0 to 100; default 100. */
  setAudioVolume(volume?: number): void;
  /** The size of the other person's picture. */
  setRemoteRenderMode(mode: RenderMode): void;
}

/** One device. */
export interface DeviceInfo {
  /** Its id, for `switchDevice`. */
  deviceId: string;
  /** Its name. */
  label: string;
}

/** The events of `rtcClient`. */
export interface RtcEvents {
  /** That person's media is up. */
  "peer-online": (event: { uid: number }) => void;
  /** That person is no longer in the call. */
  "peer-leave": (event: { uid: number }) => void;
  /** That person sends sound or a picture from now on. */
  "stream-added": (event: StreamEvent) => void;
  /** That person closed the microphone or the camera. */
  "stream-removed": (event: StreamEvent) => void;
  /** That person muted the sound. */
  "mute-audio": (event: { uid: number }) => void;
  /** That person unmuted the sound. */
  "unmute-audio": (event: { uid: number }) => void;
  /** That person muted the picture. */
  "mute-video": (event: { uid: number }) => void;
  /** That person unmuted the picture. */
  "unmute-video": (event: { uid: number }) => void;
  /** Every two seconds in a call: 0 unknown, 1 excellent … 5 unusable. */
  "network-quality": (
    event: { uid: number; uplinkNetworkQuality: number; downlinkNetworkQuality: number }[],
  ) => void;
  /** Every two seconds in a call: how loud each side is, 0 to 100. */
  "volume-indicator": (event: { uid: number; level: number }[]) => void;
  /** The call is over. */
  "channel-closed": (event: object) => void;
}

/** What stream-added and stream-removed give. */
export interface StreamEvent {
  /** The stream. */
  stream: RemoteStreamHandle;
  /** What of it. */
  mediaType: "audio" | "video";
}

/** The events of the media library below the original, as far as a call has them. */
export class RtcClient extends Emitter<RtcEvents> {
  readonly #call: () => Call | null;
  readonly #locals = new WeakMap<Call, LocalStreamHandle>();
  readonly #remotes = new WeakMap<Call, RemoteStreamHandle>();
  /** The streams of the call that there is. */
  readonly adapterRef: {
    /** One's own stream; null without a call. */
    readonly localStream: LocalStreamHandle | null;
    /** By numeric id. */
    readonly remoteStreamMap: Readonly<Record<number, RemoteStreamHandle>>;
  };

  constructor(call: () => Call | null) {
    super();
    this.#call = call;
    const local = (): LocalStreamHandle | null => {
      const now = call();
      return now && once(this.#locals, now, localHandle);
    };
    const remotes = (): Record<number, RemoteStreamHandle> => {
      const now = call();
      return now && now.state !== "ringing" ? { [now.peerUid]: this.remote(now) } : {};
    };
    this.adapterRef = {
      get localStream() {
        return local();
      },
      get remoteStreamMap() {
        return remotes();
      },
    };
  }

  /** The browser's own connection; null without a call. */
  get peerConnection(): RTCPeerConnection | null {
    return this.#call()?.peerConnection ?? null;
  }

  /** The other person's stream of a call. */
  remote(call: Call): RemoteStreamHandle {
    return once(this.#remotes, call, remoteHandle);
  }

  /** What is no function is passed over. */
  override on(event: PropertyKey, listener: Listener, context?: unknown): this {
    return typeof listener === "function" ? super.on(event, listener, context) : this;
  }

  /** What is no function is passed over. */
  override once(event: PropertyKey, listener: Listener, context?: unknown): this {
    return typeof listener === "function" ? super.once(event, listener, context) : this;
  }

  /** Fires an event: the component tells what it knows. */
  override emit<K extends keyof RtcEvents>(
    event: K,
    ...payload: Parameters<RtcEvents[K]>
  ): boolean {
    return super.emit(event, ...payload);
  }
}

/** What `getSdkInstance` gives. */
export class SdkInstance {
  /** The media of the call, and its events. */
  readonly rtcClient: RtcClient;
  readonly #client: () => PealClient | null;
  /** The devices of this machine. */
  readonly WebRTC2 = {
    /** All devices. */
    getDevices: (): ReturnType<typeof listDevices> => listDevices(null, ""),
    /** Cameras. */
    getCameras: async (): Promise<DeviceInfo[]> => (await listDevices(null, "")).video,
    /** Microphones. */
    getMicrophones: async (): Promise<DeviceInfo[]> => (await listDevices(null, "")).audioIn,
    /** Speakers. */
    getSpeakers: async (): Promise<DeviceInfo[]> => (await listDevices(null, "")).audioOut,
  };

  constructor(call: () => Call | null, client: () => PealClient | null) {
    this.rtcClient = new RtcClient(call);
    this.#client = client;
    bindMembers(this);
  }

  /** What there is of signalling: the account and the device that are logged in; null before that. */
  get signal(): { readonly account: string; readonly deviceId: string } | null {
    const client = this.#client();
    return client && { account: client.account, deviceId: client.deviceId };
  }
}

/** The handle of a call: made once. */
function once<H>(handles: WeakMap<Call, H>, call: Call, make: (call: Call) => H): H {
  const handle = handles.get(call) ?? make(call);
  handles.set(call, handle);
  return handle;
}

/** What both streams do in the same way. */
type Common = Omit<StreamHandle, "muteAudio" | "unmuteAudio" | "muteVideo" | "unmuteVideo">;

interface Side {
  readonly id: () => number;
  readonly stream: () => MediaStream | null;
  readonly level: () => number;
  readonly attach: (view: HTMLElement | null) => void;
}

/** Gives a handle what both streams have. */
function handle<H extends object>(side: Side, own: H): H & Common {
  const audio = (): MediaStreamTrack | null => side.stream()?.getAudioTracks()[0] ?? null;
  const video = (): MediaStreamTrack | null => side.stream()?.getVideoTracks()[0] ?? null;
  const common = {
    getId: side.id,
    hasAudio: () => audio() !== null,
    hasVideo: () => video() !== null,
    getAudioLevel: side.level,
    getAudioTrack: audio,
    getVideoTrack: video,
    play: async (view: HTMLElement | null) => side.attach(view),
    stop: () => side.attach(null),
  };
  return Object.defineProperties(Object.assign(own, common), {
    mediaStream: { get: side.stream },
    audio: { get: common.hasAudio },
    video: { get: common.hasVideo },
  }) as H & Common;
}

function localHandle(call: Call): LocalStreamHandle {
  return handle(
    {
      id: () => call.localUid,
      stream: () => call.localStream,
      level: () => call.audioLevels.local,
      attach: (view) => call.attachLocal(view),
    },
    {
      muteAudio: () => call.setMicrophone(false),
      unmuteAudio: () => call.setMicrophone(true),
      muteVideo: () => call.muteCamera(true),
      unmuteVideo: () => call.muteCamera(false),
      setCaptureVolume: (volume?: number) => call.setCaptureVolume(percent(volume)),
      setLocalRenderMode: (mode: RenderMode) => call.setRenderMode("local", mode),
    },
  );
}

function remoteHandle(call: Call): RemoteStreamHandle {
  return handle(
    {
      id: () => call.peerUid,
      stream: () => call.remoteStream,
      level: () => call.audioLevels.remote,
      attach: (view) => call.attachRemote(view),
    },
    {
      muteAudio: async () => call.muteRemote(true),
      unmuteAudio: async () => call.muteRemote(false),
      muteVideo: async () => call.hideRemote(true),
      unmuteVideo: async () => call.hideRemote(false),
      setAudioVolume: (volume?: number) => call.setVolume(percent(volume)),
      setRemoteRenderMode: (mode: RenderMode) => call.setRenderMode("remote", mode),
    },
  );
}

/** A volume of 0 to 100 as a factor. */
function percent(volume = 100): number {
  if (!(volume >= 0 && volume <= 100))
    throw { code: "100", message: "a volume is 0 to 100" } satisfies ComponentError;
  return volume / 100;
}
