# SPDX-License-Identifier: MIT
"""The dashboard in Debian's Firefox, with --long: login, cookies and other ports, every
screen, and what happens now."""

import pytest

from browser import Window, firefox
from dashboard_world import SETTINGS, World
from conftest import running
from engine import Engine
from support import wait_for
from test_dashboard_browser import is_in, other, try_from_another_port
from test_dashboard_screens import EMPTY, SCREENS, SIZES, address, look

__all__ = ["firefox", "other"]  # fixtures

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with running(Engine(tmp_path_factory.mktemp("firefox"), **SETTINGS)) as engine:
        made = World(engine)
        yield made
        made.stop()


@pytest.fixture(scope="module")
def window(firefox, world):
    """Logged in by a link; kept for all tests of the file."""
    made = Window(firefox, world.engine, viewport=SIZES["wide"])
    made.log_in()
    made.page.get_by_role("heading", name="acme").wait_for()
    yield made
    made.close()


def test_a_link_logs_in_and_the_session_survives_a_reload(firefox, world):
    window = Window(firefox, world.engine)
    page = window.page
    page.goto("/dashboard")
    page.get_by_label("Token").wait_for()
    assert window.barriers() == [] and not is_in(window)
    window.log_in()
    assert "#" not in page.url
    cookie = window.cookies()["__Host-posthorn"]
    assert cookie["httpOnly"] and cookie["secure"] and cookie["sameSite"] == "Strict"
    assert cookie["path"] == "/" and cookie["domain"] == "posthorn.localhost"
    page.reload()
    window.wait_entered()
    assert page.evaluate("document.cookie") == ""
    page.locator("header.top .menu > summary").click()
    page.get_by_role("button", name="Log out").click()
    page.get_by_label("Token").wait_for()
    assert not is_in(window) and "__Host-posthorn" not in window.cookies()
    window.close()


def test_what_the_page_says_to_its_console_is_noticed(firefox, world):
    """Or tests that find nothing there would show nothing."""
    window = Window(firefox, world.engine)
    window.page.goto("/dashboard")
    window.page.evaluate("console.error('planted')")
    window.page.evaluate("document.body.append(Object.assign(document.createElement('img'), "
                         "{ src: 'https://evil.example/x.png' }))")
    wait_for(lambda: window.page.title() and len(window.faults) == 2, "both are noticed")
    said = " ".join(window.faults)
    assert "planted" in said and "img-src 'self'" in said
    window.faults.clear()
    window.close()


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_another_port_of_this_machine_gets_nothing(firefox, world, other, name):
    try_from_another_port(firefox, world.engine, other, name)


@pytest.mark.parametrize("i", range(len(SCREENS)), ids=[name for name, *_ in SCREENS])
def test_a_screen(window, world, i):
    name, path, text = SCREENS[i]
    look(window, address(world, path), text, f"firefox-{name}")
    assert window.faults == []


@pytest.mark.parametrize("path, text", EMPTY, ids=[path or "overview" for path, _ in EMPTY])
def test_nothing_is_there(window, path, text):
    look(window, f"/dashboard/o/nobody{path}", text, f"firefox-empty{path.replace('/', '-')}")
    assert window.faults == []


def test_what_happens_now(window, world):
    page = window.page
    page.goto("/dashboard/o/acme/live")
    page.locator(".list-actions").get_by_text("Live", exact=True).wait_for()
    event = world.engine.post_event("order.live", {"number": 1})
    page.get_by_role("link", name=f"order.live {event[:8]}").wait_for()
    assert window.faults == []
