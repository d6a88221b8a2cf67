import { beforeEach, describe, expect, it, vi } from "vitest";
import { claimDevice } from "../src/identity";

let taken: Set<string>;
let storage: Map<string, string>;

beforeEach(() => {
  taken = new Set();
  storage = new Map();
  vi.restoreAllMocks();
  vi.stubGlobal("sessionStorage", {
    getItem: (key: string) => storage.get(key) ?? null,
    setItem: (key: string, value: string) => storage.set(key, value),
  });
  const request = async (
    name: string,
    _: LockOptions,
    held: (lock: object | null) => Promise<void> | undefined,
  ): Promise<void> => {
    if (taken.has(name)) return held(null);
    taken.add(name);
    await held({});
    taken.delete(name);
  };
  vi.stubGlobal("navigator", { locks: { request } });
});

/** Loads the page again: what it was is let go, and what it had stored stays. */
const reload = () => {
  taken.clear();
  return claimDevice();
};

describe("a device", () => {
  it("is the same after a reload", async () => {
    const { id } = await claimDevice();
    expect((await reload()).id).toBe(id);
  });
  it("is another one in a tab that was duplicated", async () => {
    const { id, release } = await claimDevice();
    expect((await claimDevice()).id).not.toBe(id);
    release();
    await Promise.resolve();
    expect((await claimDevice()).id).toBe(id);
  });
  it("is another one in each load without locks", async () => {
    vi.stubGlobal("navigator", {});
    const { id } = await claimDevice();
    expect((await reload()).id).not.toBe(id);
  });
});

describe("attempts", () => {
  it("only go on, also where the clock is set back between two loads", async () => {
    const clock = vi.spyOn(Date, "now").mockReturnValue(5_000);
    const before = await claimDevice();
    expect([before.attemptAt(), before.attemptAt()]).toEqual([5_000, 5_001]);
    clock.mockReturnValue(1_000);
    const after = await reload();
    expect([after.attemptAt(), after.attemptAt()]).toEqual([5_002, 5_003]);
    clock.mockReturnValue(9_000);
    expect(after.attemptAt()).toBe(9_000);
  });
  it("of a device of its own tell nothing of the others", async () => {
    vi.spyOn(Date, "now").mockReturnValue(5_000);
    const first = await claimDevice();
    first.attemptAt();
    expect((await claimDevice()).attemptAt()).toBe(5_000);
    expect(first.attemptAt()).toBe(5_001);
  });
  it("go by the clock where what was kept makes no sense", async () => {
    storage.set("peal.device.attempt", "x");
    vi.spyOn(Date, "now").mockReturnValue(5_000);
    expect((await claimDevice()).attemptAt()).toBe(5_000);
  });
});
