import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Connection } from "../src/connection";
import { PealError } from "../src/errors";
import { FakeServer, type FakeSocket, settle, welcome } from "./fakes";

let server: FakeServer;
let states: string[];
let closed: PealError[];
let updates: unknown[];
let tokens: number;
/** What a test does when it is told. */
const told = { state: (_: string): void => {} };

function connect(getToken: () => string | Promise<string> = () => `t${++tokens}`): Connection {
  const connection = new Connection(
    {
      url: "ws://server/ws",
      device: "d-1",
      client: "test",
      resume: true,
      attemptAt: () => Date.parse("2026-01-02T03:04:05.678Z") + server.sockets.length,
      getToken,
      open: server.open,
    },
    {
      state: (s) => {
        states.push(s);
        told.state(s);
      },
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

/** The connection that is in use. */
function live(): FakeSocket {
  const [socket] = server.sockets.filter((s) => !s.closed && s.sent.length > 0);
  if (!socket) throw new Error("there is no connection");
  return socket;
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
  told.state = () => {};
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
      attemptAt: "2026-01-02T03:04:05.678Z",
    });
    server.socket.cut();
    await reconnect();
    expect(server.sockets).toHaveLength(2);
    expect(server.socket.sent[0]?.hello).toMatchObject({
      token: "t1",
      fresh: false,
      resume: false,
      attemptAt: "2026-01-02T03:04:05.679Z",
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

describe("what lasts", () => {
  let codes: string[] = [];
  const ask = (connection: Connection): void => {
    void connection
      .request({ hangup: { callId: "a" } }, true)
      .then((reply) => codes.push(reply.error?.code ?? "done"));
  };
  beforeEach(() => {
    codes = [];
  });

  it("fails at once where no connection follows any more", async () => {
    const connection = await online();
    told.state = (state) => {
      if (state === "offline") ask(connection);
    };
    connection.stop(new PealError("logged_out", ""));
    await settle();
    expect(codes).toEqual(["not_connected"]);
  });
  it("fails where the login ends while it waits to be sent again", async () => {
    const connection = await online();
    ask(connection);
    server.socket.answer("hangup", { error: { code: "unavailable", retry: true } });
    connection.stop(new PealError("logged_out", ""));
    await vi.advanceTimersByTimeAsync(1_000);
    expect(codes).toEqual(["not_connected"]);
  });
  it("goes by the next connection where this one is lost while it waits", async () => {
    const connection = await online();
    ask(connection);
    server.socket.answer("hangup", { error: { code: "unavailable", retry: true } });
    server.socket.cut();
    await reconnect();
    server.socket.give(welcome);
    expect(server.socket.names()).toEqual(["hello", "hangup"]);
    server.socket.answer("hangup");
    await settle();
    expect(codes).toEqual(["done"]);
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
  it("is not content with what was on its way before it asked", async () => {
    const connection = await online();
    connection.probe();
    await vi.advanceTimersByTimeAsync(100);
    server.socket.give({ call: { call: { callId: "a", rev: 1 } } });
    await vi.advanceTimersByTimeAsync(3_999);
    expect(connection.state).toBe("online");
    await vi.advanceTimersByTimeAsync(1);
    expect(connection.state).toBe("connecting");
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

describe("a suspicion", () => {
  /** Suspects the connection, which answers after so long; tells whether it was asked. */
  async function suspect(connection: Connection, answerMs: number): Promise<boolean> {
    const socket = live();
    const before = socket.sent.length;
    connection.suspect();
    const asked = socket.sent.length > before;
    await vi.advanceTimersByTimeAsync(answerMs);
    if (asked) socket.answer("ping", { pong: {} });
    return asked;
  }

  it("opens another connection, which takes over where it is faster", async () => {
    const connection = await online();
    const [first] = server.sockets;
    void connection.request({ accept: { callId: "a" } });
    connection.suspect();
    await vi.advanceTimersByTimeAsync(200);
    expect(server.sockets).toHaveLength(2);
    expect(connection.state).toBe("online");
    expect(server.socket.sent).toEqual([]);
    server.socket.open();
    expect(first?.closed).toBe(true);
    expect(server.socket.names()).toEqual(["hello"]);
    expect(server.socket.sent[0]?.hello).toMatchObject({ token: "t1", fresh: false });
    server.socket.give(welcome);
    expect(server.socket.names()).toEqual(["hello", "accept"]);
    expect(states).toEqual(["connecting", "online", "connecting", "online"]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(connection.state).toBe("online");
  });
  it("lets the other connection go where the first one answers", async () => {
    const connection = await online();
    const [first] = server.sockets;
    connection.suspect();
    await vi.advanceTimersByTimeAsync(200);
    first?.answer("ping", { pong: {} });
    expect(server.socket.closed).toBe(true);
    server.socket.open();
    expect(server.socket.sent).toEqual([]);
    await vi.advanceTimersByTimeAsync(3_000);
    expect(states).toEqual(["connecting", "online"]);
  });
  it("goes on with the other connection where the first one is silent for good", async () => {
    const connection = await online();
    connection.suspect();
    await vi.advanceTimersByTimeAsync(2_000);
    expect(connection.state).toBe("connecting");
    expect(server.sockets).toHaveLength(2);
    server.socket.open();
    server.socket.give(welcome);
    expect(connection.state).toBe("online");
  });
  it("survives that the other connection is refused", async () => {
    const connection = await online();
    connection.suspect();
    await vi.advanceTimersByTimeAsync(100);
    server.socket.cut();
    expect(connection.state).toBe("online");
    server.sockets[0]?.answer("ping", { pong: {} });
    await vi.advanceTimersByTimeAsync(3_000);
    expect(connection.state).toBe("online");
    expect(server.sockets).toHaveLength(2);
  });
  it("ends with a logout, and so does the other connection", async () => {
    const connection = await online();
    connection.suspect();
    await vi.advanceTimersByTimeAsync(100);
    connection.stop({ code: "logged_out" } as PealError);
    expect(server.sockets.map((s) => s.closed)).toEqual([true, true]);
  });

  it("gives a connection up that is silent for 700 ms", async () => {
    const connection = await online();
    connection.suspect();
    await vi.advanceTimersByTimeAsync(699);
    expect(connection.state).toBe("online");
    await vi.advanceTimersByTimeAsync(1);
    expect(connection.state).toBe("connecting");
  });
  it("has more patience where the last answer took long", async () => {
    const connection = await online();
    connection.probe();
    await vi.advanceTimersByTimeAsync(400);
    server.socket.answer("ping", { pong: {} });
    connection.suspect();
    await vi.advanceTimersByTimeAsync(1_199);
    expect(connection.state).toBe("online");
    await vi.advanceTimersByTimeAsync(1);
    expect(connection.state).toBe("connecting");
  });
  it("rests once the connection was found alive", async () => {
    const connection = await online();
    expect(await suspect(connection, 100)).toBe(true);
    expect(await suspect(connection, 1_800)).toBe(false);
    expect(connection.state).toBe("online");
    expect(await suspect(connection, 100)).toBe(false);
    expect(await suspect(connection, 100)).toBe(true);
  });
  it("does not rest where the network is another one, or the connection", async () => {
    const connection = await online();
    expect(await suspect(connection, 100)).toBe(true);
    connection.networkChanged();
    expect(await suspect(connection, 100)).toBe(true);
    vi.spyOn(Math, "random").mockReturnValue(0);
    live().cut();
    await vi.advanceTimersByTimeAsync(0);
    vi.restoreAllMocks();
    server.socket.open();
    server.socket.give(welcome);
    expect(await suspect(connection, 100)).toBe(true);
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

describe("the token", () => {
  it("serves until it is renewed, where the network may be away", async () => {
    let away = false;
    connect(() => (away ? new Promise(() => {}) : `t${++tokens}`));
    await settle();
    server.socket.open();
    server.socket.give(welcome);
    away = true;
    for (let i = 0; i < 3; i++) {
      server.socket.cut();
      await reconnect();
      expect(server.socket.sent[0]?.hello?.token).toBe("t1");
      server.socket.give(welcome);
    }
  });
  it("is fetched again once it is near its end, or was refused though it was good", async () => {
    const connection = await online();
    const hello = () => server.socket.sent[0]?.hello?.token;
    await vi.advanceTimersByTimeAsync(0.95 * 600_000);
    server.socket.cut();
    for (const before = server.sockets.length; server.sockets.length === before; )
      await vi.advanceTimersByTimeAsync(250);
    server.socket.open();
    const last = hello();
    expect(last).not.toBe("t1");
    server.socket.give({ ...welcome, welcome: { ...welcome.welcome, tokenExpiresInMs: 600_000 } });
    server.socket.cut();
    await reconnect();
    expect(hello()).toBe(last);
    server.socket.give({ error: { code: "bad_token" } });
    await reconnect();
    expect(hello()).not.toBe(last);
    expect(connection.state).toBe("connecting");
    server.socket.give({ error: { code: "bad_token" } });
    expect(connection.state).toBe("offline");
    expect(closed[0]?.code).toBe("bad_token");
  });
});

it("survives that an older attempt to fetch a token fails late", async () => {
  let fetched = 0;
  const connection = connect(() => {
    fetched++;
    return fetched === 2 ? new Promise(() => {}) : `t${fetched}`;
  });
  await settle();
  server.socket.open();
  server.socket.give({ welcome: { ...welcome.welcome, tokenExpiresInMs: 0 } });
  server.socket.cut();
  await vi.advanceTimersByTimeAsync(300);
  connection.probe(); // As a page that is shown again does.
  expect(fetched).toBe(2); // One at a time.
  await vi.advanceTimersByTimeAsync(10_000);
  await reconnect();
  server.socket.give(welcome);
  expect(connection.state).toBe("online");
  expect(server.socket.sent[0]?.hello?.token).toBe("t3");
});

it("renews the token before it expires, and tries again where that fails", async () => {
  let away = false;
  const connection = connect(() => {
    if (away) throw new Error("backend away");
    return `t${++tokens}`;
  });
  await settle();
  server.socket.open();
  server.socket.give(welcome);
  const renewed = () => server.socket.sent.flatMap((f) => f.authenticate?.token ?? []);
  const pass = async (seconds: number) => {
    for (let i = 0; i < seconds; i += 15) {
      await vi.advanceTimersByTimeAsync(15_000);
      server.socket.answer("ping", { pong: {} });
    }
  };
  await pass(480);
  expect(renewed()).toEqual(["t2"]);
  away = true;
  await pass(480);
  expect(renewed()).toEqual(["t2"]);
  away = false;
  await pass(30);
  expect(renewed()).toEqual(["t2", "t3"]);
  expect(connection.state).toBe("online");
});
