# SPDX-License-Identifier: MIT
"""The dashboard's files: what a browser gets, with which headers, and what it need not get
again."""

import gzip
import http.client
import os
import re
import signal
import subprocess

import pytest

from engine import Reply
from support import ROOT, wait_for

WEB = ROOT / "api/web"
PACKED_MAX = 100_000 # bytes of all files together
FILES = sorted(str(p.relative_to(WEB)) for p in WEB.rglob("*")
               if p.is_file() and p.suffix != ".md")
TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
         ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
         ".png": "image/png", ".json": "application/json"}
PROTECTION = {
    "content-security-policy":
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
ANEW, AT_EACH_VISIT = "no-store", "no-cache"
FOR_EVER = "public, max-age=31536000, immutable"


def get(engine, path, method="GET", token=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", engine.api_port, timeout=30)
    try:
        if token is not None:
            headers["Authorization"] = f"token {token}"
        connection.request(method, path, headers={
            name.replace("_", "-"): value for name, value in headers.items()})
        return Reply(connection.getresponse())
    finally:
        connection.close()


def hash_of(engine):
    """Of all files together, as the page names it."""
    return re.search(rb"/dashboard/~([0-9a-f]{16})/app\.js", get(engine, "/dashboard").body)[1].decode()


def content_of(name, content_hash=""):
    """What the program holds of a file: a module has no comments, the page a hash."""
    path = WEB / name
    if path.suffix == ".html":
        return path.read_bytes().replace(b"/~HASH/", f"/~{content_hash}/".encode())
    if path.suffix != ".js":
        return path.read_bytes()
    return subprocess.run(["awk", "-f", ROOT / "api/strip_comments.awk", path], check=True,
                          capture_output=True).stdout


def check_protected(reply, kept=AT_EACH_VISIT):
    for name, value in {**PROTECTION, "cache-control": kept}.items():
        assert reply.headers.get(name) == value, name


def kept(name):
    return ANEW if name == "index.html" else AT_EACH_VISIT


@pytest.mark.smoke
def test_every_file_of_the_repository_is_served(engine):
    assert "index.html" in FILES
    for name in FILES:
        content = content_of(name, hash_of(engine))
        plain = get(engine, f"/dashboard/{name}")
        assert plain.status == 200 and plain.body == content, name
        assert plain.headers["content-type"] == TYPES["." + name.rsplit(".", 1)[1]]
        assert int(plain.headers["content-length"]) == len(content)
        assert "content-encoding" not in plain.headers
        assert plain.headers["vary"] == "Accept-Encoding"
        check_protected(plain, kept(name))
        head = get(engine, f"/dashboard/{name}", "HEAD")
        assert head.status == 200 and head.body == b""
        for header in ("etag", "content-length", "content-type"):
            assert head.headers[header] == plain.headers[header]


def test_packed_files_are_for_clients_that_take_them(engine):
    content = content_of("app.js")
    plain = get(engine, "/dashboard/app.js")
    for accepted in ("gzip", "br, gzip;q=0.2", "*"):
        packed = get(engine, "/dashboard/app.js", Accept_Encoding=accepted)
        assert packed.headers["content-encoding"] == "gzip"
        assert len(packed.body) < len(content)
        assert gzip.decompress(packed.body) == content
        assert packed.headers["etag"] != plain.headers["etag"]
        check_protected(packed)
    for accepted in ("gzip;q=0", "identity", "br", "*;q=0", "gzip;q=0.0, *"):
        assert get(engine, "/dashboard/app.js", Accept_Encoding=accepted).body == content


def test_all_files_together_are_small(engine):
    sizes = {}
    for name in FILES:
        reply = get(engine, f"/dashboard/{name}", Accept_Encoding="gzip")
        assert reply.headers.get("content-encoding") == "gzip", name
        sizes[name] = len(reply.body)
    assert sum(sizes.values()) <= PACKED_MAX, sizes


def test_what_a_browser_has_is_not_sent_again(engine):
    for name in FILES:
        path = f"/dashboard/{name}"
        for how in ({}, {"Accept_Encoding": "gzip"}):
            tag = get(engine, path, **how).headers["etag"]
            for known in (tag, f'W/{tag}, "x"', "*"):
                same = get(engine, path, If_None_Match=known, **how)
                assert same.status == 304 and same.body == b""
                assert same.headers["etag"] == tag
                assert "content-length" not in same.headers
                check_protected(same, kept(name))
            assert get(engine, path, If_None_Match='"x"', **how).status == 200
    tags = {get(engine, f"/dashboard/{name}").headers["etag"] for name in FILES}
    assert len(tags) == len(FILES)


def test_addresses_of_the_page_open(engine):
    page = content_of("index.html", hash_of(engine))
    for path in ("/dashboard", "/dashboard/", "/dashboard/o/acme/hooks?state=dead",
                 "/dashboard/o/acme/s/web/prod/hooks/x/deliveries/1/2",
                 "/dashboard/../../etc/passwd", "/dashboard/README.md",
                 "/dashboard/%61pp.js", "/dashboard/app.js/", "/dashboard//app.js",
                 "/dashboard" + "/x" * 40, "/dashboard/" + "/" * 15):
        reply = get(engine, path)
        assert reply.status == 200 and reply.body == page, path
        check_protected(reply, ANEW)


def test_what_the_page_names_is_kept_for_ever(engine):
    """Its addresses hold a hash of all files, so an upgrade has others; what a program does
    not have, it does not answer with something else."""
    content_hash = hash_of(engine)
    page = get(engine, "/dashboard").body.decode()
    assert page.count("/dashboard/") == page.count(f"/dashboard/~{content_hash}/") > 5
    for name in FILES:
        if name == "index.html":
            continue
        reply = get(engine, f"/dashboard/~{content_hash}/{name}")
        assert reply.status == 200 and reply.body == content_of(name), name
        check_protected(reply, FOR_EVER)
    other = "0123456789abcdef"
    for path in (f"~{other}/app.js", f"~{content_hash}/gone.js", f"~{content_hash}/index.html",
                 f"~{content_hash}/", f"~{content_hash}", "~", f"~{content_hash}x/app.js",
                 f"~{content_hash[:-1]}/app.js", f"~{content_hash}/~{content_hash}/app.js"):
        for method in ("GET", "HEAD"):
            reply = get(engine, f"/dashboard/{path}", method)
            assert reply.status == 404 and reply.headers["cache-control"] == ANEW, path


def test_a_browser_that_opens_the_address_is_led_to_the_page(engine):
    browser = "text/html,application/xhtml+xml,*/*;q=0.8"
    for method in ("GET", "HEAD"):
        reply = get(engine, "/", method, Accept=browser)
        assert reply.status == 302 and reply.headers["location"] == "/dashboard"
        assert reply.headers["vary"] == "Accept"
    # Programs get what they got before.
    assert get(engine, "/", Accept="*/*").status == 401
    assert get(engine, "/", Accept="*/*", token=engine.token).status == 404
    assert get(engine, "/", "POST", Accept=browser).status == 401


def test_files_are_for_our_names_only(engine):
    for path in ("/dashboard", "/dashboard/app.js", "/"):
        reply = get(engine, path, Host="evil.example", Accept="text/html")
        assert reply.status == 421, path


def test_files_need_no_token_and_take_no_other_method(engine):
    for token in (None, "pht_nonsense-that-is-long-enough", engine.token):
        assert get(engine, "/dashboard", token=token).status == 200
    assert get(engine, "/dashboard", "POST", token=engine.token).status == 405
    assert get(engine, "/dashboard", "PUT").status == 401
    assert get(engine, "/dashboard/app.js", "OPTIONS",
               token=engine.token).headers["allow"] == "GET, HEAD, OPTIONS"


def test_without_the_dashboard_there_is_no_path_of_it(make_engine, tmp_path):
    config = tmp_path / "posthorn.conf"
    config.write_text("dashboard = off\n")
    engine = make_engine()
    plain = engine.command
    engine.command = lambda: [*plain(), "--config", str(config)]
    engine.start()
    for path in ("/dashboard", "/dashboard/app.js", "/dashboard/o/acme"):
        assert get(engine, path).status == 401, path
        assert get(engine, path, token=engine.token).status == 404, path
    assert get(engine, "/", Accept="text/html", token=engine.token).status == 404
    config.write_text("dashboard = on\n")
    os.kill(engine.process.pid, signal.SIGHUP)
    wait_for(lambda: get(engine, "/dashboard").status == 200, "the dashboard is there")


def test_what_every_screen_needs_is_loaded_at_once():
    """The page names the modules of its beginning: a browser that learns of each only from
    the one that imports it asks for them one after the other."""
    needed, left = set(), [WEB / "app.js"]
    while left:
        path = left.pop()
        for name in re.findall(r"from '(\.[^']+)'", path.read_text()):
            module = (path.parent / name).resolve()
            if module not in needed:
                needed.add(module)
                left.append(module)
    named = re.findall('"modulepreload" href="/dashboard/~HASH/([^"]+)"',
                       (WEB / "index.html").read_text())
    assert named == sorted(str(module.relative_to(WEB)) for module in needed)
