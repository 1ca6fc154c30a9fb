# SPDX-License-Identifier: MIT
"""What people come to the dashboard for, by the keyboard alone, found by role and name."""

import hashlib
import hmac
import os
import re
import subprocess

import pytest

from browser import Hands, Window, browser
from conftest import running
from dashboard_world import SECRET, SETTINGS, World
from engine import Engine
from support import PATIENCE_S, wait_for

__all__ = ["browser"]  # a fixture


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with running(Engine(tmp_path_factory.mktemp("tasks"), **SETTINGS)) as engine:
        made = World(engine)
        yield made
        made.stop()


@pytest.fixture(scope="module")
def window(browser, world):
    """Logged in once for all tests of the file; each has a tab of its own."""
    made = Window(browser, world.engine)
    made.context.grant_permissions(["clipboard-read", "clipboard-write"])
    made.log_in()
    made.page.wait_for_url("**/dashboard/o/acme")
    yield made
    made.close()


@pytest.fixture
def hands(window):
    with window.tab() as page:
        page.goto("/dashboard/o/acme")
        made = Hands(window)
        made.find("heading", "acme")
        yield made


def open_dead(hands):
    """From the overview to the dead letter of crm."""
    hands.press("link", "crm", within=hands.region("Needs attention"))
    hands.region("Status")
    row = hands.page.get_by_role("row").filter(has_text="dead")
    hands.press("link", re.compile("order.created"), within=row)
    return hands.region("Why")


def test_why_it_fails(hands):
    why = open_dead(hands)
    assert hands.presses <= 2
    text = why.inner_text()
    assert "Status: the receiver answered 503" in text
    assert re.search(r"Of the last \d+ attempts of this webhook \d+ ended the same way", text)
    assert "Every attempt has failed since" in text
    assert "It is a dead letter after 3 attempts" in text


def test_where_the_time_went(hands):
    open_dead(hands)
    assert hands.presses <= 2
    times = hands.page.get_by_role("table", name="Where the time went")
    assert times.get_by_role("rowheader").all_inner_texts()[0] == "Queue"
    assert times.get_by_role("rowheader").all_inner_texts()[-1] == "Total"
    assert re.search(
        r"\d (µs|ms)", times.get_by_role("row", name=re.compile("^Total")).inner_text()
    )
    assert times.locator("rect.fill").count() >= 1


def test_two_attempts_are_compared(hands):
    open_dead(hands)
    hands.presses = 0
    hands.page.get_by_text("Compare", exact=True).focus()
    hands.page.keyboard.press("Enter")
    hands.press("link", re.compile("^Attempt 1"))
    assert hands.presses + 1 <= 2
    hands.find("heading", "Compare attempts")
    page = hands.page
    assert page.get_by_role("row", name=re.compile("X-Attempt 3 1")).count() == 1
    diff = page.get_by_role("region", name="Lines that differ").last.inner_text()
    assert "no" in diff and "try later" in diff
    assert "with=1" in page.url


def test_an_attempt_is_compared_with_one_that_arrived(hands, world):
    page = hands.page
    page.goto(f"/dashboard/o/acme/hooks/orders-eu/deliveries/{world.event}/1")
    hands.find("heading", re.compile("^order.created"))
    page.get_by_text("Compare", exact=True).press("Enter")
    hands.press("button", "The newest that was delivered")
    hands.find("heading", "Compare attempts")
    newest = world.engine.deliveries(world.hooks["orders-eu"], "?state=delivered&limit=1")[0]
    kinds = page.get_by_role("row", name=re.compile("^Pulumi-Webhook-Id"))
    assert newest["id"] in kinds.inner_text() and world.event in kinds.inner_text()
    page.goto(f"/dashboard/o/acme/hooks/crm/deliveries/{world.event}/1")
    page.get_by_text("Compare", exact=True).press("Enter")
    hands.press("button", "The newest that was delivered")
    page.get_by_text("Nothing was ever delivered to this webhook.").wait_for()


