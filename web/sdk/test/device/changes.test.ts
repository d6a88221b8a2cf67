/// <reference types="vite/client" />

import { expect, it } from "vitest";
import { View } from "../../src/device/machine";
import type { CallJson } from "../../src/gen/peal_pb";

interface Shown {
  account: string;
  device: string;
  shown: CallJson[];
}

// What the server shows each device in the transcripts of its state machine, and what the
// device in Go makes of that.
const views = import.meta.glob<Shown[]>("../../../../internal/node/testdata/views/*.json", {
  eager: true,
  import: "default",
});
const changes = import.meta.glob<Record<string, string[]>>(
  "../../../../internal/device/testdata/changes/*.json",
  { eager: true, import: "default" },
);

function changesOf({ account, device, shown }: Shown): string[] {
  const [first, ...rest] = shown;
  if (first === undefined) return [];
  const v = new View(first, 0);
  return rest.map((c) => {
    const { changes, end } = v.advance(c, account, device, 0);
    if (end === undefined) return changes.join(" ");
    v.over = true;
    const { reason, actor, byThisDevice, answered, durationMs } = end;
    return `over: ${reason} by "${actor}" here=${byThisDevice} answered=${answered} seconds=${durationMs / 1000}`;
  });
}

const names = Object.keys(views).map((path) => path.replace(/.*\//, ""));

it("finds the transcripts", () => expect(names.length).toBeGreaterThan(10));

it.each(names)("%s", (name) => {
  const find = <T>(all: Record<string, T>): T | undefined =>
    Object.entries(all).find(([path]) => path.endsWith(`/${name}`))?.[1];
  const made = (find(views) ?? []).map((d) => [`${d.account}/${d.device}`, changesOf(d)]);
  expect(Object.fromEntries(made)).toEqual(find(changes));
});
