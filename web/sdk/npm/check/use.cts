// The same from CommonJS.
import peal = require("peal-rtc");

export const rtc: peal.RTCCalling = peal.default.getInstance({ debug: true });
export const client: peal.PealClient = new peal.PealClient({ getToken: () => "t" });
