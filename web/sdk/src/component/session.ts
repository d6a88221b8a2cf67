import { PealClient } from "../client";
import type { LoginOptions } from "./options";

/** One login of the component. A later `login` with the same account replaces its options. */
export class Session {
  readonly client: PealClient;
  #options: LoginOptions;
  readonly #server: string | undefined;
  /** The token that was given serves once where there is a `getToken`. */
  #given: string | undefined;

  constructor(options: LoginOptions, server: string | undefined, debug: boolean) {
    this.#options = options;
    this.#given = options.token;
    this.#server = server;
    this.client = new PealClient({
      getToken: () => this.#token(),
      resume: options.resume ?? false,
      debug,
      ...(server ? { server } : {}),
    });
  }

  get options(): LoginOptions {
    return this.#options;
  }

  /** Whether a login with these options is this one again. */
  serves({ account }: LoginOptions, server: string | undefined): boolean {
    const known = [this.#options.account, this.client.account];
    return server === this.#server && known.includes(account);
  }

  renew(options: LoginOptions): void {
    this.#options = options;
    this.#given = options.token;
  }

  #token(): string | Promise<string> {
    const { token, getToken } = this.#options;
    const given = this.#given ?? getToken?.() ?? token ?? "";
    if (getToken) this.#given = undefined;
    return given;
  }

  /** The token says who one is, whatever name is given beside it: a mix-up would go unseen. */
  warnOfOther(): void {
    const { account: given } = this.#options;
    const named = this.client.account;
    if (!given || given === named) return;
    console.warn(`[peal] login as "${given}": the token names "${named}", who is logged in now`);
  }
}
