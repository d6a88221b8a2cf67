import { describe, expect, it } from "vitest";
import accepted from "../../../internal/protocol/testdata/server_accepted.json";
import ended from "../../../internal/protocol/testdata/server_ended.json";
import ringing from "../../../internal/protocol/testdata/server_ringing.json";
import type { CallJson, ServerFrameJson } from "../src/gen/peal_pb";
import { advance, begin, type Change } from "../src/machine";
import { readSnapshot, type Snapshot } from "../src/snapshot";

/** Golden messages of the server, shared with its own tests. */
const golden = { ringing, accepted, ended } as unknown as Record<
  "ringing" | "accepted" | "ended",
  ServerFrameJson
>;

function snapshot(c: CallJson | undefined, account: string, device = "d-2"): Snapshot {
  const s = c && readSnapshot(c, account, device);
  if (!s) throw new Error("no snapshot");
  return s;
}

const rings = snapshot(golden.ringing.call?.call, "bob");
const answered = snapshot(golden.accepted.call?.call, "alice");
const over = snapshot(golden.ended.call?.call, "alice");

function changes(was: Snapshot, next: Partial<Snapshot>): Change["kind"][] {
  return advance(begin(was), { ...was, rev: was.rev + 1, ...next }).changes.map((c) => c.kind);
}

describe("snapshots of the wire", () => {
  it("are read with their defaults", () => {
    expect(rings).toMatchObject({
      state: "ringing",
      role: "callee",
      type: 2,
      attachment: '{"room":7}',
      ringRemainingMs: 59_900,
      ringStopped: false,
    });
    expect(rings.peer).toMatchObject({ account: "alice", uid: 1_234_567, present: true });
    expect(rings.local).toMatchObject({ account: "bob", present: false, mediaUp: false });
  });
  it("carry the ending and its record", () => {
    expect(over.end).toMatchObject({
      reason: "completed",
      actor: "bob",
      byThisDevice: false,
      durationSeconds: 42,
    });
    expect(over.end?.record).toMatchObject({ kind: 1, caller: "alice", callee: "bob" });
  });
  it("of a state from tomorrow make no sense, and harm nobody", () => {
    expect(
      readSnapshot({ callId: "x", state: "CALL_STATE_NEW" as "CALL_STATE_RINGING" }, "bob", "d"),
    ).toBeNull();
  });
});

describe("advance", () => {
  it("ignores what is not newer", () => {
    const view = begin(answered);
    expect(advance(view, { ...answered, state: "ended" }).changes).toEqual([]);
    expect(advance(view, { ...answered, rev: answered.rev - 1 }).view).toBe(view);
  });
  it("tells of the acceptance once, before the media", () => {
    const was = { ...answered, state: "ringing" as const, rev: 1 };
    const peer = { ...answered.peer, mediaUp: true };
    expect(changes(was, { state: "connecting", peer })).toEqual(["accepted", "peerMedia"]);
    expect(changes(answered, { peer })).toEqual(["peerMedia"]);
  });
  it("tells of every step when some were missed", () => {
    const was = { ...answered, state: "ringing" as const, rev: 1 };
    expect(changes(was, { state: "connected", generation: 2 })).toEqual([
      "accepted",
      "generation",
      "connected",
    ]);
  });
  it("ends a device that became an observer: answered elsewhere", () => {
    const { view } = advance(begin(rings), {
      ...rings,
      rev: 9,
      state: "connecting",
      role: "observer",
    });
    expect(view.end).toMatchObject({ reason: "answered_elsewhere", answered: false });
  });
  it("ends a device whose own ring time-out is over, and no other", () => {
    const { view } = advance(begin(rings), { ...rings, rev: 9, ringStopped: true });
    expect(view.end).toMatchObject({ reason: "timeout", byThisDevice: true });
  });
  it("never leaves an ending", () => {
    const last = advance(begin(answered), { ...over, rev: 9 }).view;
    expect(last.end?.answered).toBe(true);
    expect(advance(last, { ...answered, rev: 99 })).toEqual({ view: last, changes: [] });
  });
  it("tells of presence, tracks and epoch only once there is a call", () => {
    const peer = { ...rings.peer, present: false, epoch: 5 };
    expect(changes(rings, { peer })).toEqual([]);
    expect(changes(answered, { peer: { ...answered.peer, present: false } })).toEqual([
      "peerPresence",
    ]);
    expect(changes(answered, { peer: { ...answered.peer, epoch: 2 } })).toEqual(["peerEpoch"]);
    const tracks = { ...answered.peer.tracks, audioMuted: true };
    expect(changes(answered, { peer: { ...answered.peer, tracks } })).toEqual(["remoteTracks"]);
  });
});
