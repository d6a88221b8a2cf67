import { describe, expect, it } from "vitest";
import { Bench, sentBy } from "./bench";

describe("the connection", () => {
  // What had been on its way when the connection was asked for a sign of life is none.
  it.each([true, false])("is dead unless the ping is answered: %s", (answered) => {
    const b = new Bench();
    b.step({ kind: "login" });
    b.step({ kind: "gotToken", token: "t" });
    b.step({ kind: "opened", socket: 1 });
    b.socket = 1;
    b.tell({ welcome: { account: "bob", active: { everyMs: 2_000, deadAfterMs: 4_000 } } });
    const ping = sentBy(b.step({ kind: "probe" })).find((f) => f.ping !== undefined);
    expect(ping).toBeDefined();
    b.step({ kind: "received", socket: 1, frame: { candidates: { callId: "c" } } }, 1_000);
    if (answered) {
      b.step({ kind: "received", socket: 1, frame: { replyTo: ping?.id ?? 0, pong: {} } }, 0);
    }
    b.step({ kind: "woke" }, 3_999);
    expect(b.device.state).toBe("online");
    b.step({ kind: "woke" });
    expect(b.device.state).toBe(answered ? "online" : "connecting");
  });

  it("cuts less than a millisecond off", () => {
    const b = new Bench();
    b.device.step(1_000.9, { kind: "login" });
    b.device.step(1_000.9, { kind: "gotToken", token: "t" });
    expect(b.device.deadline()).toBe(5_000);
  });

  it("logs out when there is no token and never was a login", () => {
    const b = new Bench();
    b.step({ kind: "login" });
    const effects = b.step({ kind: "gotToken", token: "", error: "no backend" });
    expect(effects).toContainEqual({
      kind: "loggedOut",
      error: { code: "token_failed", message: "cannot get a token: no backend", retry: false },
    });
    expect(b.device.state).toBe("offline");
  });

  it("spreads the attempts, up to a limit that doubles", () => {
    const b = new Bench({ seed: 7 }).login();
    const limits = [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000];
    for (const limit of limits) {
      b.step({ kind: "closed", socket: b.socket });
      const pause = (b.device.deadline() ?? 0) - b.now;
      expect(pause).toBeGreaterThanOrEqual(0);
      expect(pause).toBeLessThan(limit);
      b.step({ kind: "woke" }, pause);
      b.step({ kind: "gotToken", token: "t" });
      b.socket++;
    }
  });

  it("ignores what comes from an old socket", () => {
    const b = new Bench().login();
    b.step({ kind: "closed", socket: 1 });
    expect(b.step({ kind: "received", socket: 1, frame: { goodbye: {} } })).toEqual([]);
    expect(b.device.state).toBe("connecting");
  });
});
