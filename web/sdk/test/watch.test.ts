import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Flow, flowOf, Watch } from "../src/watch";

let told: string[];
let count: number;
let expected: boolean;
let connected: boolean;
let held: boolean;
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
  count = 0;
  expected = true;
  connected = true;
  held = false;
  watch = new Watch({
    flow: async () => ({ packets: count, held }),
    expected: () => expected,
    connected: () => connected,
    up: (up) => told.push(`up ${up}`),
    suspect: () => told.push("suspect"),
    stuck: (rebuild) => told.push(rebuild ? "rebuild" : "stuck"),
  });
  watch.begin(false);
});
afterEach(() => {
  watch.stop();
  vi.useRealTimers();
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
    expect(told.filter((what) => what === "stuck")).toHaveLength(3);
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
    watch.begin(true);
    watch.changed("disconnected");
    await pass(9_900, 0);
    expect(told).toEqual(["suspect", "stuck", "up false"]);
  });
  it("that leads nowhere is followed by another", async () => {
    connected = false;
    watch.begin(true);
    await pass(10_000, 0);
    expect(told).toEqual(["rebuild"]);
    await pass(5_000, 0);
    expect(told).toEqual(["rebuild", "rebuild"]);
  });
  it("that fails is followed by another at once", () => {
    watch.begin(true);
    watch.changed("failed");
    expect(told).toEqual(["up false", "rebuild"]);
  });
  it("whose path works but is not taken is followed by new connections, once", async () => {
    await pass(3_000, 3);
    await pass(1_250, 0);
    watch.begin(true);
    await pass(500, 0);
    held = true;
    await pass(200, 0);
    expect(told).toEqual(["suspect", "stuck"]);
    await pass(800, 0);
    expect(told).toEqual(["suspect", "stuck", "rebuild"]);
    watch.begin(true);
    held = false;
    count = 0; // Of the new connection.
    await pass(500, 0);
    await pass(500, 3);
    expect(told).toEqual(["suspect", "stuck", "rebuild", "up true"]);
  });
  it("is not judged by what was asked before it", async () => {
    let answer: ((flow: Flow) => void) | undefined;
    const slow = new Watch({
      flow: () => new Promise((resolve) => (answer = resolve)),
      expected: () => true,
      connected: () => true,
      up: () => {},
      suspect: () => {},
      stuck: (rebuild) => told.push(rebuild ? "rebuild" : "stuck"),
    });
    slow.begin(true);
    await pass(150, 0);
    answer?.({ packets: 9, held: false });
    slow.begin(true);
    await pass(150, 0);
    slow.begin(true); // On new connections, while the old one is asked still.
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
    watch.begin(true);
    await pass(3_000, 3);
    expect(told).toEqual(["suspect", "stuck", "up true"]);
  });
  it("is over when something comes, also without a change of state", async () => {
    await pass(3_000, 3);
    await pass(1_250, 0);
    watch.begin(true);
    await pass(500, 0);
    await pass(300, 3);
    expect(told).toEqual(["suspect", "stuck", "up true"]);
    await pass(20_000, 3);
    expect(told).toEqual(["suspect", "stuck", "up true"]);
  });
  it("is over where nothing is sent, if the connection is there", async () => {
    expected = false;
    watch.begin(true);
    await pass(10_000, 0);
    expect(told).toEqual(["up true"]);
  });
  it("may be needed again, for a new silence", async () => {
    for (let i = 0; i < 2; i++) {
      await pass(3_000, 3);
      await pass(1_250, 0);
      watch.begin(true);
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
  const of = (...stats: object[]) =>
    flowOf({
      getStats: async () => [
        { id: "l1", type: "local-candidate", usernameFragment: "old1" },
        { id: "l2", type: "local-candidate", usernameFragment: "new2" },
        ...stats,
      ],
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
