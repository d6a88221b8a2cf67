/** One device. */
export interface DeviceEntry {
  /** Its name. Before the browser has allowed devices of its kind: "microphone 1" and so on. */
  label: string;
  /** Its id, for `switchDevice`; empty before the browser has allowed devices of its kind. */
  deviceId: string;
  /** True for one of each kind: the one in use, or the one that the next opening takes. */
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

const words = { audioinput: "microphone", audiooutput: "speaker", videoinput: "camera" };

/** A device of each kind; "" leaves it to the browser. */
export type Chosen = Record<"audio" | "video" | "speaker", string>;

/** What the person chose. It holds for every call of this page. */
export const chosen: Chosen = { audio: "", video: "", speaker: "" };

/** How long the browser has to name the devices. */
const patienceMs = 800;

/**
 * The devices as the browser names them; null where it does not in time: Firefox
 * names none while its window has no focus. No call may wait for that.
 */
export function namedDevices(): Promise<readonly MediaDeviceInfo[] | null> {
  return Promise.race([
    navigator.mediaDevices.enumerateDevices().catch(() => null),
    new Promise<null>((resolve) => setTimeout(resolve, patienceMs, null)),
  ]);
}

/** The devices of this machine: of those that the browser does not name, the ones in use. */
export async function listDevices(stream: MediaStream | null = null): Promise<DeviceLists> {
  const all = await namedDevices();
  const of = (kind: MediaDeviceKind, choice: string, track?: MediaStreamTrack): DeviceEntry[] => {
    const list: DeviceEntry[] = (all ?? [])
      .filter((d) => d.kind === kind)
      .map(({ label, deviceId }, i) => ({ label: label || `${words[kind]} ${i + 1}`, deviceId }));
    const id = (track ? track.getSettings().deviceId : choice) || "default";
    let active = list.find((d) => d.deviceId === id);
    if (!active && track) list.unshift({ label: track.label, deviceId: id });
    active ??= list[0];
    if (active) active.active = true;
    return list;
  };
  return {
    audioIn: of("audioinput", chosen.audio, stream?.getAudioTracks()[0]),
    audioOut: of("audiooutput", chosen.speaker),
    video: of("videoinput", chosen.video, stream?.getVideoTracks()[0]),
  };
}
