import type {
  ClientFrameJson,
  ErrorJson,
  HeartbeatJson,
  HelloJson,
  ServerFrameJson,
  WelcomeJson,
} from "../gen/peal_pb";
import type { Device } from "./device";
import {
  codes,
  type GotToken,
  patienceFirstMs,
  patienceMostMs,
  pauseBusyMs,
  pauseFirstMs,
  pauseIdleMs,
  problem,
  type Socket,
  type State,
} from "./io";
import { due, earlier, formatTimestamp, nanos, parseTimestamp } from "./time";
import { idOf } from "./wire";

/**
 * What a device is doing about its connection.
 *
 * - offline: nothing. Left by `login`.
 * - fetching: a token was asked for. Left when it comes.
 * - dialing: a socket is being opened, or the hello was sent. Left by a welcome, a refusal,
 *   or when patience is over.
 * - pausing: before the next attempt. Left when that is over.
 * - online: welcomed. Left when the connection is lost or the login ends.
 */
export type Phase = "offline" | "fetching" | "dialing" | "pausing" | "online";

export function stateOf(p: Phase): State {
  switch (p) {
    case "offline":
    case "online":
      return p;
    case "fetching":
    case "dialing":
    case "pausing":
      return "connecting";
  }
}

/** How often to ask for a sign of life, and how long without an answer means death. */
interface Heartbeat {
  readonly every: number;
  readonly dead: number;
}

/** The connection to the server. */
export class Link {
  phase: Phase = "offline";
  /** Zero when there is none. */
  socket: Socket = 0;
  last: Socket = 0;
  token = "";
  /** No earlier call is in memory, until the first welcome. */
  fresh = true;
  /** Counts the failures since the last welcome. */
  attempt = 0;
  /** A second token was fetched because the first had expired. */
  renewed = false;
  /** The server's, of the last welcome, as are the heartbeats. */
  loginAt: string | undefined;
  idle: Heartbeat = { every: 0, dead: 0 };
  active: Heartbeat = { every: 0, dead: 0 };
  lastId = 0;
  /** When the socket was begun. */
  attemptAt = 0;

  /** Of the next attempt. */
  retryAt: number | undefined;
  /** When silence means that the connection is dead. */
  silentAt: number | undefined;
  /** Of the next question for a sign of life. */
  beatAt: number | undefined;
  /** Of the next token. */
  renewAt: number | undefined;

  /** The last ping, and how long it may go without an answer. */
  pinged = 0;
  grants = 0;

  deadline(): number | undefined {
    return earlier(earlier(this.retryAt, this.silentAt), earlier(this.beatAt, this.renewAt));
  }

  patience(): number {
    let p = patienceFirstMs;
    for (let i = 0; i < this.attempt; i++) {
      p = (p * 3) / 2;
      if (p >= patienceMostMs) return patienceMostMs;
    }
    return p;
  }

  rhythm(busy: boolean): Heartbeat {
    return busy ? this.active : this.idle;
  }
}

export function login(d: Device): void {
  if (d.link.phase !== "offline") return;
  enter(d, "fetching");
  d.do({ kind: "getToken" });
}

/** Moves to a phase, and reports a change of the state. */
function enter(d: Device, p: Phase): void {
  const was = d.link.phase;
  d.link.phase = p;
  if (stateOf(was) !== stateOf(p)) d.do({ kind: "stateChanged", state: stateOf(p) });
}

export function gotToken(d: Device, input: GotToken): void {
  const l = d.link;
  if (l.phase === "online" && input.error === undefined) {
    write(d, { authenticate: { token: input.token } });
  } else if (l.phase !== "fetching") {
    // The next hello asks again, and then a failure matters.
  } else if (input.error === undefined) {
    l.last++;
    l.socket = l.last;
    l.token = input.token;
    // Clocks are set back at times; attempts only go on.
    l.attemptAt = Math.max(l.attemptAt + 1, d.now);
    enter(d, "dialing");
    l.silentAt = d.now + l.patience();
    d.do({ kind: "dial", socket: l.socket });
  } else if (l.loginAt !== undefined) {
    // A backend that is away for a moment must not end a login that has been good.
    lost(d);
  } else {
    stop(d, problem(codes.token, `cannot get a token: ${input.error}`, false));
  }
}

export function opened(d: Device, socket: Socket): void {
  const l = d.link;
  if (socket !== l.socket || l.phase !== "dialing") return;
  const hello: HelloJson = {
    token: l.token,
    deviceId: d.config.id,
    client: d.config.client ?? "",
    fresh: l.fresh,
    resume: l.fresh && (d.config.resume ?? false),
    attemptAt: formatTimestamp(nanos(l.attemptAt)),
  };
  if (l.loginAt !== undefined) hello.loginAt = l.loginAt;
  l.token = "";
  write(d, { hello });
}

/** Sends a frame under the next id, which it returns. */
export function write(d: Device, f: ClientFrameJson): number {
  const l = d.link;
  l.lastId = (l.lastId + 1) >>> 0;
  d.do({ kind: "send", socket: l.socket, frame: { ...f, id: l.lastId } });
  return l.lastId;
}

/** Sends a command without waiting: the server answers only a failure. */
export function mention(d: Device, f: ClientFrameJson): void {
  if (d.link.phase === "online") write(d, { ...f, quiet: true });
}

