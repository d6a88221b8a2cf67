import { find, setAvatar, setText } from "./dom";
import type { Actions, Model } from "./model";
import type { Texts } from "./strings";

/** Who typed within this time may still be typing when the card appears. */
const typing = 1_500;

/**
 * The card of an incoming call. It has no key to dismiss it: Escape, pressed for
 * something else, must not turn a caller away.
 */
export class IncomingCard {
  readonly #backdrop = find("incoming-backdrop", HTMLElement);
  readonly #card = find("incoming", HTMLElement);
  readonly #avatar = find("incoming-avatar", HTMLElement);
  readonly #who = find("incoming-who", HTMLElement);
  readonly #kind = find("incoming-kind", HTMLElement);
  readonly #silent = find("incoming-silent", HTMLElement);
  readonly #accept = find("accept", HTMLButtonElement);
  readonly #acceptAudio = find("accept-audio", HTMLButtonElement);
  readonly #acceptIcon = find("accept-icon", SVGUseElement);
  #typedAt = Number.NEGATIVE_INFINITY;

  constructor(actions: Actions) {
    this.#accept.addEventListener("click", () => actions.accept(true));
    this.#acceptAudio.addEventListener("click", () => actions.accept(false));
    find("reject", HTMLButtonElement).addEventListener("click", () => actions.reject());
    document.addEventListener("input", () => {
      this.#typedAt = performance.now();
    });
  }

  /** On Accept, but not under the fingers of someone who types: a space would accept. */
  focus(): void {
    if (performance.now() - this.#typedAt < typing) this.#card.focus();
    else this.#accept.focus();
  }

  draw(model: Model, t: Texts): void {
    const { call } = model;
    const shown = call !== null && model.stage === "called";
    this.#backdrop.hidden = !shown;
    if (!shown) return;
    setAvatar(this.#avatar, call.peer);
    setText(this.#who, call.peer);
    setText(this.#kind, call.video ? t.incomingVideo : t.incomingAudio);
    this.#acceptIcon.setAttribute("href", call.video ? "#i-video" : "#i-phone");
    this.#acceptAudio.hidden = !call.video;
    this.#silent.hidden = !model.soundLocked;
  }
}
