import type { CallUpdateJson, ListRecordsJson, RecordJson } from "../gen/peal_pb";
import type { Device } from "./device";
import { formatTimestamp, millis, nanos, parseTimestamp } from "./time";

/**
 * How far back to ask again: records are filed in another order than their calls ended
 * where a server was slow.
 */
const recordOverlapMs = 60_000;
const recordOverlap = nanos(recordOverlapMs);
/**
 * How many records a device remembers, and all of the overlap: an answer to an old question,
 * or a server that was cut off, may repeat one much later.
 */
const recordsMost = 1_000;
/** How far back the first login of a device asks that knows no record. */
const recordsFirst = nanos(7 * 24 * 3_600_000);

/**
 * What a device remembers of records after its page is gone. Times are milliseconds since
 * 1970.
 */
export interface RecordMemory {
  readonly account: string;
  /** When the latest call ended whose record was reported; zero when none was. */
  readonly latest: number;
  /** The calls that ended shortly before that, or later, and when. */
  readonly told: Readonly<Record<string, number>>;
}

/**
 * The records of the account that the application has, so that it gets each once: live, or
 * after the next login.
 *
 * After each login the log is behind until `caughtUp`: a record that comes meanwhile is
 * remembered, but does not move the place from which to ask again.
 */
export class RecordLog {
  /** When the latest call ended whose record was reported. */
  latest: bigint | undefined;
  /** When each call ended whose record was reported, in the order of the reports. */
  readonly told = new Map<string, bigint>();
  behind = true;
  /** What is to be remembered is not what it was. */
  changed = false;

  constructor(sinceMs: number | undefined) {
    if (sinceMs !== undefined) this.latest = nanos(Math.floor(sinceMs)) + recordOverlap;
  }

  /**
   * Takes what another page remembers. Where that lacks something, the device gives again
   * what it remembers itself.
   */
  merge(m: Omit<RecordMemory, "account">): void {
    const at = nanos(Math.floor(m.latest));
    if (m.latest > 0 && (this.latest === undefined || at > this.latest)) this.latest = at;
    const byTime = ([a, at]: [string, number], [b, bt]: [string, number]): number =>
      at - bt || (a < b ? -1 : 1);
    for (const [id, at] of Object.entries(m.told).sort(byTime)) {
      if (!this.told.has(id)) this.told.set(id, nanos(Math.floor(at)));
    }
    this.#trim();
    const own = this.memory();
    const lacks = (id: string): boolean => !Object.hasOwn(m.told, id);
    if (own.latest !== m.latest || Object.keys(own.told).some(lacks)) this.changed = true;
  }

  /** What is to be remembered: the overlap, from which the next login asks. */
  memory(): Omit<RecordMemory, "account"> {
    const latest = this.latest === undefined ? 0 : millis(this.latest);
    const told: [string, number][] = [];
    for (const [id, at] of [...this.told].reverse()) {
      if (this.#overlaps(at)) told.push([id, millis(at)]);
      if (told.length === recordsMost) break;
    }
    return { latest, told: Object.fromEntries(told) };
  }

  /** Whether the next login may ask for a call that ended then. */
  #overlaps(at: bigint): boolean {
    return this.latest === undefined || millis(at) >= millis(this.latest) - recordOverlapMs;
  }

  /** Notes a record; false when it was reported before. */
  take(r: RecordJson): boolean {
    const id = r.callId ?? "";
    if (this.told.has(id)) return false;
    const at = parseTimestamp(r.endedAt);
    this.told.set(id, at);
    if (!this.behind) this.advance();
    this.changed = this.changed || this.#overlaps(at);
    return true;
  }

  /** Whether the record of a call was reported: the call is over, whatever a late update says. */
  has(id: string): boolean {
    return this.told.has(id);
  }

  /** The first page to ask for, after a login at this time of the server's. */
  ask(loginAt: bigint): ListRecordsJson {
    this.behind = true;
    const since = this.latest === undefined ? loginAt - recordsFirst : this.latest - recordOverlap;
    return { since: formatTimestamp(since) };
  }

  /** Notes that all records that were filed until now are reported. */
  caughtUp(): void {
    const was = this.latest;
    this.behind = false;
    this.advance();
    this.changed = this.changed || this.latest !== was;
  }

  advance(): void {
    for (const at of this.told.values()) {
      if (this.latest === undefined || at > this.latest) this.latest = at;
    }
    this.#trim();
  }

  /** Forgets what is older than the overlap, of more than `recordsMost`. */
  #trim(): void {
    for (const [id, at] of this.told) {
      if (this.told.size <= recordsMost || at >= (this.latest ?? 0n) - recordOverlap) return;
      this.told.delete(id);
    }
  }
}

/** How many accounts a device remembers records of. */
const accountsMost = 16;

export function recordsRemembered(d: Device, m: RecordMemory): void {
  if (m.account === d.account && d.account !== "") {
    d.records.merge(m);
    return;
  }
  const log = takeLog(d, m.account);
  log.merge(m);
  putLog(d, m.account, log);
}

/** Begins with what is remembered of an account, where it is another one than before. */
export function nameAccount(d: Device, account: string): void {
  if (account === d.account) return;
  if (d.account !== "") putLog(d, d.account, d.records);
  d.account = account;
  d.records = takeLog(d, account);
}

/** The log of another account, which is taken out, or a new one. */
function takeLog(d: Device, account: string): RecordLog {
  const log = d.others.get(account) ?? new RecordLog(d.config.recordsSince);
  d.others.delete(account);
  return log;
}

function putLog(d: Device, account: string, log: RecordLog): void {
  const [oldest] = d.others.keys();
  if (d.others.size === accountsMost && oldest !== undefined) d.others.delete(oldest);
  d.others.set(account, log);
}

/** Gives what is to be remembered, where that changed. */
export function remember(d: Device): void {
  if (!d.records.changed) return;
  d.records.changed = false;
  d.do({ kind: "rememberRecords", account: d.account, ...d.records.memory() });
}

/** Reports the record that comes with a snapshot. */
export function file(d: Device, u: CallUpdateJson): void {
  const r = u.call?.record;
  if (r !== undefined && d.records.take(r)) d.do({ kind: "filed", record: r });
}

/**
 * Reports the records that were filed while this device was away, page by page, until there
 * are no more, or until the next login begins again.
 */
export function catchUp(d: Device, page: ListRecordsJson): void {
  d.request({
    command: { listRecords: page },
    lasting: true,
    chore: true,
    settled: (r) => {
      if (r.error !== undefined) {
        if (d.link.phase === "online") d.do({ kind: "failed", error: r.error });
        return;
      }
      const list = r.records?.records ?? [];
      for (const one of list) {
        if (d.records.take(one)) d.do({ kind: "filed", record: one });
      }
      const last = list.at(-1);
      if (!r.records?.more || last === undefined) {
        d.records.caughtUp();
        return;
      }
      catchUp(d, { afterCall: last.callId ?? "" });
    },
  });
}
