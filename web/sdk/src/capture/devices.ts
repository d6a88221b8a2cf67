import { PealError } from "../api/errors";

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

/** What devices are chosen as, and how people and the browser call them. */
const kinds = {
  audio: { name: "microphone", info: "audioinput" },
  video: { name: "camera", info: "videoinput" },
  speaker: { name: "speaker", info: "audiooutput" },
} as const;

/** The other way round. */
export const chosenAs = { microphone: "audio", camera: "video", speaker: "speaker" } as const;

/** A device of each kind; "" leaves it to the browser. */
export type Chosen = Record<keyof typeof kinds, string>;

/** What the person chose. It holds for every call of this page. */
export const chosen: Chosen = { audio: "", video: "", speaker: "" };

const key = "peal.devices";
let remembering = false;

/** From here on the choice is kept in this browser, and what was kept before holds. */
export function rememberChoice(): void {
  remembering = true;
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(key) ?? "{}");
    for (const [kind, id] of Object.entries(kept ?? {}))
      if (Object.hasOwn(chosen, kind) && typeof id === "string") chosen[kind as keyof Chosen] = id;
  } catch {} // There is no storage, or it is denied: then the page forgets.
}

/** Takes a device for what opens from here on. */
export function keepChoice(kind: keyof Chosen, id: string): void {
  chosen[kind] = id;
  if (!remembering) return;
  try {
    localStorage.setItem(key, JSON.stringify(chosen));
  } catch {}
}

/** Fails where a device is not there. Where the browser does not name any, it may be. */
export async function requireDevice(kind: keyof Chosen, id: string): Promise<void> {
  const of = (await namedDevices())?.filter((d) => d.kind === kinds[kind].info && d.deviceId);
  if (of?.length && id !== "" && of.every((d) => d.deviceId !== id)) throw noSuch(kind, id);
}

export function noSuch(kind: keyof Chosen, id: string): PealError {
  const { name } = kinds[kind];
  return new PealError(
    `${name}_missing`,
    `there is no ${name} "${id}": getDevices() and devices.list() give those that there are`,
  );
}

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

/** The tracks of one's own devices that are open. */
export interface OpenTracks {
  readonly microphone: MediaStreamTrack | null;
  readonly camera: MediaStreamTrack | null;
}

/** The devices of this machine: of those that the browser does not name, the ones in use. */
export async function listDevices(
  open?: OpenTracks | null,
  named = namedDevices(),
): Promise<DeviceLists> {
  const all = await named;
  const of = (kind: keyof Chosen, track?: MediaStreamTrack | null): DeviceEntry[] => {
    const { name, info } = kinds[kind];
    const list: DeviceEntry[] = (all ?? [])
      .filter((d) => d.kind === info)
      .map(({ label, deviceId }, i) => ({ label: label || `${name} ${i + 1}`, deviceId }));
    const id = (track ? track.getSettings().deviceId : chosen[kind]) || "default";
    let active = list.find((d) => d.deviceId === id);
    if (!active && track) list.unshift({ label: track.label, deviceId: id });
    active ??= list[0];
    if (active) active.active = true;
    return list;
  };
  return {
    audioIn: of("audio", open?.microphone),
    audioOut: of("speaker"),
    video: of("video", open?.camera),
  };
}