def test_the_request_as_curl(hands, world):
    page = hands.page
    hands.press("link", "Webhooks", within=page.get_by_role("navigation", name="Main"))
    hands.press("link", "orders-eu")
    hands.press("link", re.compile("order.created"))
    hands.press("button", "Copy as curl")
    page.get_by_text("Copied.").wait_for()
    command = wait_for(lambda: page.evaluate("navigator.clipboard.readText()"), "a command")
    before = len(world.receiver.got("/ok"))
    subprocess.run(
        ["sh"],
        input=command.encode(),
        check=True,
        timeout=PATIENCE_S,
        capture_output=True,
        env={**os.environ, "AUTHORIZATION": "Bearer s3cret-of-orders"},
    )
    copy = world.receiver.wait(before + 1, "/ok")[-1]
    sent = next(one for one in world.receiver.got("/ok") if one.id == copy.id)
    assert copy.body == sent.body and copy is not sent
    names = {"host", "content-length", "connection", "expect"}
    assert {k: v for k, v in copy.headers.items() if k not in names} == {
        k: v for k, v in sent.headers.items() if k not in names
    }


def test_the_signature_is_checked_in_the_page(hands, world):
    page = hands.page
    open_dead(hands)
    hands.press("tab", "Request")
    page.keyboard.press("ArrowLeft")  # round the end
    hands.type("Secret of the webhook", SECRET)
    page.keyboard.press("Enter")
    page.get_by_text("fits this secret").first.wait_for()
    assert page.get_by_text("fits this secret").count() == 2
    hands.type("Secret of the webhook", "x")
    page.keyboard.press("Enter")
    page.get_by_text("does not fit").first.wait_for()
    stored = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    assert SECRET not in stored


def test_a_replay_with_its_preview(hands, world):
    page = hands.page
    dead = world.engine.deliveries("/api/orgs/acme", "?state=dead&error=status")
    hands.press("link", re.compile(r"^\d+$"), within=hands.region("Now"))
    hands.find("heading", "Deliveries")
    assert page.url.endswith("/deliveries?state=dead")
    page.get_by_label("Error").select_option("status")
    page.wait_for_url("**error=status*")
    hands.press("link", "Replay these…")
    hands.region("Preview").get_by_text("1 delivery would be sent.").wait_for()
    hands.press("button", "Send 1 delivery")
    assert hands.presses <= 3
    hands.find("heading", "Replays")
    page.get_by_text("done").first.wait_for()
    again = world.engine.deliveries("/api/orgs/acme", "?state=dead&error=status")
    assert len(dead) == len(again) == 1 and again[0]["timestamp"] >= dead[0]["timestamp"]
    assert (again[0]["id"], again[0]["attempt"]) == (dead[0]["id"], dead[0]["attempt"] + 3)


def test_a_replay_is_watched_and_cancelled(hands, world):
    page = hands.page
    for i in range(20):  # so that it is not over before somebody can press a button
        world.engine.post_event("order.replayed", {"number": i})
    world.engine.wait_deliveries(world.hooks["orders-eu"], 20, "?kind=order.replayed")
    reply = world.engine.api(
        "POST", f"{world.hooks['orders-eu']}/replay", {"state": "delivered", "ratePerSecond": 1}
    )
    assert reply.status == 202, reply
    hands.press("link", "Replays", within=page.get_by_role("navigation", name="Main"))
    assert hands.presses <= 1
    page.get_by_role("progressbar", name=re.compile(r"\d of 2\d")).first.wait_for()
    hands.press("button", "Cancel the replay")
    hands.press("button", "Cancel the replay", within=page.get_by_role("dialog"))
    page.get_by_text("The replay was cancelled.").wait_for()
    page.get_by_text("cancelled", exact=True).first.wait_for()


def test_live(hands, world):
    page = hands.page
    hands.press("link", "Live", within=page.get_by_role("navigation", name="Main"))
    assert hands.presses <= 1
    page.get_by_text("Live", exact=True).last.wait_for()
    page.locator(".list-actions").get_by_text("Live").wait_for()
    event = world.engine.post_event("order.live", {"number": 1})
    link = page.get_by_role("link", name=re.compile(f"order.live {event[:8]}"))
    link.wait_for()
    page.locator("body").press("p")
    hands.find("button", "Go on")
    world.engine.post_event("order.held", {"number": 1})
    hands.press("button", re.compile(r"Go on \(\d+ new\)"))
    page.get_by_role("link", name=re.compile("order.held")).wait_for()


