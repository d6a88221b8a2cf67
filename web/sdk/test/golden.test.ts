/// <reference types="vite/client" />

import { describe, expect, it } from "vitest";
import type { ClientFrameJson, ServerFrameJson } from "../src/gen/peal_pb";
import { Shell } from "../src/shell";
import { readSnapshot } from "../src/snapshot";
import { FakeServer, settle } from "./fakes";

// The messages that the server's tests hold too: what one side writes the other reads.
const clientMessages = import.meta.glob<ClientFrameJson>(
  "../../../internal/protocol/testdata/client_*.json",
  { eager: true, import: "default" },
);
const serverMessages = import.meta.glob<ServerFrameJson>(
  "../../../internal/protocol/testdata/server_*.json",
  { eager: true, import: "default" },
);

function named<T>(messages: Record<string, T>, name: string): T {
  const found = Object.entries(messages).find(([path]) => path.endsWith(`_${name}.json`));
  if (!found) throw new Error(`no golden message ${name}`);
  return found[1];
}

describe("golden messages", () => {
  it("are all there", () => {
    expect(Object.keys(clientMessages).length).toBeGreaterThanOrEqual(18);
    expect(Object.keys(serverMessages).length).toBeGreaterThanOrEqual(11);
  });

  it("of the server that hold a call can be read", () => {
    for (const [path, frame] of Object.entries(serverMessages)) {
      const updates = frame.welcome?.calls ?? (frame.call ? [frame.call] : []);
      for (const update of updates) {
        const snapshot = readSnapshot(update.call ?? {}, "alice", "d-1");
        expect(snapshot, path).toMatchObject({
          id: "0192d3c4-5e6f-7a8b-9c0d-1e2f3a4b5c6d",
          type: 2,
        });
      }
    }
  });

  it("of the client are what it sends", async () => {
    const server = new FakeServer();
    const shell = new Shell(
      {
        url: "ws://server/ws",
        device: { id: "d-1", client: "peal-js/0.1.0", resume: true, seed: 1 },
        getToken: () => "header.claims.signature",
        open: server.open,
        now: () => Date.parse("2026-01-02T03:04:05.678Z"),
        dials: () => {},
        refused: () => {},
        turn: () => Promise.resolve(),
      },
      () => {},
    );
    shell.input({ kind: "login" });
    await settle();
    server.socket.open();
    expect(server.socket.sent[0]).toEqual(named(clientMessages, "hello"));
    server.socket.give(named(serverMessages, "welcome"));
    for (const message of Object.values(clientMessages)) {
      if (message.hello) continue;
      const { id: _, ...command } = message;
      void shell.command(command);
      const { id, ...sent } = server.socket.sent.at(-1) ?? {};
      expect(sent).toEqual(command);
      expect(id).toBeGreaterThan(1);
    }
    shell.input({ kind: "stop" });
  });
});
