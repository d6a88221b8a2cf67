import { PealError } from "../api/errors";

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
    const cure =
      name === "InvalidStateError"
        ? "browsers ask for it in a click alone: call shareScreen() in one"
        : `the person or the page's policy did not allow it: ${message}`;
    throw new PealError("screen_denied", cure);
  }
}
