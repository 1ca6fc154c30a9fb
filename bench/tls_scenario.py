# SPDX-License-Identifier: MIT
"""Deliveries over TLS, by HTTP/1.1 and by HTTP/2, beside the bare loop over the same."""

import json
import shutil
import ssl
import subprocess
import urllib.request

import cpu
from harness import ROOT, Engine, Failed, Receiver, note, rate_of, spawn
from scenarios import PAYLOAD_BYTES, STACKS, backlog, goal, median, verdict

PROTOCOLS = {"http/1.1": "off", "h2": "on"}


def certificates(directory):
    """An authority, and a certificate of it for 127.0.0.1."""
    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=directory, check=True,
                       capture_output=True)

    (directory / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    new = ("req", "-newkey", "rsa:2048", "-nodes")
    openssl(*new, "-x509", "-days", "2", "-subj", "/CN=bench", "-keyout",
            "ca.key", "-out", "ca.pem")
    openssl(*new, "-subj", "/CN=127.0.0.1", "-keyout", "server.key", "-out",
            "server.csr")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey",
            "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names",
            "-out", "server.pem")
    return directory


class TlsReceiver(Receiver):
    """tls_receiver.js, with the interface of the other one."""

    def __init__(self, bench, directory, protocol):
        self.context = ssl.create_default_context(
            cafile=str(directory / "ca.pem"))
        self.process = spawn(
            ["node", str(ROOT / "bench" / "tls_receiver.js"),
             str(directory / "server.pem"), str(directory / "server.key"),
             protocol], stdout=subprocess.PIPE)
        line = self.process.stdout.readline()
        if not line:
            raise Failed("the receiver does not start")
        self.ports = json.loads(line)["ports"]
        self.port = self.ports[0]
        self.protocol = protocol
        bench.stack.callback(self.stop)

    def ask(self, path):
        if self.protocol == "h2":  # Python's client speaks HTTP/1.1 only
            done = subprocess.run(
                ["curl", "-sk", "--http2",
                 f"https://127.0.0.1:{self.port}{path}"],
                check=True, capture_output=True)
            return json.loads(done.stdout)
        with urllib.request.urlopen(f"https://127.0.0.1:{self.port}{path}",
                                    context=self.context) as reply:
            return json.loads(reply.read())

    def stats(self):
        return self.ask("/stats")

    def reset(self):
        self.ask("/reset")


def handshakes(engine):
    return engine.metric("posthorn_receiver_handshakes_total")


def tls_once(bench, engine, receiver, directory, count):
    """One drain, then the bare loop to the same receiver."""
    meters = []
    receiver.reset()
    before = handshakes(engine)
    backlog(engine, count, before=lambda: meters.append(
        cpu.Meter(engine, receiver=receiver)))
    stats = receiver.wait_for(count)
    used = meters[0].stop(count)
    shaken = handshakes(engine) - before
    with cpu.of_children() as bare_used:
        bare = bench.call("bareloop", port=receiver.port, handles=32,
                          seconds=2 if bench.is_quick else 4,
                          bytes=PAYLOAD_BYTES, ca=directory / "ca.pem",
                          http2=int(receiver.protocol == "h2"))
    # libcurl 7.88 loses connections of HTTP/2 under load.
    if bare["failed"] > bare["done"] / 50:
        raise Failed(f"bareloop: {bare['failed']} requests failed")
    return {"per_second": rate_of(stats), "cpu": used,
            "handshakes_per_delivery": shaken / count,
            "connections": stats["connections"],
            "bare": bare["per_second"], "bare_failed": bare["failed"],
            "bare_us": bare_used["seconds"] * 1e6 / bare["done"]}


def tls(bench):
    if shutil.which("node") is None or shutil.which("openssl") is None:
        raise Failed("node and openssl are needed")
    count = 4000 if bench.is_quick else 40000
    directory = certificates(bench.temp_dir("certificates"))
    rows, goals, lines = {}, [], []
    for protocol, http2 in PROTOCOLS.items():
        receiver = TlsReceiver(bench, directory, protocol)
        engine = Engine(bench, [f"ca_file={directory / 'ca.pem'}",
                                f"http2={http2}"])
        for i in range(STACKS):
            engine.hook_create(f"https://127.0.0.1:{receiver.port}/h/0",
                               stack=f"s{i:03d}")
        backlog(engine, 200)  # the connections are made
        receiver.wait_for(200)
        rows[protocol] = [tls_once(bench, engine, receiver, directory, count)
                          for _ in range(bench.rounds or (1 if bench.is_quick else 3))]
        engine.stop()
        engine.verify()
        receiver.stop()
        goals.append(goal(f"{protocol}: bare loop ratio", median(
            [r["per_second"] / r["bare"] for r in rows[protocol]]), 0.9, True))
        last = rows[protocol][-1]
        note(f"{protocol}: {cpu.words(last['cpu'])}; the bare loop "
             f"{last['bare_us']:.1f} µs")
        senders = last["cpu"]["us_per_delivery"].get("sender", 0)
        lines.append(
            f"{protocol} {median([r['per_second'] for r in rows[protocol]]):,.0f}/s, "
            f"bare loop {median([r['bare'] for r in rows[protocol]]):,.0f}/s, ratio "
            f"{goals[-1]['value']:.2f} ({verdict(goals[-1])}), senders "
            f"{senders:.0f} µs beside {last['bare_us']:.0f}, "
            f"{last['handshakes_per_delivery']:.4f} handshakes each, "
            f"{last['connections']} new connections")
    return {"events": count, "rounds": rows, "goals": goals,
            "line": " | ".join(lines)}
