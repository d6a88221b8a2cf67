import { PealError } from "../api/errors";
import { namedDevices } from "./devices";

type Device = "microphone" | "camera";
type Policed = Document & { featurePolicy?: { allowsFeature(name: string): boolean } };

/** Fails where browsers give no camera or microphone: on plain HTTP. */
export function requireSecureContext(): void {
  if (typeof RTCPeerConnection === "undefined") {
    throw new PealError("unsupported_browser", "this browser has no WebRTC");
  }
  if (!globalThis.isSecureContext || !navigator.mediaDevices) {
    throw new PealError(
      "insecure_context",
      "browsers give no camera or microphone to a page on plain HTTP: use HTTPS, or localhost",
    );
  }
}

/** Opens the devices that are asked for, or fails with the one that cannot be had. */
export async function capture(
  audio: boolean | MediaTrackConstraints,
  video: boolean | MediaTrackConstraints,
): Promise<MediaStream> {
  try {
    return await navigator.mediaDevices.getUserMedia({ audio, video });
  } catch (e) {
    throw await explain(e, audio !== false, video !== false);
  }
}

/** Whether the microphone may be opened without asking anybody, and is there. */
export async function microphoneGranted(): Promise<boolean> {
  try {
    const permission = await navigator.permissions.query({ name: "microphone" });
    if (permission.state !== "granted") return false;
    const devices = await namedDevices();
    return devices?.some((d) => d.kind === "audioinput") ?? false;
  } catch {
    return false; // A browser that cannot tell is one that may ask.
  }
}

async function explain(e: unknown, audio: boolean, video: boolean): Promise<PealError> {
  const name = e instanceof DOMException ? e.name : "";
  const device = await culprit(audio, video);
  switch (name) {
    case "NotAllowedError":
    case "SecurityError":
      return new PealError(`${device}_denied`, `the ${device} is not allowed: ${cure(device)}`);
    case "NotFoundError":
    case "OverconstrainedError":
      return new PealError(`${device}_missing`, `no ${device} was found: connect one`);
    case "NotReadableError":
    case "AbortError":
      return new PealError(
        `${device}_in_use`,
        `the ${device} cannot be opened: another program may be using it`,
      );
    default:
      return PealError.of(e);
  }
}

/** What allows a device: browsers but Chromium do not say whether a policy forbids it. */
function cure(device: Device): string {
  const { featurePolicy } = document as Policed;
  const framed = window !== window.top;
  const frame = `give the <iframe> allow="microphone; camera"`;
  if (featurePolicy?.allowsFeature(device) === false)
    return framed ? frame : "the page's Permissions-Policy header forbids it";
  const settings = "change that in the browser's site settings";
  return framed && !featurePolicy ? `${settings}, and ${frame}` : settings;
}

/** Which of two devices is at fault: browsers do not say. */
async function culprit(audio: boolean, video: boolean): Promise<Device> {
  if (!video) return "microphone";
  if (!audio) return "camera";
  try {
    const devices = await namedDevices();
    const lacks = (kind: MediaDeviceKind) => devices?.every((d) => d.kind !== kind);
    if (lacks("audioinput")) return "microphone";
    if (lacks("videoinput")) return "camera";
    const permission = await navigator.permissions.query({ name: "microphone" });
    return permission.state === "granted" ? "camera" : "microphone";
  } catch {
    return "microphone";
  }
}
