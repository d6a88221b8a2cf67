import type { Device } from "./device";
import { codes, type GotToken, problem, renewRetryMs } from "./io";

/** What the hello of a connection says that is being made. */
export interface Attempt {
  readonly token: string;
  /** The server took the token before. */
  readonly kept: boolean;
  readonly at: number;
}

/**
 * Parts of the life of a token: it is renewed when a fifth of it is left, and not used for a
 * hello when a twentieth of it is left.
 */
const renewPart = 5;
const servePart = 20;

/**
 * The bearer tokens of a login. A token that lasts is used again for reconnects: the network
 * that a new one comes by may be half away.
 */
export class Tokens {
  /**
   * The newest token that the server took, and how long it lasts in all, as far as that is
   * known.
   */
  kept = "";
  life = 0;
  /** Until when it serves. */
  until = 0;
  /** It came while no hello waited for it: the next one carries it. */
  spare = "";
  /** A `getToken` is not answered yet. There is one at a time. */
  awaited = false;
  /** That was asked for the login before. A failure of it has no effect. */
  late = false;

  /** Gives the token for a hello, if there is one. */
  serving(now: number): { token: string; kept: boolean } | undefined {
    if (this.spare !== "") {
      const token = this.spare;
      this.spare = "";
      return { token, kept: false };
    }
    return this.kept !== "" && now < this.until ? { token: this.kept, kept: true } : undefined;
  }

  /** Keeps the token of a hello, of whose life so much is left. */
  welcomed(a: Attempt, left: number, now: number): void {
    if (!a.kept) this.life = 0;
    this.kept = a.token;
    this.life = Math.max(this.life, left);
    this.until = now + left - this.part(servePart);
  }

  /** Keeps a new token, which lives as long as the one before. */
  renewed(token: string, now: number): void {
    this.kept = token;
    this.until = now + this.life - this.part(servePart);
  }

  /** How long before the end of its life a token is renewed. */
  get renewal(): number {
    return this.part(renewPart);
  }

  /** A part of the life, in whole milliseconds. */
  part(n: number): number {
    return Math.floor(this.life / n);
  }

  /** Forgets the token that was kept: the server does not take it any more. */
  drop(): void {
    this.kept = "";
    this.life = 0;
    this.until = 0;
  }
}

/** Asks for a token, unless one is on its way. */
export function getToken(d: Device): void {
  if (d.link.tokens.awaited) return;
  d.link.tokens.awaited = true;
  d.do({ kind: "getToken" });
}

/** Uses a token for whatever needs one now. */
export function gotToken(d: Device, input: GotToken): void {
  const l = d.link;
  if (!l.tokens.awaited) return;
  const { late } = l.tokens;
  l.tokens.awaited = false;
  l.tokens.late = false;
  if (input.error !== undefined && late && l.phase === "fetching") {
    getToken(d);
    return;
  }
  if (input.error !== undefined) {
    tokenFailed(d, input.error);
    return;
  }
  switch (l.phase) {
    case "offline":
      break;
    case "fetching":
      d.dial(input.token, false);
      break;
    case "dialing":
    case "pausing":
      l.tokens.spare = input.token;
      break;
    case "online":
      authenticate(d, input.token);
      if (l.second.wanted) {
        l.second.wanted = false;
        d.dialSecond(input.token, false);
      }
  }
}

function tokenFailed(d: Device, error: string): void {
  const l = d.link;
  switch (l.phase) {
    case "fetching":
      if (l.fresh) d.stop(problem(codes.token, `cannot get a token: ${error}`, false), "lost");
      // A backend that is away for a moment must not end a login that has been good.
      else d.lost();
      break;
    case "online":
      l.second.wanted = false;
      if (l.renewAt === undefined && l.tokens.life > 0) l.renewAt = d.now + renewRetryMs;
      break;
    case "offline":
    case "dialing":
    case "pausing":
    // The next hello asks again, and then a failure matters.
  }
}

/**
 * Renews the token of the connection. The next renewal is not due at once, however short the
 * life of a token is.
 */
export function authenticate(d: Device, token: string): void {
  const l = d.link;
  d.write({ authenticate: { token } });
  l.tokens.renewed(token, d.now);
  planRenewal(d, Math.max(l.tokens.life, renewRetryMs + l.tokens.renewal));
}

/** Plans the next token, where so much is left of the life of this one. */
export function planRenewal(d: Device, left: number): void {
  const l = d.link;
  if (l.tokens.life > 0) l.renewAt = d.now + left - l.tokens.renewal;
}
