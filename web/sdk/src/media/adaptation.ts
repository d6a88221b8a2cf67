import type { NetworkQuality } from "../api/types";

/** What is left to one's own picture: a part of its bits, and frames a second at most. */
export interface Share {
  readonly bits: number;
  readonly frameRate: number | null;
}

/** From all there is down to what hardly weighs beside speech. */
const shares: readonly Share[] = [
  { bits: 1, frameRate: null },
  { bits: 1 / 2, frameRate: null },
  { bits: 1 / 4, frameRate: 15 },
  { bits: 1 / 8, frameRate: 8 },
  { bits: 1 / 16, frameRate: 5 },
];

/** How many good looks in a row give the picture more; it doubles where that was too early. */
const patience = 3;
const longest = 24;

/**
 * Keeps sound before picture. Browsers fit what they send to the network by
 * themselves, but share a bad one between both; so where what one sends fares
 * badly the picture gives way, at once by half or more, and comes back in steps.
 *
 *     grade 4: one step down    5: two steps    1 or 2, three looks in a row: one step up
 */
export class Adaptation {
  #step = 0;
  #good = 0;
  #wanted = patience;
  /** The last change was a step up, and it has not proved itself yet. */
  #trying = false;

  /** What is left to the picture now. */
  get share(): Share {
    return shares[this.#step] ?? { bits: 1, frameRate: null };
  }

  /** Takes another look; says whether the share has changed. */
  look(uplink: NetworkQuality["uplink"]): boolean {
    const before = this.#step;
    if (uplink >= 4) {
      if (this.#trying) this.#wanted = Math.min(this.#wanted * 2, longest);
      this.#trying = false;
      this.#good = 0;
      this.#step = Math.min(before + uplink - 3, shares.length - 1);
    } else if (uplink === 3) {
      this.#good = 0;
    } else if (uplink > 0) {
      this.#good++;
      if (this.#good >= patience) this.#trying = false;
      if (before > 0 && this.#good >= this.#wanted) {
        this.#good = 0;
        this.#trying = true;
        this.#step = before - 1;
      } else if (before === 0 && !this.#trying) {
        this.#wanted = patience;
      }
    }
    return this.#step !== before;
  }
}
