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
const perDay = 86_400n;

/** Nanoseconds of milliseconds. */
export function nanos(ms: number): bigint {
  return BigInt(ms) * perMs;
}

/** Whole milliseconds of nanoseconds. */
export function millis(ns: bigint): number {
  return Number(floorDiv(ns, perMs));
}

const form = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?Z$/;

/** Reads a timestamp. One that is missing, or cannot be read, is the beginning of 1970. */
export function parseTimestamp(text: string | undefined): bigint {
  const match = form.exec(text ?? "");
  if (match === null) return 0n;
  const part = (i: number): bigint => BigInt(match[i] ?? "0");
  const days = daysOf(part(1), part(2), part(3));
  const seconds = days * perDay + part(4) * 3600n + part(5) * 60n + part(6);
  return seconds * perSecond + BigInt((match[7] ?? "").padEnd(9, "0"));
}

/** Writes a timestamp with no, three, six or nine digits of a second. */
export function formatTimestamp(at: bigint): string {
  const seconds = floorDiv(at, perSecond);
  const days = floorDiv(seconds, perDay);
  const { year, month, day } = dateOf(days);
  const time = seconds - days * perDay;
  const clock = [time / 3600n, (time / 60n) % 60n, time % 60n].map((n) => digits(n, 2)).join(":");
  const fraction = digits(at - seconds * perSecond, 9).replace(/(000){1,3}$/, "");
  return `${digits(year, 4)}-${digits(month, 2)}-${digits(day, 2)}T${clock}${fraction && "."}${fraction}Z`;
}

function digits(n: bigint, least: number): string {
  return n.toString().padStart(least, "0");
}

function floorDiv(a: bigint, b: bigint): bigint {
  const q = a / b;
  return a % b < 0n ? q - 1n : q;
}

// The Gregorian calendar as Howard Hinnant computes it in "chrono-Compatible Low-Level Date
// Algorithms": a year begins in March, so that a leap day is its last.

const daysPerEra = 146_097n;
/** From the beginning of March of the year 0 until 1970. */
const daysBefore1970 = 719_468n;

function daysOf(year: bigint, month: bigint, day: bigint): bigint {
  const y = month <= 2n ? year - 1n : year;
  const era = floorDiv(y, 400n);
  const yearOfEra = y - era * 400n;
  const dayOfYear = (153n * ((month + 9n) % 12n) + 2n) / 5n + day - 1n;
  const dayOfEra = yearOfEra * 365n + yearOfEra / 4n - yearOfEra / 100n + dayOfYear;
  return era * daysPerEra + dayOfEra - daysBefore1970;
}

function dateOf(days: bigint): { year: bigint; month: bigint; day: bigint } {
  const since = days + daysBefore1970;
  const era = floorDiv(since, daysPerEra);
  const dayOfEra = since - era * daysPerEra;
  const yearOfEra =
    (dayOfEra - dayOfEra / 1460n + dayOfEra / 36_524n - dayOfEra / (daysPerEra - 1n)) / 365n;
  const dayOfYear = dayOfEra - (365n * yearOfEra + yearOfEra / 4n - yearOfEra / 100n);
  const fromMarch = (5n * dayOfYear + 2n) / 153n;
  const day = dayOfYear - (153n * fromMarch + 2n) / 5n + 1n;
  const month = fromMarch < 10n ? fromMarch + 3n : fromMarch - 9n;
  return { year: era * 400n + yearOfEra + (month <= 2n ? 1n : 0n), month, day };
}
