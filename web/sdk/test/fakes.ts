import { vi } from "vitest";
import type { CallJson, ClientFrameJson, PartyJson, ServerFrameJson } from "../src/gen/peal_pb";
import type { Command } from "../src/shell";
import type { OpenSocket, SocketListener } from "../src/socket";

/** One socket of a client, seen from the server. */
export class FakeSocket {
  readonly sent: ClientFrameJson[] = [];
  closed = false;
  readonly #listener: SocketListener;

  constructor(listener: SocketListener) {
    this.#listener = listener;
  }

  open(): void {
    this.#listener.opened();
  }

  give(frame: ServerFrameJson): void {
    this.#listener.message(JSON.stringify(frame));
  }

  /** Answers the newest command that has the given name. */
  answer(name: keyof Command, frame: ServerFrameJson = { done: {} }): void {
    const command = [...this.sent].reverse().find((f) => name in f);
    if (!command?.id) throw new Error(`no ${name} was sent`);
    this.give({ replyTo: command.id, ...frame });
  }

  cut(): void {
    this.closed = true;
    this.#listener.closed(1006, "");
  }

  names(): string[] {
    return this.sent.map((f) => Object.keys(f).find((k) => k !== "id") ?? "");
  }
}

/** All sockets that a client opened, newest last. */
export class FakeServer {
  readonly sockets: FakeSocket[] = [];

  readonly open: OpenSocket = (_url, listener) => {
    const socket = new FakeSocket(listener);
    this.sockets.push(socket);
    return {
      send: (text) => socket.sent.push(JSON.parse(text) as ClientFrameJson),
      close: () => {
        socket.closed = true;
      },
    };
  };

  get socket(): FakeSocket {
    const last = this.sockets.at(-1);
    if (!last) throw new Error("no socket was opened");
    return last;
  }
}

export const welcome: ServerFrameJson = {
  welcome: {
    account: "alice",
    deviceId: "d-1",
    tokenExpiresInMs: 600_000,
    idle: { everyMs: 15_000, deadAfterMs: 25_000 },
    active: { everyMs: 2_000, deadAfterMs: 4_000 },
  },
};

class FakeStream {
  readonly #tracks: MediaStreamTrack[] = [];
  getTracks = (): MediaStreamTrack[] => [...this.#tracks];
  getAudioTracks = (): MediaStreamTrack[] => this.#tracks.filter((t) => t.kind === "audio");
  getVideoTracks = (): MediaStreamTrack[] => this.#tracks.filter((t) => t.kind === "video");
  addTrack = (t: MediaStreamTrack): void => void this.#tracks.push(t);
  removeTrack = (t: MediaStreamTrack): void => void this.#tracks.splice(this.#tracks.indexOf(t), 1);
}

/** A peer connection that only keeps a log of what is done to it. */
export class FakePeerConnection {
  /** How long connections take to set a description. */
  static describing: Promise<void> = Promise.resolve();
  readonly log: string[] = [];
  connectionState: RTCPeerConnectionState = "new";
  onicecandidate: ((e: { candidate: unknown }) => void) | null = null;
  onconnectionstatechange: (() => void) | null = null;
  ontrack: ((e: { track: MediaStreamTrack }) => void) | null = null;
  readonly #transceivers: unknown[] = [];
  /** The limit that each kind was given. */
  readonly limits: Record<string, RTCRtpEncodingParameters> = {};
  remoteDescription: RTCSessionDescriptionInit | null = null;
  /** Whether it refuses every track. */
  refuses = false;
  /** How often it was given. */
  shaped = 0;

  constructor(readonly configuration: RTCConfiguration) {}

  addTransceiver(kind: string): void {
    this.log.push(`addTransceiver ${kind}`);
    const sender = {
      track: null as unknown,
      replaceTrack: async (track: unknown) => {
        if (this.refuses) throw new Error("this track cannot be sent");
        sender.track = track;
      },
    };
    this.#transceivers.push({
      direction: "sendrecv",
      receiver: { track: { kind } },
      sender: Object.assign(sender, {
        getParameters: () => ({ encodings: [{ ...this.limits[kind] }] }),
        setParameters: async (p: RTCRtpSendParameters) => {
          this.shaped++;
          this.limits[kind] = p.encodings[0] ?? {};
        },
      }),
    });
  }
  getTransceivers(): unknown[] {
    return this.#transceivers;
  }
  setConfiguration(): void {
    this.log.push("setConfiguration");
  }
  async createOffer(options?: RTCOfferOptions): Promise<RTCSessionDescriptionInit> {
    this.log.push(options?.iceRestart ? "createOffer restart" : "createOffer");
    return {
      type: "offer",
      sdp: "v=0\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\na=end-of-candidates\r\n",
    };
  }
  async createAnswer(): Promise<RTCSessionDescriptionInit> {
    this.log.push("createAnswer");
    return { type: "answer", sdp: "v=0\r\na=candidate:1 1 udp 1 192.0.2.2 9 typ host\r\n" };
  }
  async setLocalDescription(d: RTCSessionDescriptionInit): Promise<void> {
    this.log.push(`setLocalDescription ${d.type}`);
    await FakePeerConnection.describing;
    // As in browsers: what is under way when a connection closes never settles.
    if (this.connectionState === "closed") await new Promise(() => {});
  }
  async setRemoteDescription(d: RTCSessionDescriptionInit): Promise<void> {
    this.log.push(`setRemoteDescription ${d.type}`);
    this.remoteDescription = d;
    if (this.#transceivers.length === 0) this.addTransceiver("audio");
  }
  async addIceCandidate(c: RTCIceCandidateInit): Promise<void> {
    this.log.push(`addIceCandidate ${c.candidate}`);
  }
  async getStats(): Promise<Map<string, unknown>> {
    return new Map();
  }
  close(): void {
    this.connectionState = "closed";
    this.log.push("close");
  }

  /** The browser found a candidate of this side. */
  find(candidate: string): void {
    this.onicecandidate?.({ candidate: { toJSON: () => ({ candidate, sdpMid: "0" }) } });
  }
  become(state: RTCPeerConnectionState): void {
    this.connectionState = state;
    this.onconnectionstatechange?.();
  }
}

