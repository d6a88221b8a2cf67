import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { chosen } from "../../src/capture/devices";
import { LocalTracks } from "../../src/capture/tracks";
import { FakeTrack, fakeBrowser } from "../fakes";

/** The devices that are connected, by kind. */
let there: { audio: string[]; video: string[] };
/** Whether one camera alone may be open, as on some phones. */
let oneAtATime: boolean;
let tracks: LocalTracks;
let lost: unknown[];
let opened: FakeTrack[];

beforeEach(() => {
  vi.useFakeTimers();
  fakeBrowser();
  there = { audio: ["headset", "builtin"], video: ["front", "back"] };
  oneAtATime = false;
  opened = [];
  lost = [];
  Object.assign(chosen, { audio: "", video: "", speaker: "" });
  navigator.mediaDevices.getUserMedia = getUserMedia as unknown as MediaDevices["getUserMedia"];
  navigator.mediaDevices.enumerateDevices = async () =>
    (["audio", "video"] as const).flatMap((kind) =>
      there[kind].map((deviceId) => ({ kind: `${kind}input`, deviceId, label: deviceId })),
    ) as unknown as MediaDeviceInfo[];
  tracks = new LocalTracks(
    () => ({}),
    (device) => void lost.push(device),
    () => {},
  );
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

async function getUserMedia(asked: MediaStreamConstraints): Promise<MediaStream> {
  const stream = new MediaStream();
  for (const kind of ["audio", "video"] as const) {
    const wanted = asked[kind];
    if (!wanted) continue;
    const exact = typeof wanted === "object" && (wanted.deviceId as { exact?: string })?.exact;
    const id = exact || there[kind][0];
    if (!id || !there[kind].includes(id)) throw new DOMException("none", "NotFoundError");
    if (oneAtATime && opened.some((t) => t.kind === kind && !t.stopped && t.label !== id))
      throw new DOMException("in use", "NotReadableError");
    const track = new FakeTrack(kind, id, wanted as MediaTrackConstraints);
    opened.push(track);
    stream.addTrack(track as unknown as MediaStreamTrack);
  }
  return stream;
}

const open = (): string[] => opened.filter((t) => !t.stopped).map((t) => t.label);

describe("a choice of device", () => {
  it("opens again what was unplugged and had no other", async () => {
    there.audio = ["headset"];
    await tracks.open(true, false);
    there.audio = [];
    opened[0]?.unplug();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(lost).toMatchObject([{ kind: "microphone", replacement: null }]);
    there.audio = ["headset"];
    await tracks.choose("audio", "headset");
    expect(tracks.audio?.label).toBe("headset");
  });

  it("of the camera holds where the microphone that was chosen is gone", async () => {
    Object.assign(chosen, { audio: "headset", video: "back" });
    there.audio = ["builtin"];
    await tracks.open(true, true);
    expect(open()).toEqual(["builtin", "back"]);
  });

  it("changes cameras where one alone can be open, and goes back where that fails", async () => {
    oneAtATime = true;
    await tracks.open(false, true);
    await tracks.choose("video", "back");
    expect(open()).toEqual(["back"]);
    there.video = ["back"];
    await expect(tracks.choose("video", "front")).rejects.toMatchObject({ code: "camera_missing" });
    expect(open()).toEqual(["back"]);
    expect(tracks.video?.label).toBe("back");
  });

  it("that is not there fails by name, open or closed, and is not kept", async () => {
    const none = { code: "camera_missing", message: expect.stringMatching(/"none".*getDevices/) };
    await expect(tracks.choose("video", "none")).rejects.toMatchObject(none);
    await tracks.open(false, true);
    await expect(tracks.choose("video", "none")).rejects.toMatchObject(none);
    expect(chosen.video).toBe("");
    expect(open()).toEqual(["front"]);
  });
});
