import { PealError } from "../api/errors";
import type { LostDevice, MediaProfile } from "../api/types";
import { constraints, type Kind } from "../media/profile";
import { type Chosen, chosen, namedDevices } from "./devices";
import { Gain } from "./gain";
import { capture } from "./open";

/** One's own microphone and camera in a call, and what of them is sent. */
export class LocalTracks {
  readonly stream = new MediaStream();
  audioMuted = false;
  videoMuted = false;
  readonly #profile: () => MediaProfile;
  readonly #lost: (device: LostDevice | PealError) => void;
  readonly #gain: Gain;
  /** What was asked for last: a device that takes its time to open may not be wanted any more. */
  readonly #wanted = { audio: false, video: false };
  /** Kinds that were unplugged and have no other: the next choice opens them again. */
  readonly #missing = new Set<Kind>();
  /** Counts the choices of a device: the newest wins, however long each takes. */
  readonly #choices = { audio: 0, video: 0 };
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
    this.#gain = new Gain(changed);
  }

  get audio(): MediaStreamTrack | null {
    return this.stream.getAudioTracks()[0] ?? null;
  }

  get video(): MediaStreamTrack | null {
    return this.stream.getVideoTracks()[0] ?? null;
  }

  /** The sound that is sent: the microphone's, at the volume that was set. */
  get sentAudio(): MediaStreamTrack | null {
    return this.audio && this.#gain.of(this.audio);
  }

  /** How loud one's own sound is sent: 1 as it is, 0 not at all. */
  setVolume(volume: number): void {
    this.#gain.volume = volume;
    this.apply();
  }

  /** Opens what is not open yet. */
  async open(audio: boolean, video: boolean): Promise<void> {
    if (this.#closed) return;
    this.#wanted.audio ||= audio;
    this.#wanted.video ||= video;
    const wantAudio = audio && !this.audio;
    const wantVideo = video && !this.video;
    if (!wantAudio && !wantVideo) return;
    const asked = { ...chosen };
    const stream = await this.#capture(wantAudio, wantVideo, asked);
    let again = false;
    for (const track of stream.getTracks()) {
      const kind = kindOf(track);
      const other = asked[kind] !== chosen[kind];
      // Another may have been faster.
      if (this.#wanted[kind] && !this[kind] && !other) this.#put(track);
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

  /** Opens the microphone, where it is wanted still: without the camera that cannot be had. */
  openSound(): Promise<void> {
    return this.open(this.#wanted.audio, false);
  }

  /** Uses another device where one of its kind is open, and else for the next opening. */
  async choose(kind: Kind, deviceId: string): Promise<void> {
    const choice = ++this.#choices[kind];
    const used = this[kind];
    let track: MediaStreamTrack | undefined;
    if (used ? used.getSettings().deviceId !== deviceId : this.#missing.has(kind))
      track = await this.#change(kind, deviceId, used);
    else if (!(await isThere(kind, deviceId))) throw noSuch(kind, deviceId);
    const newest = choice === this.#choices[kind];
    if (newest) chosen[kind] = deviceId;
    // It may have been closed meanwhile.
    if (track && newest && this.#wanted[kind]) this.#put(track);
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
        const again = await open(used.getSettings().deviceId);
        if (again && this.#wanted[kind]) this.#put(again);
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
      replacement = (audio ? this.audio : this.video)?.label ?? null;
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
    const track = this[kind];
    if (!track) return;
    track.stop();
    this.stream.removeTrack(track);
  }

  /** Brings the tracks in step with what is muted. */
  apply(): void {
    if (this.audio) this.audio.enabled = !this.audioMuted && this.#gain.volume > 0;
    if (this.video) this.video.enabled = !this.videoMuted;
  }

  /** Closes the devices; they can be opened again. */
  release(): void {
    this.shut("audio");
    this.shut("video");
  }

  /** Closes the devices for good: also those that are being opened. */
  close(): void {
    this.#closed = true;
    this.#gain.close();
    this.release();
  }
}

function kindOf(track: MediaStreamTrack): Kind {
  return track.kind === "audio" ? "audio" : "video";
}

/** Whether a device can be chosen: yes too where the browser does not name any. */
async function isThere(kind: Kind, deviceId: string): Promise<boolean> {
  const of = (await namedDevices())?.filter((d) => d.kind === `${kind}input` && d.deviceId);
  return !of?.length || deviceId === "" || of.some((d) => d.deviceId === deviceId);
}

function noSuch(kind: Kind, deviceId: string): PealError {
  const device = kind === "audio" ? "microphone" : "camera";
  return new PealError(
    `${device}_missing`,
    `there is no ${device} "${deviceId}": getDevices() gives those that there are`,
  );
}