export function received(d: Device, socket: Socket, f: ServerFrameJson): void {
  const l = d.link;
  if (socket !== l.socket) return;
  const replyTo = f.replyTo ?? 0;
  if (l.silentAt === undefined || l.phase === "dialing" || replyTo === l.pinged) {
    l.silentAt = undefined;
  } else {
    // It may have been on its way before the ping, whose answer is to come.
    l.silentAt = d.now + l.grants;
  }
  if (l.phase === "dialing") {
    receivedFirst(d, f);
  } else if (f.goodbye !== undefined) {
    if (!f.goodbye.reconnect) stop(d, f.goodbye.error);
  } else if (f.candidates !== undefined) {
    if (d.active !== undefined && idOf(d.active.call) === (f.candidates.callId ?? ""))
      d.do({ kind: "candidates", candidates: f.candidates });
  } else if (replyTo === 0 || !d.answered(f)) {
    d.passing(f.call);
  }
}

/** Takes what comes before the welcome, and that. */
function receivedFirst(d: Device, f: ServerFrameJson): void {
  if (f.welcome !== undefined) welcomed(d, f.welcome);
  else if (f.error !== undefined) refused(d, f.error);
  else if (f.goodbye !== undefined) refused(d, f.goodbye.error);
}

function welcomed(d: Device, w: WelcomeJson): void {
  const l = d.link;
  d.resumes = l.fresh && (d.config.resume ?? false);
  l.fresh = false;
  l.attempt = 0;
  l.renewed = false;
  l.loginAt = w.loginAt;
  l.idle = rhythm(w.idle);
  l.active = rhythm(w.active);
  d.account = w.account ?? "";
  enter(d, "online");
  const life = w.tokenExpiresInMs ?? 0;
  if (life > 0) l.renewAt = d.now + Math.floor((life * 4) / 5);
  beat(d);
  const waiting = [...d.requests];
  for (const r of waiting) {
    if (r.lasting) d.send(r);
  }
  const missed = d.records.ask(parseTimestamp(w.loginAt)); // Before greeted files newer records.
  d.greeted(w);
  d.resumes = false;
  for (const r of waiting) {
    if (!r.lasting) d.send(r);
  }
  d.catchUp(missed);
}

/** Takes a refused hello. A token may have expired on its way: one more is fetched. */
function refused(d: Device, e: ErrorJson | undefined): void {
  const expired = e?.code === codes.tokenExpired && !d.link.renewed;
  if (e?.retry || expired) {
    d.link.renewed = d.link.renewed || expired;
    lost(d);
    return;
  }
  stop(d, e);
}

/** Gives the connection up and plans the next. */
export function lost(d: Device): void {
  const l = d.link;
  drop(d);
  if (l.phase === "offline") return;
  d.requests = d.requests.filter((r) => !r.chore);
  for (const r of d.requests) r.id = 0;
  let limit = pauseFirstMs;
  const most = d.active !== undefined || d.requests.length > 0 ? pauseBusyMs : pauseIdleMs;
  for (let i = 0; i < l.attempt && limit < most; i++) limit *= 2;
  l.attempt++;
  l.retryAt = d.now + d.random.below(Math.min(limit, most));
  enter(d, "pausing");
}

/** Closes the socket, if there is one. */
function drop(d: Device): void {
  const l = d.link;
  if (l.socket !== 0) d.do({ kind: "close", socket: l.socket });
  l.socket = 0;
  l.retryAt = l.silentAt = l.beatAt = l.renewAt = undefined;
}

/** Goes offline for good: what waits fails, and the call is over here. */
export function stop(d: Device, why: ErrorJson | undefined): void {
  if (d.link.phase === "offline") return;
  drop(d);
  const l = d.link;
  l.phase = "offline";
  l.fresh = true;
  l.loginAt = undefined;
  l.attempt = 0;
  d.shadows.take();
  d.leaving = false;
  d.failAll(why);
  const v = d.active;
  if (v !== undefined) {
    const reason = why?.code === codes.kicked ? "kicked" : "lost";
    d.end(v.leave(d.account, reason, d.now));
    if (v.ringing("ROLE_CALLEE")) {
      d.past.drop(idOf(v.call)); // Where it still rings after the next login, it rings here.
    }
  }
  d.do({ kind: "stateChanged", state: "offline" });
  d.do({ kind: "loggedOut", error: why });
}

export function wokeLink(d: Device): void {
  const l = d.link;
  if (due(l.retryAt, d.now)) {
    l.retryAt = undefined;
    enter(d, "fetching");
    d.do({ kind: "getToken" });
    return;
  }
  if (due(l.silentAt, d.now)) {
    lost(d);
    return;
  }
  if (due(l.renewAt, d.now)) {
    l.renewAt = undefined;
    d.do({ kind: "getToken" });
  }
  if (due(l.beatAt, d.now)) {
    const h = l.rhythm(d.active !== undefined);
    ping(d, h.dead - h.every);
  }
}

/** Plans the next question for a sign of life. */
function beat(d: Device): void {
  d.link.beatAt = d.now + d.link.rhythm(d.active !== undefined).every;
}

/** Asks for a sign of life, one at a time. */
function ping(d: Device, patience: number): void {
  beat(d);
  const l = d.link;
  if (l.silentAt !== undefined) return;
  l.silentAt = d.now + patience;
  l.grants = patience;
  if (l.phase === "online") l.pinged = write(d, { ping: {} });
}

/** Finds out at once whether the connection is alive, or makes one. */
export function probe(d: Device): void {
  const l = d.link;
  switch (l.phase) {
    case "online":
      ping(d, l.active.dead);
      break;
    case "pausing":
      l.attempt = 0;
      l.retryAt = d.now;
      break;
    case "offline":
    case "fetching":
    case "dialing":
  }
}

/** Reads a heartbeat; without one it is that of a phone in a pocket. */
function rhythm(h: HeartbeatJson | undefined): Heartbeat {
  const every = h?.everyMs ?? 0;
  const dead = h?.deadAfterMs ?? 0;
  return every === 0 || dead <= every ? { every: 15_000, dead: 25_000 } : { every, dead };
}
