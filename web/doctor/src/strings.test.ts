import { describe, expect, it } from "vitest";
import html from "../index.html?raw";
import { plainText, tables } from "./strings";

const named = [...html.matchAll(/data-text="(\w+)"[^>]*>([^<]*)</g)].map(
  ([, key = "", text = ""]) => ({ key, text }),
);

describe("the texts that index.html names", () => {
  it("are found by this test", () => {
    expect(named.length).toBeGreaterThan(8);
  });

  it.each(named)("$key says what a table says", ({ key, text }) => {
    // The button for the language names the other one, in its own words.
    expect(text).toBe(plainText(tables.en, key));
    expect(plainText(tables.zh, key)).toBeTruthy();
  });
});

describe("Chinese texts", () => {
  const own = new Set(["otherLanguage", "otherLanguageLabel"]);

  it("put in the same particulars as the English ones", () => {
    for (const [key, text] of Object.entries(tables.zh)) {
      if (typeof text !== "function") continue;
      const say = text as (...parts: string[]) => string;
      const english = tables.en[key as keyof typeof tables.en] as (...parts: string[]) => string;
      for (const part of ["alpha", "beta"].slice(0, english.length)) {
        expect(english("alpha", "beta"), key).toContain(part);
        expect(say("alpha", "beta"), key).toContain(part);
      }
    }
  });

  it("name the same settings", () => {
    const flags = (text: unknown): string[] =>
      [...String(typeof text === "function" ? text("x", "y") : text).matchAll(/--[a-z-]+/g)]
        .map(([flag]) => flag)
        .sort();
    for (const [key, text] of Object.entries(tables.zh)) {
      expect(flags(text), key).toEqual(flags(tables.en[key as keyof typeof tables.en]));
    }
  });

  it("are Chinese", () => {
    for (const [key, text] of Object.entries(tables.zh)) {
      if (own.has(key)) continue;
      expect(typeof text === "function" ? text("x", "y") : text, key).toMatch(/\p{Script=Han}/u);
    }
  });
});
