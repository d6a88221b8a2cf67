/** Fields of messages, with the default values that ProtoJSON leaves out. */
import type { CallJson, CallStateJson, CallTypeJson, PartyJson } from "../gen/peal_pb";

export function idOf(c: CallJson | undefined): string {
  return c?.callId ?? "";
}

export function revOf(c: CallJson): number {
  return c.rev ?? 0;
}

const states = /^CALL_STATE_(RINGING|CONNECTING|CONNECTED|ENDED)$/;

/** A state of a newer server, which this version does not know, is unspecified. */
export function stateOf(c: CallJson | undefined): CallStateJson {
  const state = c?.state;
  return state !== undefined && states.test(state) ? state : "CALL_STATE_UNSPECIFIED";
}

export function typeOf(c: CallJson): CallTypeJson {
  return c.type ?? "CALL_TYPE_UNSPECIFIED";
}

export function generationOf(c: CallJson): number {
  return c.generation ?? 0;
}

export function accountOf(p: PartyJson | undefined): string {
  return p?.account ?? "";
}
