# SPDX-License-Identifier: MIT
"""The scenario `dashboard`: what a browser shows of a store with ten million attempts, and
of attempts that go by."""

import contextlib
import json
import os
import pathlib
import shutil
import time

import cpu
from harness import ORG, Engine, Failed, Receiver, note, request
from history_scenario import HOOKS, EVENTS, fill, names_of_hooks, percentile
from scenarios import PAYLOAD_BYTES, STACKS, goal, median, stack_hooks, verdict

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
SCRIPT = pathlib.Path(__file__).with_name("dashboard_page.js")
FEW = 1000  # attempts of the store that is almost empty
ATTEMPT_BYTES = 1100  # on the disk, of each attempt
LIVE_ORG = "live"
RATE = 2000  # attempts/s that go by
INPUT_EVERY_MS = 100
OLDER = (1, 10, 50, 100)  # pages at which the heap is measured


def browser_missing():
    """What is needed and not there; None if all is."""
    try:
        import playwright  # noqa: F401
    except ImportError:
        return "Playwright (tests/run makes tests/.venv, which has it)"
    return None if pathlib.Path(CHROMIUM).exists() else CHROMIUM


class Browser:
    """Chromium, and a window on one engine at a time."""

    def __init__(self, bench):
        from playwright.sync_api import sync_playwright

        playwright = bench.stack.enter_context(sync_playwright())
        options = ["--disable-dev-shm-usage"]
        if os.geteuid() == 0:
            options.append("--no-sandbox")
        self.chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        bench.stack.callback(self.chromium.close)

    def context(self, engine, cookies=()):
        """A window that has loaded nothing yet."""
        made = self.chromium.new_context(
            base_url=f"http://posthorn.localhost:{engine.api_port}",
            viewport={"width": 1280, "height": 900})
        made.add_init_script(path=SCRIPT)
        made.add_cookies(cookies)
        return made

    def logged_in(self, engine):
        context = self.context(engine)
        status, text = request(engine.api_port, "POST", "/api/login-codes", {},
                               engine.token)
        if status != 201:
            raise Failed(f"POST /api/login-codes: {status} {text}")
        page = context.new_page()
        page.goto(json.loads(text)["url"])
        page.locator("summary", has_text="admin").wait_for()
        return page


