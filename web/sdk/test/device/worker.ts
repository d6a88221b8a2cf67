/**
 * Runs devices for the simulator (internal/testing/sim), which is a Go program: it writes
 * one request a line to stdin and reads one answer a line from stdout. All calls block, so
 * that a step takes tens of microseconds. It is an instrument and no part of the component.
 */
import { readSync, writeSync } from "node:fs";
import { type Config, Device } from "../../src/device/device";
import type { Input } from "../../src/device/io";

type Request =
  /** Forgets all devices. Not answered. */
  | { readonly kind: "clear" }
  /** Makes a device. Not answered. */
  | { readonly kind: "new"; readonly device: number; readonly config: Config }
  /** Gives a device an input. */
  | { readonly kind: "step"; readonly device: number; readonly now: number; readonly input: Input };

const devices = new Map<number, Device>();

function handle(request: Request): string | undefined {
  switch (request.kind) {
    case "clear":
      devices.clear();
      return undefined;
    case "new":
      devices.set(request.device, new Device(request.config));
      return undefined;
    case "step":
      return step(request.device, request.now, request.input);
  }
}

function step(id: number, now: number, input: Input): string {
  const device = devices.get(id);
  if (device === undefined) throw new Error(`there is no device ${id}`);
  const effects = device.step(now, input);
  return JSON.stringify({
    effects,
    deadline: device.deadline(),
    state: device.state,
    account: device.account,
    call: device.call,
    idle: device.idle,
  });
}

function answer(line: string): string | undefined {
  try {
    return handle(JSON.parse(line) as Request);
  } catch (e) {
    return JSON.stringify({ failure: e instanceof Error ? (e.stack ?? e.message) : String(e) });
  }
}

const encoder = new TextEncoder();

function write(line: string): void {
  let rest = encoder.encode(`${line}\n`);
  while (rest.length > 0) rest = rest.subarray(writeSync(1, rest));
}

const decoder = new TextDecoder();
const chunk = new Uint8Array(1 << 16);
let begun = "";
for (let n = readSync(0, chunk); n > 0; n = readSync(0, chunk)) {
  const lines = (begun + decoder.decode(chunk.subarray(0, n), { stream: true })).split("\n");
  begun = lines.pop() ?? "";
  for (const line of lines) {
    const reply = answer(line);
    if (reply !== undefined) write(reply);
  }
}
