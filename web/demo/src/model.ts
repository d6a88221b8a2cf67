import type { CallEnd, ConnectionState, Direction } from "../../sdk/src/index";
import type { Language } from "./strings";

/** Where the page is; `document.body.dataset.state` says it too. "serve": there is nobody to be here. */
export type Stage = "serve" | "login" | "idle" | "calling" | "called" | "connecting" | "connected";

/** Something that the person should know and perhaps do. Put in words by words.ts. */
export interface Problem {
  readonly code: string;
  readonly message: string;
  /** Whom a video call failed to reach for want of a camera: a call without one is offered. */
  readonly withoutCamera?: string;
}

/** A call that is over. */
export interface PastCall {
  readonly peer: string;
  readonly direction: Direction;
  readonly video: boolean;
  readonly end: CallEnd;
  readonly at: Date;
}

/** The call that is going on or ringing, as far as it is shown. */
export interface CallModel {
  readonly peer: string;
  readonly video: boolean;
  /** Who waits for an answer whether the call becomes a video call. */
  readonly videoAsked: "me" | "peer" | null;
  readonly microphoneOn: boolean;
  readonly cameraOn: boolean;
  readonly screenOn: boolean;
  readonly remotePicture: boolean;
  /** The other one's picture is a screen: it is shown whole. */
  readonly remoteScreen: boolean;
  readonly remoteMuted: boolean;
  /** The devices are not open yet: the browser may be asking. */
  readonly opening: boolean;
  /** The server has taken the invitation. */
  readonly invited: boolean;
  /** It rings for so long that the other page may not be there at all. */
  readonly ringsLong: boolean;
  readonly trouble: "media" | "peerMedia" | "peerAway" | "weak" | null;
  /** The browser wants a gesture before it plays the other one's sound. */
  readonly silent: boolean;
  readonly seconds: number;
}

/** All that the page shows. The views draw it; only app.ts makes it. */
export interface Model {
  readonly language: Language;
  readonly stage: Stage;
  readonly account: string;
  readonly loggingIn: boolean;
  readonly server: ConnectionState;
  readonly call: CallModel | null;
  readonly problem: Problem | null;
  readonly outcome: PastCall | null;
  readonly history: readonly PastCall[];
  /** The browser keeps the page silent before a gesture. */
  readonly soundLocked: boolean;
  readonly askNotifications: boolean;
}

/** What the person can do. */
export interface Actions {
  login(name: string): void;
  logout(): void;
  call(peer: string, video: boolean): void;
  accept(camera: boolean): void;
  reject(): void;
  hangup(): void;
  toggleMicrophone(): void;
  toggleCamera(): void;
  toggleScreen(): void;
  /** Answers the other person's wish for a video call. */
  answerVideo(agree: boolean): void;
  play(): void;
  dismiss(): void;
  toggleLanguage(): void;
  askNotifications(): void;
}
