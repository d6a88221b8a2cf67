/** Two peer connections of this page that try to reach each other, and what they see meanwhile. */

/** A refusal of a STUN or TURN server. 701 stands for no answer at all. */
export interface IceError {
  readonly code: number;
  readonly text: string;
}

/** One peer connection with the candidates that it gathers. */
export class Peer {
  readonly connection: RTCPeerConnection;
  readonly candidates: RTCIceCandidate[] = [];
  readonly errors: IceError[] = [];
  #changed: () => void = () => {};
  #complete = false;

  constructor(iceServers: RTCIceServer[], iceTransportPolicy: RTCIceTransportPolicy) {
    this.connection = new RTCPeerConnection({ iceServers, iceTransportPolicy });
    this.connection.addEventListener("icecandidate", ({ candidate }) => {
      if (candidate && candidate.candidate !== "") this.candidates.push(candidate);
      this.#changed();
    });
    this.connection.addEventListener("icegatheringstatechange", () => {
      this.#complete = this.connection.iceGatheringState === "complete";
      this.#changed();
    });
    this.connection.addEventListener("icecandidateerror", (event) => {
      this.errors.push({ code: event.errorCode, text: event.errorText });
      this.#changed();
    });
  }

  /** Starts to gather by an offer of its own, that goes nowhere. */
  async gather(): Promise<void> {
    this.connection.createDataChannel("doctor");
    await this.connection.setLocalDescription();
  }

  /** The first candidate of a type; null when gathering ends without one, or takes too long. */
  first(type: RTCIceCandidateType, most: number): Promise<RTCIceCandidate | null> {
    return new Promise((resolve) => {
      const over = (found: RTCIceCandidate | null): void => {
        clearTimeout(timer);
        this.#changed = () => {};
        resolve(found);
      };
      const timer = setTimeout(() => over(null), most);
      this.#changed = () => {
        const found = this.candidates.find((c) => c.type === type);
        if (found) over(found);
        else if (this.#complete) over(null);
      };
      this.#changed();
    });
  }

  /** Whether gathering ended by itself. */
  get complete(): boolean {
    return this.#complete;
  }

  close(): void {
    this.connection.close();
  }
}

/**
 * Connects two peers, the caller first, and sends a text there and back over a
 * data channel.
 */
export async function exchange(caller: Peer, callee: Peer, most: number): Promise<boolean> {
  const a = caller.connection;
  const b = callee.connection;
  tell(caller, callee);
  tell(callee, caller);
  const channel = a.createDataChannel("doctor");
  const back = new Promise<boolean>((resolve) => {
    const timer = setTimeout(() => resolve(false), most);
    channel.onopen = () => channel.send("there");
    channel.onmessage = ({ data }) => {
      clearTimeout(timer);
      resolve(data === "and back");
    };
    b.ondatachannel = ({ channel }) => {
      channel.onmessage = () => channel.send("and back");
    };
  });
  await a.setLocalDescription();
  await b.setRemoteDescription(bare(a.localDescription));
  await b.setLocalDescription();
  await a.setRemoteDescription(bare(b.localDescription));
  return back;
}

/** Hands candidates on, once the other one can take them. */
function tell(from: Peer, to: Peer): void {
  const waiting: RTCIceCandidate[] = [];
  const flush = (): void => {
    if (!to.connection.remoteDescription) return;
    for (const candidate of waiting.splice(0)) {
      // A candidate that the other side cannot use is one way less; the outcome tells.
      to.connection.addIceCandidate(candidate).catch(() => {});
    }
  };
  from.connection.addEventListener("icecandidate", ({ candidate }) => {
    if (candidate && candidate.candidate !== "") waiting.push(candidate);
    flush();
  });
  to.connection.addEventListener("signalingstatechange", flush);
}

/** A description without the candidates that were gathered meanwhile: those are passed on alone. */
function bare(description: RTCSessionDescription | null): RTCSessionDescriptionInit {
  if (!description) throw new Error("there is no description to send");
  const lines = description.sdp.split("\r\n").filter((line) => !line.startsWith("a=candidate:"));
  return { type: description.type, sdp: lines.join("\r\n") };
}
