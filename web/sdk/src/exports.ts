import type { Client, ClientOptions } from "./api/types";
import { PealClient as Implementation } from "./client";

export { PealError } from "./api/errors";
export type * from "./api/types";
export type { DeviceEntry, DeviceLists } from "./capture/devices";
export type { ComponentError, StateNumber } from "./component/codes";
export { RTCCalling, RTCCalling as default } from "./component/component";
export type * from "./component/events";
export type * from "./component/options";
export type { RecordMessage } from "./component/record-message";
export type {
  DeviceInfo,
  LocalStreamHandle,
  RemoteStreamHandle,
  RtcClient,
  RtcEvents,
  SdkInstance,
  StreamEvent,
  StreamHandle,
} from "./component/sdk-types";
export type { CallProfile } from "./media/profile";
export { version } from "./version";
export type { RenderMode } from "./view/views";

/** A client of the typed core. What it may be asked is all in `Client`. */
export const PealClient: new (options: ClientOptions) => Client = Implementation;
export type PealClient = Client;