def test_a_new_delivery_is_counted_not_shown(hands, world):
    page = hands.page
    with page.expect_response("**/tail"):  # what comes later is counted
        page.locator("body").press("g")
        page.keyboard.press("d")
    hands.find("heading", "Deliveries")
    page.get_by_role("table").wait_for()
    world.engine.post_event("order.counted", {"number": 1})
    button = hands.find("button", "1 new")
    assert page.get_by_text("order.counted").count() == 0
    button.press("Enter")
    page.get_by_text("order.counted").first.wait_for()


def test_a_secret_is_rotated(hands, world):
    page = hands.page
    page.goto("/dashboard/o/acme/hooks/orders-eu")
    hands.find("heading", "orders-eu")
    page.get_by_label("Actions of orders-eu").focus()
    page.keyboard.press("Enter")
    hands.press("button", "Rotate secret")
    dialog = page.get_by_role("dialog", name="Rotate secret")
    secret = dialog.get_by_label("Secret", exact=True).inner_text()
    assert dialog.get_by_role("button", name="Rotate", exact=True).is_disabled()
    hands.press("checkbox", "I have stored it", key="Space")
    hands.press("button", "Rotate", within=dialog)
    assert hands.presses <= 3
    page.get_by_text("The secret was rotated.").wait_for()
    world.engine.settle_hooks()
    before = len(world.receiver.got("/ok"))
    world.engine.post_event("order.signed", {"number": 1})
    request = world.receiver.wait(before + 1, "/ok")[-1]
    assert (
        request.headers["pulumi-webhook-signature"]
        == hmac.new(secret.encode(), request.body, hashlib.sha256).hexdigest()
    )
    assert len(request.headers["webhook-signature"].split()) == 2  # the old one, too


def test_why_an_event_did_not_match(hands, world):
    page = hands.page
    page.get_by_role("searchbox").focus()
    page.keyboard.type(world.event)
    page.keyboard.press("Enter")
    hands.presses += 1
    hooks = hands.region("Which webhooks want it")
    assert hands.presses <= 2
    wants = hooks.get_by_role("listitem").filter(has=page.get_by_role("link", name="crm"))
    not_wanted = hooks.get_by_role("listitem").filter(
        has=page.get_by_role("link", name="billing")
    )
    assert "wants it" in wants.inner_text()
    assert "does not" in not_wanted.inner_text() and "filters" in not_wanted.inner_text()


TYPES = [
    ("raw", "Payload URL", "/new"),
    ("ms_teams", "Microsoft Teams webhook URL", "/new"),
    ("slack", "Slack webhook URL", "https://hooks.slack.com/services/T/B/x"),
    ("pulumi_deployments", "Stack to deploy", "website/prod"),
]


@pytest.mark.parametrize("kind, label, url", TYPES, ids=[kind for kind, *_ in TYPES])
def test_a_webhook_of_each_type_is_made(hands, world, kind, label, url):
    page = hands.page
    url = world.receiver.url(url) if url.startswith("/") else url
    api = "/api/orgs/acme/hooks"
    if kind == "pulumi_deployments":  # only at a stack or an environment
        assert (
            page.goto("/dashboard/o/acme/hooks/new")
            and hands.find("radio", re.compile("Deployment")).is_disabled()
        )
        api = "/api/stacks/acme/website/prod/hooks"
        page.goto("/dashboard/o/acme/s/website/prod")
    hands.press("link", "Webhooks", within=page.get_by_role("navigation", name="Main"))
    hands.press("link", "Create webhook")
    hands.press(
        "radio",
        re.compile(
            {
                "raw": "^Webhook",
                "ms_teams": "Teams",
                "slack": "Slack",
                "pulumi_deployments": "Deployment",
            }[kind]
        ),
        key="Space",
    )
    hands.type("Display name", f"made {kind}")
    hands.type("Name", f"made-{kind}")
    hands.type(label, url)
    hands.press("radio", "Only these events", key="Space")
    hands.press("checkbox", "update_failed", key="Space")
    hands.type("Kinds of your own", "order.*")
    page.keyboard.press("Enter")
    hands.press("button", "Create")
    hands.find("heading", f"made {kind}")
    made = world.engine.api("GET", f"{api}/made-{kind}").json()
    assert (made["format"], made["payloadUrl"], made["active"]) == (kind, url, True)
    assert sorted(made["filters"]) == ["order.*", "update_failed"]
    assert world.engine.api("DELETE", f"{api}/made-{kind}").status == 204


