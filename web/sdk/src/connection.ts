import type { ConnectionState } from "./api";
import { PealError } from "./errors";
import type {
  CallUpdateJson,
  CandidatesJson,
  ClientFrameJson,
  ErrorJson,
  RecordListJson,
  ServerFrameJson,
  WelcomeJson,
} from "./gen/peal_pb";
import type { OpenSocket, Socket } from "./socket";

export type Command = Omit<ClientFrameJson, "id">;

/** The answer to a command: an error may come beside the call. */
export interface Reply {
  readonly error: PealError | null;
  readonly call: CallUpdateJson | null;
  readonly records?: RecordListJson | null;
}

export interface ConnectionOptions {
  url: string;
  device: string;
  client: string;
  resume: boolean;
  /** When an attempt to connect begins: later than all before, over page loads as well. */
  attemptAt: () => number;
  getToken: () => string | Promise<string>;
  open: OpenSocket;
}

export interface ConnectionListener {
  state(state: ConnectionState): void;
  welcome(welcome: WelcomeJson): void;
  update(update: CallUpdateJson): void;
  candidates(candidates: CandidatesJson): void;
  /** No reconnect follows. */
  closed(error: PealError): void;
}

interface Request {
  readonly command: Command;
  /** Sent as soon as there is a connection again, before all others, for as long as it takes. */
  readonly lasting: boolean;
  readonly settle: (reply: Reply) => void;
  timer: ReturnType<typeof setTimeout> | undefined;
}

const requestTimeout = 10_000;
/** How long a connection may take to be welcomed: one that is stuck is left soon, a slow network gets more time. */
const connectTimeout = { first: 4_000, most: 15_000, growth: 1.5 };
const tokenTimeout = 10_000;
/** At which part of its life a token is renewed, and until which it serves where that fails. */
const tokenLife = { renew: 0.8, serve: 0.95 };
const renewAgain = 30_000;
const backoff = { first: 250, idle: 30_000, busy: 5_000 };
/**
 * How long an answer may take when media does not come either: more than by
 * satellite, and three times what the last one took; and how long before another
 * connection is tried. One that was suspected is trusted for a while.
 */
const suspicion = { least: 700, roundTrips: 3, headStart: 100, restMs: 2_000 };

