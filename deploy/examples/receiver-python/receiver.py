#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""receiver — takes deliveries of a hook with a secret, each event once.

  pip install -r requirements.txt
  WEBHOOK_SECRET=whsec_… PORT=9000 ./receiver.py

The secret is the hook's. Ids and the work that events cause are in one transaction, so that an
event which comes again after a crash is done once.
"""

import json
import os
import sqlite3
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook, WebhookVerificationError

BODY_MAX = 1024 * 1024

webhook = Webhook(os.environ["WEBHOOK_SECRET"])
database = sqlite3.connect(os.environ.get("DATABASE", ":memory:"), check_same_thread=False,
                           isolation_level=None)
database.execute("CREATE TABLE IF NOT EXISTS seen (id TEXT PRIMARY KEY)")
lock = threading.Lock()


def work(kind, event):
    """What is to be done with an event; it uses the same database."""
    print(kind, json.dumps(event), flush=True)


def take(event_id, kind, event):
    with lock, database:
        database.execute("BEGIN IMMEDIATE")
        added = database.execute("INSERT OR IGNORE INTO seen VALUES (?)", (event_id,))
        if added.rowcount == 1:
            work(kind, event)


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        size = int(self.headers.get("Content-Length", 0))
        if size > BODY_MAX:
            self.close_connection = True
            self.answer(413)
            return
        body = self.rfile.read(size)
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            # The bytes as they came: JSON that was read and written again differs.
            event = webhook.verify(body, headers)
        except WebhookVerificationError:
            self.answer(401)
            return
        take(headers["webhook-id"], headers.get("pulumi-webhook-kind"), event)
        self.answer(204)

    def answer(self, status):
        self.send_response(status)
        if status != 204:  # which never has a body
            self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *words):
        pass


if __name__ == "__main__":
    address = ("127.0.0.1", int(os.environ.get("PORT", 9000)))
    ThreadingHTTPServer(address, Receiver).serve_forever()
