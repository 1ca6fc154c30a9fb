# SPDX-License-Identifier: MIT
"""The modules of the dashboard that touch no page, run in the browser as they are shipped;
and what holds for its files."""

import json
import random
import re
import subprocess

import pytest

from browser import Window, browser
from support import ROOT

__all__ = ["browser"]  # a fixture

WEB = ROOT / "api" / "web"
LINES_MAX, FILE_LINES_MAX, COLUMNS_MAX = 6000, 600, 120


@pytest.fixture(scope="module")
def page(browser, tmp_path_factory):
    from conftest import running
    from engine import Engine

    with running(Engine(tmp_path_factory.mktemp("pure"))) as engine:
        window = Window(browser, engine)
        window.page.goto("/dashboard")
        yield window.page
        window.close()


def pure(page, module, body, *values):
    """What an arrow function's body returns; `m` is the module, `v` the values."""
    return page.evaluate(
        "async ([module, v]) => { const m = await import(`/dashboard/pure/${module}.js`);"
        + body
        + "}",
        [module, list(values)],
    )


# --- files ---


def sources():
    return sorted(path for path in WEB.rglob("*") if path.suffix in (".js", ".css", ".html"))


def test_the_files_stay_small():
    scripts = [path for path in sources() if path.suffix == ".js"]
    lines = {path: len(path.read_text().splitlines()) for path in sources()}
    assert sum(lines[path] for path in scripts) <= LINES_MAX
    assert max(lines.values()) <= FILE_LINES_MAX, lines
    long = [
        f"{path.name}:{n}"
        for path in scripts
        for n, line in enumerate(path.read_text().splitlines(), 1)
        if len(line) > COLUMNS_MAX
    ]
    assert long == []


def test_no_source_makes_markup_or_code_of_text():
    for path in sources():
        text = path.read_text()
        for word in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "eval(",
            "new Function",
            "document.write",
            ".style.",
            " style=",
        ):
            assert word not in text, f"{path.name}: {word}"
        assert not re.search(
            r"""(?:src|href)=["']https?:|url\(["']?https?:|import\(?\s*["']https?:""", text
        ), path.name


def catalogue(language):
    """Texts by key. No key is there twice; keys are sorted, so that two changes rarely meet."""
    pairs = json.loads(
        (WEB / "text" / f"{language}.json").read_text(), object_pairs_hook=list
    )
    keys = [key for key, _ in pairs]
    assert keys == sorted(set(keys))
    return {key: dict(text) if isinstance(text, list) else text for key, text in pairs}


def values_of(text):
    return set(re.findall(r"\{(\w+)\}", json.dumps(text)))


def test_both_languages_say_the_same_things():
    english, german = catalogue("en"), catalogue("de")
    assert english.keys() == german.keys()
    for key, text in english.items():
        assert values_of(text) == values_of(german[key]), key
        for one in (text, german[key]):
            assert isinstance(one, str) or one.keys() == {"one", "other"}, key


def test_every_key_that_is_used_has_a_text_and_every_text_is_used():
    code = "\n".join(
        path.read_text()
        for path in sources()
        if path.suffix == ".js"
    )
    english = catalogue("en")
    quoted = set(re.findall(r"'([a-z][\w-]*\.[\w.-]+)'", code))
    assert {key for key in re.findall(r"\bt\('([^']+\.[^']+)'", code)} <= english.keys()
    # Keys that are put together: `state.${name}`, named('state', name).
    made = {re.escape(part) for part in re.findall(r"`([a-z][\w-]*\.[\w-]*)\$\{", code)}
    made |= {re.escape(part) + r"\." for part in re.findall(r"named\('([\w-]+)'", code)}
    made |= {re.escape(part) + r"\." for part in re.findall(r", '(state|class)'\)", code)}
    unused = [
        key
        for key in english
        if key not in quoted and not any(re.match(start, key) for start in made)
    ]
    assert unused == []


# --- addresses ---

PATHS = [
    ("/dashboard", "home", None),
    ("/dashboard/login", "login", None),
    ("/dashboard/system", "system", None),
    ("/dashboard/o/acme", "overview", {"org": "acme", "kind": "org"}),
    ("/dashboard/o/acme/hooks/new", "hook-new", {"org": "acme", "kind": "org"}),
    (
        "/dashboard/o/acme/s/site/prod/hooks",
        "hooks",
        {"org": "acme", "kind": "stack", "project": "site", "name": "prod"},
    ),
    (
        "/dashboard/o/acme/e/site/dev/hooks/x/timing",
        "hook-timing",
        {"org": "acme", "kind": "env", "project": "site", "name": "dev"},
    ),
    (
        "/dashboard/o/acme/a/5f/hooks/x/deliveries/e/3",
        "attempt",
        {"org": "acme", "kind": "akinon", "project": "5f"},
    ),
    ("/dashboard/o/acme/nowhere", "not-found", None),
    ("/dashboard/o/%zz", "not-found", None),
    ("/elsewhere", "not-found", None),
]


