import type { Call } from "../call";
import type { RoomInfo, RoomMember } from "./options";

/** The name and the picture of a person in the call, as far as they are known. */
export function shownAs(call: Call, account: string): { name?: string; avatar?: string } {
  const { name, avatar } = call.parties.find((p) => p.account === account) ?? {};
  return { ...(name && { name }), ...(avatar && { avatar }) };
}

/** A call in the words of the original's rooms. */
export function roomOf(call: Call, account: string): RoomInfo {
  const created = call.createdAt.getTime();
  const member = (name: string, uid: number): RoomMember => ({
    uid,
    account: name,
    accid: name,
    ...shownAs(call, name),
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
