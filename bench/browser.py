# SPDX-License-Identifier: MIT
"""Chromium, driven over a pipe with as little as possible.

What drives a browser costs: a library for tests is told of each request and of each message
of a stream, and that took longer than the page's own work. Here the browser tells nothing by
itself; it is asked (the DevTools protocol, JSON between NUL bytes on descriptors 3 and 4).
"""

import contextlib
import fcntl
import itertools
import json
import os
import pathlib
import select
import signal
import subprocess
import time

from harness import LIBC, PR_SET_PDEATHSIG, Failed, stop

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
# Nothing of its own on the network or beside the page; and no graphics processor emulated, which would take the
# processor time that is measured.
OPTIONS = ["--headless", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
           "--disable-background-networking", "--disable-component-update",
           "--disable-default-apps", "--disable-extensions", "--disable-sync",
           "--disable-breakpad", "--disable-field-trial-config", "--metrics-recording-only",
           "--disable-component-extensions-with-background-pages",
           # Pages of the browser's own, for its bubbles: a new window loads one.
           "--disable-features=PreloadTopChromeWebUI,PreloadTopChromeWebUILessNavigations",
           "--password-store=basic", "--remote-debugging-pipe"]
ANSWER_SECONDS = 60
ABOVE_THEIRS = 10  # descriptors from here on are neither 3 nor 4


def browser_missing():
    """What is needed and not there; None if all is."""
    return None if pathlib.Path(CHROMIUM).exists() else CHROMIUM


class Chromium:
    """One browser; it ends with the scenario."""

    def __init__(self, bench):
        to_read, self.to_it = (self.high(fd) for fd in os.pipe())
        self.from_it, to_write = (self.high(fd) for fd in os.pipe())

        def before_exec():
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
            os.dup2(to_read, 3)
            os.dup2(to_write, 4)

        options = [*OPTIONS, f"--user-data-dir={bench.temp_dir('chromium')}"]
        if os.geteuid() == 0:
            options.append("--no-sandbox")
        self.process = subprocess.Popen(
            [CHROMIUM, *options, "about:blank"], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, pass_fds=(3, 4),
            preexec_fn=before_exec)
        os.close(to_read)
        os.close(to_write)
        self.ids = itertools.count(1)
        self.rest = b""
        bench.stack.callback(self.close)
        self.send("Browser.getVersion")

    @staticmethod
    def high(fd):
        copy = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, ABOVE_THEIRS)
        os.close(fd)
        return copy

    def close(self):
        with contextlib.suppress(Failed, OSError):
            self.send("Browser.close")
        stop(self.process)
        os.close(self.to_it)
        os.close(self.from_it)

    def messages(self, until):
        while True:
            while b"\0" in self.rest:
                one, self.rest = self.rest.split(b"\0", 1)
                yield json.loads(one)
            ready, _, _ = select.select([self.from_it], [], [], until - time.monotonic())
            more = os.read(self.from_it, 1 << 20) if ready else b""
            if not more:
                return
            self.rest += more

    def send(self, method, session=None, **params):
        """One command; its answer."""
        number = next(self.ids)
        message = {"id": number, "method": method, "params": params}
        if session is not None:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.to_it, data):]
        for answer in self.messages(time.monotonic() + ANSWER_SECONDS):
            if answer.get("id") != number:
                continue
            if "error" in answer:
                raise Failed(f"{method}: {answer['error']['message']}")
            return answer["result"]
        raise Failed(f"{method}: the browser does not answer")

    def pids(self):
        """Its processes."""
        found, waiting = [], [self.process.pid]
        while waiting:
            found.append(waiting.pop())
            for children in pathlib.Path(f"/proc/{found[-1]}/task").glob("*/children"):
                with contextlib.suppress(OSError):
                    waiting += [int(pid) for pid in children.read_text().split()]
        return found

    def context(self, cookies=()):
        """A window of its own: no other's cookies, and nothing cached."""
        number = self.send("Target.createBrowserContext")["browserContextId"]
        if cookies:
            self.send("Storage.setCookies", cookies=list(cookies), browserContextId=number)
        return Context(self, number)


class Context:
    def __init__(self, browser, number):
        self.browser = browser
        self.number = number

    def cookies(self):
        return self.browser.send("Storage.getCookies",
                                 browserContextId=self.number)["cookies"]

    def page(self, base_url, script):
        """A tab. `script`: what runs in each page before its own."""
        return Page(self, base_url, script)

    def close(self):
        self.browser.send("Target.disposeBrowserContext", browserContextId=self.number)


class Page:
    """A tab of 1280 x 900 pixels."""

    def __init__(self, context, base_url, script):
        browser = context.browser
        self.context = context
        self.browser = browser
        self.base_url = base_url
        target = browser.send("Target.createTarget", url="about:blank",
                              browserContextId=context.number)["targetId"]
        self.session = browser.send("Target.attachToTarget", targetId=target,
                                    flatten=True)["sessionId"]
        self.send("Page.enable")
        self.send("Page.addScriptToEvaluateOnNewDocument", source=script)
        self.send("Emulation.setDeviceMetricsOverride", width=1280, height=900,
                  deviceScaleFactor=1, mobile=False)
        # An event is not asked for, but a page without the focus takes no keys.
        self.send("Emulation.setFocusEmulationEnabled", enabled=True)

    def send(self, method, **params):
        return self.browser.send(method, self.session, **params)

    def goto(self, path):
        """Until the page begins to load."""
        url = path if ":" in path else self.base_url + path
        answer = self.send("Page.navigate", url=url)
        if "errorText" in answer:
            raise Failed(f"{url}: {answer['errorText']}")

    def evaluate(self, expression):
        """The value of an expression, or what its promise ends with."""
        answer = self.send("Runtime.evaluate", expression=expression, awaitPromise=True,
                           returnByValue=True)
        if "exceptionDetails" in answer:
            raise Failed(f"{expression[:80]}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait_for(self, expression, seconds=30):
        """Until an expression of the page is true."""
        end = time.monotonic() + seconds
        while not self.evaluate(expression):
            if time.monotonic() > end:
                raise Failed(f"{expression}: not within {seconds} s")
            time.sleep(0.05)

    def metrics(self):
        """What the renderer counts; durations in seconds of its thread's processor time."""
        return {one["name"]: one["value"]
                for one in self.send("Performance.getMetrics")["metrics"]}

    # --- a reader's hands ---

    def key(self, key):
        """A letter, or the name of a key."""
        text = {"text": key} if len(key) == 1 else {}
        code = {"Backspace": 8}.get(key, ord(key[0].upper()))
        for kind in ("keyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key,
                      windowsVirtualKeyCode=code, **(text if kind == "keyDown" else {}))

    def click(self, x, y):
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left",
                      clickCount=1)

    def wheel(self, by):
        self.send("Input.dispatchMouseEvent", type="mouseWheel", x=600, y=600, deltaX=0,
                  deltaY=by)
