# SPDX-License-Identifier: MIT
"""The form of a webhook: kinds that were seen lately, and which of the newest events it would
get; what its rotation shows, and what the list of all webhooks tells of the last hour."""

import re

import pytest

from browser import Hands, Window, browser
from conftest import running
from dashboard_world import SETTINGS, World
from engine import Engine
from support import wait_for

__all__ = ["browser"]  # a fixture


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with running(Engine(tmp_path_factory.mktemp("form"), **SETTINGS)) as engine:
        made = World(engine)
        yield made
        made.stop()


@pytest.fixture(scope="module")
def hands(browser, world):
    window = Window(browser, world.engine, viewport={"width": 1280, "height": 900})
    window.log_in()
    window.page.get_by_role("heading", name="acme").wait_for()
    yield Hands(window)
    window.close()


def test_a_draft_is_tried_with_the_newest_events(hands, world):
    page = hands.page
    page.goto("/dashboard/o/acme/hooks/new")
    hands.type("Display name", "draft")
    hands.type("Payload URL", world.receiver.url("/ok"))
    hands.press("radio", "Only these events", key="Space")
    hands.press("button", "Add order.paid")
    hands.press("button", "Which of the last 20 events would it get?")
    trial = page.get_by_role("group", name="Try")
    trial.get_by_text(re.compile(r"It would get 4 of the last \d+ events.")).wait_for()
    wanted = trial.get_by_role("listitem").filter(has_text="wants it")
    assert {row.split("\n")[1] for row in wanted.all_inner_texts()} == {"order.paid"}
    other = trial.get_by_role("listitem").filter(has_text="order.created").inner_text()
    assert "does not" in other and "none of its filters or groups wants this kind" in other
    assert hands.window.barriers() == []
    # What the form says now is another question.
    hands.press("button", "Add order.created")
    trial.get_by_role("listitem").first.wait_for(state="detached")
    hands.press("button", "Which of the last 20 events would it get?")
    trial.get_by_text(re.compile(r"It would get 5 of")).wait_for()
    assert all(
        hook["name"] != "draft" for hook in world.engine.api("GET", "/api/orgs/acme/hooks").json()
    )


def test_a_change_is_tried_with_the_newest_events(hands, world):
    page = hands.page
    page.goto("/dashboard/o/acme/hooks/billing/edit")
    hands.press("button", "Remove invoice.*")
    hands.press("button", "Add user.left")
    hands.press("button", "Which of the last 20 events would it get?")
    page.get_by_text(re.compile(r"It would get 1 of the last \d+ events.")).wait_for()
    assert world.engine.api("GET", world.hooks["billing"]).json()["filters"] == ["invoice.*"]


def test_a_wrong_draft_says_what_is_wrong(hands, world):
    page = hands.page
    page.goto("/dashboard/o/acme/hooks/new")
    hands.type("Payload URL", "ftp://nowhere")
    hands.press("button", "Which of the last 20 events would it get?")
    page.get_by_role("alert").get_by_text("the URL must begin with").wait_for()


def test_a_pattern_is_judged_tried_and_shown(hands, world):
    page = hands.page
    page.goto("/dashboard/o/acme/hooks/new")
    hands.type("Display name", "large orders")
    # No address is needed for a word about the pattern.
    hands.type("Pattern", '{"payload": {"number": [{"above": 1}]}}')
    page.keyboard.press("Tab")
    page.get_by_text('pattern: payload.number: "above" is no operator').wait_for()
    page.get_by_label("Pattern", exact=True).fill('{"payload": ')
    page.keyboard.press("Tab")
    page.get_by_text("pattern: this is not JSON:").wait_for()
    assert page.get_by_label("Pattern", exact=True).get_attribute("aria-invalid") == "true"
    page.get_by_text("Examples of patterns").press("Enter")
    hands.press("button", "A total above 100")
    page.get_by_text("pattern: ").wait_for(state="detached")
    assert '"numeric"' in page.get_by_label("Pattern", exact=True).input_value()
    page.get_by_label("Pattern", exact=True).fill('{"payload": {"number": [{"numeric": [">", 2]}]}}')
    hands.press("button", "Which of the last 20 events would it get?")
    trial = page.get_by_role("group", name="Try")
    trial.get_by_text(re.compile(r"It would get 2 of the last \d+ events.")).wait_for()
    trial.get_by_text('payload.number is 1; it must be {"numeric":[">",2]}').wait_for()
    assert hands.window.barriers() == []
    hands.type("Payload URL", world.receiver.url("/ok"))
    page.get_by_label("Name", exact=True).fill("large")
    hands.press("button", "Create")
    hands.find("heading", "large orders")
    hook = "/api/orgs/acme/hooks/large"
    pattern = {"payload": {"number": [{"numeric": [">", 2]}]}}
    assert world.engine.api("GET", hook).json()["pattern"] == pattern
    hands.press("link", "Settings")
    page.get_by_role("region", name="Pattern").get_by_text('"numeric"').wait_for()
    page.goto(f"/dashboard/o/acme/events/{world.event}")
    verdicts = hands.region("Which webhooks want it").get_by_role("listitem")
    verdicts.filter(has=page.get_by_role("link", name="large orders")).get_by_text(
        "made or switched on after the event").or_(page.get_by_text("payload.number is 7")).wait_for()
    page.goto("/dashboard/o/acme/hooks")
    page.get_by_role("row").filter(has_text="large orders").get_by_text("Pattern").wait_for()
    # Without a change nothing of it is sent; numbers that a browser rounds stay as they are.
    page.goto("/dashboard/o/acme/hooks/large/edit")
    page.get_by_label("Pattern", exact=True).fill("")
    hands.press("button", "Save")
    hands.find("heading", "large orders")
    assert "pattern" not in world.engine.api("GET", hook).json()
    exact = b'{"payload":{"id":[12345678901234567890]}}'
    world.engine.api("PATCH", hook, {"pattern": exact.decode()})
    page.goto("/dashboard/o/acme/hooks/large/edit")
    page.get_by_text("A browser would round its numbers").wait_for()
    page.get_by_label("Display name").fill("renamed")
    hands.press("button", "Save")
    hands.find("heading", "renamed")
    assert exact in world.engine.api("GET", hook).body
    assert world.engine.api("DELETE", hook).status == 204


