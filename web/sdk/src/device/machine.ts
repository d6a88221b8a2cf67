import type { CallJson, PartyJson, ReasonJson, RecordJson, RoleJson } from "../gen/peal_pb";
import { accountOf, generationOf, revOf, stateOf, typeOf } from "./wire";

/** What a snapshot changes for this device, in the order of the reports. */
export type Change =
  | "accepted"
  | "type"
  /** The other side asks for video, or does so no more. */
  | "videoRequest"
  /** What this side asked for is answered. */
  | "videoAnswer"
  | "generation"
  /** The other side connected again: it needs the candidates. */
  | "peerEpoch"
  | "peerPresence"
  | "peerMedia"
  | "remoteTracks"
  | "connected"
  /** This side connected again: what it sent may have been lost. */
  | "reconnected";

/** Why a call is over for a device: the server's word, or one of the device's own. */
export type Reason =
  | "completed"
  | "cancelled"
  | "rejected"
  | "timeout"
  | "busy"
  | "failed"
  | "lost"
  | "superseded"
  | "kicked"
  | "server"
  | "answered_elsewhere";

/** How a call is over for a device. */
export interface End {
  readonly reason: Reason;
  /** The account that ended it; empty for the server. */
  readonly actor: string;
  readonly byThisDevice: boolean;
  readonly answered: boolean;
  /** Whole seconds, in milliseconds. */
  readonly durationMs: number;
  /** The server said so. Otherwise this device left, and the record says how the call ended. */
  readonly final: boolean;
  /** The record of the call, where the server filed one with that ending. */
  readonly record?: RecordJson | undefined;
}

/**
 * A call as this device sees it by the snapshots:
 *
 *     ringing ──► connecting ──► connected
 *        │             │             │
 *        └─────────────┴─────────────┴──► over
 *
 * It never goes back, and nothing leaves over. A device is done with a call before the call
 * ends when another device answered, when its own ring time-out is over, or when it left.
 */
export class View {
  /** The newest snapshot; rev 0 before the server knows the call. */
  call: CallJson;
  over = false;
  /** Nothing of it was sent. */
  draft = false;
  /** When the snapshot came. */
  seen: number;
  /** The person has answered it, whatever came of that. */
  asked = false;
  /** This device's own ring time-out; zero while it has none. */
  ringTimeoutMs = 0;

  constructor(call: CallJson, seen: number) {
    this.call = call;
    this.seen = seen;
  }

  /**
   * Takes a snapshot: what it changes, or how the call is over. One that is not newer than
   * the view's changes nothing.
   */
  advance(
    next: CallJson,
    account: string,
    device: string,
    now: number,
  ): { changes: Change[]; end?: End } {
    const was = this.call;
    if (this.over || revOf(next) <= revOf(was)) return { changes: [] };
    const answered = stateOf(was) !== "CALL_STATE_RINGING";
    this.call = next;
    this.seen = now;
    const end = ending(was, next, account, device, answered);
    if (end !== undefined) return { changes: [], end };
    return { changes: changesOf(was, next, account, answered) };
  }

  /** How the call is over for a device that leaves it by itself. */
  leave(account: string, why: Reason, now: number): End {
    const connected = stateOf(this.call) === "CALL_STATE_CONNECTED";
    const ms = connected ? (this.call.connectedForMs ?? 0) + now - this.seen : 0;
    return {
      reason: why,
      actor: account,
      byThisDevice: true,
      answered: stateOf(this.call) !== "CALL_STATE_RINGING",
      durationMs: Math.trunc(ms / 1000) * 1000,
      final: false,
    };
  }

  ringing(role: RoleJson): boolean {
    return this.call.role === role && stateOf(this.call) === "CALL_STATE_RINGING";
  }
}

function changesOf(was: CallJson, next: CallJson, account: string, answered: boolean): Change[] {
  const peer = peerOf(next, account);
  const peerWas = peerOf(was, account);
  const asks = (c: CallJson, by: string): boolean => !!c.videoAskedBy && c.videoAskedBy === by;
  const changes: Change[] = [];
  const note = (happened: boolean, c: Change): void => {
    if (happened) changes.push(c);
  };
  note(!answered && stateOf(next) !== "CALL_STATE_RINGING", "accepted");
  note(typeOf(next) !== typeOf(was), "type");
  note(asks(next, accountOf(peer)) !== asks(was, accountOf(peer)), "videoRequest");
  note(asks(was, account) && !asks(next, account), "videoAnswer");
  note(generationOf(next) > generationOf(was), "generation");
  note((peer?.epoch ?? 0) > (peerWas?.epoch ?? 0) && answered, "peerEpoch");
  note((peer?.present ?? false) !== (peerWas?.present ?? false) && answered, "peerPresence");
  note((peer?.mediaUp ?? false) !== (peerWas?.mediaUp ?? false), "peerMedia");
  note(!sameTracks(peer, peerWas), "remoteTracks");
  note(stateOf(next) === "CALL_STATE_CONNECTED" && stateOf(was) !== stateOf(next), "connected");
  return changes;
}

/** How a call is over for a device, if it is. */
function ending(
  was: CallJson,
  next: CallJson,
  account: string,
  device: string,
  answered: boolean,
): End | undefined {
  const here = { actor: account, byThisDevice: false, answered: false, durationMs: 0, final: true };
  if (stateOf(next) === "CALL_STATE_ENDED") {
    const actor = next.actor ?? "";
    return {
      reason: reasonOf(next.reason),
      actor,
      byThisDevice: actor === account && (next.actorDevice ?? "") === device,
      answered,
      durationMs: (next.record?.durationS ?? 0) * 1000,
      final: true,
      record: next.record,
    };
  }
  if (was.role === "ROLE_CALLEE" && next.role === "ROLE_OBSERVER") {
    return { ...here, reason: "answered_elsewhere" };
  }
  if (next.role === "ROLE_CALLEE" && next.ringStopped) {
    return { ...here, reason: "timeout", byThisDevice: true };
  }
  return undefined;
}

const reasons: readonly string[] = [
  "completed",
  "cancelled",
  "rejected",
  "timeout",
  "busy",
  "failed",
  "lost",
  "superseded",
  "kicked",
] satisfies readonly Reason[];

/** Reads the server's word. What a newer server calls an ending is an ending all the same. */
export function reasonOf(r: ReasonJson | undefined): Reason {
  const word = (r ?? "").slice("REASON_".length).toLowerCase();
  return reasons.includes(word) ? (word as Reason) : "server";
}

/** The other side's part. */
function peerOf(c: CallJson, account: string): PartyJson | undefined {
  return accountOf(c.caller) === account ? c.callee : c.caller;
}

function sameTracks(a: PartyJson | undefined, b: PartyJson | undefined): boolean {
  const of = (p: PartyJson | undefined): boolean[] => {
    const t = p?.tracks;
    return [t?.audio, t?.audioMuted, t?.video, t?.videoMuted, t?.screen].map((on) => on ?? false);
  };
  const other = of(b);
  return of(a).every((on, i) => on === other[i]);
}
