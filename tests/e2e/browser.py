# SPDX-License-Identifier: MIT
"""A real browser (Debian's chromium, driven by Playwright): one for all tests of a worker,
since it takes seconds to start, and for each test a context of its own, which shares
nothing with others. Debian's Firefox, as it is, by WebDriver BiDi.

What a page says to its console, breaks of its policy, and requests to other hosts than the
test's are faults of the test that opened it, unless it expects them.
"""

import contextlib
import os
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from support import PATIENCE_S

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FIREFOX = os.environ.get("FIREFOX", "/usr/bin/firefox-esr")
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"]
# A refused request is a line of the console, too; tests look at what the page makes of it.
REFUSED = re.compile(r"Failed to load resource: the server responded with a status of 4\d\d")


# Each file that imports a fixture has one of its own, of these.
running = {}


@contextlib.contextmanager
def once(name, begin):
    """What a worker has one of. Who asks for it first ends it."""
    if name in running:
        yield running[name]
        return
    with begin() as running[name]:
        yield running[name]
        del running[name]


def chromium(playwright):
    # root has no sandbox of its own; and shared memory is small in containers.
    options = ["--disable-dev-shm-usage"]
    if os.geteuid() == 0:
        options.append("--no-sandbox")
    return playwright.chromium.launch(executable_path=CHROMIUM, args=options)


@pytest.fixture(scope="session")
def browser():
    with once("playwright", sync_playwright) as playwright:
        with once("chromium", lambda: chromium(playwright)) as made:
            yield made


@pytest.fixture(scope="session")
def firefox():
    def begin():
        # With this channel, Playwright needs no Firefox of its own.
        return playwright.firefox.launch(channel="moz-firefox", executable_path=FIREFOX)

    with once("playwright", sync_playwright) as playwright, once("firefox", begin) as made:
        yield made


def violations(page, tags):
    """What axe finds against rules with these tags: (rule, elements)."""
    if not page.evaluate("'axe' in window"):  # half a megabyte: once for each document
        page.evaluate(Axe().axe_script)
    found = page.evaluate(
        "async (tags) => (await axe.run(document, { runOnly: tags, resultTypes: ['violations'] }))"
        ".violations.map((rule) => [rule.id, rule.nodes.map((node) => node.html)])",
        tags,
    )
    return [(rule, nodes) for rule, nodes in found]


class Window:
    """A browser's window on the dashboard of an engine, with cookies of its own."""

    def __init__(self, browser, engine, **options):
        self.engine = engine
        self.base = f"http://posthorn.localhost:{engine.api_port}"
        self.context = browser.new_context(base_url=self.base, **options)
        self.context.set_default_timeout(PATIENCE_S * 1000)
        self.faults = []
        self.is_strict = True
        self.page = self.context.new_page()
        self.watch(self.page)

    def watch(self, page):
        page.on("console", lambda message: self.note("console", message.text))
        page.on("pageerror", lambda error: self.note("error", str(error)))
        page.on("dialog", self.on_dialog)
        page.on("request", lambda request: self.note_request(request.url))

    def note(self, kind, text):
        if not REFUSED.match(text):
            self.faults.append(f"{kind}: {text}")

    def note_request(self, url):
        if not url.startswith((self.base + "/", "data:", "blob:")):
            self.note("request", url)

    def on_dialog(self, dialog):
        self.note("dialog", dialog.message)
        dialog.dismiss()

    def link(self, **wanted):
        """A link that logs in, as `posthorn dashboard` prints it."""
        reply = self.engine.api("POST", "/api/login-codes", wanted)
        assert reply.status == 201, reply
        return reply.json()["url"]

    def log_in(self, **wanted):
        self.page.goto(self.link(**wanted))
        self.wait_entered()

    def wait_entered(self):
        """Until the page knows who is logged in: it shows the reader's menu."""
        self.page.locator("header.top .menu > summary").wait_for()

    def cookies(self):
        return {cookie["name"]: cookie for cookie in self.context.cookies()}

    def barriers(self):
        """What keeps people out, as axe sees it: (rule, elements) by WCAG 2.2 AA."""
        return violations(self.page, WCAG)

    def go(self, path):
        """Follows a link, as readers do: the page is not loaded anew."""
        self.page.evaluate(
            """(path) => {
                const link = document.createElement("a");
                link.href = path;
                document.body.append(link);
                link.click();
                link.remove();
            }""",
            path,
        )

    @contextlib.contextmanager
    def tab(self):
        """Another page for a while, and its faults. What it stored goes with it; a window
        takes more than a second of processor time, a tab a tenth of that."""
        first, self.page = self.page, self.context.new_page()
        self.watch(self.page)
        try:
            yield self.page
            self.page.evaluate("localStorage.clear()")
        finally:
            self.page.close()
            self.page = first
            found, self.faults = self.faults, []
        assert found == [], found

    def close(self):
        self.context.close()
        if self.is_strict:
            assert self.faults == [], self.faults


class Hands:
    """A reader with a keyboard: what is pressed can be reached by Tab, and presses count."""

    def __init__(self, window):
        self.window = window
        self.page = window.page
        self.presses = 0

    def find(self, role, name, within=None, exact=True):
        found = (within or self.page).get_by_role(role, name=name, exact=exact).first
        found.wait_for()
        return found

    def press(self, role, name, within=None, exact=True, key="Enter"):
        found = self.find(role, name, within, exact)
        assert found.evaluate("e => e.tabIndex") >= 0
        found.focus()
        self.page.keyboard.press(key)
        self.presses += 1

    def region(self, name):
        found = self.page.get_by_role("region", name=name, exact=True)
        found.wait_for()
        # It is there before what it shows.
        found.and_(self.page.locator("[aria-busy]")).wait_for(state="detached")
        return found

    def type(self, label, text):
        self.page.get_by_label(label, exact=True).focus()
        self.page.keyboard.type(text)


@pytest.fixture
def window(browser, engine):
    """The window of one test, on its engine."""
    made = Window(browser, engine)
    yield made
    made.close()
