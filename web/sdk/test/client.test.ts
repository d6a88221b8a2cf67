import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { CallEnd, CallRecord } from "../src/api";
import type { Call } from "../src/call";
import { PealClient } from "../src/client";
import type { CallJson, PartyJson, RecordJson, ServerFrameJson } from "../src/gen/peal_pb";
import { type FakeBrowser, FakeServer, fakeBrowser, settle, welcome } from "./fakes";

let browser: FakeBrowser;
let server: FakeServer;
let client: PealClient;
let told: string[];
let records: CallRecord[];

/** Lets what was begun come to its end, timers that are due now included. */
async function settled(): Promise<void> {
  for (let i = 0; i < 5; i++) {
    await settle();
    await vi.advanceTimersByTimeAsync(0);
  }
}

function make(): PealClient {
  const made = new PealClient(
    { server: "https://calls.test", getToken: () => "t" },
    {
      open: server.open,
      make: browser.make,
      claim: async () => ({ id: "d-1", release: () => {} }),
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

const side = (account: string, more: PartyJson = {}): PartyJson => ({
  account,
  uid: account.length,
  present: true,
  epoch: 1,
  ...more,
});

function snapshot(more: CallJson): CallJson {
  return {
    callId: "c1",
    rev: 1,
    state: "CALL_STATE_RINGING",
    type: "CALL_TYPE_VIDEO",
    role: "ROLE_CALLER",
    caller: side("alice"),
    callee: side("bob"),
    generation: 1,
    rebuildGeneration: 1,
    ...more,
  };
}

/** An invitation by alice that the server has taken. */
async function calling(type: 1 | 2 = 2): Promise<Call> {
  const invited = client.call("bob", { type });
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

async function incoming(): Promise<Call> {
  server.socket.give({
    call: {
      call: snapshot({ role: "ROLE_CALLEE", caller: side("bob"), callee: side("alice") }),
      offer: "v=0 offer",
    },
  });
  await settled();
  const call = client.activeCall;
  if (!call) throw new Error("it does not ring");
  return call;
}

const record = (callId: string, endedAt: string): RecordJson => ({
  callId,
  kind: "RECORD_KIND_CANCELLED",
  type: "CALL_TYPE_AUDIO",
  caller: "bob",
  callee: "alice",
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
  it("is one at a time", async () => {
    await login();
    const first = client.call("bob");
    await expect(client.call("carol")).rejects.toMatchObject({ code: "wrong_state" });
    first.catch(() => {});
  });
  it("that cannot open its microphone rings nobody", async () => {
    browser.deny = () => new DOMException("no", "NotAllowedError");
    await login();
    await expect(client.call("bob")).rejects.toMatchObject({ code: "microphone_denied" });
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
    const call = client.call("bob");
    await settled();
    server.socket.answer("invite", { error: { code: "unavailable", retry: true } });
    await expect(call).rejects.toMatchObject({ code: "unavailable" });
    await settled();
    expect(server.socket.names()).toContain("cancel");
  });
  it("that merged into the other side's after it was given up is not wanted either", async () => {
    await login();
    const call = client.call("bob");
    await settled();
    void client.activeCall?.hangup();
    server.socket.answer("invite", {
      call: {
        mergedInto: "c2",
        call: snapshot({ callId: "c2", state: "CALL_STATE_CONNECTING", role: "ROLE_CALLEE" }),
      },
    });
    await settled();
    expect(server.socket.sent.find((f) => f.hangup)?.hangup?.callId).toBe("c2");
    server.socket.answer("hangup", { error: { code: "no_such_call" } });
    await call;
    expect(client.activeCall).toBeNull();
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
    const call = client.call("bob");
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
    const call = client.call("carol");
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
    expect(server.socket.names()).toEqual(["hello", "tracks", "media", "listRecords"]);
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
  it("is accepted once, however often that is asked", async () => {
    await login();
    const call = await incoming();
    const first = call.accept();
    await expect(call.accept()).rejects.toMatchObject({ code: "wrong_state" });
    await settled();
    expect(server.socket.names().filter((n) => n === "accept")).toHaveLength(1);
    void first.catch(() => {});
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
    const invited = client.call("bob", {
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
  const at = (second: number): string => new Date(1_893_000_000_000 + second * 1_000).toISOString();
  const loggedIn: ServerFrameJson = { welcome: { ...welcome.welcome, loginAt: at(0) } };
  const ids = (): string[] => records.map((r) => r.callId);

  it("of the last days are given at the first login, page by page", async () => {
    await login(loggedIn);
    expect(server.socket.sent.at(-1)?.listRecords).toEqual({
      since: new Date(1_893_000_000_000 - 7 * 24 * 3_600_000).toISOString(),
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
      since: new Date(1_893_000_000_000 - 7 * 24 * 3_600_000).toISOString(),
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
});
