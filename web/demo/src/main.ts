import { PealClient } from "../../sdk/src/index";
import { App } from "./app";
import { Attention } from "./attention";
import { firstLanguage } from "./language";
import { Sounds } from "./sounds";
import { readName } from "./storage";
import { View } from "./view";

// ?as=alice logs in by that name, ?peer=bob fills in whom to call, ?lang=zh sets the language.
const address = new URL(location.href);
const name = address.searchParams.get("as") ?? readName() ?? "";
const peer = address.searchParams.get("peer") ?? "";

const app = new App({
  language: firstLanguage(address),
  dev: document.body.getAttribute("data-server") === "dev",
  makeClient: (options) => new PealClient(options),
  makeScreen: (actions) => new View(actions, name, peer),
  sounds: new Sounds(),
  attention: new Attention(document.title),
});
app.start(name.trim());
// These are the gestures after which browsers let a page make sounds.
for (const gesture of ["click", "keydown"]) document.addEventListener(gesture, () => app.touched());
