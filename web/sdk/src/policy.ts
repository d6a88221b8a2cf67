/**
 * Watches for a Content-Security-Policy that refuses a WebSocket address: the browser reports
 * that by an event of the document, and the socket itself only closes. Returns what ends it.
 */
export function watchPolicy(url: string, refused: (e: Error) => void): () => void {
  const { origin } = new URL(url);
  const heard = (e: SecurityPolicyViolationEvent): void => {
    // A policy that only reports blocks nothing.
    if (e.disposition === "enforce" && e.blockedURI.startsWith(origin))
      refused(new Error(`add ${origin} to connect-src of the page's Content-Security-Policy`));
  };
  document.addEventListener("securitypolicyviolation", heard);
  return () => document.removeEventListener("securitypolicyviolation", heard);
}
