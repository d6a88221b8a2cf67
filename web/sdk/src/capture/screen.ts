import { PealError } from "../api/errors";
import type { LocalTracks } from "./tracks";

const system =
  "the system lets the browser record no screen: allow it in the system's privacy settings";

/** What helps, by the browser's name of the failure. */
const cures: Record<string, string> = {
  InvalidStateError: "browsers share a screen in a click alone: call shareScreen() in one",
  NotFoundError: system,
  NotReadableError: system,
};

/** What a frame or a page needs where its browser says that it is not allowed. */
const refused = `the person did not choose one, or the page may not: in a frame, give the <iframe> allow="display-capture"`;

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
    throw new PealError("screen_denied", cures[(e as DOMException).name] ?? refused);
  }
}

/** One's own screen in a call: chosen, shown in the camera's place, and ended. */
export class ScreenShare {
  readonly #tracks: LocalTracks;
  readonly #changed: (on: boolean) => void;
  /** Ends one that is not shown yet; null where there is none. */
  #withdraw: ((why: PealError) => void) | null = null;

  /** `changed` hears when it is shown, and when no more. */
  constructor(tracks: LocalTracks, changed: (on: boolean) => void) {
    this.#tracks = tracks;
    this.#changed = changed;
  }

  get on(): boolean {
    return this.#tracks.screen !== null;
  }

  /** It is being chosen, or the other person is asked. */
  get pending(): boolean {
    return this.#withdraw !== null;
  }

  /** Shows the screen that the person chooses, once `consent` allows it. */
  async begin(audio: boolean, consent: () => Promise<void>): Promise<void> {
    if (this.pending || this.on)
      throw new PealError("wrong_state", "the screen is shared already, or being chosen");
    const withdrawn = new Promise<never>((_, reject) => {
      this.#withdraw = reject;
    });
    withdrawn.catch(() => {}); // It is looked at once there is a screen.
    let screen: MediaStream | undefined;
    try {
      screen = await captureScreen(audio);
      for (const track of screen.getVideoTracks())
        track.addEventListener("ended", () => this.end(), { once: true });
      await Promise.race([withdrawn, undefined]); // While the picker was open, say.
      await Promise.race([withdrawn, consent()]);
    } catch (e) {
      for (const track of screen?.getTracks() ?? []) track.stop();
      throw e;
    } finally {
      this.#withdraw = null;
    }
    this.#tracks.share(screen);
    this.#changed(true);
  }

  /** Ends it, also where it is not shown yet. */
  end(why = new PealError("screen_denied", "the person ended it")): void {
    this.#withdraw?.(why);
    if (!this.on) return;
    this.#tracks.unshare();
    this.#changed(false);
  }
}
