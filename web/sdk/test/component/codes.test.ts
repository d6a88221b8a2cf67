import { describe, expect, it } from "vitest";
import ended from "../../../../internal/protocol/testdata/server_ended.json";
import { PealError } from "../../src/api/errors";
import { componentError, refusedBy } from "../../src/component/codes";
import { recordMessage } from "../../src/component/record-message";
import type { ServerFrameJson } from "../../src/gen/peal_pb";
import { uuidv7 } from "../../src/identity";
import { readSnapshot } from "../../src/snapshot";

describe("the state table", () => {
  it("gives each refusal its code", () => {
    const methods = [
      "call",
      "hangup",
      "leave",
      "cancel",
      "accept",
      "reject",
      "switchCallType",
    ] as const;
    const codes = methods.map((m) =>
      ([0, 1, 2, 3] as const).map((s) => refusedBy(m, s)?.code ?? "ok"),
    );
    expect(codes).toEqual([
      ["ok", "20002", "20003", "20004"],
      ["20005", "ok", "ok", "ok"],
      ["20009", "20010", "20011", "ok"],
      ["20013", "ok", "20015", "20016"],
      ["20017", "20018", "ok", "20020"],
      ["20021", "20022", "ok", "20024"],
      ["20025", "20026", "20027", "ok"],
    ]);
  });
});

describe("errors", () => {
  it("keep the core's name where they have no number", () => {
    expect(componentError(new PealError("busy_elsewhere", "m"))).toEqual({
      code: "116",
      message: "m",
    });
    expect(componentError(new PealError("microphone_denied", "m"))).toEqual({
      code: "100",
      message: "microphone_denied: m",
    });
    expect(componentError("what")).toEqual({ code: "100", message: "internal: what" });
  });
});

it("makes ids of version 7 that sort by time", () => {
  const id = uuidv7(0x0192d3c45e6f);
  expect(id).toMatch(/^0192d3c4-5e6f-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(uuidv7(2) > uuidv7(1)).toBe(true);
});

it("shapes records as pages know them", () => {
  const frame = ended as unknown as ServerFrameJson;
  const record = readSnapshot(frame.call?.call ?? {}, "alice", "d")?.end?.record;
  if (!record) throw new Error("no record");
  expect(recordMessage(record, "bob")).toMatchObject({
    type: "g2",
    scene: "p2p",
    from: "alice",
    to: "bob",
    flow: "in",
    attach: {
      type: 2,
      status: 1,
      durations: [
        { accid: "alice", duration: 42 },
        { accid: "bob", duration: 42 },
      ],
    },
  });
});
