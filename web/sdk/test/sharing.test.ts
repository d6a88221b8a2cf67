import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { CallOptions, ClientOptions } from "../src/api/types";
import type { Call } from "../src/call";
import { chosen } from "../src/capture/devices";
import { PealClient } from "../src/client";
import type { CallJson, TracksJson } from "../src/gen/peal_pb";
import {
  type FakeBrowser,
  FakeServer,
  FakeTrack,
  fakeBrowser,
  later,
  settled,
  side,
  snapshot,
  welcome,
} from "./fakes";

let browser: FakeBrowser;
let server: FakeServer;
let client: PealClient;
let told: string[];
/** The screens that were chosen; while `picker` is pending the person has not chosen. */
let screens: FakeTrack[];
let picker: Promise<unknown>;

async function begin(options: Partial<ClientOptions> = {}): Promise<void> {
  client = new PealClient(
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
  client.on("error", (e) => told.push(`client error ${e.code}`));
  client.on("incoming", () => told.push("incoming"));
  client.on("ringtoneBlocked", (blocked) => told.push(`silent ${blocked}`));
  const done = client.connect();
  await settled();
  server.socket.open();
  server.socket.give(welcome);
  await done;
  await settled();
}

beforeEach(async () => {
  vi.useFakeTimers();
  browser = fakeBrowser();
  server = new FakeServer();
  told = [];
  screens = [];
  picker = Promise.resolve();
  Object.assign(chosen, { audio: "", video: "", speaker: "" });
  vi.stubGlobal("reportError", (e: unknown) => told.push(`uncaught ${String(e)}`));
  navigator.mediaDevices.getDisplayMedia = async () => {
    await picker;
    const stream = new MediaStream();
    const track = new FakeTrack("video", "screen", {});
    screens.push(track);
    stream.addTrack(track as unknown as MediaStreamTrack);
    return stream;
  };
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** A call with bob that is connected. */
async function talking(options: CallOptions): Promise<Call> {
  const call = client.call("bob", options);
  for (const event of ["type", "screenShare", "videoRequest"] as const)
    call.on(event, (what: unknown) => told.push(`${event} ${String(what)}`));
  call.on("error", (e) => told.push(`error ${e.code}`));
  await settled();
  server.socket.answer("invite", { call: { call: snapshot({ callId: call.id }) } });
  await call.invited;
  const type = options.video ? "CALL_TYPE_VIDEO" : "CALL_TYPE_AUDIO";
  give(call, { rev: 2, type }, "v=0 answer");
  await settled();
  told = [];
  return call;
}

function give(call: Call, more: CallJson, answer = ""): void {
  const state = "CALL_STATE_CONNECTED";
  server.socket.give({ call: { call: snapshot({ callId: call.id, state, ...more }), answer } });
}

const reports = (): TracksJson[] => server.socket.sent.flatMap((f) => f.tracks?.tracks ?? []);
const open = (): string[] => browser.opened.filter((t) => !t.stopped).map((t) => t.kind);

/** Devices take until the function that it gives is called. */
function slow(): () => Promise<void> {
  let go = (): void => {};
  browser.opening = new Promise((resolve) => {
    go = resolve;
  });
  return async () => {
    go();
    browser.opening = Promise.resolve();
    await settled();
  };
}

describe("a screen that is shown", () => {
  it("ends when the call becomes an audio call, and no camera opens", async () => {
    await begin();
    const call = await talking({ video: true });
    await call.shareScreen();
    await settled();
    const before = browser.opened.length;
    give(call, { rev: 3, type: "CALL_TYPE_AUDIO" });
    await settled();
    expect(browser.opened.length).toBe(before);
    expect(open()).toEqual(["audio"]);
    expect(told).toEqual(["screenShare true", "screenShare false", "type 1"]);
    expect(reports().at(-1)).toMatchObject({ video: false, screen: false });
  });

  it("is told to be over at once, however long the camera takes to come back", async () => {
    await begin();
    const call = await talking({ video: true });
    await call.shareScreen();
    await settled();
    const opened = slow();
    await call.stopScreenShare();
    await settled();
    expect(told).toEqual(["screenShare true", "screenShare false"]);
    expect(reports().at(-1)).toMatchObject({ video: false, screen: false });
    await call.shareScreen();
    await opened();
    expect(told.slice(2)).toEqual(["screenShare true"]);
    expect([call.screenOn, call.getSnapshot().screenOn, call.cameraOn]).toEqual([
      true,
      true,
      false,
    ]);
    expect(open()).toEqual(["audio"]);
  });

  it("keeps the camera closed: opening it is refused, closing it holds", async () => {
    await begin();
    const call = await talking({ video: true });
    await call.shareScreen();
    await expect(call.setCamera(true)).rejects.toMatchObject({ code: "wrong_state" });
    await call.setCamera(false);
    await call.stopScreenShare();
    await settled();
    expect(open()).toEqual(["audio"]);
  });
});

describe("a screen that is not shown yet", () => {
  it("is given up by stopScreenShare while the other person is asked", async () => {
    await begin();
    const call = await talking({});
    const sharing = call.shareScreen();
    await settled();
    const asked = { rev: 3, type: "CALL_TYPE_AUDIO", videoAskedBy: "alice" } as const;
    server.socket.answer("switchType", {
      call: { call: snapshot({ callId: call.id, state: "CALL_STATE_CONNECTED", ...asked }) },
    });
    await settled();
    await call.stopScreenShare();
    await expect(sharing).rejects.toMatchObject({ code: "screen_denied" });
    await settled();
    expect(screens[0]?.stopped).toBe(true);
    // The request is taken back.
    expect(server.socket.sent.at(-1)).toMatchObject({ switchType: { type: "CALL_TYPE_AUDIO" } });
  });

  it("is given up by the browser's own bar as well", async () => {
    await begin();
    const call = await talking({});
    const sharing = call.shareScreen();
    await settled();
    screens[0]?.unplug();
    await expect(sharing).rejects.toMatchObject({ code: "screen_denied" });
    expect(call.screenOn).toBe(false);
  });

  it("asks nobody when it is given up while it is chosen", async () => {
    await begin();
    const call = await talking({});
    let choose: (v?: unknown) => void = () => {};
    picker = new Promise((resolve) => {
      choose = resolve;
    });
    const sharing = call.shareScreen();
    await settled();
    await call.stopScreenShare();
    choose();
    await expect(sharing).rejects.toMatchObject({ code: "screen_denied" });
    expect(screens[0]?.stopped).toBe(true);
    expect(server.socket.sent.some((f) => f.switchType)).toBe(false);
  });

  it("and never will be leaves its place to the camera", async () => {
    await begin();
    const call = await talking({});
    let refuse: (v: unknown) => void = () => {};
    picker = new Promise((_, reject) => {
      refuse = reject;
    });
    const sharing = call.shareScreen();
    await settled();
    give(call, { rev: 3, type: "CALL_TYPE_VIDEO" }); // Agreed to meanwhile.
    await settled();
    expect(call.cameraOn).toBe(false);
    refuse(new DOMException("no", "NotAllowedError"));
    await expect(sharing).rejects.toMatchObject({ code: "screen_denied" });
    await settled();
    expect(call.cameraOn).toBe(true);
  });

  it("ends with the call", async () => {
    await begin();
    const call = await talking({});
    const sharing = call.shareScreen();
    await settled();
    give(call, { rev: 3, state: "CALL_STATE_ENDED", reason: "REASON_COMPLETED" });
    await expect(sharing).rejects.toMatchObject({ code: "call_ended" });
    expect(screens[0]?.stopped).toBe(true);
  });
});

describe("a call that can do without a microphone", () => {
  it("uses it where the camera alone cannot be had", async () => {
    await begin({ microphone: "optional" });
    navigator.permissions.query = async () => ({ state: "prompt" }) as PermissionStatus;
    browser.deny = (_, video) => (video ? new DOMException("x", "NotReadableError") : null);
    client.call("bob", { video: true });
    await settled();
    expect(open()).toEqual(["audio"]);
  });

  it("asks once for a microphone that is connected, however often the browser says so", async () => {
    await begin({ microphone: "optional" });
    navigator.mediaDevices.enumerateDevices = async () => [];
    browser.deny = () => new DOMException("x", "NotFoundError");
    client.call("bob");
    await settled();
    browser.deny = () => null;
    navigator.mediaDevices.enumerateDevices = async () =>
      [{ kind: "audioinput", deviceId: "a" }] as MediaDeviceInfo[];
    const opening = vi.spyOn(navigator.mediaDevices, "getUserMedia");
    const opened = slow();
    for (let i = 0; i < 3; i++) {
      navigator.mediaDevices.dispatchEvent(new Event("devicechange"));
      await settled();
    }
    await opened();
    expect(opening).toHaveBeenCalledTimes(1);
    expect(open()).toEqual(["audio"]);
  });
});

it("tells the server that media are up, however long the statistics take", async () => {
  await begin();
  const call = await talking({ video: true });
  const [connection] = browser.connections;
  if (!connection) throw new Error("no connection");
  connection.getStats = () => new Promise(() => {});
  connection.become("connected");
  await vi.advanceTimersByTimeAsync(1_000);
  const reported = server.socket.sent.flatMap((f) => f.media ?? []);
  expect(reported.at(-1)).toMatchObject({ callId: call.id, up: true });
});

it("tells of a camera that did not change, and of one that did not come back", async () => {
  await begin();
  const call = await talking({ video: true });
  navigator.mediaDevices.enumerateDevices = async () =>
    [
      { kind: "videoinput", deviceId: "front", label: "front" },
      { kind: "videoinput", deviceId: "back", label: "back" },
    ] as MediaDeviceInfo[];
  browser.deny = () => new DOMException("x", "NotReadableError");
  await expect(call.flipCamera()).rejects.toMatchObject({ code: "camera_in_use" });
  await settled();
  expect(call.cameraOn).toBe(false);
  expect(reports().at(-1)).toMatchObject({ video: false });
});

it("rings at the application also where the browser has no sound", async () => {
  vi.stubGlobal("AudioContext", undefined);
  await begin({ ringtone: true });
  const call = snapshot({ role: "ROLE_CALLEE", caller: side("bob"), callee: side("alice") });
  server.socket.give({ call: { call, offer: "v=0 offer" } });
  await settled();
  expect(told).toEqual(["incoming", "client error ringtone_failed"]);
});

it("says once that a ringtone is silent, or fails, and when that is over", async () => {
  let refusal = "NotAllowedError";
  vi.stubGlobal(
    "Audio",
    class {
      play = (): Promise<void> => Promise.reject(new DOMException("x", refusal));
      pause(): void {}
    },
  );
  await begin({ ringtone: "x.mp3" });
  const ring = (callId: string, more: CallJson = {}): void => {
    const call = {
      role: "ROLE_CALLEE",
      caller: side("bob"),
      callee: side("alice"),
      ...more,
    } as const;
    server.socket.give({ call: { call: snapshot({ callId, ...call }), offer: "v=0 offer" } });
  };
  ring("c1");
  await settled();
  ring("c1", { rev: 2, state: "CALL_STATE_ENDED", reason: "REASON_CANCELLED" });
  await settled();
  expect(told).toEqual(["incoming", "silent true", "silent false"]);
  told = [];
  ring("c2");
  await settled();
  refusal = "NotSupportedError";
  for (let i = 0; i < 3; i++) document.dispatchEvent(new Event("pointerdown"));
  await settled();
  expect(told.filter((t) => t.startsWith("client error"))).toEqual([
    "client error ringtone_failed",
  ]);
});
