import type { CallModel, Model, PastCall, Problem } from "./model";
import type { Texts } from "./strings";

/** What happened, and what to do about it where that can be said. */
export interface Words {
  readonly headline: string;
  readonly advice: string;
}

/** An error in words. Codes that are not listed show what the SDK or server says. */
export function problemWords(t: Texts, problem: Problem): Words {
  switch (problem.code) {
    case "insecure_context":
      return { headline: t.insecure, advice: t.insecureAdvice };
    case "unsupported_browser":
      return { headline: t.unsupported, advice: t.unsupportedAdvice };
    case "microphone_denied":
      return { headline: t.microphoneDenied, advice: t.deniedAdvice };
    case "camera_denied":
      return { headline: t.cameraDenied, advice: t.deniedAdvice };
    case "microphone_missing":
      return { headline: t.microphoneMissing, advice: t.missingAdvice };
    case "camera_missing":
      return { headline: t.cameraMissing, advice: t.missingAdvice };
    case "microphone_in_use":
      return { headline: t.microphoneInUse, advice: t.inUseAdvice };
    case "camera_in_use":
      return { headline: t.cameraInUse, advice: t.inUseAdvice };
    case "screen_denied":
      return { headline: t.screenDenied, advice: "" };
    case "server_unreachable":
    case "request_timeout":
      return { headline: t.serverUnreachable, advice: t.serverUnreachableAdvice };
    case "no_dev_tokens":
      return { headline: t.noDevTokens, advice: t.noDevTokensAdvice };
    case "name_refused":
      return { headline: t.nameRefused, advice: t.nameRefusedAdvice };
    case "not_connected":
    case "not_logged_in":
      return { headline: t.notOnline, advice: t.notOnlineAdvice };
    case "rate_limited":
    case "unavailable":
    case "shutting_down":
    case "too_many_sockets":
      return { headline: t.tryLater, advice: t.tryLaterAdvice };
    case "no_name":
      return { headline: t.noName, advice: t.noNameAdvice };
    case "self_call":
      return { headline: t.selfCall, advice: t.selfCallAdvice };
    case "busy_elsewhere":
      return { headline: t.busyElsewhere, advice: t.busyElsewhereAdvice };
    case "bad_token":
    case "token_expired":
    case "token_revoked":
    case "other_account":
      return { headline: t.badToken, advice: t.badTokenAdvice };
    case "replaced":
      return { headline: t.replaced, advice: t.replacedAdvice };
    case "kicked":
      return { headline: t.kickedOut, advice: t.replacedAdvice };
    case "too_many_devices":
      return { headline: t.tooManyDevices, advice: t.tooManyDevicesAdvice };
    case "declined":
      return { headline: t.videoDeclined, advice: "" };
    case "device_replaced":
      return { headline: t.deviceReplaced(problem.message), advice: "" };
    case "microphone_lost":
      return { headline: t.microphoneLost, advice: t.lostAdvice };
    case "camera_lost":
      return { headline: t.cameraLost, advice: t.lostAdvice };
    case "media_failed":
      return { headline: t.mediaFailed, advice: t.mediaFailedAdvice };
    default:
      return { headline: t.unexpected, advice: `${problem.message} (${problem.code})` };
  }
}

/** How a call ended, from this side. */
export function outcomeWords(t: Texts, past: PastCall): Words {
  const { peer, end } = past;
  const outgoing = past.direction === "outgoing";
  const plain = (headline: string): Words => ({ headline, advice: "" });
  switch (end.reason) {
    case "completed":
      if (end.byThisDevice) return plain(t.youEnded(peer));
      return plain(end.actor === peer ? t.peerEnded(peer) : t.callOver(peer));
    case "cancelled":
      return plain(outgoing ? t.youCancelled(peer) : t.missed(peer));
    case "rejected":
      if (outgoing) return plain(t.peerDeclined(peer));
      return plain(end.byThisDevice ? t.youDeclined(peer) : t.declinedElsewhere(peer));
    case "timeout":
      if (!outgoing) return plain(t.missed(peer));
      return { headline: t.noAnswer(peer), advice: t.noAnswerAdvice };
    case "busy":
      return { headline: t.peerBusy(peer), advice: t.peerBusyAdvice };
    case "failed":
      return { headline: t.mediaNeverUp(peer), advice: t.mediaNeverUpAdvice };
    case "lost":
      if (!end.answered && !outgoing) return plain(t.missed(peer));
      return { headline: t.connectionLost(peer), advice: t.connectionLostAdvice };
    case "superseded":
      return plain(end.answered || outgoing ? t.superseded(peer) : t.missed(peer));
    case "kicked":
      return plain(t.kicked(peer));
    case "server":
      return plain(t.endedByServer(peer));
    case "answered_elsewhere":
      return plain(t.answeredElsewhere(peer));
  }
}

/** The same in a word or two, for the list of calls. */
export function outcomeLabel(t: Texts, past: PastCall): string {
  const outgoing = past.direction === "outgoing";
  switch (past.end.reason) {
    case "completed":
      return t.shortCompleted;
    case "cancelled":
      return outgoing ? t.shortCancelled : t.shortMissed;
    case "rejected":
      return t.shortDeclined;
    case "timeout":
      return outgoing ? t.shortNoAnswer : t.shortMissed;
    case "busy":
      return outgoing ? t.shortBusy : t.shortMissed;
    case "failed":
    case "lost":
      return past.end.answered || outgoing ? t.shortFailed : t.shortMissed;
    case "superseded":
    case "kicked":
    case "server":
      return past.end.answered || outgoing ? t.shortEnded : t.shortMissed;
    case "answered_elsewhere":
      return t.shortElsewhere;
  }
}

/** What the call is doing, in a line. Empty in a call where all is well. */
export function callWords(t: Texts, model: Model, call: CallModel): string {
  switch (model.stage) {
    case "calling":
      return call.invited ? t.ringing : t.calling;
    case "called":
      return call.video ? t.incomingVideo : t.incomingAudio;
    case "connecting":
      return t.connecting;
    default:
      return troubleWords(t, model, call);
  }
}

function troubleWords(t: Texts, model: Model, call: CallModel): string {
  switch (call.trouble) {
    case "media":
      return t.reconnecting;
    case "peerAway":
      return t.peerAway(call.peer);
    case "peerMedia":
      return t.peerRestoring(call.peer);
    default:
      if (model.server !== "online") return t.serverAway;
      if (call.videoAsked === "me") return t.askingForVideo(call.peer);
      return call.trouble === "weak" ? t.weak : "";
  }
}

/** What a screen reader hears of the page's state: one sentence, said when it changes. */
export function statusWords(t: Texts, model: Model): string {
  const { call } = model;
  if (call) {
    if (model.stage === "called") return t.isCalling(call.peer);
    if (call.videoAsked === "peer") return t.peerAsksForVideo(call.peer);
    return callWords(t, model, call) || t.connected(call.peer);
  }
  if (model.stage === "serve") return t.serveTitle;
  if (model.stage === "login") return model.loggingIn ? t.loggingIn : t.loggedOut;
  if (model.server !== "online") return t.serverConnecting;
  return model.outcome ? outcomeWords(t, model.outcome).headline : t.onlineAs(model.account);
}

/** 5 s as "0:05", an hour as "1:00:00". */
export function clock(seconds: number): string {
  const two = (n: number): string => String(n).padStart(2, "0");
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  const rest = two(Math.floor(seconds % 60));
  return hours > 0 ? `${hours}:${two(minutes % 60)}:${rest}` : `${minutes}:${rest}`;
}
