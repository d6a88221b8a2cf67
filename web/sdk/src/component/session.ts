import type { ClientOptions } from "../api/types";
import { PealClient } from "../client";
import type { LoginOptions } from "./options";

/** One login of the component. A later `login` with the same account replaces its options. */
export class Session {
  readonly client: PealClient;
  #options: LoginOptions;
  readonly #server: string | undefined;
  /** The token that was given serves once where there is a `getToken`. */
  #given: string | undefined;

  /** `more` goes to the client as it is. */
  constructor(
    options: LoginOptions,
    server: string | undefined,
    more: Omit<ClientOptions, "getToken" | "resume" | "server">,
  ) {
    this.#options = options;
    this.#given = options.token;
    this.#server = server;
    this.client = new PealClient({
      getToken: () => this.#token(),
      resume: options.resume ?? false,
      ...more,
      ...(server ? { server } : {}),
    });
  }

  get options(): LoginOptions {
    return this.#options;
  }

  /** Whether a login with these options is this one again. */
  serves({ account, token }: LoginOptions, server: string | undefined): boolean {
    if (base(server) !== base(this.#server)) return false;
    const named = this.client.account;
    if (named === account) return true;
    // A page that gives each person the same name, or none, has only the token to tell them apart.
    return account === this.#options.account && (named === "" || token === this.#options.token);
  }

  renew(options: LoginOptions): void {
    this.#options = options;
    // A login that is there needs its next token in a while: by then this one may be too old.
    this.#given = this.client.connection === "online" ? undefined : options.token;
  }

  #token(): string | Promise<string> {
    const { token, getToken } = this.#options;
    const given = this.#given ?? getToken?.() ?? token ?? "";
    if (getToken) this.#given = undefined;
    return given;
  }

  /** The token decides the account. A page that names another one would not notice. */
  warnOfOther(): void {
    const { account: given } = this.#options;
    const named = this.client.account;
    if (!given || given === named) return;
    console.warn(`[peal] login as "${given}": the token names "${named}", which is logged in now`);
  }
}

/** The address of a server without the slash at its end. */
function base(server: string | undefined): string | undefined {
  return server?.replace(/\/+$/, "");
}
