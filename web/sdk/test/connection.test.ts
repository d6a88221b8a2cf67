import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Connection } from "../src/connection";
import type { PealError } from "../src/errors";
import { FakeServer, settle, welcome } from "./fakes";

let server: FakeServer;
let states: string[];
let closed: PealError[];
let updates: unknown[];
let tokens: number;

function connect(getToken: () => string | Promise<string> = () => `t${++tokens}`): Connection {
  const connection = new Connection(
    {
      url: "ws://server/ws",
      device: "d-1",
      client: "test",
      resume: true,
      getToken,
      open: server.open,
    },
    {
      state: (s) => states.push(s),
      welcome: () => {},
      update: (u) => updates.push(u),
      candidates: () => {},
      closed: (e) => closed.push(e),
    },
  );
  connection.start();
  return connection;
}

async function online(): Promise<Connection> {
  const connection = connect();
  await settle();
  server.socket.open();
  server.socket.give(welcome);
  return connection;
}

async function reconnect(): Promise<void> {
  await vi.advanceTimersByTimeAsync(5_000);
  server.socket.open();
}

beforeEach(() => {
  vi.useFakeTimers();
  server = new FakeServer();
  states = [];
  closed = [];
  updates = [];
  tokens = 0;
});
afterEach(() => void vi.useRealTimers());

describe("hello", () => {
  it("is fresh on the first connection of a page alone", async () => {
    await online();
    expect(server.socket.sent[0]?.hello).toMatchObject({
      token: "t1",
      deviceId: "d-1",
      fresh: true,
      resume: true,
    });
    server.socket.cut();
    await reconnect();
    expect(server.sockets).toHaveLength(2);
    expect(server.socket.sent[0]?.hello).toMatchObject({
      token: "t2",
      fresh: false,
      resume: false,
    });
  });
  it("that is not answered is tried again, with more patience each time", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0);
    connect();
    await settle();
    for (const [sockets, patience] of [
      [1, 4_000],
      [2, 6_000],
      [3, 9_000],
      [4, 13_500],
      [5, 15_000],
      [6, 15_000],
    ] as const) {
      expect(server.sockets).toHaveLength(sockets);
      server.socket.open();
      await vi.advanceTimersByTimeAsync(patience - 1);
      expect(server.sockets).toHaveLength(sockets);
      await vi.advanceTimersByTimeAsync(2);
    }
    vi.restoreAllMocks();
  });
  it("refused for good ends the login", async () => {
    connect();
    await settle();
    server.socket.open();
    server.socket.give({ replyTo: 1, error: { code: "bad_token", message: "no" } });
    expect(closed.map((e) => e.code)).toEqual(["bad_token"]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(server.sockets).toHaveLength(1);
  });
  it("with a token that expired on its way fetches one more, once", async () => {
    connect();
    for (let i = 0; i < 2; i++) {
      await vi.advanceTimersByTimeAsync(1_000);
      server.socket.open();
      server.socket.give({ replyTo: 1, error: { code: "token_expired" } });
    }
    expect(tokens).toBe(2);
    expect(closed.map((e) => e.code)).toEqual(["token_expired"]);
  });
});

describe("reconnecting", () => {
  it("backs off with jitter, no further than its cap", async () => {
    await online();
    vi.spyOn(Math, "random").mockReturnValue(1);
    const waits: number[] = [];
    for (let i = 0; i < 9; i++) {
      const before = server.sockets.length;
      server.socket.cut();
      let waited = 0;
      while (server.sockets.length === before && waited < 60_000) {
        await vi.advanceTimersByTimeAsync(250);
        waited += 250;
      }
      waits.push(waited);
    }
    vi.mocked(Math.random).mockRestore();
    expect(waits).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
  });
  it("survives a getToken that fails for a while", async () => {
    let fail = false;
    connect(() => (fail ? Promise.reject(new Error("backend away")) : "t"));
    await settle();
    server.socket.open();
    server.socket.give(welcome);
    fail = true;
    server.socket.cut();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(closed).toEqual([]);
    fail = false;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(server.sockets.length).toBeGreaterThan(1);
  });
  it("does not follow a goodbye that says so", async () => {
    await online();
    server.socket.give({ goodbye: { error: { code: "replaced" } } });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(server.sockets).toHaveLength(1);
    expect(closed[0]?.code).toBe("replaced");
  });
  it("repeats what was not answered, the lasting ones before the welcome is acted on", async () => {
    const connection = await online();
    const replies: string[] = [];
    void connection.request({ ringing: { callId: "a" } }).then(() => replies.push("ringing"));
    void connection.request({ hangup: { callId: "b" } }, true).then(() => replies.push("hangup"));
    server.socket.cut();
    await reconnect();
    server.socket.give(welcome);
    expect(server.socket.names()).toEqual(["hello", "hangup", "ringing"]);
    server.socket.answer("hangup");
    server.socket.answer("ringing");
    await settle();
    expect(replies).toEqual(["hangup", "ringing"]);
  });
  it("keeps a lasting command for as long as it takes, and times others out", async () => {
    const connection = await online();
    server.socket.cut();
    const reply = connection.request({ accept: { callId: "a" } });
    void connection.request({ hangup: { callId: "b" } }, true);
    await vi.advanceTimersByTimeAsync(120_000);
    expect((await reply).error?.code).toBe("request_timeout");
    for (const before = server.sockets.length; server.sockets.length === before; ) {
      await vi.advanceTimersByTimeAsync(250);
    }
    server.socket.open();
    server.socket.give(welcome);
    expect(server.socket.names()).toEqual(["hello", "hangup"]);
  });
});

describe("the heartbeat", () => {
  it("asks, and gives a silent connection up", async () => {
    const connection = await online();
    connection.setBusy(true);
    expect(server.socket.names()).toEqual(["hello", "ping"]);
    server.socket.answer("ping", { pong: {} });
    await vi.advanceTimersByTimeAsync(2_000);
    expect(server.socket.names()).toEqual(["hello", "ping", "ping"]);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(states).toEqual(["connecting", "online", "connecting"]);
  });
  it("stays calm while answers come", async () => {
    await online();
    for (let i = 0; i < 10; i++) {
      await vi.advanceTimersByTimeAsync(15_000);
      server.socket.answer("ping", { pong: {} });
    }
    expect(server.sockets).toHaveLength(1);
  });
});

describe("answers", () => {
  it("to what was told in passing are news", async () => {
    const connection = await online();
    connection.tell({ media: { callId: "a", generation: 1, up: true } });
    server.socket.answer("media", { call: { call: { callId: "a", rev: 7 } } });
    expect(updates).toEqual([{ call: { callId: "a", rev: 7 } }]);
  });
  it("keep an error beside the call", async () => {
    const connection = await online();
    const reply = connection.request({ cancel: { callId: "a" } });
    server.socket.answer("cancel", {
      error: { code: "already_accepted" },
      call: { call: { callId: "a" } },
    });
    expect(await reply).toMatchObject({
      error: { code: "already_accepted" },
      call: { call: { callId: "a" } },
    });
  });
  it("fail at once without a login", async () => {
    const connection = await online();
    connection.stop({ code: "logged_out" } as PealError);
    expect((await connection.request({ ping: {} })).error?.code).toBe("not_connected");
  });
});

it("renews the token before it expires", async () => {
  await online();
  await vi.advanceTimersByTimeAsync(0);
  for (let i = 0; i < 32; i++) {
    await vi.advanceTimersByTimeAsync(15_000);
    server.socket.answer("ping", { pong: {} });
  }
  expect(server.socket.sent.find((f) => f.authenticate)?.authenticate).toEqual({ token: "t2" });
});
