import { Emitter, type Listener } from "../api/emitter";
import { bindMembers } from "../api/members";
import type { Call } from "../call";
import { type DeviceLists, listDevices } from "../capture/devices";
import type { PealClient } from "../client";
import type { RenderMode } from "../view/views";
import type { ComponentError } from "./codes";
import type {
  DeviceInfo,
  LocalStreamHandle,
  RemoteStreamHandle,
  RtcClient,
  RtcEvents,
  SdkInstance,
  StreamHandle,
} from "./sdk-types";

/** The events and streams of the call that there is. */
export class CallRtc extends Emitter<RtcEvents> implements RtcClient {
  readonly #call: () => Call | null;
  readonly #locals = new WeakMap<Call, LocalStreamHandle>();
  readonly #remotes = new WeakMap<Call, RemoteStreamHandle>();
  readonly adapterRef: RtcClient["adapterRef"];

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

/** One object for the life of a component. */
export class Sdk implements SdkInstance {
  readonly rtcClient: CallRtc;
  readonly #client: () => PealClient | null;
  readonly WebRTC2 = {
    getDevices: (): Promise<DeviceLists> => listDevices(),
    getCameras: async (): Promise<DeviceInfo[]> => (await listDevices()).video,
    getMicrophones: async (): Promise<DeviceInfo[]> => (await listDevices()).audioIn,
    getSpeakers: async (): Promise<DeviceInfo[]> => (await listDevices()).audioOut,
  };

  constructor(call: () => Call | null, client: () => PealClient | null) {
    this.rtcClient = new CallRtc(call);
    this.#client = client;
    bindMembers(this);
  }

  get signal(): SdkInstance["signal"] {
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

/** Gives a handle what both streams have. */
function handle<H extends object>(call: Call, side: "local" | "remote", own: H): H & Common {
  const stream = (): MediaStream | null =>
    side === "local" ? call.localStream : call.remoteStream;
  const audio = (): MediaStreamTrack | null => stream()?.getAudioTracks()[0] ?? null;
  const video = (): MediaStreamTrack | null => stream()?.getVideoTracks()[0] ?? null;
  const attach = (view: HTMLElement | null): void => {
    if (side === "local") call.attachLocal(view);
    else call.attachRemote(view);
  };
  const common = {
    getId: () => (side === "local" ? call.localUid : call.peerUid),
    hasAudio: () => audio() !== null,
    hasVideo: () => video() !== null,
    getAudioLevel: () => call.audioLevels[side],
    getAudioTrack: audio,
    getVideoTrack: video,
    play: async (view: HTMLElement | null) => attach(view),
    stop: () => attach(null),
  };
  return Object.defineProperties(Object.assign(own, common), {
    mediaStream: { get: stream },
    audio: { get: common.hasAudio },
    video: { get: common.hasVideo },
  }) as H & Common;
}

function localHandle(call: Call): LocalStreamHandle {
  return handle(call, "local", {
    muteAudio: () => call.setMicrophone(false),
    unmuteAudio: () => call.setMicrophone(true),
    muteVideo: () => call.muteCamera(true),
    unmuteVideo: () => call.muteCamera(false),
    setCaptureVolume: (volume?: number) => call.setCaptureVolume(percent(volume)),
    setLocalRenderMode: (mode: RenderMode) => call.setRenderMode("local", mode),
  });
}

function remoteHandle(call: Call): RemoteStreamHandle {
  return handle(call, "remote", {
    muteAudio: async () => call.muteRemote(true),
    unmuteAudio: async () => call.muteRemote(false),
    muteVideo: async () => call.hideRemote(true),
    unmuteVideo: async () => call.hideRemote(false),
    setAudioVolume: (volume?: number) => call.setVolume(percent(volume)),
    setRemoteRenderMode: (mode: RenderMode) => call.setRenderMode("remote", mode),
  });
}

/** A volume of 0 to 100 as a factor. */
function percent(volume = 100): number {
  if (!(volume >= 0 && volume <= 100))
    throw { code: "100", message: "a volume is 0 to 100" } satisfies ComponentError;
  return volume / 100;
}
