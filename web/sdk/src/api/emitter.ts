import type { EventMap, Listenable } from "./types";

type Listener = (...args: never[]) => void;

/**
 * Events with types. A listener that throws does not keep the others from
 * being called: its error is reported as an uncaught one.
 */
export class Emitter<E extends EventMap<E>> implements Listenable<E> {
  readonly #listeners = new Map<keyof E, Listener[]>();

  on<K extends keyof E>(event: K, listener: E[K]): this {
    this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), listener]);
    return this;
  }

  once<K extends keyof E>(event: K, listener: E[K]): this {
    const wrapper = (...args: never[]): void => {
      this.#remove(event, wrapper);
      listener(...args);
    };
    this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), wrapper]);
    this.#originals.set(wrapper, listener);
    return this;
  }

  off<K extends keyof E>(event: K, listener: E[K]): this {
    this.#remove(event, listener);
    return this;
  }

  /** Drops the listeners of one event, or of all. */
  protected drop(event?: keyof E): void {
    if (event === undefined) this.#listeners.clear();
    else this.#listeners.delete(event);
  }

  protected emit<K extends keyof E>(event: K, ...args: Parameters<E[K]>): void {
    for (const listener of this.#listeners.get(event) ?? []) {
      try {
        (listener as (...args: Parameters<E[K]>) => void)(...args);
      } catch (e) {
        reportError(e);
      }
    }
  }

  /** The listeners behind the wrappers of `once`. */
  readonly #originals = new WeakMap<Listener, Listener>();

  #remove(event: keyof E, listener: Listener): void {
    const rest = (this.#listeners.get(event) ?? []).filter(
      (l) => l !== listener && this.#originals.get(l) !== listener,
    );
    this.#listeners.set(event, rest);
  }
}
