import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { DeviceList } from "../../src/capture/device-list";
import { chosen, rememberChoice } from "../../src/capture/devices";
import { type FakeBrowser, fakeBrowser } from "../fakes";

let there: { kind: string; deviceId: string; label: string }[];
let browser: FakeBrowser;
let list: DeviceList;

beforeEach(() => {
  browser = fakeBrowser();
  Object.assign(chosen, { audio: "", video: "", speaker: "" });
  there = [
    { kind: "audioinput", deviceId: "default", label: "Default" },
    { kind: "audioinput", deviceId: "headset", label: "Headset" },
    { kind: "videoinput", deviceId: "front", label: "" },
    { kind: "audiooutput", deviceId: "default", label: "Default" },
  ];
  navigator.mediaDevices.enumerateDevices = async () => there as unknown as MediaDeviceInfo[];
  list = new DeviceList(() => null);
});

afterEach(() => {
  vi.unstubAllGlobals();
});

it("lists them by kind, one of each active, and names those that the browser does not", async () => {
  expect(await list.list()).toEqual({
    microphones: [
      { kind: "microphone", id: "default", label: "Default", active: true },
      { kind: "microphone", id: "headset", label: "Headset", active: false },
    ],
    cameras: [{ kind: "camera", id: "front", label: "camera 1", active: true }],
    speakers: [{ kind: "speaker", id: "default", label: "Default", active: true }],
  });
});

it("chooses before a call, and refuses by name what is not there", async () => {
  await list.choose("microphone", "headset");
  expect(chosen.audio).toBe("headset");
  expect((await list.list()).microphones.map((d) => d.active)).toEqual([false, true]);
  await expect(list.choose("camera", "none")).rejects.toMatchObject({ code: "camera_missing" });
  await list.choose("microphone", "");
  expect(chosen.audio).toBe("");
});

it("follows the machine while someone subscribes", async () => {
  const told = vi.fn();
  const end = list.subscribe(told);
  await vi.waitFor(() => expect(list.getSnapshot().microphones).toHaveLength(2));
  there = there.filter((d) => d.deviceId !== "headset");
  navigator.mediaDevices.dispatchEvent(new Event("devicechange"));
  await vi.waitFor(() => expect(list.getSnapshot().microphones).toHaveLength(1));
  expect(told).toHaveBeenCalledTimes(2);
  end();
  there = [];
  navigator.mediaDevices.dispatchEvent(new Event("devicechange"));
  await new Promise((resolve) => setTimeout(resolve, 10));
  expect(list.getSnapshot().microphones).toHaveLength(1);
});

it("keeps the choice in the browser where that is asked for", async () => {
  await list.choose("microphone", "headset");
  expect(browser.storage.get("peal.devices")).toBeUndefined();
  rememberChoice();
  await list.choose("camera", "front");
  Object.assign(chosen, { audio: "", video: "", speaker: "" });
  rememberChoice();
  expect(chosen).toEqual({ audio: "headset", video: "front", speaker: "" });
  // What another program keeps there harms nothing.
  for (const text of ["{", "null", '{"audio":7,"other":"x"}', "[]"]) {
    browser.storage.set("peal.devices", text);
    rememberChoice();
  }
  expect(chosen).toEqual({ audio: "headset", video: "front", speaker: "" });
});
