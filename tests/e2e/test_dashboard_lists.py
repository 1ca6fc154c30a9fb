# SPDX-License-Identifier: MIT
"""What is done with rows of a list of deliveries: an attempt beside it, many sent again, two
compared."""

import json
import re

import pytest

from browser import Hands, Window, browser
from conftest import running
from dashboard_world import SETTINGS, World
from engine import Engine
from support import wait_for

__all__ = ["browser"]  # a fixture

MARKED_MAX = 100


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with running(Engine(tmp_path_factory.mktemp("lists"), **SETTINGS)) as engine:
        made = World(engine)
        yield made
        made.stop()


@pytest.fixture(scope="module")
def window(browser, world):
    made = Window(browser, world.engine, viewport={"width": 1280, "height": 900})
    made.log_in()
    made.page.get_by_role("heading", name="acme").wait_for()
    yield made
    made.close()


def open_list(window, path):
    window.page.goto(f"/dashboard/o/acme{path}")
    window.page.get_by_role("table", name="Deliveries").wait_for()
    return Hands(window)


def beside(window):
    return window.page.get_by_role("complementary", name="Attempt")


def test_an_attempt_opens_beside_its_list(window, world):
    hands, page = open_list(window, "/deliveries"), window.page
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    rows = page.get_by_role("row").count()
    link = page.get_by_role("row").filter(has_text="dead").get_by_role("link").first
    link.press("Enter")
    beside(window).get_by_role("region", name="Why").wait_for()
    assert re.search(r"/hooks/crm/deliveries/[-0-9a-f]+/3$", page.url)
    assert window.barriers() == []
    hands.find("heading", "Deliveries")
    page.keyboard.press("[")
    page.wait_for_url("**/2")
    assert page.get_by_role("row", name=re.compile("order.created")).count() > 0
    # A tab of its own shows the page.
    tab = window.context.new_page()
    tab.goto(page.url)
    tab.get_by_role("main").get_by_role("region", name="Why").wait_for()
    assert tab.get_by_role("complementary").count() == 0
    tab.close()
    # Back is the list, as it was, also after a step to another attempt.
    page.go_back()
    beside(window).wait_for(state="hidden")
    assert page.url.endswith("/dashboard/o/acme/deliveries")
    assert page.title().startswith("Deliveries")
    assert page.get_by_role("row").count() == rows
    assert [url for url in asked if "/deliveries?limit=100&" in url] == []
    # Escape, too; and the focus is where it was.
    link.press("Enter")
    beside(window).get_by_role("region", name="Why").wait_for()
    page.keyboard.press("Escape")
    beside(window).wait_for(state="hidden")
    assert page.url.endswith("/dashboard/o/acme/deliveries")
    assert link.evaluate("e => e === document.activeElement")


def test_a_filter_closes_what_is_beside(window):
    open_list(window, "/hooks/crm")
    page = window.page
    page.get_by_role("row").filter(has_text="dead").get_by_role("link").first.press("Enter")
    beside(window).get_by_role("region", name="Why").wait_for()
    page.get_by_label("State").select_option("dead")
    beside(window).wait_for(state="hidden")
    assert page.url.endswith("/dashboard/o/acme/hooks/crm?state=dead")


def test_without_room_an_attempt_is_a_page(window):
    page = window.page
    page.set_viewport_size({"width": 1099, "height": 900})
    open_list(window, "/deliveries")
    page.get_by_role("row").filter(has_text="dead").get_by_role("link").first.press("Enter")
    page.get_by_role("main").get_by_role("region", name="Why").wait_for()
    assert page.get_by_role("table", name="Deliveries").count() == 0
    page.set_viewport_size({"width": 1280, "height": 900})


