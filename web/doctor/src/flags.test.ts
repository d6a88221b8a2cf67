import { describe, expect, it } from "vitest";
import { devFlags, ofDev, splitFlags } from "./flags";
import { devTables } from "./strings";

describe("what is said of a peal dev", () => {
  it("leaves out flags that it does not have, and keeps words", () => {
    expect(ofDev(["--turn-allow-peer", "--turn-min-port", "the proxy"])).toEqual([
      "--turn-allow-peer",
      "the proxy",
    ]);
    expect(ofDev(["--tls-cert", "--tls-key"])).toEqual(["--tls"]);
  });

  it.each(Object.entries(devTables))("names no other flag in a text (%s)", (_, texts) => {
    for (const [key, text] of Object.entries(texts)) {
      const say = text as string | ((...parts: string[]) => string);
      const shown = typeof say === "function" ? say("x", "y") : say;
      // Of the command that a text tells to run, what follows is its own.
      const named = splitFlags(shown.replaceAll("peal token --account", "")).filter((part) =>
        part.startsWith("--"),
      );
      for (const flag of named) expect(devFlags, `${key}: ${shown}`).toContain(flag);
    }
  });
});

describe("splitFlags", () => {
  it("has each flag apart, without what follows it", () => {
    expect(splitFlags("Open --turn-min-port to --addr.")).toEqual([
      "Open ",
      "--turn-min-port",
      " to ",
      "--addr",
      ".",
    ]);
  });
});
