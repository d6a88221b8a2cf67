import { known } from "./codes";
import type { Callbacks } from "./options";

/** Runs a callback of the page. What it throws changes no outcome and is reported as uncaught. */
export function safely<A extends unknown[]>(
  callback: ((...args: A) => void) | undefined,
  ...args: A
): void {
  try {
    callback?.(...args);
  } catch (e) {
    reportError(e);
  }
}

/**
 * Runs a method with its callbacks, which run before the promise settles. `debug` writes a
 * failure to the console where no callback hears it.
 */
export async function run(
  callbacks: Callbacks | undefined,
  task: () => Promise<void>,
  debug: boolean,
): Promise<void> {
  try {
    if (!callbacks) throw { code: "100", message: "the parameter object is missing" };
    await task();
  } catch (e) {
    const error = known(e);
    if (callbacks?.failed) safely(callbacks.failed, error);
    else if (debug) console.warn("[peal]", error.code, error.message);
    throw error;
  }
  safely(callbacks.success);
}
