import type { CallEnd, CallParty, CallRecord, CallState, RemoteTracks } from "./api/types";
import { reasonOf } from "./device/machine";
import { stateOf } from "./device/wire";
import type { CallJson, CallTypeJson, PartyJson, RecordJson, RoleJson } from "./gen/peal_pb";

import { type IcePolicy, readPolicy } from "./media/privacy";

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
  /** The side that asks for a video call and waits for an answer. */
  videoAsked: "local" | "peer" | null;
  /** When the call began, by the server's clock; null before the server has it. */
  createdAt: Date | null;
  /** Set when ended. */
  end: Omit<CallEnd, "answered"> | null;
}

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

/** The kinds of records, by their numbers. */
const kinds = ["UNSPECIFIED", "COMPLETED", "CANCELLED", "REJECTED", "TIMEOUT", "BUSY"];

/** Reads a snapshot for one device; null when it makes no sense to this version. */
export function readSnapshot(c: CallJson, account: string, device: string): Snapshot | null {
  const known = stateOf(c);
  if (!c.callId || known === "CALL_STATE_UNSPECIFIED") return null;
  const state = known.slice("CALL_STATE_".length).toLowerCase() as CallState;
  const caller = side(c.caller);
  const callee = side(c.callee);
  const mine = caller.account === account;
  const role =
    c.role === "ROLE_CALLER" ? "caller" : c.role === "ROLE_CALLEE" ? "callee" : "observer";
  const record = c.record ? readRecord(c.record) : null;
  return {
    id: c.callId,
    rev: c.rev ?? 0,
    createdAt: c.createdAt ? new Date(c.createdAt) : null,
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
            reason: reasonOf(c.reason),
            actor: c.actor ?? "",
            byThisDevice: c.actor === account && c.actorDevice === device,
            durationSeconds: record?.durationSeconds ?? 0,
            record,
          }
        : null,
  };
}

/** What the parties of a call and those of a record have in common. */
interface PersonJson {
  account?: string;
  role?: RoleJson;
  name?: string;
  avatar?: string;
}

/** The accounts that have a part in it. An older server names two, and their roles by their places. */
function parties(
  list: readonly PersonJson[] | undefined,
  caller: string,
  callee: string,
): CallParty[] {
  if (!list)
    return [
      { account: caller, role: "caller", name: "", avatar: "" },
      { account: callee, role: "callee", name: "", avatar: "" },
    ];
  return list.map(({ account = "", role, name = "", avatar = "" }) => ({
    account,
    role: role === "ROLE_CALLER" ? "caller" : "callee",
    name,
    avatar,
  }));
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
      screen: t?.screen ?? false,
    },
  };
}

export function readRecord(r: RecordJson): CallRecord {
  return {
    callId: r.callId ?? "",
    kind: Math.max(
      kinds.indexOf((r.kind ?? "").slice("RECORD_KIND_".length)),
      1,
    ) as CallRecord["kind"],
    type: types[r.type ?? "CALL_TYPE_UNSPECIFIED"] ?? 1,
    caller: r.caller ?? "",
    callee: r.callee ?? "",
    parties: parties(r.parties, r.caller ?? "", r.callee ?? ""),
    reason: reasonOf(r.reason),
    createdAt: new Date(r.createdAt ?? 0),
    endedAt: new Date(r.endedAt ?? 0),
    durationSeconds: r.durationS ?? 0,
  };
}
