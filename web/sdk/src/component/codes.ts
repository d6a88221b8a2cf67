import { PealError } from "../api/errors";

/** The component's states, with its numbers. */
export const State = { idle: 0, calling: 1, called: 2, inCall: 3 } as const;
/** The component's state: 0 idle, 1 calling, 2 called, 3 in a call. */
export type StateNumber = (typeof State)[keyof typeof State];

/** An error as pages of the component know it. */
export interface ComponentError {
  /** One of the codes below. */
  code: string;
  /** What failed, and what to do, for developers. */
  message: string;
}

type Method = "call" | "hangup" | "leave" | "cancel" | "accept" | "reject" | "switchCallType";

/** The code of a method that the state does not allow; null where it does. In the order idle, calling, called, inCall. */
const table: Record<Method, readonly [string | null, string | null, string | null, string | null]> =
  {
    call: [null, "20002", "20003", "20004"],
    hangup: ["20005", null, null, null],
    leave: ["20009", "20010", "20011", null],
    cancel: ["20013", null, "20015", "20016"],
    accept: ["20017", "20018", null, "20020"],
    reject: ["20021", "20022", null, "20024"],
    switchCallType: ["20025", "20026", "20027", null],
  };

const stateNames = ["idle", "calling", "called", "in a call"] as const;

export function refusedBy(method: Method, state: StateNumber): ComponentError | null {
  const code = table[method][state];
  return code === null
    ? null
    : { code, message: `${method} is not possible when ${stateNames[state]}` };
}

/** What the core calls an error, in the component's numbers. */
const codes: Record<string, string> = {
  not_connected: "101",
  not_logged_in: "102",
  bad_token: "102",
  token_expired: "102",
  token_revoked: "102",
  token_failed: "102",
  no_such_call: "103",
  request_timeout: "108",
  unavailable: "108",
  microphone_missing: "114",
  camera_missing: "114",
  speaker_missing: "114",
  busy_elsewhere: "116",
  unsupported_browser: "121",
  call_ended: "10404",
  call_id_taken: "10405",
  wrong_device: "10406",
  already_accepted: "10410",
  declined: "10409",
  ring_stopped: "10408",
  answered_elsewhere: "10420",
};

export function componentError(e: unknown): ComponentError {
  const error = PealError.of(e);
  const code = codes[error.code];
  // What has no number of its own keeps the core's name in its text.
  return code
    ? { code, message: error.message }
    : { code: "100", message: `${error.code}: ${error.message}` };
}

/** An error of the component's own, or of the core, in the component's words. */
export function known(e: unknown): ComponentError {
  const own = typeof e === "object" && e !== null && !(e instanceof Error);
  return own && "code" in e && "message" in e
    ? { code: String(e.code), message: String(e.message) }
    : componentError(e);
}
