import type { AudioQuality, MediaProfile } from "../api/types";
import type { Share } from "./adaptation";

/** What is captured. */
export type Kind = "audio" | "video";

/** The pictures of the component's `resolution`: width, height and kbit/s at 15 frames a second. */
const resolutions: Record<number, readonly [number, number, number]> = {
  2: [320, 180, 350],
  4: [640, 480, 900],
  8: [1280, 720, 1500],
  16: [1920, 1080, 2000],
};

/** The frames a second of the component's `frameRate`. */
const frameRates: Record<number, number> = { 1: 5, 2: 10, 3: 15, 4: 20, 5: 25, 6: 30 };

/** What each quality of sound is sent with: kbit/s, channels, and whether it is speech. */
const audioQualities: Record<AudioQuality, readonly [number, 1 | 2, boolean]> = {
  speech_low_quality: [20, 1, true],
  speech_standard: [32, 1, true],
  music_standard: [64, 1, false],
  standard_stereo: [80, 2, false],
  high_quality: [96, 1, false],
  high_quality_stereo: [128, 2, false],
};

/** What a page sets by `setCallProfile`. */
export interface CallProfile {
  /** 2: 320 × 180, 4: 640 × 480, 8: 1280 × 720, 16: 1920 × 1080. */
  resolution?: 2 | 4 | 8 | 16;
  /** 1: 5, 2: 10, 3: 15, 4: 20, 5: 25 frames a second. */
  frameRate?: 1 | 2 | 3 | 4 | 5 | 6;
  /** speech_low_quality 20 kbit/s, speech_standard 32, music_standard 64, standard_stereo 80, high_quality 96, high_quality_stereo 128. */
  quality?: AudioQuality;
  /** Taken and passed over: nothing is recorded, media goes from person to person. */
  recordConfig?: unknown;
}

/** The component's numbers as the core's profile; `refused` gets what is none of them. */
export function readProfile(p: CallProfile, refused: (what: string) => void): MediaProfile {
  const profile: MediaProfile = {};
  const size = known(resolutions, p.resolution, "resolution", refused);
  const frames = known(frameRates, p.frameRate, "frameRate", refused);
  if (size || frames) {
    const [width, height, kbps] = size ?? [640, 480, 900];
    const frameRate = frames ?? 15;
    profile.video = { width, height, frameRate, maxBitrate: bitrate(kbps, frameRate) };
  }
  if (p.quality !== undefined && Object.hasOwn(audioQualities, p.quality))
    profile.audio = p.quality;
  else if (p.quality !== undefined) refused(`quality ${String(p.quality)}`);
  return profile;
}

function known<T>(
  table: Record<number, T>,
  value: number | undefined,
  name: string,
  refused: (what: string) => void,
): T | undefined {
  if (value === undefined) return undefined;
  const entry = table[value];
  if (entry === undefined) refused(`${name} ${value}`);
  return entry;
}

/** More frames need more, though less than twice as much for twice as many. */
function bitrate(kbpsAt15: number, frameRate: number): number {
  return Math.round(kbpsAt15 * 1_000 * (0.5 + frameRate / 30));
}

/** What to ask of the camera; 640 × 480 unless the profile says. */
function videoConstraints(p: MediaProfile): MediaTrackConstraints {
  const { width, height, frameRate } = p.video ?? {};
  const usual = width === undefined && height === undefined;
  return {
    ...((width ?? usual) ? { width: { ideal: width ?? 640 } } : {}),
    ...((height ?? usual) ? { height: { ideal: height ?? 480 } } : {}),
    ...(frameRate ? { frameRate: { ideal: frameRate, max: frameRate } } : {}),
  };
}

/** What to ask of the microphone: music is left as it is played. */
function audioConstraints(p: MediaProfile): MediaTrackConstraints {
  if (!p.audio) return {};
  const [, channelCount, speech] = audioQualities[p.audio];
  return {
    channelCount: { ideal: channelCount },
    echoCancellation: true,
    noiseSuppression: speech,
    autoGainControl: speech,
  };
}

/** What to ask of the microphone or the camera, and which one is wanted; "" is any. */
export function constraints(p: MediaProfile, kind: Kind, deviceId: string): MediaTrackConstraints {
  return {
    ...(kind === "audio" ? audioConstraints(p) : videoConstraints(p)),
    ...(deviceId ? { deviceId: { exact: deviceId } } : {}),
  };
}

/** What a picture takes at most where the profile does not say, once it has to give way. */
const usualBitrate = 1_200_000;

/**
 * How a sender of a kind is to send: the profile's figures are ceilings, of
 * which the network may leave a share; sound goes before the picture. Where
 * nothing limits it any more, what did before is taken back.
 */
export function encoding(p: MediaProfile, kind: string, share: Share): RTCRtpEncodingParameters {
  if (kind === "audio") {
    const maxBitrate = p.audio ? audioQualities[p.audio][0] * 1_000 : undefined;
    return { priority: "high", ...defined({ maxBitrate }) };
  }
  const ceiling = p.video?.maxBitrate ?? (share.bits < 1 ? usualBitrate : undefined);
  const frames = [p.video?.frameRate, share.frameRate ?? undefined].filter((f) => f !== undefined);
  return {
    priority: "low",
    ...defined({
      maxBitrate: ceiling === undefined ? undefined : Math.round(ceiling * share.bits),
      maxFramerate: frames.length > 0 ? Math.min(...frames) : undefined,
    }),
  };
}

/** The bits per second that sound needs: the profile's, or those of speech. */
export function soundBitrate(p: MediaProfile): number {
  return audioQualities[p.audio ?? "speech_standard"][0] * 1_000;
}

/** The same for one's screen: letters need more than a face, and move less. */
export function ofScreen(p: MediaProfile): MediaProfile {
  return { ...p, video: { frameRate: 30, maxBitrate: 2_500_000 } };
}

/** An object without what is not set. */
export function defined<T extends object>(o: T): { [K in keyof T]?: NonNullable<T[K]> } {
  const entries = Object.entries(o).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]?: NonNullable<T[K]> };
}

/**
 * Tells the other side, in a description of this side's, that two channels are
 * welcome (RFC 7587, section 7.1): it then sends two where it has them.
 */
export function withStereo(sdp: string, p: MediaProfile): string {
  if (!p.audio || audioQualities[p.audio][1] === 1) return sdp;
  const opus = /^a=rtpmap:(\d+) opus\/48000\/2\r?$/m.exec(sdp)?.[1];
  if (!opus) return sdp;
  return sdp.replace(new RegExp(`^(a=fmtp:${opus} [^\\r\\n]*)`, "m"), "$1;stereo=1;sprop-stereo=1");
}

/** A profile with another on top. */
export function merged(below: MediaProfile, above: MediaProfile): MediaProfile {
  const video = { ...below.video, ...above.video };
  return { ...below, ...above, ...(Object.keys(video).length > 0 ? { video } : {}) };
}
