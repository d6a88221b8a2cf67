import { chosen, keepChoice, namedDevices, noSuch } from "../capture/devices";
import { Gesture, wantsGesture } from "./gesture";
import { Picture } from "./picture";

/** The size of a picture in pixels, and whether it is cut to fill that. */
export interface RenderMode {
  /** In pixels; default: as wide as its place. */
  width?: number;
  /** In pixels; default: as high as its place. */
  height?: number;
  /** True (default) cuts it to fill that, false shows it whole. */
  cut?: boolean;
}

/**
 * The pictures and the sound of a call. Sound comes from an element of its own,
 * so that it plays with or without a picture, and so that a picture, being
 * silent, is seldom kept back by the browser's rules about autoplay.
 */
export class Views {
  readonly #sound: HTMLAudioElement = document.createElement("audio");
  readonly #heard = new MediaStream();
  /** A failure means that it is refused, that something newer took its place, or that the page hides it. */
  readonly #start = (element: HTMLMediaElement): void => {
    this.#play(element).catch(() => {});
  };
  readonly #local = new Picture(mirrored, this.#start);
  readonly #remote = new Picture("", this.#start);
  /** The speaker that the sound goes to; no id for the system's. */
  #sink = { id: "", label: "" };
  /** What the browser does not play before a gesture. */
  readonly #refused = new Set<HTMLMediaElement>();
  readonly #gesture: Gesture;
  #hidden = false;
  #sent = true;
  /** The other side shows its screen, of which nothing is cut off. */
  #whole = false;
  /** How its picture filled its place before that; null where it does. */
  #fit: string | null = null;

  /** `blocked` hears true when the browser wants a gesture before it plays, and false after one. */
  constructor(blocked: (blocked: boolean) => void) {
    this.#gesture = new Gesture(() => this.#again(), blocked);
    this.#sound.autoplay = true;
    this.#takeChosen();
  }

  attachLocal(view: HTMLElement | null, stream: MediaStream | null): void {
    this.#local.attach(view);
    this.#local.show(stream);
  }

  attachRemote(view: HTMLElement | null, stream: MediaStream | null): void {
    const had = this.#remote.element;
    this.#remote.attach(view);
    if (this.#remote.element !== had) this.#fit = null;
    this.#remote.show(stream);
    this.#showPicture();
    this.#showWhole();
  }

  /** One's own face as in a mirror, one's screen as it is. */
  showLocal(stream: MediaStream | null, screen = false): void {
    this.#local.show(stream);
    this.#local.turn(screen ? "" : mirrored);
  }

  showRemote(stream: MediaStream | null): void {
    this.#remote.show(stream);
    // Of its own: a picture that never comes must not keep the sound waiting.
    const now = stream?.getAudioTracks() ?? [];
    for (const t of this.#heard.getTracks()) if (!now.includes(t)) this.#heard.removeTrack(t);
    for (const t of now) this.#heard.addTrack(t);
    const heard = this.#heard.getTracks().length > 0 ? this.#heard : null;
    if (this.#sound.srcObject !== heard) this.#sound.srcObject = heard;
    this.#start(this.#sound);
  }

  /** Fails where the browser wants a gesture first. */
  async play(): Promise<void> {
    this.#again();
    await this.#play(this.#sound);
  }

  async #play(element: HTMLMediaElement): Promise<void> {
    try {
      if (element.srcObject) await element.play();
      this.#refused.delete(element);
    } catch (e) {
      if (wantsGesture(e) && element.srcObject) this.#refused.add(element);
      throw e;
    } finally {
      this.#gesture.await(this.#refused.size > 0);
    }
  }

  /** Plays what was refused. */
  #again(): void {
    this.#refused.forEach(this.#start);
  }

  /** Hides the other side's picture, by one's own wish. */
  hide(hidden: boolean): void {
    this.#hidden = hidden;
    this.#showPicture();
  }

  /** Whether the other side sends a picture: the last one it sent must not stand there for ever. */
  hasPicture(sent: boolean, screen: boolean): void {
    this.#sent = sent;
    this.#showPicture();
    this.#whole = screen;
    this.#showWhole();
  }

  #showWhole(): void {
    const style = this.#remote.element?.style;
    if (!style) return;
    if (this.#whole) {
      this.#fit ??= style.objectFit;
      style.objectFit = "contain";
    } else if (this.#fit !== null) {
      style.objectFit = this.#fit;
      this.#fit = null;
    }
  }

  #showPicture(): void {
    const video = this.#remote.element;
    if (video) video.style.visibility = this.#sent && !this.#hidden ? "" : "hidden";
  }

  mute(muted: boolean): void {
    this.#sound.muted = muted;
  }

  /** Another speaker from now on, in the next calls too. Firefox has no name for the system's. */
  async speaker(deviceId: string): Promise<void> {
    if (!("setSinkId" in this.#sound)) return;
    const id = deviceId === "default" ? "" : deviceId;
    try {
      await this.#speak(id);
    } catch (e) {
      if (!(e instanceof DOMException && e.name === "NotFoundError")) throw e;
      throw noSuch("speaker", deviceId);
    }
    keepChoice("speaker", id);
  }

  async #speak(id: string): Promise<void> {
    await this.#sound.setSinkId(id);
    const sink = { id, label: "" };
    this.#sink = sink;
    // Nothing waits for its name.
    void speakers().then((all) => {
      sink.label = all?.find((d) => d.deviceId === id)?.label ?? "";
    });
  }

  /** The speaker that was chosen may be gone: then the system's it is, until that one is back. */
  #takeChosen(): void {
    if (chosen.speaker !== this.#sink.id && "setSinkId" in this.#sound)
      this.#speak(chosen.speaker).catch(() => {});
  }

  /** Falls back to the system's speaker when the one in use is gone, and gives its name. */
  async speakersChanged(): Promise<string | null> {
    const sink = this.#sink;
    const all = sink.id ? await speakers() : null;
    if (sink !== this.#sink) return null; // Another was chosen meanwhile.
    if (!all || all.some((d) => d.deviceId === sink.id)) {
      this.#takeChosen();
      return null;
    }
    this.#sink = { id: "", label: "" };
    await this.#sound.setSinkId("");
    return sink.label;
  }

  /** How a picture fills its place: cut to fill it, or whole with bars beside it. */
  render(which: "local" | "remote", mode: RenderMode): void {
    arrange(which === "local" ? this.#local : this.#remote, mode);
    if (which === "local") return;
    this.#fit = null;
    this.#showWhole();
  }

  setVolume(volume: number): void {
    this.#sound.volume = Math.min(Math.max(volume, 0), 1);
  }

  close(): void {
    this.#sound.srcObject = null;
    this.#local.close();
    this.#remote.close();
    this.#refused.clear();
    this.#gesture.await(false);
  }
}

const mirrored = "scaleX(-1)";

function arrange({ element }: Picture, mode: RenderMode): void {
  if (!element) return;
  const pixels = (n: number | undefined): string => (n ? `${n}px` : "100%");
  element.style.width = pixels(mode.width);
  element.style.height = pixels(mode.height);
  element.style.objectFit = (mode.cut ?? true) ? "cover" : "contain";
}

async function speakers(): Promise<readonly MediaDeviceInfo[] | null> {
  return (await namedDevices())?.filter((d) => d.kind === "audiooutput") ?? null;
}
