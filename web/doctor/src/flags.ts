/** The flags that `peal dev` has; those of `peal serve` are more. */
export const devFlags: readonly string[] = [
  "--addr",
  "--data",
  "--tls",
  "--turn-addr",
  "--turn-tls-addr",
  "--turn-allow-peer",
  "--relay-until-accept",
  "--relay-only",
  "--single-login",
  "--log-level",
];

/** What `peal dev` has in place of flags of `peal serve`. */
const inPlace: Readonly<Record<string, string>> = { "--tls-cert": "--tls", "--tls-key": "--tls" };

/** The settings that a `peal dev` has of those that decide something; words stay. */
export function ofDev(settings: readonly string[]): string[] {
  const all = settings.map((one) => inPlace[one] ?? one);
  return [...new Set(all)].filter((one) => !one.startsWith("--") || devFlags.includes(one));
}

/** A text in parts, each flag a part of its own: it is not to be broken after its dashes. */
export function splitFlags(text: string): string[] {
  return text.split(/(--[a-z-]*[a-z])/).filter((part) => part !== "");
}
