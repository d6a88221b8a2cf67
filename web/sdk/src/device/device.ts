/**
 * One running client of an account: its login, which lasts over lost connections, the
 * one call that it may be in, and what the application already knows.
 *
 * A Device is an event loop without a clock and without I/O. The shell calls `step` with
 * one input at a time and carries out the effects in order. It is `internal/device` of the
 * Go SDK in TypeScript, function for function; the simulator compares both step by step.
 *
 *     offline ──login──► connecting ──welcome──► online
 *        ▲                 ▲   │                   │
 *        └── refused ──────┼───┘                   │
 *        ▲                 └──── connection lost ──┤
 *        └──── logout, replaced, kicked ───────────┘
 *
 * All times are whole milliseconds of one clock of the shell, which only grows. Frames are
 * ProtoJSON, where a field with its default value may be missing.
 */
import type {
  CallJson,
  CallUpdateJson,
  ClientFrameJson,
  ErrorJson,
  ListRecordsJson,
  ServerFrameJson,
  WelcomeJson,
} from "../gen/peal_pb";
import * as calls from "./calls";
import { type Effect, type Input, type Leave, loggedOut, type State, type Ticket } from "./io";
import * as link from "./link";
import type { End, View } from "./machine";
import { Random } from "./random";
import * as records from "./records";
import * as request from "./request";
import * as second from "./second";
import { Shadows } from "./shadow";
import { earlier } from "./time";
import * as token from "./token";

/** What a device is made of. */
export interface Config {
  /** Names this device among those of the account. */
  readonly id: string;
  /** Name and version of the program, for the operator's eyes. */
  readonly client?: string;
  /**
   * Goes on with the call that a device of this id was in before; otherwise the login ends
   * that call.
   */
  readonly resume?: boolean;
  /**
   * The first records to report: those of calls that ended at that time, in milliseconds
   * since 1970. Without it, those of the last seven days.
   */
  readonly recordsSince?: number;
  /**
   * When a device of this id began a connection last, before this program was started, in
   * milliseconds: `hello.attemptAt` goes on from there. Without it, never.
   */
  readonly attemptAt?: number;
  /** Begins the pseudo-random numbers that spread reconnects: each device needs its own. */
  readonly seed: number;
  /** Calls that are over, known from logins before; without it none. */
  readonly past?: calls.Past;
}

/** The inputs of the connection, and of what it is made of. */
type ConnectionKind =
  | "gotToken"
  | "opened"
  | "received"
  | "closed"
  | "woke"
  | "probe"
  | "suspect"
  | "networkChanged";

/** One running client. The shell alone owns it; what follows `idle` is for the files of this folder. */
export class Device {
  readonly config: Config;
  now = 0;
  account = "";
  readonly link: link.Link;
  requests: request.Request[] = [];
  active: View | undefined;
  shadows = new Shadows();
  /** When they are taken up, after a call has ended. */
  unshadeAt: number | undefined;
  /** Nothing rings any more, and no call begins. */
  logsOut = false;
  /** It takes the first welcome of a login, and goes on with the calls in that. */
  resumes = false;
  readonly past: calls.Past;
  records: records.RecordLog;
  /** The logs of other accounts, or of one before its welcome. */
  readonly others = new Map<string, records.RecordLog>();
  readonly random: Random;
  #effects: Effect[] = [];

  /** Makes a device that is offline. */
  constructor(config: Config) {
    this.config = config;
    this.past = config.past ?? new calls.Past();
    this.link = new link.Link(Math.floor(config.attemptAt ?? 0));
    this.records = new records.RecordLog(config.recordsSince);
    this.random = new Random(config.seed);
  }

  /**
   * Takes one input and returns what the shell is to do, in order. Times only need to grow;
   * they are not the server's. Less than a millisecond is cut off.
   */
  step(now: number, input: Input): Effect[] {
    this.now = Math.floor(now);
    this.#effects = [];
    this.#take(input);
    records.remember(this);
    return this.#effects;
  }

  /** When the device wants a `woke`, in milliseconds; undefined when never. */
  deadline(): number | undefined {
    let at = earlier(this.link.deadline(), this.unshadeAt);
    for (const r of this.requests) at = earlier(at, request.deadline(r));
    return at;
  }

