# SPDX-License-Identifier: MIT
"""The scenario `dashboard`: what a browser shows of a store with ten million attempts, and
of attempts that go by."""

import contextlib
import json
import pathlib
import shutil
import subprocess
import sys
import time

import cpu
from browser import Chromium, browser_missing
from harness import ORG, Engine, Failed, Receiver, note, request, spawn, stop
from history_scenario import HOOKS, EVENTS, fill, names_of_hooks, percentile
from scenarios import PAYLOAD_BYTES, STACKS, goal, median, stack_hooks, verdict

SCRIPT = pathlib.Path(__file__).with_name("dashboard_page.js")
PLAIN = pathlib.Path(__file__).with_name("plain_page.py")
FEW = 1000  # attempts of the store that is almost empty
ATTEMPT_BYTES = 1100  # on the disk, of each attempt
LIVE_ORG = "live"
RATE = 2000  # attempts/s that go by
BATCH = 10  # events of a post: who has so many sends them together
INPUT_EVERY_MS = 100
OLDER = (1, 10, 50, 100)  # pages at which the heap is measured


def tab(context, port):
    return context.page(f"http://posthorn.localhost:{port}", SCRIPT.read_text())


def logged_in(browser, engine):
    """A tab of a window of its own, in which somebody is logged in."""
    status, text = request(engine.api_port, "POST", "/api/login-codes", {}, engine.token)
    if status != 201:
        raise Failed(f"POST /api/login-codes: {status} {text}")
    page = tab(browser.context(), engine.api_port)
    page.goto(json.loads(text)["url"])
    page.wait_for("document.querySelector('header.top .menu > summary') !== null")
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
    """One navigation: milliseconds until the list was asked for, answered, painted as far as
    the window shows it, and painted whole; and what the page's thread worked until then."""
    page.goto("about:blank")
    page.send("Performance.enable", timeDomain="threadTicks")
    page.goto(path)
    found = page.evaluate(f"""(async () => {{
        const painted = await bench.drawnAt;
        const whole = await bench.wholeAt({n_rows or 0});
        const asked = performance.getEntriesByType('resource')
            .filter((one) => /\\/deliveries\\?/.test(one.name));
        return {{ asked: asked[0]?.startTime, answered: asked.at(-1)?.responseEnd, painted,
            whole, requests: asked.length, rows: bench.rows() }};
    }})()""")
    found["thread"] = page.metrics()["TaskDuration"] * 1000
    page.send("Performance.disable")
    if n_rows is not None and found["rows"] != n_rows:
        raise Failed(f"{path}: {found['rows']} rows instead of {n_rows}")
    return found


@contextlib.contextmanager
def plain_page(browser):
    """A tab for a page that has almost nothing."""
    server = spawn([sys.executable, PLAIN], stdout=subprocess.PIPE, text=True)
    try:
        context = browser.context()
        yield context.page(f"http://127.0.0.1:{server.stdout.readline().strip()}",
                           SCRIPT.read_text())
        context.close()
    finally:
        stop(server)


def first_pages(browser, engines, n_rounds):
    """In turns: each page of each store, known to the browser and not yet, and the plain one."""
    tabs = {size: logged_in(browser, engine) for size, engine in engines.items()}
    most = max(engines)
    found, plain_ones = {}, []
    with plain_page(browser) as plain:
        for i in range(n_rounds + 1):
            for size, engine in engines.items():
                names = names_of_hooks(engine)
                for what, (path, n_rows) in pages_of(names).items():
                    expected = n_rows if size == most else None
                    with contextlib.closing(browser.context(
                            tabs[size].context.cookies())) as fresh:
                        rows = {"again": first_page(tabs[size], path, expected),
                                "first": first_page(tab(fresh, engine.api_port), path,
                                                    expected)}
                    if i > 0:  # the first round warms up
                        plain_ones.append(first_page(plain, "/", None))
                        for way, row in rows.items():
                            found.setdefault((what, way), {}).setdefault(size, []).append(row)
    for page in tabs.values():
        page.context.close()
    return found, plain_ones


def first_page_rows(found, plain_ones, most, least):
    def middle(rows, key):
        return median([row[key] for row in rows])

    rows, goals = [], []
    plain = middle(plain_ones, "painted")
    note(f"a page of one module and one request is painted after {plain:.0f} ms, its thread "
         f"works {middle(plain_ones, 'thread'):.0f}: that is the browser's own")
    for (what, way), by_size in found.items():
        much = by_size[most]
        ratio = median([one["painted"] / little["painted"] for one, little
                        in zip(much, by_size[least])])
        rows.append({"page": what, "loaded": way, "ratio": ratio, "rounds": by_size,
                     "to_plain": middle(much, "painted") / plain})
        name = f"first page, {what}" + (" (nothing cached)" if way == "first" else "")
        goals.append(goal(f"{name} ms", middle(much, "painted"), 300, False))
        note(f"{name}: {middle(much, 'painted'):.0f} ms ({verdict(goals[-1])}; x "
             f"{rows[-1]['to_plain']:.1f} of the plain page; list asked for after "
             f"{middle(much, 'asked'):.0f}, answered after {middle(much, 'answered'):.0f} by "
             f"{middle(much, 'requests'):.0f} requests, all rows after "
             f"{middle(much, 'whole'):.0f}; thread {middle(much, 'thread'):.0f} ms); at "
             f"{least:,} attempts {middle(by_size[least], 'painted'):.0f}, ratio {ratio:.2f}")
    return rows, goals


# --- further pages ---

