# SPDX-License-Identifier: MIT
"""An event in, a signed delivery out, and what the history says of it."""

import base64
import hashlib
import hmac
import json
import re
import socket
import ssl
import time

import pytest
from standardwebhooks import Webhook

from receiver import Answer, Receiver, tls_context
from support import SECRET, free_ports

pytestmark = pytest.mark.shared

PULUMI_FIELDS = {
    "id": str, "kind": str, "payload": str, "timestamp": int, "duration": int,
    "requestUrl": str, "requestHeaders": str, "responseCode": int,
    "responseHeaders": str, "responseBody": str}
TIMING = ("queueUs", "dnsUs", "connectUs", "tlsUs", "firstByteUs", "totalUs")
FAST = pytest.mark.settings(retry_schedule="100ms,100ms")


def signature_of(body, secret=SECRET):
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def verify_standard(request, secret=SECRET):
    """As a receiver would, with the published package."""
    key = secret if secret.startswith("whsec_") else base64.b64encode(
        secret.encode()).decode()
    Webhook(key).verify(request.body, request.headers)


# --- the request ---

@pytest.mark.smoke
def test_headers_are_exactly_these(engine, receiver):
    engine.create_hook(receiver.url("/hook?q=1"), secret=SECRET)
    event_id = engine.post_event("order.created", {"number": 1})
    request = receiver.wait(1)[0]
    body = b'{"number":1}'
    timestamp = request.headers["webhook-timestamp"]
    assert (request.method, request.path) == ("POST", "/hook?q=1")
    assert request.body == body
    sent = dict(request.raw_headers)
    assert sent.pop("User-Agent").startswith("posthorn")
    assert sent.pop("webhook-signature").startswith("v1,")
    assert sent == {
        "Host": f"127.0.0.1:{receiver.port}",
        "Accept": "*/*",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Pulumi-Webhook-Id": event_id,
        "Pulumi-Webhook-Kind": "order.created",
        "Pulumi-Webhook-Signature": signature_of(body),
        "webhook-id": event_id,
        "webhook-timestamp": timestamp,
    }
    assert abs(int(timestamp) - time.time()) < 30


def test_no_signature_without_a_secret(engine, receiver):
    engine.create_hook(receiver.url())
    engine.post_event()
    names = set(receiver.wait(1)[0].headers)
    assert names == {"host", "user-agent", "accept", "content-type",
                     "content-length", "pulumi-webhook-id",
                     "pulumi-webhook-kind"}


@pytest.mark.parametrize("secret", [
    SECRET, "whsec_" + base64.b64encode(b"k" * 32).decode()])
def test_standard_webhooks_package_accepts_it(engine, receiver, secret):
    engine.create_hook(receiver.url(), secret=secret)
    engine.post_event(payload={"text": "🍹 für alle", "n": 7})
    verify_standard(receiver.wait(1)[0], secret)


def test_body_keeps_bytes_and_order(engine, receiver):
    """White space goes; key order, escapes, numbers and emoji stay."""
    engine.create_hook(receiver.url(), secret=SECRET)
    posted = ('{ "kind": "order.created",\n "payload": { "z": 1,\t"a": [1, '
              '2.50, 1e3, -0],\r\n "text": "a  \\u003c \\n \\"b\\" 🍹", '
              '"empty": { } } }')
    reply = engine.intake(posted.encode())
    assert reply.status == 202, reply
    request = receiver.wait(1)[0]
    assert request.body.decode() == (
        '{"z":1,"a":[1,2.50,1e3,-0],"text":"a  \\u003c \\n \\"b\\" 🍹",'
        '"empty":{}}')
    assert (request.headers["pulumi-webhook-signature"]
            == signature_of(request.body))


# --- the history ---

