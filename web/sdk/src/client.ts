import { Emitter } from "./api/emitter";
import { PealError } from "./api/errors";
import type {
  CallOptions,
  CallRecord,
  Client,
  ClientEvents,
  ClientOptions,
  ClientSnapshot,
  ConnectionState,
  Direction,
  MediaProfile,
  RecordsOptions,
} from "./api/types";
import { Call } from "./call";
import { DeviceList } from "./capture/device-list";
import { rememberChoice } from "./capture/devices";
import { requireSecureContext } from "./capture/open";
import { Past } from "./device/calls";
import type { InviteJson, ListRecordsJson } from "./gen/peal_pb";
import { claimDevice, type DeviceIdentity, givesUp, uuidv7 } from "./identity";
import type { MakePeerConnection } from "./media/peer";
import { policyOf } from "./media/privacy";
import { socketUrl } from "./origin";
import { Page } from "./page";
import { watchPolicy } from "./policy";
import { RecordStore } from "./record-memory";
import { Shell, type Told, turn } from "./shell";
import { readRecord, type Snapshot, typeNames } from "./snapshot";
import { type OpenSocket, openWebSocket } from "./socket";
import { SnapshotStore } from "./store";
import { version } from "./version";
import { Ringing, tones } from "./view/ringing";

/** What a client takes from its surroundings; tests give their own. */
export interface Surroundings {
  open: OpenSocket;
  make: MakePeerConnection;
  claim: (wanted: () => boolean) => Promise<DeviceIdentity | null>;
  /** Resolves once everybody who waits for a promise has gone on. */
  turn: () => Promise<void>;
}

const browser: Surroundings = {
  open: openWebSocket,
  make: (configuration) => new RTCPeerConnection(configuration),
  claim: claimDevice,
  turn,
};

/** The longest texts that a server takes, in bytes. */
const longest = { account: 128, attachment: 4 << 10 };

/** How long `connect` waits for a server that does not answer. */
const connectTimeoutMs = 15_000;

/** A login and what belongs to it: it lasts until the device is logged out. */
interface Login {
  readonly shell: Shell;
  readonly page: Page;
  /** Ends the watch for a policy that refuses the server's address. */
  readonly unwatch: () => void;
  readonly identity: DeviceIdentity;
  /** What this browser remembers of the account's records. */
  readonly records: RecordStore;
  /** Told once: the login is there, or it is over. */
  settle: ((error: PealError | null) => void) | null;
  /** Resolves when it is over. */
  readonly over: Promise<void>;
  readonly end: () => void;
  /** Why the login ends, where this client ends it for a reason of its own. */
  why: PealError | null;
}

/** One device of an account: logs in, rings, calls. At most one call at a time. */
export class PealClient extends Emitter<ClientEvents> implements Client {
  readonly devices = new DeviceList(() => this.activeCall);
  readonly #options: ClientOptions;
  readonly #surroundings: Surroundings;
  #login: Login | null = null;
  #account = "";
  #deviceId = "";
  #connection: ConnectionState = "offline";
  /** The call that is, or the one that ended last. */
  #active: Call | null = null;
  #closed: PealError | null = null;
  readonly #store = new SnapshotStore<ClientSnapshot>(() => this.#now, this.#now);
  /** Ended calls: no later login resumes or rings them. */
  readonly #past = new Past();
  #connecting: Promise<void> | null = null;
  /** Counts the calls of close(): what was begun before one comes to nothing. */
  #closes = 0;

  constructor(options: ClientOptions, surroundings: Surroundings = browser) {
    super();
    this.#options = options;
    this.#surroundings = surroundings;
    if (options.rememberDevices) rememberChoice();
  }

  get #now(): ClientSnapshot {
    const { connection, account, activeCall: call } = this;
    const lastCall = call ? null : this.#active;
    return { connection, account, call, lastCall, closed: this.#closed };
  }

  subscribe(listener: () => void): () => void {
    return this.#store.subscribe(listener);
  }

  getSnapshot(): ClientSnapshot {
    return this.#store.getSnapshot();
  }

  /** Each event for the application changes what the store returns. */
  protected override emit<K extends keyof ClientEvents>(
    event: K,
    ...payload: Parameters<ClientEvents[K]>
  ): boolean {
    this.#store.changed();
    return super.emit(event, ...payload);
  }

