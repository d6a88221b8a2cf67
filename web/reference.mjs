// Writes docs/build/reference.md from the component's public types and their comments;
// with --check it only says whether that file is stale. A public member without
// a comment fails it: what is not said cannot be used.
import { readFileSync, writeFileSync } from "node:fs";
import ts from "@typescript/typescript6";

const types = new URL("dist/sdk/peal.d.ts", import.meta.url);
const codes = new URL("sdk/src/component/codes.ts", import.meta.url);
const page = new URL("../docs/build/reference.md", import.meta.url);

/** The page: what stands in which part, in this order. */
const parts = [
  {
    title: "The component API",
    intro: `For pages written against the NERTC web call component before 1.6.0, and for those who like it. A script tag gives
\`window.NERTCCalling.default\` and \`window.NRTCCalling.RTCCalling\`; the package's default export is the same class. Methods that take
\`success\` and \`failed\` call them before their promise settles. Promises are safe to ignore.`,
    names: `RTCCalling SetupOptions CallProfile LoginOptions InviteOptions Callbacks DeviceLists DeviceEntry RoomInfo RoomMember
      SdkInstance RtcClient RtcEvents StreamEvent StreamHandle LocalStreamHandle RemoteStreamHandle RenderMode DeviceInfo GroupCallOptions GroupInviteOptions
      ComponentEvents InvitedEvent AvailableEvent MutedEvent QualityEvent JoinEvent TypeRequestEvent TimeOutSide
      RecordMessage ComponentError StateNumber`,
  },
  { title: "Codes of the component API", codes: true },
  {
    title: "The typed core",
    intro:
      'For new applications: `window.Peal.PealClient`, or `import { PealClient } from "peal-rtc"`.',
    names: "PealClient Client ClientOptions ClientEvents ConnectionState version",
  },
  {
    title: "Calls",
    names: `CallHandle CallEvents CallOptions AcceptOptions CallState Direction CallParty CallEnd EndReason RemoteTracks`,
  },
  {
    title: "Devices, screen and what is sent",
    names:
      "Devices DeviceSnapshot MediaDevice DeviceKind LostDevice ScreenOptions MediaProfile AudioQuality",
  },
  {
    title: "Quality of the network",
    names: "CallQuality FlowQuality QualityWarning NetworkQuality MediaPath",
  },
  {
    title: "State for user interfaces",
    intro: `Clients, calls and devices are stores: \`subscribe\` and \`getSnapshot\`. The package has them as hooks in \`peal-rtc/react\` and as
composables in \`peal-rtc/vue\`: \`usePeal\`, \`useCall\`, \`useMediaDevices\`, \`useVideo\`.`,
    names: "Store ClientSnapshot CallSnapshot",
  },
  { title: "Records", names: "CallRecord RecordsOptions" },
  {
    title: "Errors and events",
    names: "PealError PealErrorLike PealErrorCode LocalErrorCode Listenable EventMap",
  },
];

const source = parse(types);
const printer = ts.createPrinter({ removeComments: true });
const missing = [];
const placed = new Set(parts.flatMap((p) => words(p.names)));
for (const name of exported())
  if (!placed.has(name)) missing.push(`${name} has no place in web/reference.mjs`);

const text = [
  "# Reference of the browser component",
  "<!-- Written by `make generate` from the types in web/sdk: change those. -->",
  "[Getting started](../start/getting-started.md) shows how it is used, [Migration](../start/migration.md) what is different for existing pages.",
  ...parts.map((p) => `- [${p.title}](#${anchor(p.title)})`),
  ...parts.flatMap((p) => [
    `\n## ${p.title}`,
    p.intro ?? "",
    ...(p.codes ? codeTables() : words(p.names).map(declaration)),
  ]),
]
  .filter((line) => line !== "")
  .join("\n")
  .replaceAll(/\n{3,}/g, "\n\n")
  .concat("\n");

if (missing.length > 0) fail(`undocumented:\n  ${missing.join("\n  ")}`);
if (!process.argv.includes("--check")) writeFileSync(page, text);
else if (read(page) !== text) fail("docs/build/reference.md is stale: run make generate");

function fail(why) {
  console.error(`reference: ${why}`);
  process.exit(1);
}

function read(url) {
  try {
    return readFileSync(url, "utf8");
  } catch {
    return "";
  }
}

function parse(url) {
  return ts.createSourceFile(url.pathname, read(url), ts.ScriptTarget.ES2022, true);
}

function words(text = "") {
  return text.split(/\s+/).filter(Boolean);
}

function anchor(title) {
  return title
    .toLowerCase()
    .replaceAll(/[^a-z0-9 -]/g, "")
    .replaceAll(" ", "-");
}

