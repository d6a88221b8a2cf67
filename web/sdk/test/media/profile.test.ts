import { expect, it } from "vitest";
import { constraints, encoding, readProfile, withStereo } from "../../src/media/profile";

function refused(profile: object): string[] {
  const all: string[] = [];
  readProfile(profile, (what) => all.push(what));
  return all;
}

it("reads the component's numbers", () => {
  const none = (): never => {
    throw new Error("refused");
  };
  expect(readProfile({ resolution: 8, frameRate: 3, quality: "music_standard" }, none)).toEqual({
    video: { width: 1280, height: 720, frameRate: 15, maxBitrate: 1_500_000 },
    audio: "music_standard",
  });
  // More frames take more, fewer take less, and not in proportion.
  expect(readProfile({ resolution: 4, frameRate: 5 }, none).video?.maxBitrate).toBe(1_200_000);
  expect(readProfile({ resolution: 4, frameRate: 1 }, none).video?.maxBitrate).toBe(600_000);
  expect(readProfile({ frameRate: 2 }, none).video).toMatchObject({ width: 640, frameRate: 10 });
  expect(readProfile({}, none)).toEqual({});
});

it("refuses what is none of its numbers, and takes the rest", () => {
  expect(refused({ resolution: 3, frameRate: 9, quality: "loud" })).toEqual([
    "resolution 3",
    "frameRate 9",
    "quality loud",
  ]);
  expect(refused({ quality: "toString" })).toEqual(["quality toString"]);
});

it("limits each kind by itself, and nothing unasked", () => {
  const p = { audio: "high_quality" as const };
  const all = { bits: 1, frameRate: null };
  expect(encoding(p, "audio", all)).toEqual({ priority: "high", maxBitrate: 96_000 });
  expect(encoding(p, "video", all)).toEqual({ priority: "low" });
  expect(encoding({}, "audio", all)).toEqual({ priority: "high" });
  expect(constraints({}, "video", "")).toEqual({ width: { ideal: 640 }, height: { ideal: 480 } });
  expect(constraints({ video: { width: 320 } }, "video", "")).toEqual({ width: { ideal: 320 } });
});

it("asks for stereo where the profile has it", () => {
  const sdp =
    "a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\na=fmtp:63 111/111\r\n";
  expect(withStereo(sdp, {})).toBe(sdp);
  expect(withStereo(sdp, { audio: "high_quality" })).toBe(sdp);
  expect(withStereo(sdp, { audio: "standard_stereo" })).toBe(
    "a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1;stereo=1;sprop-stereo=1\r\na=fmtp:63 111/111\r\n",
  );
  expect(withStereo("v=0\r\n", { audio: "standard_stereo" })).toBe("v=0\r\n");
});

it("leaves the picture a share of its ceiling, and the sound all of it", () => {
  const p = { audio: "music_standard" as const, video: { maxBitrate: 900_000, frameRate: 20 } };
  const little = { bits: 1 / 4, frameRate: 15 };
  expect(encoding(p, "audio", little)).toEqual({ priority: "high", maxBitrate: 64_000 });
  expect(encoding(p, "video", little)).toEqual({
    priority: "low",
    maxBitrate: 225_000,
    maxFramerate: 15,
  });
  expect(encoding({ video: { frameRate: 10 } }, "video", little)).toEqual({
    priority: "low",
    maxBitrate: 300_000,
    maxFramerate: 10,
  });
  expect(encoding({}, "video", { bits: 1 / 2, frameRate: null })).toEqual({
    priority: "low",
    maxBitrate: 600_000,
  });
});
