import { CallHandle, CallSnapshot, Client, DeviceSnapshot, Devices, ClientSnapshot } from 'peal-rtc';

/** A client's state: the connection, the account, the call. The component renders again when it changes. */
declare function usePeal(client: Client): ClientSnapshot;
/** A call's state; null without a call. */
declare function useCall(call: CallHandle | null): CallSnapshot | null;
/** The microphones, cameras and speakers, and `choose` to use another one. */
declare function useMediaDevices(client: Client): {
    devices: DeviceSnapshot;
    choose: Devices["choose"];
};
/** A ref for the element that shows a side's picture: `<div ref={useVideo(call, "remote")} />`. */
declare function useVideo(call: CallHandle | null, side: "local" | "remote"): (view: HTMLElement | null) => void;

export { useCall, useMediaDevices, usePeal, useVideo };