def test_a_filter_that_would_is_made_from_the_reason(hands, world):
    page = hands.page
    page.goto(f"/dashboard/o/acme/events/{world.event}")
    verdicts = hands.region("Which webhooks want it").get_by_role("listitem")
    link = verdicts.filter(has=page.get_by_role("link", name="billing")).get_by_role(
        "link", name="Make a filter that would"
    )
    link.press("Enter")
    page.get_by_text("Proposed: order.created. Nothing is changed until you save.").wait_for()
    page.get_by_role("button", name="Remove order.created").wait_for()
    assert page.get_by_role("button", name="Remove invoice.*").count() == 1
    assert world.engine.api("GET", world.hooks["billing"]).json()["filters"] == ["invoice.*"]
    # A webhook that is of another place is not helped by a filter.
    page.go_back()
    elsewhere = verdicts.filter(has=page.get_by_role("link", name="deploys"))
    elsewhere.wait_for()
    assert elsewhere.get_by_role("link").count() == 1


def test_the_last_hour_of_every_webhook(hands, world):
    page = hands.page

    def label(name):
        page.goto("/dashboard/o/acme/hooks")
        row = page.get_by_role("row").filter(has=page.get_by_role("link", name=name, exact=True))
        row.wait_for()
        picture = row.get_by_role("img")
        return picture.get_attribute("aria-label") if picture.count() else ""

    wait_for(lambda: label("orders-eu") == "100 % of 5 attempts delivered", "statistics")
    assert label("crm") == "0 % of 3 attempts delivered"
    assert label("billing") == ""
    # A stack's own list tells it, too.
    world.engine.api("POST", f"{world.hooks['deploys']}/ping")
    page.goto("/dashboard/o/acme/s/website/prod/hooks")
    page.get_by_role("columnheader", name="Last hour").wait_for()
    page.get_by_role("row").filter(has=page.get_by_role("link", name="deploys")).wait_for()
    assert page.get_by_role("row").count() == 2


def test_what_a_rotation_leaves_is_told(hands, world):
    page, engine = hands.page, world.engine
    page.goto("/dashboard/o/acme/hooks/orders-eu")
    page.get_by_label("Actions of orders-eu").press("Enter")
    hands.press("button", "Rotate secret")
    hands.press("checkbox", "I have stored it", key="Space")
    hands.press("button", "Rotate", within=page.get_by_role("dialog"))
    told = hands.region("Rotate secret")
    told.get_by_text("2 secrets sign webhook-signature.").wait_for()
    engine.settle_hooks()
    engine.post_event("order.signed", {"number": 1})
    told.get_by_text("1 attempt has succeeded since").wait_for()


def test_settings_say_where_they_come_from(hands, world):
    page = hands.page
    page.goto("/dashboard/system")
    settings = hands.region("Settings")
    row = settings.get_by_role("row").filter(has_text="retry_schedule").first
    row.wait_for()
    assert "100ms" in row.inner_text() and "default" in row.inner_text()
    whole = settings.get_by_role("row").count()
    hands.press("checkbox", "Changed ones only", key="Space")
    assert 1 < settings.get_by_role("row").count() < whole
    settings.get_by_label("Text").fill("retry_schedule")
    assert settings.get_by_role("row").count() <= 3
    assert world.engine.token not in page.content()
