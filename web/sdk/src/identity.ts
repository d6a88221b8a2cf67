const key = "peal.device";
/** When the last connection of the device was begun. */
const attemptKey = `${key}.attempt`;

/** Which running client this is, and its clock. */
export interface DeviceIdentity {
  readonly id: string;
  /** Begins the device's pseudo-random numbers. */
  readonly seed: number;
  /** The time in ms: it only goes on, over reloads as well. */
  now(): number;
  /** A connection is begun now: later pages begin theirs after it. */
  dials(): void;
  /** Gives the id up. */
  release(): void;
}

/** What gives an id up just now: logins of this page that come to their end. */
const leaving = new Set<Promise<unknown>>();

/** Claims come one after the other. */
let lastClaim: Promise<unknown> = Promise.resolve();

/** A login of this page will give its id up: claims that follow wait for that. */
export function givesUp(over: Promise<unknown>): void {
  leaving.add(over);
  void over.finally(() => leaving.delete(over));
}

/**
 * A page keeps its device id over reloads in sessionStorage. Duplicating a tab
 * copies that, so the id is guarded by a Web Lock: a page that does not get the lock is
 * a device of its own. Without locks (plain HTTP) each page load is one. Null where the id is
 * no longer wanted once it is free.
 */
export function claimDevice(wanted: () => boolean): Promise<DeviceIdentity | null> {
  const claimed = lastClaim.then(() => claim(wanted));
  lastClaim = claimed.catch(() => {});
  return claimed;
}

async function claim(wanted: () => boolean): Promise<DeviceIdentity | null> {
  while (leaving.size > 0) await Promise.all(leaving);
  if (!wanted()) return null;
  if (typeof navigator === "undefined" || !navigator.locks) return identity(randomId(), 0);
  const kept = read(key);
  const id = kept ?? randomId();
  const release = await lock(id);
  if (release === null) {
    const own = randomId();
    return identity(own, 0, (await lock(own)) ?? undefined);
  }
  if (kept === null) write(key, id);
  const last = Number(read(attemptKey)) || 0;
  return identity(id, last, release, (at) => write(attemptKey, String(at)));
}

/** Clocks are set back at times; this one counts on from when the page was loaded. */
function identity(
  id: string,
  last: number,
  release: () => void = () => {},
  keep: (at: number) => void = () => {},
): DeviceIdentity {
  const base = Math.max(Date.now(), last + 1) - performance.now();
  const now = (): number => Math.floor(base + performance.now());
  const [seed = 1] = crypto.getRandomValues(new Uint32Array(1));
  return { id, seed, now, dials: () => keep(now()), release };
}

/** Takes the lock of an id; null when another page has it. */
function lock(id: string): Promise<(() => void) | null> {
  return new Promise((resolve) => {
    const held = (taken: Lock | null): Promise<void> | undefined => {
      if (taken === null) {
        resolve(null);
        return undefined;
      }
      return new Promise<void>((release) => {
        resolve(() => {
          release();
          givesUp(over); // The lock goes a moment later.
        });
      });
    };
    const over = navigator.locks
      .request(`${key}.${id}`, { ifAvailable: true }, held)
      .catch(() => resolve(null));
  });
}

function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}

// A page may be denied its storage altogether; then it just is a new device.
function read(name: string): string | null {
  try {
    return sessionStorage.getItem(name);
  } catch {
    return null;
  }
}

function write(name: string, value: string): void {
  try {
    sessionStorage.setItem(name, value);
  } catch {
    // See read.
  }
}

/** A UUID of version 7, in lower case: ids of calls. A page that may call has `randomUUID`. */
export function uuidv7(now: number): string {
  const time = now.toString(16).padStart(12, "0");
  return `${time.slice(0, 8)}-${time.slice(8)}-7${crypto.randomUUID().slice(15)}`;
}