  get connection(): ConnectionState {
    return this.#connection;
  }
  get account(): string {
    return this.#account;
  }
  get deviceId(): string {
    return this.#deviceId;
  }
  get activeCall(): Call | null {
    return this.#active?.end ? null : this.#active;
  }
  get shell(): Shell {
    if (!this.#login) throw new PealError("not_logged_in", "connect() first");
    return this.#login.shell;
  }

  connect(): Promise<void> {
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = null;
    });
    return this.#connecting;
  }

  async #connect(): Promise<void> {
    const closes = this.#closes;
    // The login has ended, and its `closed` event is still in the queue: wait for that.
    while (this.#login?.shell.device.state === "offline") await this.#login.over;
    if (closes !== this.#closes) throw closed();
    if (this.connection === "online") return;
    const url = socketUrl(this.#options.server);
    const begun = this.#login;
    const login = begun ?? (await this.#begin(url));
    if (this.#login !== login) throw login.why ?? closed();
    const done = new Promise<void>((resolve, reject) => {
      login.settle = (error) => (error ? reject(error) : resolve());
    });
    const timer = setTimeout(() => {
      const why = new PealError(
        "request_timeout",
        `the server at ${url} does not answer: does it run, and may this page reach it?`,
        true,
      );
      if (begun) {
        this.#settle(why); // It goes on trying, and its call too.
        return;
      }
      login.why = why;
      login.shell.input({ kind: "stop" });
    }, connectTimeoutMs);
    // A login that is there already connects again by itself.
    if (begun) login.shell.input({ kind: "probe" });
    try {
      await done;
    } finally {
      clearTimeout(timer);
    }
  }

  async #begin(url: string): Promise<Login> {
    const closes = this.#closes;
    const wanted = (): boolean => closes === this.#closes;
    const identity = await this.#surroundings.claim(wanted);
    if (!wanted()) identity?.release();
    if (!identity || !wanted()) throw closed();
    this.#deviceId = identity.id;
    const refused = (e: unknown): void => {
      const { message } = PealError.of(e);
      login.why ??= new PealError("bad_server", `the browser refuses ${url}: ${message}`);
      shell.input({ kind: "stop" });
    };
    const shell: Shell = new Shell(
      {
        url,
        device: {
          id: identity.id,
          client: `peal-js/${version}`,
          resume: this.#options.resume ?? true,
          seed: identity.seed,
          past: this.#past,
        },
        getToken: this.#options.getToken,
        open: this.#surroundings.open,
        refused,
        now: identity.now,
        dials: identity.dials,
        turn: this.#surroundings.turn,
      },
      (told) => {
        if (this.#login?.shell === shell) this.#told(told);
      },
    );
    let end = (): void => {};
    const over = new Promise<void>((resolve) => {
      end = resolve;
    });
    const login: Login = {
      shell,
      over,
      end,
      unwatch: watchPolicy(url, refused),
      page: new Page((input) => shell.input(input)),
      identity,
      records: new RecordStore(url, (memory) =>
        shell.input({ kind: "recordsRemembered", ...memory }),
      ),
      settle: null,
      why: null,
    };
    this.#login = login;
    shell.input({ kind: "login" });
    return login;
  }

  call(account: string, options: CallOptions = {}): Call {
    requireSecureContext();
    checkLength("the account", account, longest.account);
    checkLength("the attachment", options.attachment ?? "", longest.attachment);
    const shell = this.shell;
    if (this.connection === "offline" || shell.device.state === "offline")
      throw new PealError("not_logged_in", "connect() first");
    if (this.activeCall)
      throw new PealError("wrong_state", "there is a call already: one at a time");
    const type = options.type ?? (options.video ? 2 : 1);
    const icePolicy = policyOf(options);
    const invite: InviteJson = {
      callId: uuidv7(Date.now()),
      callee: account,
      type: typeNames[type],
      ...(options.attachment ? { attachment: options.attachment } : {}),
      ...(options.ringTimeoutMs ? { ringTimeoutMs: options.ringTimeoutMs } : {}),
      ...(icePolicy === "ICE_POLICY_UNSPECIFIED" ? {} : { icePolicy }),
    };
    shell.input({ kind: "draft", ticket: 0, invite });
    const drafted = shell.device.call;
    if (!drafted) throw new PealError("not_logged_in", "it is being logged out: connect() again");
    // The device is in another call already, whose `incoming` event is still in the queue.
    if (drafted.callId !== invite.callId)
      throw new PealError("wrong_state", "another call comes in: one at a time");
    const first = shell.snapshotOf({ call: drafted });
    if (!first) throw new PealError("internal", "the call did not begin");
    const call = this.#call(shell, "outgoing", first, options.profile);
    call.invite(invite);
    call.invited.then(() => this.#ring(call)).catch(() => {});
    return call;
  }

  /** What the application wants to sound as long as it rings, and nobody answers. */
  #ring(call: Call): void {
    const kind = call.direction === "incoming" ? "ringtone" : "ringback";
    const sound = this.#options[kind];
    if (!sound) return;
    let ringing: Ringing | null = null;
    let failed = false;
    const look = (): void => {
      const rings = call.state === "ringing" && !call.answering && !failed;
      if (rings === (ringing !== null)) return;
      ringing?.stop();
      ringing = rings ? begin() : null;
      if (call.end) unfollow();
    };
    const fail = (why: string): void => {
      failed = true;
      ringing = null;
      const text = `the ${kind} cannot be played: ${why}`;
      this.emit("error", new PealError("ringtone_failed", text));
    };
    const begin = (): Ringing | null => {
      try {
        return new Ringing(sound === true ? tones[kind] : sound, (news) => {
          if (news.kind === "failed") fail(news.why);
          else this.emit("ringtoneBlocked", news.blocked);
        });
      } catch (e) {
        fail(PealError.of(e).message); // Without Web Audio, or a speaker for it.
        return null;
      }
    };
    const unfollow = call.subscribe(look);
    look();
  }

  async close(): Promise<void> {
    this.#closes++;
    const login = this.#login;
    if (!login) return;
    login.why ??= closed();
    givesUp(login.over);
    void login.shell.leave((ticket) => ({ kind: "logout", ticket }));
    await login.over;
  }

  async records(options: RecordsOptions = {}): Promise<CallRecord[]> {
    const { before, limit } = options;
    const page: ListRecordsJson = {
      ...(before instanceof Date ? { before: before.toISOString() } : {}),
      ...(before && !(before instanceof Date) ? { beforeCall: before.callId } : {}),
      ...(limit ? { limit } : {}),
    };
    const reply = await this.shell.command({ listRecords: page });
    if (reply.error) throw reply.error;
    return (reply.records?.records ?? []).map(readRecord);
  }

  #call(shell: Shell, direction: Direction, first: Snapshot, profile: MediaProfile = {}): Call {
    const { iceTransportPolicy: policy = "all", microphone = "required" } = this.#options;
    const { make } = this.#surroundings;
    const call = new Call({ shell, make, policy, direction, first, profile, microphone });
    this.#active = call;
    this.#store.changed();
    call.subscribe(() => this.#store.changed());
    // Names come with the first device that opens.
    call.on("localStream", this.devices.changed);
    call.on("deviceLost", this.devices.changed);
    return call;
  }

  // ----------------------------------------------------- what the device tells

  #told(told: Told): void {
    const active = this.activeCall;
    switch (told.kind) {
      case "stateChanged":
        this.#stateChanged(told.state);
        break;
      case "loggedOut":
        this.#loggedOut(told.error ? PealError.from(told.error) : null);
        break;
      case "incoming":
      case "resumed":
        this.#began(told);
        break;
      case "updated":
        active?.take(told);
        break;
      case "ended":
        if (active?.id === told.call) {
          this.#debug(`call ${told.call} over: ${told.end.reason}`);
          active.ended(told.end);
        }
        break;
      case "candidates":
        if (active && active.id === told.candidates.callId) active.candidates(told.candidates);
        break;
      case "filed":
        this.emit("record", readRecord(told.record));
        break;
      case "rememberRecords":
        this.#login?.records.write(told);
        break;
      case "failed":
        this.emit("error", PealError.from(told.error));
        break;
    }
  }

  #stateChanged(state: ConnectionState): void {
    this.#connection = state;
    this.#account = this.#login?.shell.device.account ?? this.#account;
    this.#debug(`connection ${state}`);
    this.emit("connection", state);
    if (state !== "online") return;
    this.#closed = null;
    this.#login?.unwatch(); // The browser has let it through.
    this.#settle(null);
  }

  #loggedOut(error: PealError | null): void {
    const login = this.#login;
    if (!login) return;
    const why = login.why ?? error ?? closed();
    this.#login = null;
    login.unwatch();
    login.page.close();
    login.records.close();
    login.identity.release();
    this.#debug(`closed: ${why.code}`);
    login.settle?.(why);
    this.#closed = why;
    this.emit("closed", why);
    login.end();
  }

  #settle(error: PealError | null): void {
    const { settle } = this.#login ?? {};
    if (this.#login) this.#login.settle = null;
    settle?.(error);
  }

  #began(told: Extract<Told, { kind: "incoming" | "resumed" }>): void {
    const { update, kind } = told;
    const shell = this.shell;
    const snapshot = shell.snapshotOf(update);
    if (!snapshot) return;
    const direction = snapshot.role === "caller" ? "outgoing" : "incoming";
    const call = this.#call(shell, direction, snapshot);
    this.#debug(`call ${call.id} with ${call.peer}: ${kind}`);
    if (kind === "incoming") call.ring(update);
    else call.resume(update);
    this.emit(kind, call);
    this.#ring(call);
  }

  #debug(what: string): void {
    if (this.#options.debug) console.debug("[peal]", this.#account, what);
  }
}

function closed(): PealError {
  return new PealError("logged_out", "logged out");
}

/** Longer texts cost the connection, and the login with it. */
function checkLength(what: string, text: string, most: number): void {
  const bytes = new TextEncoder().encode(text).length;
  if (bytes > most)
    throw new PealError("limit_exceeded", `${what} has ${bytes} bytes, at most ${most}`);
}
