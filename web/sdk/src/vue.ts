import type {
  CallHandle,
  CallSnapshot,
  Client,
  ClientSnapshot,
  DeviceSnapshot,
  Devices,
  Store,
} from "peal-rtc";
import {
  type MaybeRefOrGetter,
  onWatcherCleanup,
  type Ref,
  type ShallowRef,
  shallowRef,
  toValue,
  watch,
  watchEffect,
} from "vue";

/** A client's state: the connection, the account, the call. */
export function usePeal(client: Client): Readonly<ShallowRef<ClientSnapshot>> {
  return useStore(() => client);
}

/** A call's state; null without a call. */
export function useCall(
  call: MaybeRefOrGetter<CallHandle | null>,
): Readonly<ShallowRef<CallSnapshot | null>> {
  return useStore<CallSnapshot | null>(() => toValue(call) ?? noCall);
}

/** The microphones, cameras and speakers, and `choose` to use another one. */
export function useMediaDevices(client: Client): {
  devices: Readonly<ShallowRef<DeviceSnapshot>>;
  choose: Devices["choose"];
} {
  return { devices: useStore(() => client.devices), choose: client.devices.choose };
}

/** A template ref for the element that shows a side's picture. */
export function useVideo(
  call: MaybeRefOrGetter<CallHandle | null>,
  side: "local" | "remote",
): Ref<HTMLElement | null> {
  const view = shallowRef<HTMLElement | null>(null);
  watchEffect(
    () => {
      const now = toValue(call);
      const attach = side === "local" ? now?.attachLocal : now?.attachRemote;
      attach?.(view.value);
      onWatcherCleanup(() => attach?.(null));
    },
    { flush: "post" },
  );
  return view;
}

const noCall: Store<null> = { subscribe: () => () => {}, getSnapshot: () => null };

/** Follows a store until the component that asks for it is gone. A server renders what there is, and follows nothing. */
function useStore<T>(from: () => Store<T>): Readonly<ShallowRef<T>> {
  const now = shallowRef(from().getSnapshot()) as ShallowRef<T>;
  watch(
    from,
    (store) => {
      const read = (): void => {
        now.value = store.getSnapshot();
      };
      read();
      if (typeof window !== "undefined") onWatcherCleanup(store.subscribe(read));
    },
    { immediate: true, flush: "sync" },
  );
  return now;
}
