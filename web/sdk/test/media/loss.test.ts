import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Flow, flowOf, Watch } from "../../src/media/loss";

let told: string[];
let shown: boolean[];
let count: number;
let expected: boolean;
let connected: boolean;
let rings: boolean;
let held: boolean;
/** A connection that closes gives no statistics, and does not say so. */
let closing: boolean;
let watch: Watch;

/** Lets time go by with so many packets each 50 ms. */
async function pass(ms: number, packets: number): Promise<void> {
  for (let t = 0; t < ms; t += 50) {
    count += packets;
    await vi.advanceTimersByTimeAsync(50);
  }
}

beforeEach(() => {
  vi.useFakeTimers();
  told = [];
  shown = [];
  count = 0;
  expected = true;
  connected = true;
  rings = false;
  held = false;
  closing = false;
  watch = new Watch(
    () => ({ expected, ringing: rings, connected }),
    () => (closing ? new Promise(() => {}) : Promise.resolve({ packets: count, held })),
    (found) => {
      switch (found.kind) {
        case "up":
          told.push(`up ${found.up}`);
          break;
        case "flows":
          shown.push(found.flows);
          break;
        case "suspect":
          told.push("suspect");
          break;
        case "stuck":
          told.push(found.rebuild ? "rebuild" : "stuck");
      }
    },
  );
  watch.begin(false, false);
  watch.open();
});
afterEach(() => {
  watch.stop();
  vi.useRealTimers();
});

describe("a connection to the server that was lost and made again", () => {
  it("while media came is no matter", async () => {
    await pass(3_000, 3);
    watch.reconnected();
    await pass(3_000, 3);
    expect(told).toEqual([]);
  });
  it("while nothing came means another network: connections anew", async () => {
    await pass(3_000, 3);
    await pass(600, 0);
    watch.reconnected();
    await pass(100, 0);
    expect(told).toEqual(["suspect", "rebuild"]);
    await pass(3_000, 0);
    expect(told).toEqual(["suspect", "rebuild"]);
    watch.begin(true, true);
    await pass(1_000, 3);
    expect(told).toEqual(["suspect", "rebuild", "up true"]);
  });
  it("after a restart was asked for, or began, means the same", async () => {
    await pass(3_000, 3);
    await pass(1_200, 0);
    watch.reconnected();
    watch.begin(true, false);
    await pass(150, 0);
    expect(told).toEqual(["suspect", "stuck", "rebuild"]);
  });
  it("is on the same network where media come again at once", async () => {
    for (const silence of [600, 1_200, 2_900]) {
      told.length = 0;
      await pass(3_000, 3);
      await pass(silence, 0);
      connected = silence < 2_500; // The browser's word comes late.
      watch.reconnected();
      await pass(3_000, 3);
      connected = true;
      expect(told).not.toContain("rebuild");
    }
  });
  it("is no matter where new connections are being made", async () => {
    await pass(3_000, 3);
    await pass(1_200, 0);
    watch.reconnected();
    watch.begin(true, true);
    await pass(150, 0);
    expect(told).toEqual(["suspect", "stuck"]);
  });
  it("is no matter where nothing is sent any more", async () => {
    await pass(3_000, 3);
    await pass(600, 0);
    expected = false;
    await pass(10_000, 0);
    watch.reconnected();
    await pass(3_000, 0);
    expect(told).toEqual(["suspect"]);
  });
  it("in the middle of a look leaves one look at a time", async () => {
    let looks = 0;
    let slow = false;
    watch.stop();
    watch = new Watch(
      () => ({ expected: true, ringing: false, connected: true }),
      async () => {
        looks++;
        if (slow) await new Promise<void>((resolve) => setTimeout(resolve, 50));
        return { packets: count, held };
      },
      () => {},
    );
    watch.begin(false, false);
    await pass(3_000, 3);
    await pass(900, 0);
    slow = true;
    for (let i = 0; i < 10; i++) {
      await vi.advanceTimersByTimeAsync(110); // A look is under way, or near.
      watch.reconnected();
    }
    slow = false;
    await pass(1_000, 3);
    looks = 0;
    await pass(2_000, 3);
    expect(looks).toBeLessThanOrEqual(11);
  });
  it("after the gap is over is no matter", async () => {
    await pass(3_000, 3);
    await pass(600, 0);
    await pass(400, 3);
    watch.reconnected();
    await pass(400, 3);
    expect(told).toEqual(["suspect"]);
  });
});

