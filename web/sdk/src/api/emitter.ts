import { bindMembers } from "./members";
import type { EventMap, Listenable } from "./types";

/** Any function: pages may type what a listener gets in their own way. */
export type Listener = (...args: never[]) => void;

interface Entry {
  readonly listener: Listener;
  /** What `this` is in the listener. */
  readonly context: unknown;
  readonly once: boolean;
}

/**
 * Events with types, in the manners of eventemitter3. One thing differs: a listener that
 * throws does not stop the others, and its error is reported as an uncaught one.
 */
export class Emitter<E extends EventMap<E>> implements Listenable<E> {
  readonly #entries = new Map<PropertyKey, readonly Entry[]>();

  constructor() {
    bindMembers(this);
  }

  /** Calls the listener at each event. In it, `this` is `context`, by default the emitter. */
  on<K extends keyof E>(event: K, listener: E[K], context?: unknown): this;
  on(event: PropertyKey, listener: Listener, context?: unknown): this;
  on(event: PropertyKey, listener: Listener, context?: unknown): this {
    return this.#add(event, listener, context, false);
  }

  /** The same as `on`. */
  addListener<K extends keyof E>(event: K, listener: E[K], context?: unknown): this;
  addListener(event: PropertyKey, listener: Listener, context?: unknown): this;
  addListener(event: PropertyKey, listener: Listener, context?: unknown): this {
    return this.#add(event, listener, context, false);
  }

  /** Calls the listener at the next event alone. */
  once<K extends keyof E>(event: K, listener: E[K], context?: unknown): this;
  once(event: PropertyKey, listener: Listener, context?: unknown): this;
  once(event: PropertyKey, listener: Listener, context?: unknown): this {
    return this.#add(event, listener, context, true);
  }

  /** Drops a listener: where they are given, only with this context, or only one of `once`. Without a listener: all of the event. */
  off<K extends keyof E>(event: K, listener?: E[K], context?: unknown, once?: boolean): this;
  off(event: PropertyKey, listener?: Listener, context?: unknown, once?: boolean): this;
  off(event: PropertyKey, listener?: Listener, context?: unknown, once?: boolean): this {
    const rest = (this.#entries.get(event) ?? []).filter(
      (e) =>
        listener &&
        (e.listener !== listener ||
          (context !== undefined && e.context !== context) ||
          (once === true && !e.once)),
    );
    if (rest.length > 0) this.#entries.set(event, rest);
    else this.#entries.delete(event);
    return this;
  }

  /** The same as `off`. */
  removeListener<K extends keyof E>(
    event: K,
    listener?: E[K],
    context?: unknown,
    once?: boolean,
  ): this;
  removeListener(event: PropertyKey, listener?: Listener, context?: unknown, once?: boolean): this;
  removeListener(event: PropertyKey, listener?: Listener, context?: unknown, once?: boolean): this {
    return this.off(event, listener, context, once);
  }

  /** Drops the listeners of an event, or of all. */
  removeAllListeners(event?: PropertyKey): this {
    if (event === undefined) this.#entries.clear();
    else this.#entries.delete(event);
    return this;
  }

  /** The listeners of an event. */
  listeners(event: PropertyKey): Listener[] {
    return (this.#entries.get(event) ?? []).map((e) => e.listener);
  }

  /** How many listeners an event has. */
  listenerCount(event: PropertyKey): number {
    return this.#entries.get(event)?.length ?? 0;
  }

  /** The events that have listeners. */
  eventNames(): PropertyKey[] {
    return [...this.#entries.keys()];
  }

  protected emit<K extends keyof E>(event: K, ...args: Parameters<E[K]>): boolean {
    const entries = this.#entries.get(event) ?? [];
    for (const { listener, context, once } of entries) {
      if (once) this.off(event, listener, context, true);
      try {
        (listener as (...args: Parameters<E[K]>) => void).apply(context, args);
      } catch (e) {
        reportError(e);
      }
    }
    return entries.length > 0;
  }

  #add(event: PropertyKey, listener: Listener, context: unknown, once: boolean): this {
    if (typeof listener !== "function")
      throw new TypeError(`the listener of "${String(event)}" is ${typeof listener}, no function`);
    const entry = { listener, context: context ?? this, once };
    this.#entries.set(event, [...(this.#entries.get(event) ?? []), entry]);
    return this;
  }
}
