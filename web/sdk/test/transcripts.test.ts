/// <reference types="vite/client" />

import { expect, it } from "vitest";
import type { CallJson } from "../src/gen/peal_pb";
import { advance, begin, type Change } from "../src/machine";
import { readSnapshot, type Snapshot } from "../src/snapshot";

interface Device {
  account: string;
  device: string;
  shown: CallJson[];
}

// What the server shows each device in the transcripts of its state machine, and
// what the Go client makes of that: this one makes the same.
const views = import.meta.glob<Device[]>("../../../internal/node/testdata/views/*.json", {
  eager: true,
  import: "default",
});
const changes = import.meta.glob<Record<string, string[]>>(
  "../../../internal/device/testdata/changes/*.json",
  { eager: true, import: "default" },
);

function word(change: Change): string {
  if (change.kind !== "ended") return change.kind;
  const { reason, actor, byThisDevice, answered, durationSeconds } = change.end;
  return `over: ${reason} by "${actor ?? ""}" here=${byThisDevice} answered=${answered} seconds=${durationSeconds}`;
}

function changesOf(d: Device): string[] {
  const read = (c: CallJson): Snapshot => {
    const s = readSnapshot(c, d.account, d.device);
    if (!s) throw new Error("a snapshot makes no sense");
    return s;
  };
  const [first, ...rest] = d.shown;
  if (!first) return [];
  let view = begin(read(first));
  return rest.map((c) => {
    const next = advance(view, read(c));
    view = next.view;
    return next.changes.map(word).join(" ");
  });
}

const names = Object.keys(views).map((path) => path.replace(/.*\//, ""));

it("finds the transcripts", () => expect(names.length).toBeGreaterThan(10));

it.each(names)("%s", (name) => {
  const find = <T>(all: Record<string, T>) =>
    Object.entries(all).find(([path]) => path.endsWith(`/${name}`))?.[1];
  const made = Object.fromEntries(
    (find(views) ?? []).map((d) => [`${d.account}/${d.device}`, changesOf(d)]),
  );
  expect(made).toEqual(find(changes));
});
