import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import type { PealError } from "../src/api/errors";
import type { CallEnd, CallOptions, CallRecord, ClientOptions } from "../src/api/types";
import type { Call } from "../src/call";
import { chosen } from "../src/capture/devices";
import { PealClient } from "../src/client";
import { Follower } from "../src/component/call-events";
import { CallRtc } from "../src/component/sdk-instance";
import type { CallJson, PartyJson, RecordJson, ServerFrameJson } from "../src/gen/peal_pb";
import {
  type FakeBrowser,
  FakePeerConnection,
  FakeServer,
  fakeBrowser,
  later,
  settle,
  settled,
  side,
  snapshot,
  welcome,
} from "./fakes";

let browser: FakeBrowser;
let server: FakeServer;
let client: PealClient;
let told: string[];
let records: CallRecord[];

function make(options: Partial<ClientOptions> = {}): PealClient {
  const made = new PealClient(
    { server: "https://calls.test", getToken: () => "t", ...options },
    {
      open: server.open,
      make: browser.make,
      claim: async () => ({
        id: "d-1",
        seed: 1,
        now: Date.now,
        dials: () => {},
        release: () => {},
      }),
      turn: () => new Promise((resolve) => later(resolve)),
    },
  );
  made.on("record", (r) => records.push(r));
  made.on("closed", (e) => told.push(`closed ${e.code}`));
  made.on("incoming", (call) => {
    told.push(`incoming ${call.peer}`);
    follow(call as Call);
  });
  return made;
}

function follow(call: Call): void {
  call.on("accepted", () => told.push("accepted"));
  call.on("connected", () => told.push("connected"));
  call.on("type", (t) => told.push(`type ${t}`));
  call.on("videoRequest", (asked) => told.push(`videoRequest ${asked}`));
  call.on("deviceLost", (d) => told.push(`lost ${d.kind} for ${d.replacement}`));
  call.on("error", (e) => told.push(`error ${e.code}`));
  call.on("ended", (end: CallEnd) => told.push(`ended ${end.reason}`));
}

async function login(frame: ServerFrameJson = welcome): Promise<void> {
  const done = client.connect();
  await settled();
  server.socket.open();
  server.socket.give(frame);
  await done;
  await settled();
}

/** Loses the connection and gives the next one its welcome. */
async function reconnect(frame: ServerFrameJson = welcome): Promise<void> {
  server.socket.cut();
  await vi.advanceTimersByTimeAsync(5_000);
  server.socket.open();
  server.socket.give(frame);
  await settled();
}

/** Calls, and waits until the server has taken the invitation. */
async function dial(account: string, options: CallOptions = {}): Promise<Call> {
  const call = client.call(account, options);
  await call.invited;
  return call;
}

/** An invitation by alice that the server has taken. */
async function calling(type: 1 | 2 = 2): Promise<Call> {
  const invited = dial("bob", { type });
  await settled();
  const invite = server.socket.sent.find((f) => f.invite)?.invite;
  const callId = invite?.callId ?? "";
  server.socket.answer("invite", {
    call: { call: snapshot({ callId, type: invite?.type ?? "CALL_TYPE_VIDEO" }) },
  });
  const call = await invited;
  follow(call);
  await settled();
  return call;
}

/** A call of alice's that bob has answered. */
async function talking(type: 1 | 2 = 2): Promise<Call> {
  const call = await calling(type);
  const wire = type === 2 ? "CALL_TYPE_VIDEO" : "CALL_TYPE_AUDIO";
  server.socket.give({
    call: {
      call: snapshot({ callId: call.id, rev: 2, state: "CALL_STATE_CONNECTED", type: wire }),
      answer: "v=0 answer",
    },
  });
  await settled();
  told.length = 0;
  return call;
}

async function incoming(more: CallJson = {}): Promise<Call> {
  server.socket.give({
    call: {
      call: snapshot({ role: "ROLE_CALLEE", caller: side("bob"), callee: side("alice"), ...more }),
      offer: "v=0 offer",
    },
  });
  await settled();
  const call = client.activeCall;
  if (!call) throw new Error("it does not ring");
  return call;
}

/** Openings from here on wait; what it gives ends that. */
function slow(): () => Promise<void> {
  let open = (): void => {};
  browser.opening = new Promise((resolve) => {
    open = resolve;
  });
  return async () => {
    open();
    browser.opening = Promise.resolve();
    await settled();
  };
}
const on = (): string[] => browser.opened.filter((t) => !t.stopped).map((t) => t.kind);

const record = (callId: string, endedAt: string): RecordJson => ({
  callId,
  kind: "RECORD_KIND_CANCELLED",
  type: "CALL_TYPE_AUDIO",
  caller: "bob",
  callee: "alice",
  parties: [
    { account: "bob", role: "ROLE_CALLER", name: "Bob", avatar: "https://a.test/b" },
    { account: "alice", role: "ROLE_CALLEE" },
  ],
  endedAt,
});

