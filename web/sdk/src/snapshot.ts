import type { CallEnd, CallParty, CallRecord, CallState, EndReason, RemoteTracks } from "./api";
import type {
  CallJson,
  CallTypeJson,
  PartyJson,
  ReasonJson,
  RecordJson,
  RecordKindJson,
  RoleJson,
} from "./gen/peal_pb";

import { type IcePolicy, readPolicy } from "./privacy";

/** What this device is to a call. */
export type Role = "caller" | "callee" | "observer";

/** One side of a call. */
export interface Side {
  account: string;
  uid: number;
  present: boolean;
  epoch: number;
  mediaUp: boolean;
  tracks: RemoteTracks;
}

/** A call's snapshot without the gaps of the wire, where defaults are left out. */
export interface Snapshot {
  id: string;
  rev: number;
  state: CallState;
  type: 1 | 2 | 3;
  role: Role;
  local: Side;
  peer: Side;
  parties: readonly CallParty[];
  attachment: string;
  icePolicy: IcePolicy;
  /** How many of the caller's candidates the device that answered had. */
  candidatesHeld: number;
  ringStopped: boolean;
  ringRemainingMs: number;
  generation: number;
  rebuild: number;
  connectedForMs: number;
  /** Who asks for a video call and waits for an answer. */
  videoAsked: "local" | "peer" | null;
  /** Set when ended. */
  end: Omit<CallEnd, "answered"> | null;
}

const states: Record<string, CallState> = {
  CALL_STATE_RINGING: "ringing",
  CALL_STATE_CONNECTING: "connecting",
  CALL_STATE_CONNECTED: "connected",
  CALL_STATE_ENDED: "ended",
};

const reasons: Record<ReasonJson, EndReason> = {
  // What a newer server calls an ending is an ending all the same.
  REASON_UNSPECIFIED: "server",
  REASON_COMPLETED: "completed",
  REASON_CANCELLED: "cancelled",
  REASON_REJECTED: "rejected",
  REASON_TIMEOUT: "timeout",
  REASON_BUSY: "busy",
  REASON_FAILED: "failed",
  REASON_LOST: "lost",
  REASON_SUPERSEDED: "superseded",
  REASON_KICKED: "kicked",
  REASON_SERVER: "server",
};

const types: Record<CallTypeJson, 1 | 2 | 3> = {
  CALL_TYPE_UNSPECIFIED: 1,
  CALL_TYPE_AUDIO: 1,
  CALL_TYPE_VIDEO: 2,
  CALL_TYPE_OTHER: 3,
};

export const typeNames: Record<1 | 2 | 3, CallTypeJson> = {
  1: "CALL_TYPE_AUDIO",
  2: "CALL_TYPE_VIDEO",
  3: "CALL_TYPE_OTHER",
};

const kinds: Record<RecordKindJson, 1 | 2 | 3 | 4 | 5> = {
  RECORD_KIND_UNSPECIFIED: 1,
  RECORD_KIND_COMPLETED: 1,
  RECORD_KIND_CANCELLED: 2,
  RECORD_KIND_REJECTED: 3,
  RECORD_KIND_TIMEOUT: 4,
  RECORD_KIND_BUSY: 5,
};

/** Reads a snapshot for one device; null when it makes no sense to this version. */
export function readSnapshot(c: CallJson, account: string, device: string): Snapshot | null {
  const state = states[c.state ?? ""];
  if (!c.callId || !state) return null;
  const caller = side(c.caller);
  const callee = side(c.callee);
  const mine = caller.account === account;
  const role =
    c.role === "ROLE_CALLER" ? "caller" : c.role === "ROLE_CALLEE" ? "callee" : "observer";
  const record = c.record ? readRecord(c.record) : null;
  return {
    id: c.callId,
    rev: c.rev ?? 0,
    state,
    type: types[c.type ?? "CALL_TYPE_UNSPECIFIED"] ?? 1,
    role,
    local: mine ? caller : callee,
    peer: mine ? callee : caller,
    parties: parties(c.parties, caller.account, callee.account),
    attachment: c.attachment ?? "",
    icePolicy: readPolicy(c.icePolicy),
    candidatesHeld: c.candidatesHeld ?? 0,
    ringStopped: c.ringStopped ?? false,
    ringRemainingMs: c.ringRemainingMs ?? 0,
    generation: c.generation ?? 1,
    rebuild: c.rebuildGeneration ?? 1,
    connectedForMs: c.connectedForMs ?? 0,
    videoAsked: c.videoAskedBy ? (c.videoAskedBy === account ? "local" : "peer") : null,
    end:
      state === "ended"
        ? {
            reason: readReason(c.reason),
            actor: c.actor ?? "",
            byThisDevice: c.actor === account && c.actorDevice === device,
            durationSeconds: record?.durationSeconds ?? 0,
            record,
          }
        : null,
  };
}

/** Who has a part in it. An older server names two, and their roles by their places. */
function parties(
  list: readonly { account?: string; role?: RoleJson }[] | undefined,
  caller: string,
  callee: string,
): CallParty[] {
  if (!list)
    return [
      { account: caller, role: "caller" },
      { account: callee, role: "callee" },
    ];
  return list.map(({ account = "", role }) => ({
    account,
    role: role === "ROLE_CALLER" ? "caller" : "callee",
  }));
}

function readReason(r: ReasonJson | undefined): EndReason {
  return reasons[r ?? "REASON_UNSPECIFIED"] ?? "server";
}

function side(p: PartyJson | undefined): Side {
  const t = p?.tracks;
  return {
    account: p?.account ?? "",
    uid: p?.uid ?? 0,
    present: p?.present ?? false,
    epoch: p?.epoch ?? 0,
    mediaUp: p?.mediaUp ?? false,
    tracks: {
      audio: t?.audio ?? false,
      audioMuted: t?.audioMuted ?? false,
      video: t?.video ?? false,
      videoMuted: t?.videoMuted ?? false,
    },
  };
}

export function readRecord(r: RecordJson): CallRecord {
  return {
    callId: r.callId ?? "",
    kind: kinds[r.kind ?? "RECORD_KIND_UNSPECIFIED"] ?? 1,
    type: types[r.type ?? "CALL_TYPE_UNSPECIFIED"] ?? 1,
    caller: r.caller ?? "",
    callee: r.callee ?? "",
    parties: parties(r.parties, r.caller ?? "", r.callee ?? ""),
    reason: readReason(r.reason),
    createdAt: new Date(r.createdAt ?? 0),
    endedAt: new Date(r.endedAt ?? 0),
    durationSeconds: r.durationS ?? 0,
  };
}
