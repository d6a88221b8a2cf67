import type { CallUpdateJson } from "./gen/peal_pb";

/** How many calls are kept in mind. An account is in one at a time; the others are late news. */
const shadowsMost = 8;

/**
 * The newest news of other live calls than the active one, in the order in which they
 * came to be known: this page's own invitation may come to nothing, and one of them
 * ring on.
 */
export class Shadows {
  readonly #news = new Map<string, CallUpdateJson>();

  /** Keeps news of a call, with the offer that came before. */
  keep(id: string, update: CallUpdateJson): void {
    const was = this.#news.get(id);
    if (was && (was.call?.rev ?? 0) > (update.call?.rev ?? 0)) return;
    const { offer, iceServers = [] } = was ?? {};
    const owed = offer && !update.offer && was?.call?.generation === update.call?.generation;
    this.#news.set(id, owed ? { ...update, offer, iceServers } : update);
    if (this.#news.size > shadowsMost)
      for (const oldest of this.#news.keys()) return void this.drop(oldest);
  }

  /** Forgets a call that is over. */
  drop(id: string): void {
    this.#news.delete(id);
  }

  /** Empties it. */
  take(): CallUpdateJson[] {
    const all = [...this.#news.values()];
    this.#news.clear();
    return all;
  }
}
