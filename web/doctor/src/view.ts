import { find, setLabel, setText } from "../../demo/src/dom";
import type { Doctor, Entry } from "./doctor";
import {
  type Check,
  deviceChecks,
  type Finding,
  networkChecks,
  type State,
  settingWords,
  worst,
} from "./finding";
import { ofDev, splitFlags } from "./flags";
import { devTables, type Language, plainText, type Texts, tables } from "./strings";

/** What people do on the page. */
export interface Actions {
  again(): void;
  useToken(token: string): void;
  devices(): void;
  toggleLanguage(): void;
}

const icons: Readonly<Record<State | "running", string>> = {
  ok: "ok",
  warning: "warn",
  failed: "close",
  not_checked: "dash",
  running: "dots",
};

/** The whole page: draws what was found so far into index.html. */
export class View {
  readonly meter = find("level", HTMLMeterElement);
  readonly video = find("preview", HTMLVideoElement);
  readonly #again = find("again", HTMLButtonElement);
  readonly #copy = find("copy", HTMLButtonElement);
  readonly #devices = find("devices-start", HTMLButtonElement);
  readonly #live = find("live", HTMLElement);
  readonly #login = find("login", HTMLFormElement);
  readonly #token = find("token", HTMLTextAreaElement);
  readonly #verdict = find("verdict", HTMLElement);
  readonly #language = find("lang", HTMLButtonElement);
  readonly #rows = new Map<Check, Row>();
  readonly #dev: boolean;

