import { describe, expect, it } from "vitest";
import type { ServerFrameJson } from "../../src/gen/peal_pb";
import { Bench, updateOf } from "./bench";

/** Reads a frame as it comes from the network. */
const read = (text: string): ServerFrameJson => JSON.parse(text) as ServerFrameJson;

describe("a server that is newer", () => {
  it("may name states that this version does not know", () => {
    const b = new Bench().login();
    const call = JSON.stringify(updateOf("c1", "CALL_STATE_RINGING", "ROLE_CALLEE"));
    b.tell(read(`{"call": ${call.replace("CALL_STATE_RINGING", "CALL_STATE_HELD")}}`));
    expect(b.device.call).toBeUndefined();
  });

  it("may name reasons and fields that this version does not know", () => {
    const b = new Bench().login();
    b.tell({ call: updateOf("c1", "CALL_STATE_RINGING", "ROLE_CALLEE") });
    b.tell(
      read(`{"mood": 1, "call": {"call": {"callId": "c1", "rev": 2, "state": "CALL_STATE_ENDED",
        "role": "ROLE_CALLEE", "reason": "REASON_BORED", "actor": "alice"}}}`),
    );
    expect(b.did).toContainEqual({
      kind: "ended",
      call: "c1",
      end: {
        reason: "server",
        actor: "alice",
        byThisDevice: false,
        answered: false,
        durationMs: 0,
        final: true,
      },
    });
  });
});

it("takes a field that is missing for its default", () => {
  const b = new Bench().login();
  for (const frame of ["{}", '{"call": {}}', '{"call": {"call": {}}}', '{"records": {}}']) {
    expect(b.tell(read(frame))).toEqual([]);
  }
  expect(b.device.state).toBe("online");
});
