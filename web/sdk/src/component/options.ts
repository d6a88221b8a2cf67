import type { CallProfile } from "../media/profile";
import type { ComponentError } from "./codes";
import type { RecordMessage } from "./record-message";

/** The callbacks that some methods take beside the promise; they run before it settles. */
export interface Callbacks {
  /** It worked. */
  success?: () => void;
  /** It did not. */
  failed?: (error: ComponentError) => void;
}

/** What `setupAppKey` takes. A profile given here is for every call. */
export interface SetupOptions extends CallProfile {
  /** Accepted and not used: a token is all that a login needs. */
  appKey: string;
  /** Where the server is, as in "https://calls.example.com". Default: where the script came from. */
  server?: string;
  /** Ours: "optional" makes and answers calls without a microphone as well; one that is connected later joins. Default "required". */
  microphone?: "required" | "optional";
  /** Ours: keep in this browser which devices the person chose. Default false. */
  rememberDevices?: boolean;
  /** Ours: what the page plays while a call comes in: the address of a sound, or true for a built-in tone. Default: nothing. */
  ringtone?: string | true;
  /** Ours: the same while someone is called. */
  ringback?: string | true;
  /** What the original took besides is taken and passed over. */
  [more: string]: unknown;
}

/** What `login` takes. */
export interface LoginOptions extends Callbacks {
  /** The account of the token. The token decides; the console warns where they differ. */
  account: string;
  /** The token that the application's backend made for this account. One of `token` and `getToken` is needed. */
  token?: string;
  /** As in `setupAppKey`. */
  server?: string;
  /** Fresh tokens, for reconnects after `token` has expired. */
  getToken?: () => string | Promise<string>;
  /** Go on after a reload with the call that this page was in. Default false: that call ends. */
  resume?: boolean;
  /** Logged in; also after each reconnect. */
  onconnect?: () => void;
  /** The login failed. */
  onerror?: (error: ComponentError) => void;
  /** The login is over and no reconnect follows. The code is kicked, replaced, logged_out, bad_token, … */
  ondisconnect?: (why: ComponentError) => void;
  /** A call was filed, now or while this browser was away. Each record comes once. */
  onmsg?: (message: RecordMessage) => void;
  /** What the original took besides is taken and passed over. */
  [more: string]: unknown;
}

/** What `call` takes. */
export interface InviteOptions extends Callbacks {
  /** The account to call. */
  userId: string;
  /** 1 audio, 2 video, 3 other: media as audio. */
  type: 1 | 2 | 3;
  /** Comes back to the callee as it was given: an object as an object, a string as a string. 4 KiB at most. */
  attachment?: unknown;
  /** Let the callee learn of one's addresses only once the call is answered. */
  relayUntilAccept?: boolean;
  /** Let neither side learn of the other's addresses: media goes by the relay. */
  relayOnly?: boolean;
}

/** What `groupInvite` takes. */
export interface GroupInviteOptions extends Callbacks {
  /** The accounts to invite. */
  userIds: string[];
  /** The application's name of the group. */
  groupId?: string;
  /** As in `call`. */
  attachment?: unknown;
}

/** What `groupCall` takes. */
export interface GroupCallOptions extends GroupInviteOptions {
  /** 1 audio, 2 video, 3 other. */
  type: 1 | 2 | 3;
}

/** One person in a call, as `getRoomInfo` tells. */
export interface RoomMember {
  /** Numeric id of the account. */
  uid: number;
  /** The account. */
  account: string;
  /** The account again. */
  accid: string;
  /** The person's name, as the token says; absent where none is known, as of a callee that has not accepted. Ours, not in the original. */
  name?: string;
  /** The https URL of the person's picture; absent where none is known. Ours, not in the original. */
  avatar?: string;
  /** When the call began, in milliseconds since 1970. */
  createTimestamp: number;
  /** Always 0: a call has no end that is set. */
  expireTimestamp: number;
}

/** The call that is going on, in the words of the original's rooms. */
export interface RoomInfo {
  /** The call's id. */
  channelName: string;
  /** The call's id. */
  channelId: string;
  /** When the call began, in milliseconds since 1970, as text. */
  channelCreateTime: string;
  /** Always "0": a call has no end that is set. */
  channelExpireTime: string;
  /** The account that called. */
  creator: string;
  /** One's own numeric id. */
  uid: number;
  /** Oneself first, then the other person, also before the call is answered. */
  members: RoomMember[];
}
