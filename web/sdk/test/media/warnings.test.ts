import { describe, expect, it } from "vitest";
import type { CallQuality, QualityWarning } from "../../src/api/types";
import { QualityMeter } from "../../src/media/quality";
import type { CallFacts } from "../../src/media/warnings";

type Entry = { readonly id: string; readonly [field: string]: unknown };
type Browser = "Chromium" | "Firefox";

/** A call whose statistics have the shape of a browser's, and grow by 2 s with each look. */
class FakeCall {
  readonly meter = new QualityMeter();
  /** What grows in each look; a test changes it. */
  readonly each = {
    soundSent: 100,
    soundSentBytes: 8_000,
    pictureSent: 200,
    soundReceived: 100,
    soundLost: 0,
    soundLate: 0,
    pictureReceived: 200,
    energy: 0.02,
    answers: 1,
    waited: 19.2,
  };
  /** What holds at the next look. */
  now = {
    limited: "none",
    available: 1_000_000,
    roundTrip: 0.04,
    loss: 0,
    /** Whether the other side's reports come: on what it receives, and on what it sends. */
    receiverReports: true,
    senderReports: true,
    /** Whether the reports tell the round trip, and the checks do. */
    measured: true,
    checked: true,
  };
  facts: CallFacts = {
    remote: { audio: true, audioMuted: false, video: true, videoMuted: false, screen: false },
    microphone: true,
    soundBitrate: 32_000,
    relayed: false,
  };
  /** Each warning that has begun (+) or ended (-), with the number of the look. */
  readonly log: string[] = [];
  readonly #browser: Browser;
  #at = 1_796_039_200_000;
  #look = 0;
  #sum = { ...this.each };
  #reported = { receiver: 0, sender: 0 };

  constructor(browser: Browser) {
    this.#browser = browser;
    for (const key of keys(this.each)) this.#sum[key] = 0;
    this.looks(1);
  }

  /** Another connection takes the place of this one: its counters begin at 0. */
  replace(): void {
    for (const key of keys(this.each)) this.#sum[key] = 0;
  }

