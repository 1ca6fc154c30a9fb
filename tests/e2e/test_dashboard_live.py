# SPDX-License-Identifier: MIT
"""What happens now, in several tabs and when much happens."""

import pytest

from browser import Window, browser
from conftest import running
from dashboard_world import World, SETTINGS
from engine import Engine
from support import wait_for

__all__ = ["browser"]  # a fixture

EVENTS = 2000
SHOWN_MAX = 200  # rows on the page of what happens now
DRAWN_MAX = 20  # of them at once
LIST_MAX = 500  # rows of a list
LIST_PAGE = 100


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with running(Engine(tmp_path_factory.mktemp("live"), **SETTINGS)) as engine:
        made = World(engine)
        yield made
        made.stop()


@pytest.fixture
def window(browser, world):
    made = Window(browser, world.engine)
    made.log_in()
    made.page.get_by_role("heading", name="acme").wait_for()
    yield made
    made.close()


def follow(page):
    page.goto("/dashboard/o/acme/live")
    page.locator(".list-actions").get_by_text("Live").wait_for()


def test_tabs_share_one_stream(window, world):
    tabs = [window.page, window.context.new_page(), window.context.new_page()]
    streams = []  # that have begun
    for tab in tabs:
        tab.on(
            "response",
            lambda answer, tab=tab: (
                streams.append(tab) if answer.url.endswith("/tail") else None
            ),
        )
        follow(tab)
    event = world.engine.post_event("order.shared", {"number": 1})
    for tab in tabs:
        tab.get_by_role("link", name=f"order.shared {event[:8]}").first.wait_for()
    assert streams == [tabs[0]]
    # The next tab goes on when this one ends, and both say that they may have missed some.
    tabs[0].close()
    wait_for(lambda: tabs[1].title() and len(streams) == 2, "another tab reads the stream")
    event = world.engine.post_event("order.after", {"number": 1})
    for tab in tabs[1:]:
        tab.get_by_role("link", name=f"order.after {event[:8]}").first.wait_for()
        assert tab.get_by_text("Here something may be missing").count() == 1
    window.page = tabs[1]


def test_the_page_answers_while_much_happens(window, world):
    page = window.page
    follow(page)
    page.evaluate("""() => {
        window.drawn = [];
        new MutationObserver((changes) => window.drawn.push(changes.reduce((n, c) => n + c.addedNodes.length, 0)))
            .observe(document.querySelector('.live-list'), { childList: true });
    }""")
    world.engine.post_batch(
        [{"kind": "order.many", "payload": {"number": i}} for i in range(EVENTS)]
    )
    # Every one of them came, and is shown or counted.
    page.wait_for_function(
        """(n) => document.querySelectorAll('.live-list > li').length
            + Number(document.querySelector('.live > p').textContent.replace(/\\D/g, '')) >= n""",
        arg=EVENTS,
    )
    assert 0 < page.locator(".live-list > li").count() <= SHOWN_MAX
    # So the page answers in between, however many attempts a second there are.
    assert 0 < max(page.evaluate("window.drawn")) <= DRAWN_MAX
    # What is typed arrives, too.
    page.get_by_label("Kind").fill("order.none")
    page.keyboard.press("Enter")
    page.get_by_text("Attempts appear here as they happen.").wait_for()


def test_older_pages_make_room(window, world):
    """However far back somebody reads, the page holds no more."""
    world.engine.post_batch(
        [{"kind": "order.old", "payload": {"number": i}} for i in range(LIST_MAX + 250)]
    )
    hook = world.hooks["orders-eu"]
    wait_for(
        lambda: world.engine.deliveries(hook, "?kind=order.old&limit=1000")[LIST_MAX + 249 :],
        "all are sent",
    )
    page = window.page
    page.goto("/dashboard/o/acme/deliveries?kind=order.old")
    rows = page.get_by_role("table").locator("tbody tr")
    for n in range(1, 8):
        page.wait_for_function(
            "n => document.querySelectorAll('main tbody tr').length === n",
            arg=min(n * LIST_PAGE, LIST_MAX),
        )
        last = rows.last.locator("a").get_attribute("href")
        page.get_by_role("button", name="Older").press("Enter")
        # The reader goes on where the older ones begin.
        page.wait_for_function("href => document.activeElement.closest('tr')"
                               "?.previousElementSibling?.querySelector('a').getAttribute('href') === href",
                               arg=last)
    page.get_by_text("250 newer attempts made room.").wait_for()
    assert rows.count() == LIST_MAX and page.get_by_role("button", name="Older").count() == 0
    page.get_by_role("button", name="Newest").press("Enter")
    page.get_by_text("made room").wait_for(state="detached")
    assert rows.count() == LIST_PAGE


def test_a_gap_is_said_where_it_is(window, world):
    page = window.page
    follow(page)
    first = world.engine.post_event("order.before", {"number": 1})
    page.get_by_role("link", name=f"order.before {first[:8]}").wait_for()
    # As a browser says of a tab that another one covers, and that is shown again.
    for is_hidden in ("true", "false"):
        page.evaluate(
            f"Object.defineProperty(document, 'hidden', {{ configurable: true, value: {is_hidden} }});"
            "document.dispatchEvent(new Event('visibilitychange'))"
        )
        page.get_by_text(
            "Stopped while hidden" if is_hidden == "true" else "Here something may be missing"
        ).first.wait_for()
    page.locator(".list-actions").get_by_text("Live").wait_for()
    last = world.engine.post_event("order.behind", {"number": 1})
    page.get_by_role("link", name=f"order.behind {last[:8]}").wait_for()
    lines = page.get_by_role("list", name="Live").inner_text()
    assert (
        lines.index("order.behind")
        < lines.index("Here something")
        < lines.index("order.before")
    )


def test_a_stream_that_is_refused_is_replaced_by_questions(window, world):
    page = window.page
    page.route(
        "**/tail",
        lambda route: route.fulfill(
            status=429,
            content_type="application/json",
            body='{"code":429,"message":"no stream is free"}',
        ),
    )
    page.goto("/dashboard/o/acme/live")
    page.get_by_text("No stream is free: asked every 5 s").wait_for()
    event = world.engine.post_event("order.asked", {"number": 1})
    page.get_by_role("link", name=f"order.asked {event[:8]}").first.wait_for()
    page.unroute("**/tail")
