import type {
  AcceptJson,
  CallUpdateJson,
  CandidatesJson,
  ClientFrameJson,
  ErrorJson,
  InviteJson,
  RecordJson,
  RecordListJson,
  ServerFrameJson,
} from "../gen/peal_pb";
import type { Change, End } from "./machine";
import type { RecordMemory } from "./records";

/** Names one connection of a device. They are counted up from 1. */
export type Socket = number;

/** Ties a wish of the application to its answer. Zero asks for none. */
export type Ticket = number;

/**
 * The inputs of the connection. What comes from a socket that is no longer the device's has
 * no effect.
 */
type ConnectionInput =
  /**
   * Answers `getToken`; with an error there is no token. The shell bounds the wait: a token
   * that does not come is an error.
   */
  | GotToken
  /** The socket can be used. */
  | { readonly kind: "opened"; readonly socket: Socket }
  /** A frame of the server. */
  | { readonly kind: "received"; readonly socket: Socket; readonly frame: ServerFrameJson }
  /** The end of a socket, or that it did not open. Nothing of that socket follows it. */
  | { readonly kind: "closed"; readonly socket: Socket }
  /** The time of `Device.deadline` has come. */
  | { readonly kind: "woke" };

export interface GotToken {
  readonly kind: "gotToken";
  readonly token: string;
  readonly error?: string;
}

/** The inputs of the application. Those with a ticket are answered by one `answer`. */
type ApplicationInput =
  /** Begins a login that lasts until `logout`, or until the server ends it. */
  | { readonly kind: "login" }
  /** Ends the call that the device is in, and the login. */
  | { readonly kind: "logout"; readonly ticket: Ticket }
  /** Goes offline without a word, as a program that is killed does. */
  | { readonly kind: "stop" }
  /**
   * Begins a call that is not sent yet: the page opens a microphone first, which takes a
   * person's time, and no other call rings meanwhile. Its `invite` needs no offer.
   */
  | Draft
  /** Ends a draft without a word: the call could not be made. */
  | { readonly kind: "abandon"; readonly call: string }
  /**
   * Makes a call, or sends the draft of that id. The server does not hear of one that was
   * given up while it was a draft.
   */
  | Invite
  /** Answers the call that rings. */
  | Accept
  /** Declines the call that rings. It holds at once. */
  | ({ readonly kind: "reject" } & Leave)
  /** Gives up an invitation. Where the server cannot be reached it holds at once. */
  | ({ readonly kind: "cancel" } & Leave)
  /** Ends the call in any state. It holds at once. */
  | ({ readonly kind: "hangup" } & Leave)
  /** Sends any other command, and repeats it until it is answered or the request times out. */
  | { readonly kind: "ask"; readonly ticket: Ticket; readonly command: ClientFrameJson }
  /**
   * Sends a command that nobody waits for, if there is a connection. It is made quiet: its
   * results come as updates, and only a failure is answered.
   */
  | { readonly kind: "mention"; readonly command: ClientFrameJson }
  /** Gives up waiting for an answer. */
  | { readonly kind: "forget"; readonly ticket: Ticket }
  /** Finds out at once whether the connection is alive, or makes one. */
  | { readonly kind: "probe" }
  /**
   * Media does not come any more: the device finds out soon whether the connection is alive,
   * and dials a second one meanwhile.
   */
  | { readonly kind: "suspect" }
  /**
   * The page goes away: the server grants a shorter time to come back. A `probe` is due when
   * the page goes on.
   */
  | { readonly kind: "leaving" }
  /**
   * What another page remembers, or remembered before this one was loaded: those records are
   * not reported again. The account is known by a welcome only, so before the login there is
   * one of these for each account.
   */
  | ({ readonly kind: "recordsRemembered" } & RecordMemory)
  /**
   * There may be another network, or none. A `probe` finds out what that means for the
   * connection.
   */
  | { readonly kind: "networkChanged" };

export interface Draft {
  readonly kind: "draft";
  readonly ticket: Ticket;
  readonly invite: InviteJson;
}

export interface Invite {
  readonly kind: "invite";
  readonly ticket: Ticket;
  readonly invite: InviteJson;
}

export interface Accept {
  readonly kind: "accept";
  readonly ticket: Ticket;
  readonly accept: AcceptJson;
}

/** What leaves a call. */
export interface Leave {
  readonly ticket: Ticket;
  readonly call: string;
}