describe("a first connection", () => {
  const first = () => {
    watch.stop();
    connected = false;
    watch.begin(false, true);
  };
  it("that is not there in time asks for a restart, then for a new one", async () => {
    first();
    watch.open();
    watch.open(); // More candidates came.
    await pass(4_900, 0);
    expect(told).toEqual([]);
    await pass(5_100, 0);
    expect(told).toEqual(["stuck", "rebuild"]);
  });
  it("that is there in time asks for nothing", async () => {
    first();
    watch.open();
    await pass(4_900, 0);
    connected = true;
    watch.changed("connected");
    await pass(6_000, 3);
    expect(told).toEqual(["up true"]);
  });
  it("is not missed while it rings, of whatever generation", async () => {
    first();
    rings = true;
    watch.begin(true, true);
    await pass(11_000, 0);
    expect(told).toEqual([]);
    rings = false;
    watch.open();
    await pass(5_000, 0);
    expect(told).toEqual(["stuck"]);
  });
  it("that is not there when the server is found again is started again", async () => {
    first();
    watch.open();
    watch.reconnected();
    await pass(150, 0);
    expect(told).toEqual(["stuck"]);
  });
  it("is started again at the acceptance where another network was found before", async () => {
    first();
    await pass(3_000, 0);
    watch.reconnected();
    await pass(3_000, 0);
    expect(told).toEqual([]);
    watch.open();
    await pass(300, 0);
    expect(told).toEqual(["stuck"]);
  });
  it("that was begun on that other network is given its time", async () => {
    first();
    watch.reconnected();
    watch.begin(false, true);
    watch.open();
    await pass(4_900, 0);
    expect(told).toEqual([]);
  });
});

describe("silence", () => {
  it("is suspected within a second, and then asks for a restart, once", async () => {
    await pass(3_000, 3);
    await pass(600, 0);
    expect(told).toEqual(["suspect"]);
    await pass(400, 0);
    expect(told).toEqual(["suspect", "stuck"]);
    await pass(4_500, 0);
    expect(told).toEqual(["suspect", "stuck"]);
  });
  it("asks again where nobody may have heard it", async () => {
    await pass(3_000, 3);
    await pass(11_500, 0);
    // The other side may believe that all is well: then a restart is not enough.
    expect(told).toEqual(["suspect", "stuck", "rebuild", "rebuild"]);
  });
  it("of a moment asks for nothing", async () => {
    for (let i = 0; i < 5; i++) {
      await pass(2_000, 3);
      await pass(350, 0);
    }
    expect(told).toEqual([]);
    await pass(2_000, 3);
    await pass(700, 0);
    await pass(2_000, 3);
    expect(told).toEqual(["suspect"]);
  });
  it("that ends before there is a restart asks no more", async () => {
    await pass(3_000, 3);
    await pass(1_500, 0);
    await pass(10_000, 3);
    expect(told).toEqual(["suspect", "stuck"]);
  });
  it("of one who sends nothing means nothing", async () => {
    await pass(3_000, 3);
    expected = false;
    await pass(20_000, 0);
    expect(told).toEqual([]);
  });
  it("after no stream means nothing", async () => {
    await pass(10_000, 0);
    await pass(500, 1);
    await pass(10_000, 0);
    expect(told).toEqual([]);
  });
  it("is no one's where the page stood still", async () => {
    await pass(3_000, 3);
    vi.setSystemTime(Date.now() + 30_000); // Its timers did not run.
    await pass(3_000, 3);
    expect(told).toEqual([]);
  });
});

