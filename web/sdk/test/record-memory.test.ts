import { beforeEach, expect, test, vi } from "vitest";
import { RecordStore } from "../src/record-memory";

const key = "peal.records wss://peal.test alice";
const memory = (told: Record<string, number>, latest = 9) => ({ account: "alice", latest, told });

let kept: Map<string, string>;
let denied: boolean;

beforeEach(() => {
  kept = new Map();
  denied = false;
  const deny = () => {
    if (denied) throw new Error("denied");
  };
  const local = {
    getItem: (k: string) => {
      deny();
      return kept.get(k) ?? null;
    },
    setItem: (k: string, text: string) => {
      deny();
      kept.set(k, text);
    },
  };
  vi.stubGlobal("window", new EventTarget());
  vi.stubGlobal("localStorage", local);
});

const open = () => {
  const heard = vi.fn();
  return { store: new RecordStore("wss://peal.test", heard), heard };
};

const told = () => Object.keys(JSON.parse(kept.get(key) ?? "{}").told ?? {}).sort();

test("a page that slept does not overwrite what another page wrote meanwhile", () => {
  const asleep = open();
  const awake = open();
  asleep.store.write(memory({ a: 1 }));
  awake.store.write(memory({ a: 1, b: 2 })); // It has not read a either.
  awake.store.write(memory({ a: 1, b: 2 }));
  expect(told()).toEqual(["a", "b"]);

  // The storage event waits while the page sleeps. It wakes, and delivers a record.
  asleep.heard.mockClear();
  asleep.store.write(memory({ a: 1, c: 3 }));
  expect(told()).toEqual(["a", "b"]);
  expect(asleep.heard).toHaveBeenCalledExactlyOnceWith(memory({ a: 1, b: 2 }));

  // The device has merged both.
  asleep.store.write(memory({ a: 1, b: 2, c: 3 }));
  expect(told()).toEqual(["a", "b", "c"]);
  expect(asleep.heard).toHaveBeenCalledOnce();
});

test("a memory that was deleted, or is no memory, is written again", () => {
  const { store, heard } = open();
  store.write(memory({ a: 1 }));
  kept.delete(key);
  store.write(memory({ a: 1, b: 2 }));
  expect(told()).toEqual(["a", "b"]);
  kept.set(key, "{");
  store.write(memory({ a: 1, b: 2, c: 3 }));
  expect(told()).toEqual(["a", "b", "c"]);
  expect(heard).not.toHaveBeenCalled();
});

test("a page without storage goes on", () => {
  const { store, heard } = open();
  denied = true;
  store.write(memory({ a: 1 }));
  store.write(memory({ a: 1, b: 2 }));
  denied = false;
  store.write(memory({ a: 1, b: 2, c: 3 }));
  expect(told()).toEqual(["a", "b", "c"]);
  expect(heard).not.toHaveBeenCalled();
});

test("what another page writes is given to the device, and nothing of other programs", () => {
  const { store, heard } = open();
  const event = (k: string | null, newValue: string | null) => {
    window.dispatchEvent(Object.assign(new Event("storage"), { key: k, newValue }));
  };
  event(key, JSON.stringify({ latest: 9, told: { a: 1 } }));
  expect(heard).toHaveBeenCalledExactlyOnceWith(memory({ a: 1 }));
  event("theirs", JSON.stringify({ latest: 9, told: {} }));
  event(key, JSON.stringify({ latest: "9", told: {} }));
  event(key, null);
  event(null, null);
  expect(heard).toHaveBeenCalledOnce();
  store.close();
  event(key, JSON.stringify({ latest: 9, told: { b: 1 } }));
  expect(heard).toHaveBeenCalledOnce();
});