  looks(n: number): CallQuality | null {
    for (let i = 0; i < n; i++) {
      this.#at += 2_000;
      for (const key of keys(this.each)) this.#sum[key] += this.each[key];
      if (this.now.receiverReports) this.#reported.receiver = this.#at - 300;
      if (this.now.senderReports) this.#reported.sender = this.#at - 200;
      const stats = new Map(this.#entries().map((e) => [e.id, e]));
      this.meter.judge(stats as unknown as RTCStatsReport, this.facts);
      for (const w of this.meter.changed ?? [])
        this.log.push(`${this.meter.quality?.warnings.includes(w) ? "+" : "-"}${w} ${this.#look}`);
      this.#look++;
    }
    return this.meter.quality;
  }

  #entries(): Entry[] {
    const sum = this.#sum;
    const chromium = this.#browser === "Chromium";
    const timestamp = this.#at;
    const energy = { totalAudioEnergy: sum.energy, totalSamplesDuration: this.#look * 2 + 2 };
    const reason = { qualityLimitationReason: this.now.limited };
    return [
      { id: "T", type: "transport", selectedCandidatePairId: chromium ? "CP" : "other" },
      {
        id: "CP",
        type: "candidate-pair",
        timestamp,
        nominated: true,
        state: "succeeded",
        ...(this.now.checked ? { currentRoundTripTime: this.now.roundTrip } : {}),
        responsesReceived: sum.answers,
        ...(chromium ? { availableOutgoingBitrate: this.now.available } : { selected: true }),
      },
      {
        id: "spare",
        type: "candidate-pair",
        nominated: false,
        state: "succeeded",
        currentRoundTripTime: 0.9,
      },
      { id: "S", type: "media-source", kind: "audio", timestamp, ...(chromium ? energy : {}) },
      {
        id: "OA",
        type: "outbound-rtp",
        kind: "audio",
        timestamp,
        packetsSent: sum.soundSent,
        bytesSent: sum.soundSentBytes,
        headerBytesSent: sum.soundSent * 24,
      },
      {
        id: "OV",
        type: "outbound-rtp",
        kind: "video",
        timestamp,
        packetsSent: sum.pictureSent,
        bytesSent: sum.pictureSent * 1_000,
        headerBytesSent: sum.pictureSent * 32,
        ...(chromium ? reason : {}),
      },
      {
        id: "IA",
        type: "inbound-rtp",
        kind: "audio",
        timestamp,
        packetsReceived: sum.soundReceived,
        packetsLost: sum.soundLost,
        packetsDiscarded: sum.soundLate,
        bytesReceived: sum.soundReceived * 80,
        headerBytesReceived: sum.soundReceived * 24,
        jitter: 0.005,
        jitterBufferDelay: sum.waited * 1_000,
        jitterBufferEmittedCount: (this.#look + 1) * 96_000,
      },
      {
        id: "IV",
        type: "inbound-rtp",
        kind: "video",
        timestamp,
        packetsReceived: sum.pictureReceived,
        packetsLost: 0,
        bytesReceived: sum.pictureReceived * 1_000,
        headerBytesReceived: sum.pictureReceived * 32,
        jitter: 0.03,
      },
      {
        id: "RI",
        type: "remote-inbound-rtp",
        kind: "audio",
        timestamp: this.#reported.receiver,
        fractionLost: this.now.loss,
        jitter: 0.0036,
        ...(this.now.measured ? { roundTripTime: 0.1 } : {}),
      },
      { id: "RO", type: "remote-outbound-rtp", kind: "audio", timestamp: this.#reported.sender },
    ];
  }
}

function keys<T extends object>(o: T): (keyof T)[] {
  return Object.keys(o) as (keyof T)[];
}

const browsers: Browser[] = ["Chromium", "Firefox"];

describe.each(browsers)("quality in %s", (browser) => {
  it("has each number in its unit", () => {
    const quality = new FakeCall(browser).looks(1);
    expect(quality).toEqual({
      roundTripMs: 100,
      sent: { lossRate: 0, jitterMs: 4, bitrate: (8_000 + 2_400 + 206_400) * 4 },
      received: { lossRate: 0, jitterMs: 5, bitrate: (8_000 + 2_400 + 206_400) * 4 },
      // 50 ms to the other side and 200 ms in the jitter buffer.
      mos: 4.18,
      warnings: [],
    });
  });
  it("counts the loss of the last two seconds, and of sound alone for the score", () => {
    const call = new FakeCall(browser);
    call.each.soundReceived = 75;
    call.each.soundLost = 25;
    const lossy = call.looks(3);
    expect(lossy?.received.lossRate).toBeCloseTo(25 / 300);
    expect(lossy?.mos).toBeLessThan(2.5);
    call.each.soundReceived = 75;
    call.each.soundLost = 0;
    call.each.soundLate = 25;
    expect(call.looks(1)).toMatchObject({ received: { lossRate: 0 }, mos: lossy?.mos });
    call.each.soundReceived = 100;
    call.each.soundLate = 0;
    call.each.soundLost = -1;
    expect(call.looks(1)).toMatchObject({ received: { lossRate: 0 }, mos: 4.18 });
  });
  it("has the round trip of checks until there is a report", () => {
    const call = new FakeCall(browser);
    call.now.measured = false;
    expect(call.looks(1)?.roundTripMs).toBe(40);
    call.now.checked = false;
    expect(call.looks(1)?.roundTripMs).toBeNull();
  });
  it("has no score where no sound comes", () => {
    const call = new FakeCall(browser);
    call.each.soundReceived = 0;
    expect(call.looks(1)?.mos).toBeNull();
  });
  it("says nothing of the first look at another connection", () => {
    const call = new FakeCall(browser);
    const quality = call.looks(2);
    call.replace();
    call.looks(1);
    expect(call.meter.changed).toBeNull();
    expect(call.meter.quality).toBe(quality);
    expect(call.looks(1)).toEqual(quality);
  });
});

describe.each(browsers)("a warning in %s", (browser) => {
  const begun = (change: (call: FakeCall) => void, looks = 5): string[] => {
    const call = new FakeCall(browser);
    call.looks(2);
    change(call);
    call.looks(looks);
    return call.log;
  };

  it("begins with the second look in a row, and ends with the second without its cause", () => {
    const call = new FakeCall(browser);
    const turn = (relayed: boolean): readonly QualityWarning[] | undefined => {
      call.facts = { ...call.facts, relayed };
      return call.looks(1)?.warnings;
    };
    expect(turn(true)).toEqual([]);
    expect(turn(false)).toEqual([]);
    expect(turn(true)).toEqual([]);
    expect(turn(true)).toEqual(["relay"]);
    expect(turn(false)).toEqual(["relay"]);
    expect(turn(true)).toEqual(["relay"]);
    expect(turn(false)).toEqual(["relay"]);
    expect(turn(false)).toEqual([]);
    expect(call.log).toEqual(["+relay 4", "-relay 8"]);
  });
  it("of a silent microphone begins after 6 s, and ends with sound", () => {
    const call = new FakeCall(browser);
    call.each.energy = 0;
    call.each.soundSentBytes = 300;
    call.looks(2);
    expect(call.log).toEqual([]);
    call.looks(1);
    expect(call.log).toEqual(["+microphone_silent 3"]);
    // The faintest noise, of 3 steps of 16 bits, as measured in Firefox.
    call.each.energy = 0.0000001;
    call.each.soundSentBytes = 4_546;
    call.looks(2);
    expect(call.log).toEqual(["+microphone_silent 3", "-microphone_silent 5"]);
  });
  it.each([
    [32_000, 300, true],
    [32_000, 3_500, true],
    [20_000, 2_000, true],
    [128_000, 300, true],
    [20_000, 2_052, false],
    [32_000, 4_546, false],
    [32_000, 8_100, false],
    [128_000, 32_100, false],
  ])(
    "of a silent microphone takes %i bit/s and %i bytes in 2 s for silence: %s",
    (soundBitrate, bytes, silent) => {
      const log = begun((call) => {
        call.facts = { ...call.facts, soundBitrate };
        call.each.soundSentBytes = bytes;
      });
      expect(log).toEqual(silent && browser === "Firefox" ? ["+microphone_silent 5"] : []);
    },
  );
  it("of a silent microphone goes by the level where the browser tells it", () => {
    const quiet = begun((call) => {
      call.each.energy = 0;
    });
    expect(quiet).toEqual(browser === "Firefox" ? [] : ["+microphone_silent 5"]);
  });
  it("of a silent microphone needs one that is on", () => {
    const silent = (microphone: boolean) => (call: FakeCall) => {
      call.facts = { ...call.facts, microphone };
      Object.assign(call.each, { energy: 0, soundSent: 0, soundSentBytes: 0 });
    };
    expect(begun(silent(false))).toEqual([]);
    expect(begun(silent(true))).toEqual(["+microphone_silent 5"]);
  });
  it("of one-way media begins where nothing comes although the connection works", () => {
    const nothing = (call: FakeCall) => {
      Object.assign(call.each, { soundReceived: 0, pictureReceived: 0 });
    };
    expect(begun(nothing)).toEqual(["+one_way_media 4"]);
    // The sound alone is enough.
    expect(
      begun((call) => {
        call.each.soundReceived = 0;
      }),
    ).toEqual(["+one_way_media 4"]);
    expect(
      begun((call) => {
        call.each.pictureReceived = 0;
      }),
    ).toEqual([]);
    // A connection that is lost is not one-way.
    expect(
      begun((call) => {
        nothing(call);
        call.each.answers = 0;
      }),
    ).toEqual([]);
    // Answers to checks come less often than looks.
    const call = new FakeCall(browser);
    nothing(call);
    call.looks(1);
    call.each.answers = 0;
    call.looks(1);
    expect(call.log).toEqual(["+one_way_media 2"]);
  });
  it("of one-way media expects nothing of a side that sends nothing", () => {
    const call = new FakeCall(browser);
    Object.assign(call.each, { soundReceived: 0, pictureReceived: 0 });
    call.facts = {
      ...call.facts,
      remote: { audio: true, audioMuted: true, video: false, videoMuted: false, screen: false },
    };
    call.looks(5);
    call.facts = {
      ...call.facts,
      remote: { audio: false, audioMuted: false, video: true, videoMuted: true, screen: false },
    };
    call.looks(5);
    expect(call.log).toEqual([]);
    call.facts = {
      ...call.facts,
      remote: { audio: false, audioMuted: false, video: true, videoMuted: false, screen: false },
    };
    call.looks(2);
    expect(call.log).toEqual(["+one_way_media 12"]);
  });
  it("of one-way media begins where the other side reports nothing for long", () => {
    const unheard = (call: FakeCall) => {
      call.now.receiverReports = false;
    };
    expect(begun(unheard, 8)).toEqual([]);
    const call = new FakeCall(browser);
    unheard(call);
    call.looks(11);
    expect(call.log).toEqual(["+one_way_media 11"]);
    call.now.receiverReports = true;
    call.looks(2);
    expect(call.log).toEqual(["+one_way_media 11", "-one_way_media 13"]);
    // Neither side's reports come, or nothing is sent.
    expect(
      begun((c) => {
        unheard(c);
        c.now.senderReports = false;
      }, 20),
    ).toEqual([]);
    expect(
      begun((c) => {
        unheard(c);
        Object.assign(c.each, { soundSent: 0, pictureSent: 0 });
        c.facts = { ...c.facts, microphone: false };
      }, 20),
    ).toEqual([]);
  });
});

describe("low bandwidth", () => {
  it("is what Chromium says of the picture, while one is sent", () => {
    const call = new FakeCall("Chromium");
    call.now.limited = "cpu";
    call.looks(3);
    call.now.limited = "bandwidth";
    call.looks(2);
    expect(call.log).toEqual(["+low_bandwidth 5"]);
    call.each.pictureSent = 0;
    call.looks(2);
    expect(call.log).toEqual(["+low_bandwidth 5", "-low_bandwidth 7"]);
  });
  it("is less room than the sound needs", () => {
    const call = new FakeCall("Chromium");
    call.now.available = 33_000;
    call.looks(3);
    expect(call.log).toEqual([]);
    call.facts = { ...call.facts, soundBitrate: 64_000 };
    call.looks(2);
    expect(call.log).toEqual(["+low_bandwidth 5"]);
  });
  it("is a bad uplink in Firefox, which tells nothing of the kind", () => {
    const look = (browser: Browser): string[] => {
      const call = new FakeCall(browser);
      call.now.loss = 0.1;
      call.looks(4);
      return call.log;
    };
    expect(look("Firefox")).toEqual(["+low_bandwidth 2"]);
    expect(look("Chromium")).toEqual([]);
  });
});
