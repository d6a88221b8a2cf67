import type { RecordMemory } from "./device/records";

/**
 * What the pages of this browser remember of the records of each account, so that each record
 * is reported once. The device decides what that is; here it is only kept.
 */
export class RecordStore {
  readonly #prefix: string;
  readonly #heard: (memory: RecordMemory) => void;

  /** `heard` gets what is kept, and what another page of this browser keeps later. */
  constructor(server: string, heard: (memory: RecordMemory) => void) {
    this.#prefix = `peal.records ${server} `;
    this.#heard = heard;
    window.addEventListener("storage", this.#stored);
    // A page may be denied its storage: then it asks for the last days each time.
    try {
      for (const [key, text] of Object.entries(localStorage)) this.#read(key, text);
    } catch {}
  }

  close(): void {
    window.removeEventListener("storage", this.#stored);
  }

  write({ account, latest, told }: RecordMemory): void {
    try {
      localStorage.setItem(this.#prefix + account, JSON.stringify({ latest, told }));
    } catch {}
  }

  readonly #stored = (e: StorageEvent): void => this.#read(e.key, e.newValue);

  #read(key: string | null, text: unknown): void {
    if (!key?.startsWith(this.#prefix) || typeof text !== "string") return;
    try {
      const { latest, told } = JSON.parse(text) as Partial<RecordMemory>;
      if (typeof latest === "number" && typeof told === "object" && told !== null)
        this.#heard({ account: key.slice(this.#prefix.length), latest, told });
    } catch {
      // Another program's, or an unknown version's.
    }
  }
}
