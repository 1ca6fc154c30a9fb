# SPDX-License-Identifier: MIT
"""The wires between one node and its servers: TCP, which a test cuts, slows, or makes
lose answers."""

import asyncio
import contextlib
import random
import threading

CHUNK = 65536


class Wire:
    """Listens on a port for each port of a server. `mode`:
    pass   what comes is passed on
    cut    nothing is passed, and nobody is told, as when a cable is pulled
    deaf   what servers say is lost; connections that lost something break afterwards
    slow   each piece takes 100 ms +- 50; one of 20 takes 200 ms more, as if it was sent again
    """

    def __init__(self, ports):
        self.mode = "pass"
        self.ports = []
        self.loop = asyncio.new_event_loop()
        ready = threading.Event()
        self.thread = threading.Thread(target=self.run, args=(ports, ready), daemon=True)
        self.thread.start()
        assert ready.wait(10)

    @property
    def url(self):
        return "nats://" + ",".join(f"127.0.0.1:{port}" for port in self.ports)

    def stop(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)

    def run(self, ports, ready):
        asyncio.set_event_loop(self.loop)

        async def listen():
            for port in ports:
                server = await asyncio.start_server(
                    lambda r, w, port=port: self.join(port, r, w), "127.0.0.1", 0)
                self.ports.append(server.sockets[0].getsockname()[1])
            ready.set()

        self.loop.run_until_complete(listen())
        self.loop.run_forever()
        open_tasks = asyncio.all_tasks(self.loop)
        for task in open_tasks:
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(*open_tasks, return_exceptions=True))

    async def join(self, port, reader, writer):
        with contextlib.suppress(asyncio.CancelledError):  # by stop(); not a fault to tell of
            await self.connect(port, reader, writer)

    async def connect(self, port, reader, writer):
        await self.wait_uncut()
        try:
            from_server, to_server = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(self.pump(reader, to_server, False),
                             self.pump(from_server, writer, True))

    async def wait_uncut(self):
        while self.mode == "cut":
            await asyncio.sleep(0.05)

    async def pump(self, reader, writer, is_answer):
        has_lost = False
        try:
            while True:
                data = await reader.read(CHUNK)
                await self.wait_uncut()
                if not data:
                    break
                if has_lost or (is_answer and self.mode == "deaf"):
                    has_lost = True
                    if self.mode != "deaf":
                        break
                    continue
                if self.mode == "slow":
                    await asyncio.sleep(random.uniform(0.05, 0.15)
                                        + 0.2 * (random.random() < 0.05))
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        writer.close()
