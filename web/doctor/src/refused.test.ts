import { describe, expect, it } from "vitest";
import listed from "../../../internal/auth/testdata/reasons.txt?raw";
import { settingWords } from "./finding";
import { whyRefused } from "./refused";
import { devTables, tables } from "./strings";

const account =
  "its account (the claim sub) must be 1 to 128 bytes of printable text without blanks around it";
const reasons = [...listed.trim().split("\n"), account];
const message = (reason: string): string => `the token is not valid here: token invalid: ${reason}`;

describe("a token that the server refuses", () => {
  const other = whyRefused("", "bad_token", message("of another kind"));

  it("has many reasons", () => {
    expect(reasons.length).toBeGreaterThan(30);
  });

  it.each(reasons)("because %s: has words and advice of its own", (reason) => {
    const got = whyRefused("", "bad_token", message(reason));
    for (const table of [tables.en, tables.zh, devTables.en, devTables.zh]) {
      expect(got.advice?.(table)).not.toBe(other.advice?.(table));
      // Not the server's English in place of words of the page.
      expect(got.seen(table)).not.toContain(reason);
      expect(settingWords(table, got)[0]).toBeTruthy();
    }
  });

  it.each([
    ["its header has no kid: write the id of the server's key there", "--key-id"],
    ['its aud does not name this server, which expects "calls.example.com"', "--token-audience"],
    ["it has no sub: write the account there in your backend", tables.en.tokenSetting],
  ])("%s: by %s", (reason, setting) => {
    expect(settingWords(tables.en, whyRefused("", "bad_token", message(reason)))[0]).toBe(setting);
  });
});
