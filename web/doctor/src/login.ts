import { type Finding, failed, notChecked, ok } from "./finding";
import { whyRefused } from "./refused";
import { ask, patience } from "./server";

const subprotocol = "peal.v1.json";

/** ICE servers as the server gives them. */
export interface IceServer {
  readonly urls: readonly string[];
  readonly username?: string;
  readonly credential?: string;
}

/** What the server answers to a hello. */
interface Answer {
  readonly welcome?: { readonly account?: string };
  readonly error?: { readonly code?: string; readonly message?: string };
}

/** A token as a peal dev gives to anybody; null where the server gives none. */
export async function devToken(account: string): Promise<string | null> {
  const response = await ask("/dev/token", { method: "POST", body: JSON.stringify({ account }) });
  if (!response.ok) return null;
  const { token } = (await response.json()) as { token: string };
  return token;
}

/** Opens the WebSocket and closes it again. */
export async function checkWebSocket(): Promise<Finding> {
  const socket = await open();
  if (socket) {
    const speaks = socket.protocol;
    socket.close();
    if (speaks === subprotocol) return ok((t) => t.webSocketOk);
    return failed(
      (t) => t.webSocketProtocol,
      (t) => t.webSocketProtocolAdvice,
      (t) => t.proxySetting,
    );
  }
  // A page does not learn why. To a plain request the server answers that this is a WebSocket.
  const plain = await ask("/ws");
  if (plain.status === 426) {
    return failed(
      (t) => t.webSocketRefused,
      (t) => t.webSocketRefusedAdvice,
      "--origins",
      (t) => t.proxySetting,
    );
  }
  const status = String(plain.status);
  return failed(
    (t) => t.webSocketNoPath(status),
    (t) => t.webSocketNoPathAdvice,
    (t) => t.proxySetting,
  );
}

/** Logs in with a token as a new device, and leaves. */
export async function checkToken(token: string): Promise<Finding> {
  const socket = await open();
  if (!socket) return notChecked((t) => t.needsSocket);
  const answer = await hello(socket, token);
  socket.close();
  if (!answer) {
    return failed(
      (t) => t.webSocketMute,
      (t) => t.webSocketMuteAdvice,
      (t) => t.proxySetting,
    );
  }
  if (!answer.welcome)
    return whyRefused(token, answer.error?.code ?? "", answer.error?.message ?? "");
  const account = answer.welcome.account ?? "";
  return ok((t) => t.tokenOk(account));
}

/** What a device in a call is given; a finding where that is refused. */
export async function iceServers(token: string): Promise<readonly IceServer[] | Finding> {
  const response = await ask("/v1/ice-servers", {
    method: "POST",
    headers: { Authorization: `Bearer ${token}` },
  });
  if (response.ok) {
    const { iceServers } = (await response.json()) as { iceServers: IceServer[] };
    return iceServers;
  }
  const status = String(response.status);
  return failed(
    (t) => t.tokenIce(status),
    (t) => t.tokenIceAdvice,
    (t) => t.proxySetting,
  );
}

/** A WebSocket that is open; null where it does not open. */
function open(): Promise<WebSocket | null> {
  const address = new URL("/ws", location.href);
  address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(address, subprotocol);
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      socket.close();
      resolve(null);
    }, patience);
    socket.onopen = () => {
      clearTimeout(timer);
      resolve(socket);
    };
    socket.onerror = () => {
      clearTimeout(timer);
      resolve(null);
    };
  });
}

/** The answer to a hello; null where none comes. */
function hello(socket: WebSocket, token: string): Promise<Answer | null> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(null), patience);
    const over = (answer: Answer | null): void => {
      clearTimeout(timer);
      resolve(answer);
    };
    socket.onclose = () => over(null);
    socket.onmessage = (event) => {
      over(JSON.parse(String(event.data)) as Answer);
      // Its device is to be gone at once.
      socket.send(JSON.stringify({ id: 2, logout: {} }));
    };
    const deviceId = `doctor-${crypto.getRandomValues(new Uint32Array(2)).join("-")}`;
    const command = { token, deviceId, fresh: true, client: "peal-doctor" };
    socket.send(JSON.stringify({ id: 1, hello: command }));
  });
}
