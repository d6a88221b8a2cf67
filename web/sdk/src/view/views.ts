import { PealError } from "../api/errors";
import { chosen, namedDevices } from "../capture/devices";
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
  readonly #local = new Picture("scaleX(-1)", this.#start);
  readonly #remote = new Picture("", this.#start);
  /** The name of the speaker that was chosen. */
  #speaker = "";
  readonly #blocked: (blocked: boolean) => void;
  /** What the browser does not play before a gesture. */
  readonly #refused = new Set<HTMLMediaElement>();
  #waiting = false;
  #hidden = false;
  #sent = true;

  /** `blocked` is told when the browser wants a gesture before it plays, and when there was one. */
  constructor(blocked: (blocked: boolean) => void) {
    this.#blocked = blocked;
    this.#sound.autoplay = true;
    if (chosen.speaker) this.speaker(chosen.speaker).catch(() => {}); // Gone: the system's it is.
  }

  attachLocal(view: HTMLElement | null, stream: MediaStream | null): void {
    this.#local.attach(view);
    this.showLocal(stream);
  }

  attachRemote(view: HTMLElement | null, stream: MediaStream | null): void {
    this.#remote.attach(view);
    this.#remote.show(stream);
    this.#showPicture();
  }

  showLocal(stream: MediaStream | null): void {
    this.#local.show(stream);
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
    this.#gesture();
    await this.#play(this.#sound);
  }

  async #play(element: HTMLMediaElement): Promise<void> {
    try {
      if (element.srcObject) await element.play();
      this.#refused.delete(element);
    } catch (e) {
      const refused = e instanceof DOMException && e.name === "NotAllowedError";
      if (refused && element.srcObject) this.#refused.add(element);
      throw e;
    } finally {
      this.#listen();
    }
  }

  /** Whatever the person does next in the page lets through what is refused. */
  #listen(): void {
    const on = this.#refused.size > 0;
    if (this.#waiting === on) return;
    this.#waiting = on;
    for (const gesture of ["pointerdown", "pointerup", "keydown"]) {
      if (on) document.addEventListener(gesture, this.#gesture, true);
      else document.removeEventListener(gesture, this.#gesture, true);
    }
    this.#blocked(on);
  }

  /** Some are none that the browser goes by: there will be more. */
  readonly #gesture = (): void => this.#refused.forEach(this.#start);

  /** Hides the other side's picture, by one's own wish. */
  hide(hidden: boolean): void {
    this.#hidden = hidden;
    this.#showPicture();
  }

  /** Whether the other side sends a picture: the last one it sent must not stand there for ever. */
  hasPicture(sent: boolean): void {
    this.#sent = sent;
    this.#showPicture();
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
      await this.#sound.setSinkId(id);
    } catch (e) {
      if (!(e instanceof DOMException && e.name === "NotFoundError")) throw e;
      throw new PealError("speaker_missing", `there is no speaker "${deviceId}": see getDevices()`);
    }
    chosen.speaker = id;
    // Nothing waits for its name.
    void speakers().then((all) => {
      this.#speaker = all?.find((d) => d.deviceId === id)?.label ?? "";
    });
  }

  /** Falls back to the system's speaker when the one in use is gone, and gives its name. */
  async speakerLost(): Promise<string | null> {
    const { speaker } = chosen;
    const all = speaker ? await speakers() : null;
    if (!all || all.some((d) => d.deviceId === speaker)) return null;
    const label = this.#speaker;
    await this.speaker("");
    return label;
  }

  /** How a picture fills its place: cut to fill it, or whole with bars beside it. */
  render(which: "local" | "remote", mode: RenderMode): void {
    const video = (which === "local" ? this.#local : this.#remote).element;
    if (!video) return;
    const pixels = (n: number | undefined): string => (n ? `${n}px` : "100%");
    video.style.width = pixels(mode.width);
    video.style.height = pixels(mode.height);
    video.style.objectFit = (mode.cut ?? true) ? "cover" : "contain";
  }

  setVolume(volume: number): void {
    this.#sound.volume = Math.min(Math.max(volume, 0), 1);
  }

  close(): void {
    this.#sound.srcObject = null;
    this.#local.close();
    this.#remote.close();
    this.#refused.clear();
    this.#listen();
  }
}

async function speakers(): Promise<readonly MediaDeviceInfo[] | null> {
  return (await namedDevices())?.filter((d) => d.kind === "audiooutput") ?? null;
}
