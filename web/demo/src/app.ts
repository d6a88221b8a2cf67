import type {
  CallEnd,
  CallHandle,
  Client,
  ClientOptions,
  NetworkQuality,
} from "../../sdk/src/index";
import type { Attention } from "./attention";
import { pastCall, remember, remembered } from "./history";
import { rememberLanguage } from "./language";
import type { Actions, Model, PastCall, Problem, Stage } from "./model";
import { type CallNotes, callModel, quietNotes } from "./notes";
import type { Sounds } from "./sounds";
import { forgetName, writeName } from "./storage";
import { type Language, tables } from "./strings";
import { Tokens } from "./token";

/** Where the page is drawn, and the pictures shown. */
export interface Screen {
  readonly local: HTMLElement;
  readonly remote: HTMLElement;
  draw(model: Model): void;
}

/** What the page's logic needs of its surroundings. */
export interface Surroundings {
  readonly language: Language;
  /** Whether the server gives a token to anyone who has a name: a peal dev. */
  readonly dev: boolean;
  readonly makeClient: (options: ClientOptions) => Client;
  readonly makeScreen: (actions: Actions) => Screen;
  readonly sounds: Sounds;
  readonly attention: Attention;
}

/**
 * The page's logic: turns what people do into requests to the SDK, and what the
 * SDK tells into a model to draw. It holds no state of a call that the SDK has.
 */
export class App implements Actions {
  readonly #out: Surroundings;
  readonly #screen: Screen;
  #language: Language;
  #account = "";
  #client: Client | null = null;
  #loggingIn = false;
  #call: CallHandle | null = null;
  #notes: CallNotes = { ...quietNotes };
  #problem: Problem | null = null;
  #outcome: PastCall | null = null;
  #history: readonly PastCall[] = [];
  #clock: ReturnType<typeof setInterval> | undefined;

  constructor(out: Surroundings) {
    this.#out = out;
    this.#language = out.language;
    this.#screen = out.makeScreen(this);
  }

  /** Shows the page, and logs in where a name is known already. */
  start(name: string): void {
    if (!this.#out.dev) {
      this.#draw();
      return;
    }
    this.#warnOfPlainHttp();
    if (name !== "") this.login(name);
    else this.#draw();
  }

  // ------------------------------------------------------------------- login

