/// <reference types="vite/client" />

import { expect, it } from "vitest";
import type { Change } from "../../src/device/machine";
import { type CallFacts, type Input, type Order, Plan } from "../../src/media/plan";

// The transcripts of the plan in Go, which says there how they are written.
const transcripts = import.meta.glob<string>(
  "../../../../client/media/internal/plan/testdata/*.txt",
  { eager: true, import: "default", query: "?raw" },
);

function callOf(values: Map<string, string>): CallFacts {
  return {
    role: values.has("caller") ? "caller" : "callee",
    ringing: values.has("ringing"),
    generation: Number(values.get("gen") ?? 0),
    rebuild: Number(values.get("rebuild") ?? 0),
    keptBack: values.has("kept"),
    held: Number(values.get("held") ?? 0),
  };
}

function inputOf(kind: string, values: Map<string, string>): Input {
  const offer = values.get("offer") ?? "";
  const begun = Number(values.get("begun") ?? 0);
  switch (kind) {
    case "calls":
    case "invited":
    case "merged":
    case "accepting":
    case "accepted":
      return { kind };
    case "lapsed":
      return { kind, begun };
    case "rings":
    case "resumed":
      return { kind, call: callOf(values), offer };
    case "updated": {
      const changes = (values.get("changes") ?? "").split(",").filter((c) => c !== "");
      return {
        kind,
        call: callOf(values),
        begun,
        changes: changes as Change[],
        generation: Number(values.get("of") ?? 0),
        offer,
        answer: values.get("answer") ?? "",
      };
    }
    case "accepts":
      return { kind, failed: values.has("failed") };
    case "lost":
      return { kind, begun, rebuild: values.has("rebuild") };
  }
  throw new Error(`no input is "${kind}"`);
}

function lineOf(o: Order): string {
  const flags = (all: Record<string, boolean>): string =>
    Object.entries(all)
      .map(([name, on]) => (on ? ` ${name}` : ""))
      .join("");
  switch (o.kind) {
    case "offer":
      return `offer ${o.generation}${flags({ rebuild: o.rebuild, send: o.send })}`;
    case "answer":
      return `answer ${o.generation} ${o.offer}${flags({ rebuild: o.rebuild, give: o.give })}`;
    case "give":
      return `give ${o.generation}`;
    case "apply":
      return `apply ${o.generation} ${o.answer}`;
    case "resend":
      return `resend ${o.beyond}`;
    case "restart":
      return `restart ${o.fromGeneration}${flags({ rebuild: o.rebuild })}`;
    default:
      return o.kind;
  }
}

it("there are transcripts", () => expect(Object.keys(transcripts).length).toBeGreaterThan(1));

it.each(Object.entries(transcripts))("%s", (_, text) => {
  const got: string[] = [];
  let plan = new Plan(callOf(new Map()));
  for (const line of text.split("\n")) {
    if (line.startsWith("  ")) continue;
    got.push(line);
    const [sign = "", ...rest] = line.split(" ");
    const kind = sign === "+" ? (rest.shift() ?? "") : "";
    const values = new Map(
      rest.map((word): [string, string] => {
        const [name = "", value = ""] = word.split("=");
        return [name, value];
      }),
    );
    if (sign === "=") plan = new Plan(callOf(values));
    if (sign === "+") got.push(...plan.step(inputOf(kind, values)).map((o) => `  ${lineOf(o)}`));
  }
  expect(got.join("\n")).toBe(text);
});
