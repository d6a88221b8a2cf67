/** Draws a person to the page when somebody calls: the tab's title, and a notification when it is hidden. */
export class Attention {
  #title: string;
  #call: { text: string; timer: ReturnType<typeof setInterval> } | null = null;
  #notification: Notification | null = null;

  constructor(title: string) {
    this.#title = title;
  }

  /** The title in peaceful times. */
  setTitle(title: string): void {
    this.#title = title;
    if (!this.#call) document.title = title;
  }

  /** Whether it makes sense to ask for notifications. */
  get mayAsk(): boolean {
    return (
      typeof Notification !== "undefined" &&
      isSecureContext &&
      Notification.permission === "default"
    );
  }

  /** To be called in a gesture. Resolves when the person has answered. */
  async ask(): Promise<void> {
    await Notification.requestPermission();
  }

  /** Somebody calls, with these words; null when nobody does (any more). */
  draw(text: string | null): void {
    if (this.#call?.text === text) return;
    if (text === null) this.#rest();
    else this.#flash(text);
  }

  #flash(text: string): void {
    this.#rest();
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    document.title = `● ${text}`;
    const timer = setInterval(() => {
      document.title = still || document.title === this.#title ? `● ${text}` : this.#title;
    }, 1_000);
    this.#call = { text, timer };
    if (document.hidden) this.#notify(text);
  }

  #notify(text: string): void {
    if (typeof Notification === "undefined" || Notification.permission !== "granted") return;
    // Some browsers on phones have the constructor and throw: they ring without it.
    try {
      this.#notification = new Notification(text, { tag: "peal.call", requireInteraction: true });
    } catch {
      return;
    }
    this.#notification.onclick = () => {
      window.focus();
      this.#notification?.close();
    };
  }

  #rest(): void {
    if (!this.#call) return;
    clearInterval(this.#call.timer);
    this.#call = null;
    this.#notification?.close();
    this.#notification = null;
    document.title = this.#title;
  }
}
