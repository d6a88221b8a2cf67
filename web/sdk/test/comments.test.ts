/// <reference types="vite/client" />

import ts from "@typescript/typescript6";
import { describe, expect, it } from "vitest";
import list from "../../../tools/prose/phrases.txt?raw";

// The test of comments in Go reads the same list.
const phrases = list
  .split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"))
  .map((line) => new RegExp(line.split("\t")[0] ?? "", "i"));

const sources = import.meta.glob<string>(
  [
    "../../**/*.ts",
    "../../**/*.mts",
    "../../**/*.cts",
    "!../../dist/**",
    "!../../node_modules/**",
    "!../src/gen/**",
  ],
  { eager: true, import: "default", query: "?raw" },
);

/** Gives the comments of a source, line comments that follow each other as one: a phrase that a line break splits is still a phrase. */
function commentsOf(name: string, text: string): string[] {
  const file = ts.createSourceFile(name, text, ts.ScriptTarget.ES2022, true);
  const found = new Map<number, string>();
  const visit = (node: ts.Node): void => {
    const children = node.getChildren(file);
    for (const child of children) visit(child);
    if (children.length > 0) return; // Comments stand between tokens.
    const ranges = [
      ...(ts.getLeadingCommentRanges(text, node.getFullStart()) ?? []),
      ...(ts.getTrailingCommentRanges(text, node.getEnd()) ?? []),
    ];
    for (const { pos, end } of ranges) found.set(pos, text.slice(pos, end));
  };
  visit(file);
  const groups: string[] = [];
  let endOfLast = -1;
  for (const [pos, comment] of [...found].sort(([a], [b]) => a - b)) {
    const words = comment.replace(/^\s*(\/\*\*?|\*\/|\*|\/\/+)|\*\/$/gm, "");
    const joins = comment.startsWith("//") && /^\s*$/.test(text.slice(endOfLast, pos));
    if (joins && endOfLast >= 0) groups[groups.length - 1] += ` ${words}`;
    else groups.push(words);
    endOfLast = comment.startsWith("//") ? pos + comment.length : -1;
  }
  return groups.map((group) => group.split(/\s+/).join(" ").trim());
}

/** Gives the texts of a source that people read: literals of several words. */
function textsOf(name: string, text: string): string[] {
  const file = ts.createSourceFile(name, text, ts.ScriptTarget.ES2022, true);
  const texts: string[] = [];
  const visit = (node: ts.Node): void => {
    if (
      ts.isStringLiteralLike(node) ||
      ts.isTemplateHead(node) ||
      ts.isTemplateMiddleOrTemplateTail(node)
    )
      texts.push(node.text.split(/\s+/).join(" "));
    ts.forEachChild(node, visit);
  };
  visit(file);
  return texts.filter((one) => one.split(" ").length > 2);
}

function faultsOf(name: string, texts: string[]): string[] {
  return texts.flatMap((one) =>
    phrases.flatMap((phrase) => {
      const found = phrase.exec(one);
      return found === null ? [] : [`${name}: ${found[0]}: ${one}`];
    }),
  );
}

describe("comments and texts use plain phrases", () => {
  it("and all sources are looked at", () => {
    expect(phrases.length).toBeGreaterThan(8);
    expect(Object.keys(sources).length).toBeGreaterThan(100);
  });

  it.each(Object.entries(sources))("%s", (name, text) => {
    expect(faultsOf(name, commentsOf(name, text))).toEqual([]);
    // A test may quote what it refuses.
    if (!name.includes("test")) expect(faultsOf(name, textsOf(name, text))).toEqual([]);
  });

  it.each([
    "// The page is told.\nlet a = 1;",
    "// A page is\n// told.\nlet a = 1;",
    "/** What\n * became of a call. */\nlet a = 1;",
    "let a = 1; // It begins anew.",
    "f(/* one of before */ 1);",
    "function f() {\n  // It came to be.\n}",
  ])("%j is refused", (text) => expect(faultsOf("a.ts", commentsOf("a.ts", text))).toHaveLength(1));

  it.each([
    'f("The page is told.");',
    `f(\`It begins anew at \${at}.\`);`,
    `f(\`\${a} was told \${b} of it\`);`,
  ])("the text of %j is refused", (text) =>
    expect(faultsOf("a.ts", textsOf("a.ts", text))).toHaveLength(1),
  );

  it("a text is no comment", () => expect(commentsOf("a.ts", 'f("// is told");')).toEqual([]));
});
