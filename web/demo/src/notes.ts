import type { CallHandle } from "../../sdk/src/index";
import type { CallModel } from "./model";

/** What is known of the present call besides what its handle tells. */
export interface CallNotes {
  /** When the server took the invitation, by `performance.now()`; null before that. */
  invitedAt: number | null;
  accepting: boolean;
  silent: boolean;
  mediaLost: boolean;
  peerMediaLost: boolean;
  peerAway: boolean;
  weak: boolean;
  /** One asked for a video call, and waits for the answer. */
  asking: boolean;
}

/** After so long, nobody may be there to hear it ring: the server does not tell. */
const longRing = 10_000;

export const quietNotes: CallNotes = {
  invitedAt: null,
  accepting: false,
  silent: false,
  mediaLost: false,
  peerMediaLost: false,
  peerAway: false,
  weak: false,
  asking: false,
};

/** The call as it is shown. */
export function callModel(call: CallHandle, notes: CallNotes): CallModel {
  const { remoteTracks } = call;
  return {
    peer: call.peer,
    video: call.video,
    videoAsked: call.videoRequested ? "peer" : notes.asking ? "me" : null,
    microphoneOn: call.microphoneOn,
    cameraOn: call.cameraOn,
    screenOn: call.screenOn,
    remotePicture: call.remoteStream !== null && remoteTracks.video && !remoteTracks.videoMuted,
    remoteScreen: remoteTracks.screen,
    remoteMuted: call.state === "connected" && (!remoteTracks.audio || remoteTracks.audioMuted),
    opening: call.direction === "outgoing" && call.localStream === null,
    invited: notes.invitedAt !== null,
    ringsLong: notes.invitedAt !== null && performance.now() - notes.invitedAt > longRing,
    trouble: troubleOf(notes),
    silent: notes.silent,
    seconds: Math.floor(call.connectedForMs / 1_000),
  };
}

/** The trouble that matters most. */
function troubleOf(notes: CallNotes): CallModel["trouble"] {
  if (notes.mediaLost) return "media";
  if (notes.peerAway) return "peerAway";
  if (notes.peerMediaLost) return "peerMedia";
  return notes.weak ? "weak" : null;
}
