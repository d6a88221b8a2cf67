import type { CallEnd, RemoteTracks } from "./api";
import type { Snapshot } from "./snapshot";

/**
 * What one device makes of the snapshots of a call:
 *
 *     ringing ──► connecting ──► connected
 *        │             │             │
 *        └─────────────┴─────────────┴──► ended
 *
 * It never goes back, and nothing leaves `ended`. A device ends before the call
 * does when another one answered, or when its own ring time-out is over.
 *
 * `advance` is pure: the same view and snapshot give the same changes.
 */
export interface View {
  readonly snapshot: Snapshot;
  readonly end: CallEnd | null;
}

/** What a snapshot changes for this device, in the order in which it is told. */
export type Change =
  | { readonly kind: "accepted" }
  | { readonly kind: "generation" }
  | { readonly kind: "peerEpoch" }
  | { readonly kind: "peerPresence"; readonly present: boolean }
  | { readonly kind: "peerMedia"; readonly up: boolean }
  | { readonly kind: "remoteTracks"; readonly tracks: RemoteTracks }
  | { readonly kind: "connected" }
  | { readonly kind: "type"; readonly type: 1 | 2 | 3 }
  | { readonly kind: "videoRequest"; readonly asked: boolean }
  | { readonly kind: "videoAnswer" }
  | { readonly kind: "ended"; readonly end: CallEnd };

/** The first view of a call. */
export function begin(snapshot: Snapshot): View {
  return { snapshot, end: null };
}

/** Takes a snapshot. One that is not newer than the view's changes nothing. */
export function advance(view: View, next: Snapshot): { view: View; changes: Change[] } {
  const was = view.snapshot;
  if (view.end !== null || next.rev <= was.rev) return { view, changes: [] };
  const answered = was.state !== "ringing";
  const end = ending(was, next, answered);
  if (end !== null) {
    return { view: { snapshot: next, end }, changes: [{ kind: "ended", end }] };
  }
  const changes: Change[] = [];
  if (!answered && next.state !== "ringing") changes.push({ kind: "accepted" });
  if (next.type !== was.type) changes.push({ kind: "type", type: next.type });
  if ((next.videoAsked === "peer") !== (was.videoAsked === "peer"))
    changes.push({ kind: "videoRequest", asked: next.videoAsked === "peer" });
  if (was.videoAsked === "local" && next.videoAsked !== "local")
    changes.push({ kind: "videoAnswer" });
  if (next.generation > was.generation) changes.push({ kind: "generation" });
  if (next.peer.epoch > was.peer.epoch && answered) changes.push({ kind: "peerEpoch" });
  if (next.peer.present !== was.peer.present && answered) {
    changes.push({ kind: "peerPresence", present: next.peer.present });
  }
  if (next.peer.mediaUp !== was.peer.mediaUp)
    changes.push({ kind: "peerMedia", up: next.peer.mediaUp });
  if (!sameTracks(next.peer.tracks, was.peer.tracks)) {
    changes.push({ kind: "remoteTracks", tracks: next.peer.tracks });
  }
  if (next.state === "connected" && was.state !== "connected") changes.push({ kind: "connected" });
  return { view: { snapshot: next, end: null }, changes };
}

/** How the call is over for this device, if it is. */
function ending(was: Snapshot, next: Snapshot, answered: boolean): CallEnd | null {
  if (next.end !== null) return { ...next.end, answered };
  const over = { actor: next.local.account, durationSeconds: 0, record: null, answered: false };
  if (was.role === "callee" && next.role === "observer") {
    return { ...over, reason: "answered_elsewhere", byThisDevice: false };
  }
  if (next.role === "callee" && next.ringStopped) {
    return { ...over, reason: "timeout", byThisDevice: true };
  }
  return null;
}

function sameTracks(a: RemoteTracks, b: RemoteTracks): boolean {
  return (
    a.audio === b.audio &&
    a.audioMuted === b.audioMuted &&
    a.video === b.video &&
    a.videoMuted === b.videoMuted
  );
}
