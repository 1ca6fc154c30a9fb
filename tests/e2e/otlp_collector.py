# SPDX-License-Identifier: MIT
"""A collector of traces, which takes what the OTLP specification (1.3, OTLP/HTTP in JSON)
and trace.proto describe, and refuses everything else."""

import json
import re

from receiver import Answer, Receiver
from support import PATIENCE_S, wait_for

HEX = {16: re.compile("[0-9a-f]{32}"), 8: re.compile("[0-9a-f]{16}")}
UINT64 = re.compile("0|[1-9][0-9]{0,19}")
INT64 = re.compile("0|-?[1-9][0-9]{0,18}")
KINDS = {1: "internal", 2: "server", 3: "client", 4: "producer", 5: "consumer"}
CODES = {0: "unset", 1: "ok", 2: "error"}


class Fault(Exception):
    """The request is not as the specification has it."""


def need(is_so, *what):
    if not is_so:
        raise Fault(*what)


def members(value, required, optional=()):
    """An object with these members and no others."""
    need(isinstance(value, dict), "an object", value)
    need(set(required) <= set(value) <= {*required, *optional}, "members", value)
    return value


def text(value, pattern=None):
    need(isinstance(value, str), "a text", value)
    need(pattern is None or pattern.fullmatch(value), "the form", value)
    return value


def id_of(value, size):
    need(set(text(value, HEX[size])) != {"0"}, "an id of zeros", value)
    return value


def listed(value):
    need(isinstance(value, list), "an array", value)
    return value


def number(value, known):
    need(type(value) is int and value in known, "an enum's number", value)
    return known[value]


def nanoseconds(value):
    return int(text(value, UINT64))


def attributes_of(value):
    found = {}
    for one in listed(value):
        members(one, ("key", "value"))
        key = text(one["key"])
        need(key and key not in found, "a key of its own", one)
        need(isinstance(one["value"], dict) and len(one["value"]) == 1, "one value", one)
        ((kind, data),) = one["value"].items()
        if kind == "stringValue":
            found[key] = text(data)
        elif kind == "intValue":
            found[key] = int(text(data, INT64))
        elif kind == "boolValue":
            need(isinstance(data, bool), "a truth value", one)
            found[key] = data
        else:
            raise Fault("a kind of value", one)
    return found


class Span:
    def __init__(self, value, resource):
        members(value, ("traceId", "spanId", "name", "kind", "startTimeUnixNano",
                        "endTimeUnixNano"),
                ("traceState", "parentSpanId", "attributes", "events", "status"))
        self.resource = resource
        self.trace = id_of(value["traceId"], 16)
        self.id = id_of(value["spanId"], 8)
        self.parent = id_of(value["parentSpanId"], 8) if "parentSpanId" in value else None
        self.state = text(value.get("traceState", ""))
        self.name = text(value["name"])
        need(self.name, "a name")
        self.kind = number(value["kind"], KINDS)
        self.start = nanoseconds(value["startTimeUnixNano"])
        self.end = nanoseconds(value["endTimeUnixNano"])
        need(0 < self.start <= self.end, "times in their order", value)
        self.attributes = attributes_of(value.get("attributes", []))
        self.events = {}
        for event in listed(value.get("events", [])):
            members(event, ("timeUnixNano", "name"), ("attributes",))
            self.events[text(event["name"])] = nanoseconds(event["timeUnixNano"])
        status = members(value.get("status", {}), (), ("code", "message"))
        self.status = number(status.get("code", 0), CODES)
        self.message = text(status.get("message", ""))


def spans_of(body):
    """The spans of an ExportTraceServiceRequest."""
    for group in listed(members(json.loads(body), ("resourceSpans",))["resourceSpans"]):
        members(group, ("resource", "scopeSpans"), ("schemaUrl",))
        resource = attributes_of(members(group["resource"], ("attributes",))["attributes"])
        for scoped in listed(group["scopeSpans"]):
            members(scoped, ("scope", "spans"), ("schemaUrl",))
            members(scoped["scope"], ("name",), ("version",))
            for span in listed(scoped["spans"]):
                yield Span(span, resource)


class Collector(Receiver):
    """Collects at /v1/traces; `faults` is what was wrong with requests."""

    def __init__(self, tls=None, port=0):
        super().__init__(tls, port)
        self.script("/v1/traces", Answer(200, b"{}", {"Content-Type": "application/json"}))

    @property
    def endpoint(self):
        return self.url("/v1/traces")

    def spans(self):
        """Those of requests that were answered 200; each request is checked."""
        found = []
        for request in self.got():
            assert (request.method, request.path) == ("POST", "/v1/traces")
            assert request.headers["content-type"] == "application/json"
            spans = list(spans_of(request.body))
            if request.answer is not None and request.answer.status == 200:
                found += spans
        return found

    def wait_spans(self, are_there, what, seconds=PATIENCE_S):
        """Its spans, once `are_there(spans)`."""
        return wait_for(lambda: (lambda spans: are_there(spans) and spans)(self.spans()),
                        what, seconds)