describe("a restart", () => {
  it("that is under way is not asked for again", async () => {
    await pass(3_000, 3);
    await pass(1_250, 0);
    watch.begin(true, false);
    watch.changed("disconnected");
    await pass(9_900, 0);
    expect(told).toEqual(["suspect", "stuck", "up false"]);
  });
  it("that leads nowhere is followed by another", async () => {
    connected = false;
    watch.begin(true, false);
    await pass(10_000, 0);
    expect(told).toEqual(["rebuild"]);
    await pass(5_000, 0);
    expect(told).toEqual(["rebuild", "rebuild"]);
  });
  it("that fails is followed by another at once", () => {
    watch.begin(true, false);
    watch.changed("failed");
    expect(told).toEqual(["up false", "rebuild"]);
  });
  it("whose path works but is not taken is followed by new connections, once", async () => {
    await pass(3_000, 3);
    await pass(1_250, 0);
    watch.begin(true, false);
    await pass(500, 0);
    held = true;
    await pass(200, 0);
    expect(told).toEqual(["suspect", "stuck"]);
    await pass(800, 0);
    expect(told).toEqual(["suspect", "stuck", "rebuild"]);
    watch.begin(true, false);
    held = false;
    count = 0; // Of the new connection.
    await pass(500, 0);
    await pass(500, 3);
    expect(told).toEqual(["suspect", "stuck", "rebuild", "up true"]);
  });
  it("is not judged by what was asked before it", async () => {
    let answer: ((flow: Flow) => void) | undefined;
    const slow = new Watch(
      () => ({ expected: true, ringing: false, connected: true }),
      () => new Promise((resolve) => (answer = resolve)),
      (found) => {
        if (found.kind === "stuck") told.push(found.rebuild ? "rebuild" : "stuck");
      },
    );
    slow.begin(true, false);
    await pass(150, 0);
    answer?.({ packets: 9, held: false });
    slow.begin(true, false);
    await pass(150, 0);
    slow.begin(true, false); // On new connections, while the old one is asked still.
    await pass(1_000, 0);
    answer?.({ packets: 9, held: true });
    await pass(1_000, 0);
    expect(told).toEqual([]);
    slow.stop();
  });
  it("whose path is not taken because the old one came back is over", async () => {
    held = true;
    await pass(3_000, 3);
    await pass(1_250, 0);
    watch.begin(true, false);
    await pass(3_000, 3);
    expect(told).toEqual(["suspect", "stuck", "up true"]);
  });
  it("is over when something comes, also without a change of state", async () => {
    await pass(3_000, 3);
    await pass(1_250, 0);
    watch.begin(true, false);
    await pass(500, 0);
    await pass(300, 3);
    expect(told).toEqual(["suspect", "stuck", "up true"]);
    await pass(20_000, 3);
    expect(told).toEqual(["suspect", "stuck", "up true"]);
  });
  it("is over where nothing is sent, if the connection is there", async () => {
    expected = false;
    watch.begin(true, false);
    await pass(10_000, 0);
    expect(told).toEqual(["up true"]);
  });
  it("whose path is not taken is no matter where nothing is sent", async () => {
    expected = false;
    held = true;
    watch.begin(true, false);
    await pass(9_500, 0);
    expect(told).toEqual([]);
    await pass(500, 0);
    expect(told).toEqual(["up true"]);
  });
  it("may be needed again, for a new silence", async () => {
    for (let i = 0; i < 2; i++) {
      await pass(3_000, 3);
      await pass(1_250, 0);
      watch.begin(true, false);
    }
    expect(told).toEqual(["suspect", "stuck", "up true", "suspect", "stuck"]);
  });
});