def test_marked_deliveries_are_sent_again(window, world):
    hands, page = open_list(window, "/hooks/orders-eu"), window.page
    before = len(world.receiver.got("/ok"))
    for key in "jxjxjx":
        page.keyboard.press(key)
    marked = hands.region("Marked deliveries")
    marked.get_by_text("3 marked").wait_for()
    refused = []

    def refuse_one(route):
        if refused:
            return route.continue_()
        refused.append(route.request.url)
        return route.fulfill(
            status=429,
            content_type="application/json",
            body=json.dumps({"code": 429, "message": "not so fast"}),
        )

    page.route("**/redeliver", refuse_one)
    hands.press("button", "Redeliver", within=marked)
    dialog = page.get_by_role("dialog", name="Redeliver")
    dialog.get_by_text("3 events are sent to their webhooks once more, now.").wait_for()
    hands.press("button", "Redeliver", within=dialog)
    page.get_by_text("2 deliveries are sent again.").wait_for()
    page.get_by_text(re.compile("1 was refused: .*not so fast")).wait_for()
    world.receiver.wait(before + 2, "/ok")
    # What was refused stays marked, to be tried again.
    marked.get_by_text("1 marked").wait_for()
    page.unroute("**/redeliver")
    hands.press("button", "Redeliver", within=marked)
    hands.press("button", "Redeliver", within=page.get_by_role("dialog"))
    page.get_by_text("1 delivery is sent again.").wait_for()
    marked.wait_for(state="hidden")
    again = world.receiver.wait(before + 3, "/ok")[before:]
    assert len({request.id for request in again}) == 3
    assert refused[0].split("/")[-2] in {request.id for request in again}


def test_no_more_are_marked_than_can_be_sent(window, world):
    for i in range(MARKED_MAX + 1):
        world.engine.post_event("order.many", {"number": i})
    wait_for(
        lambda: len(world.engine.deliveries(world.hooks["orders-eu"], "?kind=order.many&limit=200"))
        > MARKED_MAX,
        "deliveries of many events",
    )
    hands, page = open_list(window, "/hooks/orders-eu?kind=order.many"), window.page
    hands.press("button", "Older")
    wait_for(lambda: page.get_by_role("checkbox").count() > MARKED_MAX, "all rows")
    page.keyboard.press("j")
    page.keyboard.press("x")
    hands.press("button", "Mark all shown")
    page.get_by_text(f"{MARKED_MAX} marked").wait_for()
    page.get_by_text(f"No more than {MARKED_MAX} at once").wait_for()
    last = page.get_by_role("checkbox", name="Mark order.many").last
    last.press("Space")
    assert not last.is_checked() and page.get_by_text(f"{MARKED_MAX} marked").count() == 1
    hands.press("button", "Unmark")
    hands.page.get_by_role("region", name="Marked deliveries").wait_for(state="hidden")


def test_two_marked_deliveries_are_compared(window, world):
    hands, page = open_list(window, "/deliveries?kind=order.created,user.left"), window.page
    for hook in ("crm", "audit"):
        row = page.get_by_role("row").filter(has_text=hook).first
        row.get_by_role("checkbox").press("Space")
    hands.press("link", "Compare")
    hands.find("heading", "Compare attempts")
    left = page.get_by_role("region", name=re.compile("^order.created .* Attempt 3$"))
    right = page.get_by_role("region", name=re.compile("^user.left .* Attempt 1$"))
    assert "crm" in left.inner_text() and "audit" in right.inner_text()
    body = page.get_by_role("region", name="Lines that differ").first.inner_text()
    assert '"note"' in body and '"id": 1' in body


def test_an_attempt_is_compared_with_any_that_is_named(window, world):
    page = window.page
    here = f"/dashboard/o/acme/hooks/crm/deliveries/{world.event}/3"
    other = world.engine.deliveries(world.hooks["audit"])[0]["id"]
    box = page.get_by_label("Event id or address of an attempt")
    for text, region in [
        (other, f"^user.left {other[:8]}.* Attempt 1$"),
        (f"{window.base}{here[:-1]}1?tab=response", "^Attempt 1$"),
        (
            f"/dashboard/o/acme/hooks/orders-eu/deliveries/{world.event}/1",
            "^order.created .* Attempt 1$",
        ),
    ]:
        page.goto(here)
        page.get_by_text("Compare", exact=True).press("Enter")
        box.fill(text)
        box.press("Enter")
        page.get_by_role("heading", name="Compare attempts").wait_for()
        page.get_by_role("region", name=re.compile(region)).wait_for()
    page.goto(here)
    page.get_by_text("Compare", exact=True).press("Enter")
    for text in ("1", "/dashboard/o/other/hooks/x/deliveries/y/1", "https://example.com/"):
        box.fill(text)
        box.press("Enter")
        page.get_by_text("neither the id of an event").last.wait_for()
    assert page.url.endswith(here)
