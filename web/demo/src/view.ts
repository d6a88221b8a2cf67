import { IncomingCard } from "./card";
import { find, setLabel, setText } from "./dom";
import { Lobby } from "./lobby";
import type { Actions, Model, Stage } from "./model";
import { CallStage } from "./stage";
import { plainText, type Texts, tables } from "./strings";
import { problemWords, statusWords } from "./words";

/** The whole page: draws a model into index.html, the same model always the same way. */
export class View {
  readonly #actions: Actions;
  readonly #bar = find("bar", HTMLElement);
  readonly #me = find("me", HTMLElement);
  readonly #account = find("account", HTMLElement);
  readonly #server = find("server", HTMLElement);
  readonly #language = find("lang", HTMLButtonElement);
  readonly #main = find("main", HTMLElement);
  readonly #problem = find("problem", HTMLElement);
  readonly #problemHeadline = find("problem-headline", HTMLElement);
  readonly #problemAdvice = find("problem-advice", HTMLElement);
  readonly #problemAction = find("problem-action", HTMLButtonElement);
  readonly #status = find("status", HTMLElement);
  readonly #lobby: Lobby;
  readonly #call: CallStage;
  readonly #card: IncomingCard;
  #texts: Texts | null = null;
  #stage: Stage | null = null;

  /** `name` and `peer` are what the fields hold at first. */
  constructor(actions: Actions, name: string, peer: string) {
    this.#actions = actions;
    this.#lobby = new Lobby(actions, name, peer);
    this.#call = new CallStage(actions);
    this.#card = new IncomingCard(actions);
    this.#language.addEventListener("click", () => actions.toggleLanguage());
    find("logout", HTMLButtonElement).addEventListener("click", () => actions.logout());
    find("dismiss", HTMLButtonElement).addEventListener("click", () => actions.dismiss());
    document.addEventListener("keydown", (event) => this.#key(event));
  }

  get local(): HTMLElement {
    return this.#call.local;
  }

  get remote(): HTMLElement {
    return this.#call.remote;
  }

  draw(model: Model): void {
    const t = tables[model.language];
    if (this.#texts !== t) this.#translate(model, t);
    document.body.setAttribute("data-state", model.stage);
    this.#drawBar(model, t);
    this.#lobby.draw(model, t);
    this.#call.draw(model, t);
    this.#card.draw(model, t);
    this.#drawProblem(model, t);
    setText(this.#status, statusWords(t, model));
    if (this.#stage !== model.stage) this.#enter(model);
  }

  /** The texts that never change but with the language. */
  #translate(model: Model, t: Texts): void {
    this.#texts = t;
    document.documentElement.lang = model.language === "zh" ? "zh-CN" : "en";
    for (const element of document.querySelectorAll<HTMLElement>("[data-text]")) {
      setText(element, plainText(t, element.getAttribute("data-text") ?? "") ?? "");
    }
    for (const element of document.querySelectorAll<HTMLElement>("[data-label]")) {
      setLabel(element, plainText(t, element.getAttribute("data-label") ?? "") ?? "");
    }
    this.#language.lang = model.language === "zh" ? "en" : "zh-CN";
  }

  #drawBar(model: Model, t: Texts): void {
    const inCall = inCallStages.has(model.stage);
    this.#bar.hidden = inCall;
    this.#main.hidden = inCall;
    // What lies under the card of an incoming call is out of reach until it is decided.
    this.#bar.inert = this.#main.inert = model.stage === "called";
    this.#me.hidden = model.stage === "login" || model.stage === "serve";
    setText(this.#account, model.account);
    this.#server.classList.toggle("away", model.server !== "online");
    setText(this.#server, model.server === "online" ? t.online : t.serverConnecting);
  }

  #drawProblem(model: Model, t: Texts): void {
    const { problem } = model;
    this.#problem.hidden = problem === null;
    if (!problem) return;
    const { headline, advice } = problemWords(t, problem);
    setText(this.#problemHeadline, headline);
    setText(this.#problemAdvice, advice);
    const { withoutCamera } = problem;
    this.#problemAction.hidden = withoutCamera === undefined;
    this.#problemAction.onclick = () => this.#actions.call(withoutCamera ?? "", false);
  }

  /** Takes the focus along: it must not stay on what is hidden now. */
  #enter(model: Model): void {
    this.#stage = model.stage;
    if (model.stage === "called") this.#card.focus();
    else if (inCallStages.has(model.stage)) this.#call.focus();
    else this.#lobby.focus(model);
  }

  /** Keys in a call: M for the microphone, V for the camera, S for the screen. None that ends it. */
  #key(event: KeyboardEvent): void {
    if (!this.#stage || !inCallStages.has(this.#stage)) return;
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (event.key.toLowerCase() === "m") this.#actions.toggleMicrophone();
    if (event.key.toLowerCase() === "v") this.#actions.toggleCamera();
    if (event.key.toLowerCase() === "s") this.#actions.toggleScreen();
  }
}

const inCallStages: ReadonlySet<Stage> = new Set<Stage>(["calling", "connecting", "connected"]);
