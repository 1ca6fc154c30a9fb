# SPDX-License-Identifier: MIT
"""Every screen of the dashboard and its states: no fault of accessibility that axe finds, no
message on the console, nothing that has to be scrolled sideways; and bytes of others as text.

POSTHORN_SHOTS=DIRECTORY keeps pictures of what was looked at. PICTURES_WRITE=1 makes the two
of the README anew.
"""

import json
import os
import pathlib
import re
import struct
import zlib

import pytest

from browser import WCAG, Window, browser, violations
from conftest import running
from dashboard_world import HOSTILE, SETTINGS, World
from engine import Engine
from support import ROOT

__all__ = ["browser"]  # a fixture

RULES = [*WCAG, "best-practice"]
SIZES = {"wide": {"width": 1280, "height": 900}, "narrow": {"width": 390, "height": 844}}
SHOTS = os.environ.get("POSTHORN_SHOTS")
# Name, address, and what is there once it is drawn.
SCREENS = [
    ("overview", "", "Outcomes of attempts"),
    ("hooks", "/hooks", "orders-eu"),
    ("hook", "/hooks/crm", "order.created"),
    ("timing", "/hooks/crm/timing", "Latency by phase"),
    ("settings", "/hooks/orders-eu/settings", "Waits between attempts"),
    ("hook-replays", "/hooks/crm/replays", "No replay in the last week."),
    ("hook-live", "/hooks/crm/live", "per second"),
    ("create", "/hooks/new?type=raw", "Payload URL"),
    ("edit", "/hooks/deploys/edit", "Deployments"),
    ("attempt", "{attempt}", "First byte"),
    ("response", "{attempt}?tab=response", "try later"),
    ("signature", "{attempt}?tab=signature", "Secret of the webhook"),
    ("compare", "{attempt}?with=3&all=1", "Response headers"),
    ("deliveries", "/deliveries", "order.paid"),
    ("dead", "/deliveries?state=dead", "order.created"),
    ("events", "/events", "order.paid"),
    ("event", "/events/{event}", "Which webhooks want it"),
    ("explain", "/explain?event={event}", "Kind of the event"),
    ("replays", "/replays", "No replay in the last week."),
    ("replay-new", "/replays/new?state=dead", "would be sent"),
    ("live", "/live", "per second"),
    ("tokens", "/tokens", "No token yet."),
    ("system", "system", "dispatcher"),
    ("lost", "/nowhere", "There is nothing at this address."),
]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with running(Engine(tmp_path_factory.mktemp("screens"), **SETTINGS)) as engine:
        made = World(engine)
        yield made
        made.stop()


@pytest.fixture(scope="module")
def windows(browser, world):
    """Logged in, by theme and size; kept for all tests of the file."""
    made = {}

    def get(theme, size):
        if (theme, size) not in made:
            made[theme, size] = Window(
                browser, world.engine, viewport=SIZES[size], color_scheme=theme
            )
            made[theme, size].log_in()
            made[theme, size].page.get_by_role("heading", name="acme").wait_for()
        return made[theme, size]

    yield get
    for window in made.values():
        window.close()


def address(world, path):
    if path == "system":
        return "/dashboard/system"
    prefix = "/dashboard/o/acme"
    if path == "/hooks/deploys/edit":
        prefix += "/s/website/prod"
    return prefix + path.format(
        attempt=f"/hooks/crm/deliveries/{world.event}/1", event=world.event
    )


def settle(page):
    """Until nothing loads any more."""
    page.locator("h1").first.wait_for()
    page.locator("[aria-busy]").first.wait_for(state="detached")


def judge(page, name, rules=RULES):
    """Axe, and what measure() sees."""
    assert violations(page, rules) == []
    measure(page, name)


def measure(page, name):
    """The width; and a picture."""
    too_wide = page.evaluate(
        "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    )
    assert not too_wide, f"{name} is scrolled sideways"
    if SHOTS:
        pathlib.Path(SHOTS).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)


