import { type Finding, failed, type Say } from "./finding";

/** One way in which a token is wrong, by what the server says of it. */
interface Fault {
  readonly says: RegExp;
  readonly seen: Say;
  readonly advice: Say;
  /** Flags of `peal serve`; none where the backend decides. */
  readonly flags?: readonly string[];
}

/**
 * In the order of the server's checks. `peal doctor` has the same, and tests of both read the
 * server's reasons in internal/auth/testdata/reasons.txt.
 */
const faults: readonly Fault[] = [
  {
    says: /begins with the word Bearer|blanks or line breaks around it: give|stands in quotes/,
    seen: (t) => t.tokenWrapped,
    advice: (t) => t.tokenWrappedAdvice,
  },
  {
    says: /is not a JWT|its (header is|claims are|third part is) not/,
    seen: (t) => t.tokenNoJwt,
    advice: (t) => t.tokenNoJwtAdvice,
  },
  { says: /alg is not HS256/, seen: (t) => t.tokenAlg, advice: (t) => t.tokenAlgAdvice },
  {
    says: /has no kid/,
    seen: (t) => t.tokenNoKid,
    advice: (t) => t.tokenKidAdvice,
    flags: ["--key-id"],
  },
  {
    says: /kid is not a string/,
    seen: (t) => t.tokenKidType,
    advice: (t) => t.tokenKidAdvice,
    flags: ["--key-id"],
  },
  { says: /header has crit/, seen: (t) => t.tokenCrit, advice: (t) => t.tokenCritAdvice },
  {
    says: /it has \d+ bytes, at most/,
    seen: (t) => t.tokenLarge,
    advice: (t) => t.tokenLargeAdvice,
  },
  { says: /no sub|claim sub/, seen: (t) => t.tokenSub, advice: (t) => t.tokenSubAdvice },
  {
    says: /no exp|exp, iat or nbf is not|claim (exp|iat|nbf) /,
    seen: (t) => t.tokenDates,
    advice: (t) => t.tokenDatesAdvice,
  },
  {
    says: /its aud does not|claim aud /,
    seen: (t) => t.tokenAud,
    advice: (t) => t.tokenAudAdvice,
    flags: ["--token-audience"],
  },
];

/** What to do about a claim that may be left out. */
const claimAdvice: Readonly<Record<string, Say>> = {
  name: (t) => t.tokenNameAdvice,
  avatar: (t) => t.tokenAvatarAdvice,
};

/** What is wrong with a token, by what the server says of it. */
export function whyRefused(token: string, code: string, message: string): Finding {
  const { kid, exp } = claims(token);
  const says = (part: string): boolean => message.includes(part);
  if (code === "token_expired") {
    const clock = exp * 1000 > Date.now();
    return failed(
      (t) => (clock ? t.tokenExpiredClock : t.tokenExpired),
      (t) => (clock ? t.clockAdvice : t.tokenExpiredAdvice),
      (t) => (clock ? t.clockSetting : t.tokenExpSetting),
    );
  }
  if (code === "token_revoked") {
    return failed(
      (t) => t.tokenRevoked,
      (t) => t.tokenRevokedAdvice,
      (t) => t.tokenIatSetting,
    );
  }
  if (says("kid names no key")) {
    return failed(
      (t) => t.tokenKey(kid),
      (t) => t.tokenKeyAdvice,
      "--key-id",
      "--keys",
    );
  }
  if (says("signature")) {
    return failed(
      (t) => t.tokenSecret(kid),
      (t) => t.tokenSecretAdvice,
      "--secret",
      "--keys",
    );
  }
  if (says("good for longer")) {
    return failed(
      (t) => t.tokenLong,
      (t) => t.tokenLongAdvice,
      "--token-max-ttl",
    );
  }
  if (says("in the future")) {
    return failed(
      (t) => t.tokenEarly,
      (t) => t.clockAdvice,
      (t) => t.clockSetting,
    );
  }
  return malformed(message);
}

/** The same where the backend writes something of the token wrongly. */
function malformed(message: string): Finding {
  const backend: Say = (t) => t.tokenSetting;
  const fault = faults.find((one) => one.says.test(message));
  if (fault) return failed(fault.seen, fault.advice, ...(fault.flags ?? [backend]));
  const claim = /its claim (\w+)/.exec(message)?.[1];
  if (claim !== undefined) {
    const advice = claimAdvice[claim] ?? ((t) => t.tokenClaimAdvice);
    return failed((t) => t.tokenClaim(claim), advice, backend);
  }
  return failed(
    (t) => t.tokenBad(message),
    (t) => t.tokenBadAdvice,
    backend,
  );
}

/** What a token says of itself; a text that is no token says nothing. */
export function claims(token: string): { kid: string; exp: number } {
  const [header = "", body = ""] = token.split(".");
  const { kid } = part(header);
  const { exp } = part(body);
  return { kid: typeof kid === "string" ? kid : "", exp: typeof exp === "number" ? exp : 0 };
}

function part(text: string): { kid?: unknown; exp?: unknown } {
  try {
    const value: unknown = JSON.parse(atob(text.replaceAll("-", "+").replaceAll("_", "/")));
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}