def test_addresses_are_read(page):
    found = pure(
        page, "paths", "return v[0].map((p) => m.parsePath(p))", [p for p, *_ in PATHS]
    )
    for (path, screen, place), route in zip(PATHS, found):
        assert (route["screen"], route["place"]) == (screen, place), path


def test_addresses_that_are_made_are_read_the_same(page):
    names = ["a", "a b", "ä/ö", "100%", "?#", "..", "'\"<>"]
    assert (
        pure(
            page,
            "paths",
            """
        return v[0].flatMap((org) => v[0].map((hook) => {
            const place = { org, kind: 'stack', project: hook, name: org };
            const url = new URL(m.href(place, ['hooks', hook, 'settings'], { q: org }), location.origin);
            const route = m.parsePath(url.pathname);
            return JSON.stringify(route.place) === JSON.stringify(place) && route.params.hook === hook
                && url.searchParams.get('q') === org;
        })).filter((good) => !good).length""",
            [n for n in names if n != ".."],
        )
        == 0
    )


# --- texts that differ ---


def test_a_diff_holds_both_texts_and_no_more_than_it_must(page):
    random.seed(7)
    pairs = [["", ""], ["a", ""], ["", "a\nb"], ["a\nb\nc", "a\nb\nc"]]
    for _ in range(200):
        left = [random.choice("abcd") for _ in range(random.randrange(12))]
        right = [random.choice("abcd") for _ in range(random.randrange(12))]
        pairs.append(["\n".join(left), "\n".join(right)])
    found = pure(page, "diff", "return v[0].map(([a, b]) => m.diffLines(a, b))", pairs)
    for (left, right), lines in zip(pairs, found):
        kept = [line["text"] for line in lines if line["kind"] != "new"]
        made = [line["text"] for line in lines if line["kind"] != "gone"]
        assert ("\n".join(kept), "\n".join(made)) == (left, right)
        same = sum(line["kind"] == "same" for line in lines)
        assert same == longest_common(left.split("\n"), right.split("\n"))


def longest_common(a, b):
    row = [0] * (len(b) + 1)
    for x in a:
        before = 0
        for j, y in enumerate(b):
            before, row[j + 1] = row[j + 1], before + 1 if x == y else max(row[j + 1], row[j])
    return row[-1]


def test_texts_that_are_too_different_are_told_by_their_first_byte(page):
    left = "\n".join(f"l{i}" for i in range(3000))
    assert (
        pure(page, "diff", "return m.diffLines(v[0], v[1])", left, left.replace("l", "r"))
        is None
    )
    assert pure(page, "diff", "return m.diffLines('\\n'.repeat(5001), 'x')") is None
    assert pure(page, "diff", "return m.firstDifference('aäb', 'aäc')") == 3
    assert pure(page, "diff", "return m.firstDifference('a', 'a')") == -1


def test_headers_are_compared_by_name(page):
    assert pure(
        page,
        "diff",
        "return m.diffHeaders(v[0], v[1])",
        [["A", "1"], ["B", "2"]],
        [["b", "2"], ["C", "3"]],
    ) == [
        {"name": "A", "left": "1", "right": None, "same": False},
        {"name": "B", "left": "2", "right": "2", "same": True},
        {"name": "C", "left": None, "right": "3", "same": False},
    ]


# --- numbers ---


def test_durations(page):
    for us, text in [
        (0, "0 µs"),
        (40, "40 µs"),
        (1300, "1.3 ms"),
        (12_000, "12 ms"),
        (999_400, "999 ms"),
        (29_980_000, "29.98 s"),
        (1_500_000, "1.5 s"),
        (1_000_000, "1 s"),
        (30_000_000, "30 s"),
        (250_000_000, "4 m 10 s"),
        (3_600_000_000, "1 h"),
        (183_600_000_000, "2 d 3 h"),
    ]:
        assert pure(page, "format", "return m.fromUs(v[0])", us) == text
    for text, ms in [
        ("10ms", 10),
        ("5s", 5000),
        ("2m", 120_000),
        ("7d", 604_800_000),
        ("5", None),
        ("s", None),
    ]:
        assert pure(page, "format", "return m.parse(v[0])", text) == ms
    for text, point in [
        ("-24h", "913600"),
        ("-1 h", "996400"),
        ("now", ""),
        ("", ""),
        ("2026-11-24", "2026-11-24"),
    ]:
        assert pure(page, "format", "return m.pointInTime(v[0], 1e9)", text) == point


