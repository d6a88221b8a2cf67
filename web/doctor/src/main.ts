import { firstLanguage, rememberLanguage } from "../../demo/src/language";
import { Devices } from "./devices";
import { Doctor } from "./doctor";
import { type Actions, View } from "./view";

let language = firstLanguage(new URL(location.href));
const dev = document.body.getAttribute("data-server") === "dev";
const actions: Actions = {
  again: () => run(),
  useToken: (token) => run(token),
  devices: () => toggleDevices(),
  toggleLanguage: () => {
    language = language === "en" ? "zh" : "en";
    rememberLanguage(language);
    draw();
  },
};
const view = new View(actions, dev);
const devices = new Devices(view.meter, view.video);
const doctor = new Doctor(() => draw());

function draw(): void {
  view.draw(doctor, language, devices.on);
}

// A check that fails is a finding: nothing of a visit is left to throw.
function run(token?: string): void {
  doctor.run(token).catch(() => draw());
}

function toggleDevices(): void {
  if (devices.on) {
    devices.stop();
    draw();
    return;
  }
  doctor
    .device("microphone", () => devices.checkMicrophone())
    .then(() => doctor.device("camera", () => devices.checkCamera()))
    .catch(() => draw());
}

draw();
run();
