# SPDX-License-Identifier: MIT
"""Groups of patterns and events at random, from few names and values, so that they meet."""

import json
import random

NAMES = ["a", "b", "c", "a.b", "d"]
TEXTS = ["", "x", "xy", "yx", "X", "10.0.0.1", "10.0.0.2", "::1", "ä", "Ä", "x*y", "abcabc", "null"]
NUMBERS = ["0", "1", "1.0", "-1", "2", "10", "1e1", "0.1", "12345678901234567890", "100"]
PARTS = ["x", "y", "xy", "abc", "X", "Ä", "*", "c"]


def text(r, texts=TEXTS):
    return json.dumps(r.choice(texts), ensure_ascii=False)


def scalar(r):
    kind = r.random()
    if kind < 0.5:
        return text(r)
    return r.choice(NUMBERS) if kind < 0.85 else r.choice(["true", "false", "null"])


def value(r, depth):
    kind = r.random()
    if depth == 0 or kind < 0.4:
        return scalar(r)
    if kind < 0.7:
        return "[" + ",".join(value(r, depth - 1) for _ in range(r.randrange(4))) + "]"
    return an_object(r, depth - 1)


def an_object(r, depth, least=0):
    names = r.sample(NAMES, r.randrange(least, 4))
    return "{" + ",".join(f'"{name}":{value(r, depth)}' for name in names) + "}"


def wildcard(r):
    pieces = [r.choice(["x", "y", "abc", "\\*", ""]) for _ in range(r.randrange(1, 4))]
    return json.dumps("*".join(pieces))


def but(r):
    kind = r.random()
    if kind < 0.25:
        return text(r)
    if kind < 0.4:
        return r.choice(NUMBERS)
    if kind < 0.6:
        return "[" + ",".join(text(r) for _ in range(r.randrange(1, 3))) + "]"
    if kind < 0.7:
        return "[" + ",".join(r.choice(NUMBERS) for _ in range(r.randrange(1, 3))) + "]"
    op = r.choice(["prefix", "suffix", "equals-ignore-case", "wildcard"])
    one = (lambda: wildcard(r)) if op == "wildcard" else (lambda: text(r, PARTS[:-2]))
    if r.random() < 0.3:
        return f'{{"{op}":[{one()},{one()}]}}'
    return f'{{"{op}":{one()}}}'


def numeric(r):
    low, high = sorted((float(n) for n in r.sample(["-1", "0", "1", "2", "10", "0.1"], 2)))
    return r.choice([f'["=",{low}]', f'["<",{high}]', f'["<=",{low}]', f'[">",{low}]', f'[">=",{high}]',
                     f'[">",{low},"<",{high}]', f'[">=",{low},"<=",{high}]'])


def test(r):
    kind = r.random()
    if kind < 0.4:
        return scalar(r)
    op = r.choice(["prefix", "suffix", "equals-ignore-case", "wildcard", "anything-but", "anything-but", "numeric",
                   "numeric", "cidr", "exists", "exists", "exists", "exactly"])
    if op in ("prefix", "suffix"):
        return f'{{"{op}":{text(r, PARTS)}}}' if r.random() < 0.6 else (
            f'{{"{op}":{{"equals-ignore-case":{text(r, PARTS)}}}}}')
    operand = {"equals-ignore-case": lambda: text(r), "wildcard": lambda: wildcard(r), "anything-but": lambda: but(r),
               "numeric": lambda: numeric(r), "cidr": lambda: r.choice(['"10.0.0.0/30"', '"10.0.0.2/31"', '"::/64"']),
               "exists": lambda: r.choice(["true", "false"]), "exactly": lambda: text(r)}[op]()
    return f'{{"{op}":{operand}}}'


def tests(r):
    return "[" + ",".join(test(r) for _ in range(1 if r.random() < 0.7 else 2)) + "]"


def members(r, depth):
    out = []
    for name in r.sample(NAMES, r.randrange(1, 4)):
        inner = pattern(r, depth - 1) if depth > 0 and r.random() < 0.5 else tests(r)
        out.append(f'"{name}":{inner}')
    if depth > 0 and r.random() < 0.2:
        ways = ",".join(pattern(r, depth - 1) for _ in range(r.randrange(2, 4)))
        out.insert(r.randrange(len(out) + 1), f'"$or":[{ways}]')
    return out


def pattern(r, depth):
    return "{" + ",".join(members(r, depth)) + "}"


def groups(n, seed):
    """n groups: of each, all patterns with all events."""
    r = random.Random(seed)
    for i in range(n):
        yield (f"at random {i}", [an_object(r, 4, least=1) for _ in range(8)], [pattern(r, 2) for _ in range(8)])