  /** `dev`: the server is a `peal dev`. */
  constructor(actions: Actions, dev: boolean) {
    this.#dev = dev;
    this.#again.addEventListener("click", () => actions.again());
    this.#devices.addEventListener("click", () => actions.devices());
    this.#language.addEventListener("click", () => actions.toggleLanguage());
    this.#login.addEventListener("submit", (event) => {
      event.preventDefault();
      actions.useToken(this.#token.value.trim());
    });
    const lists: [string, readonly Check[]][] = [
      ["network", networkChecks],
      ["devices", deviceChecks],
    ];
    for (const [list, checks] of lists) {
      for (const check of checks) {
        const row = new Row(check, dev);
        this.#rows.set(check, row);
        find(list, HTMLUListElement).append(row.element);
      }
    }
  }

  draw(doctor: Doctor, language: Language, devicesOn: boolean): void {
    const t = (this.#dev ? devTables : tables)[language];
    this.#translate(language, t);
    const states: State[] = [];
    for (const [check, row] of this.#rows) {
      const entry = doctor.entries.get(check);
      row.draw(entry, t);
      if (entry?.finding) states.push(entry.finding.state);
    }
    this.#again.disabled = doctor.running;
    const token = doctor.entries.get("token")?.finding?.state;
    this.#login.hidden = !doctor.needsToken || doctor.running || token === "ok";
    this.#live.hidden = !devicesOn;
    setText(this.#devices, devicesOn ? t.devicesStop : t.devicesStart);
    const found = worst(states);
    const partly = found === "ok" && token === "not_checked";
    const state = doctor.running ? "running" : partly ? "not_checked" : found;
    document.body.setAttribute("data-state", state);
    setText(this.#verdict, verdictWords(t, state));
    this.#copy.onclick = () => this.#copyReport(doctor, t);
  }

  #translate(language: Language, t: Texts): void {
    document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
    document.title = `Peal – ${t.title}`;
    for (const element of document.querySelectorAll("[data-text]")) {
      setText(element, plainText(t, element.getAttribute("data-text") ?? "") ?? "");
    }
    setLabel(this.#language, t.otherLanguageLabel);
    this.meter.setAttribute("aria-label", t.level);
  }

  /** For a mail to who runs the server: the token is not in it. */
  #copyReport(doctor: Doctor, t: Texts): void {
    const lines = [location.origin, new Date().toISOString(), navigator.userAgent];
    for (const [check, { finding, tookMs }] of doctor.entries) {
      if (!finding) continue;
      lines.push(`${finding.state}  ${check}  ${finding.seen(t)}  (${tookMs} ms)`);
      const settings = shownSettings(t, finding, this.#dev).join(", ");
      const before = settings === "" ? "" : `${settings}: `;
      if (finding.advice) lines.push(`    ${before}${finding.advice(t)}`);
    }
    navigator.clipboard?.writeText(lines.join("\n")).then(
      () => setText(this.#copy, t.copied),
      () => {},
    );
  }
}

function verdictWords(t: Texts, state: State | "running"): string {
  switch (state) {
    case "running":
      return t.running;
    case "failed":
      return t.someFailed;
    case "warning":
      return t.someWarn;
    case "ok":
      return t.allWell;
    case "not_checked":
      return t.someLeft;
  }
}

/** One check in a list. */
class Row {
  readonly element = document.createElement("li");
  readonly #check: Check;
  readonly #dev: boolean;
  readonly #use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  readonly #title = document.createElement("strong");
  readonly #state = part("state");
  readonly #took = part("took");
  readonly #seen = document.createElement("p");
  readonly #advice = document.createElement("p");

  constructor(check: Check, dev: boolean) {
    this.#check = check;
    this.#dev = dev;
    const icon = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    icon.classList.add("icon");
    icon.setAttribute("aria-hidden", "true");
    icon.append(this.#use);
    const head = document.createElement("div");
    head.className = "head";
    head.append(this.#title, this.#state, this.#took);
    const words = document.createElement("div");
    words.className = "words";
    this.#advice.className = "advice";
    words.append(head, this.#seen, this.#advice);
    this.element.append(icon, words);
    this.element.setAttribute("data-check", check);
  }

  draw(entry: Entry | undefined, t: Texts): void {
    const finding = entry?.finding ?? null;
    const state = finding?.state ?? (entry ? "running" : "not_checked");
    this.element.setAttribute("data-state", state);
    this.#use.setAttribute("href", `#i-${icons[state]}`);
    setText(this.#title, titleOf(t, this.#check));
    setText(this.#state, stateWords(t, state));
    const timed = finding !== null && state !== "not_checked";
    setText(this.#took, timed ? took(entry?.tookMs ?? 0) : "");
    this.#seen.replaceChildren(...words(finding ? finding.seen(t) : ""));
    this.#seen.hidden = finding === null;
    const settings = finding ? shownSettings(t, finding, this.#dev) : [];
    this.element.setAttribute("data-settings", settings.join(" "));
    this.#advice.hidden = !finding?.advice;
    if (finding?.advice)
      this.#advice.replaceChildren(...flags(settings), ...words(finding.advice(t)));
  }
}

/** The settings of a finding that this server has, in words. */
function shownSettings(t: Texts, finding: Finding, dev: boolean): string[] {
  const all = settingWords(t, finding);
  return dev ? ofDev(all) : all;
}

/** A text whose flags are not broken over two lines. */
function words(text: string): (Element | string)[] {
  return splitFlags(text).map((one) => {
    if (!one.startsWith("--")) return one;
    const flag = part("flag");
    flag.textContent = one;
    return flag;
  });
}

function part(name: string): HTMLSpanElement {
  const span = document.createElement("span");
  span.className = name;
  return span;
}

/** Each setting as a label before the advice. */
function flags(settings: readonly string[]): Element[] {
  return settings.map((one) => {
    const code = document.createElement("code");
    code.textContent = one;
    return code;
  });
}

function took(ms: number): string {
  return ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(1)} s`;
}

function stateWords(t: Texts, state: State | "running"): string {
  switch (state) {
    case "ok":
      return t.stateOk;
    case "warning":
      return t.stateWarning;
    case "failed":
      return t.stateFailed;
    case "not_checked":
      return t.stateNotChecked;
    case "running":
      return t.stateRunning;
  }
}

function titleOf(t: Texts, check: Check): string {
  const titles: Readonly<Record<Check, string>> = {
    server: t.checkServer,
    secure: t.checkSecure,
    browser: t.checkBrowser,
    clock: t.checkClock,
    websocket: t.checkWebSocket,
    token: t.checkToken,
    stun: t.checkStun,
    "turn-udp": t.checkTurnUdp,
    "relay-udp": t.checkRelayUdp,
    "turn-tcp": t.checkTurnTcp,
    "relay-tcp": t.checkRelayTcp,
    "turn-tls": t.checkTurnTls,
    "relay-tls": t.checkRelayTls,
    "relay-direct": t.checkRelayDirect,
    microphone: t.checkMicrophone,
    camera: t.checkCamera,
  };
  return titles[check];
}
