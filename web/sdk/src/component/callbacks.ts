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

/** Runs a method with its callbacks. They run before the promise settles. */
export async function run(
  { success, failed }: Callbacks,
  task: () => Promise<void>,
): Promise<void> {
  try {
    await task();
  } catch (e) {
    const error = known(e);
    safely(failed, error);
    throw error;
  }
  safely(success);
}
