# SPDX-License-Identifier: MIT
"""The dashboard in a real browser: what the browser itself makes of cookies, policies and
other pages."""

import http.server
import threading

import pytest

from browser import Window, browser, window
from support import wait_for

__all__ = ["browser", "window"] # fixtures

pytestmark = pytest.mark.shared

HOOK = {"organizationName": "acme", "displayName": "planted", "active": True,
        "payloadUrl": "http://127.0.0.1:8099/"}
REFUSAL = 'msg="session refused"'


class OtherPage:
    """A page of another program on the same machine, on another port."""

    def __init__(self):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(b"<title>other</title>")

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def other():
    made = OtherPage()
    yield made
    made.close()


def is_in(window):
    return window.page.evaluate("fetch('/api/session').then(a => a.status)") == 200


def test_a_link_logs_in_and_the_session_survives_a_reload(window):
    page = window.page
    page.goto(window.base)  # led to the page
    assert page.url == f"{window.base}/dashboard"
    assert not is_in(window)
    link = window.link()
    page.goto(link)
    window.wait_entered()
    # The code is gone from the address, also from the way back.
    assert "#" not in page.url
    cookie = window.cookies()["__Host-posthorn"]
    assert cookie["httpOnly"] and cookie["secure"] and cookie["sameSite"] == "Strict"
    assert cookie["path"] == "/" and cookie["domain"] == "posthorn.localhost"
    assert cookie["expires"] == -1  # ends with the browser, too
    page.reload()
    assert is_in(window)
    assert page.evaluate("document.cookie") == ""
    code = link.split("#")[1]
    stored = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    for secret in (code, cookie["value"], window.engine.token):
        assert secret not in stored and secret not in page.content()
    # Once only.
    again = Window(window.context.browser, window.engine)
    again.page.goto(link)
    again.page.get_by_role("alert").wait_for()
    again.page.get_by_label("Token").wait_for()
    assert not is_in(again)
    again.close()


def test_a_link_asks_before_it_ends_a_session(window):
    page = window.page
    window.log_in()
    before = window.cookies()["__Host-posthorn"]["value"]
    for choice, is_kept in (("Stay logged in", True), ("Use the link", False)):
        page.goto("about:blank")  # a fragment alone would not load the page anew
        page.goto(window.link())
        page.get_by_role("button", name=choice).wait_for()
        assert window.barriers() == []
        page.get_by_role("button", name=choice).click()
        window.wait_entered()
        assert (window.cookies()["__Host-posthorn"]["value"] == before) == is_kept


def test_a_token_logs_in_and_the_button_logs_out(window):
    page = window.page
    page.goto("/dashboard")
    page.get_by_label("Token").wait_for()
    assert window.barriers() == []
    page.get_by_label("Token").fill(window.engine.token)
    page.get_by_role("button", name="Log in").click()
    page.locator("summary", has_text="admin").click() # the menu
    page.get_by_role("button", name="Log out").wait_for()
    assert window.barriers() == []
    page.get_by_role("button", name="Log out").click()
    page.get_by_label("Token").wait_for()
    assert not is_in(window)
    assert "__Host-posthorn" not in window.cookies()


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_another_port_of_this_machine_gets_nothing(browser, engine, other, name):
    try_from_another_port(browser, engine, other, name)


