import { PealError } from "./api/errors";
import type {
  CallEnd,
  CallQuality,
  Direction,
  MediaPath,
  MediaProfile,
  NetworkQuality,
  RemoteTracks,
} from "./api/types";
import { KnownCall } from "./call-state";
import { type CallMediaNews, Negotiation } from "./media/negotiation";
import { pathNames } from "./media/path";
import type { MakePeerConnection, Media } from "./media/peer";
import { soundBitrate } from "./media/profile";
import { QualityMeter } from "./media/quality";
import type { Command, Shell } from "./shell";
import type { Snapshot } from "./snapshot";

/** What a call is made of. */
export interface CallSetup {
  /** The shell of the login that the call belongs to. */
  readonly shell: Shell;
  readonly make: MakePeerConnection;
  readonly policy: RTCIceTransportPolicy;
  readonly direction: Direction;
  readonly first: Snapshot;
  readonly profile: MediaProfile;
  readonly microphone: "required" | "optional";
}

/** A call and its connection to the other side: whether media flow, by which path, and how well. */
export abstract class MediaCall extends KnownCall {
  protected readonly shell: Shell;
  protected readonly negotiation: Negotiation;
  /** What is asked of the devices and sent of them. */
  profile: MediaProfile;
  readonly #meter = new QualityMeter();
  /** Media are missed, and what was reported of that. */
  #lost = { now: false, told: false };
  #path: MediaPath | null = null;
  #networkQuality: NetworkQuality | null = null;

  constructor({ shell, make, policy, direction, first, profile }: CallSetup) {
    super(direction, first);
    this.shell = shell;
    this.profile = profile;
    this.negotiation = new Negotiation(
      this,
      shell,
      make,
      () => ({ policy, profile: this.profile }),
      (news) => this.heard(news),
    );
  }

  /** What the negotiation tells. */
  protected abstract heard(news: CallMediaNews): void;

  abstract readonly localStream: MediaStream | null;

  protected get media(): Media {
    return this.negotiation.media;
  }
  get remoteStream(): MediaStream | null {
    return this.media.remote.getTracks().length > 0 ? this.media.remote : null;
  }
  override get remoteTracks(): RemoteTracks {
    const tracks = super.remoteTracks;
    return { ...tracks, video: tracks.video && this.media.pictures };
  }
  get remoteLevel(): number {
    return this.media.level;
  }
  get path(): MediaPath | null {
    return this.#path;
  }
  get quality(): CallQuality | null {
    return this.#meter.quality;
  }
  get networkQuality(): NetworkQuality | null {
    return this.#networkQuality;
  }
  /** The application knows that media are missed. */
  get reconnecting(): boolean {
    return this.#lost.told && !this.end;
  }
  /** How loud each side was when the network was last judged: 0 to 1. */
  get audioLevels(): { readonly local: number; readonly remote: number } {
    return this.#meter.levels;
  }
  /** The browser's connection, for those who know what they do. */
  get peerConnection(): RTCPeerConnection | null {
    return this.media.connection;
  }

  getStats(): Promise<RTCStatsReport> {
    const pc = this.media.connection;
    return pc ? pc.getStats() : Promise.reject(new PealError("wrong_state", "there is no media"));
  }

  /** Tells the server something that needs no answer. */
  protected tell(command: Command): void {
    this.shell.input({ kind: "mention", command });
  }

  protected override finish(end: CallEnd): void {
    super.finish(end);
    this.#meter.stop();
    this.media.close();
  }

  /** Both sides have media. */
  protected connected(): void {
    this.#measure();
    this.emit("connected");
    this.flows(!this.#lost.now);
  }

  /** The page was reloaded: where both sides had media, they are missed. */
  protected reloaded(): void {
    const lost = this.state === "connected";
    this.#lost = { now: lost, told: lost };
    if (lost) this.#measure();
  }

  #measure(): void {
    this.#meter.start(
      () => this.media.connection,
      (path) => ({
        remote: this.remoteTracks,
        // Also off where its volume is 0.
        microphone: this.localStream?.getAudioTracks()[0]?.enabled ?? false,
        soundBitrate: soundBitrate(this.profile),
        relayed: (path ?? this.#path)?.startsWith("relay") ?? false,
      }),
      (quality, path) => {
        if (path && path !== this.#path) {
          this.flowsBy(path);
          const { generation } = this.media;
          this.tell({
            media: { callId: this.id, generation, up: true, path: pathNames[path] },
          });
        }
        this.media.adapt(this.#meter.strain);
        this.#networkQuality = quality;
        this.emit("networkQuality", quality);
        this.#tellQuality();
      },
    );
  }

  #tellQuality(): void {
    const { quality, changed } = this.#meter;
    if (!quality || !changed) return;
    for (const warning of changed)
      this.emit("qualityWarning", warning, quality.warnings.includes(warning));
    this.emit("quality", quality);
  }

  protected flowsBy(path: MediaPath): void {
    if (this.#path === path) return;
    this.#path = path;
    this.emit("path", path);
  }

  protected flows(flows: boolean): void {
    this.#lost.now = !flows;
    // The first time the server says when both sides have media.
    if (this.state !== "connected" || this.#lost.told === this.#lost.now) return;
    this.#lost.told = this.#lost.now;
    this.emit(flows ? "connected" : "reconnecting");
  }
}