describe("the state of the connection", () => {
  it("that is disconnected asks at once, until it is back", async () => {
    watch.changed("connected");
    watch.changed("disconnected");
    expect(told).toEqual(["up true", "up false", "stuck"]);
    await pass(4_000, 0);
    watch.changed("connected");
    await pass(20_000, 0);
    expect(told).toEqual(["up true", "up false", "stuck", "up true"]);
  });
  it("and what comes are shown by turns, as soon as either is known", async () => {
    watch.changed("connected");
    await pass(3_000, 3);
    await pass(1_250, 0);
    expect(shown).toEqual([true, false]);
    expect(told).toEqual(["up true", "suspect", "stuck"]);
    watch.changed("disconnected");
    watch.changed("failed");
    watch.begin(true, false);
    expect(shown).toEqual([true, false]);
    await pass(500, 3);
    watch.changed("connected");
    expect(shown).toEqual([true, false, true]);
    await pass(3_000, 3);
    await pass(1_250, 0);
    await pass(500, 3); // The old path.
    expect(shown).toEqual([true, false, true, false, true]);
    watch.begin(true, true); // The other side's, which misses what comes here.
    await pass(500, 3);
    expect(shown).toEqual([true, false, true, false, true]);
  });
  it("is asked about no more once stopped", async () => {
    await pass(3_000, 3);
    watch.stop();
    await pass(20_000, 0);
    expect(told).toEqual([]);
  });
});

describe("the statistics", () => {
  const pair = (id: string, localCandidateId: string, state = "succeeded") => ({
    id,
    type: "candidate-pair",
    localCandidateId,
    state,
  });
  const of = (...stats: { id: string; [field: string]: unknown }[]) =>
    flowOf({
      getStats: async () =>
        new Map(
          [
            { id: "l1", type: "local-candidate", usernameFragment: "old1" },
            { id: "l2", type: "local-candidate", usernameFragment: "new2" },
            ...stats,
          ].map((s) => [s.id, s]),
        ),
      localDescription: { sdp: "v=0\r\na=ice-ufrag:new2\r\n" },
    } as unknown as RTCPeerConnection);

  it("count what came of sound and picture", async () => {
    const flow = await of(
      { id: "a", type: "inbound-rtp", packetsReceived: 3 },
      { id: "b", type: "inbound-rtp", packetsReceived: 4 },
      { id: "c", type: "inbound-rtp" },
      { id: "d", type: "remote-inbound-rtp", packetsReceived: 9 },
    );
    expect(flow).toEqual({ packets: 7, held: false });
    expect(await flowOf(null)).toEqual({ packets: 0, held: false });
  });
  it("tell of a path that is held on to", async () => {
    const by = (id: string) => ({ id: "t", type: "transport", selectedCandidatePairId: id });
    const old = pair("p1", "l1");
    expect((await of(by("p1"), old, pair("p2", "l2"))).held).toBe(true);
    expect((await of(by("p1"), old, pair("p2", "l2", "in-progress"))).held).toBe(false);
    expect((await of(by("p2"), old, pair("p2", "l2"))).held).toBe(false);
    expect((await of(by("p1"), old)).held).toBe(false);
    expect((await of(old, pair("p2", "l2"))).held).toBe(false); // A browser that does not say.
  });
});

describe("a connection that was lost before it was accepted", () => {
  it("is asked for once, and left alone when it has come", async () => {
    watch.stop();
    connected = false;
    watch.begin(false, false);
    watch.changed("failed");
    watch.open();
    await pass(1_000, 0);
    watch.begin(true, false);
    connected = true;
    watch.changed("connected");
    await pass(10_000, 3);
    expect(told).toEqual(["up false", "stuck", "up true"]);
  });
  it("is nothing any more once the call is over", async () => {
    watch.stop();
    connected = false;
    watch.begin(false, false);
    watch.changed("failed");
    watch.open();
    watch.stop();
    await pass(20_000, 0);
    expect(told).toEqual(["up false", "stuck"]);
  });
});

it("is watched again where the connection before closed while it was looked at", async () => {
  await pass(3_000, 3);
  closing = true;
  await pass(1_000, 3);
  closing = false;
  watch.begin(true, true);
  watch.changed("connected");
  await pass(3_000, 3);
  told = [];
  await pass(10_000, 0);
  expect(told).toContain("stuck");
});
