// For pages that load peal.umd.js by a script tag:
//   /// <reference types="peal-rtc/global" />
import type * as peal from "./peal";

declare global {
  interface Window {
    readonly Peal: typeof peal;
    readonly NERTCCalling: typeof peal;
    readonly NRTCCalling: typeof peal;
  }
}
