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
  patienceFirstMs,
  patienceMostMs,
  pauseBusyMs,
  pauseFirstMs,
  pauseIdleMs,
  type Socket,
  type State,
} from "./io";
import { nameAccount } from "./records";
import { closeSecond, Second, tryAnother } from "./second";
import { due, earlier, formatTimestamp, nanos, parseTimestamp } from "./time";
import { type Attempt, authenticate, getToken, planRenewal, Tokens } from "./token";
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
  /** That of the socket, until its welcome. */
  attempt: Attempt | undefined;
  second = new Second();
  readonly tokens = new Tokens();
  /** No earlier call is in memory, until the first welcome. */
  fresh = true;
  /** Counts the attempts since the last welcome that failed. */
  failures = 0;
  /** A second token was fetched because the first had expired. */
  renewed = false;
  /** The server's, of the last welcome, as are the heartbeats. */
  loginAt: string | undefined;
  idle: Heartbeat = { every: 0, dead: 0 };
  active: Heartbeat = { every: 0, dead: 0 };
  lastId = 0;
  /** When the latest socket was begun. */
  attemptAt: number;

  /** Of the next attempt. */
  retryAt: number | undefined;
  /** When silence means that the connection is dead. */
  silentAt: number | undefined;
  /** Of the next question for a sign of life. */
  beatAt: number | undefined;
  /** Of the next token. */
  renewAt: number | undefined;

  /** The last ping, when it was sent, and how long it may go without an answer. */
  pinged = 0;
  pingedAt = 0;
  grants = 0;
  /** How long the last answer to a ping took. */
  roundTrip = 0;

  constructor(attemptAt: number) {
    this.attemptAt = attemptAt;
  }

  deadline(): number | undefined {
    const at = earlier(earlier(this.retryAt, this.silentAt), earlier(this.beatAt, this.renewAt));
    return earlier(at, this.second.tryAt);
  }

  /** Numbers a connection. */
  nextSocket(): Socket {
    this.last++;
    return this.last;
  }

  /** Begins a connection, later than all before: clocks are set back at times. */
  begin(token: string, kept: boolean, now: number): Attempt {
    this.attemptAt = Math.max(this.attemptAt + 1, now);
    return { token, kept, at: this.attemptAt };
  }

  patience(): number {
    let p = patienceFirstMs;
    for (let i = 0; i < this.failures; i++) {
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
  const l = d.link;
  if (l.phase !== "offline") return;
  l.tokens.late = l.tokens.awaited;
  connect(d);
}

/** Moves to a phase, and reports a change of the state. */
function enter(d: Device, p: Phase): void {
  const was = d.link.phase;
  d.link.phase = p;
  if (stateOf(was) !== stateOf(p)) d.do({ kind: "stateChanged", state: stateOf(p) });
}

/** Begins an attempt, or asks for the token that it needs. */
function connect(d: Device): void {
  const serving = d.link.tokens.serving(d.now);
  if (serving !== undefined) {
    dial(d, serving.token, serving.kept);
    return;
  }
  enter(d, "fetching");
  getToken(d);
}

export function dial(d: Device, token: string, kept: boolean): void {
  const l = d.link;
  l.socket = l.nextSocket();
  l.attempt = l.begin(token, kept, d.now);
  enter(d, "dialing");
  l.silentAt = d.now + l.patience();
  d.do({ kind: "dial", socket: l.socket });
}

export function opened(d: Device, socket: Socket): void {
  const l = d.link;
  if (socket !== 0 && socket === l.second.socket) takeOver(d);
  if (socket !== l.socket || l.phase !== "dialing") return;
  const hello: HelloJson = {
    token: l.attempt?.token ?? "",
    deviceId: d.config.id,
    client: d.config.client ?? "",
    fresh: l.fresh,
    resume: l.fresh && (d.config.resume ?? false),
    attemptAt: formatTimestamp(nanos(l.attempt?.at ?? 0)),
  };
  if (l.loginAt !== undefined) hello.loginAt = l.loginAt;
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
  closeSecond(d);
  if (l.silentAt === undefined || l.phase === "dialing") {
    l.silentAt = undefined;
  } else if (replyTo === l.pinged) {
    l.silentAt = undefined;
    l.roundTrip = d.now - l.pingedAt;
    l.second.answered();
  } else {
    // It may have been on its way before the ping, whose answer is to come.
    l.silentAt = d.now + l.grants;
  }
  if (l.phase === "dialing") {
    receivedFirst(d, f);
  } else if (f.goodbye !== undefined) {
    if (!f.goodbye.reconnect) stop(d, f.goodbye.error, endOf(f.goodbye.error));
    else if (f.goodbye.error?.code === codes.tokenExpired) l.tokens.drop();
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
  l.failures = 0;
  l.renewed = false;
  l.loginAt = w.loginAt;
  l.idle = rhythm(w.idle);
  l.active = rhythm(w.active);
  nameAccount(d, w.account ?? "");
  enter(d, "online");
  const left = w.tokenExpiresInMs ?? 0;
  if (l.attempt !== undefined) l.tokens.welcomed(l.attempt, left, d.now);
  l.attempt = undefined;
  planRenewal(d, left);
  const token = l.tokens.spare;
  if (token !== "") {
    l.tokens.spare = ""; // It is newer.
    authenticate(d, token);
  }
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

/**
 * Takes a refused hello. A token may have expired on its way, or not be good any more since
 * the server took it: one more is fetched.
 */
function refused(d: Device, e: ErrorJson | undefined): void {
  const l = d.link;
  const bad = e?.code === codes.badToken && l.attempt?.kept === true;
  const dead = e?.code === codes.tokenExpired || e?.code === codes.tokenRevoked || bad;
  if (dead) l.tokens.drop();
  const expired = dead && !l.renewed;
  if (e?.retry || expired) {
    l.renewed = l.renewed || expired;
    lost(d);
    return;
  }
  stop(d, e, endOf(e));
}

/** Takes the end of a socket. */
export function closed(d: Device, socket: Socket): void {
  const l = d.link;
  if (socket === 0) return;
  if (socket === l.socket) {
    lost(d);
  } else if (socket === l.second.socket) {
    l.second.socket = 0;
    l.second.attempt = undefined;
  }
}

/**
 * Gives the connection up. A second one that is being made takes its place; otherwise the
 * next one is planned.
 */
export function lost(d: Device): void {
  const l = d.link;
  if (l.second.socket !== 0) {
    takeOver(d);
    return;
  }
  drop(d);
  if (l.phase === "offline") return;
  unanswered(d);
  let limit = pauseFirstMs;
  const most = d.active !== undefined || d.requests.length > 0 ? pauseBusyMs : pauseIdleMs;
  for (let i = 0; i < l.failures && limit < most; i++) limit *= 2;
  l.failures++;
  l.retryAt = d.now + d.random.below(Math.min(limit, most));
  enter(d, "pausing");
}

/** Makes the second connection the connection. */
function takeOver(d: Device): void {
  const l = d.link;
  const { socket, attempt } = l.second;
  l.second.socket = 0;
  drop(d);
  unanswered(d);
  l.socket = socket;
  l.attempt = attempt;
  enter(d, "dialing");
  l.silentAt = d.now + l.patience();
}

/** Has the next connection send again what was not answered. */
function unanswered(d: Device): void {
  d.requests = d.requests.filter((r) => !r.chore);
  for (const r of d.requests) r.id = 0;
}

/** Closes the sockets, if there are any. */
function drop(d: Device): void {
  const l = d.link;
  closeSecond(d);
  if (l.socket !== 0) d.do({ kind: "close", socket: l.socket });
  l.socket = 0;
  l.attempt = undefined;
  l.second = new Second();
  l.retryAt = l.silentAt = l.beatAt = l.renewAt = undefined;
}

/** Why the call of a login ends that the server ended, as the error says. */
function endOf(login: ErrorJson | undefined): "kicked" | "lost" {
  switch (login?.code) {
    case codes.kicked:
    case codes.loggedOut:
    case codes.tokenRevoked:
      return "kicked";
    default:
      return "lost";
  }
}

/** Goes offline for good: what waits fails, and the call is over here, for that reason. */
export function stop(d: Device, why: ErrorJson | undefined, reason: "kicked" | "lost"): void {
  if (d.link.phase === "offline") return;
  drop(d);
  const l = d.link;
  l.phase = "offline";
  l.fresh = true;
  l.loginAt = undefined;
  l.failures = 0;
  l.renewed = false;
  l.tokens.spare = "";
  l.tokens.drop();
  d.shadows.take();
  d.logsOut = false;
  d.failAll(why);
  const v = d.active;
  if (v !== undefined) {
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
    connect(d);
    return;
  }
  if (due(l.silentAt, d.now)) {
    lost(d);
    return;
  }
  if (due(l.renewAt, d.now)) {
    l.renewAt = undefined;
    getToken(d);
  }
  if (due(l.second.tryAt, d.now)) {
    l.second.tryAt = undefined;
    tryAnother(d);
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

/** Asks for a sign of life, one at a time. A shorter patience shortens the wait. */
export function ping(d: Device, patience: number): void {
  beat(d);
  const l = d.link;
  const waits = l.silentAt !== undefined;
  const until = d.now + patience;
  if (l.silentAt !== undefined && until >= l.silentAt) return;
  l.silentAt = until;
  l.grants = patience;
  if (waits) return;
  l.pinged = write(d, { ping: {} });
  l.pingedAt = d.now;
}

/** Finds out at once whether the connection is alive, or makes one. */
export function probe(d: Device): void {
  const l = d.link;
  switch (l.phase) {
    case "online":
      ping(d, l.active.dead);
      break;
    case "pausing":
      l.failures = 0;
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