def store(bench, attempts):
    """An engine with so many attempts."""
    free = shutil.disk_usage(bench.temp).free
    if free < attempts * ATTEMPT_BYTES * 1.2:
        raise Failed(f"{attempts:,} attempts take {attempts * ATTEMPT_BYTES >> 20} MiB, "
                     f"and {free >> 20} are free in {bench.temp}")
    events = min(EVENTS, attempts // HOOKS)
    engine = Engine(bench, ["retention_bytes=16TiB", "max_queue_bytes=64GiB"])
    engine.post(count=events, batch=min(100, events), connections=1, bytes=PAYLOAD_BYTES,
                stacks=1)
    for _ in range(HOOKS):
        engine.hook_create("http://127.0.0.1:1029/in")
    filled = fill(bench, engine, attempts=attempts, hooks=HOOKS, events=events,
                  dead_one_in=101)  # so that each webhook has some
    size = sum(f.stat().st_blocks * 512 for f in engine.data_dir.rglob("*"))
    note(f"{attempts:,} attempts written in {filled['seconds']:.0f} s, {size >> 20} MiB")
    return engine


# --- the first page ---

def pages_of(names):
    """What is looked at: address, and rows that a full store shows; None: any."""
    prefix = f"/dashboard/o/{ORG}"
    return {
        "organization": (f"{prefix}/deliveries", 100),
        "one webhook": (f"{prefix}/hooks/{names[0]}", 100),
        "dead, by class": (f"{prefix}/deliveries?state=dead&error=status", 100),
        "nothing matches": (f"{prefix}/deliveries?error=timeout", 0),
    }


def first_page(page, path, n_rows):
    """One navigation: milliseconds until the list was asked for, answered, painted."""
    page.goto("about:blank")
    page.goto(path, wait_until="commit")
    found = page.evaluate("""async () => {
        const painted = await window.bench.drawnAt;
        const asked = performance.getEntriesByType('resource')
            .filter((one) => /\\/deliveries\\?/.test(one.name));
        return {
            asked: asked[0]?.startTime, answered: asked.at(-1)?.responseEnd, painted,
            requests: asked.length,
            rows: document.querySelectorAll('main tbody tr').length,
        };
    }""")
    if n_rows is not None and found["rows"] != n_rows:
        raise Failed(f"{path}: {found['rows']} rows instead of {n_rows}")
    return found


def first_pages(browser, engines, n_rounds):
    """In turns: each page of each store, known to the browser and not yet."""
    windows = {size: browser.logged_in(engine) for size, engine in engines.items()}
    most = max(engines)
    found = {}
    for i in range(n_rounds + 1):
        for size, engine in engines.items():
            page = windows[size]
            names = names_of_hooks(engine)
            for what, (path, n_rows) in pages_of(names).items():
                expected = n_rows if size == most else None
                with contextlib.closing(browser.context(
                        engine, page.context.cookies())) as fresh:
                    rows = {"again": first_page(page, path, expected),
                            "first": first_page(fresh.new_page(), path, expected)}
                if i > 0:  # the first round warms up
                    for way, row in rows.items():
                        found.setdefault((what, way), {}).setdefault(size, []).append(row)
    for page in windows.values():
        page.context.close()
    return found


def first_page_rows(found, most, least):
    rows, goals = [], []
    for (what, way), by_size in found.items():
        def of(key, size):
            return median([row[key] for row in by_size[size]])

        ratio = median([much["painted"] / little["painted"] for much, little
                        in zip(by_size[most], by_size[least])])
        rows.append({"page": what, "loaded": way, "ratio": ratio, "rounds": by_size})
        name = f"first page, {what}" + (" (nothing cached)" if way == "first" else "")
        goals.append(goal(f"{name} ms", of("painted", most), 300, False))
        note(f"{name}: {of('painted', most):.0f} ms ({verdict(goals[-1])}; list asked for "
             f"after {of('asked', most):.0f}, answered after {of('answered', most):.0f} by "
             f"{of('requests', most):.0f} requests); at {least:,} attempts "
             f"{of('painted', least):.0f}, ratio {ratio:.2f}")
    return rows, goals


# --- further pages ---

def metrics(session):
    return {one["name"]: one["value"]
            for one in session.send("Performance.getMetrics")["metrics"]}


def heap_of(session):
    """After its garbage is gone."""
    for _ in range(2):
        session.send("HeapProfiler.collectGarbage")
    found = metrics(session)
    return {"bytes": found["JSHeapUsedSize"], "nodes": found["Nodes"],
            "listeners": found["JSEventListeners"]}


def further(browser, engine):
    """A hundred pages of an organization's list, one after the other."""
    page = browser.logged_in(engine)
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.enable")
    session.send("Performance.enable")
    page.goto(f"/dashboard/o/{ORG}/deliveries", wait_until="commit")
    page.evaluate("() => window.bench.drawnAt")
    heaps, took = {1: heap_of(session)}, []
    for n in range(2, max(OLDER) + 1):
        took.append(page.evaluate("() => window.bench.older()"))
        if took[-1] is None:
            raise Failed(f"there is no page {n} of the list")
        if n in OLDER:
            heaps[n] = heap_of(session)
            note(f"page {n}: {heaps[n]['bytes'] / (1 << 20):.2f} MiB of JavaScript, "
                 f"{heaps[n]['nodes']} nodes; the page took {took[-1]:.0f} ms")
    page.context.close()
    growth = heaps[OLDER[-1]]["bytes"] / heaps[OLDER[1]]["bytes"]
    goals = [goal(f"heap of page {OLDER[-1]} to page {OLDER[1]}", growth, 1.1, False)]
    return {"heaps": heaps, "older_ms": took, "goals": goals}


# --- what goes by ---

class Hands:
    """Keys and clicks at a steady pace."""

    def __init__(self, page):
        self.page = page
        self.field = page.get_by_label("Kind", exact=True)
        self.pause = page.locator(".list-actions button").first
        self.field.focus()
        # A letter, a second one, both gone; the pause and on again; a turn of the wheel.
        self.steps = [lambda: page.keyboard.press("x"), lambda: page.keyboard.press("y"),
                      lambda: page.keyboard.press("Backspace"),
                      lambda: page.keyboard.press("Backspace"),
                      self.click_pause, self.go_on,
                      lambda: page.mouse.wheel(0, 300), lambda: page.mouse.wheel(0, -300)]

    def click_pause(self):
        box = self.pause.bounding_box() # its words change, and so its place
        self.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)

    def go_on(self):
        self.click_pause()
        self.field.focus()

    def work(self, seconds):
        began = time.monotonic()
        n_rounds = int(seconds * 1000 / INPUT_EVERY_MS / len(self.steps))
        for i in range(max(1, n_rounds) * len(self.steps)):
            due = began + i * INPUT_EVERY_MS / 1000
            time.sleep(max(0, due - time.monotonic()))
            self.steps[i % len(self.steps)]()
            if time.monotonic() > began + seconds and (i + 1) % len(self.steps) == 0:
                break