  login(name: string): void {
    if (this.#client) return;
    if (name === "") {
      this.#fail({ code: "no_name", message: "" });
      return;
    }
    this.#account = name;
    this.#loggingIn = true;
    this.#problem = null;
    const tokens = new Tokens(name);
    const client = this.#out.makeClient({
      server: location.origin,
      getToken: () => tokens.get(),
      ringtone: true,
      ringback: true,
    });
    this.#client = client;
    this.#listen(client);
    this.#draw();
    client.connect().then(
      () => {
        this.#loggingIn = false;
        writeName(name);
        this.#loadHistory(client);
        this.#warnOfPlainHttp();
        this.#draw();
      },
      (e: unknown) => {
        this.#loggingIn = false;
        this.#client = null;
        this.#fail(tokens.failure ?? e);
      },
    );
  }

  logout(): void {
    const client = this.#client;
    if (!client) return;
    this.#client = null;
    forgetName();
    this.#outcome = null;
    this.#history = [];
    this.#problem = null;
    this.#draw();
    // Leaving is the person's wish: whether the server heard of it changes nothing here.
    client.close().catch(() => {});
  }

  #listen(client: Client): void {
    client
      .on("connection", () => this.#draw())
      .on("incoming", (call) => {
        if (this.#client === client) this.#follow(call);
      })
      .on("resumed", (call) => {
        this.#follow(call);
        // Its media restart. Until they are there it is a call being restored.
        this.#notes.mediaLost = call.state === "connected";
        this.#notes.invitedAt = performance.now();
        this.#draw();
      })
      .on("closed", (why) => {
        // connect() reports a login that fails; a logout was asked for.
        if (this.#loggingIn || this.#client !== client) return;
        this.#client = null;
        this.#fail(why);
      })
      .on("record", (record) => {
        this.#history = remember(this.#history, pastCall(record, client.account));
        this.#draw();
      })
      .on("error", (e) => {
        // Without a speaker the page works without sounds.
        if (e.code !== "ringtone_failed") this.#fail(e);
      });
  }

  #loadHistory(client: Client): void {
    client.records({ limit: remembered }).then(
      (records) => {
        if (this.#client !== client) return;
        for (const r of records)
          this.#history = remember(this.#history, pastCall(r, client.account));
        this.#draw();
      },
      (e: unknown) => {
        if (this.#client === client) this.#fail(e);
      },
    );
  }

  // ------------------------------------------------------------------- calls

  call(peer: string, video: boolean): void {
    if (!this.#client || this.#call) return;
    const code = peer === "" ? "no_name" : peer === this.#account ? "self_call" : null;
    if (code) {
      // How the last call ended is no answer to this one.
      this.#outcome = null;
      this.#fail({ code, message: "" });
      return;
    }
    let call: CallHandle;
    try {
      call = this.#client.call(peer, { video });
    } catch (e) {
      this.#fail(e, video ? peer : "");
      return;
    }
    // It can be given up while the browser still asks for the camera.
    this.#follow(call);
    call.invited.then(
      () => {
        if (call.end) return;
        this.#notes.invitedAt = performance.now();
        this.#draw();
      },
      (e: unknown) => {
        if (this.#call !== call) return; // Given up meanwhile.
        this.#leave();
        this.#fail(e, video ? peer : "");
      },
    );
  }

  accept(camera: boolean): void {
    const call = this.#call;
    if (!call || this.#notes.accepting) return;
    if (!isSecureContext) {
      this.#warnOfPlainHttp();
      this.#draw();
      return;
    }
    this.#notes.accepting = true;
    this.#problem = null;
    this.#draw();
    call.accept({ video: camera && call.video }).catch((e: unknown) => {
      if (this.#call !== call) return;
      this.#notes.accepting = false;
      this.#fail(e);
    });
  }

  reject(): void {
    this.#attempt((call) => call.reject());
  }

  hangup(): void {
    this.#attempt((call) => call.hangup());
  }

  toggleMicrophone(): void {
    this.#attempt((call) => call.setMicrophone(!call.microphoneOn));
  }

  toggleCamera(): void {
    this.#attempt((call) => {
      if (call.screenOn) return Promise.resolve();
      if (call.video) return call.setCamera(!call.cameraOn);
      if (call.state !== "connected") return Promise.resolve();
      if (!this.#notes.asking) return this.#askForVideo(call);
      this.#notes.asking = false;
      return call.switchType(1);
    });
  }

  toggleScreen(): void {
    this.#attempt((call) => {
      if (call.screenOn) return call.stopScreenShare();
      if (call.state !== "connected") return Promise.resolve();
      return call.shareScreen({ audio: true }).catch((e: unknown) => {
        if (readProblem(e).code !== "call_ended") throw e;
      });
    });
  }

  /** In an audio call the camera is for both or for nobody. */
  async #askForVideo(call: CallHandle): Promise<void> {
    this.#notes.asking = true;
    this.#draw();
    try {
      await call.switchType(2);
    } catch (e) {
      // Who took the ask back, or hung up, knows.
      const code = readProblem(e).code;
      if (code === "call_ended" || (code === "declined" && !this.#notes.asking)) return;
      throw e;
    } finally {
      this.#notes.asking = false;
    }
  }

  answerVideo(agree: boolean): void {
    this.#attempt((call) => call.switchType(agree ? 2 : 1));
  }

  play(): void {
    this.#attempt(async (call) => {
      await call.play();
      this.#notes.silent = false;
    });
  }

  #attempt(action: (call: CallHandle) => Promise<void>): void {
    const call = this.#call;
    if (!call) return;
    action(call).then(
      () => this.#draw(),
      (e: unknown) => {
        if (this.#call === call) this.#fail(e);
      },
    );
  }

  /** Shows a call from its first moment to its end. */
  #follow(call: CallHandle): void {
    this.#call = call;
    this.#notes = { ...quietNotes };
    this.#problem = null;
    this.#outcome = null;
    const note = (change: Partial<CallNotes>): void => {
      if (this.#call !== call) return;
      this.#notes = { ...this.#notes, ...change };
      this.#draw();
    };
    call
      .on("accepted", () => note({}))
      .on("connected", () => {
        if (this.#call === call && !this.#notes.mediaLost) this.#out.sounds.chime("connected");
        note({ mediaLost: false });
      })
      .on("reconnecting", () => note({ mediaLost: true }))
      .on("remoteStream", (stream) => note(stream ? { mediaLost: false } : {}))
      .on("peerMedia", (up) => note({ peerMediaLost: !up }))
      .on("peerPresence", (present) => note({ peerAway: !present }))
      .on("networkQuality", (quality) => note({ weak: isWeak(quality) }))
      .on("remoteTracks", () => note({}))
      .on("localStream", () => note({}))
      .on("screenShare", () => note({}))
      .on("type", () => note({}))
      .on("videoRequest", () => note({}))
      .on("deviceLost", ({ kind, replacement }) => {
        if (this.#call !== call) return;
        const code = replacement === null ? `${kind}_lost` : "device_replaced";
        this.#fail({ code, message: replacement ?? "" });
      })
      .on("autoplayBlocked", (silent) => note({ silent }))
      .on("error", (e) => {
        if (this.#call === call) this.#fail(e);
      })
      .on("ended", (end) => this.#ended(call, end));
    call.attachLocal(this.#screen.local);
    call.attachRemote(this.#screen.remote);
    clearInterval(this.#clock);
    this.#clock = setInterval(() => this.#draw(), 500);
    this.#draw();
  }

  #ended(call: CallHandle, end: CallEnd): void {
    if (this.#call !== call) return;
    const { peer, direction, video } = call;
    this.#outcome = { peer, direction, video, end, at: new Date() };
    this.#leave();
    this.#out.sounds.chime("ended");
    this.#draw();
  }

  #leave(): void {
    clearInterval(this.#clock);
    this.#call = null;
    this.#problem = null;
  }

  // ---------------------------------------------------------------- the page

  dismiss(): void {
    this.#problem = null;
    this.#draw();
  }

  toggleLanguage(): void {
    this.#language = this.#language === "en" ? "zh" : "en";
    rememberLanguage(this.#language);
    this.#draw();
  }

  askNotifications(): void {
    this.#out.attention.ask().then(
      () => this.#draw(),
      () => this.#draw(),
    );
  }

  /** Somebody touched the page: from now on the browser lets sounds through. */
  touched(): void {
    this.#out.sounds.unlock();
    this.#draw();
  }

  #warnOfPlainHttp(): void {
    if (!isSecureContext) this.#problem = { code: "insecure_context", message: "" };
  }

  #fail(e: unknown, withoutCamera = ""): void {
    const problem = readProblem(e);
    const offer = withoutCamera !== "" && problem.code.startsWith("camera_");
    this.#problem = offer ? { ...problem, withoutCamera } : problem;
    this.#draw();
  }

  #draw(): void {
    const stage = this.#stage();
    const { sounds, attention } = this.#out;
    const t = tables[this.#language];
    attention.setTitle(t.title);
    attention.draw(stage === "called" && this.#call ? t.isCalling(this.#call.peer) : null);
    this.#screen.draw({
      language: this.#language,
      stage,
      account: this.#account,
      loggingIn: this.#loggingIn,
      server: this.#client?.connection ?? "offline",
      call: this.#call ? callModel(this.#call, this.#notes) : null,
      problem: this.#problem,
      outcome: this.#outcome,
      history: this.#history,
      soundLocked: sounds.locked,
      askNotifications: attention.mayAsk,
    });
  }

  #stage(): Stage {
    if (!this.#out.dev) return "serve";
    if (!this.#call) return this.#client && !this.#loggingIn ? "idle" : "login";
    switch (this.#call.state) {
      case "ringing":
        if (this.#call.direction === "outgoing") return "calling";
        return this.#notes.accepting ? "connecting" : "called";
      case "connecting":
        return "connecting";
      case "connected":
        return "connected";
      case "ended":
        return "idle";
    }
  }
}

function isWeak(quality: NetworkQuality): boolean {
  return Math.max(quality.uplink, quality.downlink) >= 4;
}

/** What was thrown, by its code where it has one. */
function readProblem(e: unknown): Problem {
  if (typeof e === "object" && e !== null && "code" in e && typeof e.code === "string") {
    const message = "message" in e && typeof e.message === "string" ? e.message : "";
    return { code: e.code, message };
  }
  return { code: "internal", message: e instanceof Error ? e.message : String(e) };
}
