/// <reference types="vite/client" />

import { expect, it } from "vitest";
import { type Config, Device } from "../../src/device/device";
import type { Effect, Input } from "../../src/device/io";
import type { RecordMemory } from "../../src/device/records";
import { formatTimestamp, millis, nanos, parseTimestamp } from "../../src/device/time";
import type { CallUpdateJson, ClientFrameJson, ServerFrameJson } from "../../src/gen/peal_pb";

// The transcripts of the device in Go, which says there how they are written.
const transcripts = import.meta.glob<string>(
  "../../../../internal/device/testdata/transcripts/*.txt",
  { eager: true, import: "default", query: "?raw" },
);

/** 2030-01-01T00:00:00Z. */
const epoch = 1_893_456_000_000;

const timestamp = (ms: number): string => formatTimestamp(nanos(ms));
const sinceEpoch = (text: string | undefined): number => millis(parseTimestamp(text)) - epoch;

/** Reads "1000,a:1000,b:900": the latest, and the records, in milliseconds. */
function memoryOf(account: string, word: string): RecordMemory {
  const [latest, ...rest] = word.split(",");
  const told = rest.map((one): [string, number] => {
    const [id = "", at] = one.split(":");
    return [id, epoch + Number(at)];
  });
  return { account, latest: epoch + Number(latest), told: Object.fromEntries(told) };
}

/** Plays the lines of a transcript. */
class Script {
  readonly #device: Device;
  #now = epoch;
  /** The ids of the latest frame of each kind. */
  readonly #ids = new Map<string, number>();

  constructor(config: string[]) {
    const c: { -readonly [K in keyof Config]: Config[K] } = { id: "d1", seed: 0 };
    for (const [key, value = ""] of config.map((word) => word.split("="))) {
      if (key === "attempt") c.attemptAt = epoch + Number(value);
    }
    this.#device = new Device(c);
  }

  play([after = "", kind = "", ...args]: string[]): string[] {
    this.#now += Number(after.slice(1));
    return this.#device.step(this.#now, this.#input(kind, args)).map((e) => this.#line(e));
  }

  #input(kind: string, args: string[]): Input {
    const [id = ""] = args;
    const socket = Number(id);
    const invite = { callId: id, callee: "bob", type: "CALL_TYPE_AUDIO" } as const;
    switch (kind) {
      case "login":
      case "woke":
      case "probe":
      case "suspect":
      case "leaving":
        return { kind };
      case "network":
        return { kind: "networkChanged" };
      case "logout":
        return { kind, ticket: 9 };
      case "token":
        return { kind: "gotToken", token: id };
      case "no-token":
        return { kind: "gotToken", token: "", error: "no backend" };
      case "opened":
      case "closed":
        return { kind, socket };
      case "remembered":
        return { kind: "recordsRemembered", ...memoryOf(id, args[1] ?? "") };
      case "draft":
        return { kind, ticket: 1, invite };
      case "invite":
        return { kind, ticket: 2, invite };
      case "cancel":
        return { kind, ticket: 3, call: id };
      case "hangup":
        return { kind, ticket: 4, call: id };
      case "abandon":
        return { kind, call: id };
      case "ask":
        return { kind, ticket: 5, command: { tracks: { callId: id } } };
    }
    return { kind: "received", socket, frame: this.#frame(kind, args.slice(1)) };
  }

  /** What comes by a socket. */
  #frame(kind: string, [first = "", second]: string[]): ServerFrameJson {
    const parties = { caller: { account: "bob" }, callee: { account: "alice" } };
    const call = { callId: first, role: "ROLE_CALLEE", generation: 1, ...parties } as const;
    const replyTo = (to: string): number => this.#ids.get(to) ?? 0;
    switch (kind) {
      case "welcome": {
        const life = first === "" || first === "-" ? {} : { tokenExpiresInMs: Number(first) };
        return { welcome: { account: second ?? "alice", loginAt: timestamp(this.#now), ...life } };
      }
      case "pong":
        return { replyTo: replyTo("ping"), pong: {} };
      case "refused":
        return { replyTo: replyTo("hello"), error: { code: first } };
      case "goodbye":
        return { goodbye: { error: { code: first }, reconnect: second === "reconnect" } };
      case "rings":
        return { call: { call: { ...call, rev: 1, state: "CALL_STATE_RINGING" } } };
      case "ends": {
        const record = { callId: first, endedAt: timestamp(this.#now) };
        const reason = "REASON_CANCELLED";
        const update: CallUpdateJson = {
          call: { ...call, rev: 2, state: "CALL_STATE_ENDED", reason, record },
        };
        return { call: update };
      }
      case "records":
        return { replyTo: replyTo("listRecords"), records: {} };
      case "noise":
        return { candidates: { callId: "none" } };
    }
    throw new Error(`no input is ${kind}`);
  }

  /** A line for an effect. */
  #line(e: Effect): string {
    switch (e.kind) {
      case "dial":
      case "close":
        return `${e.kind} ${e.socket}`;
      case "send":
        return `send ${e.socket} ${this.#sent(e.frame)}`;
      case "stateChanged":
        return `state ${e.state}`;
      case "loggedOut":
        return `logged out ${e.error?.code ?? ""}`;
      case "answer":
        return `answer ${e.ticket} ${e.error?.code ?? ""}`.trim();
      case "incoming":
        return `incoming ${e.update.call?.callId ?? ""}`;
      case "ended":
        return `ended ${e.call} ${e.end.reason} record=${e.end.record !== undefined}`;
      case "filed":
        return `filed ${e.record.callId ?? ""}`;
      case "rememberRecords": {
        const told = Object.entries(e.told).sort(([a], [b]) => (a < b ? -1 : 1));
        const latest = e.latest === 0 ? "none" : e.latest - epoch;
        return [
          `remember ${e.account} ${latest}`,
          ...told.map(([id, at]) => `${id}:${at - epoch}`),
        ].join(" ");
      }
      default:
        return e.kind;
    }
  }

  #sent({ id = 0, quiet, ...command }: ClientFrameJson): string {
    const [kind = ""] = Object.keys(command);
    this.#ids.set(kind, id);
    const words = [kind];
    const { hello, authenticate, listRecords } = command;
    if (hello) words.push(hello.token ?? "", "at", String(sinceEpoch(hello.attemptAt)));
    if (authenticate) words.push(authenticate.token ?? "");
    if (listRecords) words.push("since", String(sinceEpoch(listRecords.since)));
    if (quiet) words.push("quietly");
    return words.join(" ");
  }
}

function played(text: string): string {
  const lines: string[] = [];
  let script = new Script([]);
  for (const line of text.split("\n")) {
    if (line.startsWith("  ")) continue;
    lines.push(line);
    const words = line.split(" ");
    if (words[0] === "=") script = new Script(words.slice(1));
    if (line.startsWith("+")) lines.push(...script.play(words).map((e) => `  ${e}`));
  }
  return lines.join("\n");
}

it.each(Object.entries(transcripts))("%s", (_, text) => {
  expect(played(text)).toBe(text);
});

it("plays transcripts", () => expect(Object.keys(transcripts).length).toBeGreaterThan(3));
