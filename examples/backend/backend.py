"""A backend that uses the server API, with Python 3.9 and no package.

PEAL=http://127.0.0.1:7325 PEAL_KEY=peal_sk_ID_SECRET python3 backend.py calls
PEAL=http://127.0.0.1:7325 PEAL_KEY=peal_sk_ID_SECRET python3 backend.py end CALL
PEAL=http://127.0.0.1:7325 PEAL_KEY=peal_sk_ID_SECRET python3 backend.py webhook http://127.0.0.1:9000
PEAL_WEBHOOK_SECRET=whsec_... python3 backend.py receive 9000
"""

import base64
import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import HTTPRedirectHandler, Request, build_opener


class NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *args):
        return None  # The key would go to another address.


http = build_opener(NoRedirect)


def ask(method, path, body=None):
    """Every request of the API is safe to repeat, so one that was refused for now is sent again."""
    data = None if body is None else json.dumps(body).encode()
    request = Request(os.environ["PEAL"] + "/api/v1" + path, method=method, data=data)
    request.add_header("Content-Type", "application/json")
    request.add_header("Authorization", "Bearer " + os.environ["PEAL_KEY"])
    for tries in range(1, 5):
        try:
            with http.open(request, timeout=30) as answer:
                return json.load(answer)
        except HTTPError as refused:
            if refused.code not in (429, 503) or tries == 4:
                sys.exit(f"{refused.code}: {refused.read().decode()}")
            time.sleep(float(refused.headers.get("Retry-After", 1)))


def calls():
    cursor = ""
    while cursor is not None:
        page = ask("GET", "/calls?live=1" + (cursor and "&cursor=" + quote(cursor)))
        yield from page["calls"]
        cursor = page.get("next")


def verified(headers, body, secret):
    """Standard Webhooks: the signature is over the id, the time and the body as it came."""
    identifier, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not stamp.isdecimal() or abs(time.time() - int(stamp)) > 300:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{identifier}.{stamp}.".encode() + body, hashlib.sha256).digest()
    want = b"v1," + base64.b64encode(digest)
    given = headers.get("webhook-signature", "").encode().split(b" ")
    return any(hmac.compare_digest(one, want) for one in given)


class Receiver(BaseHTTPRequestHandler):
    seen = set()  # In an application: a unique column beside what the event changes.

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not verified(self.headers, body, os.environ["PEAL_WEBHOOK_SECRET"]):
            return self.answer(401)
        event = json.loads(body)
        data = event["data"]
        if event["id"] not in self.seen:
            print(event["id"], event["type"], data.get("call", {}).get("callId", ""), data.get("record", {}).get("reason", ""), flush=True)
        self.seen.add(event["id"])
        self.answer(204)  # Within 10 s, else the event comes again.

    def answer(self, status):
        self.send_response(status)
        self.end_headers()

    def log_message(self, *args):
        pass


def receive(port):
    if not os.environ.get("PEAL_WEBHOOK_SECRET"):
        sys.exit("PEAL_WEBHOOK_SECRET is empty: give the secret of the webhook")
    server = ThreadingHTTPServer(("127.0.0.1", port), Receiver)
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if sys.argv[1:] == ["calls"]:
    for call in calls():
        print(call["callId"], call["state"], *[p["account"] for p in call["parties"]])
elif sys.argv[1:2] == ["end"] and len(sys.argv) == 3:
    call = ask("POST", f"/calls/{quote(sys.argv[2], safe='')}/end")
    print(call["callId"], call["reason"], call["record"]["durationSeconds"])
elif sys.argv[1:2] == ["webhook"] and len(sys.argv) == 3:
    # The secret is in the answer that makes the webhook, and in no other.
    webhook = ask("PUT", "/webhooks/example", {"url": sys.argv[2], "events": ["call.*"]})
    print(webhook.get("secret", "the webhook was there already: its secret is not shown again"))
elif sys.argv[1:2] == ["receive"] and len(sys.argv) == 3:
    receive(int(sys.argv[2]))
else:
    sys.exit("give one of: calls, end CALL, webhook URL, receive PORT")
