import { vi } from "vitest";
import type { CallJson, ClientFrameJson, ServerFrameJson } from "../../src/gen/peal_pb";
import { welcome } from "../fakes";

/** A WebSocket of the page, seen from the server. The token that a hello brings is its account. */
export class FakeWebSocket {
  onopen: (() => void) | null = null;
  onmessage: ((e: { data: string }) => void) | null = null;
  onclose: ((e: { code: number; reason: string }) => void) | null = null;
  account = "";
  device = "";
  closed = false;
  readonly received: ClientFrameJson[] = [];

  constructor(
    readonly web: FakeWeb,
    readonly url: string,
  ) {
    web.sockets.push(this);
    setTimeout(() => this.onopen?.(), web.latencyMs);
  }

  send(text: string): void {
    const frame = JSON.parse(text) as ClientFrameJson;
    setTimeout(() => this.#take(frame), this.web.latencyMs);
  }

  close(): void {
    this.closed = true;
  }

  give(frame: ServerFrameJson): void {
    setTimeout(() => {
      if (!this.closed) this.onmessage?.({ data: JSON.stringify(frame) });
    }, this.web.latencyMs);
  }

  #take(frame: ClientFrameJson): void {
    this.received.push(frame);
    if (frame.hello) this.#greet(frame.hello);
    else if (frame.invite) {
      const call = this.web.callOf(this.account, frame.invite.callee ?? "", frame.invite.callId);
      this.give({ replyTo: frame.id ?? 0, call: { call } });
    } else if (frame.id) this.give({ replyTo: frame.id, done: {} });
  }

  #greet({ token = "", deviceId = "" }: { token?: string; deviceId?: string }): void {
    if (token === "bad") {
      this.give({ error: { code: "bad_token", message: "the token is not good" } });
      return;
    }
    this.account = token;
    this.device = deviceId;
    for (const other of this.web.sockets) {
      const same = other !== this && !other.closed && other.account === token;
      if (!same || (other.device !== deviceId && !this.web.singleLogin)) continue;
      const code = other.device === deviceId ? "replaced" : "kicked";
      other.give({ goodbye: { error: { code, message: "" }, reconnect: false } });
    }
    const calls = this.web.rings.map((call) => ({ call, offer: "v=0 offer" }));
    this.give({ welcome: { ...welcome.welcome, account: token, deviceId, calls } });
  }
}

/**
 * A channel whose messages come by the clock of the test. Those of a real one come late on a
 * machine that has much to do, and that clock does not wait for them.
 */
class FakeChannel {
  readonly port1: { onmessage: (() => void) | null; close(): void } = {
    onmessage: null,
    close: () => {},
  };
  readonly port2 = { postMessage: () => void setTimeout(() => this.port1.onmessage?.(), 0) };
}

/** What a page has of the web beside `fakeBrowser`: sockets, locks, storage of the session. */
export class FakeWeb {
  readonly sockets: FakeWebSocket[] = [];
  readonly held = new Set<string>();
  /** How long a frame is on its way. */
  latencyMs = 1;
  /** Whether a newer login of an account ends the older ones. */
  singleLogin = false;
  /** The invitations that ring for every login. */
  rings: CallJson[] = [];
  readonly reported: unknown[] = [];

  constructor() {
    const web = this;
    vi.stubGlobal(
      "WebSocket",
      class extends FakeWebSocket {
        constructor(url: string) {
          super(web, url);
        }
      },
    );
    vi.stubGlobal("MessageChannel", FakeChannel);
    const session = new Map<string, string>();
    vi.stubGlobal("sessionStorage", {
      getItem: (key: string) => session.get(key) ?? null,
      setItem: (key: string, value: string) => void session.set(key, value),
    });
    vi.stubGlobal("reportError", (e: unknown) => void this.reported.push(e));
    Object.assign(navigator, { locks: { request: this.#lock } });
  }

  /** The sockets that are open, by account. */
  open(): string[] {
    return this.sockets.filter((s) => !s.closed).map((s) => s.account);
  }

  callOf(caller: string, callee: string, callId = "c1"): CallJson {
    const side = (account: string) => ({ account, uid: account.length, present: true, epoch: 1 });
    return {
      callId,
      rev: 1,
      state: "CALL_STATE_RINGING",
      type: "CALL_TYPE_AUDIO",
      caller: side(caller),
      callee: side(callee),
      generation: 1,
      rebuildGeneration: 1,
      ringRemainingMs: 60_000,
      createdAt: "2026-11-30T08:00:00Z",
    };
  }

  readonly #lock = async (
    name: string,
    _options: LockOptions,
    held: (lock: object | null) => Promise<void> | undefined,
  ): Promise<void> => {
    if (this.held.has(name)) {
      await held(null);
      return;
    }
    this.held.add(name);
    await held({ name });
    // As in browsers: the lock goes a moment after the promise has settled.
    await new Promise((resolve) => setTimeout(resolve, 0));
    this.held.delete(name);
  };
}
