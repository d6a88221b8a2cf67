import { beforeEach, describe, expect, it } from "vitest";
import type { CallRecord } from "../src/api";
import { RecordLog } from "../src/record-log";

const epoch = Date.UTC(2030, 0, 1);
const record = (callId: string, afterMs: number): CallRecord =>
  ({ callId, endedAt: new Date(epoch + afterMs) }) as CallRecord;

describe("the log of records", () => {
  beforeEach(() => {
    const kept = new Map<string, string>();
    Object.assign(globalThis, {
      localStorage: {
        getItem: (key: string) => kept.get(key) ?? null,
        setItem: (key: string, value: string) => kept.set(key, value),
      },
    });
  });

  it("takes each once, also when it comes again much later", () => {
    const log = new RecordLog("ws://server", "alice");
    log.ask(new Date(epoch));
    const hours = 5 * 3_600_000;
    const takes: [string, number, boolean][] = [
      ["first", 0, true],
      ["first", 0, false],
      ["hours later", hours, true],
      ["filed late", hours - 30_000, true],
      ["told very late", hours - 3_600_000, true],
      ["first", 0, false],
      ["hours later", hours, false],
    ];
    for (const [id, after, taken] of takes) {
      expect(log.take(record(id, after)), id).toBe(taken);
      log.caughtUp();
    }
  });

  it("goes on on the next page from where the last one was", () => {
    const log = new RecordLog("ws://server", "alice");
    log.ask(new Date(epoch));
    log.take(record("first", 0));
    log.caughtUp();
    const next = new RecordLog("ws://server", "alice");
    expect(next.ask(new Date(epoch))).toEqual({ since: new Date(epoch - 60_000).toISOString() });
    expect(next.take(record("first", 0))).toBe(false);
    expect(new RecordLog("ws://server", "bob").take(record("first", 0))).toBe(true);
  });
});
