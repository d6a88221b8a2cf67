import { afterEach, describe, expect, it, vi } from "vitest";
import { Doctor } from "./doctor";
import { tables } from "./strings";

afterEach(() => vi.unstubAllGlobals());

/** Has a browser without anything check a server whose /readyz gives this answer. */
async function visit(status: number, answer: unknown): Promise<Doctor> {
  const headers = { Date: new Date().toUTCString() };
  vi.stubGlobal("fetch", async (path: string) =>
    path === "/readyz"
      ? new Response(JSON.stringify(answer), { status })
      : new Response("{}", { headers }),
  );
  vi.stubGlobal("isSecureContext", false);
  vi.stubGlobal("window", {});
  vi.stubGlobal("WebSocket", undefined);
  const doctor = new Doctor(() => undefined);
  await doctor.run();
  return doctor;
}

describe("the checks after that of the server", () => {
  it("go on where the server only warns", async () => {
    const doctor = await visit(200, { status: "ok", warnings: ["The moon is full."] });
    expect(doctor.entries.get("server")?.finding?.state).toBe("warning");
    expect(doctor.entries.get("clock")?.finding?.state).toBe("ok");
    expect(doctor.entries.get("websocket")?.finding?.state).toBe("failed");
  });

  it("are left out where it takes no calls", async () => {
    const doctor = await visit(503, { status: "unavailable", reason: "bus" });
    expect(doctor.entries.get("server")?.finding?.state).toBe("failed");
    for (const check of ["clock", "websocket", "token", "stun"] as const) {
      expect(doctor.entries.get(check)?.finding?.seen(tables.en)).toBe(tables.en.needsServer);
    }
  });
});
