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

  has(id: string): boolean {
    return this.#news.has(id);
  }

  /** Keeps the newer news of a call, with the offer that came with others. */
  keep(id: string, update: CallUpdateJson): void {
    const was = this.#news.get(id);
    const [older, newer] =
      was && (was.call?.rev ?? 0) > (update.call?.rev ?? 0) ? [update, was] : [was, update];
    const owed = !newer.offer && older?.call?.generation === newer.call?.generation;
    const { offer = "", iceServers = [] } = (owed && older) || {};
    this.#news.set(id, offer ? { ...newer, offer, iceServers } : newer);
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
