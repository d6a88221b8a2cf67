// A page that loads the component by a script tag.
/// <reference types="peal-rtc/global" />
export const rtc = new window.NERTCCalling.default.getInstance({ debug: true });
export const older = new window.NRTCCalling.RTCCalling();
export const client = new window.Peal.PealClient({ getToken: () => "t" });
void rtc.call({ userId: "bob", type: 1 });
