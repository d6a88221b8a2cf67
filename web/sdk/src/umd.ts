import RTCCalling, { PealClient, PealError, version } from "./exports";
import { setScriptOrigin } from "./origin";

// What is around the bundle gives it this, and puts it where the page looks for it.
declare const exported: Record<string, unknown>;

if (typeof document !== "undefined" && document.currentScript instanceof HTMLScriptElement) {
  setScriptOrigin(document.currentScript.src);
}

Object.defineProperty(exported, "__esModule", { value: true });
Object.assign(exported, { PealClient, PealError, RTCCalling, default: RTCCalling, version });