@pytest.mark.smoke
def test_record_of_a_success(engine, receiver):
    receiver.script("/", Answer(201, "schön".encode(), {"X-Receiver": "yes"}))
    hook = engine.create_hook(receiver.url(), secret=SECRET)
    before = time.time()
    event_id = engine.post_event("order.created", {"text": "🍹"})
    record = engine.wait_deliveries(hook, 1)[0]
    request = receiver.got()[0]

    assert {k: type(record[k]) for k in PULUMI_FIELDS} == PULUMI_FIELDS
    assert record["id"] == event_id
    assert record["kind"] == "order.created"
    assert record["payload"] == request.body.decode() == '{"text":"🍹"}'
    assert before - 1 <= record["timestamp"] <= time.time() + 1
    assert record["requestUrl"] == receiver.url()
    assert record["responseCode"] == 201
    assert record["responseBody"] == "schön"
    assert "X-Receiver: yes\r\n" in record["responseHeaders"]
    assert record["attempt"] == 1
    assert record["state"] == "delivered"
    assert record["nextAttemptAt"] is None
    assert record["error"] is None
    assert before * 1000 - 1 <= record["acceptedAt"] <= time.time() * 1000 + 1


def test_request_headers_of_a_record(engine, receiver):
    """Sorted, CRLF after each, no User-Agent, and what was really sent."""
    hook = engine.create_hook(receiver.url(), secret=SECRET)
    engine.post_event()
    text = engine.wait_deliveries(hook, 1)[0]["requestHeaders"]
    lines = text.split("\r\n")
    assert lines.pop() == ""
    names = [line.split(": ")[0] for line in lines]
    assert names == ["Accept", "Content-Type", "Pulumi-Webhook-Id",
                     "Pulumi-Webhook-Kind", "Pulumi-Webhook-Signature",
                     "webhook-id", "webhook-signature", "webhook-timestamp"]
    assert {tuple(line.split(": ", 1)) for line in lines} <= set(
        receiver.got()[0].raw_headers)


def test_timing_is_plausible(engine, receiver):
    receiver.script("/", Answer(delay=0.2))
    hook = engine.create_hook(receiver.url())
    engine.post_event()
    first = engine.wait_deliveries(hook, 1)[0]
    engine.post_event()
    second = engine.wait_deliveries(hook, 2)[0]

    timing = first["timing"]
    assert set(timing) == {*TIMING, "reusedConnection"}
    assert all(type(timing[name]) is int for name in TIMING)
    assert 0 < timing["connectUs"] <= timing["firstByteUs"] <= timing["totalUs"]
    assert 200_000 <= timing["firstByteUs"] < 20_000_000
    assert timing["tlsUs"] == 0
    assert 0 < timing["queueUs"] < 30_000_000
    assert first["duration"] == timing["totalUs"] // 1000
    assert timing["reusedConnection"] is False
    assert second["timing"]["reusedConnection"] is True


def test_connection_is_reused(engine, receiver):
    """Twenty events, one after the other: one connection."""
    engine.create_hook(receiver.url())
    for number in range(20):
        engine.post_event(payload={"number": number})
        receiver.wait(number + 1)
    assert receiver.n_connections == 1


# --- failures ---

@FAST
def test_retry_then_success_keeps_the_id(engine, receiver):
    receiver.script("/", Answer(503, b"busy"), Answer(200))
    hook = engine.create_hook(receiver.url(), secret=SECRET)
    event_id = engine.post_event()
    new, old = engine.wait_deliveries(hook, 2)
    assert (old["attempt"], old["state"], old["responseCode"]) == (
        1, "retrying", 503)
    assert old["error"]["class"] == "status"
    assert 50 <= old["nextAttemptAt"] - old["acceptedAt"]
    assert (new["attempt"], new["state"], new["responseCode"]) == (
        2, "delivered", 200)
    first, second = receiver.got()
    assert old["id"] == new["id"] == first.id == second.id == event_id
    assert first.body == second.body
    verify_standard(second)


