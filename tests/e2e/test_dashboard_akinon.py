# SPDX-License-Identifier: MIT
"""An organization of Akinon's in the dashboard: what one of Pulumi's has, over its projects."""

import re

import pytest

from browser import Hands, Window, browser
from conftest import running
from dashboard_world import SETTINGS
from engine import Engine
from receiver import Answer, Receiver
from support import compact, wait_for

__all__ = ["browser"]  # a fixture

ORG = "5f0c1a2b3c4d5e6f70819203"
PROJECTS = ("63ea10b94a472e0033052321", "63ea10b94a472e0033052322")
HOME = f"/dashboard/o/{ORG}"


class World:
    def __init__(self, engine, receiver):
        self.engine, self.receiver = engine, receiver
        receiver.script("/busy", *[Answer(503, b"try later")] * 3)
        self.ids = [self.hook(0, "shop watcher", "/ok"), self.hook(1, "app watcher", "/busy")]
        engine.settle_hooks()
        self.events = [self.post(0), self.post(1), self.post(0)]
        wait_for(
            lambda: engine.api("GET", f"/organizations/{ORG}/stats").json()["1h"]["attempts"] == 5,
            "the sums are written",
        )

    def hook(self, no, name, path):
        reply = self.engine.api(
            "POST",
            f"/organizations/{ORG}/projects/{PROJECTS[no]}/settings/webhooks",
            {"name": name, "url": self.receiver.url(path), "events": ["deployment.build.created"]},
        )
        assert reply.status == 201, reply
        return reply.json()["_id"]

    def post(self, no):
        reply = self.engine.request(
            self.engine.ingest_port,
            "POST",
            f"/organizations/{ORG}/projects/{PROJECTS[no]}/events",
            compact({"event": "deployment.build.created", "data": {"build": no}}).encode(),
            {"Content-Type": "application/json"},
        )
        assert reply.status == 202, reply
        return reply.json()["id"]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with running(Engine(tmp_path_factory.mktemp("akinon"), **SETTINGS)) as engine:
        receiver = Receiver()
        yield World(engine, receiver)
        receiver.stop()


@pytest.fixture(scope="module")
def hands(browser, world):
    window = Window(browser, world.engine, viewport={"width": 1280, "height": 900})
    window.log_in()
    # The only organization there is.
    window.page.wait_for_url(f"**{HOME}")
    yield Hands(window)
    window.close()


def go(hands, *links):
    for link in links:
        hands.press("link", link, within=hands.page.get_by_role("navigation", name="Main"))


def test_the_overview_has_its_figures_and_what_fails(hands):
    page = hands.page
    page.goto(HOME)
    figures = hands.region("Now").inner_text()
    assert re.search(r"Dead letters\s+1", figures) and re.search(r"of 2", figures)
    page.get_by_text("% of 5 attempts delivered").wait_for()
    page.get_by_text("Outcomes of attempts").first.wait_for()
    hands.presses = 0
    hands.press("link", "app watcher", within=hands.region("Needs attention"))
    hands.region("Status").get_by_text("failing").first.wait_for()
    row = page.get_by_role("row").filter(has_text="dead")
    hands.press("link", re.compile("deployment.build.created"), within=row)
    assert "answered 503" in hands.region("Why").inner_text() and hands.presses <= 2
    assert hands.window.barriers() == []


def test_its_webhooks_tell_of_their_last_hour_and_are_made_in_projects(hands):
    page = hands.page
    go(hands, "Overview", "Webhooks")
    row = page.get_by_role("row").filter(has_text="shop watcher")
    assert row.get_by_role("img").get_attribute("aria-label") == "100 % of 2 attempts delivered"
    assert PROJECTS[0] in row.inner_text()
    assert page.get_by_role("link", name="Create webhook").count() == 0
    hands.press("button", "Choose a project")
    dialog = page.get_by_role("dialog", name="Switch place")
    dialog.get_by_role("option").filter(has_text=PROJECTS[1]).wait_for()
    hands.type("Another", "63ea10b94a472e0033052323")
    page.keyboard.press("Enter")
    page.get_by_text("No webhook yet.").wait_for()
    page.get_by_role("link", name="Create webhook").wait_for()


def test_deliveries_and_events_lead_to_their_projects(hands, world):
    page = hands.page
    go(hands, "Deliveries")
    table = page.get_by_role("table", name="Deliveries")
    table.get_by_role("row").nth(3).wait_for()
    assert table.get_by_role("row").count() == 4  # with its head
    row = table.get_by_role("row").filter(has_text="delivered").first
    hands.press("link", re.compile("^deployment.build.created"), within=row)
    page.wait_for_url(f"**{HOME}/a/{PROJECTS[0]}/hooks/{world.ids[0]}/deliveries/*/1")
    go(hands, "Events")
    hands.press("link", world.events[1])
    verdict = hands.region("Which webhooks want it").get_by_role("listitem")
    assert "app watcher" in verdict.inner_text() and verdict.count() == 1
    hands.press("link", "Change and try")
    hands.press("button", "Try")
    hands.region("What would happen").get_by_text("app watcher").wait_for()


def test_dead_letters_are_replayed_with_a_preview_and_progress(hands):
    page = hands.page
    page.goto(f"{HOME}/deliveries?state=dead")
    page.get_by_role("table", name="Deliveries").get_by_role("row").nth(1).wait_for()
    hands.press("link", "Replay these…")
    page.get_by_text("1 delivery would be sent.").wait_for()
    hands.press("button", "Send 1 delivery")
    page.wait_for_url(f"**{HOME}/replays")
    card = page.get_by_role("main").get_by_role("listitem").first
    card.get_by_text("done").wait_for()
    assert "1 of 1" in card.inner_text()
    # And of one webhook, from its own page.
    go(hands, "Webhooks")
    hands.press("link", "shop watcher")
    hands.press("link", "Replay these…")
    page.get_by_text("No delivery matches: nothing would be sent.").wait_for()


def test_what_happens_now_is_seen(hands, world):
    page = hands.page
    go(hands, "Live")
    page.get_by_text("Live", exact=True).last.wait_for()
    event = world.post(0)
    line = page.get_by_role("listitem").filter(has_text=event[:8])
    line.get_by_text(f"{PROJECTS[0]} / {world.ids[0]}").wait_for()
