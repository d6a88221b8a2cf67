import type { Device } from "./device";
import type { Socket } from "./io";
import { type Attempt, getToken } from "./token";

/**
 * Another connection, which is tried while the first one does not answer. A new connection
 * takes several trips to open: where it opens before an answer comes by the first, the network
 * is another. It takes over then.
 */
export class Second {
  /** Zero when there is none. */
  socket: Socket = 0;
  attempt: Attempt | undefined;
  /** When to dial. */
  tryAt: number | undefined;
  /** A token is waited for first. */
  wanted = false;
  /** When the first connection was suspected last. */
  suspectedAt: number | undefined;

  /** Forgets what was planned: the first connection is alive. */
  answered(): void {
    this.tryAt = undefined;
    this.wanted = false;
  }
}

/**
 * How long a ping may take when media does not come either: more than by satellite. It is at
 * least three times what the last one took.
 */
const suspicionLeastMs = 700;
/** How long a connection that was suspected is trusted. */
const suspicionRestMs = 2_000;
/** How long the ping has, at least, before a second socket is dialed. */
const headStartMs = 100;

/** Finds out soon whether the connection is alive: media does not come. */
export function suspect(d: Device): void {
  const l = d.link;
  if (l.phase !== "online") {
    d.probe();
    return;
  }
  const s = l.second;
  if (s.suspectedAt !== undefined && d.now < s.suspectedAt + suspicionRestMs) return;
  s.suspectedAt = d.now;
  d.ping(Math.max(suspicionLeastMs, 3 * l.roundTrip));
  s.tryAt = d.now + Math.max(headStartMs, Math.floor((l.roundTrip * 3) / 2));
}

/** Forgets a suspicion: it was of another network. */
export function networkChanged(d: Device): void {
  closeSecond(d);
  d.link.second.suspectedAt = undefined;
}

/** Dials a second socket, unless the first one has answered meanwhile. */
export function tryAnother(d: Device): void {
  const l = d.link;
  if (l.silentAt === undefined || l.second.socket !== 0) return;
  const serving = l.tokens.serving(d.now);
  if (serving !== undefined) {
    dialSecond(d, serving.token, serving.kept);
    return;
  }
  l.second.wanted = true;
  getToken(d);
}

export function dialSecond(d: Device, token: string, kept: boolean): void {
  const s = d.link.second;
  s.socket = d.link.nextSocket();
  s.attempt = d.link.begin(token, kept, d.now);
  d.do({ kind: "dial", socket: s.socket });
}

/** Closes the second socket, if there is one. */
export function closeSecond(d: Device): void {
  const s = d.link.second;
  if (s.socket === 0) return;
  d.do({ kind: "close", socket: s.socket });
  s.socket = 0;
  s.attempt = undefined;
}
