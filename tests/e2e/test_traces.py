# SPDX-License-Identifier: MIT
"""Traces for OpenTelemetry: spans of intake, queue and attempts, sent to a collector that
checks them against the specification; and what a bad collector does to the engine."""

import json
import os
import signal
import subprocess

import pytest

from engine import BINARY
from otlp_collector import Collector, Fault, spans_of
from receiver import Answer, tls_context
from support import compact, wait_for

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
SAMPLED = f"00-{TRACE}-{PARENT}-01"


@pytest.fixture
def collector():
    made = Collector()
    yield made
    made.stop()


@pytest.fixture
def traced(make_engine, collector):
    """An engine with one dispatcher and one sender that sends its traces there."""
    def make(**more):
        return make_engine(**{"otlp_traces": collector.endpoint, "retry_schedule": "200ms",
                              "dispatchers": 1, "senders": 1, **more}).start()
    return make


def post(engine, kind="order.created", **headers):
    """Posts an event with these headers; returns its id."""
    reply = engine.intake(compact({"kind": kind, "payload": {"n": 1}}).encode(),
                          headers={name.replace("_", "-"): value
                                   for name, value in headers.items()})
    assert reply.status == 202, reply
    return reply.json()["id"]


def of_event(spans, event_id):
    return [span for span in spans
            if span.attributes.get("messaging.message.id") == event_id]


def kinds(spans):
    return sorted(span.kind for span in spans)


def counts(engine):
    """What became of spans: exported, and dropped by reason."""
    metrics = engine.metrics()
    dropped = {"full": 0, "refused": 0, "stopped": 0}
    for labels, n in metrics["posthorn_spans_dropped_total"].items():
        dropped[labels.split('reason="')[1].split('"')[0]] += n
    return {**dropped, "exported": sum(metrics["posthorn_spans_exported_total"].values())}


def test_an_event_from_its_post_to_its_last_attempt(traced, collector, receiver):
    """One trace with the producer's context, and one without; retries belong to it."""
    engine = traced()
    receiver.script("/in?key=hidden", Answer(500), Answer(200))
    hook = engine.create_hook(receiver.url("/in?key=hidden"))
    continued = post(engine, traceparent=SAMPLED, tracestate="vendor=1, other=2")
    engine.wait_deliveries(hook, 2)
    alone = post(engine)
    engine.wait_deliveries(hook, 3)
    spans = collector.wait_spans(lambda found: len(found) == 7, "seven spans")
    intake, queue, first, second = sorted(of_event(spans, continued),
                                          key=lambda span: (span.start, span.kind != "server"))
    assert [span.kind for span in (intake, queue, first, second)] == [
        "server", "internal", "client", "client"]
    for span in (intake, queue, first, second):
        assert (span.trace, span.state) == (TRACE, "vendor=1, other=2")
        assert span.resource["service.name"] == "posthorn"
        assert span.resource["service.version"] == "1.0.0-rc1"
        assert span.resource["service.instance.id"]
        assert span.attributes["messaging.system"] == "posthorn"
        assert span.attributes["posthorn.organization"] == "acme"
        assert span.attributes["posthorn.event.kind"] == "order.created"
    assert len({span.id for span in spans}) == 7
    assert intake.parent == PARENT
    assert {queue.parent, first.parent, second.parent} == {intake.id}
    assert intake.name == "POST /api/orgs/{org}/events"
    assert intake.attributes["http.route"] == "/api/orgs/{org}/events"
    assert intake.attributes["http.response.status_code"] == 202
    assert queue.end == first.start
    for span, code in ((first, 500), (second, 200)):
        assert span.attributes["http.request.method"] == "POST"
        assert span.attributes["url.full"] == receiver.url("/in?********")
        assert span.attributes["server.address"] == "127.0.0.1"
        assert span.attributes["server.port"] == receiver.port
        assert span.attributes["http.response.status_code"] == code
        assert span.start < span.events["first byte"] <= span.end
    assert (first.status, first.attributes["error.type"]) == ("error", "500")
    assert (second.status, second.attributes.get("error.type")) == ("unset", None)
    assert first.attributes.get("http.request.resend_count") is None
    assert second.attributes["http.request.resend_count"] == 1
    assert first.start < first.events["connected"] <= first.events["first byte"]
    own = of_event(spans, alone)
    assert kinds(own) == ["client", "internal", "server"]
    assert {span.trace for span in own} != {TRACE} and len({s.trace for s in own}) == 1
    assert [span.parent for span in own if span.kind == "server"] == [None]
    wait_for(lambda: counts(engine) == {
        "exported": 7, "full": 0, "refused": 0, "stopped": 0}, "they are counted")


