/** A file's text, for tests that look at index.html. */
declare module "*?raw" {
  const text: string;
  export default text;
}
