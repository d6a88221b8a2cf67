import type { CandidateJson, IcePolicyJson } from "../gen/peal_pb";

/** Which candidates of one side the other may have. */
export type IcePolicy = "all" | "relayUntilAccept" | "relayOnly";

const policies: Record<IcePolicyJson, IcePolicy> = {
  ICE_POLICY_UNSPECIFIED: "all",
  ICE_POLICY_RELAY_UNTIL_ACCEPT: "relayUntilAccept",
  ICE_POLICY_RELAY_ONLY: "relayOnly",
};

/** A policy that this page does not know is one that a newer server made: no looser than all. */
export function readPolicy(policy: IcePolicyJson | undefined): IcePolicy {
  return policies[policy ?? "ICE_POLICY_UNSPECIFIED"] ?? "relayOnly";
}

/** What a caller asks for, as the wire has it. */
export function policyOf(o: { relayUntilAccept?: boolean; relayOnly?: boolean }): IcePolicyJson {
  if (o.relayOnly) return "ICE_POLICY_RELAY_ONLY";
  return o.relayUntilAccept ? "ICE_POLICY_RELAY_UNTIL_ACCEPT" : "ICE_POLICY_UNSPECIFIED";
}

/**
 * A description that tells nobody's address: those travel as candidates, when
 * they may. A browser that has gathered already writes some into it.
 */
export function withoutAddresses(sdp: string): string {
  return sdp
    .split("\r\n")
    .filter((line) => !line.startsWith("a=candidate:") && line !== "a=end-of-candidates")
    .map((line) => {
      if (line.startsWith("c=IN ")) return "c=IN IP4 0.0.0.0";
      if (line.startsWith("a=rtcp:")) return "a=rtcp:9 IN IP4 0.0.0.0";
      if (line.startsWith("o=")) return line.replace(/ IN IP[46] \S+$/, " IN IP4 0.0.0.0");
      return line;
    })
    .join("\r\n");
}

/** Attributes by which a description has a browser send to an address, or begin by itself. */
const orders = /^a=(candidate|remote-candidates|end-of-candidates|ice-lite|rtcp)(:|$)/;

/**
 * The other side's description without orders to send. The server lets none pass; this
 * holds where it does. Browsers read more than the standard allows, so neither case nor
 * blanks count.
 */
export function withoutOrders(sdp: string): string {
  const kept = sdp
    .split(/\r\n|\r|\n/)
    .filter((line) => !orders.test(line.replace(/\s/g, "").toLowerCase()));
  return kept.join("\r\n");
}

/** Of the candidates those that the relay lends, without the address that it is reached from. */
export function relayed(candidates: readonly CandidateJson[]): CandidateJson[] {
  return candidates
    .filter((c) => / typ relay( |$)/.test(c.candidate ?? ""))
    .map((c) => ({
      ...c,
      candidate: (c.candidate ?? "").replace(/ raddr \S+ rport \d+/, " raddr 0.0.0.0 rport 0"),
    }));
}
