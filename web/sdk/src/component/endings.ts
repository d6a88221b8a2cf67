import type { CallEnd, Direction } from "../api/types";
import type { ComponentEvents } from "./events";

/** One event of the component with what its listeners get. */
export type Told = {
  [K in keyof ComponentEvents]: [event: K, ...payload: Parameters<ComponentEvents[K]>];
}[keyof ComponentEvents];

/** What a device may end without anybody's doing anything there. */
const untold: ReadonlySet<CallEnd["reason"]> = new Set(["timeout", "lost", "kicked"]);

/** What a page of the component receives when a call ends, in its order. */
export function endingEvents(end: CallEnd, direction: Direction, peer: string): Told[] {
  // Who ended it knows that by the promise of what it did.
  if (end.byThisDevice && !untold.has(end.reason)) return [];
  const outgoing = direction === "outgoing";
  switch (end.reason) {
    case "completed":
      return [["onUserLeave", peer], ["onCallEnd"]];
    case "cancelled":
      return [["onUserCancel", peer]];
    case "rejected":
      return outgoing ? [["onUserReject", peer]] : [["onOtherClientReject"]];
    case "timeout": {
      const side = outgoing ? "callTimeOut" : "beCallTimeOut";
      return [
        ["onCallingTimeOut", side],
        ["onCallingTimeout", side],
      ];
    }
    case "busy":
      return [["onUserBusy", peer]];
    case "answered_elsewhere":
      return [["onOtherClientAccept"]];
    case "failed":
      return [
        ["onError", { code: "100", message: "the media of the call never came up" }],
        ["onCallEnd"],
      ];
    case "lost":
    case "superseded":
    case "kicked":
    case "server":
      return cut(end, outgoing, peer);
  }
}

/** The call was ended by what nobody in it did on purpose. */
function cut(end: CallEnd, outgoing: boolean, peer: string): Told[] {
  if (!end.answered && !outgoing) return [["onUserCancel", peer]];
  if (end.reason === "server") return [["onCallEnd"]];
  if (end.byThisDevice) return [["onDisconnect"], ["onCallEnd"]];
  if (end.reason !== "lost") return [["onUserLeave", peer], ["onCallEnd"]];
  return end.actor === peer
    ? [["onUserDisconnect", peer], ["onCallEnd"]]
    : [["onDisconnect"], ["onCallEnd"]];
}
