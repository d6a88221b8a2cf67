import { beforeEach, describe, expect, it, vi } from "vitest";
import { claimDevice, type DeviceIdentity, givesUp } from "../src/identity";

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

async function claim(): Promise<DeviceIdentity> {
  const identity = await claimDevice(() => true);
  if (!identity) throw new Error("no identity");
  return identity;
}

/** Loads the page again: what it was is let go, and what it had stored stays. */
const reload = () => {
  taken.clear();
  return claim();
};

describe("a device", () => {
  it("is the same after a reload", async () => {
    const { id } = await claim();
    expect((await reload()).id).toBe(id);
  });
  it("is another one in a tab that was duplicated", async () => {
    const { id, release } = await claim();
    expect((await claim()).id).not.toBe(id);
    release();
    await Promise.resolve();
    expect((await claim()).id).toBe(id);
  });
  it("is another one in each load without locks", async () => {
    vi.stubGlobal("navigator", {});
    const { id } = await claim();
    expect((await reload()).id).not.toBe(id);
  });
});

describe("its clock", () => {
  it("only goes on, also where the clock is set back between two loads", async () => {
    const clock = vi.spyOn(Date, "now").mockReturnValue(5_000);
    const since = vi.spyOn(performance, "now").mockReturnValue(100);
    const before = await claim();
    since.mockReturnValue(150);
    expect(before.now()).toBe(5_050);
    before.dials();
    clock.mockReturnValue(1_000);
    const after = await reload();
    expect(after.now()).toBe(5_051);
    // A clock that is set while the page is there changes nothing.
    clock.mockReturnValue(9_000_000);
    since.mockReturnValue(160);
    expect(after.now()).toBe(5_061);
  });
  it("of a device of its own goes by nothing that others kept", async () => {
    vi.spyOn(Date, "now").mockReturnValue(5_000);
    vi.spyOn(performance, "now").mockReturnValue(100);
    (await claim()).dials();
    expect((await claim()).now()).toBe(5_000);
  });
  it("goes by the clock where what was kept makes no sense", async () => {
    storage.set("peal.device.attempt", "x");
    vi.spyOn(Date, "now").mockReturnValue(5_000);
    vi.spyOn(performance, "now").mockReturnValue(100);
    expect((await claim()).now()).toBe(5_000);
  });
});

describe("a claim", () => {
  it("waits until an earlier login of the page has given its id up", async () => {
    const first = await claim();
    let over = (): void => {};
    givesUp(
      new Promise<void>((resolve) => {
        over = () => {
          first.release();
          resolve();
        };
      }),
    );
    const second = claim();
    await new Promise((resolve) => setTimeout(resolve, 5));
    over();
    expect((await second).id).toBe(first.id);
  });

  it("that is no longer wanted takes nothing", async () => {
    expect(await claimDevice(() => false)).toBeNull();
    expect(taken.size).toBe(0);
  });
});
