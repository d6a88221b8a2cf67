import { describe, expect, it } from "vitest";
import { Adaptation } from "../../src/media/adaptation";
import { grade, meanOpinionScore, QualityMeter } from "../../src/media/quality";
import type { CallFacts } from "../../src/media/warnings";

const facts = (sends: boolean): CallFacts => ({
  remote: { audio: sends, audioMuted: false, video: false, videoMuted: false, screen: false },
  microphone: true,
  soundBitrate: 32_000,
  relayed: false,
});

describe("a grade", () => {
  const good = { loss: 0, jitter: 0, roundTrip: 0 };
  it.each([
    [{}, 1],
    [{ loss: 0.01 }, 2],
    [{ loss: 0.029 }, 2],
    [{ loss: 0.03 }, 3],
    [{ loss: 0.08 }, 4],
    [{ loss: 0.2 }, 5],
    [{ jitter: 0.02 }, 2],
    [{ jitter: 0.04 }, 3],
    [{ jitter: 0.08 }, 4],
    [{ jitter: 0.15 }, 5],
    [{ roundTrip: 0.15 }, 2],
    [{ roundTrip: 0.3 }, 3],
    [{ roundTrip: 0.6 }, 4],
    [{ roundTrip: 1.2 }, 5],
  ])("of %o is %i", (fate, want) => {
    expect(grade({ ...good, ...fate })).toBe(want);
  });
  it("is the worst of all", () => {
    expect(grade({ loss: 0.02, jitter: 0.1, roundTrip: 0.2 })).toBe(4);
  });
});

function stats(entries: object[]): RTCStatsReport {
  return new Map(entries.map((e, i) => [String(i), e])) as unknown as RTCStatsReport;
}

describe("the meter", () => {
  it("goes by what came since the last look, and by what the other side says", () => {
    const meter = new QualityMeter();
    const look = (received: number, lost: number, far: object[] = []): object =>
      meter.judge(
        stats([
          { type: "inbound-rtp", kind: "audio", packetsReceived: received, packetsLost: lost },
          {
            type: "candidate-pair",
            nominated: true,
            state: "succeeded",
            currentRoundTripTime: 0.02,
          },
          ...far,
        ]),
        facts(true),
      );
    expect(look(0, 0)).toEqual({ uplink: 0, downlink: 0 });
    expect(look(100, 0)).toEqual({ uplink: 0, downlink: 1 });
    expect(look(190, 10)).toEqual({ uplink: 0, downlink: 4 });
    expect(look(290, 10)).toEqual({ uplink: 0, downlink: 1 });
    const far = { type: "remote-inbound-rtp", kind: "audio", fractionLost: 0.05, jitter: 0.01 };
    expect(look(390, 10, [far])).toEqual({ uplink: 3, downlink: 1 });
    expect(look(490, 10, [{ ...far, roundTripTime: 0.7 }])).toEqual({ uplink: 4, downlink: 1 });
    // A late packet takes its loss back, which is no loss of now.
    expect(look(590, 9)).toEqual({ uplink: 0, downlink: 1 });
    expect(look(590, 9)).toEqual({ uplink: 0, downlink: 5 });
  });
  it("grades what comes by the round trip of the pair in use as well", () => {
    const meter = new QualityMeter();
    const pair = { type: "candidate-pair", nominated: true, state: "succeeded" };
    const media = { type: "inbound-rtp", kind: "audio", packetsReceived: 10 };
    const look = stats([{ ...pair, currentRoundTripTime: 0.4 }, media]);
    expect(meter.judge(look, facts(true)).downlink).toBe(3);
  });
  it("passes over a pair that was in use before, which keeps the round trip that it had", () => {
    const pair = { type: "candidate-pair", nominated: true, state: "succeeded" };
    const pairs = [
      { ...pair, id: "old", currentRoundTripTime: 0.4 },
      { ...pair, id: "now", currentRoundTripTime: 0.02 },
    ];
    const media = { type: "inbound-rtp", kind: "audio", packetsReceived: 10 };
    const chromium = [{ type: "transport", selectedCandidatePairId: "now" }, ...pairs, media];
    expect(new QualityMeter().judge(stats(chromium), facts(true)).downlink).toBe(1);
    const firefox = [...pairs.map((p) => ({ ...p, selected: p.id === "now" })), media];
    expect(new QualityMeter().judge(stats(firefox), facts(true)).downlink).toBe(1);
  });
  it("begins anew with a new connection", () => {
    const meter = new QualityMeter();
    const look = (packetsReceived: number): number =>
      meter.judge(stats([{ type: "inbound-rtp", kind: "audio", packetsReceived }]), facts(true))
        .downlink;
    look(0);
    expect(look(500)).toBe(1);
    expect(look(0)).toBe(0);
    expect(look(80)).toBe(1);
  });
  it("does not blame a long way on what is sent", () => {
    const meter = new QualityMeter();
    const look = (roundTripTime: number): number =>
      meter.judge(
        stats([{ type: "remote-inbound-rtp", kind: "audio", fractionLost: 0, roundTripTime }]),
        facts(true),
      ).uplink;
    expect(look(0.65)).toBe(4);
    expect(meter.strain).toBe(1);
    expect(look(1.4)).toBe(5);
    expect(meter.strain).toBe(4);
  });
  it("knows nothing where nothing is sent, and does not count a picture's bursts", () => {
    const meter = new QualityMeter();
    const video = { type: "inbound-rtp", kind: "video", packetsLost: 0, jitter: 0.3 };
    meter.judge(stats([{ ...video, packetsReceived: 10 }]), facts(true));
    expect(meter.judge(stats([{ ...video, packetsReceived: 20 }]), facts(true)).downlink).toBe(1);
    expect(meter.judge(stats([{ ...video, packetsReceived: 20 }]), facts(false)).downlink).toBe(0);
  });
});

