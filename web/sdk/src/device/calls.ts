import type {
  CallJson,
  CallUpdateJson,
  ClientFrameJson,
  InviteJson,
  PartyJson,
  WelcomeJson,
} from "../gen/peal_pb";
import type { Device } from "./device";
import {
  type Accept,
  codes,
  type Draft,
  type Invite,
  type Leave,
  problem,
  type Ticket,
} from "./io";
import { type End, type Reason, View } from "./machine";
import { about, type Reply } from "./request";
import { due } from "./time";
import { generationOf, idOf, revOf, stateOf, typeOf } from "./wire";

/** How many ended calls a device remembers, so that a late update of one does not ring. */
const remembered = 64;

/** The latest calls that are over for this device. */
export class Past {
  readonly #ids: string[] = [];

  add(id: string): void {
    if (this.has(id)) return;
    if (this.#ids.length === remembered) this.#ids.shift();
    this.#ids.push(id);
  }

  drop(id: string): void {
    const i = this.#ids.indexOf(id);
    if (i >= 0) this.#ids.splice(i, 1);
  }

  has(id: string): boolean {
    return this.#ids.includes(id);
  }
}

// ------------------------------------------------------- what the person does

/** Whether a call can begin here; answers where it cannot. */
function free(d: Device, ticket: Ticket): boolean {
  if (d.link.phase === "offline" || d.logsOut) {
    d.do({ kind: "answer", ticket, error: problem(codes.offline, "log in first", false) });
    return false;
  }
  if (d.active !== undefined) {
    const message = "there is a call already: one at a time";
    d.do({ kind: "answer", ticket, error: problem(codes.wrongState, message, false) });
    return false;
  }
  return true;
}

/** Begins a call, and sends nothing. */
export function draft(d: Device, { ticket, invite }: Draft): void {
  if (!free(d, ticket)) return;
  const v = new View(invitation(d, invite), d.now);
  v.draft = true;
  begin(d, v);
  d.do({ kind: "answer", ticket });
}

export function abandonDraft(d: Device, id: string): void {
  const v = d.active;
  if (v === undefined || !v.draft || idOf(v.call) !== id) return;
  abandon(d, v);
  unshade(d);
}

export function invite(d: Device, { ticket, invite }: Invite): void {
  const id = invite.callId ?? "";
  if (d.past.has(id)) {
    d.do({ kind: "answer", ticket }); // It was given up while it was a draft.
    return;
  }
  let v = d.active;
  if (v?.draft && idOf(v.call) === id) {
    v.draft = false;
    v.call = invitation(d, invite);
  } else {
    if (!free(d, ticket)) return;
    v = new View(invitation(d, invite), d.now);
    begin(d, v);
  }
  const own = v;
  d.request({ command: { invite }, ticket, settled: (r) => invited(d, own, ticket, r) });
}

/** The snapshot of a call that the server does not know. */
function invitation(d: Device, invite: InviteJson): CallJson {
  const caller: PartyJson = { account: d.account, present: true, role: "ROLE_CALLER" };
  const callee: PartyJson = { account: invite.callee ?? "", present: true, role: "ROLE_CALLEE" };
  return {
    callId: invite.callId ?? "",
    state: "CALL_STATE_RINGING",
    type: invite.type ?? "CALL_TYPE_UNSPECIFIED",
    role: "ROLE_CALLER",
    generation: 1,
    rebuildGeneration: 1,
    attachment: invite.attachment ?? "",
    icePolicy: invite.icePolicy ?? "ICE_POLICY_UNSPECIFIED",
    caller,
    callee,
    parties: [caller, callee],
  };
}

function invited(d: Device, v: View, ticket: Ticket, r: Reply): void {
  const into = r.update?.mergedInto ?? "";
  if (v.over) {
    // Given up meanwhile, which is no failure.
    d.do({ kind: "answer", ticket, update: r.update });
    update(d, r.update);
    if (into !== "") {
      // It merged with the other side's call, which the person does not want either.
      dismiss(d, into);
    }
  } else if (r.error !== undefined) {
    abandon(d, v);
    const code = r.error.code;
    if (code === codes.timeout || code === codes.unavailable) {
      // It may have arrived, or arrive yet: it must not ring.
      withdraw(d, idOf(v.call), (r) => update(d, r.update));
    }
    d.do({ kind: "answer", ticket, error: r.error });
    unshade(d);
  } else if (r.update?.call !== undefined && into !== "") {
    merge(d, v, ticket, r.update);
  } else {
    d.do({ kind: "answer", ticket, update: r.update });
    update(d, r.update);
  }
}

/** Glare: the other side's invitation is the call now, and this device has accepted it. */
function merge(d: Device, v: View, ticket: Ticket, u: CallUpdateJson): void {
  d.past.add(idOf(v.call));
  const call = u.call ?? {};
  const rev = (revOf(call) - 1) >>> 0;
  v.call = { ...call, state: "CALL_STATE_RINGING", type: typeOf(v.call), rev };
  v.asked = true;
  d.do({ kind: "answer", ticket, update: u });
  update(d, u);
}

export function accept(d: Device, { ticket, accept }: Accept): void {
  const v = d.active;
  if (v === undefined || idOf(v.call) !== (accept.callId ?? "") || !v.ringing("ROLE_CALLEE")) {
    const message = "there is no invitation to answer";
    d.do({ kind: "answer", ticket, error: problem(codes.wrongState, message, false) });
    return;
  }
  v.asked = true;
  d.ask({ ticket, command: { accept } });
}

export function reject(d: Device, { ticket, call }: Leave): void {
  const v = d.active;
  if (v === undefined || idOf(v.call) !== call || !v.ringing("ROLE_CALLEE")) {
    const message = "there is no invitation to reject";
    d.do({ kind: "answer", ticket, error: problem(codes.wrongState, message, false) });
    return;
  }
  leave(d, v, { reject: { callId: call } }, "rejected", ticket);
}

export function cancel(d: Device, { ticket, call }: Leave): void {
  const v = d.active;
  if (v === undefined || idOf(v.call) !== call || !v.ringing("ROLE_CALLER")) {
    const message = "there is no invitation to cancel";
    d.do({ kind: "answer", ticket, error: problem(codes.wrongState, message, false) });
    return;
  }
  if (v.draft) {
    giveUpDraft(d, v, ticket);
    return;
  }
  if (d.link.phase !== "online" || revOf(v.call) === 0) {
    // Nobody waits for a server that is away, or knows nothing yet, to stop one's own ringing.
    giveUp(d, v, ticket);
    return;
  }
  d.request({
    command: cancelCommand(call),
    lasting: true,
    settled: (r) => {
      const error = r.error?.code === codes.callEnded ? undefined : r.error;
      d.do({ kind: "answer", ticket, update: r.update, error });
      update(d, r.update);
    },
  });
}

export function hangup(d: Device, { ticket, call }: Leave): void {
  const v = d.active;
  if (v === undefined || idOf(v.call) !== call) {
    d.do({ kind: "answer", ticket }); // It is over already.
  } else if (v.draft) {
    giveUpDraft(d, v, ticket);
  } else if (v.ringing("ROLE_CALLER")) {
    giveUp(d, v, ticket);
  } else if (v.ringing("ROLE_CALLEE")) {
    leave(d, v, hangupCommand(call), "rejected", ticket);
  } else {
    leave(d, v, hangupCommand(call), "completed", ticket);
  }
}

/** Ends the call here at once, and repeats the command until the server has it. */
function leave(d: Device, v: View, command: ClientFrameJson, why: Reason, ticket: Ticket): void {
  const id = idOf(v.call);
  d.request({
    command,
    lasting: true,
    settled: (r) => {
      if (r.error?.code === codes.alreadyAccepted && r.update?.call?.role === "ROLE_CALLEE") {
        // An acceptance that this device gave up waiting for has arrived.
        const settled = (r: Reply): void => left(d, ticket, r);
        d.request({ command: hangupCommand(id), lasting: true, settled });
        return;
      }
      left(d, ticket, r);
    },
  });
  end(d, v.leave(d.account, why, d.now));
}

/** Leaves an invitation, which the server may never have seen. */
function giveUp(d: Device, v: View, ticket: Ticket): void {
  withdraw(d, idOf(v.call), (r) => left(d, ticket, r));
  end(d, v.leave(d.account, "cancelled", d.now));
}

/** Leaves a draft: the server has never heard of it, and does not. */
function giveUpDraft(d: Device, v: View, ticket: Ticket): void {
  end(d, v.leave(d.account, "cancelled", d.now));
  left(d, ticket, {});
}

function left(d: Device, ticket: Ticket, r: Reply): void {
  if (ticket !== 0) d.do({ kind: "answer", ticket, update: r.update });
  update(d, r.update); // It may be this device's again, merged with a call that it made since.
}

/**
 * Cancels an invitation for good. It may have been answered at the last moment: that it is
 * to end holds all the same.
 */
function withdraw(d: Device, id: string, settled: (reply: Reply) => void): void {
  d.request({
    command: cancelCommand(id),
    lasting: true,
    settled: (r) => {
      if (r.error?.code !== codes.alreadyAccepted) {
        settled(r);
        return;
      }
      d.request({ command: hangupCommand(id), lasting: true, settled });
    },
  });
}

function cancelCommand(callId: string): ClientFrameJson {
  return { cancel: { callId } };
}

function hangupCommand(callId: string): ClientFrameJson {
  return { hangup: { callId } };
}

// ----------------------------------------------------- what the server sends

/** Takes the calls of a welcome. */
export function greeted(d: Device, w: WelcomeJson): void {
  const v = d.active;
  let listed = false;
  d.shadows.take(); // The welcome lists those that are still live.
  for (const u of w.calls ?? []) {
    const mine = v !== undefined && idOf(u.call) === idOf(v.call);
    listed = listed || mine;
    // A call that is over, and that this device was not in, comes as a record.
    if (mine || stateOf(u.call) !== "CALL_STATE_ENDED") update(d, u);
  }
  if (v === undefined || d.active !== v || revOf(v.call) === 0) return;
  if (listed) {
    ring(d, v);
    d.do({ kind: "updated", update: { call: v.call }, changes: ["reconnected"] });
    return;
  }
  lookUp(d, v);
}

/**
 * Finds out how a call ended that ended too long ago for a welcome. Of one that has ended a
 * hang-up asks just that.
 */
function lookUp(d: Device, v: View): void {
  d.request({
    command: hangupCommand(idOf(v.call)),
    lasting: true,
    settled: (r) => {
      update(d, r.update);
      if (!v.over) end(d, v.leave(d.account, "lost", d.now));
    },
  });
}

/**
 * Reports to the server that this device rings, so that the server can notify the caller. A
 * repeated ring time-out does not start again.
 */
function ring(d: Device, v: View): void {
  if (!v.ringing("ROLE_CALLEE")) return;
  d.mention({ ringing: { callId: idOf(v.call), ringTimeoutMs: v.ringTimeoutMs } });
}

/** Takes an update of a call, if there is one. */
export function update(d: Device, u: CallUpdateJson | undefined): void {
  if (u?.call === undefined || stateOf(u.call) === "CALL_STATE_UNSPECIFIED") return;
  const c = u.call;
  const id = idOf(c);
  if (d.active !== undefined && idOf(d.active.call) === id) {
    advance(d, d.active, u, c);
  } else if (stateOf(c) === "CALL_STATE_ENDED") {
    d.shadows.drop(id);
    d.past.add(id); // An older update of it may come later.
    d.file(u);
  } else if (d.active !== undefined || (d.unshadeAt !== undefined && d.shadows.has(id))) {
    d.shadows.keep(u);
  } else if (d.records.has(id)) {
    // It is over.
  } else if (isIn(c) && (d.past.has(id) || !d.resumes)) {
    dismiss(d, id);
  } else if (d.past.has(id) || (c.role !== "ROLE_CALLER" && c.role !== "ROLE_CALLEE")) {
    // It is over here, or none of this device's.
  } else if (d.logsOut) {
    // Nothing rings any more.
  } else if (c.role === "ROLE_CALLEE" && stateOf(c) === "CALL_STATE_RINGING") {
    if (!c.ringStopped) {
      const v = new View(c, d.now);
      begin(d, v);
      d.do({ kind: "incoming", update: u });
      ring(d, v);
    }
  } else {
    begin(d, new View(c, d.now));
    d.do({ kind: "resumed", update: u });
  }
}

/**
 * Takes an event, or an answer for which no request waits. An invitation that was given up
 * may have merged with another call.
 */
export function passing(d: Device, u: CallUpdateJson | undefined): void {
  const id = u?.mergedInto ?? "";
  if (id !== "" && (d.active === undefined || idOf(d.active.call) !== id)) {
    dismiss(d, id);
    return;
  }
  update(d, u);
}

/** Whether this device is one of the two of a live call for the server. */
function isIn(c: CallJson): boolean {
  return (
    c.role === "ROLE_CALLER" || (c.role === "ROLE_CALLEE" && stateOf(c) !== "CALL_STATE_RINGING")
  );
}

/**
 * Ends a call that this device is in on the server's side alone: it was given up here, or the
 * program was started again, while an earlier request took effect there. Nobody is in a call
 * who has not asked for that here, but for what is resumed at a login.
 */
function dismiss(d: Device, id: string): void {
  d.past.add(id);
  if (d.requests.some((r) => about(r) === id)) return; // It is being left already.
  d.request({
    command: hangupCommand(id),
    lasting: true,
    settled: (r) => {
      if (stateOf(r.update?.call) === "CALL_STATE_ENDED") update(d, r.update);
    },
  });
}

function advance(d: Device, v: View, u: CallUpdateJson, c: CallJson): void {
  if (v.ringing("ROLE_CALLEE") && !v.asked && isIn(c) && stateOf(c) !== "CALL_STATE_ENDED") {
    // An invitation of this device was given up, and merged: the person has not answered.
    end(d, v.leave(d.account, "completed", d.now));
    dismiss(d, idOf(c));
    return;
  }
  const { changes, end: over } = v.advance(c, d.account, d.config.id, d.now);
  const late = revOf(c) < revOf(v.call);
  const describes = !!u.offer || !!u.answer || (u.iceServers ?? []).length > 0;
  if (over !== undefined) {
    end(d, over);
    d.file(u);
  } else if (late) {
    // Nobody needs what describes an earlier generation.
    if (describes && generationOf(c) >= generationOf(v.call))
      d.do({ kind: "updated", update: { ...u, call: v.call }, changes: [] });
  } else if (changes.length > 0 || describes) {
    d.do({ kind: "updated", update: u, changes });
  }
}

// ----------------------------------------------------------- the one call

function begin(d: Device, v: View): void {
  d.active = v;
  quicken(d);
}

/** The end of the call here. */
export function end(d: Device, e: End): void {
  const v = d.active;
  if (v === undefined) return;
  abandon(d, v);
  d.do({ kind: "ended", call: idOf(v.call), end: e });
  unshade(d);
}

/** The end without a word: an answer tells. */
function abandon(d: Device, v: View): void {
  v.over = true;
  d.past.add(idOf(v.call));
  d.active = undefined;
  quicken(d);
}

/**
 * Schedules the calls that rang beside the call that has ended. They ring in a later step, so
 * that the application can call at once when it gets the end.
 */
function unshade(d: Device): void {
  if (!d.shadows.empty) d.unshadeAt = d.now;
}

/** Takes up what still rings, unless there is another call by now. */
export function wokeShadows(d: Device): void {
  if (!due(d.unshadeAt, d.now)) return;
  d.unshadeAt = undefined;
  if (d.active === undefined) for (const u of d.shadows.take()) update(d, u);
}

/** Applies the heartbeat of a call, or that of no call. */
function quicken(d: Device): void {
  if (d.link.phase === "online") d.probe();
}
