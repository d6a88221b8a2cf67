/**
 * What the page remembers: a tab's name over a reload, the language for good.
 * A browser may deny a page its storage altogether; then nothing is remembered.
 */

const nameKey = "peal.demo.name";

export function readName(): string | null {
  return attempt(() => sessionStorage.getItem(nameKey));
}

export function writeName(name: string): void {
  attempt(() => sessionStorage.setItem(nameKey, name));
}

export function forgetName(): void {
  attempt(() => sessionStorage.removeItem(nameKey));
  dropParameter("as");
}

export function readLasting(key: string): string | null {
  return attempt(() => localStorage.getItem(key));
}

export function writeLasting(key: string, value: string): void {
  attempt(() => localStorage.setItem(key, value));
}

/** Takes a wish out of the address that a later choice overrides. */
export function dropParameter(name: string): void {
  const address = new URL(location.href);
  if (!address.searchParams.has(name)) return;
  address.searchParams.delete(name);
  history.replaceState(null, "", address);
}

function attempt<T>(action: () => T): T | null {
  try {
    return action();
  } catch {
    return null;
  }
}
