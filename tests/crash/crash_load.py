# SPDX-License-Identifier: MIT
"""crash_load.py — the load of crash.py: `receive` or `produce`, until SIGTERM.

Both write one line per event into plain files, and survive whatever happens to
the engine.
"""

import http.client
import json
import re
import signal
import socket
import sys
import time

TAG = re.compile(rb'"tag":"([^"]+)"')
ID = re.compile(rb"\r\nPulumi-Webhook-Id: (\S+)", re.IGNORECASE)
LENGTH = re.compile(rb"\r\nContent-Length: (\d+)", re.IGNORECASE)


# --- the receiver ---

def receive(port, path):
    """Answers 200 to everything and notes `tag id` of each request."""
    import asyncio

    class Connection(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport = transport
            self.data = b""

        def data_received(self, data):
            self.data += data
            while (end := self.data.find(b"\r\n\r\n")) >= 0:
                head = self.data[:end]
                length = int(LENGTH.search(head)[1])
                if len(self.data) < end + 4 + length:
                    return
                body = self.data[end + 4:end + 4 + length]
                self.data = self.data[end + 4 + length:]
                file.write(b"%s %s\n" % (TAG.search(body)[1],
                                         ID.search(head)[1]))
                self.transport.write(
                    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async def serve():
        loop = asyncio.get_running_loop()
        ending = asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, ending.set)
        server = await loop.create_server(Connection, "127.0.0.1", port,
                                          backlog=1024)
        await ending.wait()
        server.close()

    with open(path, "wb") as file:
        asyncio.run(serve())


# --- the producers ---

class Producer:
    """Posts single events and batches in turn; notes each before it is posted
    and again when it is acknowledged."""

    def __init__(self, port, token, path, number):
        self.port = port
        self.headers = {"Authorization": f"token {token}"}
        self.posted = open(f"{path}.posted", "w")
        self.acknowledged = open(f"{path}.acknowledged", "w")
        self.number = number
        self.count = 0
        self.connection = None
        self.is_ending = False

    def events(self, count):
        tags = [f"{self.number}-{self.count + n}" for n in range(count)]
        self.count += count
        lines = [json.dumps({"kind": "order.created", "payload": {
            "tag": tag, "filler": "x" * 200}}) for tag in tags]
        return tags, "\n".join(lines)

    def post(self, count):
        tags, body = self.events(count)
        kind = "application/json" if count == 1 else "application/x-ndjson"
        self.note(self.posted, tags)
        if self.connection is None:
            self.connection = http.client.HTTPConnection(
                "127.0.0.1", self.port, timeout=10)
            self.connection.connect()
            self.connection.sock.setsockopt(socket.IPPROTO_TCP,
                                            socket.TCP_NODELAY, 1)
        self.connection.request("POST", "/api/orgs/acme/events", body,
                                {**self.headers, "Content-Type": kind})
        response = self.connection.getresponse()
        response.read()
        if response.status == 202:
            self.note(self.acknowledged, tags)

    @staticmethod
    def note(file, tags):
        file.write("".join(f"{tag}\n" for tag in tags))

    def end(self):
        """From a signal: an exception could be swallowed by whatever runs."""
        self.is_ending = True

    def run(self):
        turn = 0
        while not self.is_ending:
            turn += 1
            try:
                self.post(20 if turn % 8 == 0 else 1)
            except (OSError, http.client.HTTPException):
                self.connection.close()
                self.connection = None
                time.sleep(0.01)  # the engine is being killed


def produce(port, token, path, number):
    producer = Producer(port, token, path, number)
    signal.signal(signal.SIGTERM, lambda *_: producer.end())
    producer.run()
    producer.posted.close()
    producer.acknowledged.close()


if __name__ == "__main__":
    if sys.argv[1] == "receive":
        receive(int(sys.argv[2]), sys.argv[3])
    else:
        produce(int(sys.argv[2]), *sys.argv[3:])
