import { CallHandle, CallSnapshot, Client, DeviceSnapshot, Devices, ClientSnapshot } from 'peal-rtc';
import { MaybeRefOrGetter, ShallowRef, Ref } from 'vue';

/** A client's state: the connection, the account, the call. */
declare function usePeal(client: Client): Readonly<ShallowRef<ClientSnapshot>>;
/** A call's state; null without a call. */
declare function useCall(call: MaybeRefOrGetter<CallHandle | null>): Readonly<ShallowRef<CallSnapshot | null>>;
/** The microphones, cameras and speakers, and `choose` to use another one. */
declare function useMediaDevices(client: Client): {
    devices: Readonly<ShallowRef<DeviceSnapshot>>;
    choose: Devices["choose"];
};
/** A template ref for the element that shows a side's picture. */
declare function useVideo(call: MaybeRefOrGetter<CallHandle | null>, side: "local" | "remote"): Ref<HTMLElement | null>;

export { useCall, useMediaDevices, usePeal, useVideo };