@pytest.mark.settings(retry_schedule="10ms,10ms")
def test_retry_after_is_heeded(engine, receiver):
    hook = engine.create_hook(receiver.url("/in"))
    receiver.script("/in", Answer(status=503, headers={"Retry-After": "1"}),
                    Answer())
    engine.post_event()
    before, after = receiver.wait(2, "/in")
    assert after.time - before.time > 0.9
    _, first = engine.wait_deliveries(hook, 2)
    assert first["nextAttemptAt"] - first["timestamp"] * 1000 >= 900


@FAST
@pytest.mark.shared(books=True)
def test_retries_exhausted_is_dead(engine, receiver):
    receiver.script("/", Answer(500))
    hook = engine.create_hook(receiver.url())
    engine.post_event()
    rows = engine.wait_deliveries(hook, 3)
    assert [r["state"] for r in rows] == ["dead", "retrying", "retrying"]
    assert [r["attempt"] for r in rows] == [3, 2, 1]
    assert rows[0]["nextAttemptAt"] is None
    assert engine.wait_settled()["dead"] == 1
    assert len(receiver.got()) == 3


@FAST
@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.shared(books=True)
def test_redirect_is_a_failure_and_not_followed(engine, receiver, status):
    location = {"Location": receiver.url("/elsewhere")}
    receiver.script("/", Answer(status, headers=location), Answer(200))
    hook = engine.create_hook(receiver.url())
    engine.post_event()
    record = engine.wait_deliveries(hook, 1)[-1]
    assert record["responseCode"] == status
    assert record["error"]["class"] == "status"
    assert record["state"] in ("retrying", "dead")
    engine.wait_settled()
    assert receiver.got("/elsewhere") == []


@FAST
@pytest.mark.parametrize("do, classes", [
    ("close", {"reset", "protocol"}), ("reset", {"reset"}),
    ("hang", {"timeout"})])
def test_no_answer(make_engine, receiver, do, classes):
    """Retried, and the record says 0 and Pulumi's own words."""
    engine = make_engine(retry_schedule="100ms", connect_timeout="300ms",
                         request_timeout="500ms").start()
    receiver.script("/", Answer(do=do), Answer(200))
    hook = engine.create_hook(receiver.url())
    engine.post_event()
    new, old = engine.wait_deliveries(hook, 2)
    assert old["responseCode"] == 0
    assert old["responseHeaders"] == ""
    assert old["responseBody"] == "URL error with webhook"
    assert old["error"]["class"] in classes
    assert old["error"]["message"]
    assert new["state"] == "delivered"


@FAST
@pytest.mark.shared(books=True)
def test_nobody_listens(engine):
    hook = engine.create_hook(f"http://127.0.0.1:{free_ports(1)[0]}/")
    engine.post_event()
    record = engine.wait_deliveries(hook, 1)[-1]
    assert record["error"]["class"] == "connect"
    engine.wait_settled()


@pytest.mark.parametrize("n_bytes, n_kept", [
    (65535, 65535), (65536, 65536), (65537, 65536), (300000, 65536)])
def test_response_body_is_kept_up_to_64_kib(engine, receiver, n_bytes, n_kept):
    receiver.script("/", Answer(200, b"x" * n_bytes))
    hook = engine.create_hook(receiver.url())
    engine.post_event()
    record = engine.wait_deliveries(hook, 1)[0]
    assert record["state"] == "delivered"
    assert record["responseBody"] == "x" * n_kept


def test_response_body_that_is_not_utf8(engine, receiver):
    receiver.script("/", Answer(200, b"a\xff\xfeb\x00\"<"))
    hook = engine.create_hook(receiver.url())
    engine.post_event()
    body = engine.wait_deliveries(hook, 1)[0]["responseBody"]
    assert re.fullmatch("a\ufffd+b\x00\"<", body)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]",
                                  "10.0.0.1", "169.254.169.254"])
