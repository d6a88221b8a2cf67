// A backend that receives webhooks by npm's standardwebhooks. It writes a line of JSON for its port,
// and one for each event.
import { createServer } from "node:http";
import { Webhook } from "standardwebhooks";

const [secret, other] = process.argv.slice(-2);

/** Says whether a secret verifies a request. */
function verifies(by, body, headers) {
  try {
    new Webhook(by).verify(body, headers);
    return true;
  } catch {
    return false;
  }
}

createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks).toString();
  const verified = verifies(secret, body, request.headers);
  console.log(
    JSON.stringify({
      verified,
      verifiedByOther: verifies(other, body, request.headers),
      id: request.headers["webhook-id"],
      event: JSON.parse(body),
    }),
  );
  response.writeHead(verified ? 204 : 401).end();
}).listen(0, "127.0.0.1", function () {
  console.log(JSON.stringify({ port: this.address().port }));
});
