import type { Call } from "./call";
import type { ComponentError } from "./codes";
import { listDevices } from "./devices";
import type { RenderMode } from "./views";

/**
 * What pages reach for behind the component: the streams of the media library
 * that the original was built on, by their names there. Each does its work on
 * the call that is going on.
 */
export interface LocalStreamHandle {
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

export interface RemoteStreamHandle {
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

export interface DeviceInfo {
  deviceId: string;
  label: string;
}

export interface SdkInstance {
  /** What there is of signalling: the account and the device that are logged in. */
  readonly signal: { readonly account: string; readonly deviceId: string };
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
    getDevices(): Promise<{ audioIn: DeviceInfo[]; audioOut: DeviceInfo[]; video: DeviceInfo[] }>;
    getCameras(): Promise<DeviceInfo[]>;
    getMicrophones(): Promise<DeviceInfo[]>;
    getSpeakers(): Promise<DeviceInfo[]>;
  };
}

/** The handles of a call; without one the streams are missing. */
export function sdkInstance(
  call: Call | null,
  signal: { account: string; deviceId: string },
): SdkInstance {
  const joined = call !== null && call.state !== "ringing" ? call : null;
  return {
    signal,
    rtcClient: {
      adapterRef: {
        localStream: call && localHandle(call),
        remoteStreamMap: joined ? { [joined.peerUid]: remoteHandle(joined) } : {},
      },
      peerConnection: call?.peerConnection ?? null,
    },
    WebRTC2: {
      getDevices: () => listDevices(null, ""),
      getCameras: async () => (await listDevices(null, "")).video,
      getMicrophones: async () => (await listDevices(null, "")).audioIn,
      getSpeakers: async () => (await listDevices(null, "")).audioOut,
    },
  };
}

function localHandle(call: Call): LocalStreamHandle {
  return {
    get mediaStream() {
      return call.localStream;
    },
    muteAudio: () => call.setMicrophone(false),
    unmuteAudio: () => call.setMicrophone(true),
    muteVideo: () => call.muteCamera(true),
    unmuteVideo: () => call.muteCamera(false),
    setCaptureVolume: (volume) => call.setCaptureVolume(percent(volume)),
    setLocalRenderMode: (mode) => call.setRenderMode("local", mode),
  };
}

function remoteHandle(call: Call): RemoteStreamHandle {
  return {
    get mediaStream() {
      return call.remoteStream;
    },
    muteAudio: async () => call.muteRemote(true),
    unmuteAudio: async () => call.muteRemote(false),
    muteVideo: async () => call.hideRemote(true),
    unmuteVideo: async () => call.hideRemote(false),
    setAudioVolume: (volume) => call.setVolume(percent(volume)),
    setRemoteRenderMode: (mode) => call.setRenderMode("remote", mode),
  };
}

/** A volume of 0 to 100 as a factor. */
function percent(volume: number): number {
  if (!(volume >= 0 && volume <= 100))
    throw { code: "100", message: "a volume is 0 to 100" } satisfies ComponentError;
  return volume / 100;
}