beforeEach(() => {
  vi.useFakeTimers();
  browser = fakeBrowser();
  server = new FakeServer();
  told = [];
  records = [];
  client = make();
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("a call", () => {
  it("resolves when the server has taken it, and is accepted after that", async () => {
    await login();
    const call = await calling();
    expect(call.state).toBe("ringing");
    expect(browser.connections[0]?.log).toContain("setLocalDescription offer");
    server.socket.give({
      call: { call: snapshot({ callId: call.id, rev: 2, state: "CALL_STATE_CONNECTING" }) },
    });
    expect(told).toEqual(["accepted"]);
  });
  it("knows the name and the picture of the caller from the start", async () => {
    await login();
    const caller = side("bob", {
      role: "ROLE_CALLER",
      name: "<b>Bob</b>",
      avatar: "https://a.test/b",
    });
    const parties = [caller, side("alice", { role: "ROLE_CALLEE" })];
    const call = await incoming({ caller, parties });
    expect([call.peerName, call.peerAvatar]).toEqual(["<b>Bob</b>", "https://a.test/b"]);
    expect(call.parties).toEqual([
      { account: "bob", role: "caller", name: "<b>Bob</b>", avatar: "https://a.test/b" },
      { account: "alice", role: "callee", name: "", avatar: "" },
    ]);
  });
  it("knows the name of the callee once it has accepted, and the account before", async () => {
    await login();
    const call = await calling();
    const at = (rev: number, more: PartyJson): CallJson => {
      const state = rev === 1 ? "CALL_STATE_RINGING" : "CALL_STATE_CONNECTING";
      const parties = [side("alice", { role: "ROLE_CALLER" }), side("bob", more)];
      return snapshot({ callId: call.id, rev, state, parties });
    };
    expect([call.peerName, call.peerAvatar]).toEqual(["bob", ""]);
    server.socket.give({ call: { call: at(1, { role: "ROLE_CALLEE" }) } });
    expect([call.peerName, call.peerAvatar]).toEqual(["bob", ""]);
    const names: string[] = [];
    call.on("accepted", () => names.push(call.peerName));
    server.socket.give({ call: { call: at(2, { role: "ROLE_CALLEE", name: "小明" }) } });
    await settled();
    expect(names).toEqual(["小明"]);
    expect(call.parties[1]).toEqual({
      account: "bob",
      role: "callee",
      name: "小明",
      avatar: "",
    });
  });
  it("of an older server has accounts and no names", async () => {
    await login();
    const call = await incoming();
    expect([call.peerName, call.peerAvatar]).toEqual(["bob", ""]);
    expect(call.parties).toEqual([
      { account: "bob", role: "caller", name: "", avatar: "" },
      { account: "alice", role: "callee", name: "", avatar: "" },
    ]);
  });
  it("takes the answer of its generation, also where later news came first", async () => {
    await login();
    const made = dial("bob", { video: true });
    await settled();
    const callId = client.activeCall?.id ?? "";
    const going = snapshot({ callId, state: "CALL_STATE_CONNECTING" });
    server.socket.give({ call: { call: { ...going, rev: 2 }, answer: "v=0 answer" } });
    server.socket.answer("invite", { call: { call: { ...going, rev: 3 } } });
    await made;
    await settled();
    const answers = () =>
      browser.connections[0]?.log.filter((l) => l.endsWith("Description answer"));
    expect(answers()).toHaveLength(1);
    server.socket.give({ call: { call: { ...going, rev: 4, generation: 2 } } });
    await settled();
    server.socket.give({ call: { call: { ...going, rev: 3 }, answer: "v=0 answer" } });
    await settled();
    expect(answers()).toHaveLength(1);
  });
  it("is one at a time", async () => {
    await login();
    const first = dial("bob");
    await expect(dial("carol")).rejects.toMatchObject({ code: "wrong_state" });
    first.catch(() => {});
  });
  it("that cannot open its microphone rings nobody", async () => {
    browser.deny = () => new DOMException("no", "NotAllowedError");
    await login();
    await expect(dial("bob")).rejects.toMatchObject({ code: "microphone_denied" });
    expect(server.socket.names()).not.toContain("invite");
    expect(client.activeCall).toBeNull();
  });
  it("closes its devices when it ends, whoever ends it", async () => {
    await login();
    const call = await talking();
    server.socket.give({
      call: {
        call: snapshot({
          callId: call.id,
          rev: 3,
          state: "CALL_STATE_ENDED",
          reason: "REASON_COMPLETED",
          actor: "bob",
        }),
      },
    });
    expect(told).toEqual(["ended completed"]);
    expect(browser.opened.map((t) => t.stopped)).toEqual([true, true]);
    expect(browser.connections[0]?.connectionState).toBe("closed");
    expect(client.activeCall).toBeNull();
  });
  it("that ended long before a welcome is asked about", async () => {
    await login();
    const { id: callId } = await talking();
    await reconnect();
    expect(told).toEqual([]);
    server.socket.answer("hangup", {
      call: {
        call: snapshot({ callId, rev: 9, state: "CALL_STATE_ENDED", reason: "REASON_KICKED" }),
      },
    });
    await settled();
    expect(told).toEqual(["ended kicked"]);
  });
  it("that the server knows nothing of is over", async () => {
    await login();
    await talking();
    await reconnect();
    server.socket.answer("hangup", { error: { code: "no_such_call" } });
    await settled();
    expect(told).toEqual(["ended lost"]);
  });
  it("whose making is in doubt must not ring", async () => {
    await login();
    const call = dial("bob");
    await settled();
    server.socket.answer("invite", { error: { code: "unavailable", retry: true } });
    await expect(call).rejects.toMatchObject({ code: "unavailable" });
    await settled();
    expect(server.socket.names()).toContain("cancel");
  });
  it("that fails here once the server has taken it must not ring", async () => {
    await login();
    const made = dial("bob");
    await settled();
    const callId = client.activeCall?.id ?? "";
    const [pc] = browser.connections;
    if (pc) pc.setLocalDescription = () => Promise.reject(new Error("no ICE"));
    server.socket.answer("invite", { call: { call: snapshot({ callId }) } });
    await expect(made).rejects.toMatchObject({ code: "internal", message: "no ICE" });
    await settled();
    expect(server.socket.sent.flatMap((f) => f.cancel ?? [])).toEqual([{ callId }]);
    const over = { callId, rev: 2, state: "CALL_STATE_ENDED" } as const;
    server.socket.answer("cancel", {
      call: { call: snapshot({ ...over, record: record(callId, "2030-01-01T00:00:00Z") }) },
    });
    await settled();
    expect(records.map((r) => r.callId)).toEqual([callId]);
    expect(client.activeCall).toBeNull();
  });
  it("that fails here once it became the other side's is hung up", async () => {
    await login();
    const made = dial("bob");
    await settled();
    // In words that this version does not know.
    const strange = snapshot({
      callId: "c2",
      role: "ROLE_CALLEE",
      state: "CALL_STATE_UNSPECIFIED",
    });
    server.socket.answer("invite", { call: { mergedInto: "c2", call: strange } });
    await expect(made).rejects.toMatchObject({ code: "internal" });
    expect(server.socket.sent.flatMap((f) => f.hangup ?? [])).toEqual([{ callId: "c2" }]);
    expect(client.activeCall).toBeNull();
  });
  it.each(["hangup", "cancel"] as const)(
    "that merged into the other side's after %s() is not wanted either",
    async (giveUp) => {
      await login();
      const call = dial("bob");
      await settled();
      void client.activeCall?.[giveUp]();
      server.socket.answer("invite", {
        call: {
          mergedInto: "c2",
          call: snapshot({ callId: "c2", state: "CALL_STATE_CONNECTING", role: "ROLE_CALLEE" }),
        },
      });
      await settled();
      expect(server.socket.sent.flatMap((f) => f.hangup ?? [])).toEqual([{ callId: "c2" }]);
      server.socket.answer("hangup", { error: { code: "no_such_call" } });
      await call;
      expect(client.activeCall).toBeNull();
    },
  );
  it("of before the page was loaded anew is left where nothing is to be resumed", async () => {
    client = make({ resume: false });
    await login();
    const late = snapshot({ role: "ROLE_CALLER" });
    for (let i = 0; i < 2; i++) server.socket.give({ call: { call: late } });
    await settled();
    expect(server.socket.sent.flatMap((f) => f.hangup ?? [])).toEqual([{ callId: "c1" }]);
    expect(client.activeCall).toBeNull();
  });
  it("that rang when a login ended rings for the next one", async () => {
    await login();
    await incoming();
    server.socket.give({ goodbye: { error: { code: "kicked", message: "" }, reconnect: false } });
    await settled();
    expect(client.activeCall).toBeNull();
    const rings = snapshot({ role: "ROLE_CALLEE", caller: side("bob"), callee: side("alice") });
    await login({ welcome: { ...welcome.welcome, calls: [{ call: rings, offer: "v=0 offer" }] } });
    expect(told.filter((what) => what === "incoming bob")).toHaveLength(2);
    expect(client.activeCall?.id).toBe("c1");
  });
  it("that was rejected, and merged with one that was made since, ends with the rejection", async () => {
    await login();
    server.socket.give({
      call: {
        call: snapshot({
          callId: "c2",
          role: "ROLE_CALLEE",
          caller: side("bob"),
          callee: side("alice"),
        }),
        offer: "v=0 offer",
      },
    });
    await settled();
    const rejection = client.activeCall?.reject();
    await settled();
    const call = dial("bob");
    await settled();
    const merged = {
      callId: "c2",
      rev: 3,
      role: "ROLE_CALLEE" as const,
      caller: side("bob"),
      callee: side("alice"),
    };
    server.socket.answer("invite", {
      call: { mergedInto: "c2", call: snapshot({ ...merged, state: "CALL_STATE_CONNECTING" }) },
    });
    await call;
    expect(client.activeCall?.id).toBe("c2");
    server.socket.answer("reject", {
      call: {
        call: snapshot({
          ...merged,
          rev: 4,
          state: "CALL_STATE_ENDED",
          reason: "REASON_COMPLETED",
        }),
      },
    });
    await rejection;
    await settled();
    expect(client.activeCall).toBeNull();
  });
  it("that rings while another is being made rings when that comes to nothing", async () => {
    await login();
    const call = dial("carol");
    await settled();
    server.socket.give({
      call: {
        call: snapshot({ role: "ROLE_CALLEE", caller: side("bob"), callee: side("alice") }),
        offer: "v=0 offer",
      },
    });
    await settled();
    expect(told).toEqual([]);
    server.socket.answer("invite", { error: { code: "busy_elsewhere" } });
    await expect(call).rejects.toMatchObject({ code: "busy_elsewhere" });
    await settled();
    expect(told).toEqual(["incoming bob"]);
  });
  it("that rings while another is being made is not forgotten for news of others, nor its offer", async () => {
    await login();
    // One that was declined, of which the server has not heard yet.
    void (await incoming({ callId: "c0" })).hangup();
    const call = dial("carol");
    const rejection = expect(call).rejects.toMatchObject({ code: "busy_elsewhere" });
    await settled();
    const rings = { role: "ROLE_CALLEE", caller: side("bob"), callee: side("alice") } as const;
    server.socket.give({ call: { call: snapshot(rings), offer: "v=0 offer" } });
    server.socket.give({ call: { call: snapshot({ ...rings, callId: "c0", rev: 2 }) } });
    // Late news of a call that another device is in.
    const late = {
      callId: "c9",
      rev: 5,
      role: "ROLE_OBSERVER",
      state: "CALL_STATE_CONNECTED",
    } as const;
    server.socket.give({ call: { call: snapshot({ ...rings, ...late }) } });
    const over = { ...rings, callId: "c0", rev: 3, state: "CALL_STATE_ENDED" } as const;
    server.socket.give({ call: { call: snapshot({ ...over, reason: "REASON_REJECTED" }) } });
    server.socket.give({ call: { call: snapshot({ ...rings, rev: 2 }) } });
    await settled();
    server.socket.answer("invite", { error: { code: "busy_elsewhere" } });
    await rejection;
    await settled();
    expect(client.activeCall?.id).toBe("c1");
    expect(browser.connections.at(-1)?.log).toContain("setRemoteDescription offer");
  });
  describe("that rang beside one's own, in the moment in which that one is over", () => {
    const rings = { role: "ROLE_CALLEE", caller: side("bob"), callee: side("alice") } as const;
    async function over(): Promise<void> {
      await login();
      const call = dial("carol");
      const rejection = expect(call).rejects.toMatchObject({ code: "busy_elsewhere" });
      await settled();
      server.socket.give({ call: { call: snapshot(rings), offer: "v=0 offer" } });
      server.socket.answer("invite", { error: { code: "busy_elsewhere" } });
      await settle();
      await rejection;
      expect(client.activeCall).toBeNull();
    }
    it("may be answered elsewhere", async () => {
      await over();
      server.socket.give({
        call: {
          call: snapshot({
            ...rings,
            rev: 2,
            role: "ROLE_OBSERVER",
            state: "CALL_STATE_CONNECTING",
          }),
        },
      });
      await settled();
      expect(told).toEqual([]);
      expect(client.activeCall).toBeNull();
    });
    it("does not ring for who is logged out", async () => {
      await over();
      server.socket.give({ goodbye: { error: { code: "kicked", message: "" }, reconnect: false } });
      await settled();
      expect(told).toEqual(["closed kicked"]);
      expect(client.activeCall).toBeNull();
    });
  });
  it("does not ring for who logs out", async () => {
    await login();
    await talking();
    const rings = {
      callId: "c9",
      role: "ROLE_CALLEE",
      caller: side("bob"),
      callee: side("alice"),
    } as const;
    server.socket.give({ call: { call: snapshot(rings), offer: "v=0 offer" } });
    const closed = client.close();
    await settled();
    server.socket.give({
      call: { call: snapshot({ ...rings, callId: "c8" }), offer: "v=0 offer" },
    });
    await vi.advanceTimersByTimeAsync(3_000);
    await closed;
    expect(told).toEqual(["ended completed", "closed logged_out"]);
  });
  it("is no other login where the one that there is connects again", async () => {
    await login();
    server.socket.cut();
    const sockets = server.sockets.length;
    const again = client.connect();
    await settled();
    expect(server.sockets).toHaveLength(sockets + 1);
    server.socket.open();
    expect(server.socket.sent[0]?.hello?.fresh).toBe(false);
    server.socket.give(welcome);
    await again;
    await vi.advanceTimersByTimeAsync(1_000);
    expect(server.sockets).toHaveLength(sockets + 1);
  });
  it("goes on over a reconnect that finds it going on", async () => {
    await login();
    server.socket.answer("listRecords", { records: {} });
    const call = await talking();
    await reconnect({
      welcome: {
        ...welcome.welcome,
        calls: [{ call: snapshot({ callId: call.id, rev: 4, state: "CALL_STATE_CONNECTED" }) }],
      },
    });
    expect(told).toEqual([]);
    expect(server.socket.names()).toEqual(["hello", "listRecords", "tracks", "media"]);
  });
});

describe("media that are lost", () => {
  const connected = (callId: string, rev: number) =>
    server.socket.give({
      call: { call: snapshot({ callId, rev, state: "CALL_STATE_CONNECTED" }) },
    });

  it("are told, and that they are back, once each", async () => {
    await login();
    const call = await talking();
    call.on("reconnecting", () => told.push("reconnecting"));
    const pc = browser.connections[0];
    pc?.become("connected");
    pc?.become("disconnected");
    pc?.become("failed");
    pc?.become("connected");
    pc?.become("connected");
    expect(told).toEqual(["reconnecting", "connected"]);
  });
  it("ask for a restart, whose answer may be the first to tell what the other side asked for", async () => {
    await login();
    const call = await talking(1);
    const pc = browser.connections[0];
    pc?.become("connected");
    pc?.become("failed");
    await settled();
    const next = { rev: 3, generation: 2, type: "CALL_TYPE_AUDIO", videoAskedBy: "bob" } as const;
    const state = "CALL_STATE_CONNECTED";
    server.socket.answer("restart", {
      call: { call: snapshot({ callId: call.id, state, ...next }) },
    });
    await settled();
    expect(told).toContain("videoRequest true");
    expect(server.socket.names()).toContain("offer");
  });
  it("before the call is connected are told after that", async () => {
    await login();
    const call = await calling();
    call.on("reconnecting", () => told.push("reconnecting"));
    const state = "CALL_STATE_CONNECTING";
    server.socket.give({
      call: { call: snapshot({ callId: call.id, rev: 2, state }), answer: "v=0" },
    });
    await settled();
    const pc = browser.connections[0];
    pc?.become("failed"); // It never came up.
    pc?.become("connected");
    pc?.become("disconnected");
    expect(told).toEqual(["accepted"]);
    connected(call.id, 3);
    await settled();
    pc?.become("connected");
    expect(told).toEqual(["accepted", "connected", "reconnecting", "connected"]);
  });
});

describe("a hang-up", () => {
  it("holds at once, and goes first after the next hello", async () => {
    await login();
    const call = await talking();
    server.socket.cut();
    void call.hangup();
    await settled();
    expect(told).toEqual(["ended completed"]);
    await vi.advanceTimersByTimeAsync(5_000);
    server.socket.open();
    server.socket.give({
      welcome: {
        ...welcome.welcome,
        calls: [{ call: snapshot({ callId: call.id, rev: 2, state: "CALL_STATE_CONNECTED" }) }],
      },
    });
    await settled();
    expect(server.socket.names().slice(0, 2)).toEqual(["hello", "hangup"]);
    // What the welcome still says of it brings nothing back.
    expect(client.activeCall).toBeNull();
  });
  it("stops the time that the call has lasted", async () => {
    await login();
    const call = await talking();
    await vi.advanceTimersByTimeAsync(5_000);
    expect(call.connectedForMs).toBe(5_000);
    void call.hangup();
    expect(call.connectedForMs).toBe(5_000);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(call.connectedForMs).toBe(5_000);
  });
  it("by cancel() holds at once as well, where the server is away", async () => {
    await login();
    const call = await calling();
    server.socket.cut();
    void call.cancel();
    expect(told).toEqual(["ended cancelled"]);
    await vi.advanceTimersByTimeAsync(5_000);
    server.socket.open();
    server.socket.give(welcome);
    await settled();
    expect(server.socket.names().slice(0, 2)).toEqual(["hello", "cancel"]);
  });
  it("by cancel() holds while the devices open, and rings nobody", async () => {
    await login();
    const opened = slow();
    const made = dial("bob", { video: true });
    const call = client.activeCall as Call;
    follow(call);
    await settled();
    const cancelled = call.cancel();
    expect(client.activeCall).toBeNull();
    expect(await made).toBe(call); // Also where nobody answers the browser's question.
    // Nothing was sent, so there is nothing to take back.
    await cancelled;
    expect(server.socket.names()).not.toContain("cancel");
    const next = dial("carol");
    await settled();
    await opened();
    server.socket.answer("invite", { call: { call: snapshot({ callee: side("carol") }) } });
    await next;
    expect(told).toEqual(["ended cancelled"]);
    expect(call.end?.reason).toBe("cancelled");
    expect(server.socket.sent.flatMap((f) => f.invite?.callee ?? [])).toEqual(["carol"]);
    // The next call's alone.
    expect(on()).toEqual(["audio"]);
  });
  it("by cancel() holds while the invitation is on its way", async () => {
    await login();
    const made = dial("bob", { video: true });
    const call = client.activeCall as Call;
    follow(call);
    await settled();
    const cancelled = call.cancel();
    server.socket.answer("invite", { call: { call: snapshot({ callId: call.id }) } });
    await made;
    const over = { callId: call.id, rev: 2, state: "CALL_STATE_ENDED" } as const;
    server.socket.answer("cancel", {
      call: { call: snapshot({ ...over, reason: "REASON_CANCELLED" }) },
    });
    await cancelled;
    await settled();
    expect(told).toEqual(["ended cancelled"]);
    expect(client.activeCall).toBeNull();
    expect(on()).toEqual([]);
  });
  it("ends what an acceptance made that nobody waited for any more", async () => {
    await login();
    const call = await incoming();
    const accepted = call.accept();
    accepted.catch(() => {});
    await settled();
    await vi.advanceTimersByTimeAsync(10_000);
    await expect(accepted).rejects.toMatchObject({ code: "request_timeout" });
    const rings = snapshot({ role: "ROLE_CALLEE", caller: side("bob"), callee: side("alice") });
    await reconnect({ welcome: { ...welcome.welcome, calls: [{ call: rings }] } });
    void call.reject();
    server.socket.answer("reject", {
      error: { code: "already_accepted" },
      call: { call: snapshot({ rev: 2, state: "CALL_STATE_CONNECTING", role: "ROLE_CALLEE" }) },
    });
    await settled();
    expect(server.socket.names()).toContain("hangup");
  });
  it("of an invitation that was answered meanwhile hangs up all the same", async () => {
    await login();
    const call = await calling();
    const done = call.hangup();
    server.socket.answer("cancel", {
      error: { code: "already_accepted", message: "" },
      call: { call: snapshot({ callId: call.id, rev: 2, state: "CALL_STATE_CONNECTING" }) },
    });
    await settled();
    expect(server.socket.names().at(-1)).toBe("hangup");
    server.socket.answer("hangup", { call: {} });
    await done;
  });
});

describe("an invitation", () => {
  /** bob's, as this device has answered it. */
  const answered = snapshot({
    rev: 2,
    state: "CALL_STATE_CONNECTING",
    role: "ROLE_CALLEE",
    caller: side("bob"),
    callee: side("alice"),
  });
  it("rings, prepares its answer, and sends nothing of it before the acceptance", async () => {
    await login();
    const call = await incoming();
    expect(told).toEqual(["incoming bob"]);
    expect(server.socket.names()).toContain("ringing");
    browser.connections[0]?.find("mine");
    await vi.advanceTimersByTimeAsync(1_000);
    expect(server.socket.names()).not.toContain("candidates");
    const accepted = call.accept();
    await settled();
    expect(server.socket.sent.find((f) => f.accept)?.accept).toMatchObject({
      answer: "v=0\r\n",
      generation: 1,
      candidates: [{ candidate: "mine" }],
    });
    browser.connections[0]?.find("later");
    server.socket.answer("accept", {
      call: {
        call: snapshot({
          rev: 2,
          state: "CALL_STATE_CONNECTING",
          role: "ROLE_CALLEE",
          caller: side("bob"),
          callee: side("alice"),
        }),
      },
    });
    await accepted;
    await vi.advanceTimersByTimeAsync(1_000);
    const after = server.socket.sent.flatMap((f) => f.candidates?.candidates ?? []);
    expect(after.map((c) => c.candidate)).toEqual(["later"]);
  });
  it("gives all its addresses once it is accepted, where they are relayed until then", async () => {
    await login();
    const icePolicy = "ICE_POLICY_RELAY_UNTIL_ACCEPT";
    const call = await incoming({ icePolicy });
    const accepted = call.accept();
    await settled();
    const found = "candidate:1 1 udp 5 192.0.2.1 9 typ host";
    browser.connections[0]?.find(found);
    server.socket.answer("accept", { call: { call: { ...answered, icePolicy } } });
    await accepted;
    await vi.advanceTimersByTimeAsync(1_000);
    const after = server.socket.sent.flatMap((f) => f.candidates?.candidates ?? []);
    expect(after.map((c) => c.candidate)).toEqual([found]);
  });
  it("reports a track that cannot be sent", async () => {
    await login();
    const call = await incoming();
    const failures: string[] = [];
    call.on("error", (e) => void failures.push(e.message));
    const accepted = call.accept();
    await settled();
    const pc = browser.connections.at(-1);
    if (!pc) throw new Error("no connection");
    pc.refuses = true;
    server.socket.answer("accept", { call: { call: answered } });
    await accepted;
    await settled();
    expect(failures).toEqual(["this track cannot be sent"]);
    expect(call.state).toBe("connecting");
  });

  it("is answered for this device as soon as accept() resolves", async () => {
    await login();
    const call = await incoming();
    const accepted = call.accept();
    await settled();
    let seen = "";
    const done = accepted.then(() => {
      seen = `${call.state} ${told}`;
      return call.switchType(1);
    });
    server.socket.answer("accept", { call: { call: answered } });
    await settle();
    expect(seen).toBe("connecting incoming bob"); // Events come after the promise.
    server.socket.answer("switchType", {
      call: { call: { ...answered, rev: 3, type: "CALL_TYPE_AUDIO" } },
    });
    await done;
    await settled();
    expect(told).toEqual(["incoming bob", "accepted"]);
    expect(call.type).toBe(1);
  });
  it("is hung up, not rejected, right after accept()", async () => {
    await login();
    const call = await incoming();
    const accepted = call.accept();
    await settled();
    const left = accepted.then(() => call.hangup());
    server.socket.answer("accept", { call: { call: answered } });
    await settle();
    expect(call.end).toMatchObject({ reason: "completed", answered: true });
    const over = { ...answered, rev: 3, state: "CALL_STATE_ENDED" } as const;
    server.socket.answer("hangup", { call: { call: { ...over, reason: "REASON_COMPLETED" } } });
    await left;
    await settled();
    expect(told).toEqual(["incoming bob", "accepted", "ended completed"]);
  });
  it("was answered also where it ends in the same moment", async () => {
    await login();
    const call = await incoming();
    void call.accept();
    await settled();
    server.socket.answer("accept", { call: { call: answered } });
    await settle();
    const over = { ...answered, rev: 3, state: "CALL_STATE_ENDED" } as const;
    server.socket.give({ call: { call: { ...over, reason: "REASON_COMPLETED" } } });
    await settled();
    expect(told).toEqual(["incoming bob", "accepted", "ended completed"]);
    expect(call.end?.answered).toBe(true);
  });
  it("whose connection comes to nothing while it rings is answered on another one", async () => {
    await login();
    const call = await incoming();
    call.on("reconnecting", () => told.push("reconnecting"));
    browser.connections[0]?.find("of the first");
    browser.connections[0]?.become("failed");
    await settled();
    browser.connections[1]?.find("of the second");
    expect(browser.connections.map((pc) => pc.connectionState)).toEqual(["closed", "new"]);
    void call.accept();
    await settled();
    expect(server.socket.sent.flatMap((f) => f.accept ?? [])).toMatchObject([
      { generation: 1, candidates: [{ candidate: "of the second" }] },
    ]);
    // The answer is on its way: it is that of this connection.
    browser.connections[1]?.become("failed");
    await settled();
    expect(browser.connections).toHaveLength(2);
    expect(told).toEqual(["incoming bob"]);
    expect(server.socket.names()).not.toContain("restart");
    server.socket.answer("accept", { call: { call: answered } });
    await settled();
    expect(server.socket.sent.flatMap((f) => f.restart ?? [])).toMatchObject([
      { fromGeneration: 1 },
    ]);
  });
  it("whose acceptance failed is answered on another connection where that came to nothing", async () => {
    await login();
    const call = await incoming();
    const accepted = call.accept();
    accepted.catch(() => {});
    await vi.advanceTimersByTimeAsync(10_000);
    await expect(accepted).rejects.toMatchObject({ code: "request_timeout" });
    browser.connections[0]?.become("failed");
    void call.accept().catch(() => {});
    await settled();
    expect(browser.connections.map((pc) => pc.connectionState)).toEqual(["closed", "new"]);
  });
  it("is answered on a connection of the network that the device came to while it rings", async () => {
    await login();
    const call = await incoming();
    const now = snapshot({ role: "ROLE_CALLEE", caller: side("bob"), callee: side("alice") });
    await reconnect({ welcome: { ...welcome.welcome, calls: [{ call: now }] } });
    expect(browser.connections.map((pc) => pc.connectionState)).toEqual(["closed", "new"]);
    expect(server.socket.names()).not.toContain("restart");
    // An answer that is on its way stays, and what comes of it will be seen.
    void call.accept();
    await settled();
    await reconnect({ welcome: { ...welcome.welcome, calls: [{ call: now }] } });
    expect(browser.connections).toHaveLength(2);
    server.socket.answer("accept", { call: { call: answered } });
    await settled();
    await vi.advanceTimersByTimeAsync(200);
    expect(server.socket.sent.flatMap((f) => f.restart ?? [])).toMatchObject([
      { fromGeneration: 1 },
    ]);
  });
  it("is offered anew where the caller came to another network while it rings", async () => {
    await login();
    const call = await calling();
    const { id: callId } = call;
    await reconnect({ welcome: { ...welcome.welcome, calls: [{ call: snapshot({ callId }) }] } });
    expect(server.socket.sent.flatMap((f) => f.restart ?? [])).toEqual([
      { callId, fromGeneration: 1, rebuild: true },
    ]);
    server.socket.answer("restart", {
      call: { call: snapshot({ callId, rev: 2, generation: 2, rebuildGeneration: 2 }) },
    });
    await settled();
    expect(browser.connections.map((pc) => pc.connectionState)).toEqual(["closed", "new"]);
    expect(server.socket.sent.flatMap((f) => f.offer ?? [])).toMatchObject([{ generation: 2 }]);
  });
  for (const first of ["the reply", "the news"]) {
    it(`is answered although another offer crossed the acceptance, where ${first} is first`, async () => {
      await login();
      const call = await incoming();
      void call.accept();
      await settled();
      const again = { generation: 2, rebuildGeneration: 2 };
      await incoming({ rev: 2, ...again });
      expect(server.socket.names()).not.toContain("answer");
      const holds = { call: { ...answered, rev: 3, ...again } };
      if (first === "the news") server.socket.give({ call: holds });
      else server.socket.answer("accept", { call: holds });
      await settled();
      if (first === "the news") server.socket.answer("accept", { call: holds });
      await settled();
      expect(server.socket.sent.flatMap((f) => f.answer ?? [])).toEqual([
        { callId: "c1", generation: 2, sdp: "v=0\r\n" },
      ]);
    });
  }
  describe("that ends while a device is being opened for it", () => {
    const ends = async (): Promise<void> => {
      await incoming({ rev: 2, state: "CALL_STATE_ENDED", reason: "REASON_CANCELLED" }).catch(
        () => {},
      );
    };
    it("is not accepted while the person is asked, and leaves nothing open", async () => {
      vi.spyOn(navigator.permissions, "query").mockResolvedValue({
        state: "prompt",
      } as PermissionStatus);
      await login();
      const call = await incoming();
      const opens = slow();
      const accepted = call.accept();
      accepted.catch(() => {});
      await settled();
      await ends();
      await expect(accepted).rejects.toMatchObject({ code: "call_ended" });
      call.on("localStream", () => told.push("localStream"));
      await opens();
      expect(browser.opened.map((t) => t.stopped)).toEqual([true, true]);
      expect(told).toEqual(["incoming bob", "ended cancelled"]);
      expect(server.socket.names()).not.toContain("accept");
    });
    it("is not accepted again either", async () => {
      await login();
      const call = await incoming();
      slow();
      const first = call.accept();
      first.catch(() => {});
      await settled();
      server.socket.answer("accept", { error: { code: "unavailable" } });
      await expect(first).rejects.toMatchObject({ code: "unavailable" });
      const second = call.accept();
      second.catch(() => {});
      await settled();
      await ends();
      await expect(second).rejects.toMatchObject({ code: "call_ended" });
    });
  });
  it("settles accept() where the call ends while the browser makes the answer", async () => {
    await login();
    let described = (): void => {};
    FakePeerConnection.describing = new Promise<void>((resolve) => {
      described = resolve;
    });
    const call = await incoming();
    const failed = expect(call.accept()).rejects.toMatchObject({ code: "call_ended" });
    await settled();
    const gone = { rev: 9, state: "CALL_STATE_ENDED", reason: "REASON_CANCELLED" } as const;
    const sides = { role: "ROLE_CALLEE", caller: side("bob"), callee: side("alice") } as const;
    server.socket.give({ call: { call: snapshot({ ...sides, ...gone, actor: "bob" }) } });
    await settled();
    described();
    FakePeerConnection.describing = Promise.resolve();
    await failed;
    expect(told.at(-1)).toBe("ended cancelled");
  });
  it("is accepted once, however often that is asked", async () => {
    await login();
    const call = await incoming();
    const first = call.accept();
    const second = call.accept({ video: false });
    await settled();
    expect(server.socket.names().filter((n) => n === "accept")).toHaveLength(1);
    server.socket.answer("accept", { call: { call: answered } });
    await Promise.all([first, second]);
    await settled();
  });
  it("is on as soon as the server says so, before the acceptance itself is answered", async () => {
    await login();
    const call = await incoming();
    let settledAt = "";
    void call.accept().then(() => (settledAt = call.state));
    await settled();
    browser.connections[0]?.find("later");
    server.socket.give({ call: { call: answered } });
    await settled();
    await vi.advanceTimersByTimeAsync(50);
    expect(told).toEqual(["incoming bob", "accepted"]);
    expect(server.socket.sent.find((f) => f.candidates)?.candidates).toMatchObject({
      callId: "c1",
      generation: 1,
      candidates: [{ candidate: "later" }],
    });
    server.socket.answer("accept", { call: { call: answered } });
    await settled();
    expect(settledAt).toBe("connecting");
    expect(told).toEqual(["incoming bob", "accepted"]);
    expect(browser.opened.map((t) => `${t.kind} ${t.stopped}`)).toEqual([
      "audio false",
      "video false",
    ]);
  });
  it("is on with its devices although nobody waited for the acceptance any more", async () => {
    await login();
    const call = await incoming();
    new Follower(call, {
      account: "alice",
      rtc: new CallRtc(() => null),
      tell: (...[event]) => void told.push(event),
      authorize: async () => {},
      joined: () => {},
    });
    const accepted = call.accept({ video: false });
    accepted.catch(() => {});
    await settled();
    browser.connections[0]?.find("mine");
    await vi.advanceTimersByTimeAsync(10_000);
    await expect(accepted).rejects.toMatchObject({ code: "request_timeout" });
    expect(browser.opened.map((t) => `${t.kind} ${t.stopped}`)).toEqual(["audio true"]);
    await reconnect({ welcome: { ...welcome.welcome, calls: [{ call: answered }] } });
    expect(told).toEqual(["incoming bob", "accepted", "onJoinChannel"]);
    // As the person chose: without the camera.
    expect(browser.opened.map((t) => `${t.kind} ${t.stopped}`)).toEqual([
      "audio true",
      "audio false",
    ]);
    const reported = server.socket.sent.filter((f) => f.tracks).at(-1)?.tracks?.tracks;
    expect(reported).toMatchObject({ audio: true });
    const sent = server.socket.sent.flatMap((f) => f.candidates?.candidates ?? []);
    expect(sent.map((c) => c.candidate)).toContain("mine");
  });
  it("once answered has each further offer answered at once, and once", async () => {
    await login();
    const call = await incoming();
    const accepted = call.accept();
    await settled();
    server.socket.answer("accept", { call: { call: answered } });
    await accepted;
    await settled();
    const next = { call: { ...answered, rev: 3, generation: 2 }, offer: "v=0 offer" };
    // An earlier one that comes late is none of the new generation's.
    server.socket.give({ call: { call: next.call } });
    server.socket.give({ call: { call: { ...answered, rev: 2 }, offer: "v=0 late" } });
    await settled();
    expect(server.socket.names()).not.toContain("answer");
    for (let i = 0; i < 2; i++) {
      server.socket.give({ call: next });
      await settled();
    }
    const answers = server.socket.sent.flatMap((f) => f.answer ?? []);
    expect(answers).toEqual([{ callId: "c1", generation: 2, sdp: "v=0\r\n" }]);
    expect(browser.connections).toHaveLength(1); // A restart of ICE.
  });
  it("gets media anew where the server was lost with them, whatever restarts there were", async () => {
    await login();
    const call = await incoming();
    const accepted = call.accept();
    await settled();
    server.socket.answer("accept", { call: { call: answered } });
    await accepted;
    browser.connections[0]?.become("connected");
    browser.connections[0]?.become("disconnected");
    const restarts = () => server.socket.sent.flatMap((f) => f.restart ?? []);
    expect(restarts()).toEqual([{ callId: "c1", fromGeneration: 1, rebuild: false }]);
    server.socket.cut();
    const restarted = { ...answered, rev: 3, generation: 2 };
    await reconnect({ welcome: { ...welcome.welcome, calls: [{ call: restarted }] } });
    await vi.advanceTimersByTimeAsync(100); // Nothing comes.
    expect(restarts()).toContainEqual({ callId: "c1", fromGeneration: 2, rebuild: true });
    server.socket.cut();
    const rebuilt = { ...restarted, rev: 4, generation: 3, rebuildGeneration: 3 };
    await reconnect({ welcome: { ...welcome.welcome, calls: [{ call: rebuilt }] } });
    await vi.advanceTimersByTimeAsync(100);
    expect(restarts().filter((r) => r.fromGeneration === 3)).toEqual([]);
  });
  it("that rings is not joined where nobody has answered: it is of an invitation that was given up", async () => {
    await login();
    const call = await incoming();
    server.socket.give({ call: { call: { ...answered, rev: 5 } } });
    await settled();
    expect(server.socket.sent.flatMap((f) => f.hangup ?? [])).toEqual([{ callId: call.id }]);
    expect(told).toEqual(["incoming bob", "ended completed"]);
    expect(client.activeCall).toBeNull();
  });
  it("that was given up is left again where the server takes this device for in it", async () => {
    await login();
    const call = await incoming();
    const rejected = call.reject();
    await settled();
    server.socket.answer("reject", {
      call: { call: snapshot({ rev: 2, state: "CALL_STATE_ENDED" }) },
    });
    await rejected;
    const hangups = () => server.socket.sent.flatMap((f) => f.hangup ?? []);
    expect(hangups()).toEqual([]);
    for (let i = 0; i < 2; i++) server.socket.give({ call: { call: { ...answered, rev: 5 } } });
    expect(hangups()).toEqual([{ callId: "c1" }]);
    server.socket.answer("hangup", { call: { call: { ...answered, rev: 5 } } });
    await settled();
    expect(hangups()).toHaveLength(1); // It is not asked in a circle.
  });
  it("rings on after a reconnect for as long as this device was told to", async () => {
    await login();
    const call = await incoming();
    const told = call.setRingTimeout(20_000);
    server.socket.answer("ringing", { call: {} });
    await told;
    const rings = snapshot({ role: "ROLE_CALLEE", caller: side("bob"), callee: side("alice") });
    await reconnect({ welcome: { ...welcome.welcome, calls: [{ call: rings }] } });
    expect(server.socket.sent.flatMap((f) => f.ringing ?? [])).toEqual([
      { callId: "c1", ringTimeoutMs: 20_000 },
    ]);
  });
  it("that another device answered is over here", async () => {
    await login();
    await incoming();
    server.socket.give({
      call: {
        call: snapshot({
          rev: 2,
          state: "CALL_STATE_CONNECTING",
          role: "ROLE_OBSERVER",
          caller: side("bob"),
          callee: side("alice"),
        }),
      },
    });
    expect(told).toEqual(["incoming bob", "ended answered_elsewhere"]);
  });
});

describe("an invitation that was given up", () => {
  it("and answered at the last moment is hung up", async () => {
    await login();
    const made = dial("bob").catch((e: unknown) => e);
    await settled();
    server.socket.answer("invite", { error: { code: "unavailable" } });
    expect(await made).toMatchObject({ code: "unavailable" });
    const { callId } = server.socket.sent.find((f) => f.cancel)?.cancel ?? {};
    server.socket.answer("cancel", { error: { code: "already_accepted" } });
    await settled();
    expect(callId).toBeTruthy();
    expect(server.socket.sent.flatMap((f) => f.hangup ?? [])).toEqual([{ callId }]);
  });
  it("and has become the other side's call ends that one", async () => {
    await login();
    const made = dial("bob").catch((e: unknown) => e);
    for (let i = 0; i < 10; i++) {
      await vi.advanceTimersByTimeAsync(1_000);
      if (server.socket.names().includes("ping")) server.socket.answer("ping", { pong: {} });
    }
    expect(await made).toMatchObject({ code: "request_timeout" });
    server.socket.answer("invite", {
      call: { mergedInto: "c9", call: snapshot({ callId: "c9", state: "CALL_STATE_CONNECTING" }) },
    });
    await settled();
    const hangups = server.socket.sent.flatMap((f) => f.hangup ?? []);
    expect(hangups).toEqual([{ callId: "c9" }]);
  });
});

describe("the type of a call", () => {
  const wire = (call: Call, more: CallJson): ServerFrameJson => ({
    call: { call: snapshot({ callId: call.id, state: "CALL_STATE_CONNECTED", ...more }) },
  });
  it("goes to audio at once, and the camera closes", async () => {
    await login();
    const call = await talking();
    const done = call.switchType(1);
    server.socket.answer("switchType", wire(call, { rev: 3, type: "CALL_TYPE_AUDIO" }));
    await done;
    expect(browser.opened.find((t) => t.kind === "video")?.stopped).toBe(true);
    expect(told).toEqual([]); // Who did it knows by the promise.
    await expect(call.setCamera(true)).rejects.toMatchObject({ code: "wrong_state" });
  });
  it("goes to video when the other side agrees", async () => {
    await login();
    const call = await talking(1);
    const done = call.switchType(2);
    server.socket.answer(
      "switchType",
      wire(call, { rev: 3, type: "CALL_TYPE_AUDIO", videoAskedBy: "alice" }),
    );
    await settled();
    expect(browser.opened.some((t) => t.kind === "video")).toBe(false); // Not before that.
    server.socket.give(wire(call, { rev: 4, type: "CALL_TYPE_VIDEO" }));
    await done;
    await settled();
    expect(told).toEqual(["type 2"]);
    expect(browser.opened.at(-1)?.kind).toBe("video");
  });
  it("stays when the other side does not", async () => {
    await login();
    const call = await talking(1);
    const done = call.switchType(2);
    server.socket.answer(
      "switchType",
      wire(call, { rev: 3, type: "CALL_TYPE_AUDIO", videoAskedBy: "alice" }),
    );
    await settled();
    server.socket.give(wire(call, { rev: 4, type: "CALL_TYPE_AUDIO" }));
    await expect(done).rejects.toMatchObject({ code: "declined" });
    expect(told).toEqual([]);
  });
  it("is asked for by the other side, until it is answered or taken back", async () => {
    await login();
    const call = await talking(1);
    server.socket.give(wire(call, { rev: 3, type: "CALL_TYPE_AUDIO", videoAskedBy: "bob" }));
    expect(call.videoRequested).toBe(true);
    server.socket.give(wire(call, { rev: 4, type: "CALL_TYPE_AUDIO" }));
    expect(call.videoRequested).toBe(false);
    expect(told).toEqual(["videoRequest true", "videoRequest false"]);
  });
  it("settles where one's own hang-up was faster than the server's word", async () => {
    await login();
    const call = await talking(1);
    const codes: string[] = [];
    call.switchType(2).catch((e: PealError) => codes.push(e.code));
    const asked = wire(call, { rev: 3, type: "CALL_TYPE_AUDIO", videoAskedBy: "alice" });
    server.socket.give(asked);
    void call.hangup();
    server.socket.answer("switchType", asked);
    await settled();
    expect(codes).toEqual(["call_ended"]);
  });
  it("is of no interest any more when the call ends", async () => {
    await login();
    const call = await talking(1);
    const done = call.switchType(2);
    server.socket.answer(
      "switchType",
      wire(call, { rev: 3, type: "CALL_TYPE_AUDIO", videoAskedBy: "alice" }),
    );
    await settled();
    void call.hangup();
    await expect(done).rejects.toMatchObject({ code: "call_ended" });
  });
});

describe("devices that are being opened", () => {
  const reported = () => server.socket.sent.flatMap((f) => f.tracks?.tracks ?? []).at(-1);
  async function accepted(): Promise<Call> {
    const call = await incoming();
    const done = call.accept();
    await settled();
    const answered = { state: "CALL_STATE_CONNECTING", role: "ROLE_CALLEE" } as const;
    server.socket.answer("accept", {
      call: {
        call: snapshot({ rev: 2, ...answered, caller: side("bob"), callee: side("alice") }),
      },
    });
    await done;
    await settled();
    return call;
  }

  it("leave the camera off that was closed meanwhile", async () => {
    await login();
    const opened = slow();
    const call = await accepted();
    await call.setCamera(false);
    await opened();
    expect(on()).toEqual(["audio"]);
    expect(call.cameraOn).toBe(false);
    expect(reported()).toMatchObject({ audio: true, video: false });
  });
  it("open the camera that was closed and wanted again", async () => {
    await login();
    const opened = slow();
    const call = await accepted();
    await call.setCamera(false);
    const again = call.setCamera(true);
    await opened();
    await again;
    expect(on().sort()).toEqual(["audio", "video"]);
    expect(reported()).toMatchObject({ audio: true, video: true });
  });
  it("end as was asked for last, the camera and the microphone", async () => {
    await login();
    const call = await talking();
    await call.setCamera(false);
    await call.openMicrophone(false);
    const opened = slow();
    const camera = call.setCamera(true);
    const microphone = call.openMicrophone(true);
    await call.setCamera(false);
    await call.openMicrophone(false);
    await opened();
    await Promise.all([camera, microphone]);
    expect(on()).toEqual([]);
    expect(reported()).toMatchObject({ audio: false, video: false });
  });
  it("leave the microphone muted that was muted meanwhile", async () => {
    await login();
    const call = await talking();
    await call.openMicrophone(false);
    const opened = slow();
    const unmuted = call.setMicrophone(true);
    await call.setMicrophone(false);
    await opened();
    await unmuted;
    expect(call.microphoneOn).toBe(false);
    expect(reported()).toMatchObject({ audio: true, audioMuted: true });
  });
  it("are invited with as they are wanted then", async () => {
    await login();
    const opened = slow();
    const invited = dial("bob", { video: true });
    invited.catch(() => {});
    await settled();
    await client.activeCall?.setCamera(false);
    await opened();
    expect(on()).toEqual(["audio"]);
    expect(server.socket.sent.find((f) => f.invite)?.invite?.tracks).toMatchObject({
      audio: true,
      video: false,
    });
  });
  it("leave the camera off after a reload where the call has become an audio call", async () => {
    const opened = slow();
    const going = snapshot({ rev: 5, state: "CALL_STATE_CONNECTED" });
    await login({ welcome: { ...welcome.welcome, calls: [{ call: going }] } });
    server.socket.give({ call: { call: { ...going, rev: 6, type: "CALL_TYPE_AUDIO" } } });
    await opened();
    expect(on()).toEqual(["audio"]);
  });
  it("stay closed, the microphone that was closed while the camera failed", async () => {
    await login();
    const opened = slow();
    const call = await accepted();
    await call.openMicrophone(false);
    browser.deny = (_, video) => (video ? new DOMException("no", "NotReadableError") : null);
    await opened();
    expect(told).toContain("error camera_in_use");
    expect(on()).toEqual([]);
  });
  it("are those that were chosen while others opened", async () => {
    onTestFinished(() => void Object.assign(chosen, { video: "" }));
    await login();
    const opened = slow();
    const call = await accepted();
    await call.chooseDevice("video", "another");
    await opened();
    expect(on()).toEqual(["audio", "video"]);
    expect(browser.opened.at(-1)?.constraints).toMatchObject({ deviceId: { exact: "another" } });
    expect(call.localStream?.getVideoTracks()).toEqual([browser.opened.at(-1)]);
  });
  it("are closed where an acceptance held that nobody waited for, in what is an audio call", async () => {
    await login();
    const call = await incoming();
    call.accept().catch(() => {});
    await settled();
    await vi.advanceTimersByTimeAsync(10_000);
    const answered = { state: "CALL_STATE_CONNECTING", role: "ROLE_CALLEE" } as const;
    const audio = snapshot({ rev: 3, ...answered, type: "CALL_TYPE_AUDIO" });
    await reconnect({
      welcome: {
        ...welcome.welcome,
        calls: [{ call: { ...audio, caller: side("bob"), callee: side("alice") } }],
      },
    });
    expect(on()).toEqual(["audio"]);
  });
});

describe("a device", () => {
  it("that is unplugged is replaced by another", async () => {
    await login();
    await talking();
    browser.opened[0]?.unplug();
    await settled();
    expect(told).toEqual(["lost microphone for audio 2"]);
    expect(server.socket.sent.at(-1)?.tracks?.tracks).toMatchObject({ audio: true });
  });
  it("that is unplugged and cannot be replaced is told to the other side", async () => {
    await login();
    await talking();
    browser.deny = () => new DOMException("none", "NotFoundError");
    browser.opened[1]?.unplug();
    await settled();
    expect(told).toEqual(["lost camera for null"]);
    expect(server.socket.sent.at(-1)?.tracks?.tracks).toMatchObject({ video: false });
  });
  it("is asked for as the profile says, and sent as it says", async () => {
    await login();
    const invited = dial("bob", {
      video: true,
      profile: {
        video: { width: 320, height: 180, frameRate: 15, maxBitrate: 350_000 },
        audio: "standard_stereo",
      },
    });
    invited.catch(() => {});
    await settled();
    expect(browser.opened.map((t) => t.constraints)).toEqual([
      {
        channelCount: { ideal: 2 },
        echoCancellation: true,
        noiseSuppression: false,
        autoGainControl: false,
      },
      { width: { ideal: 320 }, height: { ideal: 180 }, frameRate: { ideal: 15, max: 15 } },
    ]);
    server.socket.answer("invite", { call: { call: snapshot({}) } });
    await settled();
    expect(browser.connections[0]?.limits).toEqual({
      audio: { priority: "high", maxBitrate: 80_000 },
      video: { priority: "low", maxBitrate: 350_000, maxFramerate: 15 },
    });
  });
});

describe("records", () => {
  const at = (second: number): string =>
    new Date(1_893_000_000_000 + second * 1_000).toISOString().replace(".000Z", "Z");
  const loggedIn: ServerFrameJson = { welcome: { ...welcome.welcome, loginAt: at(0) } };
  const ids = (): string[] => records.map((r) => r.callId);

  it("of the last days are given at the first login, page by page", async () => {
    await login(loggedIn);
    expect(server.socket.sent.at(-1)?.listRecords).toEqual({
      since: at(-7 * 24 * 3_600),
    });
    server.socket.answer("listRecords", {
      records: { records: [record("r1", at(-100)), record("r2", at(-50))], more: true },
    });
    await settled();
    expect(server.socket.sent.at(-1)?.listRecords).toEqual({ afterCall: "r2" });
    server.socket.answer("listRecords", { records: { records: [record("r3", at(-10))] } });
    await settled();
    expect(ids()).toEqual(["r1", "r2", "r3"]);
  });
  it("are given once, over reconnects and page loads", async () => {
    await login(loggedIn);
    server.socket.answer("listRecords", { records: { records: [record("r1", at(-10))] } });
    await settled();
    await reconnect(loggedIn);
    expect(server.socket.sent.at(-1)?.listRecords).toEqual({ since: at(-70) });
    server.socket.answer("listRecords", {
      records: { records: [record("r0", at(-20)), record("r1", at(-10)), record("r2", at(5))] },
    });
    await settled();
    // r0 ended before r1 did, and was filed after it.
    expect(ids()).toEqual(["r1", "r0", "r2"]);

    server = new FakeServer();
    client = make();
    await login(loggedIn);
    expect(server.socket.sent.at(-1)?.listRecords).toEqual({ since: at(-55) });
    server.socket.answer("listRecords", {
      records: { records: [record("r0", at(-20)), record("r1", at(-10)), record("r2", at(5))] },
    });
    await settled();
    expect(ids()).toEqual(["r1", "r0", "r2"]);
  });
  it("that come live do not hide what was missed before", async () => {
    await login(loggedIn);
    server.socket.give({
      call: {
        call: snapshot({
          callId: "live",
          rev: 9,
          state: "CALL_STATE_ENDED",
          role: "ROLE_OBSERVER",
          record: record("live", at(300)),
        }),
      },
    });
    await reconnect(loggedIn); // Before the first page had come.
    expect(server.socket.sent.at(-1)?.listRecords).toEqual({
      since: at(-7 * 24 * 3_600),
    });
    server.socket.answer("listRecords", {
      records: { records: [record("missed", at(-300)), record("live", at(300))] },
    });
    await settled();
    expect(ids()).toEqual(["live", "missed"]);
  });
  it("are listed page by page", async () => {
    await login(loggedIn);
    const page = client.records({ limit: 2 });
    expect(server.socket.sent.at(-1)?.listRecords).toEqual({ limit: 2 });
    server.socket.answer("listRecords", { records: { records: [record("r1", at(-10))] } });
    const first = (await page)[0];
    if (!first) throw new Error("no record");
    expect(first.parties).toEqual([
      { account: "bob", role: "caller", name: "Bob", avatar: "https://a.test/b" },
      { account: "alice", role: "callee", name: "", avatar: "" },
    ]);
    void client.records({ before: first });
    expect(server.socket.sent.at(-1)?.listRecords).toEqual({ beforeCall: "r1" });
    void client.records({ before: new Date(0) });
    expect(server.socket.sent.at(-1)?.listRecords).toEqual({ before: "1970-01-01T00:00:00.000Z" });
  });
});

describe("a login", () => {
  it("gives back when it was made, so that a reconnect is no newer one", async () => {
    await login({ welcome: { ...welcome.welcome, loginAt: "2030-01-01T00:00:00.123456789Z" } });
    expect(server.socket.sent[0]?.hello).not.toHaveProperty("loginAt");
    await reconnect();
    expect(server.socket.sent[0]?.hello).toMatchObject({
      fresh: false,
      loginAt: "2030-01-01T00:00:00.123456789Z",
    });
  });
  it("that is kicked ends its call so, and does not come back", async () => {
    await login();
    await talking();
    server.socket.give({ goodbye: { error: { code: "kicked", message: "" }, reconnect: false } });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(told).toEqual(["ended kicked", "closed kicked"]);
    expect(server.sockets).toHaveLength(1);
  });
  it("is suspected again at once when the browser tells of another network", async () => {
    await login();
    const pings = () => server.socket.names().filter((name) => name === "ping").length;
    client.shell.input({ kind: "suspect" });
    server.socket.answer("ping", { pong: {} });
    client.shell.input({ kind: "suspect" });
    expect(pings()).toBe(1);
    window.dispatchEvent(new Event("offline"));
    client.shell.input({ kind: "suspect" });
    expect(pings()).toBe(2);
  });
});

describe("a client", () => {
  const rings = { callId: "cX", role: "ROLE_CALLEE", caller: side("carol") } as const;
  const ringsUpdate = { call: snapshot({ ...rings, callee: side("alice") }), offer: "v=0 offer" };
  const kicked = { goodbye: { reconnect: false, error: { code: "kicked" } } } as const;

  it("may call in the moment in which a call is over, whatever call rings beside it", async () => {
    await login();
    const call = await calling(1);
    server.socket.give({ call: ringsUpdate });
    await settled();
    let made: Call | undefined;
    call.on("ended", () => {
      made = client.call("dave");
      made.invited.catch((e: PealError) => told.push(`failed ${e.code}`));
    });
    const over = { callId: call.id, rev: 3, state: "CALL_STATE_ENDED" } as const;
    server.socket.give({ call: { call: snapshot({ ...over, reason: "REASON_REJECTED" }) } });
    await settled();
    expect(made?.peer).toBe("dave");
    server.socket.answer("invite", { error: { code: "busy_elsewhere" } });
    await settled();
    expect(told).toEqual(["ended rejected", "failed busy_elsewhere", "incoming carol"]);
  });
  it("calls nobody while another call is to be told of, or while it logs out", async () => {
    await login();
    let thrown: unknown;
    const listed = client.records().then(() => {
      server.socket.give({ call: ringsUpdate }); // Its event waits for this.
      try {
        client.call("dave");
      } catch (e) {
        thrown = e;
      }
    });
    server.socket.answer("listRecords", { records: {} });
    await listed;
    expect(thrown).toMatchObject({ code: "wrong_state" });
    await settled();
    expect(client.activeCall?.peer).toBe("carol");
    void client.close();
    expect(() => client.call("dave")).toThrow(expect.objectContaining({ code: "not_logged_in" }));
  });
  it("takes up no call in a later login that was over before", async () => {
    await login();
    const call = await talking(1);
    server.socket.cut();
    void call.hangup();
    const closing = client.close();
    await vi.advanceTimersByTimeAsync(3_000);
    await closing;
    client.on("resumed", () => told.push("resumed"));
    told.length = 0;
    const on = snapshot({ callId: call.id, rev: 5, state: "CALL_STATE_CONNECTED" });
    await login({ welcome: { ...welcome.welcome, calls: [{ call: on }] } });
    expect(told).toEqual([]);
  });
  it("that connects again by itself keeps login and call, however long a connect waits", async () => {
    await login();
    await talking(1);
    server.socket.cut();
    await settled();
    const connecting = expect(client.connect()).rejects.toMatchObject({ code: "request_timeout" });
    await vi.advanceTimersByTimeAsync(16_000);
    await connecting;
    expect(told).toEqual([]);
    expect(client.activeCall).not.toBeNull();
    server.socket.open();
    server.socket.give(welcome);
    await settled();
    expect(client.connection).toBe("online");
  });
  it("begins a new login where the last one is over and that is still to be told", async () => {
    await login();
    const again = client.records().catch(() => client.connect());
    server.socket.give(kicked);
    await settled();
    expect(told).toEqual(["closed kicked"]);
    expect(server.sockets).toHaveLength(2);
    server.socket.open();
    server.socket.give(welcome);
    await again;
    expect(client.connection).toBe("online");
  });
  it("tells of another type where two called each other", async () => {
    await login();
    const made = dial("bob", { type: 2 });
    await settled();
    follow(client.activeCall as Call);
    const parties = { caller: side("bob"), callee: side("alice"), role: "ROLE_CALLEE" } as const;
    const merged = { callId: "c2", rev: 3, state: "CALL_STATE_CONNECTING" } as const;
    const call = snapshot({ ...merged, ...parties, type: "CALL_TYPE_AUDIO" });
    server.socket.answer("invite", { call: { mergedInto: "c2", call, offer: "v=0 offer" } });
    await made;
    await settled();
    expect(told).toContain("type 1");
  });
  it("is idle where a listener hangs up", async () => {
    await login();
    const call = await talking(1);
    let idle = false;
    call.on("peerMedia", () => {
      void call.hangup();
      idle = client.activeCall === null && call.end !== null;
    });
    const on = { callId: call.id, rev: 4, state: "CALL_STATE_CONNECTED" } as const;
    server.socket.give({
      call: { call: snapshot({ ...on, callee: side("bob", { mediaUp: true }) }) },
    });
    await settled();
    expect(idle).toBe(true);
  });
  it("hears and leaves also where the browser's connection hangs", async () => {
    await login();
    const made = dial("bob", { type: 1 });
    made.catch(() => {});
    await settled();
    const [pc] = browser.connections;
    if (pc) pc.setLocalDescription = () => new Promise(() => {});
    const callId = client.activeCall?.id ?? "";
    server.socket.answer("invite", { call: { call: snapshot({ callId }) } });
    await settled();
    server.socket.give(kicked);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(told).toEqual(["closed kicked"]);
    expect(client.activeCall).toBeNull();
  });
  it("hangs up what two calls have become, though that is still to be told", async () => {
    await login();
    const made = dial("bob", { type: 1 });
    await settled();
    const call = client.activeCall as Call;
    void client.records().then(() => void call.hangup());
    server.socket.answer("listRecords", { records: {} });
    const parties = { caller: side("bob"), callee: side("alice"), role: "ROLE_CALLEE" } as const;
    const on = { callId: "c2", rev: 3, state: "CALL_STATE_CONNECTING" } as const;
    const merged = snapshot({ ...on, ...parties, type: "CALL_TYPE_AUDIO" });
    server.socket.answer("invite", {
      call: { mergedInto: "c2", call: merged, offer: "v=0 offer" },
    });
    await made;
    await settled();
    expect(client.activeCall).toBeNull();
    expect(server.socket.sent.flatMap((f) => f.hangup?.callId ?? [])).toEqual(["c2"]);
  });
});
