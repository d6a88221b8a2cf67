const key = "peal.device";
/** When the last connection of the device was begun. */
const attemptKey = `${key}.attempt`;

/** The id of this running client, and how to give it up. */
export interface DeviceIdentity {
  readonly id: string;
  /** The time, in ms: later than whatever it told before, over reloads as well. */
  attemptAt(): number;
  release(): void;
}

/**
 * A page keeps its device id over reloads in sessionStorage. Duplicating a tab
 * copies that, so the id is guarded by a Web Lock: who does not get the lock is
 * a device of its own. Without locks (plain HTTP) each page load is one.
 */
export async function claimDevice(): Promise<DeviceIdentity> {
  if (typeof navigator === "undefined" || !navigator.locks)
    return { id: randomId(), attemptAt: attempts(0), release: () => {} };
  const kept = read(key);
  const id = kept ?? randomId();
  const release = await lock(id);
  if (release === null) {
    const own = randomId();
    return { id: own, attemptAt: attempts(0), release: (await lock(own)) ?? (() => {}) };
  }
  if (kept === null) write(key, id);
  const last = Number(read(attemptKey)) || 0;
  return { id, attemptAt: attempts(last, (at) => write(attemptKey, String(at))), release };
}

/** Clocks are set back at times; attempts only go on. */
function attempts(last: number, keep: (at: number) => void = () => {}): () => number {
  let at = last;
  return () => {
    at = Math.max(Date.now(), at + 1);
    keep(at);
    return at;
  };
}

/** Takes the lock of an id; null when another page has it. */
function lock(id: string): Promise<(() => void) | null> {
  return new Promise((resolve) => {
    const held = (taken: Lock | null): Promise<void> | undefined => {
      if (taken === null) {
        resolve(null);
        return undefined;
      }
      return new Promise<void>((release) => resolve(release));
    };
    navigator.locks.request(`${key}.${id}`, { ifAvailable: true }, held).catch(() => resolve(null));
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

/** A UUID of version 7, in lower case: ids of calls. */
export function uuidv7(now: number): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  for (let i = 0, ms = now; i < 6; i++) {
    bytes[5 - i] = ms % 256;
    ms = Math.floor(ms / 256);
  }
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x70;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
