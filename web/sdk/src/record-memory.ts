import type { RecordMemory } from "./device/records";

/**
 * What the pages of this browser remember of an account's records, so that each is reported
 * once. The device decides what that is; here it is only kept.
 */
export class RecordStore {
  readonly #key: string;
  readonly #heard: (memory: RecordMemory) => void;

  /** `heard` gets what another page of this browser keeps. */
  constructor(server: string, account: string, heard: (memory: RecordMemory) => void) {
    this.#key = `peal.records ${server} ${account}`;
    this.#heard = heard;
    window.addEventListener("storage", this.#stored);
  }

  close(): void {
    window.removeEventListener("storage", this.#stored);
  }

  // A page may be denied its storage: then it asks for the last days each time.

  read(): RecordMemory | null {
    try {
      return parse(localStorage.getItem(this.#key));
    } catch {
      return null;
    }
  }

  write({ latest, told }: RecordMemory): void {
    try {
      localStorage.setItem(this.#key, JSON.stringify({ latest, told }));
    } catch {
      // See above.
    }
  }

  readonly #stored = ({ key, newValue }: StorageEvent): void => {
    const memory = key === this.#key ? parse(newValue) : null;
    if (memory) this.#heard(memory);
  };
}

function parse(text: string | null): RecordMemory | null {
  try {
    const kept = JSON.parse(text ?? "null") as Partial<RecordMemory> | null;
    const { latest, told } = kept ?? {};
    return typeof latest === "number" && typeof told === "object" && told !== null
      ? { latest, told }
      : null;
  } catch {
    return null;
  }
}

/** The account that a token names; empty where it names none. */
export function accountOf(token: string): string {
  try {
    const body = (token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(body), (c) => c.charCodeAt(0));
    const { sub } = JSON.parse(new TextDecoder().decode(bytes)) as { sub?: unknown };
    return typeof sub === "string" ? sub : "";
  } catch {
    return "";
  }
}
