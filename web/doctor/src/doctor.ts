import {
  type Check,
  deviceChecks,
  type Finding,
  failed,
  networkChecks,
  notChecked,
  type Say,
} from "./finding";
import { checkToken, checkWebSocket, devToken, iceServers } from "./login";
import { checkRelay, type Report, relayChecks, type Visit } from "./relay";
import { checkBrowser, checkClock, checkSecure, checkServer } from "./server";

/** One check on the page: under way until there is a finding. */
export interface Entry {
  readonly finding: Finding | null;
  readonly tookMs: number;
}

/**
 * The visit: makes all checks in their order, each after those that it needs.
 * It keeps what was found, and says when that has changed.
 */
export class Doctor {
  readonly #changed: () => void;
  readonly #entries = new Map<Check, Entry>();
  #token = "";
  /** No token was given, and the server gives none: one is to be pasted. */
  needsToken = false;
  running = false;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  get entries(): ReadonlyMap<Check, Entry> {
    return this.#entries;
  }

  /** Checks server and network. A token that was given is kept for the next time. */
  async run(token = this.#token): Promise<void> {
    if (this.running) return;
    this.#token = token;
    this.running = true;
    for (const check of networkChecks) this.#entries.delete(check);
    this.#changed();
    try {
      await this.#visit();
    } finally {
      this.running = false;
      this.#changed();
    }
  }

  async #visit(): Promise<void> {
    const server = await this.#report("server", checkServer);
    await this.#report("secure", async () => checkSecure());
    const browser = await this.#report("browser", async () => checkBrowser());
    if (server.state === "failed") {
      await this.#none(["clock", "websocket", "token", ...relayChecks], (t) => t.needsServer);
      return;
    }
    await this.#report("clock", checkClock);
    const socket = await this.#report("websocket", checkWebSocket);
    if (socket.state !== "ok") {
      await this.#none(["token", ...relayChecks], (t) => t.needsSocket);
      return;
    }
    const login = await this.#login();
    if (!login) {
      await this.#none(relayChecks, (t) => t.needsLogin);
    } else if (browser.state !== "ok") {
      await this.#none(relayChecks, (t) => t.needsBrowser);
    } else {
      await checkRelay(login, this.#report);
    }
  }

  /** Logs in, by a token that was pasted or one that a peal dev gives. */
  async #login(): Promise<Visit | null> {
    const found: Visit[] = [];
    const finding = await this.#report("token", async () => {
      let token = this.#token;
      let dev = false;
      if (token === "") {
        const account = `doctor-${crypto.getRandomValues(new Uint32Array(1)).join("")}`;
        token = (await devToken(account)) ?? "";
        dev = token !== "";
      }
      this.needsToken = !dev;
      if (token === "") return notChecked((t) => t.tokenNone);
      const finding = await checkToken(token);
      if (finding.state !== "ok") return finding;
      const servers = await iceServers(token);
      if ("state" in servers) return servers;
      const others = await iceServers(token);
      found.push({ servers, others: "state" in others ? servers : others, dev });
      return finding;
    });
    return finding.state === "ok" ? (found[0] ?? null) : null;
  }

  /** Checks a device; it stays on. */
  async device(check: (typeof deviceChecks)[number], make: () => Promise<Finding>): Promise<void> {
    await this.#report(check, make);
  }

  async #none(checks: readonly Check[], why: Say): Promise<void> {
    for (const check of checks) await this.#report(check, async () => notChecked(why));
  }

  readonly #report: Report = async (check, make) => {
    this.#entries.set(check, { finding: null, tookMs: 0 });
    this.#changed();
    const begun = performance.now();
    const finding = await make().catch((e: unknown) => {
      const why = e instanceof Error ? e.message : String(e);
      return failed(
        (t) => t.unexpected(why),
        (t) => t.unexpectedAdvice,
      );
    });
    this.#entries.set(check, { finding, tookMs: Math.round(performance.now() - begun) });
    this.#changed();
    return finding;
  };
}

/** All checks, in their order on the page. */
export const allChecks: readonly Check[] = [...networkChecks, ...deviceChecks];