def observed(page, seconds):
    """What input and the page's work took while hands work."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    hands = Hands(page)
    hands.work(2)  # warm up
    began, before = time.monotonic(), metrics(session)["TaskDuration"]
    page.evaluate("""() => {
        for (const kept of [bench.inputs, bench.events, bench.tasks, bench.rates])
            kept.length = 0;
    }""")
    hands.work(seconds)
    busy_s = metrics(session)["TaskDuration"] - before
    cores = busy_s / (time.monotonic() - began)
    found = page.evaluate("""() => ({ inputs: bench.inputs, events: bench.events,
        tasks: bench.tasks, rates: bench.rates,
        gaps: document.querySelectorAll('.live-list > .gap').length,
        shown: document.querySelectorAll('.live-list > li').length })""")
    inputs = [one["ms"] for one in found["inputs"]]
    tasks = [one["ms"] for one in found["tasks"]]
    if len(inputs) < 20 or hands.pause.get_attribute("aria-pressed") != "false":
        raise Failed(f"{len(inputs)} inputs were noticed, and the page is paused: "
                     f"{hands.pause.get_attribute('aria-pressed')}")
    return {"inputs": len(inputs), "p50_ms": percentile(inputs, 50),
            "p99_ms": percentile(inputs, 99), "worst_ms": max(inputs),
            "worst_event_ms": max((one["ms"] for one in found["events"]), default=0),
            "page_cores": cores, "long_tasks": len(tasks), "longest_task_ms": max(tasks, default=0),
            "long_tasks_ms": sum(tasks), "gaps": found["gaps"], "shown": found["shown"],
            "rows_per_second": sum(found["rates"]) / max(1, len(found["rates"])),
            "all_inputs": found["inputs"], "all_tasks": found["tasks"]}


def live(bench, browser, engine, seconds):
    """The page of what happens now, in quiet and while much goes by."""
    receiver = Receiver(bench)
    stack_hooks(engine, [receiver.port], LIVE_ORG)
    engine.post(org=LIVE_ORG, count=100, stacks=STACKS)
    receiver.wait_for(100)
    page = browser.logged_in(engine)
    page.goto(f"/dashboard/o/{LIVE_ORG}/live")
    page.locator(".list-actions").get_by_text("Live", exact=True).wait_for()
    quiet = observed(page, seconds / 2)
    receiver.reset()
    load = bench.load_start(
        engine.ingest_port, token=engine.token, path=f"/api/orgs/{LIVE_ORG}/events",
        stacks=STACKS, rate=RATE, seconds=int(seconds) + 12, connections=8,
        bytes=PAYLOAD_BYTES)
    time.sleep(7)  # the page counts over five seconds
    meter, before = cpu.Meter(engine), receiver.stats()["requests"]
    began = time.monotonic()
    busy = observed(page, seconds)
    n_sent = receiver.stats()["requests"] - before
    busy["delivered_per_second"] = n_sent / (time.monotonic() - began)
    busy["cpu"] = meter.stop(max(1, n_sent))
    load.communicate()
    page.context.close()
    goals = [goal("attempts the page saw, of those delivered",
                  busy["rows_per_second"] / busy["delivered_per_second"], 0.9, True),
             goal("input p99 ms while 2,000/s go by", busy["p99_ms"], 100, False),
             goal("worst input ms while 2,000/s go by", busy["worst_ms"], 100, False)]
    for name, found in (("quiet", quiet), (f"{busy['delivered_per_second']:,.0f}/s", busy)):
        note(f"live, {name}: {found['inputs']} inputs, p50 {found['p50_ms']:.0f} ms, p99 "
             f"{found['p99_ms']:.0f}, worst {found['worst_ms']:.0f}; "
             f"{found['long_tasks']} long tasks, the longest {found['longest_task_ms']:.0f} "
             f"ms; {found['rows_per_second']:,.0f} rows/s came, {found['gaps']} gaps; "
             f"{found['shown']} rows on the page, whose thread takes {found['page_cores']:.2f} "
             "of a core")
    note(cpu.words(busy["cpu"]))
    return {"quiet": quiet, "busy": busy, "goals": goals}


def dashboard(bench):
    why_not = browser_missing()
    if why_not:
        raise Failed(f"not measured: {why_not} is missing")
    attempts = bench.attempts or (20000 if bench.is_quick else 10000000)
    n_rounds = bench.rounds or (3 if bench.is_quick else 11)
    seconds = bench.seconds or (5 if bench.is_quick else 30)
    engines = {FEW: store(bench, FEW), attempts: store(bench, attempts)}
    browser = Browser(bench)
    rows, goals = first_page_rows(first_pages(browser, engines, n_rounds), attempts, FEW)
    pages = further(browser, engines[attempts])
    engines.pop(FEW).stop()
    now = live(bench, browser, engines[attempts], seconds)
    goals += pages["goals"] + now["goals"]
    busy, quiet = now["busy"], now["quiet"]
    firsts = [g["value"] for g in goals if g["name"].startswith("first page")]
    line = (f"{attempts:,} attempts: first page {min(firsts):.0f} to {max(firsts):.0f} ms, "
            f"median of the ratios to {FEW:,} attempts "
            f"{median([row['ratio'] for row in rows]):.2f} | heap at pages "
            + ", ".join(f"{n} {heap['bytes'] / (1 << 20):.1f} MiB"
                        for n, heap in pages["heaps"].items())
            + f" ({verdict(pages['goals'][0])}) | {busy['delivered_per_second']:,.0f}/s go "
            f"by: input p50 {busy['p50_ms']:.0f} ms, p99 {busy['p99_ms']:.0f} "
            f"({verdict(now['goals'][1])}), worst {busy['worst_ms']:.0f}; in quiet p99 "
            f"{quiet['p99_ms']:.0f}, worst {quiet['worst_ms']:.0f}")
    missed = [g["name"] for g in goals if not g["met"]]
    if missed:
        line += f" || not met: {'; '.join(missed)}"
    return {"attempts": attempts, "first_pages": rows, "further": pages, "live": now,
            "goals": goals, "line": line}
