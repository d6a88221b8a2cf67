import type { ComponentError } from "./codes";

/** What onInvited gives. */
export interface InvitedEvent {
  /** The account that calls. */
  invitor: string;
  /** The name of the person who calls, as the token says; absent where it has none. Put it into the page as text, never as HTML. Ours, not in the original. */
  invitorName?: string;
  /** The https URL of that person's picture; absent where there is none. Ours, not in the original. */
  invitorAvatar?: string;
  /** Oneself. */
  userIds: string[];
  /** False: there are no group calls. */
  isFromGroup: boolean;
  /** Empty. */
  groupId: string;
  /** As the caller gave it; undefined when it gave none. */
  attachment: unknown;
  /** 1 audio, 2 video, 3 other. */
  type: 1 | 2 | 3;
  /** The call's id. */
  channelId: string;
}

/** What onAudioAvailable and onCameraAvailable give. */
export interface AvailableEvent {
  /** The account. */
  userId: string;
  /** Its numeric id. */
  uid: number;
  /** On or off. */
  available: boolean;
}

/** What onAudioMuted and onVideoMuted give. */
export interface MutedEvent {
  /** The account. */
  userId: string;
  /** Muted or not. */
  muted: boolean;
}

/** What onUserNetworkQuality gives, by account: 0 unknown, 1 excellent … 5 unusable. */
export interface QualityEvent {
  /** By account. */
  [userId: string]: {
    /** What that person sends. */
    uplinkNetworkQuality: number;
    /** What that person receives. */
    downlinkNetworkQuality: number;
  };
}

/** What onJoinChannel gives. */
export interface JoinEvent {
  /** One's own numeric id. */
  uid: number;
  /** The call's id. */
  cid: string;
  /** The call's id. */
  channelName: string;
  /** One's own account. */
  userId: string;
}

/** What onCallTypeRequest gives: `switchCallType(2)` agrees, `switchCallType(1)` refuses. */
export interface TypeRequestEvent {
  /** The account that asks. */
  userId: string;
  /** Always 2: to audio nobody has to be asked. */
  type: 2;
  /** False: it no longer asks. */
  active: boolean;
}

/** Which side timed out: callTimeOut is the caller, beCallTimeOut the callee. */
export type TimeOutSide =
  | "callTimeOut"
  | "beCallTimeOut"
  | "groupCallTimeOut"
  | "groupInviteTimeOut";

/** The component's events and what their listeners get. */
export interface ComponentEvents {
  /** The callee's devices: someone calls. At a login too, while the invitation lives. */
  onInvited: (event: InvitedEvent) => void;
  /** The caller: the callee answered. */
  onUserAccept: (userId: string) => void;
  /** Both: that person's media is up. Show the picture now, or earlier. */
  onUserEnter: (userId: string) => void;
  /** The caller: the callee declined. */
  onUserReject: (userId: string) => void;
  /** The caller: the callee is in another call. */
  onUserBusy: (userId: string) => void;
  /** The callee's devices: the caller gave up, or is gone. */
  onUserCancel: (userId: string) => void;
  /** Those who stay: that person hung up. */
  onUserLeave: (userId: string) => void;
  /** Those who stay: that person's connection is lost for good. */
  onUserDisconnect: (userId: string) => void;
  /** Both: nobody answered in time. */
  onCallingTimeOut: (side: TimeOutSide) => void;
  /** The same by its other spelling. */
  onCallingTimeout: (side: TimeOutSide) => void;
  /** That person's camera is on, or off. In video calls only. */
  onCameraAvailable: (event: AvailableEvent) => void;
  /** That person's microphone is on, or off. */
  onAudioAvailable: (event: AvailableEvent) => void;
  /** That person muted or unmuted the picture. */
  onVideoMuted: (event: MutedEvent) => void;
  /** That person muted or unmuted the sound. */
  onAudioMuted: (event: MutedEvent) => void;
  /** A person, or oneself, shows the screen, or no more: ours, not in the original. */
  onScreenShare: (event: AvailableEvent) => void;
  /** Every two seconds in a call, for both people. */
  onUserNetworkQuality: (event: QualityEvent) => void;
  /** The other side made it an audio call (1), or agreed to a video call (2). */
  onCallTypeChange: (type: 1 | 2) => void;
  /** The other side asks for a video call, or (not active) no longer does: ours, not in the original. */
  onCallTypeRequest: (event: TypeRequestEvent) => void;
  /** Everyone in the call but the one who hung up: it is over, and the state is idle. Only for calls that were answered. Before that: onUserReject, onUserBusy, onUserCancel, onCallingTimeOut, onOtherClientAccept, onOtherClientReject. */
  onCallEnd: () => void;
  /** One's own connection to the call is lost for good. */
  onDisconnect: () => void;
  /** Another device of one's account answered. */
  onOtherClientAccept: () => void;
  /** Another device of one's account declined. */
  onOtherClientReject: () => void;
  /** The caller: a record of kind 2 to 5 was filed. */
  onMessageSent: (userId: string) => void;
  /** Oneself: media is being joined. */
  onJoinChannel: (event: JoinEvent) => void;
  /** Something failed that no promise tells of. The message says what, and what to do. */
  onError: (error: ComponentError, ...rest: unknown[]) => void;
}
