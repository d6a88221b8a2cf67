import type { CallUpdateJson } from "../gen/peal_pb";
import { generationOf, idOf, revOf } from "./wire";

/**
 * How many calls beside the active one a device remembers. An account is in one at a time;
 * updates of the others are late.
 */
const shadowsMost = 8;

/**
 * The newest update of each live call beside the active one, oldest call first: this device's
 * own invitation may fail, while one of them still rings.
 */
export class Shadows {
  #all: CallUpdateJson[] = [];

  /** Keeps the newer update of a call, with the offer of an older one. */
  keep(u: CallUpdateJson): void {
    const i = this.#index(idOf(u.call));
    const was = this.#all[i];
    if (was === undefined) {
      if (this.#all.length === shadowsMost) this.#all.shift();
      this.#all.push(u);
      return;
    }
    this.#all[i] = newest(was, u);
  }

  /** Forgets a call that is over. */
  drop(id: string): void {
    const i = this.#index(id);
    if (i >= 0) this.#all.splice(i, 1);
  }

  /** Gives all updates, and forgets them. */
  take(): CallUpdateJson[] {
    const all = this.#all;
    this.#all = [];
    return all;
  }

  get empty(): boolean {
    return this.#all.length === 0;
  }

  has(id: string): boolean {
    return this.#index(id) >= 0;
  }

  #index(id: string): number {
    return this.#all.findIndex((u) => idOf(u.call) === id);
  }
}

function newest(was: CallUpdateJson, u: CallUpdateJson): CallUpdateJson {
  const [old, fresh] = [was.call ?? {}, u.call ?? {}];
  const [older, newer] = revOf(old) > revOf(fresh) ? [u, was] : [was, u];
  if (newer.offer || !older.offer || generationOf(old) !== generationOf(fresh)) return newer;
  return { ...newer, offer: older.offer, iceServers: older.iceServers ?? [] };
}
