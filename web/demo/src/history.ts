import type { CallRecord } from "../../sdk/src/index";
import type { PastCall } from "./model";

/** How many past calls are listed. */
export const remembered = 20;

/** A call as the server filed it, from this side. */
export function pastCall(record: CallRecord, account: string): PastCall {
  const outgoing = record.caller === account;
  const { kind, type, reason, endedAt, durationSeconds } = record;
  return {
    peer: outgoing ? record.callee : record.caller,
    direction: outgoing ? "outgoing" : "incoming",
    video: type === 2,
    at: endedAt,
    end: {
      reason,
      actor: "",
      byThisDevice: false,
      answered: kind === 1,
      durationSeconds,
      record,
    },
  };
}

/** Adds a call to the list, the latest first; one that is there already changes nothing. */
export function remember(history: readonly PastCall[], past: PastCall): readonly PastCall[] {
  const id = past.end.record?.callId;
  if (history.some((p) => p.end.record?.callId === id)) return history;
  return [past, ...history].sort((a, b) => b.at.getTime() - a.at.getTime()).slice(0, remembered);
}

/** Whether somebody called and was not answered. */
export function missed(past: PastCall): boolean {
  const { answered, reason } = past.end;
  return past.direction === "incoming" && !answered && reason !== "rejected";
}

/** The time of a call; with its date when that is not today. */
export function when(at: Date, now: Date, language: string): string {
  const time: Intl.DateTimeFormatOptions = { hour: "2-digit", minute: "2-digit" };
  if (at.toDateString() === now.toDateString()) return at.toLocaleTimeString(language, time);
  return at.toLocaleString(language, { month: "short", day: "numeric", ...time });
}
