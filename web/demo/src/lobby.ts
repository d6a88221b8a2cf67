import { find, icon, setAvatar, setLabel, setText } from "./dom";
import { missed, when } from "./history";
import type { Actions, Model, PastCall } from "./model";
import type { Language, Texts } from "./strings";
import { clock, outcomeLabel, outcomeWords } from "./words";

const guides: Readonly<Record<Language, string>> = {
  en: "https://github.com/peal-rtc/peal/blob/main/docs/start/getting-started.md",
  zh: "https://github.com/peal-rtc/peal/blob/main/docs/start/getting-started.zh-CN.md",
};

/** The page outside of calls: what this server is, the login, and the place to call from. */
export class Lobby {
  readonly #actions: Actions;
  readonly #serve = find("serve", HTMLElement);
  readonly #serveStart = find("serve-start", HTMLAnchorElement);
  readonly #login = find("login", HTMLFormElement);
  readonly #name = find("name", HTMLInputElement);
  readonly #loginButton = find("login-button", HTMLButtonElement);
  readonly #idle = find("idle", HTMLElement);
  readonly #peer = find("peer", HTMLInputElement);
  readonly #outcome = find("outcome", HTMLElement);
  readonly #outcomeHeadline = find("outcome-headline", HTMLElement);
  readonly #outcomeAdvice = find("outcome-advice", HTMLElement);
  readonly #again = find("again", HTMLButtonElement);
  readonly #openSecond = find("open-second", HTMLAnchorElement);
  readonly #openSecondText = find("open-second-text", HTMLElement);
  readonly #share = find("share", HTMLElement);
  readonly #shareText = find("share-text", HTMLElement);
  readonly #shareLink = find("share-link", HTMLInputElement);
  readonly #copy = find("copy", HTMLButtonElement);
  readonly #recent = find("recent", HTMLUListElement);
  readonly #recentNone = find("recent-none", HTMLElement);
  readonly #notify = find("notify", HTMLElement);
  readonly #soundLocked = find("sound-locked", HTMLElement);
  #drawnHistory: { history: readonly PastCall[]; texts: Texts } | null = null;

  constructor(actions: Actions, name: string, peer: string) {
    this.#actions = actions;
    this.#name.value = name;
    this.#peer.value = peer;
    this.#login.addEventListener("submit", (event) => {
      event.preventDefault();
      actions.login(this.#name.value.trim());
    });
    find("call-form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      this.#call(true);
    });
    find("call-audio", HTMLButtonElement).addEventListener("click", () => this.#call(false));
    // The page that is opened knows whom to call, and so does this one.
    this.#openSecond.addEventListener("click", () => {
      if (this.#peer.value === "")
        this.#peer.value = this.#openSecond.getAttribute("data-name") ?? "";
    });
    find("ask", HTMLButtonElement).addEventListener("click", () => actions.askNotifications());
  }

  /** Where the focus belongs, after a call or a login. */
  focus(model: Model): void {
    // On a phone a focused field brings up the keyboard, over half of the page.
    const keyboard = matchMedia("(pointer: fine)").matches;
    if (model.stage === "idle" && model.outcome) this.#again.focus();
    else if (keyboard && model.stage !== "serve")
      (model.stage === "login" ? this.#name : this.#peer).focus();
  }

  draw(model: Model, t: Texts): void {
    this.#serve.hidden = model.stage !== "serve";
    this.#serveStart.href = guides[model.language];
    this.#login.hidden = model.stage !== "login";
    this.#idle.hidden = model.stage === "login" || model.stage === "serve";
    this.#name.placeholder = t.yourNameHint;
    this.#peer.placeholder = t.theirNameHint;
    this.#loginButton.disabled = model.loggingIn;
    setText(this.#loginButton, model.loggingIn ? t.loggingIn : t.logIn);
    this.#notify.hidden = !model.askNotifications;
    this.#soundLocked.hidden = !model.soundLocked;
    this.#drawOutcome(model.outcome, t);
    this.#drawShare(model, t);
    this.#drawHistory(model.history, t);
  }

  #call(video: boolean): void {
    const peer = this.#peer.value.trim();
    if (peer === "") this.#peer.focus();
    this.#actions.call(peer, video);
  }

  #drawOutcome(past: PastCall | null, t: Texts): void {
    this.#outcome.hidden = past === null;
    if (!past) return;
    const { headline, advice } = outcomeWords(t, past);
    const { durationSeconds } = past.end;
    setText(
      this.#outcomeHeadline,
      durationSeconds > 0 ? `${headline} (${clock(durationSeconds)})` : headline,
    );
    setText(this.#outcomeAdvice, advice);
    this.#again.onclick = () => this.#actions.call(past.peer, past.video);
  }

  #drawShare(model: Model, t: Texts): void {
    const other = model.account === "bob" ? "alice" : "bob";
    const second = new URL(location.pathname, location.origin);
    second.searchParams.set("as", other);
    second.searchParams.set("peer", model.account);
    this.#openSecond.href = second.href;
    this.#openSecond.setAttribute("data-name", other);
    setText(this.#openSecondText, t.openSecond(other));
    const loopback = /^(localhost|127\..*|\[::1\])$/.test(location.hostname);
    this.#share.hidden = loopback;
    setText(this.#shareText, loopback ? t.otherDeviceLocal : t.otherDevice);
    this.#shareLink.value = new URL(location.pathname, location.origin).href;
    this.#copy.onclick = () => this.#copyLink(t);
  }

  #copyLink(t: Texts): void {
    // Selected as well: without the right to the clipboard it can be copied by hand.
    this.#shareLink.select();
    navigator.clipboard?.writeText(this.#shareLink.value).then(
      () => setText(this.#copy, t.copied),
      () => {},
    );
  }

  #drawHistory(history: readonly PastCall[], t: Texts): void {
    // The list is rebuilt only when it differs, to keep the focus of its buttons.
    if (this.#drawnHistory?.history === history && this.#drawnHistory.texts === t) return;
    this.#drawnHistory = { history, texts: t };
    this.#recentNone.hidden = history.length > 0;
    this.#recent.replaceChildren(...history.map((past) => this.#row(past, t)));
  }

  #row(past: PastCall, t: Texts): HTMLLIElement {
    const avatar = document.createElement("span");
    avatar.className = "avatar small";
    avatar.setAttribute("aria-hidden", "true");
    setAvatar(avatar, past.peer);

    const name = document.createElement("span");
    name.className = "name";
    name.textContent = past.peer;
    const about = document.createElement("span");
    about.className = "about";
    about.textContent = [
      past.direction === "outgoing" ? t.outgoingCall : t.incomingCall,
      outcomeLabel(t, past),
      past.end.durationSeconds > 0 ? clock(past.end.durationSeconds) : "",
      when(past.at, new Date(), document.documentElement.lang),
    ]
      .filter((part) => part !== "")
      // On a phone it takes two lines: broken between the parts, not in a time or date.
      .map((part) => part.replaceAll(/\s/g, "\u00a0"))
      .join("\u00a0· ");
    const words = document.createElement("span");
    words.className = "words";
    words.append(name, about);

    const call = document.createElement("button");
    call.type = "button";
    call.className = "plain round";
    call.append(icon(past.video ? "video" : "phone"));
    setLabel(call, t.callName(past.peer));
    call.addEventListener("click", () => this.#actions.call(past.peer, past.video));

    const row = document.createElement("li");
    row.classList.toggle("missed", missed(past));
    row.append(avatar, words, call);
    return row;
  }
}
