// What the worker needs of Node, whose types are no dependency of the component.
declare module "node:fs" {
  export function readSync(fd: number, into: Uint8Array): number;
  export function writeSync(fd: number, from: Uint8Array): number;
}
