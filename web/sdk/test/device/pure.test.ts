/// <reference types="vite/client" />

import ts from "@typescript/typescript6";
import { describe, expect, it } from "vitest";

// The device runs in the simulator, and the plan of media plays transcripts: they may not know
// what time it is, wait, draw lots, or speak to anything.
const refused = new Set(
  `setTimeout setInterval clearTimeout clearInterval queueMicrotask requestAnimationFrame
  Promise Date performance localStorage sessionStorage indexedDB navigator document window
  globalThis self location history fetch WebSocket XMLHttpRequest EventTarget AbortController
  console crypto process require eval Function`
    .split(/\s+/)
    .filter((name) => name !== ""),
);

const sources = import.meta.glob<string>(["../../src/device/*.ts", "../../src/media/plan.ts"], {
  eager: true,
  import: "default",
  query: "?raw",
});

/** Lists what a source may not have. */
function faultsOf(name: string, text: string): string[] {
  const file = ts.createSourceFile(name, text, ts.ScriptTarget.ES2022, true);
  const faults: string[] = [];
  const fault = (node: ts.Node, why: string): void => {
    const { line } = file.getLineAndCharacterOfPosition(node.getStart());
    faults.push(`${name}:${line + 1}: ${why}`);
  };
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node) && refused.has(node.text) && !readsDate(node)) fault(node, node.text);
    if (ts.isAwaitExpression(node)) fault(node, "await");
    if (node.kind === ts.SyntaxKind.AsyncKeyword) fault(node, "async");
    if (ts.isPropertyAccessExpression(node) && node.getText() === "Math.random")
      fault(node, "Math.random");
    if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
      fault(node, "import()");
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) {
      const from = node.moduleSpecifier;
      if (from !== undefined && ts.isStringLiteral(from) && !mayImport(node, from.text))
        fault(node, `imports ${from.text}`);
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return faults;
}

/** To read a date, or write a given one, takes no clock. */
function readsDate(node: ts.Identifier): boolean {
  const { parent } = node;
  return (
    node.text === "Date" &&
    ((ts.isPropertyAccessExpression(parent) && parent.getText() === "Date.parse") ||
      (ts.isNewExpression(parent) && parent.arguments?.length === 1))
  );
}

function mayImport(node: ts.ImportDeclaration | ts.ExportDeclaration, from: string): boolean {
  if (from !== "../gen/peal_pb" && from !== "../device/machine") return /^\.\/\w+$/.test(from);
  // Types alone: the messages' descriptions would come along with the library.
  return ts.isImportDeclaration(node)
    ? node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword
    : node.isTypeOnly;
}

describe("the device and the plan of media are pure", () => {
  it("and all of it is looked at", () => expect(Object.keys(sources).length).toBeGreaterThan(8));

  it.each(Object.entries(sources))("%s", (name, text) => {
    expect(faultsOf(name, text)).toEqual([]);
  });

  it.each([
    ["const t = Date.now();", "Date"],
    ["const t = new Date();", "Date"],
    ["const t = Date.UTC;", "Date"],
    ["setTimeout(() => {}, 1);", "setTimeout"],
    ["const x = Math.random();", "Math.random"],
    ["async function f(): P {}", "async"],
    ["await f();", "await"],
    ["const p = new Promise(f);", "Promise"],
    ["console.log(1);", "console"],
    ['import { a } from "../known";', "imports ../known"],
    ['import { CallSchema } from "../gen/peal_pb";', "imports ../gen/peal_pb"],
    ['import("./link");', "import()"],
  ])("%s is refused", (text, why) => {
    expect(faultsOf("a.ts", text)).toEqual([`a.ts:1: ${why}`]);
  });
});
