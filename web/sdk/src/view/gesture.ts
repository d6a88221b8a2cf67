const gestures = ["pointerdown", "pointerup", "keydown"];

/** Waits for what the person does next in the page: before that browsers play nothing. */
export class Gesture {
  #awaited = false;
  readonly #heard: () => void;
  readonly #tell: (awaited: boolean) => void;

  /** `heard` gets each gesture: some are none that the browser goes by. `tell` hears whether one is awaited. */
  constructor(heard: () => void, tell: (awaited: boolean) => void) {
    this.#heard = heard;
    this.#tell = tell;
  }

  await(awaited: boolean): void {
    if (this.#awaited === awaited) return;
    this.#awaited = awaited;
    for (const type of gestures)
      document[awaited ? "addEventListener" : "removeEventListener"](type, this.#heard, true);
    this.#tell(awaited);
  }
}

/** Whether the browser refused to play because it wants a gesture first. */
export function wantsGesture(e: unknown): boolean {
  return e instanceof DOMException && e.name === "NotAllowedError";
}
