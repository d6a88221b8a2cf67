import { describe, expect, it } from "vitest";
import html from "../index.html?raw";
import { plainText, tables } from "./strings";

const named = [...html.matchAll(/data-text="(\w+)"[^>]*>([^<]*)</g)].map(
  ([, key = "", text = ""]) => ({ key, text }),
);
const labelled = [...html.matchAll(/data-label="(\w+)"/g)].map(([, key = ""]) => ({ key }));

describe("the texts that index.html names", () => {
  it("are found by this test", () => {
    expect(named.length).toBeGreaterThan(10);
    expect(labelled.length).toBeGreaterThan(1);
  });

  it.each(named)("$key says what the English table says", ({ key, text }) => {
    expect(text).toBe(plainText(tables.en, key));
  });

  it.each([...named, ...labelled])("$key is there in both languages", ({ key }) => {
    expect(plainText(tables.en, key)).toBeTruthy();
    expect(plainText(tables.zh, key)).toBeTruthy();
  });
});

describe("Chinese texts", () => {
  it("put in the same name as the English ones", () => {
    for (const [key, text] of Object.entries(tables.zh)) {
      if (typeof text === "function") expect(text("alice"), key).toContain("alice");
    }
  });

  it("have no text left in English but the names of programs", () => {
    for (const [key, text] of Object.entries(tables.zh)) {
      if (key === "otherLanguage" || key === "otherLanguageLabel") continue;
      expect(typeof text === "function" ? text("x") : text, key).toMatch(/\p{Script=Han}/u);
    }
  });
});
