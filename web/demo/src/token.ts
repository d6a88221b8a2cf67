/** A failure before the client comes in: in the SDK's form, so that it is put in words as its are. */
export class TokenFailure extends Error {
  readonly code: "server_unreachable" | "no_dev_tokens" | "name_refused";

  constructor(code: TokenFailure["code"], message: string) {
    super(message);
    this.code = code;
  }
}

/** Tokens of one account, from the development server's endpoint. */
export class Tokens {
  readonly #account: string;
  #last: string | null = null;
  /** Why there is no token at all, if so. */
  failure: TokenFailure | null = null;

  constructor(account: string) {
    this.#account = account;
  }

  /**
   * A token. Where the server cannot be asked, the last one will do: a
   * reconnect while the server restarts must not end the login.
   */
  async get(): Promise<string> {
    try {
      this.#last = await fetchToken(this.#account);
      return this.#last;
    } catch (e) {
      if (this.#last !== null) return this.#last;
      if (e instanceof TokenFailure) this.failure = e;
      throw e;
    }
  }
}

async function fetchToken(account: string): Promise<string> {
  let response: Response;
  try {
    response = await fetch("/dev/token", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ account }),
    });
  } catch {
    throw new TokenFailure("server_unreachable", "no answer to POST /dev/token");
  }
  if (response.status === 404 || response.status === 405) {
    throw new TokenFailure("no_dev_tokens", "there is no /dev/token here");
  }
  if (response.status >= 500) {
    throw new TokenFailure("server_unreachable", `/dev/token answered ${response.status}`);
  }
  if (!response.ok) {
    throw new TokenFailure("name_refused", messageOf(await response.text()).slice(0, 300));
  }
  const { token } = (await response.json()) as { token: string };
  return token;
}

/** The server's error says what to do; what stands before it may answer with any text. */
function messageOf(text: string): string {
  try {
    const { error } = JSON.parse(text) as { error?: { message?: string } };
    return error?.message ?? text;
  } catch {
    return text.trim();
  }
}
