import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { RTCCalling } from "../../src/component/component";

/** Whom the token names, as the server has it. */
const server = vi.hoisted(() => ({ account: "" }));

vi.mock("../../src/client", () => ({
  PealClient: class {
    account = "";
    on = (): this => this;
    connect = async (): Promise<void> => {
      this.account = server.account;
    };
    close = async (): Promise<void> => {};
  },
}));

describe("a login whose token is of another account", () => {
  beforeEach(() => {
    vi.spyOn(console, "warn").mockImplementation(() => {});
  });
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it("is that of the token, and says so once", async () => {
    server.account = "zed";
    await new RTCCalling({ debug: false }).login({ account: "alice", token: "t" });
    expect(console.warn).toHaveBeenCalledOnce();
    expect(console.warn).toHaveBeenCalledWith(expect.stringMatching(/"alice".*"zed"/));
  });

  it("is silent where they agree", async () => {
    server.account = "alice";
    await new RTCCalling({ debug: false }).login({ account: "alice", token: "t" });
    expect(console.warn).not.toHaveBeenCalled();
  });
});
