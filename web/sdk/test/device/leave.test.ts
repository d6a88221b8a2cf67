import { describe, expect, it } from "vitest";
import { Bench, updateOf } from "./bench";

const kicked = { goodbye: { error: { code: "kicked" } } };

describe("leaving", () => {
  it("leaves the call too that a cancelled invitation became", () => {
    const b = new Bench().login();
    b.step({ kind: "invite", ticket: 1, invite: { callId: "own", callee: "alice" } });
    b.step({ kind: "cancel", ticket: 2, call: "own" });
    const [invite] = b.sent((f) => f.invite !== undefined);
    const theirs = updateOf("theirs", "CALL_STATE_CONNECTING", "ROLE_CALLEE");
    b.tell({ replyTo: invite?.id ?? 0, call: { ...theirs, mergedInto: "theirs" } });
    expect(b.hangups("theirs")).toBe(1);
    expect(b.device.call).toBeUndefined();
  });

  it("stays in its own call when a merge does not say into which", () => {
    const b = new Bench().login();
    b.step({ kind: "invite", ticket: 1, invite: { callId: "own", callee: "alice" } });
    const [invite] = b.sent((f) => f.invite !== undefined);
    b.tell({ replyTo: invite?.id ?? 0, call: { mergedInto: "theirs" } });
    expect(b.device.call?.callId).toBe("own");
  });

  it.each([
    { name: "nothing is resumed", resume: false, welcome: false, hungUp: 1 },
    { name: "it comes after the welcome", resume: true, welcome: false, hungUp: 1 },
    { name: "it is resumed", resume: true, welcome: true, hungUp: 0 },
  ])("leaves a call of the program before: $name", ({ resume, welcome, hungUp }) => {
    const late = updateOf("late", "CALL_STATE_RINGING", "ROLE_CALLER");
    const b = new Bench({ resume }).login();
    if (welcome) {
      b.tell(kicked);
      b.login(late);
    }
    b.tell({ call: late });
    b.tell({ call: late });
    expect(b.hangups("late")).toBe(hungUp);
    expect(b.device.call !== undefined).toBe(welcome);
  });

  it.each([false, true])("is in a call only after an answer here: %s", (answers) => {
    const b = new Bench().login();
    b.tell({ call: updateOf("rings", "CALL_STATE_RINGING", "ROLE_CALLEE") });
    if (answers) b.step({ kind: "accept", ticket: 1, accept: { callId: "rings", generation: 1 } });
    b.tell({ call: updateOf("rings", "CALL_STATE_CONNECTING", "ROLE_CALLEE", { rev: 2 }) });
    expect(b.hangups("rings")).toBe(answers ? 0 : 1);
    expect(b.device.call !== undefined).toBe(answers);
  });

  it("rings for the next login, if the call still rings", () => {
    const b = new Bench().login();
    const rings = updateOf("rings", "CALL_STATE_RINGING", "ROLE_CALLEE");
    b.tell({ call: rings });
    b.tell(kicked);
    expect(b.device.call).toBeUndefined();
    expect(b.device.state).toBe("offline");
    b.login(rings);
    expect(b.rang("rings")).toBe(2);
  });

  it.each(["kicked", "logged_out", "token_revoked"])("ends its call with the login: %s", (code) => {
    const b = new Bench().login();
    b.tell({ call: updateOf("rings", "CALL_STATE_RINGING", "ROLE_CALLEE") });
    b.tell({ goodbye: { error: { code } } });
    const ends = b.did.flatMap((e) => (e.kind === "ended" ? [e.end.reason] : []));
    expect(ends).toEqual(["kicked"]);
  });
});
