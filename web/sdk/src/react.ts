import type {
  CallHandle,
  CallSnapshot,
  Client,
  ClientSnapshot,
  DeviceSnapshot,
  Devices,
  Store,
} from "peal-rtc";
import { useCallback, useSyncExternalStore } from "react";

/** A client's state: the connection, the account, the call. The component renders again when it changes. */
export function usePeal(client: Client): ClientSnapshot {
  return useStore(client);
}

/** A call's state; null without a call. */
export function useCall(call: CallHandle | null): CallSnapshot | null {
  return useStore(call ?? noCall);
}

/** The microphones, cameras and speakers, and `choose` to use another one. */
export function useMediaDevices(client: Client): {
  devices: DeviceSnapshot;
  choose: Devices["choose"];
} {
  return { devices: useStore(client.devices), choose: client.devices.choose };
}

/** A ref for the element that shows a side's picture: `<div ref={useVideo(call, "remote")} />`. */
export function useVideo(
  call: CallHandle | null,
  side: "local" | "remote",
): (view: HTMLElement | null) => void {
  return useCallback(
    (view) => {
      if (side === "local") call?.attachLocal(view);
      else call?.attachRemote(view);
    },
    [call, side],
  );
}

const noCall: Store<null> = { subscribe: () => () => {}, getSnapshot: () => null };

function useStore<T>({ subscribe, getSnapshot }: Store<T>): T {
  return useSyncExternalStore(subscribe, getSnapshot, getSnapshot);
}
