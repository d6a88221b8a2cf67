// By a script tag: nothing but a window is there.
const assert = require("node:assert");
const { readFileSync } = require("node:fs");
const vm = require("node:vm");

const window = {};
window.window = window.self = window;
vm.runInNewContext(readFileSync(process.argv[2], "utf8"), window);
assert.equal(window.NERTCCalling.default, window.NRTCCalling.RTCCalling);
assert.equal(typeof window.Peal.PealClient, "function");
const one = new window.NERTCCalling.default.getInstance({ debug: true });
assert.equal(one, window.NERTCCalling.default.getInstance());
assert.equal(typeof window.NERTCCalling.default.version, "string");
