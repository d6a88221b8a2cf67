import { at, isAddress, isPrivate, type Place, placesOf, type Transport } from "./address";
import { type Check, type Finding, failed, notChecked, ok, warning } from "./finding";
import type { IceServer } from "./login";
import { exchange, Peer } from "./peers";
import { patience } from "./server";

/** How the results of checks are made known, one after the other. */
export type Report = (check: Check, make: () => Promise<Finding>) => Promise<Finding>;

/** How long data may take from relay to relay. */
const exchangeTime = 6_000;

/** How much longer to wait for STUN once it is known that the server answers. */
const moment = 1_000;

/** What the checks of the relay need to know. */
export interface Visit {
  readonly servers: readonly IceServer[];
  /** The same for another user: a browser with many networks takes many relayed addresses. */
  readonly others: readonly IceServer[];
  /** The server is for trying out, and so lacks what a real one has. */
  readonly dev: boolean;
}

/** Makes all checks of STUN and TURN, one after the other: an account may hold few relayed addresses. */
export async function checkRelay(visit: Visit, report: Report): Promise<void> {
  const stun = await report("stun", () => checkStun(visit));
  let reached: Place | null = null;
  for (const transport of ["udp", "tcp", "tls"] as const) {
    const place = await checkTransport(visit, transport, report);
    reached ??= place;
  }
  await report("relay-direct", async () => {
    if (!reached) return notChecked((t) => t.needsRelayed);
    if (stun.state !== "ok") return notChecked((t) => t.needsStun);
    return checkDirect(visit, reached);
  });
}

/** What the checks of the relay say where there can be none. */
export const relayChecks: readonly Check[] = [
  "stun",
  "turn-udp",
  "relay-udp",
  "turn-tcp",
  "relay-tcp",
  "turn-tls",
  "relay-tls",
  "relay-direct",
];

async function checkStun(visit: Visit): Promise<Finding> {
  const place = placesOf(visit.servers, "stun", "udp")[0];
  if (!place) {
    return warning(
      (t) => t.relayOff,
      (t) => t.relayOffAdvice,
      "--turn-addr",
    );
  }
  // The same port answers TURN. That it does is known by a relayed address, where STUN has
  // nothing to tell of: without a NAT the address that it sees is the browser's own.
  const turn = placesOf(visit.servers, "turn", "udp").find((one) => one.at === place.at);
  const peer = new Peer([{ urls: place.url }], "all");
  try {
    await peer.gather();
    const answers = turn ? await gives(relayed(turn), "relay") : false;
    const found = await peer.first("srflx", answers ? moment : patience);
    if (found) {
      const address = at(found.address ?? "", found.port ?? 0);
      return ok((t) => t.stunOk(address));
    }
    if (answers || (peer.complete && peer.errors.length === 0)) return ok((t) => t.stunSame);
  } finally {
    peer.close();
  }
  return unreachable(turn ?? place);
}

/** One transport of the relay: an address, then data between two of them. */
async function checkTransport(
  visit: Visit,
  transport: Transport,
  report: Report,
): Promise<Place | null> {
  const scheme = transport === "tls" ? "turns" : "turn";
  const place = placesOf(visit.servers, scheme, transport)[0];
  if (!place) {
    await report(`turn-${transport}`, async () => withoutPlace(visit, transport));
    await report(`relay-${transport}`, async () => notChecked((t) => t.needsRelayed));
    return null;
  }
  const other = placesOf(visit.others, scheme, transport)[0] ?? place;
  const [a, b] = [relayed(place), relayed(other)];
  try {
    // The pair is under way while the first of the two is looked at.
    const through = exchange(a, b, exchangeTime).catch(() => false);
    const first = await report(`turn-${transport}`, async () => {
      const found = await a.first("relay", patience);
      if (!found) return whyNoAddress(place, a);
      return ok((t) => t.turnOk(place.at, at(found.address ?? "", found.port ?? 0)));
    });
    await report(`relay-${transport}`, async () => {
      if (first.state !== "ok") return notChecked((t) => t.needsRelayed);
      if (await through) return ok((t) => t.pairOk);
      return whyNotThrough(place, a, b);
    });
    return first.state === "ok" ? place : null;
  } finally {
    a.close();
    b.close();
  }
}

function relayed(place: Place): Peer {
  const { url, username, credential } = place;
  return new Peer([{ urls: url, username, credential }], "relay");
}

function withoutPlace(visit: Visit, transport: Transport): Finding {
  if (visit.servers.length === 0) return notChecked((t) => t.relayIsOff);
  if (transport !== "tls") return notChecked((t) => t.notOffered);
  if (visit.dev || location.protocol !== "https:") return notChecked((t) => t.tlsNotOffered);
  return warning(
    (t) => t.tlsMissing,
    (t) => t.tlsMissingAdvice,
    "--turn-tls-addr",
    "--turn-host",
  );
}