  /** Whether the server can be reached. */
  get state(): State {
    return link.stateOf(this.link.phase);
  }

  /** The newest snapshot of the call that the device is in; undefined when it is in none. */
  get call(): CallJson | undefined {
    return this.active?.call;
  }

  /** Whether nothing waits for an answer. */
  get idle(): boolean {
    return this.requests.length === 0;
  }

  /** Takes what is of the connection. */
  #take(input: Input): void {
    switch (input.kind) {
      case "gotToken":
        token.gotToken(this, input);
        break;
      case "opened":
        link.opened(this, input.socket);
        break;
      case "received":
        link.received(this, input.socket, input.frame);
        break;
      case "closed":
        link.closed(this, input.socket);
        break;
      case "woke":
        this.#woke();
        break;
      case "probe":
        this.probe();
        break;
      case "suspect":
        second.suspect(this);
        break;
      case "networkChanged":
        second.networkChanged(this);
        break;
      default:
        this.#obey(input);
    }
  }

  /** Takes what the application asks for. */
  #obey(input: Exclude<Input, { kind: ConnectionKind }>): void {
    switch (input.kind) {
      case "login":
        link.login(this);
        break;
      case "logout":
        request.logout(this, input.ticket);
        break;
      case "stop":
        this.stop(loggedOut(), "lost");
        break;
      case "draft":
        calls.draft(this, input);
        break;
      case "abandon":
        calls.abandonDraft(this, input.call);
        break;
      case "invite":
        calls.invite(this, input);
        break;
      case "accept":
        calls.accept(this, input);
        break;
      case "reject":
        calls.reject(this, input);
        break;
      case "cancel":
        calls.cancel(this, input);
        break;
      case "hangup":
        calls.hangup(this, input);
        break;
      case "ask":
        this.ask(input);
        break;
      case "mention":
        this.mention(input.command);
        break;
      case "forget":
        request.forgetTicket(this, input.ticket);
        break;
      case "leaving":
        this.mention({ leaving: {} });
        break;
      case "recordsRemembered":
        records.recordsRemembered(this, input);
        break;
    }
  }

  /** Does what is due. */
  #woke(): void {
    link.wokeLink(this);
    calls.wokeShadows(this);
    for (const r of [...this.requests]) request.wokeRequest(this, r);
  }

  /** Adds an effect. */
  do(effect: Effect): void {
    this.#effects.push(effect);
  }

  // What the files of this folder need of each other goes through here: so none of them
  // imports another one that imports it.

  write(frame: ClientFrameJson): number {
    return link.write(this, frame);
  }

  mention(frame: ClientFrameJson): void {
    link.mention(this, frame);
  }

  probe(): void {
    link.probe(this);
  }

  ping(patience: number): void {
    link.ping(this, patience);
  }

  dial(token: string, kept: boolean): void {
    link.dial(this, token, kept);
  }

  dialSecond(token: string, kept: boolean): void {
    second.dialSecond(this, token, kept);
  }

  lost(): void {
    link.lost(this);
  }

  stop(why: ErrorJson | undefined, reason: "kicked" | "lost"): void {
    link.stop(this, why, reason);
  }

  request(wish: request.Wish): request.Request {
    return request.request(this, wish);
  }

  send(r: request.Request): void {
    request.send(this, r);
  }

  ask(input: { readonly ticket: Ticket; readonly command: ClientFrameJson }): void {
    request.ask(this, input);
  }

  answered(frame: ServerFrameJson): boolean {
    return request.answered(this, frame);
  }

  failAll(why: ErrorJson | undefined): void {
    request.failAll(this, why);
  }

  greeted(welcome: WelcomeJson): void {
    calls.greeted(this, welcome);
  }

  update(update: CallUpdateJson | undefined): void {
    calls.update(this, update);
  }

  passing(update: CallUpdateJson | undefined): void {
    calls.passing(this, update);
  }

  hangup(input: Leave): void {
    calls.hangup(this, input);
  }

  end(end: End): void {
    calls.end(this, end);
  }

  file(update: CallUpdateJson): void {
    records.file(this, update);
  }

  catchUp(page: ListRecordsJson): void {
    records.catchUp(this, page);
  }
}
