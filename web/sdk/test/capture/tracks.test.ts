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

/** What the person shares: the picture, and the sound of a tab. */
function aScreen(sound = false): { stream: MediaStream; picture: FakeTrack; sound: FakeTrack } {
  const stream = new MediaStream();
  const picture = new FakeTrack("video", "screen", {});
  const heard = new FakeTrack("audio", "tab", {});
  stream.addTrack(picture as unknown as MediaStreamTrack);
  if (sound) stream.addTrack(heard as unknown as MediaStreamTrack);
  return { stream, picture, sound: heard };
}

describe("a screen", () => {
  it("takes the camera's place, and gives it back", async () => {
    await tracks.open(true, true);
    const screen = aScreen();
    tracks.share(screen.stream);
    expect(open()).toEqual(["headset"]);
    expect(tracks.video?.label).toBe("screen");
    expect(tracks.camera).toBeNull();
    tracks.unshare();
    await tracks.openAlone("video");
    expect(open()).toEqual(["headset", "front"]);
    expect(tracks.camera?.label).toBe("front");
    expect(screen.picture.stopped).toBe(true);
  });

  it("stays when the camera is opened, chosen or closed meanwhile", async () => {
    await tracks.open(false, true);
    tracks.share(aScreen().stream);
    await tracks.open(false, true);
    await tracks.choose("video", "back");
    expect(tracks.video?.label).toBe("screen");
    expect(open()).toEqual([]);
    tracks.shut("video");
    expect(tracks.video?.label).toBe("screen");
    tracks.unshare();
    await tracks.openAlone("video");
    expect(tracks.video).toBeNull();
    await tracks.open(false, true);
    expect(tracks.video?.label).toBe("back");
  });

  it("that begins while the camera opens leaves that closed", async () => {
    const opening = tracks.open(false, true);
    tracks.share(aScreen().stream);
    await opening;
    expect(open()).toEqual([]);
    expect(tracks.stream.getVideoTracks()).toHaveLength(1);
  });

  it("is not black while the camera is muted, and the camera is when it is back", async () => {
    await tracks.open(false, true);
    tracks.videoMuted = true;
    tracks.share(aScreen().stream);
    expect(tracks.video?.enabled).toBe(true);
    tracks.unshare();
    await tracks.openAlone("video");
    expect(tracks.video?.enabled).toBe(false);
  });

  it("ends with the devices, its sound too", () => {
    const screen = aScreen(true);
    tracks.share(screen.stream);
    expect(tracks.sentAudio?.label).toBe("tab");
    tracks.close();
    expect([screen.picture.stopped, screen.sound.stopped]).toEqual([true, true]);
  });
});

describe("a flip of the camera", () => {
  const sides: Record<string, string> = {};

  beforeEach(() => {
    const list = navigator.mediaDevices.enumerateDevices;
    navigator.mediaDevices.enumerateDevices = async () =>
      (await list()).map((d) =>
        Object.assign(d, {
          getCapabilities: () => ({ facingMode: [sides[d.deviceId]].filter(Boolean) }),
        }),
      );
    for (const id of Object.keys(sides)) delete sides[id];
  });

  it("takes the other side of a phone, whose back has several", async () => {
    there.video = ["front", "wide", "tele"];
    Object.assign(sides, { front: "user", wide: "environment", tele: "environment" });
    await tracks.open(false, true);
    await tracks.flip();
    expect(tracks.camera?.label).toBe("wide");
    await tracks.flip();
    expect(tracks.camera?.label).toBe("front");
  });

  it("goes round where cameras have no sides", async () => {
    there.video = ["a", "b", "c"];
    await tracks.open(false, true);
    for (const next of ["b", "c", "a"]) {
      await tracks.flip();
      expect(open()).toEqual([next]);
    }
  });

  it("fails where there is no other", async () => {
    there.video = ["one"];
    await tracks.open(false, true);
    await expect(tracks.flip()).rejects.toMatchObject({ code: "camera_missing" });
    expect(open()).toEqual(["one"]);
  });
});

describe("a microphone that is connected later", () => {
  it("joins where there was none, and only where one is wanted", async () => {
    there.audio = [];
    await expect(tracks.open(true, false)).rejects.toMatchObject({ code: "microphone_missing" });
    tracks.awaitMicrophone();
    expect(await tracks.devicesChanged()).toBe(false);
    there.audio = ["headset"];
    expect(await tracks.devicesChanged()).toBe(true);
    expect(open()).toEqual(["headset"]);
    expect(await tracks.devicesChanged()).toBe(false);
  });

  it("does not join where it was closed meanwhile", async () => {
    there.audio = [];
    await tracks.open(true, false).catch(() => {});
    tracks.awaitMicrophone();
    tracks.shut("audio");
    there.audio = ["headset"];
    expect(await tracks.devicesChanged()).toBe(false);
    expect(open()).toEqual([]);
  });
});
