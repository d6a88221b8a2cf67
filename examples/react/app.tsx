import { type CallHandle, type DeviceKind, PealClient, type PealErrorLike } from "peal-rtc";
import { useCall, useMediaDevices, usePeal, useVideo } from "peal-rtc/react";
import { StrictMode, useEffect, useState } from "react";
import { createRoot } from "react-dom/client";

const query = new URLSearchParams(location.search);
const server = query.get("server") ?? "http://127.0.0.1:7325";
const account = query.get("account") ?? "alice";

// A `peal dev` gives a token for any name. Your backend gives one for the person who is logged in.
async function getToken(): Promise<string> {
  const body = JSON.stringify({ account });
  const answer = await fetch(`${server}/dev/token`, { method: "POST", body });
  return (await answer.json()).token;
}

const client = new PealClient({ server, getToken, rememberDevices: true });

function App() {
  const { connection, call, lastCall, closed } = usePeal(client);
  const [problem, setProblem] = useState("");
  const end = useCall(lastCall)?.end;
  const fail = (e: PealErrorLike) => setProblem(`${e.code}: ${e.message}`);

  useEffect(() => {
    client.connect().catch(fail);
  }, []);
  useEffect(() => {
    if (!call) return;
    setProblem("");
    call.invited.catch(fail);
    call.on("error", fail);
    return () => void call.off("error", fail);
  }, [call]);

  return (
    <>
      <h1>{account}</h1>
      <p>{closed ? closed.message : connection}</p>
      {call ? <InCall call={call} fail={fail} /> : <Lobby fail={fail} />}
      {end && <p>The call is over: {end.reason}</p>}
      {problem && <p className="problem">{problem}</p>}
      <Choice kind="microphone" />
      <Choice kind="camera" />
    </>
  );
}

function Lobby({ fail }: { fail: (e: PealErrorLike) => void }) {
  const [who, setWho] = useState("");
  function call() {
    try {
      client.call(who, { video: true });
    } catch (e) {
      fail(e as PealErrorLike);
    }
  }
  return (
    <form action={call}>
      <input value={who} onChange={(e) => setWho(e.target.value)} placeholder="Whom to call" />
      <button type="submit">Call</button>
    </form>
  );
}

function InCall({ call, fail }: { call: CallHandle; fail: (e: PealErrorLike) => void }) {
  const state = useCall(call);
  const remote = useVideo(call, "remote");
  const local = useVideo(call, "local");
  const rings = state?.state === "ringing" && state.direction === "incoming";
  const share = () => (state?.screenOn ? call.stopScreenShare() : call.shareScreen({ audio: true }));
  return (
    <>
      <p>{rings ? `${state.peerName} is calling` : `${state?.peerName}: ${state?.state}`}</p>
      <div className="pictures">
        <div className="remote" ref={remote} />
        <div className="local" ref={local} />
      </div>
      <nav>
        {rings && <button onClick={() => call.accept().catch(fail)}>Accept</button>}
        {rings && <button onClick={() => call.reject().catch(fail)}>Reject</button>}
        {!rings && <button onClick={() => call.hangup()}>Hang up</button>}
        {!rings && <button onClick={() => call.setMicrophone(!state?.microphoneOn)}>{state?.microphoneOn ? "Mute" : "Unmute"}</button>}
        {!rings && <button onClick={() => share().catch(fail)}>{state?.screenOn ? "Stop sharing" : "Share screen"}</button>}
      </nav>
    </>
  );
}

function Choice({ kind }: { kind: DeviceKind }) {
  const { devices, choose } = useMediaDevices(client);
  const list = kind === "camera" ? devices.cameras : devices.microphones;
  return (
    <select aria-label={kind} value={list.find((d) => d.active)?.id} onChange={(e) => choose(kind, e.target.value)}>
      {list.map((d) => <option key={d.id} value={d.id}>{d.label}</option>)}
    </select>
  );
}

createRoot(document.getElementById("app")!).render(<StrictMode><App /></StrictMode>);
