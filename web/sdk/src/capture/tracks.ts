import { PealError } from "../api/errors";
import type { LostDevice, MediaProfile } from "../api/types";
import { constraints, type Kind } from "../media/profile";
import { type Chosen, chosen, keepChoice, namedDevices, noSuch, requireDevice } from "./devices";
import { Mixer } from "./mixer";
import { capture } from "./open";

/** One's own microphone and camera in a call, and what of them is sent. */
export class LocalTracks {
  readonly stream = new MediaStream();
  audioMuted = false;
  videoMuted = false;
  /** What is shown in the camera's place; null while that has it. */
  screen: MediaStream | null = null;
  readonly #profile: () => MediaProfile;
  readonly #lost: (device: LostDevice | PealError) => void;
  readonly #mixer: Mixer;
  /** What was asked for last: a device that takes its time to open may not be wanted any more. */
  readonly #wanted = { audio: false, video: false };
  /** Kinds that were unplugged and have no other: the next choice opens them again. */
  readonly #missing = new Set<Kind>();
  /** Counts the choices of a device: the newest wins, however long each takes. */
  readonly #choices = { audio: 0, video: 0 };
  /** A microphone that was missing is being opened. */
  #joining: Promise<boolean> | null = null;
  #closed = false;

  /**
   * `lost` hears of a device that was unplugged, and of one that is not allowed
   * any more; what took its place is in the stream. `changed` hears when another track is to be sent for the microphone.
   */
  constructor(
    profile: () => MediaProfile,
    lost: (device: LostDevice | PealError) => void,
    changed: () => void,
  ) {
    this.#profile = profile;
    this.#lost = lost;
    this.#mixer = new Mixer(changed);
  }

  get audio(): MediaStreamTrack | null {
    return this.stream.getAudioTracks()[0] ?? null;
  }

  /** The picture: the camera's, or the screen's while that is shared. */
  get video(): MediaStreamTrack | null {
    return this.stream.getVideoTracks()[0] ?? null;
  }

  get camera(): MediaStreamTrack | null {
    return this.screen ? null : this.video;
  }

  /** The sound that is sent: the microphone's at the volume that was set, and the screen's. */
  get sentAudio(): MediaStreamTrack | null {
    return this.#mixer.of(this.audio, this.screenSound);
  }

  /** The sound of the tab or the screen that is shared. */
  get screenSound(): MediaStreamTrack | null {
    return this.screen?.getAudioTracks().find((t) => t.readyState !== "ended") ?? null;
  }

  /** How loud the microphone is at this moment: 0 to 1. */
  get level(): number {
    return this.audioMuted ? 0 : this.#mixer.level(this.audio);
  }

