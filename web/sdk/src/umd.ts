import type * as Everything from "./exports";
import { PealClient, PealError, RTCCalling, version } from "./exports";
import { setScriptOrigin } from "./origin";

/** Gives the exports to `require`, or to the page; tools/webbuild puts it around the bundle. */
declare function publish(exports: object): void;

if (typeof document !== "undefined" && document.currentScript instanceof HTMLScriptElement) {
  setScriptOrigin(document.currentScript.src);
}

publish({
  __esModule: true, // So that bundlers give `default` to an import without braces.
  PealClient,
  PealError,
  RTCCalling,
  default: RTCCalling,
  version,
} satisfies typeof Everything & { readonly __esModule: true });