@pytest.mark.settings(endpoint_allow=None, retry_schedule="100ms")
@pytest.mark.shared(books=True)
def test_private_addresses_are_refused(engine, receiver, host):
    """Either the hook is refused at once, or every attempt is blocked."""
    reply = engine.api("POST", "/api/orgs/acme/hooks", {
        "organizationName": "acme", "displayName": "x", "active": True,
        "payloadUrl": f"http://{host}:{receiver.port}/"})
    if reply.status != 400:
        assert reply.status == 201, reply
        engine.settle_hooks()
        engine.post_event()
        hook = f"/api/orgs/acme/hooks/{reply.json()['name']}"
        record = engine.wait_deliveries(hook, 1)[-1]
        assert record["error"]["class"] == "blocked"
        engine.wait_settled()
    assert receiver.got() == []
    assert receiver.n_connections == 0


# --- TLS ---

def trusted(make_engine, certificates, **settings):
    return make_engine(ca_file=str(certificates.ca), retry_schedule="100ms",
                       **settings).start()


def test_tls(make_engine, tls_receiver, certificates):
    engine = trusted(make_engine, certificates)
    hook = engine.create_hook(tls_receiver.url("/tls"), secret=SECRET)
    engine.post_event()
    record = engine.wait_deliveries(hook, 1)[0]
    assert record["state"] == "delivered"
    assert record["timing"]["tlsUs"] >= record["timing"]["connectUs"] > 0
    verify_standard(tls_receiver.got("/tls")[0])


@FAST
@pytest.mark.shared(books=True)
def test_unknown_authority_is_refused(engine, tls_receiver):
    hook = engine.create_hook(tls_receiver.url())
    engine.post_event()
    record = engine.wait_deliveries(hook, 1)[-1]
    assert record["error"]["class"] == "tls"
    assert record["responseCode"] == 0
    engine.wait_settled()
    assert tls_receiver.got() == []


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1")
def test_tls_below_1_2_is_refused(make_engine, certificates):
    """The receiver speaks TLS 1.1 only; a client that may, gets through."""
    old = ssl.TLSVersion.TLSv1_1
    receiver = Receiver(tls_context(certificates, old, old))
    try:
        assert speak_tls(receiver.port, certificates, old) == "TLSv1.1"
        engine = trusted(make_engine, certificates)
        hook = engine.create_hook(receiver.url())
        engine.post_event()
        record = engine.wait_deliveries(hook, 1)[-1]
        assert record["error"]["class"] == "tls"
        engine.wait_settled()
        assert receiver.got() == []
    finally:
        receiver.stop()


def speak_tls(port, certificates, version):
    """The version that a client agrees on with the server."""
    context = ssl.create_default_context(cafile=certificates.ca)
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    with socket.create_connection(("127.0.0.1", port)) as plain:
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as tls:
            return tls.version()


def test_hook_that_hangs_slows_nobody(make_engine, receiver):
    """One of two hooks never answers; the other's deliveries do not wait for its
    timeouts."""
    engine = make_engine(request_timeout="5m", drain_timeout="1s").start()
    engine.check_exit = False  # the drain gives up on what hangs
    receiver.script("/hangs", Answer(do="hang"))
    engine.create_hook(receiver.url("/hangs"))
    engine.create_hook(receiver.url("/works"))
    ids = engine.post_batch([{"kind": "order.created", "payload": {"n": n}}
                             for n in range(2000)])
    got = receiver.wait(2000, "/works")
    assert {r.id for r in got} == set(ids)
    assert 0 < len(receiver.got("/hangs")) < 2000
    receiver.stopping.set()


@pytest.mark.shared(books=True)
def test_thousands_arrive_once_each(engine, receiver):
    hook = engine.create_hook(receiver.url())
    ids = []
    for start in range(0, 3000, 500):
        ids += engine.post_batch([
            {"kind": "order.created", "payload": {"n": n}}
            for n in range(start, start + 500)])
    books = engine.wait_settled()
    assert (books["accepted"], books["delivered"]) == (3000, 3000)
    got = receiver.got()
    assert sorted(r.id for r in got) == sorted(ids)
    assert {json.loads(r.body)["n"] for r in got} == set(range(3000))
    page = engine.deliveries(hook, "?limit=1000")
    assert len(page) == 1000 and len({r["id"] for r in page}) == 1000
