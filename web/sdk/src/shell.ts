import { PealError } from "./api/errors";
import { type Config, Device } from "./device/device";
import type { Answer, Effect, Input, Socket as SocketId, Ticket } from "./device/io";
import type { Change } from "./device/machine";
import type {
  CallJson,
  CallUpdateJson,
  ClientFrameJson,
  RecordListJson,
  ServerFrameJson,
} from "./gen/peal_pb";
import { readSnapshot, type Snapshot } from "./snapshot";
import type { OpenSocket, Socket } from "./socket";

/** A command without its number, which the device gives it. */
export type Command = Omit<ClientFrameJson, "id">;

/** The answer to a wish: an error may come beside the call. */
export interface Reply {
  readonly error: PealError | null;
  readonly call: CallUpdateJson | null;
  readonly records: RecordListJson | null;
}

/** An update of the call that this device is in. */
export interface Update {
  readonly update: CallUpdateJson;
  readonly changes: readonly Change[];
  /** It came as the answer to a wish of this device, whose promise has settled already. */
  readonly reply: boolean;
}

/** What is for the application, which gets it in its order. */
type Ordered = Exclude<Effect, { readonly kind: "getToken" | "dial" | "send" | "close" }>;

/** What the application hears, beside the answers to its wishes. */
export type Told =
  | Exclude<Ordered, { readonly kind: "answer" | "updated" }>
  | ({ readonly kind: "updated" } & Update);

/** What a shell takes from its surroundings. */
export interface ShellOptions {
  readonly url: string;
  readonly device: Config;
  readonly getToken: () => string | Promise<string>;
  readonly open: OpenSocket;
  /** The browser has refused the address: it will refuse it again. */
  readonly refused: (e: unknown) => void;
  /** The time in milliseconds; it only goes on. */
  readonly now: () => number;
  /** A connection is being begun. */
  readonly dials: () => void;
  /** Resolves once everybody who waits for a promise has gone on. */
  readonly turn: () => Promise<void>;
}

/** How long getToken may take: the network may be away by which it fetches. */
const tokenTimeoutMs = 10_000;
/** The longest token that a server takes. */
const tokenMostBytes = 8 << 10;
/** How long what is made of an answer may keep back what follows: a browser may hang. */
const takeTimeoutMs = 2_000;
/** The longest time that a timer of the browser takes. */
const timerMostMs = 2 ** 31 - 1;

/**
 * The shell around the device: the only place with a socket, a timer and getToken. It gives
 * the device one input at a time and carries out what that asks for.
 *
 * One queue delivers everything to the application, in the device's order: a request's promise
 * settles, the code that awaits it runs, and only then the events that follow are emitted.
 */
export class Shell {
  readonly #options: ShellOptions;
  readonly #tell: (told: Told) => void;
  readonly #device: Device;
  readonly #sockets = new Map<SocketId, Socket>();
  readonly #waiting = new Map<Ticket, (answer: Answer) => void | Promise<void>>();
  #ticket: Ticket = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #queue: Ordered[] = [];
  #delivering = false;
  /** Somebody has to go on first; null where nobody has. */
  #paused: object | null = null;
  /** Tickets of wishes whose update comes before their promise settles. */
  readonly #updateFirst = new Set<Ticket>();
  /** Each snapshot is read once, however many hear of it. */
  readonly #read = new WeakMap<CallJson, Snapshot | null>();
  /** The update that the last answer brought. */
  #answered: CallUpdateJson | undefined;

  constructor(options: ShellOptions, tell: (told: Told) => void) {
    this.#options = options;
    this.#tell = tell;
    this.#device = new Device(options.device);
  }

  get device(): Device {
    return this.#device;
  }

