let origin = "";

/** The entry points tell where the script came from: the server, unless told otherwise. */
export function setScriptOrigin(url: string | undefined): void {
  if (url && /^https?:/.test(url)) origin = new URL(url).origin;
}

/** The WebSocket address of a server: of the given one, or of where the script came from. */
export function socketUrl(server: string | undefined): string {
  const base = new URL(server || origin || location.origin, location.href);
  base.protocol = base.protocol.replace(/^http/, "ws");
  base.pathname = `${base.pathname.replace(/\/$/, "")}/ws`;
  return base.href;
}
