import { PealError } from "../api/errors";

/** What a <video> of the page was like before a picture took it. */
interface Taken {
  owner: Picture;
  readonly before: { muted: boolean; autoplay: boolean; playsInline: boolean; css: string };
}

/** The elements of the page that pictures have: the last one that took it has it. */
const taken = new WeakMap<HTMLVideoElement, Taken>();

/** How long a picture that stands still waits until it is looked at again. */
const pauseMs = 200;

/** A picture: in the <video> that the page gives, or in one of its own inside what the page gives. */
export class Picture {
  readonly #play: (element: HTMLMediaElement) => void;
  #transform: string;
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
    if (!isView(view)) throw new PealError("bad_view", notAView(view));
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
    if (given) this.#take(video);
    video.autoplay = video.playsInline = video.muted = true;
    video.style.transform = this.#transform;
    if (given) return;
    Object.assign(video.style, { width: "100%", height: "100%", objectFit: "cover" });
    view?.append(video);
  }

  /** Another picture may have it: it is given back as it was before the first. */
  #take(video: HTMLVideoElement): void {
    const { muted, autoplay, playsInline } = video;
    const before = { muted, autoplay, playsInline, css: video.style.cssText };
    taken.set(video, { before, ...taken.get(video), owner: this });
  }

  /** Whether the element is not another picture's by now. */
  #has(video: HTMLVideoElement): boolean {
    return !this.#given || taken.get(video)?.owner === this;
  }

  /** Shows it turned in another way. */
  turn(transform: string): void {
    this.#transform = transform;
    const video = this.#video;
    if (video && this.#has(video)) video.style.transform = transform;
  }

  show(stream: MediaStream | null): void {
    const video = this.#video;
    if (!video || video.srcObject === stream || !this.#has(video)) return;
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
    if (!this.#has(video)) return;
    video.srcObject = null;
    const { css, ...before } = taken.get(video)?.before ?? { css: "" };
    if (!this.#given) video.remove();
    else Object.assign(video, before).style.cssText = css;
    taken.delete(video);
  }
}

/** Whether a page can show a picture there: frameworks give other things by that name. */
export function isView(view: unknown): view is HTMLElement | null {
  return view === null || (view as Partial<HTMLElement> | undefined)?.nodeType === 1;
}

export function notAView(view: unknown): string {
  const what = Array.isArray(view) ? "an array, as refs in v-for are" : `of type ${typeof view}`;
  return `the view is ${what}, and no element of the document`;
}
