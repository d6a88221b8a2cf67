import type {
  CallOptions,
  CallRecord,
  Client,
  ClientEvents,
  ClientOptions,
  ConnectionState,
  PealErrorLike,
  RecordsOptions,
} from "./api";
import { Call, type CallHost } from "./call";
import { requireSecureContext } from "./capture";
import { type Command, Connection, type Reply } from "./connection";
import { claimDevice, type DeviceIdentity, uuidv7 } from "./device";
import { Emitter } from "./emitter";
import { PealError } from "./errors";
import type { CallUpdateJson, CandidatesJson, ListRecordsJson, WelcomeJson } from "./gen/peal_pb";
import type { MakePeerConnection } from "./media";
import { socketUrl } from "./origin";
import { type IcePolicy, policyOf, readPolicy } from "./privacy";
import { RecordLog } from "./record-log";
import { Shadows } from "./shadows";
import { readRecord, readSnapshot, type Side, type Snapshot, typeNames } from "./snapshot";
import { type OpenSocket, openWebSocket } from "./socket";
import { version } from "./version";

/** What a client takes from its surroundings; tests give their own. */
export interface Surroundings {
  open: OpenSocket;
  make: MakePeerConnection;
  claim: () => Promise<DeviceIdentity>;
}

const browser: Surroundings = {
  open: openWebSocket,
  make: (configuration) => new RTCPeerConnection(configuration),
  claim: claimDevice,
};

/** How long `connect` waits for a server that does not answer. */
const connectTimeout = 15_000;
/** How many calls of before are remembered, so that late news of them rings nobody. */
const remembered = 64;

/** One device of an account: logs in, rings, calls. At most one call at a time. */
export class PealClient extends Emitter<ClientEvents> implements Client, CallHost {
  readonly #options: ClientOptions;
  readonly #surroundings: Surroundings;
  #connection: Connection | null = null;
  #identity: DeviceIdentity | null = null;
  #account = "";
  #active: Call | null = null;
  #connecting: Promise<void> | null = null;
  /** Other live calls of the account: this device's own may come to nothing. */
  readonly #shadows = new Shadows();
  readonly #past = new Set<string>();
  /** It logs out: nothing rings any more. */
  #leaving = false;
  /** It takes the first welcome of a login, and goes on with what that tells of. */
  #resumes = false;
  #log: RecordLog | null = null;

  constructor(options: ClientOptions, surroundings: Surroundings = browser) {
    super();
    this.#options = options;
    this.#surroundings = surroundings;
  }

  get connection(): ConnectionState {
    return this.#connection?.state ?? "offline";
  }
  get account(): string {
    return this.#account;
  }
  get deviceId(): string {
    return this.#identity?.id ?? "";
  }
  get activeCall(): Call | null {
    return this.#active;
  }
  get policy(): RTCIceTransportPolicy {
    return this.#options.iceTransportPolicy ?? "all";
  }
  get make(): MakePeerConnection {
    return this.#surroundings.make;
  }

