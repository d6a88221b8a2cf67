import type { Store } from "./api/types";

/** A state that is read when asked, and whose listeners run once after whatever changes it in one go. */
export class SnapshotStore<T extends object> implements Store<T> {
  readonly #read: () => T;
  readonly #listeners = new Set<() => void>();
  #last: T;
  #told: T;
  #telling = false;

  constructor(read: () => T, first: T) {
    this.#read = read;
    this.#last = Object.freeze(first);
    this.#told = this.#last;
  }

  subscribe(listener: () => void): () => void {
    const own = (): void => listener(); // The same function may subscribe twice.
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  get subscribers(): number {
    return this.#listeners.size;
  }

  getSnapshot(): T {
    const now = this.#read();
    if (!same(now, this.#last)) this.#last = Object.freeze(now);
    return this.#last;
  }

  /** Something may have changed: listeners are called once everything that changed with it has. */
  changed(): void {
    if (this.#telling || this.#listeners.size === 0) return;
    this.#telling = true;
    queueMicrotask(() => {
      this.#telling = false;
      if (this.getSnapshot() === this.#told) return;
      this.#told = this.#last;
      for (const listener of [...this.#listeners]) {
        try {
          listener();
        } catch (e) {
          reportError(e);
        }
      }
    });
  }
}

/** Equal all the way down, as far as plain objects and lists go. */
function same(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (!plain(a) || !plain(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => same(a[key], b[key]));
}

function plain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === Array.prototype;
}
