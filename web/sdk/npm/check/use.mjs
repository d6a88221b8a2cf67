// By import, on a machine without a browser.
import assert from "node:assert";
import RTCCalling, { RTCCalling as named, PealClient, version } from "peal-rtc";

assert.equal(RTCCalling, named);
assert.equal(typeof PealClient, "function");
assert.equal(RTCCalling.version, version);
assert.equal(RTCCalling.getInstance(), new RTCCalling.getInstance({ debug: false }));

// Pages are rendered on servers too: nothing of a browser is needed to make a client.
const client = new PealClient({
  server: "https://calls.example.com",
  getToken: () => "",
  rememberDevices: true,
});
assert.deepEqual(client.getSnapshot(), {
  connection: "offline",
  account: "",
  call: null,
  lastCall: null,
  closed: null,
});
assert.equal(client.getSnapshot(), client.getSnapshot());
assert.deepEqual(client.devices.getSnapshot(), { microphones: [], cameras: [], speakers: [] });
