import { PealError } from "../api/errors";

const system =
  "the system lets the browser record no screen: allow it in the system's privacy settings";

/** What helps, by the browser's name of the failure. */
const cures: Record<string, string> = {
  InvalidStateError: "browsers share a screen in a click alone: call shareScreen() in one",
  NotFoundError: system,
  NotReadableError: system,
};

/** Has the person choose a screen, a window or a tab. */
export async function captureScreen(audio: boolean): Promise<MediaStream> {
  const { mediaDevices } = navigator;
  if (!mediaDevices?.getDisplayMedia)
    throw new PealError("screen_unsupported", "this browser shares no screen, as those of phones");
  try {
    const stream = await mediaDevices.getDisplayMedia({ video: { frameRate: { max: 30 } }, audio });
    // Letters are to be sharp, before movement is smooth. It also tells a screen from a camera.
    for (const track of stream.getVideoTracks()) track.contentHint = "detail";
    return stream;
  } catch (e) {
    const { name, message } = e as DOMException;
    throw new PealError("screen_denied", cures[name] ?? `no screen was chosen: ${message}`);
  }
}
