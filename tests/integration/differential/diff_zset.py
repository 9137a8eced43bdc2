# SPDX-License-Identifier: BSD-3-Clause
"""Random commands of sorted sets. Redis 7.0 prints scores with 17 digits where fewer read back the same:
numbers are compared by value."""

from diff_commands import command
from diff_compare import Step

MEMBERS = [b"a", b"b", b"c", b"aa", b"1", b"20", b"", b"x" * 70, b"\x00\xff", b"A"]
SCORES = [b"0", b"1", b"2", b"-1", b"1.5", b"-0.5", b"3e2", b"inf", b"-inf", b"+inf", b"1e300", b"0.1",
          b"-0", b"9007199254740993"]  # fmt: skip
BAD_SCORES = [b"nan", b"x", b"", b"1x", b"--1"]
SCORE_BORDERS = [b"-inf", b"+inf", b"inf", b"(1", b"1", b"(-1", b"2", b"(2", b"-5", b"0", b"(0", b"300"]
LEX_BORDERS = [b"-", b"+", b"[a", b"(a", b"[b", b"(c", b"[", b"(", b"[aa", b"[x", b"[1"]
# All of its scores are equal: what BYLEX gives of others is not defined, and differs.
LEX_KEY = b"lex"
COUNTS = [b"0", b"1", b"2", b"3", b"100", b"-1", b"x"]


def member(s):
    return s.pick(MEMBERS) if s.chance(0.6) else b"%d" % s.rng.randint(0, 150)


def score(s):
    if s.chance(0.04):
        return s.pick(BAD_SCORES)
    return s.pick(SCORES) if s.chance(0.5) else b"%d" % s.rng.randint(-20, 20)


def count(s):
    return s.pick(COUNTS)


def border(s, pool):
    return s.pick([b"x", b"", b"(x"]) if s.chance(0.03) else s.pick(pool)


def limit(s):
    return [b"LIMIT", s.pick([b"0", b"1", b"2", b"-1", b"x"]), s.pick([b"0", b"1", b"3", b"-1"])]


def numkeys(s, keys):
    return b"%d" % len(keys) if s.chance(0.95) else s.pick([b"0", b"-1", b"x", b"9"])


@command("ZADD", mode="numbers", weight=12)
def _zadd(s):
    if s.chance(0.05):
        n = s.rng.randint(125, 140)
        return [s.key()] + [w for i in range(n) for w in (b"%d" % (i % 7), b"%d" % i)]
    out = [s.key()] + s.options([b"NX", b"XX", b"GT", b"LT", b"CH", b"INCR"], 3)
    for _ in range(s.rng.choice([1, 1, 2, 5])):
        out += [score(s), member(s)]
    return out


@command("ZINCRBY", mode="numbers", weight=3)
def _zincrby(s):
    return [s.key(), score(s), member(s)]


@command("ZREM", weight=3)
def _zrem(s):
    return [s.key()] + [member(s) for _ in range(s.rng.randint(1, 4))]


command("ZCARD")(lambda s: [s.key()])
command("ZSCORE", mode="numbers")(lambda s: [s.key(), member(s)])
command("ZMSCORE", mode="numbers")(lambda s: [s.key(), member(s), member(s)])
command("ZRANK")(lambda s: [s.key(), member(s)])
command("ZREVRANK")(lambda s: [s.key(), member(s)])


@command("ZRANGE", mode="numbers", weight=8)
def _zrange(s):
    return _zrange_args(s, [b"REV", b"WITHSCORES", limit])


@command("ZRANGESTORE", weight=3)
def _zrangestore(s):
    return [s.key()] + _zrange_args(s, [b"REV", limit])


def _zrange_args(s, words):
    kind = s.rng.randint(0, 2)
    if kind == 0:
        return [s.key(), s.offset(), s.offset()] + s.options(words, 3)
    if kind == 1:
        ends = [border(s, SCORE_BORDERS), border(s, SCORE_BORDERS)]
        return [s.key()] + ends + [b"BYSCORE"] + s.options(words, 3)
    return [LEX_KEY, border(s, LEX_BORDERS), border(s, LEX_BORDERS), b"BYLEX"] + s.options(words, 3)


@command("ZADD (lex)", weight=3)
def _zadd_lex(s):
    out = [Step((b"ZADD", LEX_KEY) + (b"0", member(s)))]
    return out + [Step((b"ZADD", LEX_KEY, b"0", member(s)))]


for _name in ("ZRANGEBYSCORE", "ZREVRANGEBYSCORE"):
    command(_name, mode="numbers")(
        lambda s: [s.key(), border(s, SCORE_BORDERS), border(s, SCORE_BORDERS)]
        + s.options([b"WITHSCORES", limit], 2)
    )
for _name in ("ZRANGEBYLEX", "ZREVRANGEBYLEX"):
    command(_name)(
        lambda s: [LEX_KEY, border(s, LEX_BORDERS), border(s, LEX_BORDERS)] + s.options([limit], 1)
    )
command("ZREVRANGE", mode="numbers")(
    lambda s: [s.key(), s.offset(), s.offset()] + s.options([b"WITHSCORES"], 1)
)
command("ZCOUNT")(lambda s: [s.key(), border(s, SCORE_BORDERS), border(s, SCORE_BORDERS)])
command("ZLEXCOUNT")(lambda s: [LEX_KEY, border(s, LEX_BORDERS), border(s, LEX_BORDERS)])
command("ZREMRANGEBYRANK")(lambda s: [s.key(), s.offset(), s.offset()])
command("ZREMRANGEBYSCORE")(lambda s: [s.key(), border(s, SCORE_BORDERS), border(s, SCORE_BORDERS)])
command("ZREMRANGEBYLEX")(lambda s: [LEX_KEY, border(s, LEX_BORDERS), border(s, LEX_BORDERS)])
for _name in ("ZPOPMIN", "ZPOPMAX"):
    command(_name, mode="numbers")(lambda s: [s.key()] + ([count(s)] if s.chance(0.5) else []))


@command("ZMPOP", mode="numbers")
def _zmpop(s):
    keys = s.keys()
    how = s.pick([b"MIN", b"MAX", b"MID"])
    return [numkeys(s, keys)] + keys + [how] + s.options([lambda s: [b"COUNT", count(s)]], 1)


@command("ZRANDMEMBER", mode="length")
def _zrandmember(s):
    n = [count(s)] if s.chance(0.8) else []
    return [s.key()] + n + ([b"WITHSCORES"] if n and s.chance(0.4) else [])


def _combine(s, weigh, tail):
    keys = s.keys()
    out = [numkeys(s, keys)] + keys
    if weigh and s.chance(0.4):
        out += [b"WEIGHTS"] + [score(s) for _ in keys]
    if weigh and s.chance(0.4):
        out += [b"AGGREGATE", s.pick([b"SUM", b"MIN", b"MAX", b"AVG"])]
    return out + (s.options(tail, 1) if tail else [])


for _name, _weigh in (("ZUNION", True), ("ZINTER", True), ("ZDIFF", False)):
    command(_name, mode="numbers")(lambda s, w=_weigh: _combine(s, w, [b"WITHSCORES"]))
    command(_name + "STORE")(lambda s, w=_weigh: [s.key()] + _combine(s, w, []))
command("ZINTERCARD")(lambda s: _combine(s, False, [lambda s: [b"LIMIT", count(s)]]))


@command("ZSCAN", mode="scan")
def _zscan(s):
    return [s.key(), s.pick([b"0", b"0", b"x"])] + s.options([lambda s: [b"COUNT", count(s)]], 1)