  /** Gives the device an input. */
  input(input: Input): void {
    const now = this.#options.now();
    for (const effect of this.#device.step(now, input)) this.#carryOut(effect);
    clearTimeout(this.#timer);
    const at = this.#device.deadline();
    if (at !== undefined) {
      const wait = Math.min(Math.max(at - this.#options.now(), 0), timerMostMs);
      this.#timer = setTimeout(() => this.input({ kind: "woke" }), wait);
    }
    this.#deliver();
  }

  /**
   * Gives the device a wish, and its answer to `take`. Events that follow the answer wait for
   * what `take` returns, and for the code that awaits the promise.
   */
  ask<T = Reply>(
    wish: (ticket: Ticket) => Input,
    take: (reply: Reply) => T | Promise<T> = (reply) => reply as T,
  ): Promise<T> {
    const ticket = ++this.#ticket;
    const asked = new Promise<T>((resolve, reject) => {
      this.#waiting.set(ticket, async ({ error, update, records }) => {
        try {
          const reply = {
            error: error ? PealError.from(error) : null,
            call: update ?? null,
            records: records ?? null,
          };
          resolve(await take(reply));
        } catch (e) {
          reject(e);
        }
      });
    });
    this.input(wish(ticket));
    return asked;
  }

  /**
   * Asks the server something that the device has no input of its own for. With `updateFirst`
   * the update that the answer brings comes before the promise settles: what was asked for
   * holds by then.
   */
  command(
    command: Command,
    { updateFirst = false, take = (reply: Reply) => reply } = {},
  ): Promise<Reply> {
    if (updateFirst) this.#updateFirst.add(this.#ticket + 1);
    return this.ask((ticket) => ({ kind: "ask", ticket, command }), take);
  }

  /**
   * Leaves a call, or the login. It takes effect at once: everything in the queue is delivered
   * first, without waiting for anyone.
   */
  leave(wish: (ticket: Ticket) => Input): Promise<Reply> {
    this.#flush(); // What the application is to hear before may say which call it is.
    this.#updateFirst.add(this.#ticket + 1);
    const asked = this.ask(wish);
    this.#flush();
    return asked;
  }

  /** What an update says of a call, for this device; null when it makes no sense to this version. */
  snapshotOf({ call }: CallUpdateJson): Snapshot | null {
    if (!call) return null;
    let read = this.#read.get(call);
    if (read === undefined) {
      read = readSnapshot(call, this.#device.account, this.#options.device.id);
      this.#read.set(call, read);
    }
    return read;
  }

  /** A turn of the event loop. */
  turn(): Promise<void> {
    return this.#options.turn();
  }

  #carryOut(effect: Effect): void {
    switch (effect.kind) {
      case "getToken":
        void this.#getToken();
        break;
      case "dial":
        this.#dial(effect.socket);
        break;
      case "send":
        this.#sockets.get(effect.socket)?.send(JSON.stringify(effect.frame));
        break;
      case "close": {
        const socket = this.#sockets.get(effect.socket);
        this.#sockets.delete(effect.socket);
        socket?.close();
        break;
      }
      default:
        this.#queue.push(effect);
    }
  }

  async #getToken(): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      const error = new Error(`getToken did not resolve within ${tokenTimeoutMs / 1_000} s`);
      timer = setTimeout(() => reject(error), tokenTimeoutMs);
    });
    try {
      await Promise.resolve(); // The device is in a step, and getToken is the application's.
      const token = await Promise.race([(async () => this.#options.getToken())(), late]);
      if (!token) throw new Error("getToken gave no token");
      if (token.length > tokenMostBytes)
        throw new Error(`the token has more than ${tokenMostBytes} bytes`);
      this.input({ kind: "gotToken", token });
    } catch (e) {
      this.input({ kind: "gotToken", token: "", error: PealError.of(e).message });
    } finally {
      clearTimeout(timer);
    }
  }

  #dial(id: SocketId): void {
    this.#options.dials();
    const heard = (input: Input): void => {
      if (this.#sockets.has(id)) this.input(input);
    };
    const closed = (): void => {
      if (this.#sockets.delete(id)) this.input({ kind: "closed", socket: id });
    };
    try {
      this.#sockets.set(
        id,
        this.#options.open(this.#options.url, {
          opened: () => heard({ kind: "opened", socket: id }),
          message: (text) => {
            const frame = read(text);
            // A server that cannot be understood will be found silent.
            if (frame) heard({ kind: "received", socket: id, frame });
          },
          closed,
        }),
      );
    } catch (e) {
      // The device is in a step. A policy of the page that refuses the address is known in a moment.
      void this.turn().then(() => this.#options.refused(e));
    }
  }

  /** Gives the application what is in the queue, as far as nobody has to go on first. */
  #deliver(): void {
    if (this.#delivering) return;
    this.#delivering = true;
    try {
      while (!this.#paused) {
        const effect = this.#queue.shift();
        if (!effect) break;
        if (effect.kind === "answer") this.#answer(effect);
        else this.#give(effect);
      }
    } finally {
      this.#delivering = false;
    }
  }

  /** Gives the application all that is in the queue, also from within a listener. */
  #flush(): void {
    const delivering = this.#delivering;
    do {
      this.#paused = null;
      this.#delivering = false;
      this.#deliver();
    } while (this.#queue.length > 0);
    this.#paused = null;
    this.#delivering = delivering;
  }

  #answer(answer: Answer): void {
    if (this.#updateFirst.delete(answer.ticket)) {
      this.#answered = answer.update;
      this.#giveWhatItBrought();
    }
    const settled = this.#settle(answer);
    if (!settled) return;
    const pause = {};
    this.#paused = pause;
    const goOn = (): void => {
      clearTimeout(timer);
      if (this.#paused !== pause) return;
      this.#paused = null;
      this.#deliver();
    };
    const timer = setTimeout(goOn, takeTimeoutMs);
    void settled.then(this.#options.turn).then(goOn);
  }

  /** What an answer brought comes before its promise settles. */
  #giveWhatItBrought(): void {
    for (let [next] = this.#queue; next && brought.has(next.kind); [next] = this.#queue) {
      this.#queue.shift();
      if (next.kind !== "answer") this.#give(next);
    }
  }

  #settle(answer: Answer): Promise<void> | undefined {
    const take = this.#waiting.get(answer.ticket);
    this.#waiting.delete(answer.ticket);
    return take && Promise.resolve(take(answer));
  }

  #give(effect: Exclude<Ordered, Answer>): void {
    if (effect.kind === "updated")
      this.#tell({ ...effect, reply: effect.update === this.#answered });
    else this.#tell(effect);
  }
}

/** Kinds of effects that an answer may bring with it. */
const brought: ReadonlySet<Ordered["kind"]> = new Set(["updated", "ended", "filed"]);

function read(text: string): ServerFrameJson | null {
  try {
    return JSON.parse(text) as ServerFrameJson;
  } catch {
    return null;
  }
}

/** A turn of the browser's event loop, also in a hidden tab, where timers are slow. */
export function turn(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
