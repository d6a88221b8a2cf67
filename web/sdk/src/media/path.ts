import type { MediaPath } from "../api/types";
import type { MediaPathJson } from "../gen/peal_pb";

/** One entry of the statistics; which fields it has depends on its type. */
interface Stat {
  readonly type: string;
  readonly selectedCandidatePairId?: string;
  readonly selected?: boolean;
  readonly localCandidateId?: string;
  readonly remoteCandidateId?: string;
  readonly candidateType?: string;
  readonly relayProtocol?: string;
}

/** What media flows by, of a browser's statistics; null where they do not say. */
export function readPath(stats: RTCStatsReport): MediaPath | null {
  const all: ReadonlyMap<string, Stat> = stats;
  let pair: Stat | undefined;
  for (const s of all.values()) {
    if (s.type === "transport" && s.selectedCandidatePairId)
      pair = all.get(s.selectedCandidatePairId);
    // Firefox says it of the pair.
    else if (s.type === "candidate-pair" && s.selected) pair ??= s;
  }
  const local = all.get(pair?.localCandidateId ?? "");
  const remote = all.get(pair?.remoteCandidateId ?? "");
  if (!local || !remote) return null;
  if (local.candidateType === "relay") {
    if (local.relayProtocol === "tls" || local.relayProtocol === "tcp")
      return `relay-${local.relayProtocol}`;
    return "relay-udp";
  }
  if (remote.candidateType === "relay") return "relay-peer";
  return local.candidateType === "host" && remote.candidateType === "host" ? "host" : "reflexive";
}

/** The same as the wire has it. */
export const pathNames: Record<MediaPath, MediaPathJson> = {
  host: "MEDIA_PATH_HOST",
  reflexive: "MEDIA_PATH_REFLEXIVE",
  "relay-udp": "MEDIA_PATH_RELAY_UDP",
  "relay-tcp": "MEDIA_PATH_RELAY_TCP",
  "relay-tls": "MEDIA_PATH_RELAY_TLS",
  "relay-peer": "MEDIA_PATH_RELAY_PEER",
};
