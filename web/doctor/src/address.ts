import type { IceServer } from "./login";

/** How a relay is reached. */
export type Transport = "udp" | "tcp" | "tls";

/** Where a relay is to be reached. */
export interface Place {
  readonly url: string;
  readonly transport: Transport;
  readonly host: string;
  readonly port: number;
  /** Host and port as the URL has them. */
  readonly at: string;
  readonly username: string;
  readonly credential: string;
}

/** Reads the URLs of a scheme and transport: "stun:host:port", "turn:host:port?transport=tcp". */
export function placesOf(
  servers: readonly IceServer[],
  scheme: "stun" | "turn" | "turns",
  transport: Transport,
): Place[] {
  const found: Place[] = [];
  for (const { urls, username = "", credential = "" } of servers) {
    for (const url of urls) {
      const [, is, where = "", query = ""] = /^(\w+):([^?]+)(?:\?(.*))?$/.exec(url) ?? [];
      const by = is === "turns" ? "tls" : query.includes("transport=tcp") ? "tcp" : "udp";
      if (is !== scheme || by !== transport) continue;
      const standard = is === "turns" ? "5349" : "3478";
      const [, bracketed, plain, port = standard] =
        /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(where) ?? [];
      const host = bracketed ?? plain ?? where;
      found.push({ url, transport, host, port: Number(port), at: where, username, credential });
    }
  }
  return found;
}

/** Host and port as a URL has them. */
export function at(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

export function isAddress(host: string): boolean {
  return host.includes(":") || /^\d+\.\d+\.\d+\.\d+$/.test(host);
}

/** Tells of addresses that are not of the public internet, and of names of this machine. */
export function isPrivate(host: string): boolean {
  if (host === "localhost" || host.endsWith(".localhost") || host.endsWith(".local")) return true;
  if (host.includes(":")) return /^(::1$|f[cde])/i.test(host);
  const [a = -1, b = -1] = host.split(".").map(Number);
  if (!isAddress(host)) return false;
  return (
    a === 10 ||
    a === 127 ||
    a === 0 ||
    (a === 100 && b >= 64 && b < 128) ||
    (a === 169 && b === 254) ||
    (a === 172 && b >= 16 && b < 32) ||
    (a === 192 && (b === 168 || b === 0)) ||
    (a === 198 && (b === 18 || b === 19 || b === 51)) ||
    (a === 203 && b === 0) ||
    a >= 224
  );
}