/** The names that a user can import. */
function exported() {
  return source.statements
    .filter(ts.isExportDeclaration)
    .flatMap((e) => e.exportClause.elements.map((x) => x.name.text))
    .filter((name) => name !== "default");
}

/** Where a name is declared; of a value and a type of one name the value, which says more. */
function find(name) {
  const all = source.statements.flatMap((s) =>
    ts.isVariableStatement(s) ? s.declarationList.declarations : [s],
  );
  const found = all.find((d) => d.name?.text === name);
  if (!found) fail(`there is no ${name} in the types`);
  return found;
}

function declaration(name) {
  const node = find(name);
  const about = comment(ts.isVariableDeclaration(node) ? node.parent.parent : node);
  if (!about) missing.push(name);
  const lines = [`\n### ${name}`, about];
  if (ts.isInterfaceDeclaration(node) || ts.isClassDeclaration(node)) {
    const from = (node.heritageClauses ?? []).flatMap((h) => h.types.map((t) => t.getText()));
    if (from.length > 0) lines.push(`Has all of ${from.map((f) => linked(f)).join(", ")} as well.`);
    lines.push("", ...members(name, node.members, ""));
  } else if (ts.isTypeAliasDeclaration(node)) {
    lines.push("", "```ts", print(node), "```");
  }
  return lines.filter((l, i) => l !== "" || i > 1).join("\n");
}

function members(owner, list, indent) {
  return list.flatMap((m) => {
    const name = m.name?.getText() ?? "";
    if (name.startsWith("#") || ts.isPrivateIdentifier(m.name ?? m)) return [];
    const inner = m.type && ts.isTypeLiteralNode(m.type) ? m.type.members : null;
    const about = comment(m);
    // What consists of parts is told by its parts.
    if (!about && !inner) missing.push(`${owner}.${name || signature(m)}`);
    const links = refer(m);
    const head = inner ? `${name}${m.questionToken ? "?" : ""}` : signature(m);
    return [
      `${indent}- \`${head}\`${about ? ` – ${about.replaceAll("\n", " ")}` : ""}${links ? ` (${links})` : ""}`,
      ...(inner ? members(`${owner}.${name}`, inner, `${indent}  `) : []),
    ];
  });
}

function signature(m) {
  if (ts.isGetAccessor(m)) return `readonly ${m.name.getText()}: ${m.type.getText()}`;
  return print(m)
    .replace(/^static /, "")
    .replaceAll(/\s+/g, " ")
    .replace(/;$/, "")
    .trim();
}

function print(node) {
  return printer.printNode(ts.EmitHint.Unspecified, node, source).replace(/^type /, "type ");
}

/** A comment as one text. */
function comment(node) {
  const docs = ts.getJSDocCommentsAndTags(node).filter(ts.isJSDoc);
  return docs.map((d) => ts.getTextOfJSDocComment(d.comment) ?? "").at(-1) ?? "";
}

/** Links to the public types that a member names. */
function refer(node) {
  const names = new Set();
  const walk = (n) => {
    if (ts.isTypeReferenceNode(n) && placed.has(n.typeName.getText()))
      names.add(n.typeName.getText());
    ts.forEachChild(n, walk);
  };
  ts.forEachChild(node, walk);
  return [...names].map((n) => linked(n)).join(", ");
}

function linked(text) {
  const name = text.replace(/<.*/, "").replace("Emitter", "Listenable");
  return placed.has(name) ? `[${name}](#${anchor(name)})` : `\`${text}\``;
}

/** The tables of codes.ts, so that the page and the code cannot differ. */
function codeTables() {
  const file = parse(codes);
  const object = (name) => {
    const found = file.statements
      .filter(ts.isVariableStatement)
      .flatMap((s) => s.declarationList.declarations)
      .find((d) => d.name.getText() === name);
    return found.initializer.properties.map((p) => [p.name.text, p.initializer]);
  };
  const states = object("table").map(
    ([method, cells]) =>
      `| ${method} | ${cells.elements.map((c) => (ts.isStringLiteral(c) ? c.text : "works")).join(" | ")} |`,
  );
  const errors = object("codes").map(([core, code]) => `| ${code.text} | \`${core}\` |`);
  return [
    "What a state does not allow fails with its code:\n",
    "| | idle 0 | calling 1 | called 2 | in a call 3 |\n|---|---|---|---|---|",
    ...states,
    "\nOther failures have the code of what the core calls them; all else has 100, with the core's name at the start of the message.",
    "106: no type of call. 103: there is no call. 105: no such stream. 118, 119: not a group call.\n",
    "| code | in the core |\n|---|---|",
    ...errors,
  ];
}
