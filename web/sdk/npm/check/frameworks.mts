// What strict components of React and Vue write.
import type { CallSnapshot, Client, ClientSnapshot } from "peal-rtc";
import * as react from "peal-rtc/react";
import * as vue from "peal-rtc/vue";

export function useAllOfIt(client: Client): ClientSnapshot {
  const state = react.usePeal(client);
  const call: CallSnapshot | null = react.useCall(state.call ?? state.lastCall);
  const { devices, choose } = react.useMediaDevices(client);
  const view: (element: HTMLElement | null) => void = react.useVideo(state.call, "remote");
  console.log(call?.end?.reason, devices.microphones[0]?.label, choose("microphone", ""), view);
  return state;
}

export function useAllInVue(client: Client): void {
  const state = vue.usePeal(client);
  const call = vue.useCall(() => state.value.call);
  const { devices, choose } = vue.useMediaDevices(client);
  const view = vue.useVideo(() => state.value.call, "local");
  console.log(call.value?.state, devices.value.cameras[0]?.id, choose("camera", ""), view.value);
}