def heap_of(page):
    """After its garbage is gone."""
    for _ in range(2):
        page.send("HeapProfiler.collectGarbage")
    found = page.metrics()
    return {"bytes": found["JSHeapUsedSize"], "nodes": found["Nodes"],
            "listeners": found["JSEventListeners"]}


def further(browser, engine):
    """A hundred pages of an organization's list, one after the other."""
    page = logged_in(browser, engine)
    page.send("HeapProfiler.enable")
    page.send("Performance.enable")
    page.goto(f"/dashboard/o/{ORG}/deliveries")
    page.evaluate("bench.drawnAt")
    page.evaluate("bench.wholeAt(100)")
    heaps, took = {1: heap_of(page)}, []
    for n in range(2, max(OLDER) + 1):
        took.append(page.evaluate("bench.older()"))
        if took[-1] is None:
            raise Failed(f"there is no page {n} of the list")
        if n in OLDER:
            heaps[n] = heap_of(page)
            note(f"page {n}: {heaps[n]['bytes'] / (1 << 20):.2f} MiB of JavaScript, "
                 f"{heaps[n]['nodes']} nodes; the page took {took[-1]:.0f} ms")
    page.context.close()
    growth = heaps[OLDER[-1]]["bytes"] / heaps[OLDER[1]]["bytes"]
    goals = [goal(f"heap of page {OLDER[-1]} to page {OLDER[1]}", growth, 1.1, False)]
    return {"heaps": heaps, "older_ms": took, "goals": goals}


# --- what goes by ---

class Hands:
    """Keys and clicks at a steady pace."""

    PAUSE = "document.querySelector('.list-actions button')"

    def __init__(self, page):
        self.page = page
        self.focus()
        # A letter, a second one, both gone; the pause and on again; a turn of the wheel.
        self.steps = [lambda: page.key("x"), lambda: page.key("y"),
                      lambda: page.key("Backspace"), lambda: page.key("Backspace"),
                      self.click_pause, self.go_on,
                      lambda: page.wheel(300), lambda: page.wheel(-300)]

    def focus(self):
        self.page.evaluate("document.querySelector('main input[name=kind]').focus()")

    def click_pause(self): # its words change, and so its place
        x, y = self.page.evaluate(f"(({{x, y, width, height}}) => [x + width / 2, y + height / 2])"
                                  f"({self.PAUSE}.getBoundingClientRect())")
        self.page.click(x, y)

    def go_on(self):
        self.click_pause()
        self.focus()

    def is_paused(self):
        return self.page.evaluate(f"{self.PAUSE}.getAttribute('aria-pressed')") != "false"

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
    page.send("Performance.enable", timeDomain="threadTicks")
    hands = Hands(page)
    hands.work(2)  # warm up
    began, before = time.monotonic(), page.metrics()["TaskDuration"]
    page.evaluate("[bench.inputs, bench.events, bench.tasks, bench.rates]"
                  ".forEach((kept) => { kept.length = 0; })")
    hands.work(seconds)
    busy_s = page.metrics()["TaskDuration"] - before
    cores = busy_s / (time.monotonic() - began)
    found = page.evaluate("""({ inputs: bench.inputs, events: bench.events,
        tasks: bench.tasks, rates: bench.rates,
        gaps: document.querySelectorAll('.live-list > .gap').length,
        shown: document.querySelectorAll('.live-list > li').length })""")
    page.send("Performance.disable")
    inputs = [one["ms"] for one in found["inputs"]]
    tasks = [one["ms"] for one in found["tasks"]]
    if len(inputs) < 20 or hands.is_paused():
        raise Failed(f"{len(inputs)} inputs were noticed; the page is paused: "
                     f"{hands.is_paused()}")
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
    page = logged_in(browser, engine)
    page.goto(f"/dashboard/o/{LIVE_ORG}/live")
    page.wait_for("document.querySelector('.list-actions .icon-delivered') !== null")
    quiet = observed(page, seconds / 2)
    receiver.reset()
    load = bench.load_start(
        engine.ingest_port, token=engine.token, path=f"/api/orgs/{LIVE_ORG}/events",
        stacks=STACKS, rate=RATE, seconds=int(seconds) + 12, connections=4,
        batch=BATCH, bytes=PAYLOAD_BYTES)
    time.sleep(7)  # the page counts over five seconds
    meter, before = cpu.Meter(engine, load=load, receiver=receiver,
                              browser=browser.pids()), receiver.stats()["requests"]
    began = time.monotonic()
    busy = observed(page, seconds)
    n_sent = receiver.stats()["requests"] - before
    busy["delivered_per_second"] = n_sent / (time.monotonic() - began)
    busy["cpu"] = meter.stop(max(1, n_sent))
    busy["cores"] = {who: us * busy["delivered_per_second"] / 1e6
                     for who, us in busy["cpu"]["us_per_delivery"].items()}
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
    note(cpu.words(busy["cpu"]) + "; cores: " + ", ".join(
        f"{who} {cores:.2f}" for who, cores in
        sorted(busy["cores"].items(), key=lambda one: -one[1]) if cores >= 0.005))
    return {"quiet": quiet, "busy": busy, "goals": goals}


def dashboard(bench):
    why_not = browser_missing()
    if why_not:
        raise Failed(f"not measured: {why_not} is missing")
    attempts = bench.attempts or (20000 if bench.is_quick else 10000000)
    n_rounds = bench.rounds or (3 if bench.is_quick else 11)
    seconds = bench.seconds or (5 if bench.is_quick else 30)
    engines = {FEW: store(bench, FEW), attempts: store(bench, attempts)}
    browser = Chromium(bench)
    rows, goals = first_page_rows(*first_pages(browser, engines, n_rounds), attempts, FEW)
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
