import type { Input } from "./device/io";

/** What of the page the device hears: that it sleeps, wakes, goes away, and which network it has. */
export class Page {
  readonly #input: (input: Input) => void;

  constructor(input: (input: Input) => void) {
    this.#input = input;
    this.#listen("addEventListener");
  }

  close(): void {
    this.#listen("removeEventListener");
  }

  readonly #wake = (): void => {
    if (document.visibilityState === "visible") this.#input({ kind: "probe" });
  };
  readonly #network = (): void => this.#input({ kind: "networkChanged" });
  readonly #leave = (): void => this.#input({ kind: "leaving" });

  #listen(change: "addEventListener" | "removeEventListener"): void {
    window[change]("offline", this.#network);
    window[change]("online", this.#network);
    window[change]("online", this.#wake);
    window[change]("pageshow", this.#wake);
    window[change]("pagehide", this.#leave);
    document[change]("visibilitychange", this.#wake);
  }
}
