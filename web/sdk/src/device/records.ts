import type { CallUpdateJson, ListRecordsJson, RecordJson } from "../gen/peal_pb";
import type { Device } from "./device";
import { formatTimestamp, nanos, parseTimestamp } from "./time";

/**
 * How far back to ask again: records are filed in another order than their calls ended
 * where a server was slow.
 */
const recordOverlap = nanos(60_000);
/**
 * How many records a device remembers, and all of the overlap: an answer to an old question,
 * or a server that was cut off, may repeat one much later.
 */
const recordsMost = 1_000;
/** How far back the first login of a device asks that knows no record. */
const recordsFirst = nanos(7 * 24 * 3_600_000);

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

  constructor(sinceMs: number | undefined) {
    if (sinceMs !== undefined) this.latest = nanos(Math.floor(sinceMs)) + recordOverlap;
  }

  /** Notes a record; false when it was reported before. */
  take(r: RecordJson): boolean {
    const id = r.callId ?? "";
    if (this.told.has(id)) return false;
    this.told.set(id, parseTimestamp(r.endedAt));
    if (!this.behind) this.advance();
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
    this.behind = false;
    this.advance();
  }

  advance(): void {
    for (const at of this.told.values()) {
      if (this.latest === undefined || at > this.latest) this.latest = at;
    }
    for (const [id, at] of this.told) {
      if (this.told.size <= recordsMost || at >= (this.latest ?? 0n) - recordOverlap) return;
      this.told.delete(id);
    }
  }
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
