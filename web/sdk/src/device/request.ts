import type {
  CallUpdateJson,
  ClientFrameJson,
  ErrorJson,
  RecordListJson,
  ServerFrameJson,
} from "../gen/peal_pb";
import type { Device } from "./device";
import {
  codes,
  lastingRetryMs,
  loggedOut,
  logoutPatienceMs,
  problem,
  requestTimeoutMs,
  type Ticket,
} from "./io";
import { due, earlier } from "./time";
import { idOf } from "./wire";

/** What a request is made of. */
export interface Wish {
  readonly command: ClientFrameJson;
  /**
   * It must arrive, however long that takes, and goes before all others on a new connection.
   */
  readonly lasting?: boolean;
  /** Called once, with the answer or with the failure. */
  readonly settled: (reply: Reply) => void;
  readonly ticket?: Ticket;
  /** A later login asks for it again. */
  readonly chore?: boolean;
}

/**
 * A command that waits for its answer. Every command is idempotent, so it is sent again on
 * each new connection.
 */
export interface Request extends Required<Wish> {
  /** As it was sent on this connection; zero when it was not. */
  id: number;
  /** When it fails; undefined for one that lasts. */
  until: number | undefined;
  /** When to send one that lasts again. */
  again: number | undefined;
}

/** The result of a request. */
export interface Reply {
  readonly update?: CallUpdateJson | undefined;
  readonly records?: RecordListJson | undefined;
  readonly error?: ErrorJson | undefined;
}

/** The call that a command to leave one is about. */
export function about(r: Request): string {
  const c = r.command.hangup ?? r.command.cancel ?? r.command.reject;
  return c?.callId ?? "";
}

export function deadline(r: Request): number | undefined {
  return earlier(r.until, r.again);
}

/** Sends a command, now or after the next welcome. */
export function request(d: Device, wish: Wish): Request {
  const r: Request = {
    lasting: false,
    ticket: 0,
    chore: false,
    id: 0,
    until: undefined,
    again: undefined,
    ...wish,
  };
  if (d.link.phase === "offline" && !r.lasting) {
    r.settled({ error: problem(codes.offline, "log in first", false) });
    return r;
  }
  if (!r.lasting) r.until = d.now + requestTimeoutMs;
  d.requests.push(r);
  if (d.link.phase === "online") send(d, r);
  return r;
}

export function send(d: Device, r: Request): void {
  if (!d.requests.includes(r)) return;
  r.id = d.write(r.command);
  r.again = undefined;
}

/** Sends a command of the application's. */
export function ask(
  d: Device,
  input: { readonly ticket: Ticket; readonly command: ClientFrameJson },
): void {
  const { ticket, command } = input;
  d.request({
    command,
    ticket,
    settled: (r) => {
      d.do({ kind: "answer", ticket, update: r.update, records: r.records, error: r.error });
      const v = d.active;
      const own = command.ringing?.callId ?? "";
      if (v !== undefined && r.error === undefined && own === idOf(v.call)) {
        v.ringTimeoutMs = command.ringing?.ringTimeoutMs ?? 0;
      }
      d.update(r.update);
    },
  });
}

/** Gives an answer to the request that waits for it; false when none does. */
export function answered(d: Device, f: ServerFrameJson): boolean {
  const r = d.requests.find((r) => r.id === (f.replyTo ?? 0));
  if (r === undefined) return false;
  if (r.lasting && f.error?.retry) {
    r.id = 0;
    r.again = d.now + lastingRetryMs;
    return true;
  }
  settle(d, r, { update: f.call, records: f.records, error: f.error });
  return true;
}

function settle(d: Device, r: Request, reply: Reply): void {
  const i = d.requests.indexOf(r);
  if (i < 0) return;
  d.requests.splice(i, 1);
  r.settled(reply);
}

export function wokeRequest(d: Device, r: Request): void {
  if (due(r.until, d.now)) {
    settle(d, r, { error: problem(codes.timeout, "the server did not answer in time", true) });
  } else if (due(r.again, d.now)) {
    r.again = undefined;
    if (d.link.phase === "online") send(d, r);
  }
}

/** Leaves a request that nobody waits for any more. One that lasts goes on. */
export function forgetTicket(d: Device, ticket: Ticket): void {
  const r = d.requests.find((r) => r.ticket === ticket && !r.lasting);
  if (r === undefined) return;
  settle(d, r, { error: problem(codes.timeout, "nobody waits for the answer any more", true) });
}

export function failAll(d: Device, why: ErrorJson | undefined): void {
  for (const r of [...d.requests]) settle(d, r, { error: why });
}

/** Leaves in order: the call first, then the login. */
export function logout(d: Device, ticket: Ticket): void {
  if (d.link.phase === "offline") {
    d.do({ kind: "answer", ticket });
    return;
  }
  d.logsOut = true;
  const v = d.active;
  if (v !== undefined) d.hangup({ ticket: 0, call: idOf(v.call) });
  const r = d.request({
    command: { logout: {} },
    ticket,
    settled: () => {
      d.do({ kind: "answer", ticket });
      d.stop(loggedOut(), "lost");
    },
  });
  r.until = d.now + logoutPatienceMs;
}
