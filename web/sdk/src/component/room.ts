import type { Call } from "../call";
import type { RoomInfo, RoomMember } from "./options";

/** A call in the words of the original's rooms. */
export function roomOf(call: Call, account: string): RoomInfo {
  const created = call.createdAt.getTime();
  const member = (name: string, uid: number): RoomMember => ({
    uid,
    account: name,
    accid: name,
    createTimestamp: created,
    expireTimestamp: 0,
  });
  return {
    channelName: call.id,
    channelId: call.id,
    channelCreateTime: String(created),
    channelExpireTime: "0",
    creator: call.direction === "outgoing" ? account : call.peer,
    uid: call.localUid,
    members: [member(account, call.localUid), member(call.peer, call.peerUid)],
  };
}
