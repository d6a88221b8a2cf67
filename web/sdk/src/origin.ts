import { PealError } from "./api/errors";

let origin = "";

/** The entry points tell where the script came from: the server, unless told otherwise. */
export function setScriptOrigin(url: string | undefined): void {
  if (url && /^https?:/.test(url)) origin = new URL(url).origin;
}

/** The WebSocket address of a server: of the given one, or of where the script came from. */
export function socketUrl(server: string | undefined): string {
  let base: URL;
  try {
    base = new URL(server || origin || location.origin, location.href);
  } catch {
    throw new PealError(
      "bad_server",
      `the server "${server}" is no URL: give it as in https://calls.example.org`,
    );
  }
  base.hash = "";
  base.protocol = base.protocol.replace(/^http/, "ws");
  base.pathname = `${base.pathname.replace(/\/$/, "")}/ws`;
  return base.href;
}