def try_from_another_port(browser, engine, other, name):
    """The browser sends the cookie along: ports of a host share cookies, and SameSite=Strict
    does not tell them apart."""
    window = Window(browser, engine)
    window.is_strict = False  # what is refused here, the browser says to its console
    hooks = engine.api("GET", "/api/orgs/acme/hooks").json()
    n_before = engine.log().count(REFUSAL)
    ours = f"http://{name}:{engine.api_port}"
    page = window.page
    page.goto(f"{ours}/dashboard")
    assert page.evaluate(
        "token => fetch('/dashboard/session', {method: 'POST', headers: "
        "{Authorization: 'token ' + token}}).then(a => a.status)", engine.token) == 204
    page.goto(f"http://{name}:{other.port}/")
    seen = []
    page.on("response", lambda answer: seen.append(answer.status)
            if answer.url.startswith(ours) else None)
    page.evaluate(
        """async ([ours, hook]) => {
            const body = JSON.stringify(hook);
            const hooks = ours + "/api/orgs/acme/hooks";
            const tries = [
                [hooks, {}], [hooks, {mode: "no-cors"}],
                [hooks, {method: "POST", mode: "no-cors", body}],
                [hooks, {method: "POST", body, headers: {"X-Posthorn": "1",
                    "Content-Type": "application/json"}}],
                [ours + "/dashboard/session", {method: "DELETE"}],
            ];
            for (const [url, options] of tries)
                await fetch(url, {credentials: "include", ...options}).catch(() => {});
            const form = document.createElement("form");
            form.method = "POST";
            form.action = hooks;
            document.body.append(form);
            form.submit();
        }""", [ours, HOOK])
    page.wait_for_url(f"{ours}/**")
    # They came with the cookie, and were refused for where they came from.
    wait_for(lambda: engine.log().count(REFUSAL) >= n_before + 3, "refusals")
    assert seen and set(seen) <= {401, 403}, seen
    assert engine.api("GET", "/api/orgs/acme/hooks").json() == hooks
    # The session is still there, for our own page. A link to it works.
    page.goto(f"http://{name}:{other.port}/")
    page.evaluate("ours => { location.href = ours + '/dashboard'; }", ours)
    page.wait_for_url(f"{ours}/dashboard")
    assert is_in(window)
    window.close()


def test_barriers_are_found(window):
    """Or tests that find none would show nothing."""
    window.page.goto("/dashboard")
    window.page.get_by_label("Token").wait_for()
    window.page.evaluate("document.querySelector('main')"
                         ".append(document.createElement('input'))")
    assert [rule for rule, _ in window.barriers()] == ["label"]


def test_nothing_but_our_files_runs(window):
    page = window.page
    page.goto("/dashboard")
    assert page.evaluate(
        # In a timer: what a debugger evaluates is exempt from the policy.
        """() => new Promise((done) => setTimeout(() => {
            const faults = [];
            const attempt = (name, run) => {
                try { run(); faults.push(name); } catch (error) { /* as it should be */ }
            };
            attempt("innerHTML", () => { document.body.innerHTML = "<b>x</b>"; });
            attempt("eval", () => { (0, eval)("1"); });
            attempt("Function", () => { new Function("return 1"); });
            attempt("script", () => {
                document.createElement("script").src = "https://evil.example/x.js";
            });
            done(faults);
        }))""") == []
    window.faults.clear()  # the browser has said so on its console
    assert page.evaluate("fetch('https://evil.example/').then(() => 1, () => 0)") == 0
    assert any("Content Security Policy" in fault for fault in window.faults)
    window.faults.clear()


def test_a_tab_from_before_an_upgrade_loads_itself_again(window):
    """A module that was not loaded before is not on the server any more: the page that asks for
    it comes anew, at the address that was asked for."""
    page = window.page
    window.log_in()
    page.goto("/dashboard/o/acme/deliveries")
    page.get_by_role("heading", name="Deliveries").wait_for()
    page.evaluate("window.isOld = true")
    asked = []

    def upgraded(route):
        asked.append(route.request.method)
        if len(asked) <= 2:
            route.fulfill(status=404, body="{}")
        else:
            route.continue_()

    page.route("**/screens/events.js", upgraded)
    page.route("**/app.js", upgraded)
    page.get_by_role("link", name="Events", exact=True).click()
    page.get_by_role("heading", name="Events").wait_for()
    assert asked[:2] == ["GET", "HEAD"] and page.evaluate("window.isOld === undefined")
    assert page.url == f"{window.base}/dashboard/o/acme/events"
    # One that fails although the server has the others is said, and nothing is loaded again.
    page.route("**/screens/replays.js", lambda route: route.fulfill(status=404, body="{}"))
    page.evaluate("window.isOld = true")
    page.get_by_role("link", name="Replays", exact=True).click()
    page.get_by_role("alert").wait_for()
    assert page.url == f"{window.base}/dashboard/o/acme/replays"
    assert page.evaluate("window.isOld === true")
    page.unroute_all()
