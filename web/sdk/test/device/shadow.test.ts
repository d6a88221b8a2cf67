import { expect, it } from "vitest";
import type { CallStateJson, CallUpdateJson } from "../../src/gen/peal_pb";
import { Bench, sentBy, updateOf } from "./bench";

const shadowsMost = 8;

// An invitation that rings while another is being made is not forgotten for news of
// others, nor its offer.
it("rings for the call that rang beside its own invitation", () => {
  const b = new Bench().login();
  const of = (id: string, rev: number, state: CallStateJson, offer: string): CallUpdateJson => ({
    ...updateOf(id, state, "ROLE_CALLEE", { rev }),
    offer,
  });
  b.tell({ call: of("declined", 1, "CALL_STATE_RINGING", "v=0") });
  b.step({ kind: "reject", ticket: 1, call: "declined" });
  const invited = b.step({
    kind: "invite",
    ticket: 2,
    invite: { callId: "own", callee: "carol" },
  });
  const invite = sentBy(invited).find((f) => f.invite !== undefined);
  b.tell({ call: of("rings", 1, "CALL_STATE_RINGING", "v=0 offer") });
  b.tell({ call: of("declined", 2, "CALL_STATE_RINGING", "") });
  for (let i = 0; i < shadowsMost - 2; i++) {
    // Late news of calls that other devices were in.
    b.tell({ call: updateOf(`late ${i}`, "CALL_STATE_CONNECTED", "ROLE_OBSERVER", { rev: 5 }) });
  }
  b.tell({ call: of("declined", 3, "CALL_STATE_ENDED", "") });
  b.tell({ call: of("rings", 2, "CALL_STATE_RINGING", "") });
  b.tell({ replyTo: invite?.id ?? 0, error: { code: "busy_elsewhere" } });
  b.tell({ call: of("rings", 1, "CALL_STATE_RINGING", "") }); // Late.
  const effects = b.step({ kind: "woke" });
  const [ringing] = effects.flatMap((e) => (e.kind === "incoming" ? [e.update] : []));
  expect(ringing).toMatchObject({ call: { callId: "rings", rev: 2 }, offer: "v=0 offer" });
});
