# SPDX-License-Identifier: BSD-3-Clause
"""Random calls of SORT. Its patterns name keys of the pool, and others that exist now and then."""

from diff_commands import command
from diff_compare import Step

# Lists of numbers, whose elements are parts of names.
LISTS = [b"sl", b"{t}sl", b"sz", b"ss"]
NUMBERS = [b"1", b"2", b"3", b"10", b"-5", b"2.5", b"1e2", b"a", b"", b" 3", b"0x10", b"t}a", b"inf"]
PATTERNS = [b"w_*", b"w_*", b"h_*->f", b"h_*->f", b"k*", b"{*", b"h_*->", b"*->f", b"h_*->f->g", b"*", b"w_*->f"]
ANY_ORDER = [b"nosort", b"x", b"#", b""]


def number(s):
    """Without a zero byte: there Redis stops comparing texts, and this server does not."""
    if s.chance(0.1):
        return s.value().replace(b"\0", b"")
    return s.pick(NUMBERS[:6]) if s.chance(0.93) else s.pick(NUMBERS)


def source(s):
    return s.pick(LISTS)


def limit(s):
    bounds = [b"0", b"1", b"2", b"-1", b"5", b"9223372036854775807"]
    return [b"LIMIT", s.pick(bounds), s.pick(bounds) if s.chance(0.97) else s.pick([b"x", b""])]


def by(s):
    """A set in no order is compared nowhere."""
    return [b"BY", s.pick(PATTERNS)]


def get(s):
    return [b"GET", s.pick(PATTERNS + [b"#", b"#", b"x"])]


WORDS = [b"ASC", b"DESC", b"ALPHA", b"ALPHA", limit, by, by, get, get]


def words(s, key):
    out = s.options(WORDS + ([lambda s: [b"BY", s.pick(ANY_ORDER)]] if key in (b"sl", b"sz") else []), 5)
    # Of equal weights chance decides where a set's elements stand: ALPHA with BY of a set is left out, and so is
    # LIMIT with it, for which Redis sorts with another method.
    upper = [w.upper() for w in out]
    if b"BY" in upper and b"ALPHA" in upper and (key != b"sl" or b"LIMIT" in upper):
        return []
    return out


def store(s, key):
    """What stores must not depend on numbers, as diff_compare.py says."""
    order = [b"ALPHA"] if key == b"ss" or s.chance(0.5) else [b"BY", s.pick(ANY_ORDER)]
    return [key] + order + s.options([b"ASC", b"DESC", limit, get, get], 3) + [b"STORE", s.key()]


@command("SORT", mode="sorted", weight=4)
def _sort(s):
    key = source(s)
    return store(s, key) if s.chance(0.3) else [key] + words(s, key)


@command("SORT (wrong type)", weight=1)
def _sort_wrong(s):
    """Of other keys only the length of what comes."""
    return [Step((b"SORT", s.key(), b"ALPHA", b"LIMIT", b"0", b"0"))]


@command("SORT_RO", mode="sorted")
def _sort_ro(s):
    key = source(s)
    return [key] + words(s, key)


@command("RPUSH (sort)")
def _rpush(s):
    return [Step((b"RPUSH", s.pick(LISTS[:2])) + tuple(number(s) for _ in range(s.rng.randint(1, 5))))]


@command("SADD (sort)")
def _sadd(s):
    return [Step((b"SADD", b"ss") + tuple(number(s) for _ in range(s.rng.randint(1, 3))))]


@command("ZADD (sort)")
def _zadd(s):
    return [Step((b"ZADD", b"sz", b"%d" % s.rng.randint(0, 3), number(s)))]


@command("DEL (sort)")
def _del(s):
    return [Step((b"DEL", s.pick(LISTS)))]


@command("SET (sort)", weight=3)
def _set(s):
    return [Step((b"SET", b"w_" + number(s), number(s)))]


@command("HSET (sort)", weight=3)
def _hset(s):
    return [Step((b"HSET", b"h_" + number(s), s.pick([b"f", b"f->g"]), number(s)))]
