import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { MediaProfile } from "../../src/api/types";
import { readPath } from "../../src/media/path";
import { Media } from "../../src/media/peer";
import { withoutAddresses } from "../../src/media/privacy";
import { type FakePeerConnection, fakeBrowser, settle } from "../fakes";

let browser: ReturnType<typeof fakeBrowser>;
let sent: string[];
let profile: MediaProfile;
let discreet: boolean;

function media(): Media {
  return new Media(
    browser.make,
    () => ({ policy: "all", discreet, profile, expected: true, ringing: false }),
    (news) => {
      switch (news.kind) {
        case "candidates":
          sent.push(...news.candidates.map((c) => `${news.generation} ${c.candidate}`));
          break;
        case "up":
          sent.push(`up ${news.up}`);
          break;
        case "stuck":
          sent.push(`stuck ${news.rebuild}`);
          break;
        case "suspect":
        case "lapsed":
          sent.push(news.kind);
          break;
        case "flows":
        case "remoteStream":
          break; // No test asks for these.
      }
    },
  );
}

function pc(i = 0): FakePeerConnection {
  const found = browser.connections[i];
  if (!found) throw new Error(`no peer connection ${i}`);
  return found;
}

beforeEach(() => {
  vi.useFakeTimers();
  browser = fakeBrowser();
  sent = [];
  profile = {};
  discreet = false;
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("the caller", () => {
  it("offers without candidates, and starts ICE when the servers are known", async () => {
    const m = media();
    const offer = await m.offer(1, false);
    expect(offer).toBe("v=0\r\n");
    expect(pc().log).toEqual(["addTransceiver audio", "addTransceiver video", "createOffer"]);
    await m.commit([{ urls: ["stun:x"] }]);
    expect(pc().log.slice(3)).toEqual(["setConfiguration", "setLocalDescription offer"]);
  });
  it("tells each sender what it may send once, until that is another thing", async () => {
    const m = media();
    await m.offer(1, false);
    await m.commit([]);
    await m.setTracks(null, null);
    expect(pc().shaped).toBe(2);
    profile = { video: { maxBitrate: 300_000 } };
    await m.setTracks(null, null);
    expect(pc().shaped).toBe(3);
    profile = {};
    await m.setTracks(null, null);
    expect(pc().shaped).toBe(4);
    const { video } = pc().limits;
    expect(video).toEqual({ priority: "low" });
  });
  it("applies one answer per generation, and candidates after it", async () => {
    const m = media();
    await m.offer(1, false);
    await m.commit([]);
    await m.release();
    await m.addRemote(1, [{ candidate: "early" }]);
    expect(pc().log).not.toContain("addIceCandidate early");
    await m.take(1, "v=0 a");
    await m.take(1, "v=0 b");
    // The browser does one after the other, in the order in which it was asked.
    const told = pc().log.filter((l) => /^(setRemote|addIce)/.test(l));
    expect(told).toEqual(["setRemoteDescription answer", "addIceCandidate early"]);
  });
  it("sends candidates in batches, and all of them again when asked", async () => {
    const m = media();
    await m.offer(1, false);
    await m.commit([]);
    await m.release();
    pc().find("a");
    pc().find("b");
    expect(sent).toEqual([]);
    await vi.advanceTimersByTimeAsync(50);
    expect(sent).toEqual(["1 a", "1 b"]);
    m.resend();
    expect(sent).toEqual(["1 a", "1 b", "1 a", "1 b"]);
  });
});

describe("the callee", () => {
  it("lets nothing out and uses nothing before it accepts", async () => {
    const m = media();
    expect(await m.answer(1, false, "v=0 offer", [])).toBe("v=0\r\n");
    pc().find("mine");
    await m.addRemote(1, [{ candidate: "theirs" }]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(sent).toEqual([]);
    expect(pc().log.some((l) => l.startsWith("addIceCandidate"))).toBe(false);
    await m.release();
    expect(sent).toEqual(["1 mine"]);
    expect(pc().log).toContain("addIceCandidate theirs");
  });
});

describe("generations", () => {
  it("restart ICE on the same connection", async () => {
    const m = media();
    await m.offer(1, false);
    await m.offer(2, false);
    expect(browser.connections).toHaveLength(1);
    expect(pc().log).toContain("createOffer restart");
  });
  it("make a new connection after a reload, and forget the old one's candidates", async () => {
    const m = media();
    await m.offer(1, false);
    await m.release();
    pc().find("old");
    await m.offer(2, true);
    pc(1).find("new");
    pc(0).find("late");
    await vi.advanceTimersByTimeAsync(50);
    expect(pc(0).connectionState).toBe("closed");
    expect(sent).toEqual(["2 new"]);
  });
  it("keep candidates that are ahead, and drop those of the past", async () => {
    const m = media();
    await m.answer(1, false, "v=0", []);
    await m.release();
    await m.addRemote(2, [{ candidate: "ahead" }]);
    await m.answer(2, false, "v=0", []);
    await m.addRemote(1, [{ candidate: "past" }]);
    expect(pc().log.filter((l) => l.startsWith("addIce"))).toEqual(["addIceCandidate ahead"]);
  });
});

describe("candidates before the first description", () => {
  const list = (name: string, n: number) =>
    Array.from({ length: n }, (_, i) => ({ candidate: `${name}${i}` }));
  const used = () => pc().log.filter((l) => l.startsWith("addIce"));
  it("are kept whatever their generation: a page that was reloaded knows of none", async () => {
    const m = media();
    await m.release();
    await m.addRemote(5, [{ candidate: "early" }]);
    await m.answer(5, false, "v=0", []);
    expect(used()).toEqual(["addIceCandidate early"]);
    await m.addRemote(8, [{ candidate: "too far ahead" }]);
    await m.answer(8, false, "v=0", []);
    expect(used()).toEqual(["addIceCandidate early"]);
  });
  it("are those of the newest one alone, and no more than one side may send", async () => {
    const m = media();
    await m.release();
    await m.addRemote(4, list("older", 10));
    await m.addRemote(5, list("newest", 100));
    await m.addRemote(4, list("late", 10));
    await m.answer(4, false, "v=0", []);
    expect(used()).toEqual([]);
    await m.answer(5, false, "v=0", []);
    expect(used()).toHaveLength(64);
  });
});

describe("the connection's state", () => {
  it("is reported, and a loss asks for a restart", async () => {
    const m = media();
    await m.offer(1, false);
    await m.release();
    pc().become("connected");
    pc().become("disconnected");
    expect(sent).toEqual(["up true", "up false", "stuck false"]);
  });
  it("is no loss before the acceptance, and asks for another connection", async () => {
    const m = media();
    await m.answer(1, false, "v=0", []);
    pc().become("disconnected");
    pc().become("failed");
    await vi.advanceTimersByTimeAsync(20_000);
    expect(sent).toEqual(["lapsed"]);
  });
  it("asks for few connections before the acceptance, however long it rings", async () => {
    const m = media();
    for (let i = 0; i < 5; i++) {
      await m.answer(1, true, "v=0", []);
      pc(i).become("failed");
    }
    expect(sent).toEqual(["lapsed", "lapsed"]);
    expect(m.failed).toBe(true);
  });
  it("is one as soon as it is accepted", async () => {
    const m = media();
    await m.answer(1, false, "v=0", []);
    pc().become("failed");
    await m.release();
    expect(sent).toEqual(["lapsed", "up false", "stuck false"]);
  });
  it("says nothing once closed", async () => {
    const m = media();
    await m.offer(1, false);
    m.close();
    pc().become("failed");
    await settle();
    expect(sent).toEqual([]);
    await expect(m.offer(2, false)).rejects.toThrow();
  });
});

it("puts no track into a connection before the acceptance holds", async () => {
  const track = { kind: "audio" } as MediaStreamTrack;
  const tracks = (i = 0): unknown[] =>
    pc(i)
      .getTransceivers()
      .map((t) => (t as RTCRtpTransceiver).sender.track);
  const callee = media();
  await callee.answer(1, false, "v=0 offer", []);
  await callee.setTracks(track, null);
  expect(tracks()).toEqual([null]);
  await callee.answer(2, true, "v=0 offer", []);
  expect(tracks(1)).toEqual([null]);
  await callee.release();
  expect(tracks(1)).toEqual([track]);
  await callee.answer(3, true, "v=0 offer", []);
  expect(tracks(2)).toEqual([track]);
});

describe("addresses", () => {
  it("are taken out of descriptions, and nothing else", () => {
    const sdp = [
      "v=0",
      "o=- 46 2 IN IP4 192.0.2.1",
      "c=IN IP6 2001:db8::1",
      "a=rtcp:9001 IN IP4 192.0.2.1",
      "a=mid:0",
      "a=candidate:1 1 udp 1 192.0.2.1 9 typ host",
      "a=end-of-candidates",
      "a=ice-ufrag:x",
      "",
    ].join("\r\n");
    expect(withoutAddresses(sdp).split("\r\n")).toEqual([
      "v=0",
      "o=- 46 2 IN IP4 0.0.0.0",
      "c=IN IP4 0.0.0.0",
      "a=rtcp:9 IN IP4 0.0.0.0",
      "a=mid:0",
      "a=ice-ufrag:x",
      "",
    ]);
  });
  it("and orders to send are taken out of what comes from the other side", async () => {
    const evil = [
      "v=0",
      "a=ice-lite",
      "a= ICE-LITE",
      "a=candidate:1 1 udp 1 192.0.2.1 9 typ host",
      "a= Candidate:1 1 udp 1 192.0.2.1 9 typ host",
      "A=\tCANDIDATE :1 1 udp 1 192.0.2.1 9 typ host",
      "a=remote-candidates:1 192.0.2.1 9",
      "a=RTCP:9 IN IP4 192.0.2.1",
      "a=mid:0\ra=candidate:1 1 udp 1 192.0.2.1 9 typ host",
      "a=sendrecv",
      "",
    ].join("\r\n");
    const m = media();
    await m.answer(1, false, evil, []);
    expect(pc().remoteDescription?.sdp?.split("\r\n")).toEqual([
      "v=0",
      "a=mid:0",
      "a=sendrecv",
      "",
    ]);
    const caller = media();
    await caller.offer(1, false);
    await caller.commit([]);
    await caller.take(1, evil);
    expect(pc(1).remoteDescription?.sdp).toBe("v=0\r\na=mid:0\r\na=sendrecv\r\n");
  });
  it("of one's own are kept back while they are to be, and given after", async () => {
    const m = media();
    await m.offer(1, false);
    await m.commit([]);
    await m.release();
    discreet = true;
    pc().find("candidate:1 1 udp 5 192.0.2.1 9 typ host");
    pc().find(
      "candidate:2 1 udp 3 203.0.113.9 49152 typ relay raddr 192.0.2.1 rport 9 generation 0",
    );
    await vi.advanceTimersByTimeAsync(50);
    expect(sent).toEqual([
      "1 candidate:2 1 udp 3 203.0.113.9 49152 typ relay raddr 0.0.0.0 rport 0 generation 0",
    ]);
    discreet = false;
    m.resend();
    expect(sent[1]).toBe("1 candidate:1 1 udp 5 192.0.2.1 9 typ host");
  });
  it("of the other side are kept once, and no more than one side may send", async () => {
    const m = media();
    await m.answer(1, false, "v=0 offer", []);
    await m.addRemote(1, [
      { candidate: "a", sdpMid: "0" },
      { candidate: "a", sdpMid: "0" },
    ]);
    await m.addRemote(1, [
      { candidate: "a", sdpMid: "0" },
      { candidate: "a", sdpMid: "1" },
    ]);
    expect(m.held).toBe(2);
    await m.addRemote(
      1,
      Array.from({ length: 100 }, (_, i) => ({ candidate: String(i) })),
    );
    expect(m.held).toBe(64);
    await m.addRemote(9, [{ candidate: "of nothing that is near" }]);
    expect(m.held).toBe(64);
    // Also once they are used, and what was used is not used again.
    await m.release();
    await m.addRemote(
      1,
      Array.from({ length: 300 }, (_, i) => ({ candidate: String(i) })),
    );
    expect(pc().log.filter((l) => l.startsWith("addIceCandidate")).length).toBe(64);
  });
  it("go with the acceptance, once", async () => {
    const m = media();
    await m.answer(1, false, "v=0 offer", []);
    pc().find("mine");
    expect(m.takeGathered()).toEqual([{ candidate: "mine", sdpMid: "0" }]);
    await m.release();
    pc().find("later");
    await vi.advanceTimersByTimeAsync(50);
    expect(sent).toEqual(["1 later"]);
  });
});

it("reads what media flows by from the statistics", () => {
  const path = (local: object, remote: object): string | null =>
    readPath(
      new Map<string, object>([
        ["t", { type: "transport", selectedCandidatePairId: "p" }],
        ["p", { type: "candidate-pair", localCandidateId: "l", remoteCandidateId: "r" }],
        ["l", local],
        ["r", remote],
      ]) as unknown as RTCStatsReport,
    );
  const host = { candidateType: "host" };
  expect(path(host, host)).toBe("host");
  expect(path(host, { candidateType: "prflx" })).toBe("reflexive");
  expect(path({ candidateType: "relay", relayProtocol: "tls" }, host)).toBe("relay-tls");
  expect(path({ candidateType: "relay" }, host)).toBe("relay-udp");
  expect(path({ candidateType: "srflx" }, { candidateType: "relay" })).toBe("relay-peer");
  expect(readPath(new Map() as unknown as RTCStatsReport)).toBeNull();
});
