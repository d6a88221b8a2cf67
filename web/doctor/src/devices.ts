import { type Finding, failed, ok, warning } from "./finding";

/** How long the microphone is listened to before it counts as silent. */
const listening = 4_000;

/** What is checked stays on, for people to see and hear, until it is stopped. */
export class Devices {
  readonly #meter: HTMLMeterElement;
  readonly #video: HTMLVideoElement;
  #streams: MediaStream[] = [];
  #sound: AudioContext | null = null;

  constructor(meter: HTMLMeterElement, video: HTMLVideoElement) {
    this.#meter = meter;
    this.#video = video;
  }

  get on(): boolean {
    return this.#streams.length > 0;
  }

  stop(): void {
    for (const stream of this.#streams) for (const track of stream.getTracks()) track.stop();
    this.#streams = [];
    this.#video.srcObject = null;
    this.#meter.value = 0;
    this.#sound?.close().catch(() => {});
    this.#sound = null;
  }

  async checkMicrophone(): Promise<Finding> {
    const stream = await this.#open({ audio: true });
    if (!(stream instanceof MediaStream)) return stream;
    const name = nameOf(stream);
    if (await this.#hears(stream)) return ok((t) => t.microphoneOk(name));
    return warning(
      (t) => t.microphoneSilent(name),
      (t) => t.microphoneSilentAdvice,
    );
  }

  async checkCamera(): Promise<Finding> {
    const stream = await this.#open({ video: true });
    if (!(stream instanceof MediaStream)) return stream;
    const name = nameOf(stream);
    this.#video.srcObject = stream;
    if (await this.#sees()) return ok((t) => t.cameraOk(name));
    return warning(
      (t) => t.cameraBlack(name),
      (t) => t.cameraBlackAdvice,
    );
  }

  async #open(wanted: MediaStreamConstraints): Promise<MediaStream | Finding> {
    if (!isSecureContext || !navigator.mediaDevices) {
      return failed(
        (t) => t.deviceInsecure,
        (t) => t.secureAdvice,
        "--tls-cert",
        "--tls-key",
      );
    }
    try {
      const stream = await navigator.mediaDevices.getUserMedia(wanted);
      this.#streams.push(stream);
      return stream;
    } catch (e) {
      return whyNot(e);
    }
  }

  /** Shows the level for as long as it is on; tells whether there was any at first. */
  #hears(stream: MediaStream): Promise<boolean> {
    const sound = new AudioContext();
    this.#sound = sound;
    const analyser = sound.createAnalyser();
    sound.createMediaStreamSource(stream).connect(analyser);
    sound.resume().catch(() => {});
    const wave = new Float32Array(analyser.fftSize);
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), listening);
      const look = (): void => {
        if (this.#sound !== sound) return;
        analyser.getFloatTimeDomainData(wave);
        const peak = wave.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
        this.#meter.value = Math.max(peak, this.#meter.value * 0.9);
        if (peak > 0.01) {
          clearTimeout(timer);
          resolve(true);
        }
        requestAnimationFrame(look);
      };
      look();
    });
  }

  /** Whether a picture comes. */
  #sees(): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), listening);
      this.#video.onplaying = () => {
        clearTimeout(timer);
        resolve(this.#video.videoWidth > 0);
      };
      this.#video.play().catch(() => {});
    });
  }
}

function nameOf(stream: MediaStream): string {
  return stream.getTracks()[0]?.label || "?";
}

/** Why a device does not open, by the names that browsers have for it. */
export function whyNot(e: unknown): Finding {
  const name = e instanceof Error ? e.name : "";
  switch (name) {
    case "NotAllowedError":
    case "SecurityError":
      return failed(
        (t) => t.deviceDenied,
        (t) => t.deviceDeniedAdvice,
        (t) => t.permissionSetting,
      );
    case "NotFoundError":
    case "OverconstrainedError":
      return failed(
        (t) => t.deviceMissing,
        (t) => t.deviceMissingAdvice,
      );
    case "NotReadableError":
    case "AbortError":
      return failed(
        (t) => t.deviceInUse,
        (t) => t.deviceInUseAdvice,
      );
    default: {
      const why = e instanceof Error ? e.message : String(e);
      return failed(
        (t) => t.deviceOther(why),
        (t) => t.deviceInUseAdvice,
      );
    }
  }
}
