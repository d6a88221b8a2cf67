import { expect, it } from "vitest";
import type { CallEnd, EndReason } from "../../src/api/types";
import { endingEvents } from "../../src/component/endings";

function end(reason: EndReason, more: Partial<CallEnd> = {}): CallEnd {
  return {
    reason,
    actor: "bob",
    byThisDevice: false,
    answered: true,
    durationSeconds: 0,
    record: null,
    ...more,
  };
}

function names(e: CallEnd, direction: "outgoing" | "incoming"): string[] {
  return endingEvents(e, direction, "bob").map((told) => told.join(" "));
}

it("tells the caller and the callee what each is to hear", () => {
  const ringing = { answered: false };
  const table: [CallEnd, string[], string[]][] = [
    [end("completed"), ["onUserLeave bob", "onCallEnd"], ["onUserLeave bob", "onCallEnd"]],
    [end("cancelled", ringing), ["onUserCancel bob"], ["onUserCancel bob"]],
    [end("rejected", ringing), ["onUserReject bob"], ["onOtherClientReject"]],
    [
      end("timeout", { ...ringing, actor: "" }),
      ["onCallingTimeOut callTimeOut", "onCallingTimeout callTimeOut"],
      ["onCallingTimeOut beCallTimeOut", "onCallingTimeout beCallTimeOut"],
    ],
    [end("lost", ringing), ["onUserDisconnect bob", "onCallEnd"], ["onUserCancel bob"]],
    [end("lost"), ["onUserDisconnect bob", "onCallEnd"], ["onUserDisconnect bob", "onCallEnd"]],
    [
      end("lost", { actor: "me", byThisDevice: true }),
      ["onDisconnect", "onCallEnd"],
      ["onDisconnect", "onCallEnd"],
    ],
    [end("superseded", ringing), ["onUserLeave bob", "onCallEnd"], ["onUserCancel bob"]],
    [end("kicked"), ["onUserLeave bob", "onCallEnd"], ["onUserLeave bob", "onCallEnd"]],
    [end("server", ringing), ["onCallEnd"], ["onUserCancel bob"]],
    [end("server"), ["onCallEnd"], ["onCallEnd"]],
  ];
  for (const [e, outgoing, incoming] of table) {
    expect(names(e, "outgoing"), `${e.reason}, caller`).toEqual(outgoing);
    expect(names(e, "incoming"), `${e.reason}, callee`).toEqual(incoming);
  }
});

it("tells a busy caller, and a device whose account answered elsewhere", () => {
  expect(names(end("busy", { answered: false }), "outgoing")).toEqual(["onUserBusy bob"]);
  expect(names(end("answered_elsewhere", { answered: false }), "incoming")).toEqual([
    "onOtherClientAccept",
  ]);
});

it("tells nothing to who ended it", () => {
  for (const reason of ["completed", "cancelled", "rejected", "superseded"] as const) {
    expect(names(end(reason, { byThisDevice: true }), "outgoing")).toEqual([]);
  }
});

it("tells of media that never came up", () => {
  expect(names(end("failed"), "outgoing").map((n) => n.split(" ")[0])).toEqual([
    "onError",
    "onCallEnd",
  ]);
});
