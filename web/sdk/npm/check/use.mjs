// By import, on a machine without a browser.
import assert from "node:assert";
import RTCCalling, { RTCCalling as named, PealClient, version } from "peal-rtc";

assert.equal(RTCCalling, named);
assert.equal(typeof PealClient, "function");
assert.equal(RTCCalling.version, version);
assert.equal(RTCCalling.getInstance(), new RTCCalling.getInstance({ debug: false }));