def look(window, path, text, name, is_link=False):
    """Opens it anew, as in a new tab, or by a link."""
    page = window.page
    if is_link:
        window.go(path)
    else:
        page.goto(path)
    page.get_by_text(text).first.wait_for()
    settle(page)
    judge(page, name)


WAYS = [("light", "wide"), ("dark", "narrow"), ("light", "narrow"), ("dark", "wide")]


@pytest.mark.parametrize("i", range(len(SCREENS)), ids=[name for name, *_ in SCREENS])
def test_a_screen(windows, world, i):
    """Once, each in another way than its neighbours; for pictures in all ways."""
    name, path, text = SCREENS[i]
    for theme, size in WAYS if SHOTS else [WAYS[i % len(WAYS)]]:
        look(windows(theme, size), address(world, path), text, f"{name}-{theme}-{size}")


EMPTY = [
    ("", "Nothing was sent in this time."),
    ("/hooks", "No webhook yet."),
    ("/deliveries", "No delivery matches."),
    ("/events", "No event was accepted yet."),
    ("/replays", "No replay in the last week."),
    ("/replays/new?state=dead", "nothing would be sent"),
    ("/explain", "Kind of the event"),
]


@pytest.mark.parametrize("path, text", EMPTY, ids=[path or "overview" for path, _ in EMPTY])
def test_nothing_is_there(windows, path, text):
    name = re.sub(r"\W+", "-", path) or "-overview"
    window = windows("dark", "wide")
    look(window, f"/dashboard/o/nobody{path}", text, f"empty{name}", is_link=True)


STATES = [
    (403, "This session may not do that."),
    (404, "There is no such thing, or it is not yours."),
    (410, "The payload is past retention."),
    (429, "Too many requests."),
    (503, "The server cannot answer just now."),
]
# Pairwise: each state with two screens, each of these with its own way to ask.
SAMPLE = [
    (path, api, *STATES[(i * 2 + j) % len(STATES)])
    for i, (path, api) in enumerate(
        [
            ("/hooks", "**/hooks?*"),
            ("/deliveries", "**/deliveries?*"),
            ("/events/{event}", "**/api/**/events/*"),
            ("/hooks/crm", "**/hooks/crm"),
            ("/replays", "**/api/**/replays"),
            ("", "**/stats/series*"),
        ]
    )
    for j in range(2)
]


@pytest.mark.parametrize(
    "path, api, status, text",
    SAMPLE,
    ids=[f"{path or 'overview'}-{status}" for path, _, status, _ in SAMPLE],
)
def test_what_the_server_refuses(windows, world, path, api, status, text):
    window = windows("light", "narrow")
    page = window.page
    page.route(
        api,
        lambda route: (
            route.fulfill(
                status=status,
                headers={"Retry-After": "9"},
                content_type="application/json",
                body=json.dumps({"code": status, "message": "because of this"}),
            )
            if "/api/" in route.request.url
            else route.continue_()
        ),
    )
    window.go(address(world, path))
    page.get_by_role("alert").get_by_text(text).first.wait_for()
    page.get_by_text("because of this").first.wait_for()
    judge(page, f"refused-{status}{re.sub(r'[^a-z]+', '-', path)}")
    page.unroute(api)
    window.faults[:] = [
        fault
        for fault in window.faults
        if "the server responded with a status of 503" not in fault
    ]
    # What is loaded again by itself may have done so in between.
    page.evaluate("document.querySelector('[role=alert] button')?.click()")
    page.get_by_role("alert").first.wait_for(state="detached")


def test_a_screen_while_it_loads(windows):
    window = windows("light", "wide")
    page = window.page
    held = []
    page.route("**/deliveries?*", lambda route: held.append(route))
    page.goto("/dashboard/o/acme/deliveries")
    page.get_by_text("Loading…").wait_for(state="attached")
    judge(page, "loading")
    for route in held:
        route.continue_()
    page.unroute("**/deliveries?*")
    page.get_by_role("table").wait_for()


