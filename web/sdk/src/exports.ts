export type * from "./api";
export { PealClient } from "./client";
export type { ComponentError } from "./codes";
export { PealError } from "./errors";
export type * from "./events";
export type { Callbacks, InviteOptions, LoginOptions, RoomInfo, SetupOptions } from "./facade";
export { RTCCalling, RTCCalling as default } from "./facade";
export type { RecordMessage } from "./records";
export { version } from "./version";