def test_receivers_get_the_context_if_the_webhook_wants_it(traced, collector, receiver):
    """Its parent is the span of the very attempt; a retry has a span of its own."""
    engine = traced()
    receiver.script("/in", Answer(500), Answer(200), Answer(200), Answer(200))
    hook = engine.create_hook(receiver.url("/in"), traceContext=True, headers={"A-Own": "1"})
    other = engine.create_hook(receiver.url("/other"))
    first = post(engine, traceparent=SAMPLED, tracestate="vendor=1, other=2")
    engine.wait_deliveries(hook, 2)
    unsampled = post(engine, traceparent=f"00-{TRACE}-{PARENT}-00")
    engine.wait_deliveries(hook, 3)
    alone = post(engine)
    engine.wait_deliveries(hook, 4)
    engine.wait_deliveries(other, 3)
    spans = collector.wait_spans(lambda found: len(of_event(found, alone)) == 5, "all")
    requests = receiver.got("/in")
    given = [r.headers.get("traceparent", "").split("-") for r in requests]
    attempts = sorted((s for s in of_event(spans, first) if s.kind == "client"
                       and s.attributes["url.full"].endswith("/in")), key=lambda s: s.start)
    assert given[:2] == [["00", TRACE, span.id, "01"] for span in attempts]
    assert [r.headers.get("tracestate") for r in requests] == ["vendor=1, other=2"] * 2 + [None] * 2
    assert given[2][1] == TRACE and given[2][3] == "00" and not of_event(spans, unsampled)
    assert given[3][1:] in [[s.trace, s.id, "01"] for s in of_event(spans, alone)
                            if s.kind == "client"]
    assert all("traceparent" not in r.headers for r in receiver.got("/other"))
    row = engine.api("GET", hook + "/deliveries").json()[0]
    assert "traceparent: 00-" in row["requestHeaders"]


def test_receivers_get_the_context_without_a_collector(engine, receiver):
    """A repeated attempt of an event without a context stays in the event's trace; a producer's
    span is the parent, since the attempt has none that anybody exports."""
    receiver.script("/bare", Answer(500), Answer(200), Answer(200))
    hook = engine.create_hook(receiver.url("/bare"), traceContext=True,
                              retrySchedule=["100ms"])
    assert engine.api("GET", hook).json()["traceContext"] is True
    post(engine)
    engine.wait_deliveries(hook, 2)
    post(engine, traceparent=SAMPLED)
    engine.wait_deliveries(hook, 3)
    one, again, continued = (r.headers["traceparent"].split("-") for r in receiver.got("/bare"))
    assert one[1] == again[1] != TRACE and one[2] != again[2]
    assert continued == ["00", TRACE, PARENT, "01"]
    assert engine.api("PATCH", hook, {"headers": {"tracestate": "a=1"}}).status == 400
    assert engine.api("PATCH", hook, {"traceContext": None}).status == 200
    assert "traceContext" not in engine.api("GET", hook).json()


def test_which_contexts_are_continued(traced, collector):
    """As W3C Trace Context says; what is not valid begins a trace of its own, and a
    producer that does not sample is heeded."""
    engine = traced()
    good = {
        "a later version": f"01-{TRACE}-{PARENT}-01-what-comes-then",
        "other flags": f"00-{TRACE}-{PARENT}-ff",
    }
    bad = {
        "capitals": SAMPLED.upper(),
        "no trace": f"00-{'0' * 32}-{PARENT}-01",
        "no parent": f"00-{TRACE}-{'0' * 16}-01",
        "version ff": f"ff-{TRACE}-{PARENT}-01",
        "short": SAMPLED[:-1],
        "long": SAMPLED + "-more",
        "no dash": f"00-{TRACE}_{PARENT}-01",
        "no hexadecimal": SAMPLED.replace("b7", "g7"),
    }
    unsampled = post(engine, traceparent=f"00-{TRACE}-{PARENT}-00")
    ids = {name: post(engine, traceparent=value, tracestate="a=1")
           for name, value in {**good, **bad}.items()}
    too_long = post(engine, traceparent=SAMPLED, tracestate="a=" + "x" * 511)
    spans = collector.wait_spans(lambda found: len(found) == len(ids) + 1, "each once")
    by_id = {span.attributes["messaging.message.id"]: span for span in spans}
    assert unsampled not in by_id
    for name in good:
        assert (by_id[ids[name]].trace, by_id[ids[name]].state) == (TRACE, "a=1"), name
    for name in bad:
        span = by_id[ids[name]]
        assert span.trace != TRACE and span.parent is None and span.state == "", name
    assert (by_id[too_long].trace, by_id[too_long].state) == (TRACE, "")


