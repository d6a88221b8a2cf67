/** The socket that a connection needs: a WebSocket, or a fake in tests. */
export interface Socket {
  send(text: string): void;
  close(): void;
}

/** What a socket tells. `closed` happens once, and nothing follows it. */
export interface SocketListener {
  opened(): void;
  message(text: string): void;
  closed(status: number, reason: string): void;
}

export type OpenSocket = (url: string, listener: SocketListener) => Socket;

/** The subprotocol of this version. */
const subprotocol = "peal.v1.json";

export const openWebSocket: OpenSocket = (url, listener) => {
  const socket = new WebSocket(url, subprotocol);
  let over = false;
  const closed = (status: number, reason: string): void => {
    if (over) return;
    over = true;
    listener.closed(status, reason);
  };
  socket.onopen = () => listener.opened();
  socket.onmessage = (e: MessageEvent<unknown>) => {
    if (typeof e.data === "string") listener.message(e.data);
  };
  socket.onclose = (e) => closed(e.code, e.reason);
  return {
    send: (text) => socket.send(text),
    close: () => {
      socket.close();
      // A dead network lets the browser wait for the closing handshake: we do not.
      closed(1006, "");
    },
  };
};