def test_bars_are_differences(page):
    timing = {
        "queueUs": 9,
        "dnsUs": 40,
        "connectUs": 400,
        "tlsUs": 12_000,
        "firstByteUs": 20_000,
        "totalUs": 20_500,
        "reusedConnection": False,
    }
    bars = pure(page, "series", "return m.bars(v[0])", timing)
    assert [bar["phase"] for bar in bars] == ["dns", "connect", "tls", "firstByte", "rest"]
    assert sum(bar["to"] - bar["from"] for bar in bars) == 20_500
    again = pure(page, "series", "return m.bars(v[0])", {**timing, "reusedConnection": True})
    assert [bar["phase"] for bar in again] == ["firstByte", "rest"]
    for changed, phase in [
        ({"firstByteUs": 0}, "firstByte"),
        ({"firstByteUs": 0, "tlsUs": 0, "connectUs": 0}, "connect"),
        ({"firstByteUs": 0, "tlsUs": 0, "connectUs": 0, "dnsUs": 0}, "dns"),
    ]:
        assert pure(page, "series", "return m.endedIn(v[0])", {**timing, **changed}) == phase


def test_scales(page):
    assert pure(page, "series", "return m.ticks(17)") == [0, 5, 10, 15, 20]
    assert pure(page, "series", "return m.ticks(0)") == [0]
    assert pure(page, "series", "return m.logTicks(40, 31000)") == [
        10,
        100,
        1000,
        10_000,
        100_000,
    ]
    assert pure(
        page, "series", "const y = m.logScale(10, 1000, 100); return [y(10), y(100), y(1000)]"
    ) == [100, 50, 0]


def test_text_of_others_is_shown_as_it_is(page):
    assert (
        pure(page, "format", "return m.visible('a\\u202eb\\u0000\\nc')")
        == "a⟨U+202E⟩b⟨U+0000⟩\nc"
    )
    body = '{"n":12345678901234567890,"e":1.50,"t":"a\\"{","l":[],"o":{"a":[1,{}]}}'
    shown = pure(page, "format", "return m.prettyJson(v[0])", body)
    assert "12345678901234567890" in shown and "1.50" in shown
    assert json.loads(shown) == json.loads(body) and shown.count("\n") > 5
    assert pure(page, "format", "return m.prettyJson('<p>')") is None
    assert pure(page, "format", "return m.parseHeaders('A: 1\\r\\nB:2: 3\\r\\n')") == [
        ["A", "1"],
        ["B", "2: 3"],
    ]


def test_a_signature_fits_its_secret_alone(page):
    sent = {"body": '{"a":"ä"}', "id": "e1", "timestamp": "1700000000"}
    found = pure(
        page,
        "signature",
        """
        const key = await crypto.subtle.importKey('raw', new TextEncoder().encode('s'), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
        const mac = async (text) => new Uint8Array(await crypto.subtle.sign('HMAC', key, new TextEncoder().encode(text)));
        const hex = Array.from(await mac(v[0].body), (b) => b.toString(16).padStart(2, '0')).join('');
        const standard = 'v1,AAAA v1,' + m.base64(await mac(`${v[0].id}.${v[0].timestamp}.${v[0].body}`));
        const sent = { ...v[0], pulumi: hex, standard };
        return [await m.check('s', sent), await m.check('t', sent), await m.check('', sent), await m.check('s', { ...sent, pulumi: null })]""",
        sent,
    )
    assert found == [
        {"pulumi": True, "standard": True},
        {"pulumi": False, "standard": False},
        {"pulumi": False, "standard": False},
        {"pulumi": None, "standard": True},
    ]
    secret = pure(page, "signature", "return m.newSecret()")
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", secret)


def test_a_word_of_the_shell(page):
    for text in ("", "it's", "$HOME `id` \\ \"", "a\nb", "-x", "ä"):
        quoted = pure(page, "format", "return m.quote(v[0])", text)
        shown = subprocess.run(
            ["sh"], input=f"printf %s {quoted}".encode(), capture_output=True, check=True
        )
        assert shown.stdout == text.encode()
