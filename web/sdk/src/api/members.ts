/**
 * Gives an object its methods and accessors as members of its own that run on the object
 * itself, and promises that are safe to ignore.
 *
 * Frameworks keep what a page stores behind a Proxy, and a private field is not the Proxy's.
 * `__v_skip` has Vue leave the object as it is, so that it stays equal to itself.
 */
export function bindMembers(target: object): void {
  const define = (name: string, member: PropertyDescriptor): void => {
    Object.defineProperty(target, name, { ...member, configurable: true, enumerable: false });
  };
  define("__v_skip", { value: true });
  let prototype: object = Object.getPrototypeOf(target);
  for (; prototype !== Object.prototype; prototype = Object.getPrototypeOf(prototype)) {
    for (const [name, member] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
      if (name === "constructor" || Object.hasOwn(target, name)) continue;
      const { value, get, set } = member;
      if (typeof value === "function") {
        define(name, { value: safe(value.bind(target)), writable: true });
        continue;
      }
      define(name, {
        ...(get && { get: safe(get.bind(target)) }),
        ...(set && { set: set.bind(target) }),
      });
    }
  }
}

/** A function whose promise causes no unhandled rejection. */
function safe<A extends unknown[], R>(run: (...args: A) => R): (...args: A) => R {
  return (...args) => {
    const result = run(...args);
    if (result instanceof Promise) result.catch(() => {});
    return result;
  };
}
