# SPDX-License-Identifier: MIT
"""Lists of hooks: whole, in pages, with tokens that cannot be made up."""

import re

import pytest

from support import compact
from test_api_hooks import check_error

pytestmark = pytest.mark.shared

ORG = "/api/orgs/acme/hooks"
STACK = "/api/stacks/acme/web/prod/hooks"


def fill(engine, count, org="acme", url="http://127.0.0.1:1029/"):
    """Makes hooks n000, n001, … of an organization over one connection."""
    path = f"/api/orgs/{org}/hooks"
    names = [f"n{i:05}" for i in range(count)]
    for name in names:
        reply = engine.api("POST", path, {
            "organizationName": org, "name": name, "displayName": name,
            "payloadUrl": url, "active": True})
        assert reply.status == 201, reply
    return names


def names_of(reply):
    assert reply.status == 200, reply
    return [hook["name"] for hook in reply.json()]


def next_of(reply):
    """The path of the next page, as Link says it; None: this is the last."""
    link = reply.headers.get("link")
    token = reply.headers.get("x-continuation-token")
    assert (link is None) == (token is None)
    if link is None:
        return None
    path = re.fullmatch(r'<([^>]+)>; rel="next"', link).group(1)
    assert f"continuationToken={token}" in path
    return path


def walk(engine, path):
    """The names on each page, from `path` to the last."""
    pages = []
    while path is not None:
        reply = engine.api("GET", path)
        pages.append(names_of(reply))
        path = next_of(reply)
    return pages


def test_without_a_limit_the_list_is_whole(engine):
    names = fill(engine, 30)
    for query in ("", "?continuationToken=", "?unknown=1"):
        reply = engine.api("GET", ORG + query)
        assert names_of(reply) == names
        assert next_of(reply) is None


def test_pages_hold_every_hook_once(engine):
    names = fill(engine, 25)
    fill(engine, 3, org="acme-other")  # a name that begins alike
    pages = walk(engine, f"{ORG}?limit=10")
    assert [len(page) for page in pages] == [10, 10, 5]
    assert sum(pages, []) == names
    # A page that ends with the last hook announces no other.
    assert [len(page) for page in walk(engine, f"{ORG}?limit=5")] == [5] * 5
    assert walk(engine, f"{ORG}?limit=1000") == [names]
    assert walk(engine, f"{STACK}?limit=10") == [[]]


def test_the_next_page_keeps_the_rest_of_the_query(engine):
    fill(engine, 5)
    path = next_of(engine.api("GET", f"{ORG}?x=a%20b&limit=2&y=%3E"))
    assert path.startswith(f"{ORG}?x=a%20b&limit=2&y=%3E&continuationToken=")
    path = next_of(engine.api("GET", path))
    assert path.count("continuationToken=") == 1
    assert "limit=2" in path


def test_a_token_without_a_limit_gives_the_rest(engine):
    names = fill(engine, 8)
    token = engine.api("GET", f"{ORG}?limit=3").headers["x-continuation-token"]
    reply = engine.api("GET", f"{ORG}?continuationToken={token}")
    assert names_of(reply) == names[3:]
    assert next_of(reply) is None


def test_pages_go_on_while_hooks_come_and_go(engine):
    fill(engine, 9)
    path = next_of(engine.api("GET", f"{ORG}?limit=3"))
    # The hook that the page ended with is gone; one comes before it, one after.
    assert engine.api("DELETE", f"{ORG}/n00002").status == 204
    for name in ("n00000a", "n00007a"):
        assert engine.api("POST", ORG, {
            "organizationName": "acme", "name": name, "displayName": name,
            "payloadUrl": "http://127.0.0.1:1029/", "active": True}).status == 201
    assert sum(walk(engine, path), []) == [
        "n00003", "n00004", "n00005", "n00006", "n00007", "n00007a", "n00008"]


@pytest.mark.alone
def test_tokens_outlive_a_restart(engine):
    names = fill(engine, 4)
    path = next_of(engine.api("GET", f"{ORG}?limit=3"))
    assert engine.stop() == 0
    engine.start()
    assert walk(engine, path) == [names[3:]]


def test_a_tampered_token_is_refused(engine):
    """By whoever asks with a limit, and so knows pages."""
    fill(engine, 4)
    fill(engine, 4, org="other")
    token = engine.api("GET", f"{ORG}?limit=2").headers["x-continuation-token"]
    text = "continuationToken is not one that this server gave out"
    others = [token[:i] + ("1" if digit == "0" else "0") + token[i + 1:]
              for i, digit in enumerate(token)]
    for bad in (*others, token[:-2], token + "00", token.upper() + "A", token[:16],
                "x", "%00", "%zz", "-1", "n00001", "0" * 1000):
        check_error(engine.api("GET", f"{ORG}?limit=1&continuationToken={bad}"),
                    400, text)
    # It is good for its list only.
    for path in ("/api/orgs/other/hooks", STACK):
        check_error(
            engine.api("GET", f"{path}?limit=9&continuationToken={token}"),
            400, text)


def test_a_token_of_another_server_gives_the_whole_list(engine):
    """Pulumi's clients know of no pages in lists of hooks."""
    whole = fill(engine, 4)
    token = engine.api("GET", f"{ORG}?limit=2").headers["x-continuation-token"]
    for other in ("x", "%00", "%zz", token[:-2], token[:-1] + "g", "0" * 1000,
                  "eyJuZXh0IjoxfQ=="):
        reply = engine.api("GET", f"{ORG}?continuationToken={other}")
        assert reply.status == 200, (other, reply)
        assert [h["name"] for h in reply.json()] == whole, other
        assert "link" not in reply.headers
    assert engine.api("GET", f"{STACK}?continuationToken={token}").json() == []
    # Ours goes on from its place, also without a limit.
    reply = engine.api("GET", f"{ORG}?continuationToken={token}")
    assert [h["name"] for h in reply.json()] == whole[2:]
    # Other lists are ours, and know pages.
    akinon = f"/organizations/{'1' * 24}/projects/{'2' * 24}/settings/webhooks"
    for path in (akinon, f"{ORG}/{whole[0]}/deliveries",
                 "/api/orgs/acme/deliveries"):
        check_error(engine.api("GET", f"{path}?continuationToken=x"), 400,
                    "continuationToken")


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "ten", "", "1e3", "+5"])
def test_a_limit_out_of_range_is_named(engine, limit):
    check_error(engine.api("GET", f"{ORG}?limit={limit}"), 400,
                "limit: ")


def test_what_a_limit_allows(engine):
    names = fill(engine, 3)
    assert names_of(engine.api("GET", f"{ORG}?limit=1")) == names[:1]
    assert names_of(engine.api("GET", f"{ORG}?limit=1000")) == names
    assert compact(engine.api("GET", f"{ORG}?limit=2").json()).startswith("[{")