def test_a_trace_goes_on_after_a_restart(traced, collector, receiver):
    engine = traced(retry_schedule="2s")
    receiver.script("/in", Answer(500), Answer(200))
    hook = engine.create_hook(receiver.url("/in"))
    event_id = post(engine, traceparent=SAMPLED)
    alone = post(engine, kind="other.kind")
    engine.wait_deliveries(hook, 2)
    assert engine.stop() == 0
    before = collector.spans()  # a stop sends what is left
    assert {"server", "internal", "client"} == set(kinds(of_event(before, event_id)))
    engine.start()
    engine.wait_deliveries(hook, 4 if len(receiver.got()) > 3 else 3)
    spans = collector.wait_spans(lambda found: len(found) > len(before), "a later attempt")
    for one in (event_id, alone):
        assert len({span.trace for span in of_event(spans, one)}) == 1
    roots = {span.id for span in spans if span.kind == "server"}
    assert {span.parent for span in spans if span.kind != "server"} <= roots


@pytest.mark.parametrize("answers, lost", [
    ([Answer(503), Answer(429, headers={"Retry-After": "1"}), Answer(502)], 0),
    ([Answer(500)], 3), ([Answer(400)], 3)], ids=["busy", "500", "400"])
def test_what_a_collector_answers(traced, collector, receiver, answers, lost):
    """429, 502, 503 and 504 are tried again; all else is final, and counted."""
    fine = Answer(200, b'{"partialSuccess":{"rejectedSpans":"1","errorMessage":"no"}}')
    collector.script("/v1/traces", *answers, fine)
    engine = traced()
    hook = engine.create_hook(receiver.url())
    engine.post_event()
    engine.wait_deliveries(hook, 1)
    wait_for(lambda: sum(counts(engine).values()) == 3, "three spans are settled", 20)
    if lost:
        assert counts(engine)["refused"] == lost
    else:
        # The collector took the request, but not one of its spans.
        assert counts(engine) == {"exported": 2, "refused": 1, "full": 0, "stopped": 0}
        assert [r.answer.status for r in collector.got()] == [503, 429, 502, 200]
        assert len({r.body for r in collector.got()}) == 1, "the same batch each time"
        first, second, third, fourth = (r.time for r in collector.got())
        assert second - first > 0.9 and third - second > 0.9 and fourth - third > 0.9


