import { setScriptOrigin } from "./origin";

setScriptOrigin(import.meta.url);

export * from "./exports";
export { default } from "./exports";
