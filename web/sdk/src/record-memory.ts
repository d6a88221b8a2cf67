import type { RecordMemory } from "./device/records";

/**
 * What the pages of this browser remember of the records of each account, so that each record
 * is reported once. The device decides what that is; here it is only kept.
 */
export class RecordStore {
  readonly #prefix: string;
  readonly #heard: (memory: RecordMemory) => void;
  /** What this page read or wrote last, by key. */
  readonly #known = new Map<string, string | null>();

  /** `heard` gets what is kept, and what another page of this browser keeps later. */
  constructor(server: string, heard: (memory: RecordMemory) => void) {
    this.#prefix = `peal.records ${server} `;
    this.#heard = heard;
    window.addEventListener("storage", this.#stored);
    for (const [key, text] of kept()) this.#read(key, text);
  }

  close(): void {
    window.removeEventListener("storage", this.#stored);
  }

  /**
   * Keeps what the device gives. A page that slept may not have received yet what another page
   * wrote: then the device is given that first, and it has the union of both written.
   */
  write({ account, latest, told }: RecordMemory): void {
    const key = this.#prefix + account;
    const stored = get(key);
    if (stored !== (this.#known.get(key) ?? null) && this.#read(key, stored)) return;
    const text = JSON.stringify({ latest, told });
    if (set(key, text)) this.#known.set(key, text);
  }

  readonly #stored = (e: StorageEvent): void => {
    if (e.key !== null) this.#read(e.key, e.newValue);
  };

  /** Gives the device what is kept, and says whether it is a memory of records. */
  #read(key: string, text: string | null): boolean {
    if (!key.startsWith(this.#prefix)) return false;
    this.#known.set(key, text);
    const memory = parse(text);
    if (memory) this.#heard({ account: key.slice(this.#prefix.length), ...memory });
    return memory !== null;
  }
}

/** Reads a memory; null for that of another program, or of an unknown version. */
function parse(text: string | null): Pick<RecordMemory, "latest" | "told"> | null {
  try {
    const { latest, told } = JSON.parse(text ?? "null") as Partial<RecordMemory>;
    if (typeof latest === "number" && typeof told === "object" && told !== null)
      return { latest, told };
  } catch {}
  return null;
}

// A page may be denied its storage: then it asks for the last days each time.

function kept(): [string, string][] {
  try {
    return Object.entries(localStorage);
  } catch {
    return [];
  }
}

function get(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function set(key: string, text: string): boolean {
  try {
    localStorage.setItem(key, text);
    return true;
  } catch {
    return false;
  }
}
