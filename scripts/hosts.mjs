// Counts the interfaces by which one part of the component asks another part, or its
// surroundings, for something: those with members that are functions. Fails above the limits.
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const most = { interfaces: 4, members: 20 };
const web = join(import.meta.dirname, "../web");
const ts = createRequire(join(web, "package.json"))("@typescript/typescript6");

/** What others see, and what is generated, is no inner wire. */
const outside = /^(api|gen)\/|^component\/(events|options|sdk-types)\.ts$/;

/** Things that have functions, and ask nobody for anything. A new one is named here. */
const things = new Set(["Login", "DeviceIdentity", "Socket", "Wish"]);

const found = [];
const root = join(web, "sdk/src");
for (const name of readdirSync(root, { recursive: true }).filter((n) => n.endsWith(".ts"))) {
  if (outside.test(name)) continue;
  const file = ts.createSourceFile(name, readFileSync(join(root, name), "utf8"), ts.ScriptTarget.ES2022, true);
  const functions = new Set();
  for (const s of file.statements)
    if (ts.isTypeAliasDeclaration(s) && ts.isFunctionTypeNode(s.type)) functions.add(s.name.text);
  for (const s of file.statements) {
    if (!ts.isInterfaceDeclaration(s) || things.has(s.name.text)) continue;
    const calls = (m) =>
      ts.isMethodSignature(m) ||
      (m.type !== undefined && (ts.isFunctionTypeNode(m.type) || functions.has(m.type.getText())));
    if (s.members.some(calls)) found.push({ file: name, name: s.name.text, members: s.members.length });
  }
}
const members = found.reduce((sum, { members }) => sum + members, 0);
for (const f of found) console.log(`${f.name.padEnd(18)} ${String(f.members).padStart(3)}  ${f.file}`);
console.log(`host interfaces: ${found.length} of at most ${most.interfaces}, members: ${members} of at most ${most.members}`);
if (found.length > most.interfaces || members > most.members) process.exit(1);
