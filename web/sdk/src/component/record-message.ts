import type { CallRecord } from "../api/types";

/** A record as pages of the component know it: a message of type g2. */
export interface RecordMessage {
  /** Always g2. */
  type: "g2";
  /** Always p2p. */
  scene: "p2p";
  /** The caller. */
  from: string;
  /** The callee. */
  to: string;
  /** out when oneself called, else in. */
  flow: "in" | "out";
  /** When it ended, in milliseconds since 1970. */
  time: number;
  attach: {
    /** 1 audio, 2 video. */
    type: 1 | 2;
    /** The call's id. */
    channelId: string;
    /** 1 completed, 2 cancelled, 3 rejected, 4 timed out, 5 busy. */
    status: 1 | 2 | 3 | 4 | 5;
    /** For the caller and the callee: how long both had media, in seconds. */
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