/** A track of a made-up device. */
export class FakeTrack extends EventTarget {
  enabled = true;
  stopped = false;
  constructor(
    readonly kind: "audio" | "video",
    readonly label: string,
    readonly constraints: unknown,
  ) {
    super();
  }
  stop(): void {
    this.stopped = true;
  }
  getSettings(): MediaTrackSettings {
    return { deviceId: this.label };
  }
  /** What a browser does when the device is pulled out. */
  unplug(): void {
    this.dispatchEvent(new Event("ended"));
  }
}

/** What a test may do to the made-up browser. */
export interface FakeBrowser {
  connections: FakePeerConnection[];
  /** Every track that was opened, in order. */
  opened: FakeTrack[];
  make: (c: RTCConfiguration) => RTCPeerConnection;
  /** Why the next openings fail; null for not. */
  deny: (audio: boolean, video: boolean) => DOMException | null;
  /** How long the next openings take. */
  opening: Promise<void>;
  storage: Map<string, string>;
}

class FakeElement {
  srcObject: unknown = null;
  style = {};
  play = (): Promise<void> => Promise.resolve();
  remove = (): void => {};
  append = (): void => {};
}

/** Puts the few things of a browser in place that the component touches. */
export function fakeBrowser(): FakeBrowser {
  const storage = new Map<string, string>();
  const browser: FakeBrowser = {
    connections: [],
    opened: [],
    make: (c) => {
      const pc = new FakePeerConnection(c);
      browser.connections.push(pc);
      return pc as unknown as RTCPeerConnection;
    },
    deny: () => null,
    opening: Promise.resolve(),
    storage,
  };
  const mediaDevices = Object.assign(new EventTarget(), {
    getUserMedia: async ({ audio, video }: MediaStreamConstraints) => {
      await browser.opening;
      const error = browser.deny(Boolean(audio), Boolean(video));
      if (error) throw error;
      const stream = new FakeStream();
      for (const [kind, wanted] of [
        ["audio", audio],
        ["video", video],
      ] as const) {
        if (!wanted) continue;
        const track = new FakeTrack(kind, `${kind} ${browser.opened.length}`, wanted);
        browser.opened.push(track);
        stream.addTrack(track as unknown as MediaStreamTrack);
      }
      return stream;
    },
    enumerateDevices: async () => [{ kind: "audioinput" }, { kind: "videoinput" }],
  });
  const page = Object.assign(new EventTarget(), { visibilityState: "visible" });
  vi.stubGlobal("MediaStream", FakeStream);
  vi.stubGlobal("RTCPeerConnection", FakePeerConnection);
  vi.stubGlobal("HTMLVideoElement", class {});
  vi.stubGlobal("isSecureContext", true);
  vi.stubGlobal("window", new EventTarget());
  vi.stubGlobal("location", { origin: "https://app.test", href: "https://app.test/" });
  vi.stubGlobal(
    "document",
    Object.assign(page, { createElement: () => new FakeElement() as unknown }),
  );
  vi.stubGlobal("navigator", {
    mediaDevices,
    permissions: { query: async () => ({ state: "granted" }) },
  });
  // As the browser's, it has what is stored for its own properties.
  const local: Record<string, unknown> = Object.create({
    setItem: (key: string, value: string) => {
      local[key] = value;
      storage.set(key, value);
    },
    getItem: (key: string) => storage.get(key) ?? null,
  });
  vi.stubGlobal("localStorage", local);
  return browser;
}

/** Lets promises settle. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 60; i++) await Promise.resolve();
}

/** The real one: what waits for a turn of the event loop waits for no timer. */
export const later = (globalThis as unknown as { setImmediate: (f: () => void) => void })
  .setImmediate;

/** Lets what was begun come to its end, timers that are due now included. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 5; i++) {
    await settle();
    await new Promise<void>((resolve) => later(resolve));
    await vi.advanceTimersByTimeAsync(0);
  }
}

/** One side of a call, as the server tells it. */
export const side = (account: string, more: PartyJson = {}): PartyJson => ({
  account,
  uid: account.length,
  present: true,
  epoch: 1,
  ...more,
});

/** A call of alice with bob. */
export function snapshot(more: CallJson): CallJson {
  return {
    callId: "c1",
    rev: 1,
    state: "CALL_STATE_RINGING",
    type: "CALL_TYPE_VIDEO",
    role: "ROLE_CALLER",
    caller: side("alice"),
    callee: side("bob"),
    generation: 1,
    rebuildGeneration: 1,
    ...more,
  };
}
