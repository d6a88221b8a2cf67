import { expect, it, vi } from "vitest";
import { SnapshotStore } from "../src/store";

it("gives the same object until something has changed", () => {
  const state = { peer: "bob", tracks: { audio: true }, list: [1] };
  const store = new SnapshotStore(() => structuredClone(state), structuredClone(state));
  const first = store.getSnapshot();
  expect(store.getSnapshot()).toBe(first);
  state.tracks.audio = false;
  const second = store.getSnapshot();
  expect(second).not.toBe(first);
  expect(first).toEqual({ peer: "bob", tracks: { audio: true }, list: [1] });
  expect(Object.isFrozen(second)).toBe(true);
  state.list.push(2);
  expect(store.getSnapshot()).not.toBe(second);
});

it("tells of changes that come together once, and of none that is none", async () => {
  const state = { n: 0 };
  const store = new SnapshotStore(() => ({ ...state }), { n: 0 });
  const told = vi.fn();
  const end = store.subscribe(told);
  state.n = 1;
  store.changed();
  state.n = 2;
  store.changed();
  expect(told).not.toHaveBeenCalled();
  await Promise.resolve();
  expect(told).toHaveBeenCalledTimes(1);
  store.changed();
  await Promise.resolve();
  expect(told).toHaveBeenCalledTimes(1);
  end();
  state.n = 3;
  store.changed();
  await Promise.resolve();
  expect(told).toHaveBeenCalledTimes(1);
});

it("calls every listener, also after one that throws, and one that subscribed twice twice", async () => {
  vi.stubGlobal("reportError", vi.fn());
  let n = 0;
  const store = new SnapshotStore(() => ({ n }), { n });
  const told = vi.fn();
  store.subscribe(() => {
    throw new Error("of the page");
  });
  store.subscribe(told);
  const end = store.subscribe(told);
  n = 1;
  store.changed();
  await Promise.resolve();
  expect(told).toHaveBeenCalledTimes(2);
  expect(reportError).toHaveBeenCalledTimes(1);
  end();
  end();
  n = 2;
  store.changed();
  await Promise.resolve();
  expect(told).toHaveBeenCalledTimes(3);
  vi.unstubAllGlobals();
});

it("tells who subscribes again of a change back to what was told last", async () => {
  let n = 0;
  const store = new SnapshotStore(() => ({ n }), { n });
  n = 1;
  store.getSnapshot();
  const told = vi.fn();
  store.subscribe(told);
  n = 0;
  store.changed();
  await Promise.resolve();
  expect(told).toHaveBeenCalledTimes(1);
});
