import { bindMembers } from "../api/members";
import type { DeviceKind, DeviceSnapshot, Devices, MediaDevice } from "../api/types";
import type { Call } from "../call";
import { SnapshotStore } from "../store";
import {
  chosenAs,
  type DeviceEntry,
  keepChoice,
  listDevices,
  namedDevices,
  requireDevice,
} from "./devices";
import { requireSecureContext } from "./open";

const none: DeviceSnapshot = { microphones: [], cameras: [], speakers: [] };

/** The devices of this machine, for a client: it follows them while someone subscribes. */
export class DeviceList implements Devices {
  readonly #call: () => Call | null;
  #listed = none;
  /** Counts the times the browser was asked: the newest answer is the one that holds. */
  #asked = 0;
  readonly #store = new SnapshotStore(() => this.#listed, none);

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
    requireSecureContext();
    const asked = ++this.#asked;
    const named = namedDevices();
    const { audioIn, audioOut, video } = await listDevices(this.#call(), named);
    if (!(await named)) {
      // Firefox names them once its window has the focus.
      window.addEventListener("focus", this.changed, { once: true });
      if (this.#listed !== none) return this.#listed;
    }
    const of = (kind: DeviceKind, list: DeviceEntry[]): MediaDevice[] =>
      list.map(({ deviceId: id, label, active = false }) => ({ kind, id, label, active }));
    const now = {
      microphones: of("microphone", audioIn),
      cameras: of("camera", video),
      speakers: of("speaker", audioOut),
    };
    if (asked === this.#asked) {
      this.#listed = now;
      this.#store.changed();
    }
    return now;
  }

  async choose(kind: DeviceKind, id: string): Promise<void> {
    requireSecureContext();
    if (!Object.hasOwn(chosenAs, kind))
      throw new TypeError(`"${String(kind)}" is none of microphone, camera, speaker`);
    const call = this.#call();
    if (call) await call.chooseDevice(chosenAs[kind], id);
    else {
      await requireDevice(chosenAs[kind], id);
      keepChoice(chosenAs[kind], id);
    }
    this.changed();
  }

  /** They may be others, or have names by now. */
  readonly changed = (): void => {
    if (this.#store.subscribers > 0) this.list().catch(() => {}); // On plain HTTP there are none.
  };
}
