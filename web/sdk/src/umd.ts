import { setScriptOrigin } from "./origin";

if (typeof document !== "undefined" && document.currentScript instanceof HTMLScriptElement) {
  setScriptOrigin(document.currentScript.src);
}

export * from "./exports";
export { default } from "./exports";
