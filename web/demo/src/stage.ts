import { find, setAvatar, setLabel, setPressed, setText } from "./dom";
import { dragToCorners } from "./drag";
import type { Actions, CallModel, Model } from "./model";
import type { Texts } from "./strings";
import { callWords, clock } from "./words";

/** The page in a call, from calling or accepting to its end. */
export class CallStage {
  readonly local = find("local", HTMLElement);
  readonly remote = find("remote", HTMLElement);
  readonly #stage = find("call", HTMLElement);
  readonly #avatar = find("call-avatar", HTMLElement);
  readonly #name = find("call-name", HTMLElement);
  readonly #line = find("call-line", HTMLElement);
  readonly #hint = find("call-hint", HTMLElement);
  readonly #duration = find("duration", HTMLElement);
  readonly #peerMuted = find("peer-muted", HTMLElement);
  readonly #play = find("play", HTMLButtonElement);
  readonly #mute = find("mute", HTMLButtonElement);
  readonly #camera = find("camera", HTMLButtonElement);
  readonly #screen = find("screen", HTMLButtonElement);
  readonly #ask = find("ask-video", HTMLElement);
  readonly #askText = find("ask-video-text", HTMLElement);
  readonly #hangup = find("hangup", HTMLButtonElement);
  readonly #hangupText = find("hangup-text", HTMLElement);
  #remoteScreen = false;

  constructor(actions: Actions) {
    this.#mute.addEventListener("click", () => actions.toggleMicrophone());
    this.#camera.addEventListener("click", () => actions.toggleCamera());
    this.#screen.addEventListener("click", () => actions.toggleScreen());
    this.#hangup.addEventListener("click", () => actions.hangup());
    find("ask-video-yes", HTMLButtonElement).addEventListener("click", () =>
      actions.answerVideo(true),
    );
    find("ask-video-no", HTMLButtonElement).addEventListener("click", () =>
      actions.answerVideo(false),
    );
    this.#play.addEventListener("click", () => actions.play());
    dragToCorners(this.local);
    // A video's size is not known before its first frame, and changes when a phone is turned.
    this.remote.addEventListener("resize", () => this.#fit(), { capture: true });
    window.addEventListener("resize", () => this.#fit());
  }

  /** The section itself: a key pressed too long must not hang up or mute. */
  focus(): void {
    if (!this.#stage.contains(document.activeElement)) this.#stage.focus();
  }

  draw(model: Model, t: Texts): void {
    const { call } = model;
    this.#stage.hidden = call === null || model.stage === "called";
    if (!call) return;
    const connected = model.stage === "connected";
    this.#stage.setAttribute("aria-label", t.callWith(call.peer));
    this.#stage.classList.toggle("pictured", connected && call.remotePicture);
    this.remote.hidden = !(connected && call.remotePicture);
    this.local.hidden = !call.cameraOn && !call.screenOn;
    this.local.title = t.localPicture;
    setAvatar(this.#avatar, call.peer);
    setText(this.#name, call.peer);
    setText(this.#line, callWords(t, model, call));
    this.#line.classList.toggle("trouble", connected && call.videoAsked !== "me");
    setText(this.#hint, hint(model, call, t));
    this.#duration.hidden = !connected;
    setText(this.#duration, clock(call.seconds));
    this.#peerMuted.hidden = !call.remoteMuted;
    setLabel(this.#peerMuted, t.peerMuted(call.peer));
    this.#play.hidden = !call.silent;
    setText(this.#play, t.hearPeer(call.peer));
    this.#ask.hidden = call.videoAsked !== "peer";
    setText(this.#askText, t.peerAsksForVideo(call.peer));
    if (this.#remoteScreen !== call.remoteScreen) {
      this.#remoteScreen = call.remoteScreen;
      this.#fit();
    }
    this.#drawControls(model, call, t);
  }

  #drawControls(model: Model, call: CallModel, t: Texts): void {
    this.#mute.disabled = call.opening;
    setPressed(this.#mute, !call.opening && !call.microphoneOn);
    this.#mute.title = t.muteTitle;
    // In an audio call it asks for the pictures of both.
    this.#camera.hidden = !call.video && model.stage !== "connected";
    this.#camera.disabled = call.opening || call.screenOn;
    this.#camera.classList.toggle("asking", call.videoAsked === "me");
    setPressed(this.#camera, call.cameraOn);
    this.#camera.title = call.video ? t.cameraTitle : t.askForVideoTitle;
    // The browsers of phones share no screen.
    this.#screen.hidden = model.stage !== "connected" || !navigator.mediaDevices?.getDisplayMedia;
    setPressed(this.#screen, call.screenOn);
    this.#screen.title = call.screenOn ? t.stopScreenTitle : t.screenTitle;
    setText(this.#hangupText, model.stage === "calling" ? t.cancel : t.hangup);
  }

  /** Fills the stage with a picture that lies as it does, and shows one that does not, or a screen, as a whole. */
  #fit(): void {
    const video = this.remote.querySelector("video");
    if (!video || video.videoWidth === 0) return;
    const lying = video.videoWidth > video.videoHeight;
    const stageLying = this.remote.clientWidth > this.remote.clientHeight;
    video.style.objectFit = lying === stageLying && !this.#remoteScreen ? "cover" : "contain";
  }
}

function hint(model: Model, call: CallModel, t: Texts): string {
  if (model.stage !== "calling") return "";
  if (!call.opening) return call.ringsLong ? t.ringingLong : "";
  return call.video ? t.allowCamera : t.allowMicrophone;
}
