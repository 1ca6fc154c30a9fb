# SPDX-License-Identifier: MIT
"""What the SDK for Python makes is posted, and what a hook sends is read by the SDK.

usage: exchange.py API INTAKE TOKEN
"""

import json
import sys
import threading
import time
import urllib.request
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer

from cloudevents.core.bindings import http
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

API, INTAKE, TOKEN = sys.argv[1:]
EVENTS = f"{INTAKE}/api/orgs/acme/events"
GOT = []


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        GOT.append(http.from_http(http.HTTPMessage(dict(self.headers), body), JSONFormat(),
                                  CloudEvent))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *words):
        """Nothing."""


def call(url, body, headers):
    request = urllib.request.Request(url, body, {**headers, "Authorization": f"token {TOKEN}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def received(count):
    until = time.monotonic() + 60
    while len(GOT) < count and time.monotonic() < until:
        time.sleep(0.02)
    assert len(GOT) == count, (count, GOT)
    return GOT[-1]


def make(event_id):
    return CloudEvent({
        "specversion": "1.0", "id": event_id, "source": "/py?a=b", "type": "py.made", "subject": "ü 1",
        "time": datetime(2026, 11, 27, 9, 30, tzinfo=timezone.utc), "traceid": "abc",
        "datacontenttype": "application/json"}, {"n": [1, "ö"]})


def main():
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    call(f"{API}/api/orgs/acme/hooks", json.dumps({
        "organizationName": "acme", "name": "py", "displayName": "py", "active": True,
        "format": "cloudevents", "filters": ["py.*"],
        "payloadUrl": f"http://127.0.0.1:{server.server_port}/in"}).encode(),
         {"Content-Type": "application/json"})
    time.sleep(0.3)
    for count, mode in enumerate((http.to_structured, http.to_binary), 1):
        event = make(f"id {mode.__name__}")
        message = mode(event, JSONFormat())
        answer = call(EVENTS, message.body, message.headers)
        back = received(count)
        assert back.get_id() == answer["id"]
        ours = {**back.get_attributes(), "id": event.get_id()}
        assert ours == event.get_attributes(), (mode, ours)
        assert back.get_data() == event.get_data()
    batch = b"[" + b",".join(bytes(http.to_structured(make(name), JSONFormat()).body)
                             for name in ("one", "two")) + b"]"
    ids = call(EVENTS, batch, {"Content-Type": "application/cloudevents-batch+json"})["ids"]
    received(4)
    assert sorted(e.get_id() for e in GOT[2:]) == sorted(ids)


main()