/** What the shell gives a device. */
export type Input = ConnectionInput | ApplicationInput;

/** The effects on the connection. */
type ConnectionEffect =
  /** Asks for a bearer token. There is one such question at a time. */
  | { readonly kind: "getToken" }
  /** Opens a socket. It may be the second one, beside that which is in use. */
  | { readonly kind: "dial"; readonly socket: Socket }
  /** Writes a frame. */
  | { readonly kind: "send"; readonly socket: Socket; readonly frame: ClientFrameJson }
  /** Closes a socket after what was sent before. */
  | { readonly kind: "close"; readonly socket: Socket };

/** The effects on the application. */
type ApplicationEffect =
  | Answer
  /** The connection changed. */
  | { readonly kind: "stateChanged"; readonly state: State }
  /** The login is over: no reconnect follows. */
  | { readonly kind: "loggedOut"; readonly error: ErrorJson | undefined }
  /** A call rings here, with its offer and ICE servers. */
  | { readonly kind: "incoming"; readonly update: CallUpdateJson }
  /** A call went on while this program was started again. */
  | { readonly kind: "resumed"; readonly update: CallUpdateJson }
  /**
   * An update of the call, with what it changes for this device; the descriptions and ICE
   * servers count also where nothing changes. Those that come late have the newest snapshot
   * beside them.
   */
  | {
      readonly kind: "updated";
      readonly update: CallUpdateJson;
      readonly changes: readonly Change[];
    }
  /** The call is over for this device. Nothing of it follows, but its record. */
  | { readonly kind: "ended"; readonly call: string; readonly end: End }
  /** The other side's candidates. */
  | { readonly kind: "candidates"; readonly candidates: CandidatesJson }
  /** A record of the account, each once. */
  | { readonly kind: "filed"; readonly record: RecordJson }
  /** What is to be stored for the next page, in place of an earlier one of that account. */
  | ({ readonly kind: "rememberRecords" } & RecordMemory)
  /** A failure that nothing else tells. */
  | { readonly kind: "failed"; readonly error: ErrorJson };

/** The result of a wish. `error` may stand beside `update`. */
export interface Answer {
  readonly kind: "answer";
  readonly ticket: Ticket;
  readonly update?: CallUpdateJson | undefined;
  readonly records?: RecordListJson | undefined;
  readonly error?: ErrorJson | undefined;
}

/** What a device asks of the shell, to be done in order. */
export type Effect = ConnectionEffect | ApplicationEffect;

/**
 * Whether the server can be reached.
 *
 * - offline: not logged in. Left by `login`; entered when the login ends.
 * - connecting: also while connecting again. Left by a welcome or a refusal.
 * - online: welcomed. Left when the connection is lost or the login ends.
 */
export type State = "offline" | "connecting" | "online";

/** Codes of errors: those that are made here, and those of the server that matter here. */
export const codes = {
  offline: "not_logged_in",
  timeout: "request_timeout",
  wrongState: "wrong_state",
  token: "token_failed",
  loggedOut: "logged_out",

  alreadyAccepted: "already_accepted",
  badToken: "bad_token",
  callEnded: "call_ended",
  kicked: "kicked",
  tokenExpired: "token_expired",
  tokenRevoked: "token_revoked",
  unavailable: "unavailable",
} as const;

/** How long a command waits for its answer, reconnects included. */
export const requestTimeoutMs = 10_000;
/** When a command that must arrive is repeated after an error that may pass. */
export const lastingRetryMs = 1_000;
/**
 * How long a connection may take to be welcomed: one that is stuck is left soon, a slow
 * network gets more time.
 */
export const patienceFirstMs = 4_000;
export const patienceMostMs = 15_000;
/**
 * The pause before the next attempt is anything up to a limit, which doubles: after an
 * outage not everybody comes back at once.
 */
export const pauseFirstMs = 250;
export const pauseIdleMs = 30_000;
export const pauseBusyMs = 5_000;
/** When to ask again for a token that could not be had, while the connection lasts. */
export const renewRetryMs = 30_000;
/** How long a logout waits for the server. */
export const logoutPatienceMs = 2_000;

/** The error of a login that the person ended. */
export function loggedOut(): ErrorJson {
  return problem(codes.loggedOut, "logged out", false);
}

/** An error that is made here. */
export function problem(code: string, message: string, retry: boolean): ErrorJson {
  return { code, message, retry };
}
