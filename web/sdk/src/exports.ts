import type { Client, ClientOptions } from "./api";
import { PealClient as Implementation } from "./client";

export type * from "./api";
export type { ComponentError, StateNumber } from "./codes";
export type { DeviceEntry, DeviceLists } from "./devices";
export { PealError } from "./errors";
export type * from "./events";
export { RTCCalling, RTCCalling as default } from "./facade";
export type { DeviceInfo, LocalStreamHandle, RemoteStreamHandle, SdkInstance } from "./handles";
export type * from "./options";
export type { CallProfile } from "./profile";
export type { RecordMessage } from "./records";
export { version } from "./version";
export type { RenderMode } from "./views";

/** A client of the typed core. What it may be asked is all in `Client`. */
export const PealClient: new (options: ClientOptions) => Client = Implementation;
export type PealClient = Client;