  /** A device is wanted, and its place is free. */
  #wants(kind: Kind): boolean {
    return this.#wanted[kind] && !(kind === "video" && this.screen);
  }

  #device(kind: Kind): MediaStreamTrack | null {
    return kind === "audio" ? this.audio : this.camera;
  }

  /** Shows a screen in the camera's place, which closes. */
  share(screen: MediaStream): void {
    this.#remove("video");
    this.screen = screen;
    for (const track of screen.getVideoTracks()) this.stream.addTrack(track);
    this.apply();
  }

  /** Ends that. The camera stays closed. */
  unshare(): void {
    for (const track of this.screen?.getTracks() ?? []) {
      track.stop();
      this.stream.removeTrack(track);
    }
    this.screen = null;
  }

  /** How loud one's own sound is sent: 1 as it is, 0 not at all. */
  setVolume(volume: number): void {
    this.#mixer.volume = volume;
    this.apply();
  }

  /** Opens what is not open yet. */
  async open(audio: boolean, video: boolean): Promise<void> {
    if (this.#closed) return;
    this.#wanted.audio ||= audio;
    this.#wanted.video ||= video;
    const wantAudio = audio && !this.audio;
    const wantVideo = video && !this.video; // It opens once the screen is not shared any more.
    if (!wantAudio && !wantVideo) return;
    const asked = { ...chosen };
    const stream = await this.#capture(wantAudio, wantVideo, asked);
    let again = false;
    for (const track of stream.getTracks()) {
      const kind = kindOf(track);
      const other = asked[kind] !== chosen[kind];
      // Another may have been faster.
      if (this.#wants(kind) && !this[kind] && !other) this.#put(track);
      else track.stop();
      again ||= other;
    }
    // Another device was chosen meanwhile.
    if (again) await this.open(audio && this.#wanted.audio, video && this.#wanted.video);
  }

  /** Opens what was chosen, and another device only in the place of the one that is gone. */
  async #capture(audio: boolean, video: boolean, ids: Chosen): Promise<MediaStream> {
    const ways = [ids];
    if (audio && ids.audio) ways.push({ ...ids, audio: "" });
    if (video && ids.video) ways.push({ ...ids, video: "" });
    if (ways.length === 3) ways.push({ ...ids, audio: "", video: "" });
    for (;;) {
      try {
        return await this.#ask(audio, video, ways.shift() ?? ids);
      } catch (e) {
        if (ways.length === 0 || !PealError.of(e).code.endsWith("missing")) throw e;
      }
    }
  }

  #ask(audio: boolean, video: boolean, ids: Chosen): Promise<MediaStream> {
    const profile = this.#profile();
    return capture(
      audio && constraints(profile, "audio", ids.audio),
      video && constraints(profile, "video", ids.video),
    );
  }

  /** Opens one alone, where it is wanted still: without the other, which cannot be had. */
  async openAlone(kind: Kind): Promise<void> {
    if (this.#wanted[kind]) await this.open(kind === "audio", kind === "video");
  }

  /** There is no microphone: one that is connected later joins. */
  awaitMicrophone(): void {
    this.#missing.add("audio");
  }

  /** Devices were connected or taken away. Opens a microphone that was missing; tells whether it did. */
  devicesChanged(): Promise<boolean> {
    this.#joining ??= this.#join().finally(() => {
      this.#joining = null;
    });
    return this.#joining;
  }

  async #join(): Promise<boolean> {
    if (!this.#missing.has("audio") || !this.#wanted.audio || this.audio) return false;
    const all = await namedDevices();
    if (!all?.some((d) => d.kind === "audioinput")) return false;
    await this.open(true, false);
    return this.audio !== null;
  }

  /** Another picture or sound from now on: what devices cannot do they leave as it is. */
  async reshape(): Promise<void> {
    const profile = this.#profile();
    await Promise.allSettled(
      (["audio", "video"] as const).map((kind) =>
        this.#device(kind)?.applyConstraints(constraints(profile, kind, "")),
      ),
    );
  }

  /** Uses the camera on the other side of a phone, or the next one. */
  async flip(): Promise<void> {
    const { deviceId, facingMode } = this.camera?.getSettings() ?? {};
    const cameras = ((await namedDevices()) ?? []).filter((d) => d.kind === "videoinput");
    const others = cameras.filter((d) => d.deviceId !== deviceId);
    const side = facingMode ?? facing(cameras.find((d) => d.deviceId === deviceId));
    const next = cameras.findIndex((d) => d.deviceId === deviceId) + 1;
    const other =
      (side && others.find((d) => (facing(d) ?? side) !== side)) ||
      others.find((d) => cameras.indexOf(d) >= next) ||
      others[0];
    if (!other)
      throw new PealError("camera_missing", "there is no other camera, or the browser names none");
    await this.choose("video", other.deviceId);
  }

  /** Uses another device where one of its kind is open, and else for the next opening. */
  async choose(kind: Kind, deviceId: string): Promise<void> {
    const choice = ++this.#choices[kind];
    const used = this.#device(kind);
    let track: MediaStreamTrack | undefined;
    await requireDevice(kind, deviceId);
    if (used ? used.getSettings().deviceId !== deviceId : this.#missing.has(kind))
      track = await this.#change(kind, deviceId, used);
    const newest = choice === this.#choices[kind];
    if (newest) keepChoice(kind, deviceId);
    // It may have been closed meanwhile.
    if (track && newest && this.#wants(kind)) this.#put(track);
    else track?.stop();
  }

  /** Opens another device. Some phones have one camera open at a time: then the one in use closes first. */
  async #change(
    kind: Kind,
    deviceId: string,
    used: MediaStreamTrack | null,
  ): Promise<MediaStreamTrack | undefined> {
    const open = async (id: string | undefined): Promise<MediaStreamTrack | undefined> => {
      const ids = { ...chosen, [kind]: id };
      return (await this.#ask(kind === "audio", kind === "video", ids)).getTracks()[0];
    };
    try {
      return await open(deviceId);
    } catch (e) {
      const { code } = PealError.of(e);
      if (code.endsWith("missing")) throw noSuch(kind, deviceId);
      if (!used || !code.endsWith("in_use")) throw e;
      used.stop();
      try {
        return await open(deviceId);
      } catch {
        const again = await open(used.getSettings().deviceId).catch(() => {
          this.#remove(kind);
          this.#missing.add(kind);
        });
        if (again && this.#wants(kind)) this.#put(again);
        else again?.stop();
        throw e;
      }
    }
  }

  /** Takes a track in the place of the one of its kind. */
  #put(track: MediaStreamTrack): void {
    this.#remove(kindOf(track));
    this.#missing.delete(kindOf(track));
    this.stream.addTrack(track);
    // Browsers say so when a device is gone, not when `stop` was called.
    track.addEventListener("ended", () => void this.#replace(track), { once: true });
    this.apply();
  }

  /** The device behind a track was unplugged, or is not allowed any more: the browser's choice takes its place. */
  async #replace(track: MediaStreamTrack): Promise<void> {
    if (this.#closed || !this.stream.getTracks().includes(track)) return;
    this.stream.removeTrack(track);
    const audio = track.kind === "audio";
    let replacement: string | null = null;
    let error: PealError | undefined;
    try {
      await this.open(audio, !audio);
      replacement = this.#device(kindOf(track))?.label ?? null;
    } catch (e) {
      error = PealError.of(e); // There is no other, or it cannot be had.
    }
    if (this.#closed) return;
    if (replacement === null) this.#missing.add(kindOf(track));
    const lost = {
      kind: audio ? "microphone" : "camera",
      label: track.label,
      replacement,
    } as const;
    this.#lost(error?.code.endsWith("denied") ? error : lost);
  }

  /** Closes a device, also one that is being opened. */
  shut(kind: Kind): void {
    this.#wanted[kind] = false;
    this.#missing.delete(kind);
    this.#remove(kind);
  }

  #remove(kind: Kind): void {
    const track = this.#device(kind);
    if (!track) return;
    track.stop();
    this.stream.removeTrack(track);
  }

  /** Brings the tracks in step with what is muted. */
  apply(): void {
    if (this.audio) this.audio.enabled = !this.audioMuted && this.#mixer.volume > 0;
    if (this.camera) this.camera.enabled = !this.videoMuted;
  }

  /** Closes the devices; they can be opened again. */
  release(): void {
    this.shut("audio");
    this.shut("video");
    this.unshare();
  }

  /** Closes the devices for good: also those that are being opened. */
  close(): void {
    this.#closed = true;
    this.#mixer.close();
    this.release();
  }
}

/** The side of a phone that a camera is on, as its browser says it: "user" or "environment". */
function facing(camera: MediaDeviceInfo | undefined): string | undefined {
  const modes = (camera as Partial<InputDeviceInfo> | undefined)?.getCapabilities?.().facingMode;
  if (modes?.[0]) return modes[0];
  if (/\b(back|rear)\b/i.test(camera?.label ?? "")) return "environment";
  return /\bfront\b/i.test(camera?.label ?? "") ? "user" : undefined;
}

function kindOf(track: MediaStreamTrack): Kind {
  return track.kind === "audio" ? "audio" : "video";
}
