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
 * silent, is never kept back by the browser's rules about autoplay.
 */
export class Views {
  readonly #sound: HTMLAudioElement = document.createElement("audio");
  readonly #heard = new MediaStream();
  #speaker: { id: string; label: string } | null = null;
  #local: HTMLVideoElement | null = null;
  #remote: HTMLVideoElement | null = null;
  readonly #blocked: (blocked: boolean) => void;
  #waiting = false;
  #hidden = false;
  #sent = true;

  /** `blocked` is told when the browser wants a gesture before it plays sound, and when there was one. */
  constructor(blocked: (blocked: boolean) => void) {
    this.#blocked = blocked;
    this.#sound.autoplay = true;
  }

  attachLocal(view: HTMLElement | null, stream: MediaStream | null): void {
    this.#local = place(this.#local, view);
    if (this.#local) this.#local.style.transform = "scaleX(-1)";
    this.showLocal(stream);
  }

  attachRemote(view: HTMLElement | null, stream: MediaStream | null): void {
    this.#remote = place(this.#remote, view);
    show(this.#remote, stream);
    this.#showPicture();
  }

  showLocal(stream: MediaStream | null): void {
    show(this.#local, stream);
  }

  showRemote(stream: MediaStream | null): void {
    show(this.#remote, stream);
    // Of its own: a picture that never comes must not keep the sound waiting.
    const now = stream?.getAudioTracks() ?? [];
    for (const t of this.#heard.getTracks()) if (!now.includes(t)) this.#heard.removeTrack(t);
    for (const t of now) this.#heard.addTrack(t);
    const heard = this.#heard.getTracks().length > 0 ? this.#heard : null;
    if (this.#sound.srcObject !== heard) this.#sound.srcObject = heard;
    if (heard) this.play().catch((e: unknown) => this.#refused(e));
  }

  /** Fails where the browser wants a gesture first. */
  async play(): Promise<void> {
    if (this.#sound.srcObject) await this.#sound.play();
    this.#listenForGesture(false);
  }

  /** Whatever the person does next in the page lets the sound through. */
  #refused(e: unknown): void {
    if (e instanceof DOMException && e.name === "NotAllowedError") this.#listenForGesture(true);
  }

  #listenForGesture(on: boolean): void {
    if (this.#waiting === on) return;
    this.#waiting = on;
    for (const gesture of ["pointerdown", "pointerup", "keydown"]) {
      if (on) document.addEventListener(gesture, this.#gesture, true);
      else document.removeEventListener(gesture, this.#gesture, true);
    }
    this.#blocked(on);
  }

  readonly #gesture = (): void => {
    this.play().catch(() => {}); // It was none that the browser takes for one: there will be more.
  };

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
    if (this.#remote) this.#remote.style.visibility = this.#sent && !this.#hidden ? "" : "hidden";
  }

  mute(muted: boolean): void {
    this.#sound.muted = muted;
  }

  async speaker(deviceId: string): Promise<void> {
    if (!("setSinkId" in this.#sound)) return;
    await this.#sound.setSinkId(deviceId);
    const label = (await speakers()).find((d) => d.deviceId === deviceId)?.label ?? "";
    this.#speaker = deviceId ? { id: deviceId, label } : null;
  }

  /** Falls back to the system's speaker when the one in use is gone, and gives its name. */
  async speakerLost(): Promise<string | null> {
    const was = this.#speaker;
    if (!was || (await speakers()).some((d) => d.deviceId === was.id)) return null;
    await this.speaker("");
    return was.label;
  }

  get speakerId(): string {
    return this.#speaker?.id ?? "";
  }

  /** How a picture fills its place: cut to fill it, or whole with bars beside it. */
  render(which: "local" | "remote", mode: RenderMode): void {
    const video = which === "local" ? this.#local : this.#remote;
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
    this.#listenForGesture(false);
    this.#local?.remove();
    this.#remote?.remove();
    this.#local = null;
    this.#remote = null;
  }
}

async function speakers(): Promise<MediaDeviceInfo[]> {
  const all = await navigator.mediaDevices.enumerateDevices();
  return all.filter((d) => d.kind === "audiooutput");
}

/** Moves a picture into a view; none takes it away. */
function place(video: HTMLVideoElement | null, view: HTMLElement | null): HTMLVideoElement | null {
  video?.remove();
  if (!view) return null;
  const element = video ?? document.createElement("video");
  element.autoplay = true;
  element.playsInline = true;
  element.muted = true;
  Object.assign(element.style, { width: "100%", height: "100%", objectFit: "cover" });
  view.append(element);
  return element;
}

function show(video: HTMLVideoElement | null, stream: MediaStream | null): void {
  if (!video || video.srcObject === stream) return;
  video.srcObject = stream;
  // A rejection means that a newer picture took its place, or that the page hides it.
  if (stream) video.play().catch(() => {});
}
