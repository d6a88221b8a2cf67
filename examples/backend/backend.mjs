// A backend that uses the server API, with Node 20 and no package.
//
//   PEAL=http://127.0.0.1:7325 PEAL_KEY=peal_sk_ID_SECRET node backend.mjs calls
//   PEAL=http://127.0.0.1:7325 PEAL_KEY=peal_sk_ID_SECRET node backend.mjs end CALL
//   PEAL=http://127.0.0.1:7325 PEAL_KEY=peal_sk_ID_SECRET node backend.mjs webhook http://127.0.0.1:9000
//   PEAL_WEBHOOK_SECRET=whsec_… node backend.mjs receive 9000
import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import { setTimeout as pause } from "node:timers/promises";

// Every request of the API is safe to repeat, so one that was refused for now is sent again.
async function ask(method, path, body) {
  for (let tries = 1; ; tries++) {
    const answer = await fetch(process.env.PEAL + "/api/v1" + path, {
      method,
      headers: { Authorization: `Bearer ${process.env.PEAL_KEY}`, "Content-Type": "application/json" },
      body: JSON.stringify(body),
      redirect: "error", // The key would go to another address.
      signal: AbortSignal.timeout(30_000),
    });
    if (answer.ok) return answer.json();
    const problem = await answer.json().catch(() => ({ detail: answer.statusText }));
    if (![429, 503].includes(answer.status) || tries === 4)
      throw new Error(`${answer.status} ${problem.code}: ${problem.detail} (request ${problem.requestId})`);
    await pause(1000 * Number(answer.headers.get("Retry-After") ?? 1));
  }
}

async function* calls() {
  for (let cursor = ""; cursor !== undefined; ) {
    const page = await ask("GET", "/calls?live=1" + (cursor && "&cursor=" + encodeURIComponent(cursor)));
    yield* page.calls;
    cursor = page.next;
  }
}

// Standard Webhooks: the signature is over the id, the time and the body as it came.
function verified(headers, body, secret) {
  const { "webhook-id": id, "webhook-timestamp": time, "webhook-signature": signatures } = headers;
  if (!(Math.abs(Date.now() / 1000 - Number(time)) <= 300)) return false;
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const want = createHmac("sha256", key).update(`${id}.${time}.`).update(body).digest();
  return (signatures ?? "").split(" ").some((one) => {
    const given = Buffer.from(one.replace(/^v1,/, ""), "base64");
    return one.startsWith("v1,") && given.length === want.length && timingSafeEqual(given, want);
  });
}

function receive(port, secret) {
  if (!secret) throw new Error("PEAL_WEBHOOK_SECRET is empty: give the secret of the webhook");
  const seen = new Set(); // In an application: a unique column beside what the event changes.
  const server = createServer(async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    const body = Buffer.concat(parts);
    if (!verified(request.headers, body, secret)) return response.writeHead(401).end();
    const event = JSON.parse(body);
    if (!seen.has(event.id)) console.log(event.id, event.type, event.data.call?.callId ?? "", event.data.record?.reason ?? "");
    seen.add(event.id);
    response.writeHead(204).end(); // Within 10 s, else the event comes again.
  });
  server.listen(port, "127.0.0.1", () => console.log(`listening on http://127.0.0.1:${server.address().port}`));
}

const [command, argument] = process.argv.slice(2);
if (command === "calls")
  for await (const call of calls()) console.log(call.callId, call.state, call.parties.map((p) => p.account).join(" "));
else if (command === "end") {
  const call = await ask("POST", `/calls/${encodeURIComponent(argument)}/end`);
  console.log(call.callId, call.reason, call.record.durationSeconds);
} else if (command === "webhook") {
  // The secret is in the answer that makes the webhook, and in no other.
  const webhook = await ask("PUT", "/webhooks/example", { url: argument, events: ["call.*"] });
  console.log(webhook.secret ?? "the webhook was there already: its secret is not shown again");
} else if (command === "receive") receive(Number(argument), process.env.PEAL_WEBHOOK_SECRET);
else throw new Error("give one of: calls, end CALL, webhook URL, receive PORT");
