import { describe, expect, it } from "vitest";
import readiness from "../../../internal/server/readiness.go?raw";
import database from "../../../internal/store/pgstore/pgstore.go?raw";
import { type Finding, settingWords } from "./finding";
import { judgeReadiness } from "./ready";
import { devTables, tables } from "./strings";

/** The texts of Go that follow each other, joined. */
const joined = (source: string, pattern: RegExp): string[] =>
  [...source.matchAll(pattern)].map(([, text = ""]) => text.replaceAll(/"\s*\+\s*"/g, ""));

const serverWarnings = [
  ...joined(readiness, /const busAway = "([^\n]*)"/g),
  ...joined(database, /append\(warnings, "((?:[^"]|"\s*\+\s*")*)"\)/g),
];

function judged(status: number, answer: unknown): Finding {
  const finding = judgeReadiness(status, JSON.stringify(answer));
  if (finding === null) throw new Error("not an answer of Peal");
  return finding;
}

describe("a server that is not ready", () => {
  it.each([
    ["store", "it cannot store calls", "无法存储通话", ["--data", "--store"]],
    ["bus", "it has no connection to the bus", "没有连接到总线", ["--bus"]],
    ["starting", "it starts or stops", "正在启动或停止", []],
    ["stopping", "it starts or stops", "正在启动或停止", []],
  ])("because of %s: says so", (reason, english, chinese, settings) => {
    const got = judged(503, { status: "unavailable", reason });
    expect(got.state).toBe("failed");
    expect(got.seen(tables.en)).toContain(`503: ${english}`);
    expect(got.seen(tables.zh)).toContain(chinese);
    expect(settingWords(tables.en, got)).toEqual(settings);
    for (const table of [tables.en, tables.zh]) expect(got.advice?.(table)).toBeTruthy();
  });

  it("says nothing of warnings", () => {
    const got = judged(503, { status: "unavailable", reason: "store", warnings: ["disk"] });
    expect(got.seen(tables.en)).not.toContain("disk");
  });
});

describe("a server that is ready", () => {
  it("is fine without warnings", () => {
    expect(judged(200, { status: "ok" }).state).toBe("ok");
    expect(judged(200, { status: "ok", warnings: [] }).state).toBe("ok");
  });

  it("has warnings that this test finds in its source", () => {
    expect(serverWarnings.length).toBe(3);
  });

  it.each(serverWarnings)("warns in the words of the page: %s", (text) => {
    const got = judged(200, { status: "ok", warnings: [text] });
    const own = got.seen(tables.zh);
    expect(got.state).toBe("warning");
    expect(own).not.toContain(text);
    expect(own).toMatch(/^服务器有应答，但有警告：.*\p{Script=Han}/u);
    expect(settingWords(tables.en, got).length).toBe(1);
    for (const table of [tables.en, devTables.zh]) expect(got.advice?.(table)).toBeTruthy();
  });

  it("shows the words of a warning that the page does not know", () => {
    const got = judged(200, {
      status: "ok",
      warnings: ["The moon is full.", "fsync of PostgreSQL is off: …"],
    });
    expect(got.seen(tables.zh)).toContain("The moon is full.");
    expect(got.seen(tables.zh)).toContain(tables.zh.serverWarnsFsync);
    expect(settingWords(tables.zh, got)).toEqual(["--store", "--bus"]);
  });
});

describe("an answer of something else", () => {
  it.each(["", "<html>", "null", "3", "[]", "{}", '{"status":""}', '{"status":3}'])(
    "%s",
    (body) => {
      expect(judgeReadiness(200, body)).toBeNull();
      expect(judgeReadiness(503, body)).toBeNull();
    },
  );
});
