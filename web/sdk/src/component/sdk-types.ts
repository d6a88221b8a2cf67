import type { Listenable } from "../api/types";
import type { DeviceLists } from "../capture/devices";
import type { RenderMode } from "../view/views";

/**
 * What pages reach for behind the component: the streams of the media library
 * that the original was built on, by their names there. A stream is one object
 * as long as its call: volumes and sizes are set again in each call.
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

/** The events of the media library below the original, as far as a call has them. A listener that is no function is passed over. */
export interface RtcClient extends Listenable<RtcEvents> {
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
export interface SdkInstance {
  /** What there is of signalling: the account and the device that are logged in; null before that. */
  readonly signal: { readonly account: string; readonly deviceId: string } | null;
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
