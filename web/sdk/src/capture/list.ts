import { PealError } from "../api/errors";

/** One device. */
export interface DeviceEntry {
  /** Its name, empty before the browser has allowed devices of its kind. */
  label: string;
  /** Its id, for `switchDevice`. */
  deviceId: string;
  /** True when it is in use. */
  active?: boolean;
}

/** The devices of this machine. */
export interface DeviceLists {
  /** Microphones. */
  audioIn: DeviceEntry[];
  /** Speakers. */
  audioOut: DeviceEntry[];
  /** Cameras. */
  video: DeviceEntry[];
}

/** The devices of this machine; those in use are marked. */
export async function listDevices(
  stream: MediaStream | null,
  speakerId: string,
): Promise<DeviceLists> {
  const active = new Set(stream?.getTracks().map((t) => t.getSettings().deviceId));
  if (speakerId) active.add(speakerId);
  const all = await navigator.mediaDevices.enumerateDevices();
  const of = (kind: MediaDeviceKind): DeviceEntry[] =>
    all
      .filter((d) => d.kind === kind)
      .map(({ label, deviceId }) => ({
        label,
        deviceId,
        ...(active.has(deviceId) ? { active: true } : {}),
      }));
  return { audioIn: of("audioinput"), audioOut: of("audiooutput"), video: of("videoinput") };
}

/** Opens one device by its id. */
export async function openDevice(
  kind: "audio" | "video",
  deviceId: string,
): Promise<MediaStreamTrack> {
  const constraint = { deviceId: { exact: deviceId } };
  let stream: MediaStream;
  try {
    stream = await navigator.mediaDevices.getUserMedia(
      kind === "audio" ? { audio: constraint } : { video: constraint },
    );
  } catch {
    throw new PealError(
      kind === "audio" ? "microphone_missing" : "camera_missing",
      `the device ${deviceId} cannot be opened`,
    );
  }
  const track = stream.getTracks()[0];
  if (!track) throw new PealError("internal", "the device gave no track");
  return track;
}