  connect(): Promise<void> {
    this.#connecting ??= this.#login().finally(() => {
      this.#connecting = null;
    });
    return this.#connecting;
  }

  /** A login that is there already connects again by itself. */
  #back(connection: Connection): Promise<void> {
    connection.probe();
    return new Promise((resolve, reject) => {
      const online = (state: ConnectionState): void => {
        if (state === "online") settle(resolve);
      };
      const closed = (error: PealErrorLike): void => settle(() => reject(error));
      const settle = (tell: () => void): void => {
        this.off("connection", online).off("closed", closed);
        tell();
      };
      this.on("connection", online).on("closed", closed);
    });
  }

  async #login(): Promise<void> {
    if (this.connection === "online") return;
    if (this.#connection) return this.#back(this.#connection);
    this.#identity ??= await this.#surroundings.claim();
    const { attemptAt } = this.#identity;
    const url = socketUrl(this.#options.server);
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#connection?.stop(
          new PealError("request_timeout", `the server at ${url} does not answer`, true),
        );
      }, connectTimeout);
      this.#connection = new Connection(
        {
          url,
          device: this.deviceId,
          client: `peal-js/${version}`,
          resume: this.#options.resume ?? true,
          attemptAt,
          getToken: this.#options.getToken,
          open: this.#surroundings.open,
        },
        {
          state: (state) => {
            this.#debug(`connection ${state}`);
            this.emit("connection", state);
          },
          welcome: (welcome) => {
            clearTimeout(timer);
            this.#welcome(welcome);
            resolve();
          },
          update: (update) => this.news(update),
          candidates: (candidates) => this.#candidates(candidates),
          closed: (error) => {
            clearTimeout(timer);
            this.#closed(error);
            reject(error);
          },
        },
      );
      this.#listenToPage(true);
      this.#connection.start();
    });
  }

  async call(account: string, options: CallOptions = {}): Promise<Call> {
    requireSecureContext();
    if (!this.#connection || this.connection === "offline")
      throw new PealError("not_logged_in", "connect() first");
    if (this.#active) throw new PealError("wrong_state", "there is a call already: one at a time");
    const type = options.type ?? (options.video ? 2 : 1);
    const icePolicy = policyOf(options);
    const call = new Call(this, "outgoing", this.#draft(account, type, readPolicy(icePolicy)));
    call.profile = options.profile ?? {};
    this.#setActive(call);
    // Given up while the browser asks for a device, which may never be answered.
    const ended = new Promise<void>((resolve) => call.once("ended", () => resolve()));
    const invited = call.invite({
      callee: account,
      type: typeNames[type],
      ...(options.attachment ? { attachment: options.attachment } : {}),
      ...(options.ringTimeoutMs ? { ringTimeoutMs: options.ringTimeoutMs } : {}),
      ...(icePolicy === "ICE_POLICY_UNSPECIFIED" ? {} : { icePolicy }),
    });
    try {
      await Promise.race([invited, ended]);
    } catch (e) {
      if (call.end) return call; // Hung up meanwhile: that is no failure.
      const error = PealError.of(e);
      // The invitation may have arrived, or arrive yet: it must not ring.
      if (error.code === "request_timeout" || error.code === "unavailable") void call.withdraw();
      call.abandon();
      throw error;
    }
    return call;
  }

  /** A call before the server knows it. */
  #draft(account: string, type: 1 | 2 | 3, icePolicy: IcePolicy): Snapshot {
    const side = (name: string): Side => ({
      account: name,
      uid: 0,
      present: true,
      epoch: 0,
      mediaUp: false,
      tracks: { audio: false, audioMuted: false, video: false, videoMuted: false },
    });
    return {
      id: uuidv7(Date.now()),
      rev: 0,
      state: "ringing",
      type,
      role: "caller",
      local: side(this.#account),
      peer: side(account),
      parties: [
        { account: this.#account, role: "caller" },
        { account, role: "callee" },
      ],
      attachment: "",
      icePolicy,
      candidatesHeld: 0,
      ringStopped: false,
      ringRemainingMs: 0,
      generation: 1,
      rebuild: 1,
      connectedForMs: 0,
      videoAsked: null,
      end: null,
    };
  }

  async close(): Promise<void> {
    if (!this.#connection) return;
    this.#leaving = true;
    const leaving = Promise.all([this.#active?.hangup(), this.#connection.request({ logout: {} })]);
    await Promise.race([leaving, new Promise((resolve) => setTimeout(resolve, 2_000))]);
    this.#connection?.stop(new PealError("logged_out", "logged out"));
  }

  // ----------------------------------------------------------- for its calls

  request(command: Command, lasting = false): Promise<Reply> {
    return (
      this.#connection?.request(command, lasting) ??
      Promise.resolve({ error: new PealError("not_logged_in", "connect() first"), call: null })
    );
  }

  tell(command: Command): void {
    this.#connection?.mention(command);
  }

  suspect(): void {
    this.#connection?.suspect();
  }

  over(call: Call): void {
    this.#debug(`call ${call.id} over: ${call.end?.reason ?? ""}`);
    remember(this.#past, call.id);
    if (this.#active !== call) return;
    this.#setActive(null);
    // Who listens to this call hears of its end first.
    setTimeout(() => this.#unshade(), 0);
  }

  /**
   * Ends a call that this device is in on the server's side alone: it was given up here, or
   * the page was loaded anew, while what had been asked for before took effect there. Nobody
   * is in a call who has not asked for that here, but for what is resumed at a login.
   */
  async dismiss(callId: string): Promise<void> {
    remember(this.#past, callId);
    if (this.#connection?.leaves(callId)) return;
    const reply = await this.request({ hangup: { callId } }, true);
    if (reply.call?.call?.state === "CALL_STATE_ENDED") this.news(reply.call);
  }

  filed(record: CallRecord): void {
    if (this.#log?.take(record)) this.emit("record", record);
  }

  async records(options: RecordsOptions = {}): Promise<CallRecord[]> {
    const { before, limit } = options;
    const { records } = await this.#list({
      ...(before instanceof Date ? { before: before.toISOString() } : {}),
      ...(before && !(before instanceof Date) ? { beforeCall: before.callId } : {}),
      ...(limit ? { limit } : {}),
    });
    return records;
  }

  async #list(page: ListRecordsJson): Promise<{ records: CallRecord[]; more: boolean }> {
    const reply = await this.request({ listRecords: page });
    if (reply.error) throw reply.error;
    const { records = [], more = false } = reply.records ?? {};
    return { records: records.map(readRecord), more };
  }

  /** Tells of the records that were filed while this client was away. */
  async #catchUp(log: RecordLog, first: ListRecordsJson): Promise<void> {
    let page = first;
    for (;;) {
      const { records, more } = await this.#list(page);
      if (log !== this.#log) return;
      for (const record of records) this.filed(record);
      const last = records.at(-1);
      if (!more || !last) return log.caughtUp();
      page = { afterCall: last.callId };
    }
  }

  #setActive(call: Call | null): void {
    this.#active = call;
    this.#connection?.setBusy(call !== null);
  }

  // --------------------------------------------------------- from the server

  #welcome(welcome: WelcomeJson): void {
    this.#account = welcome.account ?? "";
    this.#shadows.take(); // Whether they still are, the welcome tells.
    const updates = welcome.calls ?? [];
    const active = this.#active;
    this.#resumes = this.#log === null && (this.#options.resume ?? true);
    this.#log ??= new RecordLog(socketUrl(this.#options.server), this.#account);
    const since = this.#log.ask(new Date(welcome.loginAt ?? 0));
    for (const update of updates) {
      // Of what is over without this page having been in it the records tell.
      const { callId, state } = update.call ?? {};
      if (state !== "CALL_STATE_ENDED" || callId === active?.id) this.news(update);
    }
    this.#resumes = false;
    if (active && this.#active === active && active.known) {
      if (updates.some((u) => u.call?.callId === active.id)) active.refresh();
      else void active.lookUp();
    }
    this.#beginCatchUp(this.#log, since);
  }

  /** Without a connection the next login does it again. */
  #beginCatchUp(log: RecordLog, since: ListRecordsJson): void {
    this.#catchUp(log, since).catch((e: unknown) => {
      if (this.connection !== "online" || log !== this.#log) return;
      const error = PealError.of(e);
      // What was told meanwhile is not told again.
      if (error.retry) setTimeout(() => this.#beginCatchUp(log, since), 1_000);
      else this.emit("error", error);
    });
  }

  news(update: CallUpdateJson): void {
    const { mergedInto } = update;
    if (mergedInto && this.#active?.id !== mergedInto) {
      void this.dismiss(mergedInto); // An invitation that was given up became another call.
      return;
    }
    const snapshot = update.call ? readSnapshot(update.call, this.#account, this.deviceId) : null;
    if (!snapshot) return;
    if (this.#active?.id === snapshot.id) {
      this.#active.update(update);
      return;
    }
    if (snapshot.end) {
      this.#shadows.drop(snapshot.id);
      remember(this.#past, snapshot.id); // Older news of it may come later.
      if (snapshot.end.record) this.filed(snapshot.end.record);
      return;
    }
    if (this.#active || this.#shadows.has(snapshot.id)) {
      this.#shadows.keep(snapshot.id, update);
      return;
    }
    if (snapshot.role === "observer" || this.#leaving) return;
    const rings = snapshot.role === "callee" && snapshot.state === "ringing";
    if (this.#log?.has(snapshot.id)) return;
    const past = this.#past.has(snapshot.id);
    if (!rings && (past || !this.#resumes)) void this.dismiss(snapshot.id);
    else if (past) return;
    else if (!rings) this.#resumed(snapshot, update);
    else if (!snapshot.ringStopped) this.#incoming(snapshot, update);
  }

  /** Takes up what rang beside a call that is over. */
  #unshade(): void {
    if (this.#active) return; // It goes on beside that one.
    for (const update of this.#shadows.take()) this.news(update);
  }

  #incoming(snapshot: Snapshot, update: CallUpdateJson): void {
    const call = new Call(this, "incoming", snapshot);
    this.#setActive(call);
    this.#debug(`call ${call.id} from ${call.peer}`);
    call.ring(update);
    this.emit("incoming", call);
  }

  /** A call that went on while this page was reloaded. */
  #resumed(snapshot: Snapshot, update: CallUpdateJson): void {
    const call = new Call(this, snapshot.role === "caller" ? "outgoing" : "incoming", snapshot);
    this.#setActive(call);
    call.resume(update);
    this.emit("resumed", call);
  }

  #candidates(candidates: CandidatesJson): void {
    if (this.#active && this.#active.id === candidates.callId) this.#active.candidates(candidates);
  }

  #closed(error: PealError): void {
    this.#shadows.take();
    this.#leaving = false;
    const call = this.#active;
    const rings = call?.direction === "incoming" && call.state === "ringing";
    call?.forget(error.code === "kicked" ? "kicked" : "lost");
    // Where it still rings after the next login, it rings here.
    if (rings) this.#past.delete(call.id);
    this.#connection = null;
    this.#log = null;
    this.#listenToPage(false);
    this.#identity?.release();
    this.#identity = null;
    this.#debug(`closed: ${error.code}`);
    this.emit("closed", error);
  }

  #debug(what: string): void {
    if (this.#options.debug) console.debug("[peal]", this.#account, what);
  }

  // ---------------------------------------------------------------- the page

  readonly #wake = (): void => {
    if (document.visibilityState === "visible") this.#connection?.probe();
  };
  readonly #network = (): void => this.#connection?.networkChanged();
  readonly #leave = (): void => this.tell({ leaving: {} });

  #listenToPage(on: boolean): void {
    const change = on ? "addEventListener" : "removeEventListener";
    window[change]("offline", this.#network);
    window[change]("online", this.#network);
    window[change]("online", this.#wake);
    window[change]("pageshow", this.#wake);
    window[change]("pagehide", this.#leave);
    document[change]("visibilitychange", this.#wake);
  }
}

/** Adds to a set that forgets its oldest. */
function remember(set: Set<string>, id: string): void {
  set.add(id);
  if (set.size > remembered) for (const oldest of set.keys()) return void set.delete(oldest);
}