def test_the_server_is_away_and_comes_back(windows):
    window = windows("light", "wide")
    page = window.page
    page.goto("/dashboard/o/acme/hooks")
    page.get_by_role("table").wait_for()
    window.context.set_offline(True)
    page.get_by_text("You are offline.").wait_for()
    page.get_by_role("link", name="Events", exact=True).press("Enter")
    page.get_by_role("alert").first.wait_for()
    judge(page, "offline")
    window.context.set_offline(False)
    window.faults.clear()  # what the browser says of it
    page.get_by_text("You are offline.").wait_for(state="hidden")
    page.get_by_role("button", name=re.compile("^Try again")).first.press("Enter")
    page.get_by_role("heading", name="The newest events, and how many webhooks wanted them").wait_for()


def test_a_session_that_ends_asks_for_a_login_and_comes_back(browser, world):
    window = Window(browser, world.engine)
    page = window.page
    page.goto("/dashboard/o/acme/hooks")
    page.get_by_label("Token").wait_for()
    judge(page, "login")
    page.get_by_label("Token").fill("wrong")
    page.get_by_role("button", name="Log in").press("Enter")
    page.get_by_text("This token is not valid.").wait_for()
    page.get_by_label("Token").fill(world.engine.token)
    page.get_by_role("button", name="Log in").press("Enter")
    page.get_by_role("link", name="orders-eu").wait_for()
    window.context.clear_cookies()
    page.get_by_role("link", name="Events", exact=True).press("Enter")
    page.get_by_label("Token").wait_for()
    assert page.url.endswith("/dashboard/o/acme/events")
    window.close()


DIALOGS = [("?", "Keys"), ("g o", "Switch place")]


@pytest.mark.parametrize("keys, title", DIALOGS)
def test_a_dialog(windows, keys, title):
    window = windows("dark", "wide")
    page = window.page
    page.goto("/dashboard/o/acme/hooks")
    page.get_by_role("table").wait_for()
    for key in keys.split():
        page.keyboard.press(key)
    page.get_by_role("dialog", name=title).wait_for()
    judge(page, f"dialog-{title.split()[0].lower()}")
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="detached")


def test_keys_can_be_switched_off(windows):
    page = windows("dark", "wide").page
    page.goto("/dashboard/o/acme/hooks")
    page.get_by_role("table").wait_for()
    page.keyboard.press("?")
    page.get_by_label("Single keys do something").press("Space")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    assert page.get_by_role("dialog").count() == 0
    page.evaluate("localStorage.clear()")


def test_german(browser, world):
    window = Window(browser, world.engine, locale="de-DE", viewport=SIZES["narrow"])
    window.log_in()
    page = window.page
    page.get_by_role("heading", name="Braucht Aufmerksamkeit").wait_for()
    assert page.evaluate("document.documentElement.lang") == "de"
    judge(page, "german-overview")
    look(window, address(world, "{attempt}"), "Erstes Byte", "german-attempt")
    times = page.get_by_role("table", name="Wohin die Zeit ging").inner_text()
    assert re.search(r"\d (µs|ms)", times) and not re.search(r"\d\.\d", times)
    look(
        window,
        address(world, "/hooks/new?type=slack"),
        "Webhook-URL von Slack",
        "german-create",
    )
    window.close()


def test_a_very_wide_screen(browser, world):
    window = Window(browser, world.engine, viewport={"width": 2560, "height": 1200})
    window.log_in()
    window.page.get_by_text("Outcomes of attempts").first.wait_for()
    judge(window.page, "overview-2560")
    window.close()


# --- the pictures of the README ---

