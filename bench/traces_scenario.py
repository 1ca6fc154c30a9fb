# SPDX-License-Identifier: MIT
"""What traces cost: processor time of a delivery with otlp_traces on, beside off."""

import http.server
import threading

import cpu
from harness import Engine, Failed, Receiver, note, wait_until
from scenarios import drain_once, median, stack_hooks

WARM = 200  # events before the rounds


class Collector(http.server.BaseHTTPRequestHandler):
    """Takes every post and keeps nothing."""
    protocol_version = "HTTP/1.1"

    def do_POST(self):  # the name is http.server's
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


def collector(bench):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    bench.stack.callback(server.shutdown)
    return f"http://127.0.0.1:{server.server_port}/v1/traces"


def n_rounds(bench):
    return bench.rounds or (1 if bench.is_quick else 3)


def one_kind(bench, receiver, settings, count):
    """Drains of an engine with these settings."""
    engine = Engine(bench, settings)
    stack_hooks(engine, [receiver.port])
    drain_once(engine, receiver, WARM, 0)  # connections are made
    rounds = [drain_once(engine, receiver, count, WARM + i * count)
              for i in range(n_rounds(bench))]
    if settings:
        wait_until("the spans have left", 30,
                   lambda: engine.metric("posthorn_spans_waiting") == 0)
    exported = engine.metric("posthorn_spans_exported_total") if settings else 0
    dropped = engine.metric("posthorn_spans_dropped_total") if settings else 0
    engine.stop()
    engine.verify()
    if settings and exported == 0:
        raise Failed("no span was exported")
    return {"rounds": rounds, "exported": exported, "dropped": dropped,
            "us": median([r["cpu"]["engine_us_per_delivery"] for r in rounds])}


def traces(bench):
    count = 4000 if bench.is_quick else 40000
    receiver = Receiver(bench, track=WARM + n_rounds(bench) * count)
    off = one_kind(bench, receiver, [], count)
    on = one_kind(bench, receiver, [f"otlp_traces={collector(bench)}"], count)
    for name, kind in (("off", off), ("on", on)):
        note(f"{name}: {cpu.words(kind['rounds'][-1]['cpu'])}")
    return {"events": count, "off": off, "on": on, "ratio": on["us"] / off["us"],
            "goals": [],
            "line": f"traces on {on['us']:.1f} µs of processor time a delivery, off "
                    f"{off['us']:.1f} µs, ratio {on['us'] / off['us']:.2f}; "
                    f"{on['exported']:.0f} spans sent, {on['dropped']:.0f} dropped"}
