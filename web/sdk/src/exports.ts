import type { Client, ClientOptions } from "./api";
import { PealClient as Implementation } from "./client";

export type * from "./api";
export type { ComponentError } from "./codes";
export { PealError } from "./errors";
export type * from "./events";
export type {
  Callbacks,
  GroupCallOptions,
  GroupInviteOptions,
  InviteOptions,
  LoginOptions,
  RoomInfo,
  SetupOptions,
} from "./facade";
export { RTCCalling, RTCCalling as default } from "./facade";
export type { RecordMessage } from "./records";
export { version } from "./version";

/** A client of the typed core. What it may be asked is all in `Client`. */
export const PealClient: new (options: ClientOptions) => Client = Implementation;
export type PealClient = Client;
