import { dropParameter, readLasting, writeLasting } from "./storage";
import type { Language } from "./strings";

const key = "peal.demo.lang";

/** The language to start with: of the address, then of the last visit, then of the browser. */
export function firstLanguage(address: URL): Language {
  const asked = address.searchParams.get("lang") ?? readLasting(key) ?? navigator.language;
  return asked.toLowerCase().startsWith("zh") ? "zh" : "en";
}

export function rememberLanguage(language: Language): void {
  writeLasting(key, language);
  dropParameter("lang");
}
