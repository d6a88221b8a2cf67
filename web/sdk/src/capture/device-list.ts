import { bindMembers } from "../api/members";
import type { DeviceKind, DeviceSnapshot, Devices, MediaDevice } from "../api/types";
import type { Call } from "../call";
import { SnapshotStore } from "../store";
import { type DeviceEntry, keepChoice, listDevices, requireDevice } from "./devices";

const kinds = { microphone: "audio", camera: "video", speaker: "speaker" } as const;

const none: DeviceSnapshot = { microphones: [], cameras: [], speakers: [] };

/** The devices of this machine, for a client: it follows them while someone subscribes. */
export class DeviceList implements Devices {
  readonly #call: () => Call | null;
  #known = none;
  /** Counts the times the browser was asked: the newest answer is the one that holds. */
  #asked = 0;
  readonly #store = new SnapshotStore(() => this.#known, none);

  constructor(call: () => Call | null) {
    this.#call = call;
    bindMembers(this);
  }

  subscribe(listener: () => void): () => void {
    const end = this.#store.subscribe(listener);
    if (this.#store.subscribers === 1) {
      navigator.mediaDevices?.addEventListener?.("devicechange", this.changed);
      this.changed();
    }
    return () => {
      end();
      if (this.#store.subscribers === 0)
        navigator.mediaDevices?.removeEventListener?.("devicechange", this.changed);
    };
  }

  getSnapshot(): DeviceSnapshot {
    return this.#store.getSnapshot();
  }

  async list(): Promise<DeviceSnapshot> {
    const asked = ++this.#asked;
    const { audioIn, audioOut, video } = await listDevices(this.#call());
    const of = (kind: DeviceKind, list: DeviceEntry[]): MediaDevice[] =>
      list.map(({ deviceId: id, label, active = false }) => ({ kind, id, label, active }));
    const now = {
      microphones: of("microphone", audioIn),
      cameras: of("camera", video),
      speakers: of("speaker", audioOut),
    };
    if (asked === this.#asked) {
      this.#known = now;
      this.#store.changed();
    }
    return now;
  }

  async choose(kind: DeviceKind, id: string): Promise<void> {
    const call = this.#call();
    if (call) await call.chooseDevice(kinds[kind], id);
    else {
      await requireDevice(kinds[kind], id);
      keepChoice(kinds[kind], id);
    }
    this.changed();
  }

  /** They may be others, or have names by now. */
  readonly changed = (): void => {
    if (this.#store.subscribers > 0 && navigator.mediaDevices) void this.list();
  };
}