describe("a mean opinion score", () => {
  it.each([
    [0, 0, 4.41],
    [100, 0, 4.41],
    [250, 0, 4.18],
    [400, 0, 3.56],
    [100, 0.05, 3.92],
    [100, 0.2, 2.63],
    [1_000, 0, 2.54],
    [1_000, 0.5, 1],
    [60_000, 1, 1],
  ])("of %i ms one way and a loss of %d is %d", (delayMs, loss, want) => {
    expect(meanOpinionScore(delayMs, loss)).toBeCloseTo(want, 2);
  });
  it("never rises with more loss, nor with more delay", () => {
    for (let loss = 0; loss < 1; loss += 0.01)
      expect(meanOpinionScore(50, loss + 0.01)).toBeLessThanOrEqual(meanOpinionScore(50, loss));
    for (let ms = 0; ms < 2_000; ms += 10)
      expect(meanOpinionScore(ms + 10, 0)).toBeLessThanOrEqual(meanOpinionScore(ms, 0));
  });
});

describe("the picture", () => {
  const looks = (a: Adaptation, ...uplinks: (0 | 1 | 2 | 3 | 4 | 5)[]): number => {
    for (const u of uplinks) a.look(u);
    return a.share.bits;
  };
  it("gives way at once, and further where that is not enough", () => {
    const a = new Adaptation();
    expect(looks(a, 1, 1, 3, 0)).toBe(1);
    expect(looks(a, 4)).toBe(1 / 2);
    expect(looks(a, 5)).toBe(1 / 8);
    expect(looks(a, 5, 5, 4)).toBe(1 / 16);
  });
  it("comes back in steps, after three good looks each", () => {
    const a = new Adaptation();
    looks(a, 5);
    expect(looks(a, 1, 2)).toBe(1 / 4);
    expect(looks(a, 1)).toBe(1 / 2);
    expect(looks(a, 1, 1, 3)).toBe(1 / 2);
    expect(looks(a, 1, 1)).toBe(1 / 2);
    expect(looks(a, 1)).toBe(1);
  });
  it("tries less and less often where each try fails", () => {
    const a = new Adaptation();
    looks(a, 4);
    expect(looks(a, 1, 1, 1)).toBe(1);
    expect(looks(a, 4)).toBe(1 / 2);
    expect(looks(a, 1, 1, 1, 1, 1)).toBe(1 / 2);
    expect(looks(a, 1)).toBe(1);
    expect(looks(a, 4, 1, 1, 1, 1, 1, 1)).toBe(1 / 2);
    // Once it has held for a while that is forgotten.
    expect(looks(a, 1, 1, 1, 1, 1, 1)).toBe(1);
    expect(looks(a, 1, 1, 1, 1, 4)).toBe(1 / 2);
    expect(looks(a, 1, 1, 1)).toBe(1);
  });
});
