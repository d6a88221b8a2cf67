import { describe, expect, it } from "vitest";
import { RecordLog } from "../../src/device/records";
import { formatTimestamp, nanos, parseTimestamp } from "../../src/device/time";
import type { CallJson, ListRecordsJson, RecordJson } from "../../src/gen/peal_pb";
import { Bench, sentBy, updateOf } from "./bench";

const epoch = "2030-01-01T00:00:00Z";
const endOf = (ms: number): string => formatTimestamp(parseTimestamp(epoch) + nanos(ms));
const record = (callId: string, ms: number): RecordJson => ({ callId, endedAt: endOf(ms) });
const hour = 3_600_000;

describe("records", () => {
  it("are told once, whenever they come again", () => {
    const log = new RecordLog(undefined);
    log.ask(parseTimestamp(epoch));
    const rows: [string, number, boolean][] = [
      ["first", 0, true],
      ["first", 0, false],
      ["hours later", 5 * hour, true],
      ["filed late", 5 * hour - 30_000, true],
      ["told very late", 4 * hour, true],
      ["first", 0, false],
      ["hours later", 5 * hour, false],
    ];
    for (const [id, ms, told] of rows) {
      expect(log.take(record(id, ms)), id).toBe(told);
      log.caughtUp();
    }
    expect(log.ask(parseTimestamp(epoch))).toEqual({ since: endOf(5 * hour - 60_000) });
  });

  it("are kept in mind up to a limit", () => {
    const log = new RecordLog(undefined);
    log.caughtUp();
    for (let i = 0; i < 3_000; i++) log.take(record(`${i}`, i * 60_000));
    expect(log.told.size).toBe(1_000);
  });

  it("are in order also within a millisecond", () => {
    const log = new RecordLog(undefined);
    log.take({ callId: "first", endedAt: "2030-01-01T00:00:00.000000002Z" });
    log.take({ callId: "second", endedAt: "2030-01-01T00:00:00.000000001Z" });
    log.caughtUp();
    expect(log.ask(0n)).toEqual({ since: "2029-12-31T23:59:00.000000002Z" });
  });

  it("begin where the program says", () => {
    const log = new RecordLog(1_893_456_000_000);
    expect(log.ask(parseTimestamp(endOf(hour)))).toEqual({ since: epoch });
  });

  // However lately the call ended that the welcome tells of.
  it("that were missed are asked for from where the device left off", () => {
    const b = new Bench();
    let asked: ListRecordsJson | undefined;
    let question = 0;
    const note = (effects: ReturnType<Bench["step"]>): void => {
      for (const f of sentBy(effects)) {
        if (f.listRecords === undefined) continue;
        asked = f.listRecords;
        question = f.id ?? 0;
      }
    };
    const of = (id: string, rev: number, ended?: string): { call: CallJson } => {
      const state = ended === undefined ? "CALL_STATE_RINGING" : "CALL_STATE_ENDED";
      const more = ended === undefined ? {} : { record: { callId: id, endedAt: ended } };
      return updateOf(id, state, "ROLE_CALLEE", { rev, ...more });
    };
    b.step({ kind: "login" });
    note(b.welcome());
    b.tell({ replyTo: question, records: {} });
    b.tell({ call: of("first", 2, epoch) });
    b.tell({ call: of("second", 1) });
    b.step({ kind: "closed", socket: 1 });
    b.step({ kind: "woke" }, 360_000);
    note(b.welcome(of("second", 2, endOf(360_000))));
    expect(asked).toEqual({ since: endOf(-60_000) });
  });
});
