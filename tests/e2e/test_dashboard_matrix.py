# SPDX-License-Identifier: MIT
"""Every screen of the dashboard in each of its states, light and dark, wide and narrow: with
--long. What is looked at is what test_dashboard_screens looks at in a sample."""

import json
import re

import pytest

from browser import WCAG, browser
from test_dashboard_screens import (
    EMPTY,
    SCREENS,
    STATES,
    WAYS,
    address,
    judge,
    look,
    settle,
    windows,
    world,
)

__all__ = ["browser", "windows", "world"]  # fixtures

pytestmark = pytest.mark.long

API = "**/api/**"
# What the frame needs; without it there is no screen at all.
FRAME = ("/api/session",)
LOST = "The server does not answer."
# A stream that cannot be had is no error: rows are asked for instead, or it is tried again.
POLLED = re.compile("No stream is free: asked every 5 s|Connecting again…")
# Places in which a webhook has had nothing to do.
EMPTY_TABS = [
    ("", "No delivery matches."),
    ("/timing", "Only 0 attempts: percentiles say little."),
    ("/replays", "No replay in the last week."),
    ("/live", "Attempts appear here as they happen."),
]
each_way = pytest.mark.parametrize("theme, size", WAYS, ids=["-".join(way) for way in WAYS])


def each(rows):
    return pytest.mark.parametrize("i", range(len(rows)), ids=[row[0] or "first" for row in rows])


class Answers:
    """Stands between a page and the API; the frame's own questions pass."""

    def __init__(self, window, answer):
        self.window = window
        self.answer = answer
        self.asked = []

    def __enter__(self):
        self.window.page.route(API, self.on_request)
        return self

    def on_request(self, route):
        if route.request.url.endswith(FRAME):
            route.continue_()
            return
        self.asked.append(route.request.url)
        self.answer(route)

    def __exit__(self, *error):
        page = self.window.page
        page.unroute(API)
        page.goto("about:blank")  # nothing of it comes later
        # What the browser itself says of an answer that is none.
        self.window.faults[:] = [
            fault for fault in self.window.faults if "Failed to load resource" not in fault
        ]


def refusing(status):
    def answer(route):
        body = json.dumps({"code": status, "message": "because of this"})
        route.fulfill(
            status=status,
            content_type="application/json",
            headers={"Retry-After": "9"},
            body=body,
        )

    return answer


def see_refused(page, asked, text):
    """What the page makes of it; a screen that asks for nothing is as it always is."""
    if any(url.split("?")[0].endswith("/tail") for url in asked) and "/live" in page.url:
        page.get_by_text(POLLED).or_(page.get_by_text(text)).first.wait_for()
    elif asked:
        page.get_by_role("alert").get_by_text(text).first.wait_for()


@each_way
@each(SCREENS)
def test_a_screen_in_every_state(windows, world, i, theme, size):
    name, path, text = SCREENS[i]
    path = address(world, path)
    window = windows(theme, size)
    page = window.page
    look(window, path, text, f"{name}-{theme}-{size}")
    for status, words in [*STATES, (0, LOST)]:
        answer = refusing(status) if status else lambda route: route.abort()
        with Answers(window, answer) as api:
            page.goto(path)
            page.locator("h1").first.wait_for()
            page.wait_for_load_state("networkidle")
            see_refused(page, api.asked, words)
            judge(page, f"{name}-{status}-{theme}-{size}")
    with Answers(window, refusing(401)) as api:
        page.goto(path)
        page.wait_for_load_state("networkidle")
        if api.asked and "/live" not in path:
            page.get_by_label("Token").wait_for()
        judge(page, f"{name}-401-{theme}-{size}")
    assert window.faults == []


@each_way
@each(SCREENS)
def test_a_screen_while_it_loads(windows, world, i, theme, size):
    name, path, text = SCREENS[i]
    window = windows(theme, size)
    page = window.page
    held = []
    with Answers(window, held.append) as api:
        page.goto(address(world, path), wait_until="domcontentloaded")
        page.locator("main").wait_for()
        page.wait_for_timeout(300)  # a skeleton is drawn after 150 ms
        if not api.asked:
            return
        judge(page, f"{name}-loading-{theme}-{size}", WCAG)  # its heading is loaded, too
        for route in held:
            route.continue_()
        api.answer = lambda route: route.continue_()
        page.get_by_text(text).first.wait_for()
        settle(page)
    assert window.faults == []


@each_way
@each(EMPTY)
def test_nothing_is_there(windows, i, theme, size):
    path, text = EMPTY[i]
    name = path.replace("/", "-").split("?")[0] or "-overview"
    look(
        windows(theme, size),
        f"/dashboard/o/nobody{path}",
        text,
        f"empty{name}-{theme}-{size}",
    )


@each_way
@each(EMPTY_TABS)
def test_a_webhook_has_had_nothing_to_do(windows, i, theme, size):
    path, text = EMPTY_TABS[i]
    name = path.replace("/", "-") or "-hook"
    prefix = "/dashboard/o/acme/s/website/prod/hooks/deploys"
    look(windows(theme, size), prefix + path, text, f"empty-hook{name}-{theme}-{size}")
