// By require, on a machine without a browser.
const assert = require("node:assert");
const peal = require("peal-rtc");

assert.equal(peal.default, peal.RTCCalling);
assert.equal(typeof peal.PealClient, "function");
assert.equal(peal.RTCCalling.version, require("peal-rtc/package.json").version);
const one = peal.RTCCalling.getInstance({ debug: false });
assert.equal(new peal.RTCCalling.getInstance(), one);
