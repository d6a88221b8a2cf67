import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { reactive, ref } from "vue";
import { RTCCalling } from "../../src/component/component";
import type { CallJson } from "../../src/gen/peal_pb";
import { type FakeBrowser, fakeBrowser } from "../fakes";
import { FakeWeb } from "./fake-web";

let browser: FakeBrowser;
let web: FakeWeb;
let rtc: RTCCalling;
let errors: string[];

beforeEach(() => {
  vi.useFakeTimers();
  browser = fakeBrowser();
  web = new FakeWeb();
  rtc = made();
});

afterEach(async () => {
  rtc.destroy();
  await pass(10_000);
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

function made(): RTCCalling {
  const one = new RTCCalling({ debug: false });
  one.setupAppKey({ appKey: "k", server: "https://calls.test" });
  errors = [];
  one.on("onError", (e) => void errors.push(`${e.code} ${e.message}`));
  return one;
}

const pass = (ms = 50): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

async function login(account = "alice", more = {}): Promise<void> {
  const done = rtc.login({ account, token: account, ...more });
  await pass();
  await done;
}

/** Rings with a call of bob's. */
async function ring(callId = "c1", more: CallJson = {}): Promise<void> {
  const call = { ...web.callOf("bob", "alice", callId), role: "ROLE_CALLEE" as const, ...more };
  web.sockets.at(-1)?.give({ call: { call, offer: "v=0 offer" } });
  await pass();
}

async function dial(): Promise<void> {
  const done = rtc.call({ userId: "bob", type: 1 });
  await pass();
  await done;
}

describe("behind a Proxy", () => {
  const wraps: [string, (one: RTCCalling) => RTCCalling][] = [
    ["a plain one", (one) => new Proxy(one, {})],
    ["Vue's reactive()", (one) => reactive({ one }).one as RTCCalling],
    ["Vue's ref()", (one) => ref(one).value as RTCCalling],
  ];
  it.each(wraps)("the component works: %s", async (_, wrap) => {
    rtc = wrap(rtc);
    const invited = vi.fn();
    rtc.on("onInvited", invited);
    await login();
    expect(rtc.callStatus).toBe(0);
    await ring();
    expect(invited).toHaveBeenCalledOnce();
    expect(rtc.callStatus).toBe(2);
    expect((await rtc.getRoomInfo()).channelId).toBe("c1");
    void rtc.reject();
    await pass();
    expect(rtc.callStatus).toBe(0);
  });

  it("Vue leaves it as it is, so that it stays equal to itself", () => {
    expect(reactive({ rtc }).rtc).toBe(rtc);
  });
});

describe("listeners", () => {
  it("have the instance as this, or the context that they were given", async () => {
    const seen: unknown[] = [];
    const context = {};
    rtc.on("onInvited", function (this: unknown) {
      seen.push(this);
    });
    rtc.once(
      "onInvited",
      function (this: unknown) {
        seen.push(this);
      },
      context,
    );
    await login();
    await ring();
    expect(seen).toEqual([rtc, context]);
    expect(rtc.listenerCount("onInvited")).toBe(1);
  });

  it("are counted, listed, called and dropped as eventemitter3 does it", () => {
    const a = vi.fn();
    const b = vi.fn();
    rtc.removeAllListeners();
    rtc.addListener("onUserAccept", a).on("onUserAccept", b).once("onUserAccept", a);
    expect(rtc.listeners("onUserAccept")).toEqual([a, b, a]);
    expect(rtc.eventNames()).toEqual(["onUserAccept"]);
    rtc.off("onUserAccept", a, undefined, true);
    expect(rtc.listeners("onUserAccept")).toEqual([a, b]);
    expect(rtc.emit("onUserAccept", "bob")).toBe(true);
    rtc.removeListener("onUserAccept", a);
    rtc.off("onUserAccept");
    expect(rtc.listenerCount("onUserAccept")).toBe(0);
    expect(rtc.emit("onUserAccept", "bob")).toBe(false);
    expect([a.mock.calls, b.mock.calls]).toEqual([[["bob"]], [["bob"]]]);
  });

  it("that are no functions throw at once", () => {
    const wrong = undefined as unknown as () => void;
    expect(() => rtc.on("onCallEnd", wrong)).toThrow(TypeError);
    expect(() => rtc.once("onCallEnd", wrong)).toThrow(/"onCallEnd"/);
    expect(() => rtc.addDelegate("onCallEnd", wrong)).toThrow(TypeError);
  });
});

describe("getRoomInfo", () => {
  it("rejects with 102 before login and 103 without a call", async () => {
    await expect(rtc.getRoomInfo()).rejects.toMatchObject({ code: "102" });
    await login();
    await expect(rtc.getRoomInfo()).rejects.toMatchObject({ code: "103" });
  });

  it("belongs to the call that rings", async () => {
    await login();
    await ring();
    expect(await rtc.getRoomInfo()).toMatchObject({
      channelId: "c1",
      channelCreateTime: String(Date.parse("2026-11-30T08:00:00Z")),
      channelExpireTime: "0",
      creator: "bob",
    });
  });
});

describe("names and pictures", () => {
  const named = (): CallJson => {
    const { caller, callee } = web.callOf("bob", "alice");
    const theirs = { ...caller, name: "Bob", avatar: "https://a.test/b" };
    return {
      parties: [
        { ...theirs, role: "ROLE_CALLER" },
        { ...callee, role: "ROLE_CALLEE" },
      ],
    };
  };

  it("come with onInvited and getRoomInfo, as far as they are known", async () => {
    const invited = vi.fn();
    rtc.on("onInvited", invited);
    await login();
    await ring("c1", named());
    expect(invited).toHaveBeenCalledWith({
      invitor: "bob",
      invitorName: "Bob",
      invitorAvatar: "https://a.test/b",
      userIds: ["alice"],
      isFromGroup: false,
      groupId: "",
      attachment: undefined,
      type: 1,
      channelId: "c1",
    });
    const { members } = await rtc.getRoomInfo();
    expect(members).toMatchObject([
      { account: "alice" },
      { account: "bob", name: "Bob", avatar: "https://a.test/b" },
    ]);
    expect(members[0]).not.toHaveProperty("name");
  });

  it("are absent where there are none, as in the original", async () => {
    const invited = vi.fn();
    rtc.on("onInvited", invited);
    await login();
    await ring();
    const [event] = invited.mock.calls[0] ?? [];
    expect(Object.keys(event)).toEqual([
      "invitor",
      "userIds",
      "isFromGroup",
      "groupId",
      "attachment",
      "type",
      "channelId",
    ]);
    const { members } = await rtc.getRoomInfo();
    for (const member of members)
      expect(Object.keys(member)).toEqual([
        "uid",
        "account",
        "accid",
        "createTimestamp",
        "expireTimestamp",
      ]);
  });
});

describe("setCallTimeout", () => {
  it("holds for all calls, made and received, until it is set again", async () => {
    rtc.setCallTimeout(20_000);
    await login();
    const socket = web.sockets[0];
    const rings = (): unknown[] =>
      (socket?.received ?? []).flatMap(
        (f) => f.invite ?? (f.ringing?.ringTimeoutMs ? f.ringing : []),
      );
    for (const _ of [1, 2]) {
      await dial();
      void rtc.hangup();
      await pass();
    }
    await ring("c8");
    void rtc.reject();
    await pass();
    await ring("c9");
    expect(rings()).toMatchObject([
      { ringTimeoutMs: 20_000 },
      { ringTimeoutMs: 20_000 },
      { callId: "c8", ringTimeoutMs: 20_000 },
      { callId: "c9", ringTimeoutMs: 20_000 },
    ]);
    for (const wrong of [Number.NaN, 500, 500_000]) rtc.setCallTimeout(wrong);
    const range = "100 the ring time-out is 1000 to 120000 ms, not";
    expect(errors).toEqual([`${range} NaN`, `${range} 500`, `${range} 500000`]);
  });
});

describe("login again", () => {
  it("with the same account keeps the call and takes the new options", async () => {
    await login();
    await dial();
    const onconnect = vi.fn();
    const ondisconnect = vi.fn();
    await login("alice", { onconnect, ondisconnect });
    expect(rtc.callStatus).toBe(1);
    expect(onconnect).toHaveBeenCalledOnce();
    expect(web.open()).toEqual(["alice"]);
    const out = rtc.logout();
    await pass();
    await out;
    expect(ondisconnect).toHaveBeenCalledOnce();
  });

  it("with another account logs the first out, and its call ends", async () => {
    const ended = vi.fn();
    await login("alice", { ondisconnect: ended });
    await dial();
    await login("carol");
    expect(web.open()).toEqual(["carol"]);
    expect(rtc.callStatus).toBe(0);
    expect(ended).toHaveBeenCalledOnce();
    expect(web.sockets[0]?.received.filter((f) => f.cancel || f.hangup)).toHaveLength(1);
  });
});

describe("a login", () => {
  it("with the same name and another token logs the first person out", async () => {
    await login("alice", { token: "carol" });
    expect(web.open()).toEqual(["carol"]);
    await login("alice");
    expect(web.open()).toEqual(["alice"]);
  });

  it("that a logout overtakes fails with 101, in each tick of its way", async () => {
    for (let ticks = 0; ticks < 12; ticks++) {
      const onerror = vi.fn();
      const done = rtc.login({ account: "alice", token: "alice", onerror });
      const failed = expect(done).rejects.toMatchObject({ code: "101" });
      for (let i = 0; i < ticks; i++) await Promise.resolve();
      const out = rtc.logout();
      await pass(100);
      await failed;
      await out;
      expect(onerror).toHaveBeenCalledOnce();
      expect(web.open(), `after ${ticks} ticks`).toEqual([]);
    }
  });

  it("in ondisconnect of a login that was kicked stays", async () => {
    await login("alice", {
      ondisconnect: () => void rtc.login({ account: "carol", token: "carol" }),
    });
    const error = { code: "kicked", message: "" };
    web.sockets[0]?.give({ goodbye: { error, reconnect: false } });
    await pass(200);
    expect(web.open().at(-1)).toBe("carol");
  });

  it("again has a later getToken renew it, not its own token", async () => {
    const getToken = vi.fn(() => "alice");
    await login("alice", { getToken });
    await login("alice", { getToken, token: "old" });
    await pass(9 * 60_000);
    const renewed = web.sockets[0]?.received.flatMap((f) => f.authenticate?.token ?? []);
    expect(renewed).toEqual(["alice"]);
  });

  it("without a parameter object says so", async () => {
    const missing = undefined as unknown as { account: string };
    await expect(rtc.login(missing)).rejects.toMatchObject({
      message: expect.stringMatching(/parameter object/),
    });
  });

  it("whose failure no callback hears is written to the console", async () => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    const loud = new RTCCalling({ debug: true });
    await expect(loud.cancel()).rejects.toMatchObject({ code: "20013" });
    expect(warn).toHaveBeenCalledWith("[peal]", "20013", expect.any(String));
    await loud.cancel({ failed: () => {} }).catch(() => {});
    expect(warn).toHaveBeenCalledOnce();
    warn.mockRestore();
  });
});

describe("setCallProfile", () => {
  it("adds up, also while it rings", async () => {
    await login();
    rtc.setCallProfile({ resolution: 8 });
    rtc.once("onInvited", () => rtc.setCallProfile({ quality: "music_standard" }));
    const accept = vi.spyOn(navigator.mediaDevices, "getUserMedia");
    await ring("c1", { type: "CALL_TYPE_VIDEO" });
    void rtc.accept();
    await pass();
    expect(accept.mock.calls[0]?.[0]).toMatchObject({
      audio: { channelCount: { ideal: 1 } },
      video: { width: { ideal: 1280 } },
    });
  });
});

describe("a view that is no element", () => {
  it("is reported, shows nothing, and fails no call", async () => {
    await login();
    const views = [
      [document.createElement("div")],
      "local",
      { $el: {} },
    ] as unknown as HTMLElement[];
    for (const view of views) {
      rtc.setupLocalView(view);
      rtc.setupRemoteView("bob", view);
    }
    expect(errors).toHaveLength(6);
    expect(errors[0]).toMatch(/^100 bad_view: .*v-for/);
    const invited = vi.fn();
    rtc.on("onInvited", invited);
    await ring();
    expect(invited).toHaveBeenCalledOnce();
  });
});

describe("a login without a token", () => {
  it("fails with 102 and says what is missing", async () => {
    const failed = rtc.login({ account: "alice" });
    await expect(failed).rejects.toMatchObject({
      code: "102",
      message: expect.stringMatching(/token or getToken/),
    });
    const empty = expect(rtc.login({ account: "alice", getToken: () => "" })).rejects.toMatchObject(
      { code: "102", message: expect.stringMatching(/gave no token/) },
    );
    await pass(20_000);
    await empty;
  });
});

describe("getDevices", () => {
  it("names the devices that the browser does not name yet", async () => {
    const lists = rtc.getDevices();
    await pass();
    expect(await lists).toMatchObject({
      audioIn: [{ label: "microphone 1", active: true }],
      video: [{ label: "camera 1", active: true }],
      audioOut: [],
    });
  });
});

describe("accept()", () => {
  it("settles when the call ends while the token service does not answer", async () => {
    rtc.setTokenService(() => new Promise(() => {}));
    await login();
    await ring();
    const failed = expect(rtc.accept()).rejects.toMatchObject({ message: expect.any(String) });
    void rtc.hangup();
    await pass();
    await failed;
  });
});

describe("getSdkInstance", () => {
  it("is one object whose handles show a later call", async () => {
    const sdk = rtc.getSdkInstance();
    const { adapterRef } = sdk.rtcClient;
    expect(sdk.signal).toBeNull();
    await login();
    expect(sdk.signal).toMatchObject({ account: "alice" });
    expect(adapterRef.localStream).toBeNull();
    await dial();
    const { localStream } = adapterRef;
    expect(localStream.hasAudio()).toBe(true);
    expect(localStream.getId()).toBe(5);
    expect(adapterRef.localStream).toBe(localStream);
    expect(rtc.getSdkInstance()).toBe(sdk);
    expect(() => sdk.rtcClient.on("peer-online", undefined)).not.toThrow();
  });
});

describe("callbacks that throw", () => {
  it("change nothing and are reported", async () => {
    const error = new Error("of the page");
    const fails = (): never => {
      throw error;
    };
    await login("alice", { onconnect: fails, success: fails, onmsg: fails, ondisconnect: fails });
    rtc.on("onInvited", fails);
    await ring();
    expect(rtc.callStatus).toBe(2);
    const refused = rtc.reject({ success: fails });
    await pass();
    await refused;
    await expect(rtc.cancel({ failed: fails })).rejects.toMatchObject({ code: "20013" });
    expect(web.reported).toEqual([error, error, error, error, error]);
  });

  it("no method causes an unhandled rejection", async () => {
    void rtc.getRoomInfo();
    void rtc.enableLocalVideo(true);
    void rtc.setAudioMute(true, "bob");
    void rtc.switchDevice("cameraId", "none");
    void rtc.call({ userId: "bob", type: 1 });
    void rtc.login({ account: "alice", token: "bad" });
    await pass(20_000);
    // An unhandled rejection fails the run by itself.
    expect(rtc.callStatus).toBe(0);
  });
});

describe("texts that are too large", () => {
  it("are refused before they are sent", async () => {
    await login();
    const sent = web.sockets[0]?.received.length;
    await expect(
      rtc.call({ userId: "bob", type: 1, attachment: "x".repeat(5_000) }),
    ).rejects.toMatchObject({ code: "100", message: expect.stringMatching(/^limit_exceeded: /) });
    await expect(rtc.call({ userId: "b".repeat(2_000), type: 1 })).rejects.toMatchObject({
      message: expect.stringMatching(/^limit_exceeded: /),
    });
    expect(web.sockets[0]?.received).toHaveLength(sent ?? 0);
    expect(rtc.callStatus).toBe(0);
    expect(browser.opened).toEqual([]);
  });
});

describe("call()", () => {
  it("rejects where the login is over before the server has the invitation", async () => {
    await login();
    web.latencyMs = 5_000;
    const call = rtc.call({ userId: "bob", type: 1 });
    await pass(10);
    const logout = rtc.logout();
    await expect(call).rejects.toMatchObject({
      code: "10404",
      message: expect.stringMatching(/before the server took/),
    });
    await pass(20_000);
    await logout;
  });
});

describe("a server address", () => {
  it("that is no URL fails the login at once and is named", async () => {
    const login = rtc.login({ account: "alice", token: "alice", server: "https://" });
    await expect(login).rejects.toMatchObject({
      message: expect.stringMatching(/^bad_server: .*"https:/),
    });
  });

  it("that the page's policy refuses does so too, with the cure", async () => {
    const login = rtc.login({ account: "alice", token: "alice" });
    const failed = expect(login).rejects.toMatchObject({
      message: expect.stringMatching(/^bad_server: .*add wss:\/\/calls.test to connect-src/),
    });
    web.latencyMs = 60_000;
    await vi.advanceTimersByTimeAsync(0);
    const event = new Event("securitypolicyviolation");
    const about = { blockedURI: "wss://calls.test/ws", disposition: "report" };
    document.dispatchEvent(Object.assign(event, about)); // Blocks nothing.
    await pass(10);
    expect(rtc.getSdkInstance().signal).not.toBeNull();
    document.dispatchEvent(Object.assign(event, { ...about, disposition: "enforce" }));
    await pass(10);
    await failed;
  });

  it("that the browser refuses does so too", async () => {
    vi.stubGlobal(
      "WebSocket",
      class {
        constructor() {
          throw new DOMException("An insecure WebSocket", "SecurityError");
        }
      },
    );
    const login = rtc.login({ account: "alice", token: "alice", server: "http://calls.test" });
    const failed = expect(login).rejects.toMatchObject({
      message: "bad_server: the browser refuses ws://calls.test/ws: An insecure WebSocket",
    });
    await pass(10);
    await failed;
    expect(web.held.size).toBe(0);
  });
});