/**
 * A login that lasts: it connects again by itself, says hello, and repeats
 * what was not answered. Every command is idempotent, so a repeat is safe.
 *
 *     offline ──start──► connecting ──welcome──► online
 *        ▲                  ▲  │                    │
 *        └── refused, stop ─┘  └──── connection lost ┘
 */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #listener: ConnectionListener;
  #state: ConnectionState = "offline";
  #socket: Socket | null = null;
  #headStart: ReturnType<typeof setTimeout> | undefined;
  /** A second one, which takes over where it opens before the suspected one answers. */
  #other: Socket | null = null;
  #fresh = true;
  #attempt = 0;
  /** The last token that was taken, and until when it serves. */
  #token = { text: "", until: 0 };
  #fetching: Promise<string> | null = null;
  #nextId = 1;
  #renewed = false;
  readonly #waiting = new Set<Request>();
  readonly #sent = new Map<number, Request>();
  #busy = false;
  #welcome: WelcomeJson | null = null;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #heartbeat: ReturnType<typeof setTimeout> | undefined;
  #silence: ReturnType<typeof setTimeout> | undefined;
  /** How long the silence after a ping may be, and when it is too long. */
  #patience = 0;
  #deadline = 0;
  /** The last ping, and how long the last answer to one took. */
  #pinged = { id: 0, at: 0 };
  #roundTrip = 0;
  /** When this connection was suspected last. */
  #suspectedAt = Number.NEGATIVE_INFINITY;
  #renewal: ReturnType<typeof setTimeout> | undefined;

  constructor(options: ConnectionOptions, listener: ConnectionListener) {
    this.#options = options;
    this.#listener = listener;
  }

  get state(): ConnectionState {
    return this.#state;
  }

  start(): void {
    if (this.#state !== "offline") return;
    this.#setState("connecting");
    void this.#connect();
  }

  /** Goes offline for good; what waits fails. */
  stop(error: PealError): void {
    const was = this.#state;
    this.#drop();
    clearTimeout(this.#retryTimer);
    for (const request of [...this.#sent.values(), ...this.#waiting]) this.#settle(request, error);
    this.#sent.clear();
    this.#waiting.clear();
    if (was === "offline") return;
    this.#setState("offline");
    this.#listener.closed(error);
  }

  /** Whether a call is live: then silence is noticed sooner. */
  setBusy(busy: boolean): void {
    if (this.#busy === busy) return;
    this.#busy = busy;
    if (this.#state === "online") this.probe();
  }

  /** Sends a command, now or after the next hello, and gives its answer. */
  request(command: Command, lasting = false): Promise<Reply> {
    return new Promise((resolve) => {
      const request: Request = { command, lasting, settle: resolve, timer: undefined };
      if (!lasting) {
        request.timer = setTimeout(() => {
          this.#waiting.delete(request);
          for (const [id, r] of this.#sent) if (r === request) this.#sent.delete(id);
          this.#settle(
            request,
            new PealError("request_timeout", "the server did not answer in time", true),
          );
        }, requestTimeout);
      }
      this.#dispatch(request);
    });
  }

  #dispatch(request: Request): void {
    switch (this.#state) {
      case "online":
        this.#send(request);
        break;
      case "connecting":
        this.#waiting.add(request);
        break;
      case "offline":
        this.#settle(request, new PealError("not_connected", "log in first"));
        break;
    }
  }

  /** Whether a call is being left: the answer to that has not come yet. */
  leaves(callId: string): boolean {
    return [...this.#waiting, ...this.#sent.values()].some(({ command }) =>
      [command.hangup, command.cancel, command.reject].some((c) => c?.callId === callId),
    );
  }

  /** Sends what nobody waits for, if there is a connection. */
  tell(command: Command): void {
    if (this.#state === "online") this.#write(command, this.#nextId++);
  }

  /** Sends what only a failure is to be answered of, if there is a connection. */
  mention(command: Command): void {
    if (this.#state === "online") this.#write({ ...command, quiet: true }, this.#nextId++);
  }

  /** Finds out at once, within `patience`, whether the connection is alive. */
  probe(patience = this.#welcome?.active?.deadAfterMs ?? 4_000): void {
    if (this.#state === "connecting") {
      this.#attempt = 0;
      if (!this.#socket) {
        clearTimeout(this.#retryTimer);
        void this.#connect();
      }
      return;
    }
    if (this.#state === "online") this.#ping(patience);
  }

  /**
   * Media does not come any more: finds out soon whether the connection is alive. A
   * new one takes several trips to open; where it is faster than one answer by this
   * one, the network is another.
   */
  suspect(): void {
    const online = this.#state === "online";
    if (online) {
      const now = performance.now();
      if (now - this.#suspectedAt < suspicion.restMs) return;
      this.#suspectedAt = now;
    }
    this.probe(Math.max(suspicion.least, suspicion.roundTrips * this.#roundTrip));
    if (!online) return;
    clearTimeout(this.#headStart);
    const headStart = Math.max(suspicion.headStart, 1.5 * this.#roundTrip);
    this.#headStart = setTimeout(() => void this.#tryAnother(), headStart);
  }

  /** There may be another network, or none: what a suspicion found holds no longer. */
  networkChanged(): void {
    this.#dropOther();
    this.#suspectedAt = Number.NEGATIVE_INFINITY;
  }

  async #connect(): Promise<void> {
    let token: string;
    try {
      token = await this.#getToken();
    } catch (e) {
      if (this.#state !== "connecting" || this.#socket) return; // Another attempt has got further.
      // A backend that is away for a moment must not end a login that has been good.
      if (this.#welcome) this.#lost();
      else this.stop(new PealError("bad_token", `getToken failed: ${PealError.of(e).message}`));
      return;
    }
    if (this.#state !== "connecting" || this.#socket) return;
    this.#open(token, (socket) => {
      this.#socket = socket;
    });
    this.#awaitWelcome();
  }

  /** Opens a second connection, unless the first one answers meanwhile. */
  async #tryAnother(): Promise<void> {
    const token = await this.#getToken().catch(() => null); // The first one's silence will tell.
    if (token === null || this.#state !== "online" || !this.#silence || this.#other) return;
    this.#open(token, (socket) => {
      this.#other = socket;
    });
  }

  /** A token that lasts need not be fetched again, by a network that may be away. */
  async #getToken(): Promise<string> {
    if (Date.now() >= this.#token.until) this.#token = { text: await this.#fetch(), until: 0 };
    return this.#token.text;
  }

  /** One at a time, and none for ever: the network may be away that it is fetched by. */
  #fetch(): Promise<string> {
    if (this.#fetching !== null) return this.#fetching;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error("it takes too long")), tokenTimeout);
    });
    this.#fetching = Promise.race([(async () => this.#options.getToken())(), late]).finally(() => {
      clearTimeout(timer);
      this.#fetching = null;
    });
    return this.#fetching;
  }

  #open(token: string, keep: (socket: Socket) => void): void {
    const attemptAt = this.#options.attemptAt();
    const socket: Socket = this.#options.open(this.#options.url, {
      opened: () => {
        if (socket === this.#other) this.#takeOver();
        if (socket === this.#socket) this.#hello(token, attemptAt);
      },
      message: (text) => {
        if (socket === this.#socket) this.#receive(text);
      },
      closed: () => {
        if (socket === this.#other) this.#other = null;
        if (socket === this.#socket) this.#lost();
      },
    });
    keep(socket);
  }

  /** The second connection is the connection from here on. */
  #takeOver(): void {
    const socket = this.#other;
    this.#other = null;
    this.#drop();
    this.#unanswered();
    this.#setState("connecting");
    this.#socket = socket;
    this.#awaitWelcome();
  }

  #awaitWelcome(): void {
    const patience = connectTimeout.first * connectTimeout.growth ** this.#attempt;
    this.#silence = setTimeout(() => this.#lost(), Math.min(patience, connectTimeout.most));
  }

  #hello(token: string, attemptAt: number): void {
    const { device, client, resume } = this.#options;
    this.#write(
      {
        hello: {
          token,
          deviceId: device,
          fresh: this.#fresh,
          resume: this.#fresh && resume,
          client,
          attemptAt: new Date(attemptAt).toISOString(),
          ...(this.#welcome?.loginAt ? { loginAt: this.#welcome.loginAt } : {}),
        },
      },
      0,
    );
  }

  #receive(text: string): void {
    let frame: ServerFrameJson;
    try {
      frame = JSON.parse(text) as ServerFrameJson;
    } catch {
      return; // A server that cannot be understood will be found silent.
    }
    this.#heard(frame.replyTo);
    if (this.#state === "connecting") {
      if (frame.welcome) this.#welcomed(frame.welcome);
      else if (frame.error) this.#refused(frame.error);
      else if (frame.goodbye?.error) this.#refused(frame.goodbye.error);
      return;
    }
    if (frame.replyTo) this.#answered(frame.replyTo, frame);
    else if (frame.call) this.#listener.update(frame.call);
    else if (frame.candidates) this.#listener.candidates(frame.candidates);
    else if (frame.goodbye && !frame.goodbye.reconnect)
      this.stop(PealError.from(frame.goodbye.error ?? {}));
  }

  #welcomed(welcome: WelcomeJson): void {
    this.#welcome = welcome;
    this.#fresh = false;
    this.#attempt = 0;
    this.#renewed = false;
    this.#setState("online");
    const requests = [...this.#waiting];
    this.#waiting.clear();
    for (const r of requests) if (r.lasting) this.#send(r);
    this.#listener.welcome(welcome);
    for (const r of requests) if (!r.lasting) this.#send(r);
    this.#beat();
    const life = welcome.tokenExpiresInMs ?? 0;
    this.#token.until = Date.now() + life * tokenLife.serve;
    // A timer has 31 bits; a token that lasts longer is not worth a timer.
    if (life > 0 && life < 2 ** 31)
      this.#renewal = setTimeout(() => void this.#renew(life), life * tokenLife.renew);
  }

  /** The hello was refused. A token may have expired on its way, or since it was good: one more is fetched. */
  #refused(error: ErrorJson): void {
    const kept = this.#token.until > 0 && error.code === "bad_token";
    const expired = (error.code === "token_expired" || kept) && !this.#renewed;
    if (!error.retry) this.#token.until = 0;
    if (error.retry || expired) {
      this.#renewed = this.#renewed || expired;
      this.#lost();
      return;
    }
    this.stop(PealError.from(error));
  }

  async #renew(life: number): Promise<void> {
    const socket = this.#socket;
    let wait = life * tokenLife.renew;
    try {
      const text = await this.#fetch();
      this.#token = { text, until: Date.now() + life * tokenLife.serve };
      if (socket === this.#socket) this.tell({ authenticate: { token: text } });
    } catch {
      wait = renewAgain; // Until then the one that there is serves.
    }
    if (socket && socket === this.#socket)
      this.#renewal = setTimeout(() => void this.#renew(life), wait);
  }

  #answered(id: number, frame: ServerFrameJson): void {
    const request = this.#sent.get(id);
    if (!request) {
      if (id === this.#pinged.id) this.#roundTrip = performance.now() - this.#pinged.at;
      // The answer to what was told in passing: its snapshot is news like any other.
      if (frame.call) this.#listener.update(frame.call);
      return;
    }
    this.#sent.delete(id);
    const error = frame.error ? PealError.from(frame.error) : null;
    if (request.lasting && error?.retry) {
      setTimeout(() => this.#dispatch(request), 1_000);
      return;
    }
    clearTimeout(request.timer);
    request.settle({ error, call: frame.call ?? null, records: frame.records ?? null });
  }

  #settle(request: Request, error: PealError): void {
    clearTimeout(request.timer);
    request.settle({ error, call: null });
  }

  #send(request: Request): void {
    const id = this.#nextId++;
    this.#sent.set(id, request);
    this.#write(request.command, id);
  }

  #write(command: Command, id: number): void {
    this.#socket?.send(JSON.stringify({ id: id || this.#nextId++, ...command }));
  }

  /** The heartbeat: one question at a time, so that throttled timers raise no false alarm. */
  #beat(): void {
    clearTimeout(this.#heartbeat);
    const rhythm = this.#busy ? this.#welcome?.active : this.#welcome?.idle;
    this.#heartbeat = setTimeout(() => {
      this.#ping((rhythm?.deadAfterMs ?? 25_000) - (rhythm?.everyMs ?? 15_000));
      this.#beat();
    }, rhythm?.everyMs ?? 15_000);
  }

  #ping(patience: number): void {
    this.#beat();
    const waits = this.#silence !== undefined;
    if (waits && Date.now() + patience >= this.#deadline) return;
    this.#wait(patience);
    if (waits) return;
    this.#pinged = { id: this.#nextId, at: performance.now() };
    this.tell({ ping: {} });
  }

  #wait(patience: number): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#lost(), patience);
    this.#patience = patience;
    this.#deadline = Date.now() + patience;
  }

  /** Only its answer ends the wait after a ping: all else may have been on its way before, and has it begin anew. */
  #heard(replyTo: number | undefined): void {
    this.#dropOther();
    if (this.#silence !== undefined && this.#state === "online" && replyTo !== this.#pinged.id) {
      this.#wait(this.#patience);
      return;
    }
    clearTimeout(this.#silence);
    this.#silence = undefined;
  }

  #drop(): void {
    const socket = this.#socket;
    this.#socket = null;
    this.#dropOther();
    for (const timer of [this.#silence, this.#heartbeat, this.#renewal, this.#headStart])
      clearTimeout(timer);
    this.#silence = undefined;
    this.#suspectedAt = Number.NEGATIVE_INFINITY;
    socket?.close();
  }

  #dropOther(): void {
    const socket = this.#other;
    this.#other = null;
    socket?.close();
  }

  /** What was not answered is sent again. */
  #unanswered(): void {
    for (const request of this.#sent.values()) this.#waiting.add(request);
    this.#sent.clear();
  }

  #lost(): void {
    if (this.#other) {
      this.#takeOver(); // It has begun already.
      return;
    }
    this.#drop();
    if (this.#state === "offline") return;
    this.#unanswered();
    this.#setState("connecting");
    // Full jitter: after an outage not everybody comes back at once.
    const cap = Math.min(
      this.#busy ? backoff.busy : backoff.idle,
      backoff.first * 2 ** this.#attempt++,
    );
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => void this.#connect(), Math.random() * cap);
  }

  #setState(state: ConnectionState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#listener.state(state);
  }
}
