import type { CallRecord } from "./api";

/** A record as pages of the component know it: a message of type g2. */
export interface RecordMessage {
  type: "g2";
  scene: "p2p";
  from: string;
  to: string;
  flow: "in" | "out";
  time: number;
  attach: {
    type: 1 | 2;
    channelId: string;
    status: 1 | 2 | 3 | 4 | 5;
    durations: { accid: string; duration: number }[];
  };
}

export function recordMessage(record: CallRecord, account: string): RecordMessage {
  return {
    type: "g2",
    scene: "p2p",
    from: record.caller,
    to: record.callee,
    flow: record.caller === account ? "out" : "in",
    time: record.endedAt.getTime(),
    attach: {
      type: record.type === 2 ? 2 : 1,
      channelId: record.callId,
      status: record.kind,
      durations: [record.caller, record.callee].map((accid) => ({
        accid,
        duration: record.durationSeconds,
      })),
    },
  };
}
