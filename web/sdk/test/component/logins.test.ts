import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { RTCCalling } from "../../src/component/component";
import { type FakeBrowser, fakeBrowser } from "../fakes";
import { FakeWeb } from "./fake-web";

type Step = "login" | "login as another" | "logout" | "destroy";

const steps: Step[] = ["login", "login as another", "logout", "destroy"];
const gaps = [0, 5, 20, 100];
/** Every order of four steps. */
const orders = steps.flatMap((a) =>
  steps.flatMap((b) => steps.flatMap((c) => steps.map((d): Step[] => [a, b, c, d]))),
);

let browser: FakeBrowser;
let web: FakeWeb;

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** A page that takes the singleton for each login, as pages with mounts do. */
class Page {
  readonly events: string[] = [];
  last: string | null = null;
  account = "";

  do(step: Step): void {
    if (step === "login" || step === "login as another") {
      this.account = step === "login" ? "alice" : "carol";
      this.login();
      return;
    }
    const rtc = RTCCalling.getInstance({ debug: false });
    if (step === "logout") void rtc.logout();
    else rtc.destroy();
    this.last = null;
  }

  login(): void {
    const { account } = this;
    const rtc = RTCCalling.getInstance({ debug: false });
    rtc.setupAppKey({ appKey: "k", server: "https://calls.test" });
    rtc.removeAllListeners();
    rtc.on("onInvited", (e) => this.events.push(`${account} onInvited ${e.channelId}`));
    rtc.on("onOtherClientAccept", () => this.events.push(`${account} onOtherClientAccept`));
    this.last = account;
    void rtc.login({ account, token: account, resume: true });
  }
}

const cases = gaps.flatMap((gap) => [1, 15].map((latency) => ({ gap, latency })));

describe.each(cases)(
  "logins $gap ms apart, frames $latency ms on their way",
  ({ gap, latency }) => {
    it("come to the last one, whatever the order", async () => {
      for (const order of orders) {
        browser = fakeBrowser();
        web = new FakeWeb();
        web.latencyMs = latency;
        const page = new Page();
        for (const step of order) {
          page.do(step);
          await vi.advanceTimersByTimeAsync(gap);
        }
        await vi.advanceTimersByTimeAsync(1_000);
        const name = order.join(", ");
        expect(web.open(), name).toEqual(page.last === null ? [] : [page.last]);
        expect(web.held.size, `${name}: locks`).toBe(page.last === null ? 0 : 1);
        expect(new Set(web.sockets.map((s) => s.device).filter(Boolean)).size, name).toBeLessThan(
          2,
        );
        const socket = web.sockets.at(-1);
        if (page.last !== null) {
          const call = { ...web.callOf("bob", page.last), role: "ROLE_CALLEE" as const };
          socket?.give({ call: { call, offer: "v=0 offer" } });
          await vi.advanceTimersByTimeAsync(100);
          expect(page.events, name).toEqual([`${page.last} onInvited c1`]);
        }
        expect(web.reported, name).toEqual([]);
        RTCCalling.getInstance().destroy();
        await vi.advanceTimersByTimeAsync(10_000);
        expect(web.open(), `${name}: at the end`).toEqual([]);
        expect(web.held.size, `${name}: locks at the end`).toBe(0);
        expect(
          browser.opened.filter((t) => !t.stopped),
          name,
        ).toEqual([]);
      }
    });
  },
);

describe("the device id", () => {
  it("survives destroy and login, and a login that failed", async () => {
    browser = fakeBrowser();
    web = new FakeWeb();
    const page = new Page();
    page.do("login");
    await vi.advanceTimersByTimeAsync(100);
    page.do("destroy");
    page.do("login");
    await vi.advanceTimersByTimeAsync(100);
    page.do("destroy");
    await vi.advanceTimersByTimeAsync(100);
    const failed = expect(
      RTCCalling.getInstance({ debug: false }).login({
        account: "alice",
        token: "bad",
        server: "https://calls.test",
      }),
    ).rejects.toMatchObject({ code: "102" });
    await vi.advanceTimersByTimeAsync(10_000);
    await failed;
    page.do("login");
    await vi.advanceTimersByTimeAsync(100);
    const devices = web.sockets.filter((s) => s.account === "alice").map((s) => s.device);
    expect(devices).toHaveLength(3);
    expect(new Set(devices).size).toBe(1);
    page.do("destroy");
    await vi.advanceTimersByTimeAsync(10_000);
  });
});
