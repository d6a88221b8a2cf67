import type { Call } from "../call";
import { listDevices } from "../capture/devices";
import type { RenderMode } from "../view/views";
import type { ComponentError } from "./codes";

/**
 * What pages reach for behind the component: the streams of the media library
 * that the original was built on, by their names there. Each does its work on
 * the call that is going on.
 */
export interface LocalStreamHandle {
  /** The browser's stream; null while nothing is captured. */
  readonly mediaStream: MediaStream | null;
  /** Sends silence. */
  muteAudio(): Promise<void>;
  /** Sends sound again. */
  unmuteAudio(): Promise<void>;
  /** Sends black. */
  muteVideo(): Promise<void>;
  /** Sends the picture again. */
  unmuteVideo(): Promise<void>;
  /** How loud one's own sound is sent, 0 to 100. */
  setCaptureVolume(volume: number): void;
  /** The size of one's own picture. */
  setLocalRenderMode(mode: RenderMode): void;
}

/** The other person's stream. Nothing of it is told to that person. */
export interface RemoteStreamHandle {
  /** The browser's stream; null before there is any. */
  readonly mediaStream: MediaStream | null;
  /** Stops the sound here. */
  muteAudio(): Promise<void>;
  /** Lets the sound be heard again. */
  unmuteAudio(): Promise<void>;
  /** Hides the picture here. */
  muteVideo(): Promise<void>;
  /** Shows the picture again. */
  unmuteVideo(): Promise<void>;
  /** How loud it is played here, 0 to 100. */
  setAudioVolume(volume: number): void;
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

/** What `getSdkInstance` gives. */
export interface SdkInstance {
  /** What there is of signalling: the account and the device that are logged in. */
  readonly signal: {
    /** The account. */
    readonly account: string;
    /** This device among the account's. */
    readonly deviceId: string;
  };
  readonly rtcClient: {
    readonly adapterRef: {
      /** One's own stream; null without a call. */
      readonly localStream: LocalStreamHandle | null;
      /** By numeric id. */
      readonly remoteStreamMap: Readonly<Record<number, RemoteStreamHandle>>;
    };
    /** The browser's own connection; null without a call. */
    readonly peerConnection: RTCPeerConnection | null;
  };
  readonly WebRTC2: {
    /** All devices. */
    getDevices(): Promise<{ audioIn: DeviceInfo[]; audioOut: DeviceInfo[]; video: DeviceInfo[] }>;
    /** Cameras. */
    getCameras(): Promise<DeviceInfo[]>;
    /** Microphones. */
    getMicrophones(): Promise<DeviceInfo[]>;
    /** Speakers. */
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
      getDevices: () => listDevices(),
      getCameras: async () => (await listDevices()).video,
      getMicrophones: async () => (await listDevices()).audioIn,
      getSpeakers: async () => (await listDevices()).audioOut,
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
