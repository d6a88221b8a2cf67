import { describe, expect, it } from "vitest";
import { formatTimestamp, nanos, parseTimestamp } from "../../src/device/time";

describe("timestamps", () => {
  it.each([
    ["1970-01-01T00:00:00Z", 0n],
    ["2030-01-01T00:00:00Z", 1_893_456_000_000_000_000n],
    ["2030-01-01T00:00:00.040Z", 1_893_456_000_040_000_000n],
    ["2030-01-01T00:00:00.000001Z", 1_893_456_000_000_001_000n],
    ["2030-01-01T00:00:00.123456789Z", 1_893_456_000_123_456_789n],
    ["1969-12-25T00:00:00Z", -604_800_000_000_000n],
    ["1969-12-31T23:59:59.999999999Z", -1n],
    ["0001-01-01T00:00:00Z", -62_135_596_800_000_000_000n],
    ["9999-12-31T23:59:59Z", 253_402_300_799_000_000_000n],
  ])("%s", (text, at) => {
    expect(parseTimestamp(text)).toBe(at);
    expect(formatTimestamp(at)).toBe(text);
  });

  it("agree with Date on every day of 90 years", () => {
    const wrong: string[] = [];
    for (let day = -11_000; day < 22_000; day++) {
      const ms = day * 86_400_000 + (day % 1000);
      const text = new Date(ms).toISOString();
      const again = parseTimestamp(formatTimestamp(nanos(ms)));
      if (parseTimestamp(text) !== nanos(ms) || again !== nanos(ms)) wrong.push(text);
    }
    expect(wrong).toEqual([]);
  });

  it.each([undefined, "", "2030", "2030-01-01T00:00:00"])("%s is the beginning of 1970", (text) => {
    expect(parseTimestamp(text)).toBe(0n);
  });
});
