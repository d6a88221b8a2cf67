import { type Config, Device } from "../../src/device/device";
import type { Effect, Input } from "../../src/device/io";
import type {
  CallJson,
  CallStateJson,
  CallUpdateJson,
  ClientFrameJson,
  RoleJson,
  ServerFrameJson,
} from "../../src/gen/peal_pb";

/** A device on a bench: the inputs that it is given, and its effects. */
export class Bench {
  readonly device: Device;
  /** 2030-01-01T00:00:00Z. */
  now = 1_893_456_000_000;
  socket = 0;
  readonly did: Effect[] = [];

  constructor(config: Partial<Config> = {}) {
    this.device = new Device({ id: "d1", seed: 0, ...config });
  }

  /** Gives an input a while after the one before, a millisecond if nothing is said. */
  step(input: Input, afterMs = 1): Effect[] {
    this.now += afterMs;
    const effects = this.device.step(this.now, input);
    this.did.push(...effects);
    return effects;
  }

  /** Logs in, and is welcomed with these calls. */
  login(...calls: CallUpdateJson[]): this {
    this.step({ kind: "login" });
    this.welcome(...calls);
    return this;
  }

  /** Has the socket that is due open, and the device welcomed with these calls. */
  welcome(...calls: CallUpdateJson[]): Effect[] {
    this.socket++;
    this.step({ kind: "gotToken", token: "t" });
    this.step({ kind: "opened", socket: this.socket });
    return this.tell({ welcome: { account: "bob", calls } });
  }

  tell(frame: ServerFrameJson): Effect[] {
    return this.step({ kind: "received", socket: this.socket, frame });
  }

  /** The frames of all that was sent for which this holds, oldest first. */
  sent(asks: (frame: ClientFrameJson) => boolean): ClientFrameJson[] {
    return sentBy(this.did).filter(asks);
  }

  hangups(id: string): number {
    return this.sent((f) => f.hangup?.callId === id).length;
  }

  rang(id: string): number {
    return this.did.filter((e) => e.kind === "incoming" && e.update.call?.callId === id).length;
  }
}

export function sentBy(effects: Effect[]): ClientFrameJson[] {
  return effects.flatMap((e) => (e.kind === "send" ? [e.frame] : []));
}

/** An update of a call from alice to bob. */
export function updateOf(
  callId: string,
  state: CallStateJson,
  role: RoleJson,
  more: Partial<CallJson> = {},
): CallUpdateJson & { call: CallJson } {
  const parties = { caller: { account: "alice" }, callee: { account: "bob" } };
  return { call: { callId, rev: 1, state, role, generation: 1, ...parties, ...more } };
}
