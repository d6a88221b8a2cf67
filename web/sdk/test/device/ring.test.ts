import { expect, it } from "vitest";
import type { Effect } from "../../src/device/io";
import type { ClientFrameJson, ServerFrameJson } from "../../src/gen/peal_pb";
import { Bench, sentBy, updateOf } from "./bench";

// A time-out of this device's own outlasts the connection that it was given by.
it("sends its own ring time-out again after a reconnect", () => {
  const b = new Bench();
  const rings = updateOf("c1", "CALL_STATE_RINGING", "ROLE_CALLEE", { generation: 0 });
  const last = (effects: Effect[]): ClientFrameJson | undefined =>
    sentBy(effects)
      .filter((f) => f.listRecords === undefined)
      .at(-1);
  const wish = (ringTimeoutMs: number, answer: ServerFrameJson): void => {
    const command = { ringing: { callId: "c1", ringTimeoutMs } };
    const asked = last(b.step({ kind: "ask", ticket: 1, command }));
    b.tell({ ...answer, replyTo: asked?.id ?? 0 });
  };

  b.step({ kind: "login" });
  expect(last(b.welcome(rings))?.ringing).toEqual({ callId: "c1", ringTimeoutMs: 0 });
  wish(20_000, {});
  wish(1, { error: { code: "limit_exceeded" } });
  b.step({ kind: "closed", socket: 1 });
  b.step({ kind: "woke" }, 1_000);
  expect(last(b.welcome(rings))?.ringing).toEqual({ callId: "c1", ringTimeoutMs: 20_000 });
});
