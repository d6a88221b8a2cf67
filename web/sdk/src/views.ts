/**
 * The pictures and the sound of a call. Sound comes from an element of its own,
 * so that it plays with or without a picture, and so that a picture, being
 * silent, is never kept back by the browser's rules about autoplay.
 */
export class Views {
  readonly #sound: HTMLAudioElement = document.createElement("audio");
  #local: HTMLVideoElement | null = null;
  #remote: HTMLVideoElement | null = null;
  readonly #blocked: () => void;

  /** `blocked` is called when the browser wants a gesture before it plays sound. */
  constructor(blocked: () => void) {
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
  }

  showLocal(stream: MediaStream | null): void {
    show(this.#local, stream);
  }

  showRemote(stream: MediaStream | null): void {
    show(this.#remote, stream);
    if (this.#sound.srcObject !== stream) this.#sound.srcObject = stream;
    if (stream) this.play().catch(() => this.#blocked());
  }

  /** Fails where the browser wants a gesture first. */
  async play(): Promise<void> {
    if (this.#sound.srcObject) await this.#sound.play();
  }

  mute(muted: boolean): void {
    this.#sound.muted = muted;
  }

  async speaker(deviceId: string): Promise<void> {
    if ("setSinkId" in this.#sound) await this.#sound.setSinkId(deviceId);
  }

  setVolume(volume: number): void {
    this.#sound.volume = Math.min(Math.max(volume, 0), 1);
  }

  close(): void {
    this.#sound.srcObject = null;
    this.#local?.remove();
    this.#remote?.remove();
    this.#local = null;
    this.#remote = null;
  }
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
