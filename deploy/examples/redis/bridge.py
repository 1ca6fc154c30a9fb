#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""bridge — posts the entries of a stream of Redis to event intake.

  pip install -r requirements.txt
  POSTHORN_TOKEN=… ./bridge.py --org acme --stream orders

An entry has the fields kind and payload (JSON): XADD orders * kind order.created payload '{"n":1}'

At least once from end to end: an entry is acknowledged after the engine's 202, and its id in the
engine comes from its id in the stream, so that what is posted again within 24 hours is stored
once. What the engine refuses goes to the stream NAME:refused, with the reason. Several bridges
may read one stream; each needs a --name of its own, which it keeps after a restart.
"""

import argparse
import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid

import redis

GROUP = "posthorn"
BATCH = 100


def options_read():
    parser = argparse.ArgumentParser()
    parser.add_argument("--redis", default="redis://127.0.0.1:6379")
    parser.add_argument("--intake", default="http://127.0.0.1:8081")
    parser.add_argument("--org", required=True)
    parser.add_argument("--stream", required=True)
    parser.add_argument("--name", default="bridge-1")
    return parser.parse_args()


def event_of(stream, entry_id, fields):
    event_id = uuid.uuid5(uuid.NAMESPACE_URL, f"redis:{stream}:{entry_id}")
    event = {"id": str(event_id), "kind": fields.get("kind", "")}
    try:
        event["payload"] = json.loads(fields.get("payload", ""))
    except ValueError:
        pass  # the engine says that the payload is missing
    return event


def post(options, events):
    """(status, text); waits while the engine cannot take them."""
    body = "\n".join(json.dumps(event) for event in events).encode()
    request = urllib.request.Request(
        f"{options.intake}/api/orgs/{options.org}/events", body,
        {"Authorization": f"token {os.environ['POSTHORN_TOKEN']}",
         "Content-Type": "application/x-ndjson"})
    while True:
        wait_s = 1
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, ""
        except urllib.error.HTTPError as fault:
            if fault.code not in (401, 403, 409, 429) and fault.code < 500:
                return fault.code, fault.read().decode(errors="replace")
            wait_s = int(fault.headers.get("Retry-After", wait_s))
            why = f"{fault.code} {fault.read().decode(errors='replace')}"
        except OSError as fault:
            why = str(fault)
        print(f"bridge: again in {wait_s} s: {why}", file=sys.stderr, flush=True)
        time.sleep(wait_s)


def take(client, options, entries):
    """Posts them all together, or one by one if one of them is refused."""
    events = [event_of(options.stream, *entry) for entry in entries]
    status, text = post(options, events)
    if status >= 400 and len(entries) > 1:
        for entry in entries:
            take(client, options, [entry])
        return
    if status >= 400:
        _, fields = entries[0]
        client.xadd(f"{options.stream}:refused", {**fields, "reason": text or str(status)})
    client.xack(options.stream, GROUP, *(entry_id for entry_id, _ in entries))


def main():
    options = options_read()
    client = redis.Redis.from_url(options.redis, decode_responses=True)
    try:
        client.xgroup_create(options.stream, GROUP, id="0", mkstream=True)
    except redis.ResponseError:
        pass  # it is there already
    last = "0"  # first what was read before the last end, and not acknowledged
    while True:
        found = client.xreadgroup(GROUP, options.name, {options.stream: last}, count=BATCH,
                                  block=5000)
        entries = found[0][1] if found else []
        if entries:
            take(client, options, entries)
        elif last == "0":
            last = ">"


if __name__ == "__main__":
    main()
