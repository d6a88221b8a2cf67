import { type Finding, failed, notChecked, ok, type Say, warning } from "./finding";
import { judgeReadiness } from "./ready";

/** How long one answer is waited for. */
export const patience = 5_000;

/** By how many seconds clocks may differ without a word: the answers bear whole seconds. */
const clockNote = 2;

export function checkSecure(): Finding {
  if (!isSecureContext) {
    return failed(
      (t) => t.secureNot,
      (t) => t.secureAdvice,
      "--tls-cert",
      "--tls-key",
    );
  }
  return ok((t) => (location.protocol === "https:" ? t.secureOk : t.secureLocal));
}

export function checkBrowser(): Finding {
  const has: Record<string, boolean> = {
    RTCPeerConnection: "RTCPeerConnection" in window,
    "RTCRtpSender.replaceTrack":
      "RTCRtpSender" in window && "replaceTrack" in RTCRtpSender.prototype,
    WebSocket: "WebSocket" in window,
    "Web Locks": !isSecureContext || "locks" in navigator,
    getUserMedia: !isSecureContext || "getUserMedia" in (navigator.mediaDevices ?? {}),
  };
  const lacks = Object.keys(has).filter((name) => !has[name]);
  if (lacks.length === 0) return ok((t) => t.browserOk);
  return failed(
    (t) => t.browserLacks(lacks.join(", ")),
    (t) => t.browserAdvice,
  );
}

/** Asks whether calls can be made. */
export async function checkServer(): Promise<Finding> {
  let response: Response;
  try {
    response = await ask("/readyz");
  } catch {
    return failed(
      (t) => t.serverSilent,
      (t) => t.serverSilentAdvice,
      "--addr",
    );
  }
  const status = String(response.status);
  return (
    judgeReadiness(response.status, await response.text()) ??
    failed(
      (t) => t.serverOther(status),
      (t) => t.serverOtherAdvice,
      (t) => t.proxySetting,
    )
  );
}

export async function checkClock(): Promise<Finding> {
  const sent = Date.now();
  const response = await ask("/healthz");
  const way = (Date.now() - sent) / 2;
  const theirs = Date.parse(response.headers.get("Date") ?? "");
  if (Number.isNaN(theirs)) return notChecked((t) => t.clockUnknown);
  // Date is cut to the second, so it stands for half a second later on average.
  const ahead = Math.round((theirs + 500 - sent - way) / 1000);
  if (Math.abs(ahead) <= clockNote) return ok((t) => t.clockOk);
  const by = span(Math.abs(ahead));
  const seen: Say = (t) => (ahead > 0 ? t.clockAhead(by) : t.clockBehind(by));
  // The clock of this device harms no call: it is the one of the backend that counts.
  return warning(
    seen,
    (t) => t.clockAdvice,
    (t) => t.clockSetting,
  );
}

/** 75 as "1:15 min", 9 as "9 s". */
function span(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  const two = (n: number): string => String(n).padStart(2, "0");
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}:${two(seconds % 60)} min`;
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)} h`;
}

/** One request of the server, bounded in time. */
export function ask(path: string, init: RequestInit = {}): Promise<Response> {
  return fetch(path, { cache: "no-store", signal: AbortSignal.timeout(patience), ...init });
}
