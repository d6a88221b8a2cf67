import { type Finding, failed, ok, type Say, warning } from "./finding";

/** What the body of /readyz says. */
interface Health {
  readonly reason: string;
  readonly warnings: readonly string[];
}

/** A warning that this page has in its own words, by what the server says of it. */
interface Known {
  readonly says: RegExp;
  readonly seen: Say;
  readonly flag: string;
}

/** `peal doctor` shows the server's words. The test reads them in the server's source. */
const known: readonly Known[] = [
  { says: /no connection to the bus/, seen: (t) => t.serverWarnsBus, flag: "--bus" },
  {
    says: /synchronous_standby_names is empty/,
    seen: (t) => t.serverWarnsStandby,
    flag: "--store",
  },
  { says: /fsync of PostgreSQL is off/, seen: (t) => t.serverWarnsFsync, flag: "--store" },
];

/** Judges an answer of /readyz; null where it is not one of Peal. */
export function judgeReadiness(status: number, body: string): Finding | null {
  const health = read(body);
  if (health === null) return null;
  if (status !== 200) return notReady(String(status), health.reason);
  const flags = new Set<string>();
  const seen = health.warnings.map((text): Say => {
    const one = known.find(({ says }) => says.test(text));
    for (const flag of one ? [one.flag] : ["--store", "--bus"]) flags.add(flag);
    return one ? one.seen : () => text;
  });
  if (seen.length === 0) return ok((t) => t.serverOk);
  return warning(
    (t) => t.serverWarns(seen.map((say) => say(t)).join(" ")),
    (t) => t.serverWarnsAdvice,
    ...flags,
  );
}

function notReady(status: string, reason: string): Finding {
  switch (reason) {
    case "store":
      return failed(
        (t) => t.serverStore(status),
        (t) => t.serverStoreAdvice,
        "--data",
        "--store",
      );
    case "bus":
      return failed(
        (t) => t.serverBus(status),
        (t) => t.serverBusAdvice,
        "--bus",
      );
    default:
      return failed(
        (t) => t.serverBusy(status),
        (t) => t.serverBusyAdvice,
      );
  }
}

function read(body: string): Health | null {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null) return null;
  const { status, reason, warnings } = value as Readonly<Record<string, unknown>>;
  if (typeof status !== "string" || status === "") return null;
  return {
    reason: typeof reason === "string" ? reason : "",
    warnings: Array.isArray(warnings) ? warnings.filter((one) => typeof one === "string") : [],
  };
}