def test_a_collector_that_hangs_costs_nothing(traced, collector, receiver):
    """More spans than there is room for: intake and deliveries go on, spans are dropped and
    counted; a stop does not wait."""
    collector.script("/v1/traces", Answer(do="hang"))
    engine = traced(max_inflight_per_hook=64)
    hook = engine.create_hook(receiver.url())
    n_events = 4000
    for _ in range(4):
        engine.post_batch([{"kind": "order.created", "payload": {"n": n}}
                           for n in range(n_events // 4)])
    wait_for(lambda: len(receiver.got()) >= n_events, "all are delivered", 60)
    engine.wait_settled()
    wait_for(lambda: counts(engine)["full"] > 0, "spans are dropped")
    waiting = sum(engine.metrics()["posthorn_spans_waiting"].values())
    assert waiting <= 16 * 512
    assert counts(engine)["full"] + waiting == 3 * n_events
    assert engine.is_ready() and hook
    assert engine.stop(seconds=8) == 0


def test_no_collector_and_an_exporter_that_dies(traced, collector, receiver):
    """Nothing of the engine waits; once both are back, spans arrive."""
    port = collector.port
    collector.stop()
    engine = traced()
    hook = engine.create_hook(receiver.url())
    engine.post_event()
    engine.wait_deliveries(hook, 1)
    wait_for(lambda: "traces cannot be sent" in engine.log(), "the log says it")
    (pid,) = engine.pids("exporter")
    os.kill(pid, signal.SIGKILL)
    engine.post_event()
    engine.wait_deliveries(hook, 2)
    wait_for(engine.is_ready, "the exporter is back")
    again = Collector(port=port)
    try:
        later = post(engine)
        again.wait_spans(lambda found: len(of_event(found, later)) == 3,
                         "the trace of a later event", 20)
    finally:
        again.stop()


def test_by_tls_with_headers_and_a_part_of_the_traces(make_engine, certificates, tmp_path):
    """The collector gets the headers of the file; of 200 traces about half are sent, each
    whole."""
    collector = Collector(tls=tls_context(certificates))
    headers = tmp_path / "headers"
    headers.write_text("# for the collector\nAuthorization: Bearer s3cret\n\nX-Tenant: t\n")
    headers.chmod(0o600)
    try:
        engine = make_engine(otlp_traces=collector.endpoint, otlp_sample=50,
                             otlp_headers_file=str(headers), dispatchers=1, senders=1,
                             ca_file=str(certificates.ca)).start()
        engine.post_batch([{"kind": "a.b", "payload": {}} for _ in range(200)])
        engine.wait_settled()
        wait_for(lambda: counts(engine)["exported"] > 0
                 and sum(engine.metrics()["posthorn_spans_waiting"].values()) == 0, "sent")
        spans = collector.spans()
        assert 60 < len(spans) < 140
        assert spans[0].attributes["messaging.batch.message_count"] == 200
        for request in collector.got():
            assert request.headers["authorization"] == "Bearer s3cret"
            assert request.headers["x-tenant"] == "t"
        assert "s3cret" not in engine.log()
        engine.stop()
    finally:
        collector.stop()


def test_settings_are_checked_and_off_is_off(tmp_path, engine):
    """Without the setting there is no process and no series for it."""
    assert engine.pids("exporter") == []
    assert "posthorn_spans_dropped_total" not in engine.metrics()
    post(engine, traceparent=SAMPLED)
    bad = tmp_path / "bad.conf"
    for value in ("collector:4318", "http://127.0.0.1:4318", "ftp://a/v1/traces"):
        bad.write_text(f"otlp_traces = {value}\n")
        result = subprocess.run([BINARY, "config", "--check", str(bad)],
                                capture_output=True, text=True, timeout=20)
        assert result.returncode == 1
        assert "otlp_traces: must be an http" in result.stdout + result.stderr
    (tmp_path / "headers").write_text("no header\n")
    result = subprocess.run(
        [BINARY, "serve", "--set", f"data_dir={tmp_path}/data", "--set",
         f"otlp_headers_file={tmp_path}/headers"], capture_output=True, text=True, timeout=20)
    assert result.returncode != 0 and "otlp_headers_file" in result.stderr


def test_the_collector_notices_what_is_wrong():
    """The judge of the other tests refuses what the specification does not allow."""
    span = {"traceId": TRACE, "spanId": PARENT, "name": "n", "kind": 2,
            "startTimeUnixNano": "1", "endTimeUnixNano": "2"}

    def request(**changes):
        return json.dumps({"resourceSpans": [{
            "resource": {"attributes": []}, "scopeSpans": [{
                "scope": {"name": "x"}, "spans": [{**span, **changes}]}]}]})

    assert [s.kind for s in spans_of(request())] == ["server"]
    for changes in ({"traceId": "CvdlGRbNQ92ESOshHIAxnA=="}, {"spanId": "0" * 16},
                    {"kind": "SPAN_KIND_SERVER"}, {"kind": 9}, {"startTimeUnixNano": 1},
                    {"endTimeUnixNano": "0"}, {"span_id": PARENT}, {"status": {"code": 3}},
                    {"attributes": [{"key": "a", "value": {"intValue": 5}}]},
                    {"attributes": [{"key": "a", "value": {"stringValue": "x"}}] * 2}):
        with pytest.raises(Fault):
            list(spans_of(request(**changes)))