/** Why a relay gave no address. */
async function whyNoAddress(place: Place, peer: Peer): Promise<Finding> {
  // What the relay itself said counts more than one interface that did not reach it.
  const said = peer.errors.find((e) => e.code >= 300 && e.code < 700);
  switch (said?.code) {
    case undefined:
      return unreachable(place);
    case 401:
      return failed(
        (t) => t.turnCredentials(place.at),
        (t) => t.turnCredentialsAdvice,
        "--turn-announce",
        "--turn-host",
      );
    case 486:
      return failed(
        (t) => t.turnQuota,
        (t) => t.turnQuotaAdvice,
      );
    case 508:
      return failed(
        (t) => t.turnFull,
        (t) => t.turnFullAdvice,
        "--turn-min-port",
        "--turn-max-port",
        "--turn-allocations",
      );
    default: {
      const why = `${said?.code} ${said?.text}`;
      return failed(
        (t) => t.turnRefused(why),
        (t) => t.turnRefusedAdvice,
        "--turn-addr",
      );
    }
  }
}

/**
 * Why nothing came back from where clients are sent. The relay is looked for where
 * the server itself is: found there, the address is wrong; else it is the port.
 */
async function unreachable(place: Place): Promise<Finding> {
  const told = isAddress(place.host) ? "--turn-announce" : "--turn-host";
  const listens = place.transport === "tls" ? "--turn-tls-addr" : "--turn-addr";
  const here = location.hostname.replace(/^\[|\]$/g, "");
  if (here !== place.host && (await answersAt(place, here))) {
    const found = at(here, place.port);
    return failed(
      (t) => t.elsewhere(place.at, found),
      (t) => t.elsewhereAdvice(found),
      told,
    );
  }
  const port = String(place.port);
  if (here === place.host) {
    return failed(
      (t) => t.noAnswer(place.at),
      (t) =>
        ({ udp: t.portUdpAdvice, tcp: t.portTcpAdvice, tls: t.portTlsAdvice })[place.transport](
          port,
        ),
      listens,
    );
  }
  if (isPrivate(place.host) && !isPrivate(here)) {
    return failed(
      (t) => t.noAnswer(place.at),
      (t) => t.privateAdvice,
      told,
      listens,
    );
  }
  if (place.transport === "tls") {
    return failed(
      (t) => t.noAnswer(place.at),
      (t) => t.hostTlsAdvice(place.host),
      "--turn-host",
      listens,
    );
  }
  return failed(
    (t) => t.noAnswer(place.at),
    (t) => t.otherAddressAdvice(port),
    told,
    listens,
  );
}

/** Whether the relay gives an address where it was not announced. */
async function answersAt(place: Place, host: string): Promise<boolean> {
  if (place.username === "") {
    const peer = new Peer([{ urls: `stun:${at(host, place.port)}` }], "all");
    return gives(peer, "srflx");
  }
  const url = place.url.replace(place.at, at(host, place.port));
  return gives(relayed({ ...place, url }), "relay");
}

async function gives(peer: Peer, type: RTCIceCandidateType): Promise<boolean> {
  try {
    await peer.gather();
    const found = await peer.first(type, patience);
    return found !== null || (type === "srflx" && peer.complete && peer.errors.length === 0);
  } finally {
    peer.close();
  }
}

/** Why no data came from relay to relay. */
async function whyNotThrough(place: Place, a: Peer, b: Peer): Promise<Finding> {
  const to = b.candidates[0]?.address ?? a.candidates[0]?.address ?? "";
  if (b.candidates.length === 0) return whyNoAddress(place, b);
  const announced = isAddress(place.host) ? to === place.host : !isPrivate(to);
  if (!announced) {
    return failed(
      (t) => t.pairNot(to),
      (t) => t.pairAnnounceAdvice(to),
      "--turn-announce",
    );
  }
  return failed(
    (t) => t.pairNot(to),
    (t) => t.pairAdvice,
    "--turn-announce",
    "--turn-min-port",
    "--turn-max-port",
    "--turn-allow-peer",
  );
}

/**
 * Data between a relayed address and this browser itself, as in a call of which one
 * side needs the relay. It is what sees the firewall before the relayed ports.
 */
async function checkDirect(visit: Visit, place: Place): Promise<Finding> {
  const a = relayed(place);
  const stun = placesOf(visit.servers, "stun", "udp")[0];
  const b = new Peer(stun ? [{ urls: stun.url }] : [], "all");
  try {
    if (await exchange(a, b, exchangeTime)) return ok((t) => t.directOk);
    const from = a.candidates[0];
    if (!from) return whyNoAddress(place, a);
    const relayedAt = at(from.address ?? "", from.port ?? 0);
    const own = ownAddress(b);
    if (isPrivate(own)) {
      return warning(
        (t) => t.directPrivate(own),
        (t) => t.directPrivateAdvice,
        "--turn-allow-peer",
        "--turn-min-port",
        "--turn-max-port",
      );
    }
    return failed(
      (t) => t.directNot(relayedAt),
      (t) => t.directAdvice,
      "--turn-min-port",
      "--turn-max-port",
    );
  } finally {
    a.close();
    b.close();
  }
}

/** The address by which others reach a peer: as STUN sees it, or its own. */
function ownAddress(peer: Peer): string {
  const found =
    peer.candidates.find((c) => c.type === "srflx") ??
    peer.candidates.find((c) => c.protocol === "udp" && !c.address?.includes(":"));
  return found?.address ?? "";
}
