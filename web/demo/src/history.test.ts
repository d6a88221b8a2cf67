import { expect, it } from "vitest";
import type { CallRecord } from "../../sdk/src/index";
import { missed, pastCall, remember, remembered, when } from "./history";

function record(callId: string, more: Partial<CallRecord> = {}): CallRecord {
  return {
    callId,
    kind: 2,
    type: 1,
    caller: "bob",
    callee: "alice",
    parties: [],
    reason: "cancelled",
    createdAt: new Date(0),
    endedAt: new Date(1_000),
    durationSeconds: 0,
    ...more,
  };
}

it("sees a record from its own side", () => {
  const incoming = pastCall(record("1"), "alice");
  expect(incoming).toMatchObject({ peer: "bob", direction: "incoming", video: false });
  const outgoing = pastCall(record("1", { caller: "alice", callee: "bob", type: 2 }), "alice");
  expect(outgoing).toMatchObject({ peer: "bob", direction: "outgoing", video: true });
});

it("knows which were missed", () => {
  const of = (more: Partial<CallRecord>): boolean => missed(pastCall(record("1", more), "alice"));
  expect(of({ reason: "cancelled" })).toBe(true);
  expect(of({ reason: "timeout", kind: 4 })).toBe(true);
  expect(of({ reason: "busy", kind: 5 })).toBe(true);
  expect(of({ reason: "rejected", kind: 3 })).toBe(false);
  expect(of({ reason: "completed", kind: 1 })).toBe(false);
  expect(of({ caller: "alice", callee: "bob" })).toBe(false);
});

it("keeps the latest, each once, in the order of their ends", () => {
  const at = (id: string, ms: number) => pastCall(record(id, { endedAt: new Date(ms) }), "alice");
  let history = remember([], at("b", 2));
  history = remember(history, at("a", 1));
  history = remember(history, at("c", 3));
  history = remember(history, at("b", 2));
  expect(history.map((p) => p.end.record?.callId)).toEqual(["c", "b", "a"]);
  for (let i = 0; i < 30; i++) history = remember(history, at(`n${i}`, 10 + i));
  expect(history).toHaveLength(remembered);
  expect(history[0]?.end.record?.callId).toBe("n29");
});

it("says the date when that is not today", () => {
  const noon = new Date(2030, 0, 2, 12, 0);
  expect(when(noon, new Date(2030, 0, 2, 15, 0), "en")).not.toMatch(/Jan/);
  expect(when(noon, new Date(2030, 0, 3, 1, 0), "en")).toMatch(/Jan 2/);
});
