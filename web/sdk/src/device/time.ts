/** Whether a time has come. */
export function due(at: number | undefined, now: number): boolean {
  return at !== undefined && now >= at;
}

/** The first of two times, where undefined means never. */
export function earlier(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined || (b !== undefined && b < a)) return b;
  return a;
}

// Timestamps as ProtoJSON has them, in RFC 3339 with up to nine digits of a second. The
// server's are nanoseconds since 1970 here: a number of milliseconds would not keep the
// order of two that are closer.

const perMs = 1_000_000n;
const perSecond = 1_000_000_000n;

/** Nanoseconds of milliseconds. */
export function nanos(ms: number): bigint {
  return BigInt(ms) * perMs;
}

/** Whole milliseconds of nanoseconds. */
export function millis(ns: bigint): number {
  return Number(floorDiv(ns, perMs));
}

const form = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z$/;

/** Reads a timestamp. One that is missing, or cannot be read, is the beginning of 1970. */
export function parseTimestamp(text: string | undefined): bigint {
  const [, seconds, fraction = ""] = form.exec(text ?? "") ?? [];
  const at = Date.parse(`${seconds}Z`);
  return Number.isNaN(at) ? 0n : nanos(at) + BigInt(fraction.padEnd(9, "0"));
}

/** Writes a timestamp with no, three, six or nine digits of a second. */
export function formatTimestamp(at: bigint): string {
  const seconds = floorDiv(at, perSecond);
  const date = new Date(Number(seconds) * 1000).toISOString().slice(0, 19);
  const rest = (at - seconds * perSecond).toString().padStart(9, "0");
  const fraction = rest.replace(/(000){1,3}$/, "");
  return `${date}${fraction && "."}${fraction}Z`;
}

function floorDiv(a: bigint, b: bigint): bigint {
  const q = a / b;
  return a % b < 0n ? q - 1n : q;
}
