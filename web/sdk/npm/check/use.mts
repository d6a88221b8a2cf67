// What a strict TypeScript page writes: every method and event of the component,
// and the typed core.
import RTCCalling, {
  type CallHandle,
  type CallRecord,
  type ComponentError,
  type ComponentEvents,
  PealClient,
  PealError,
  type RecordMessage,
  type RoomMember,
  version,
} from "peal-rtc";

declare const element: HTMLElement;

export async function component(): Promise<void> {
  const rtc: RTCCalling = RTCCalling.getInstance({ debug: true });
  const same: RTCCalling = new RTCCalling.getInstance();
  const own = new RTCCalling();
  const v: string = RTCCalling.version;
  rtc.setupAppKey({ appKey: "k", server: "https://s", resolution: 8, neRtcServerAddresses: {} });
  await rtc.login({
    account: "alice",
    token: "t",
    getToken: async () => "t",
    resume: true,
    onconnect: () => {},
    onerror: (e: ComponentError) => console.log(e.code, e.message),
    ondisconnect: (e) => console.log(e.code),
    onmsg: (m: RecordMessage) => console.log(m.attach.status, m.attach.durations[0]?.duration),
    whatever: 1,
    success: () => {},
    failed: (e) => console.log(e.code),
  });
  rtc.setTokenService(async (uid: number) => String(uid));
  rtc.setCallProfile({ resolution: 4, frameRate: 3, quality: "speech_standard", recordConfig: {} });
  rtc.setCallTimeout(30_000);
  rtc.setupLocalView(element);
  rtc.setupLocalView();
  rtc.setupRemoteView("bob", element);
  rtc.setupRemoteView("bob");
  await rtc.call({ userId: "bob", type: 2, attachment: { room: 1 }, success: () => {} });
  await rtc.groupCall({ userIds: ["bob"], type: 1, groupId: "g" });
  await rtc.groupInvite({ userIds: ["bob"] });
  await rtc.cancel({ success: () => {} });
  await rtc.accept();
  await rtc.reject();
  await rtc.leave({ channelId: "c" });
  await rtc.hangup();
  await rtc.switchCallType(1);
  await rtc.enableLocalVideo(true);
  await rtc.enableLocalAudio(true);
  await rtc.muteLocalVideo(true);
  await rtc.muteLocalAudio(true);
  await rtc.setAudioMute(true, "bob");
  const { audioIn, audioOut, video } = await rtc.getDevices();
  const label: string = [...audioIn, ...audioOut, ...video][0]?.label ?? "";
  await rtc.switchDevice("cameraId", label);
  await rtc.selectSpeakers(label);
  const room = await rtc.getRoomInfo();
  const uid: number = room.members[0]?.uid ?? 0;
  const created: string = room.channelCreateTime;
  const sdk = rtc.getSdkInstance();
  sdk.rtcClient.adapterRef.localStream?.setCaptureVolume(50);
  sdk.rtcClient.adapterRef.remoteStreamMap[uid]?.setAudioVolume(50);
  await sdk.WebRTC2.getCameras();
  const who: string | undefined = rtc.userMap[uid];
  const invited: ComponentEvents["onInvited"] = ({ invitor, type, attachment, channelId }) =>
    console.log(invitor, type, attachment, channelId);
  rtc.on("onInvited", invited).off("onInvited", invited).once("onInvited", invited);
  rtc.addDelegate("onUserNetworkQuality", (q) => console.log(q.bob?.uplinkNetworkQuality));
  rtc.addDelegate("onCallingTimeOut", (side) => console.log(side));
  rtc.addDelegate("onCallTypeRequest", ({ userId, active }) => console.log(userId, active));
  rtc.addDelegate("onError", (e, ...rest) => console.log(e.code, rest));
  rtc.removeDelegate("onInvited");
  rtc.removeAllListeners();
  await rtc.logout();
  rtc.destroy();
  // As pages of the original type it: a listener in its own words, any event, untyped handles.
  rtc.on("onInvited", (e: { invitor: string; attachment: string }) => console.log(e.attachment));
  // As tests and wrappers of the original make it: none of what we have added.
  const ofTheOriginal: Parameters<ComponentEvents["onInvited"]>[0] = {
    invitor: "bob",
    userIds: ["alice"],
    isFromGroup: false,
    groupId: "",
    attachment: "",
    type: 1,
    channelId: "c",
  };
  rtc.emit("onInvited", ofTheOriginal);
  const member: RoomMember = {
    uid: 1,
    account: "a",
    accid: "a",
    createTimestamp: 0,
    expireTimestamp: 0,
  };
  room.members.push(member);
  // And what we have added.
  rtc.on("onInvited", ({ invitor, invitorName, invitorAvatar }) =>
    console.log(invitorName ?? invitor, invitorAvatar ?? "", member.name ?? member.account),
  );
  rtc.on("onInvited", function (this: RTCCalling) {}, rtc);
  rtc.addDelegate("onElsewhere", (x: number) => console.log(x));
  rtc.getSdkInstance().rtcClient.adapterRef.localStream.muteAudio();
  rtc.emit("onCallEnd");
  console.log(rtc.listenerCount("onCallEnd"), rtc.eventNames(), rtc.listeners("onCallEnd").length);
  // @ts-expect-error A call has a type.
  await rtc.call({ userId: "bob" });
  console.log(same, own, v, who, version, created);
}

export async function core(): Promise<void> {
  const client = new PealClient({ server: "https://s", getToken: () => "t" });
  client.on("incoming", (call: CallHandle) => void call.accept({ video: false }));
  client.on("record", (r: CallRecord) => console.log(r.kind, r.endedAt.getTime()));
  await client.connect();
  const call = client.call("bob", {
    video: true,
    profile: { video: { width: 1280, height: 720 }, audio: "music_standard" },
  });
  call.on("accepted", () => {}).on("ended", (end) => console.log(end.reason, end.byThisDevice));
  const { peerName, peerAvatar, parties }: { peerName: string } & CallHandle = call;
  console.log(peerName.length, peerAvatar.length, parties[0]?.name.length);
  call.attachLocal(element);
  call.attachRemote(element);
  await call.invited;
  await call.switchType(1).catch((e: unknown) => {
    if (e instanceof PealError) console.log(e.code, e.retry);
  });
  const last = (await client.records({ limit: 10 })).at(-1);
  if (last) await client.records({ before: last });
  await client.close();
}