def test_a_webhook_of_akinon_is_made(hands, world):
    page = hands.page
    place = f"/dashboard/o/{'5f' * 12}/a/{'6a' * 12}"
    page.goto(f"{place}/hooks")
    page.get_by_text("No webhook yet.").wait_for()
    hands.press("link", "Create webhook")
    hands.type("Display name", "Build watcher")
    hands.type("URL", world.receiver.url("/ok"))
    hands.type("Kinds of your own", "deployment.build.created")
    page.keyboard.press("Enter")
    hands.press("button", "Create and ping")
    hands.find("heading", re.compile("^ping"))
    assert "Delivered: the receiver answered 200" in hands.region("Why").inner_text()
    made = world.engine.api(
        "GET", f"/organizations/{'5f' * 12}/projects/{'6a' * 12}/settings/webhooks"
    ).json()
    assert [(one["name"], one["events"]) for one in made] == [
        ("Build watcher", ["deployment.build.created"])
    ]
    hands.press("link", "Webhooks", within=page.get_by_role("navigation", name="Main"))
    hands.press("link", "Build watcher")
    hands.region("Status").get_by_text("ok").wait_for()
    hands.press("link", "Timing")
    page.get_by_text("Outcomes of attempts").first.wait_for()


def test_a_wrong_form_says_where(hands, world):
    page = hands.page
    page.goto("/dashboard/o/acme/hooks/new")
    hands.type("Display name", "x")
    hands.type("Payload URL", "ftp://nowhere")
    page.keyboard.press("Tab")  # judged without being made
    page.get_by_text("the URL must begin with https:// or http://").wait_for()
    hands.press("button", "Create")
    page.get_by_role("alert").wait_for()
    field = page.get_by_label("Payload URL", exact=True)
    page.locator("input[name=url]:focus").wait_for()
    assert (
        field.get_attribute("aria-invalid") == "true" and field.input_value() == "ftp://nowhere"
    )


def test_a_change_sends_what_differs(hands, world):
    page = hands.page
    sent = []
    page.on(
        "request",
        lambda request: (
            sent.append(request.post_data_json) if request.method == "PATCH" else None
        ),
    )
    page.goto("/dashboard/o/acme/hooks/billing/edit")
    field = page.get_by_label("Display name", exact=True)
    field.focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("billing 2")
    hands.press("button", "Save")
    hands.find("heading", "billing 2")
    assert sent == [{"displayName": "billing 2"}]
    after = world.engine.api("GET", world.hooks["billing"]).json()
    assert (after["filters"], after["paused"]) == (["invoice.*"], True)


def test_another_place(hands):
    page = hands.page
    page.locator("body").press("g")
    page.keyboard.press("o")
    box = hands.find("combobox", "Type a part of its name")
    page.get_by_role("option", name="website/prod").wait_for()
    box.press_sequentially("websi")
    page.keyboard.press("Enter")
    hands.find("link", "deploys")
    assert page.url.endswith("/dashboard/o/acme/s/website/prod/hooks")


def test_health_is_the_first_thing_to_see(hands):
    now = hands.region("Now")
    text = now.inner_text()
    found = re.search(r"(\d+)/(\d+) up", text)
    assert found and found[1] == found[2]
    assert "Dead letters" in text and "Failing webhooks" in text


def test_a_ping_shows_its_attempt(hands, world):
    page = hands.page
    page.goto("/dashboard/o/acme/hooks/orders-eu")
    hands.press("button", "Ping")
    hands.find("heading", re.compile("^ping"))
    assert "Delivered: the receiver answered 200" in hands.region("Why").inner_text()


def test_a_reader_is_offered_nothing_to_change(browser, world):
    window = Window(browser, world.engine)
    window.log_in(org="acme", scopes=["read"])
    page = window.page
    page.get_by_role("heading", name="acme").wait_for()
    page.goto("/dashboard/o/acme/hooks/orders-eu")
    page.get_by_role("heading", name="orders-eu").wait_for()
    page.get_by_role("link", name=re.compile("order.created")).first.press("Enter")
    page.get_by_role("region", name="Why").wait_for()
    for name in (
        "Ping",
        "Redeliver",
        "Edit",
        "Pause",
        "Create webhook",
        "Replay these…",
        "Tokens",
    ):
        assert page.get_by_role("button", name=name, exact=True).count() == 0
        assert page.get_by_role("link", name=name, exact=True).count() == 0
    window.close()
