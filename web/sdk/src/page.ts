import type { Input } from "./device/io";

const events = ["offline", "online", "pageshow", "pagehide"];

/** What of the page the device hears: that it sleeps, wakes, goes away, and which network it has. */
export class Page implements EventListenerObject {
  readonly #input: (input: Input) => void;

  constructor(input: (input: Input) => void) {
    this.#input = input;
    for (const type of events) window.addEventListener(type, this);
    document.addEventListener("visibilitychange", this);
  }

  close(): void {
    for (const type of events) window.removeEventListener(type, this);
    document.removeEventListener("visibilitychange", this);
  }

  handleEvent({ type }: Event): void {
    if (type === "pagehide") {
      this.#input({ kind: "leaving" });
      return;
    }
    if (type.endsWith("line")) this.#input({ kind: "networkChanged" });
    if (type !== "offline" && document.visibilityState === "visible")
      this.#input({ kind: "probe" });
  }
}
