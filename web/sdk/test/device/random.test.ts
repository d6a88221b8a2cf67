import { expect, it } from "vitest";
import { Random } from "../../src/device/random";

// The device in Go computes the same numbers: its tests hold them too.
it("gives the same numbers in every language", () => {
  const r = new Random(1);
  expect([r.next(), r.next(), r.next()]).toEqual([2693262067, 11749833, 2265367787]);
});

it("gives whole milliseconds below a limit", () => {
  const r = new Random(0xffff_ffff);
  for (let i = 0; i < 1_000; i++) {
    const pause = r.below(250);
    expect(Number.isInteger(pause) && pause >= 0 && pause < 250).toBe(true);
  }
});
