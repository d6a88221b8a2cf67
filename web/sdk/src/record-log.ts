import type { CallRecord } from "./api";
import type { ListRecordsJson } from "./gen/peal_pb";

/** What is kept of an account's records over page loads. */
interface Kept {
  /** When the latest call that was told of ended, in milliseconds. */
  readonly latest: number;
  /** Ids of the calls that ended shortly before that, and of later ones. */
  readonly told: Readonly<Record<string, number>>;
}

/**
 * How far back to ask again: records are filed in another order than their
 * calls ended where a server was slow.
 */
const overlapMs = 60_000;
/**
 * How many of those that were told are kept in mind, and all of the overlap: an
 * answer to an old question, or a server that was cut off, may tell of one again
 * much later.
 */
const most = 1_000;
/** What a client that knows of nothing is told at its first login. */
const firstMs = 7 * 24 * 3_600_000;

/**
 * Which records of an account this client has been told of, so that each is
 * told once: live, or at the next login. A page starts from where the last one
 * of this browser was.
 *
 * After each login it is behind until `caughtUp`: what is told meanwhile is
 * remembered, but does not move the place from which to ask again.
 */
export class RecordLog {
  readonly #key: string;
  #latest = 0;
  #behind = true;
  readonly #told = new Map<string, number>();

  constructor(server: string, account: string) {
    this.#key = `peal.records ${server} ${account}`;
    this.#merge();
  }

  /** Notes a record; false when it was told before. */
  take(record: CallRecord): boolean {
    const at = record.endedAt.getTime();
    if (this.#told.has(record.callId)) return false;
    this.#told.set(record.callId, at);
    if (!this.#behind) this.#advance();
    this.#keep();
    return true;
  }

  /** Whether the record of a call was told: it is over then, whatever late news says of it. */
  has(callId: string): boolean {
    return this.#told.has(callId);
  }

  /** The first page to ask for, after a login at this time of the server's. */
  ask(loginAt: Date): ListRecordsJson {
    this.#behind = true;
    const since = this.#latest ? this.#latest - overlapMs : loginAt.getTime() - firstMs;
    return { since: new Date(since).toISOString() };
  }

  /** All that was filed up to now has been told. */
  caughtUp(): void {
    this.#behind = false;
    this.#advance();
    this.#keep();
  }

  #advance(): void {
    this.#latest = Math.max(this.#latest, ...this.#told.values());
    for (const [id, at] of this.#told) {
      if (this.#told.size <= most || at >= this.#latest - overlapMs) return;
      this.#told.delete(id);
    }
  }

  /** Other pages of this browser may have told of more. */
  #merge(): void {
    const kept = read(this.#key);
    if (!kept) return;
    this.#latest = Math.max(this.#latest, kept.latest);
    for (const [id, at] of Object.entries(kept.told)) this.#told.set(id, at);
  }

  #keep(): void {
    const { latest = 0, told = {} } = read(this.#key) ?? {};
    const newest = Math.max(latest, this.#latest);
    const all = { ...told, ...Object.fromEntries(this.#told) };
    for (const [id, at] of Object.entries(all)) if (at < this.#latest - overlapMs) delete all[id];
    write(this.#key, { latest: newest, told: all });
  }
}

// A page may be denied its storage: then it asks for the last days each time.
function read(key: string): Kept | null {
  try {
    const kept = JSON.parse(localStorage.getItem(key) ?? "null") as Partial<Kept> | null;
    return typeof kept?.latest === "number" && typeof kept.told === "object"
      ? { latest: kept.latest, told: kept.told }
      : null;
  } catch {
    return null;
  }
}

function write(key: string, kept: Kept): void {
  try {
    localStorage.setItem(key, JSON.stringify(kept));
  } catch {
    // See read.
  }
}
