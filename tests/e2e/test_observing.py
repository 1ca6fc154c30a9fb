# SPDX-License-Identifier: MIT
"""What deploy/ has for Prometheus and Grafana: the alerts are tested by promtool, and what
alerts and board name is on the page of a real engine."""

import http.client
import itertools
import json
import re
import shutil
import ssl
import subprocess

import jsonschema
import pytest
import yaml

from engine import Engine, parse_metrics
from receiver import Answer
from support import PATIENCE_S, ROOT, wait_for

PROMETHEUS = ROOT / "deploy" / "prometheus"
BOARD = json.loads((ROOT / "deploy" / "grafana" / "posthorn.json").read_text())
RULES = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"][0]["rules"]
SCHEMA = json.loads((ROOT / "tests" / "fixtures" / "grafana_dashboard.schema.json")
                    .read_text())
VARIABLES = {"$__rate_interval": "1m", "$instance": ".+"}


def promtool(*args):
    done = subprocess.run(["promtool", *map(str, args)], capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def panels():
    return [panel for panel in BOARD["panels"] if panel["type"] != "row"]


def queries():
    """The board's queries, with values in place of its variables."""
    for panel in panels():
        for target in panel["targets"]:
            expr = target["expr"]
            for name, value in VARIABLES.items():
                expr = expr.replace(name, value)
            assert "$" not in expr, expr
            yield expr


# --- alerts ---

def test_rules_and_scrape_are_valid(tmp_path):
    promtool("check", "rules", PROMETHEUS / "alerts.yml")
    shutil.copy(PROMETHEUS / "alerts.yml", tmp_path / "posthorn-alerts.yml")
    shutil.copy(PROMETHEUS / "prometheus.yml", tmp_path / "prometheus.yml")
    promtool("check", "config", tmp_path / "prometheus.yml")


def test_each_alert_fires_when_it_should_alone():
    promtool("test", "rules", PROMETHEUS / "alerts_test.yml")
    tests = yaml.safe_load((PROMETHEUS / "alerts_test.yml").read_text())["tests"]
    fires, is_calm = set(), set()
    for test in tests:
        for case in test.get("promql_expr_test", ()):
            alert = re.search('alertname="([^"]+)"', case["expr"]).group(1)
            (fires if case.get("exp_samples") else is_calm).add(alert)
    names = {rule["alert"] for rule in RULES}
    assert fires == names and is_calm == names


def test_the_tests_of_alerts_notice_a_wrong_threshold(tmp_path):
    text = (PROMETHEUS / "alerts.yml").read_text()
    assert text.count("> 300\n") == 1
    (tmp_path / "alerts.yml").write_text(text.replace("> 300\n", "> 30000\n"))
    shutil.copy(PROMETHEUS / "alerts_test.yml", tmp_path)
    with pytest.raises(AssertionError, match="PosthornOldestDueDelivery"):
        promtool("test", "rules", tmp_path / "alerts_test.yml")


def test_alerts_say_what_to_do():
    for rule in RULES:
        assert rule["labels"]["severity"] in ("warning", "critical"), rule
        assert set(rule["annotations"]) == {"summary", "description"}, rule
        assert len(rule["annotations"]["description"]) > 150, rule
        # What counts over a time needs no further wait.
        assert "for" in rule or re.search("increase|offset", rule["expr"]), rule


# --- the board ---

def test_board_is_a_dashboard():
    jsonschema.validate(BOARD, SCHEMA)
    ids = [panel["id"] for panel in BOARD["panels"]]
    assert len(set(ids)) == len(ids)
    places = set()
    for grid in (panel["gridPos"] for panel in BOARD["panels"]):
        assert grid["x"] + grid["w"] <= 24
        cells = set(itertools.product(range(grid["x"], grid["x"] + grid["w"]),
                                      range(grid["y"], grid["y"] + grid["h"])))
        assert not cells & places, grid
        places |= cells
    rows = [panel["title"] for panel in BOARD["panels"] if panel["type"] == "row"]
    assert rows == ["Overview", "Intake", "Queue", "Deliveries", "Latency", "Roles",
                    "Storage"]
    for panel in panels():
        refs = [target["refId"] for target in panel["targets"]]
        assert len(set(refs)) == len(refs)


def test_queries_of_the_board_are_promql(tmp_path):
    rules = [{"record": f"panel:query:{n}", "expr": expr}
             for n, expr in enumerate(queries())]
    assert len(rules) > 30
    path = tmp_path / "board.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "board", "rules": rules}]}))
    assert f"{len(rules)} rules found" in promtool("check", "rules", path)


# --- what they name ---

class IntakeByTls(Engine):
    """Event intake speaks TLS, so that it has a certificate."""

    context = None

    def connection(self, port):
        if port != self.ingest_port:
            return super().connection(port)
        return http.client.HTTPSConnection("127.0.0.1", port, timeout=PATIENCE_S,
                                           context=self.context)


SELECTOR = re.compile(r"(posthorn_\w+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)(=~|!=|=)"([^"]*)"')


def check_named(expr, metrics):
    """Each metric of the query has series, with the labels and values that it names, and
    with those that it groups by."""
    for name, matchers in SELECTOR.findall(expr):
        assert name in metrics, (name, expr)
        series = list(metrics[name])
        for label, how, value in MATCHER.findall(matchers):
            if label == "instance":
                continue
            wanted = value.split("|") if how == "=~" else [value]
            for one in wanted:
                assert any(f'{label}="{one}"' in labels for labels in series), (
                    name, label, one)
        for group in re.findall(r"by \(([^)]*)\)", expr):
            for label in set(re.split(r",\s*", group)) - {"instance"}:
                known = itertools.chain.from_iterable(
                    metrics[named] for named, _ in SELECTOR.findall(expr))
                assert any(f'{label}="' in labels for labels in known), (expr, label)


def test_all_that_is_named_is_there(make_engine, receiver, certificates):
    """After some traffic: an event that arrives, one that fails, one that is refused."""
    engine = make_engine(retry_schedule="100ms", dispatchers=1, senders=1,
                         ingest_tls_cert=str(certificates.chain),
                         ingest_tls_key=str(certificates.key))
    engine.__class__ = IntakeByTls
    engine.context = ssl.create_default_context(cafile=certificates.ca)
    engine.start()
    receiver.script("/bad", Answer(500))
    engine.create_hook(receiver.url("/good"))
    engine.create_hook(receiver.url("/bad"))
    engine.post_event()
    assert engine.intake(b"{}").status == 400
    engine.wait_settled()
    wait_for(lambda: sum(engine.metrics()["posthorn_deliveries_dead"].values()) == 1,
             "the gauges are set")
    text = engine.api("GET", "/metrics", token=None).body.decode()
    metrics = parse_metrics(text)
    for expr in [*queries(), *(rule["expr"] for rule in RULES)]:
        check_named(expr, metrics)
    with pytest.raises(AssertionError):
        check_named('posthorn_hooks{state="lost"}', metrics)
    # Prometheus' own parser takes the page, and its linter has no objection.
    found = subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                           capture_output=True, timeout=60)
    assert (found.returncode, found.stdout + found.stderr) == (0, "")
