import type { Texts } from "./strings";

/** How a check ended; `peal doctor` uses the same words. */
export type State = "ok" | "warning" | "failed" | "not_checked";

/** The checks, in their order, by the names that `peal doctor` has for them where it has them. */
export const networkChecks = [
  "server",
  "secure",
  "browser",
  "clock",
  "websocket",
  "token",
  "stun",
  "turn-udp",
  "relay-udp",
  "turn-tcp",
  "relay-tcp",
  "turn-tls",
  "relay-tls",
  "relay-direct",
] as const;
export const deviceChecks = ["microphone", "camera"] as const;
export type Check = (typeof networkChecks)[number] | (typeof deviceChecks)[number];

/** A text in whichever language the page is shown. */
export type Say = (t: Texts) => string;

/** What one check found. */
export interface Finding {
  readonly state: State;
  readonly seen: Say;
  /** The flags of `peal serve` that decide this, or in words what else does; the likeliest first. */
  readonly settings: readonly (string | Say)[];
  /** How to mend it. */
  readonly advice: Say | null;
}

export function ok(seen: Say): Finding {
  return { state: "ok", seen, settings: [], advice: null };
}

export function notChecked(seen: Say): Finding {
  return { state: "not_checked", seen, settings: [], advice: null };
}

export function failed(seen: Say, advice: Say, ...settings: (string | Say)[]): Finding {
  return { state: "failed", seen, settings, advice };
}

export function warning(seen: Say, advice: Say, ...settings: (string | Say)[]): Finding {
  return { state: "warning", seen, settings, advice };
}

/** The settings of a finding in words. */
export function settingWords(t: Texts, finding: Finding): string[] {
  return finding.settings.map((one) => (typeof one === "string" ? one : one(t)));
}

/** The worst of some states. */
export function worst(states: readonly State[]): State {
  if (states.includes("failed")) return "failed";
  return states.includes("warning") ? "warning" : "ok";
}