PICTURES_MAX_BYTES = 300_000  # together
PICTURES = [
    ("dashboard-overview", "", "Outcomes of attempts", 900),
    ("dashboard-attempt", "{attempt}", "First byte", 760),
]


def words_on(page):
    """What the screen calls its parts; nothing that differs from run to run."""
    words = page.evaluate(
        """[...document.querySelectorAll('nav a, h1, h2, main dt, main button, main .segments label')]
        .map((e) => e.innerText.trim().replace(/\\s+/g, ' ')).filter(Boolean).join(' | ')"""
    )
    return re.sub(r"\b[0-9a-f]{8}\b", "ID", words)


def with_words(png, words):
    """The picture with what it shows as its description."""
    chunk = b"tEXtDescription\0" + words.encode("latin-1", "replace")
    chunk = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return png[:33] + chunk + png[33:]


def read_picture(png):
    """Its size, and its description."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    size, at = struct.unpack(">II", png[16:24]), 33
    length = struct.unpack(">I", png[at : at + 4])[0]
    kind, text = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
    return size, text.split(b"\0", 1)[-1].decode("latin-1") if kind == b"tEXt" else None


@pytest.mark.parametrize("name, path, text, height", PICTURES, ids=[p[0] for p in PICTURES])
def test_a_picture_of_the_readme_is_of_this_screen(windows, world, name, path, text, height):
    page = windows("light", "wide").page
    page.goto(address(world, path))
    page.get_by_text(text).first.wait_for()
    settle(page)
    made = page.screenshot(clip={"x": 0, "y": 0, "width": 1280, "height": height})
    made = with_words(made, words_on(page))
    kept = ROOT / "docs" / f"{name}.png"
    if os.environ.get("PICTURES_WRITE"):
        kept.write_bytes(made)
    assert f"(docs/{name}.png)" in (ROOT / "README.md").read_text()
    # PICTURES_WRITE=1 makes it anew.
    assert read_picture(kept.read_bytes()) == read_picture(made)
    sizes = [(ROOT / "docs" / f"{each}.png").stat().st_size for each, *_ in PICTURES]
    assert min(sizes) > 10_000 and sum(sizes) <= PICTURES_MAX_BYTES


# --- bytes of others ---

HOSTILE_PAGES = [
    "/hooks",
    "/hooks/odd",
    "/hooks/odd/settings",
    "/hooks/odd/edit",
    "/deliveries",
    "/live",
]


def test_bytes_of_others_are_text(windows, world):
    window = windows("light", "wide")
    page = window.page
    odd = world.engine.deliveries(world.hooks["odd"])[0]
    paths = HOSTILE_PAGES + [
        f"/hooks/odd/deliveries/{odd['id']}/1?tab={tab}" for tab in ("request", "response")
    ]
    for path in [*paths, f"/events/{odd['id']}"]:
        page.goto(f"/dashboard/o/acme{path}")
        settle(page)
        page.wait_for_timeout(100)
        assert page.locator("main img, main script, main iframe").count() == 0, path
        assert "\u202e" not in "".join(page.locator("main pre").all_inner_texts()), path
        measure(page, f"hostile{re.sub(r'[^a-z]+', '-', path)[:30]}")
    page.goto(f"/dashboard/o/acme/hooks/odd/deliveries/{odd['id']}/1?tab=response")
    shown = page.get_by_role("region", name="Body").inner_text()
    assert HOSTILE[:30] in shown and "⟨U+202E⟩" in shown
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download").press("Enter")
    assert saved.value.suggested_filename == f"{odd['id']}-response.txt"


def test_secrets_are_nowhere_in_the_page(windows, world):
    page = windows("light", "wide").page
    for path in ("/hooks/orders-eu/settings", "/hooks/orders-eu"):
        page.goto(f"/dashboard/o/acme{path}")
        settle(page)
        stored = page.evaluate(
            "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])"
        )
        assert world.engine.token not in stored + page.content()
        assert "whsec_" not in stored + page.content()
