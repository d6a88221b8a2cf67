/** How long a picture that stands still waits until it is looked at again. */
const pauseMs = 200;

/** A picture: in the <video> that the page gives, or in one of its own inside what the page gives. */
export class Picture {
  readonly #play: (element: HTMLMediaElement) => void;
  readonly #transform: string;
  #video: HTMLVideoElement | null = null;
  /** The element is the page's. */
  #given = false;

  /** `play` starts an element, and cares for what the browser refuses. */
  constructor(transform: string, play: (element: HTMLMediaElement) => void) {
    this.#transform = transform;
    this.#play = play;
  }

  get element(): HTMLVideoElement | null {
    return this.#video;
  }

  /** Moves the picture into a view; none takes it away. */
  attach(view: HTMLElement | null): void {
    const given = view instanceof HTMLVideoElement;
    const own = this.#given ? null : this.#video;
    const video = given ? view : view && (own ?? document.createElement("video"));
    if (video !== this.#video) {
      this.close();
      video?.addEventListener("pause", this.#paused);
    }
    this.#video = video;
    this.#given = given;
    if (!video) return;
    video.autoplay = video.playsInline = video.muted = true;
    video.style.transform = this.#transform;
    if (given) return;
    Object.assign(video.style, { width: "100%", height: "100%", objectFit: "cover" });
    view?.append(video);
  }

  show(stream: MediaStream | null): void {
    const video = this.#video;
    if (!video || video.srcObject === stream) return;
    video.srcObject = stream;
    if (stream) this.#play(video);
  }

  /**
   * Browsers stop a picture whose place leaves the document, and do not start it
   * when it is back. A page may stop an element of its own.
   */
  readonly #paused = (): void => {
    const video = this.#video;
    if (video && !(this.#given && video.isConnected)) this.#resume(video);
  };

  #resume(video: HTMLVideoElement): void {
    setTimeout(() => {
      if (video !== this.#video || !video.paused) return;
      if (video.isConnected) this.#play(video);
      else this.#resume(video);
    }, pauseMs);
  }

  close(): void {
    const video = this.#video;
    if (!video) return;
    this.#video = null;
    video.removeEventListener("pause", this.#paused);
    video.srcObject = null;
    video.style.transform = video.style.visibility = "";
    if (!this.#given) video.remove();
  }
}
