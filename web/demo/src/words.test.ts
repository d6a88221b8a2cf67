import { describe, expect, it } from "vitest";
import type { CallEnd, Direction, EndReason } from "../../sdk/src/index";
import type { PastCall } from "./model";
import { tables } from "./strings";
import { clock, outcomeLabel, outcomeWords, problemWords } from "./words";

const t = tables.en;

function past(direction: Direction, reason: EndReason, end: Partial<CallEnd> = {}): PastCall {
  return {
    peer: "bob",
    direction,
    video: true,
    at: new Date(0),
    end: {
      reason,
      actor: "",
      byThisDevice: false,
      answered: false,
      durationSeconds: 0,
      record: null,
      ...end,
    },
  };
}

describe("outcomeWords", () => {
  it.each<[PastCall, string, string]>([
    [
      past("outgoing", "completed", { byThisDevice: true, answered: true }),
      t.youEnded("bob"),
      t.shortCompleted,
    ],
    [
      past("outgoing", "completed", { actor: "bob", answered: true }),
      t.peerEnded("bob"),
      t.shortCompleted,
    ],
    [past("outgoing", "cancelled"), t.youCancelled("bob"), t.shortCancelled],
    [past("incoming", "cancelled"), t.missed("bob"), t.shortMissed],
    [past("outgoing", "rejected"), t.peerDeclined("bob"), t.shortDeclined],
    [past("incoming", "rejected", { byThisDevice: true }), t.youDeclined("bob"), t.shortDeclined],
    [past("incoming", "rejected"), t.declinedElsewhere("bob"), t.shortDeclined],
    [past("outgoing", "timeout"), t.noAnswer("bob"), t.shortNoAnswer],
    [past("incoming", "timeout"), t.missed("bob"), t.shortMissed],
    [past("outgoing", "busy"), t.peerBusy("bob"), t.shortBusy],
    [past("outgoing", "failed", { answered: true }), t.mediaNeverUp("bob"), t.shortFailed],
    [past("incoming", "lost"), t.missed("bob"), t.shortMissed],
    [past("incoming", "lost", { answered: true }), t.connectionLost("bob"), t.shortFailed],
    [past("incoming", "superseded"), t.missed("bob"), t.shortMissed],
    [past("incoming", "answered_elsewhere"), t.answeredElsewhere("bob"), t.shortElsewhere],
  ])("%j", (call, headline, label) => {
    expect(outcomeWords(t, call).headline).toBe(headline);
    expect(outcomeLabel(t, call)).toBe(label);
  });
});

describe("problemWords", () => {
  it("says what to do about a microphone that is not allowed", () => {
    const words = problemWords(t, { code: "microphone_denied", message: "" });
    expect(words).toEqual({ headline: t.microphoneDenied, advice: t.deniedAdvice });
  });

  it("shows the code and message of an error that it does not know", () => {
    const words = problemWords(t, { code: "new_thing", message: "what it is" });
    expect(words.advice).toBe("what it is (new_thing)");
  });
});

describe("clock", () => {
  it.each([
    [0, "0:00"],
    [65, "1:05"],
    [3_600, "1:00:00"],
    [3_725, "1:02:05"],
  ])("%d s", (seconds, shown) => {
    expect(clock(seconds)).toBe(shown);
  });
});
