/**
 * A generator of pseudo-random numbers: mulberry32, which needs only 32-bit integers, so
 * that every language computes the same numbers. Any seed is good.
 */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** The next number, of 32 bits. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }

  /** Whole milliseconds from 0 up to a limit, which they do not reach. */
  below(limitMs: number): number {
    return this.next() % limitMs;
  }
}
