import type { ComponentError } from "./codes";

export interface InvitedEvent {
  invitor: string;
  userIds: string[];
  isFromGroup: boolean;
  groupId: string;
  attachment: unknown;
  type: 1 | 2 | 3;
  channelId: string;
}

export interface AvailableEvent {
  userId: string;
  uid: number;
  available: boolean;
}

export interface MutedEvent {
  userId: string;
  muted: boolean;
}

export interface QualityEvent {
  [userId: string]: { uplinkNetworkQuality: number; downlinkNetworkQuality: number };
}

export interface JoinEvent {
  uid: number;
  cid: string;
  channelName: string;
  userId: string;
}

/** `switchCallType(2)` agrees, `switchCallType(1)` refuses. */
export interface TypeRequestEvent {
  userId: string;
  type: 2;
  active: boolean;
}

export type TimeOutSide =
  | "callTimeOut"
  | "beCallTimeOut"
  | "groupCallTimeOut"
  | "groupInviteTimeOut";

/** The component's events and what their listeners get. */
export interface ComponentEvents {
  onInvited: (event: InvitedEvent) => void;
  onUserAccept: (userId: string) => void;
  onUserEnter: (userId: string) => void;
  onUserReject: (userId: string) => void;
  onUserBusy: (userId: string) => void;
  onUserCancel: (userId: string) => void;
  onUserLeave: (userId: string) => void;
  onUserDisconnect: (userId: string) => void;
  onCallingTimeOut: (side: TimeOutSide) => void;
  /** The same by its other spelling. */
  onCallingTimeout: (side: TimeOutSide) => void;
  onCameraAvailable: (event: AvailableEvent) => void;
  onAudioAvailable: (event: AvailableEvent) => void;
  onVideoMuted: (event: MutedEvent) => void;
  onAudioMuted: (event: MutedEvent) => void;
  onUserNetworkQuality: (event: QualityEvent) => void;
  onCallTypeChange: (type: 1 | 2) => void;
  /** The other side asks for a video call, or (not active) no longer does: ours, not in the original. */
  onCallTypeRequest: (event: TypeRequestEvent) => void;
  onCallEnd: () => void;
  onDisconnect: () => void;
  onOtherClientAccept: () => void;
  onOtherClientReject: () => void;
  onMessageSent: (userId: string) => void;
  onJoinChannel: (event: JoinEvent) => void;
  onError: (error: ComponentError, ...rest: unknown[]) => void;
}
