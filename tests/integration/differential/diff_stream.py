# SPDX-License-Identifier: BSD-3-Clause
"""Random commands of streams. Ids are given, so both servers hold the same; what tells of the clock (how long an
entry is idle, when a consumer was seen) is compared roughly (mode "idle"). "~" trims whole nodes, which are cut
differently where field names differ, so its reply and effect are compared only where nodes are equal: the commands
with "~" go to a stream of their own, whose entries all have the same fields."""

from diff_commands import command
from diff_compare import Step

STREAMS = [b"st1", b"st2", b"st3"]
TRIMMED = b"sttrim"  # the one for "~"
GROUPS = [b"g1", b"g2", b"g3"]
CONSUMERS = [b"alice", b"bob", b"carol", b""]
FIELDS = [b"f", b"g", b"", b"field", b"x" * 70, b"\x00\xff", b"12", b"-1"]
BAD_IDS = [b"", b"x", b"1-x", b"-1", b"1-", b"-", b"1-2-3", b"18446744073709551616", b"1-18446744073709551616",
           b"0-0", b"99999999999999999999-1", b"$", b"*x", b">"]  # fmt: skip
BORDERS = [b"-", b"+", b"0", b"(0", b"5", b"(5-1", b"18446744073709551615-18446744073709551615",
           b"(18446744073709551615-18446744073709551615", b"(-", b"(+", b"("]  # fmt: skip


def key(s):
    return s.key() if s.chance(0.05) else s.pick(STREAMS)


def near_id(s):
    """An id that is likely to be there, as all are of small numbers."""
    return b"%d-%d" % (s.rng.randint(0, 40), s.rng.randint(0, 3))


def any_id(s):
    if s.chance(0.04):
        return s.pick(BAD_IDS)
    if s.chance(0.1):
        return b"%d" % s.rng.randint(0, 40)
    return near_id(s)


def new_id(s):
    if s.chance(0.06):
        return s.pick(BAD_IDS)
    if s.chance(0.2):
        return b"%d-*" % s.rng.randint(0, 45)
    return b"%d-%d" % (s.rng.randint(0, 45), s.rng.randint(0, 4))


def fields(s):
    if s.chance(0.5):
        out = [b"f", s.value(), b"g", s.value()]
    else:
        out = [w for _ in range(s.rng.choice([1, 1, 2, 3])) for w in (s.pick(FIELDS), s.value())]
    return out[:-1] if s.chance(0.03) else out


def count(s):
    return s.pick([b"0", b"1", b"2", b"3", b"10", b"-1", b"x", b"9223372036854775807"])


def trim(s):
    by = s.pick([[b"MAXLEN"], [b"MINID"], [b"MAXLEN", b"="], [b"MINID", b"="]])
    bound = s.pick([b"0", b"1", b"3", b"10", b"50", b"-1", b"x"]) if by[0] == b"MAXLEN" else any_id(s)
    return by + [bound] + ([b"LIMIT", count(s)] if s.chance(0.1) else [])


@command("XADD", weight=14)
def _xadd(s):
    options = s.options([b"NOMKSTREAM", trim], 2) if s.chance(0.3) else []
    if s.chance(0.04):
        n = s.rng.randint(95, 105)  # around the entries of a node
        k, ms = key(s), s.rng.randint(0, 30)
        return [Step((b"XADD", k, b"%d-*" % ms, b"f", b"%d" % i)) for i in range(n)]
    return [key(s)] + options + [new_id(s)] + fields(s)


@command("XADD ~", weight=2, required=False)
def _xadd_about(s):
    step = (b"XADD", TRIMMED, b"MAXLEN", b"~", s.pick([b"0", b"100", b"150", b"250"]))
    limit = (b"LIMIT", s.pick([b"0", b"1", b"50", b"100", b"150"])) if s.chance(0.3) else ()
    more = [Step((b"XADD", TRIMMED, b"*", b"f", b"v"), "idle") for _ in range(s.rng.randint(1, 120))]
    return more + [Step(step + limit + (b"*", b"f", b"v"), "idle"), Step((b"XLEN", TRIMMED))]


command("XLEN")(lambda s: [key(s)])
command("XDEL", weight=4)(lambda s: [key(s)] + [any_id(s) for _ in range(s.rng.randint(1, 4))])


def border(s):
    return s.pick(BORDERS) if s.chance(0.5) else s.pick([b"", b"("]) + any_id(s)


@command("XRANGE", weight=4)
def _xrange(s):
    return [key(s), border(s), border(s)] + ([b"COUNT", count(s)] if s.chance(0.4) else [])


@command("XREVRANGE", weight=4)
def _xrevrange(s):
    return [key(s), border(s), border(s)] + ([b"COUNT", count(s)] if s.chance(0.4) else [])


@command("XTRIM", weight=3)
def _xtrim(s):
    return [key(s)] + trim(s)


@command("XTRIM ~", weight=2, required=False)
def _xtrim_about(s):
    limit = (b"LIMIT", s.pick([b"0", b"1", b"50", b"100", b"150"])) if s.chance(0.3) else ()
    return [Step((b"XTRIM", TRIMMED, b"MAXLEN", b"~", s.pick([b"0", b"100", b"150", b"250"])) + limit)]


@command("XSETID", weight=2)
def _xsetid(s):
    out = [key(s), any_id(s)]
    if s.chance(0.4):
        out += [b"ENTRIESADDED", s.pick([b"0", b"5", b"100", b"-1", b"x"]), b"MAXDELETEDID", any_id(s)]
    return out


@command("XREAD", weight=3)
def _xread(s):
    keys = [key(s) for _ in range(s.rng.choice([1, 1, 2]))]
    out = ([b"COUNT", count(s)] if s.chance(0.5) else []) + [b"STREAMS"] + keys
    ids = [s.pick([b"0", b"$", any_id(s), any_id(s)]) for _ in keys]
    return out + (ids[:-1] if s.chance(0.03) else ids)


# ---- groups -----------------------------------------------------------------------------------


def group(s):
    return s.pick(GROUPS) if s.chance(0.95) else b"none"


@command("XGROUP", weight=6)
def _xgroup(s):
    k, g = key(s), group(s)
    what = s.rng.choice(["create", "create", "create", "setid", "destroy", "createconsumer", "delconsumer", "bad"])
    if what == "create":
        at = s.pick([b"0", b"$", any_id(s)])
        out = [b"CREATE", k, g, at] + s.options([b"MKSTREAM", lambda s: [b"ENTRIESREAD", s.pick([b"-1", b"0", b"0", b"-2", b"x"])]], 2)
    elif what == "setid":
        out = [b"SETID", k, g, s.pick([b"0", b"$", any_id(s)])]
        out += [b"ENTRIESREAD", s.pick([b"-1", b"0", b"-5"])] if s.chance(0.3) else []
    elif what == "destroy":
        out = [b"DESTROY", k, g]
    elif what == "bad":
        out = s.pick([[b"NOSUCH"], [b"CREATE", k], [b"CREATE", k, g], [b"DESTROY"]])
    else:
        out = [what.upper().encode(), k, g, s.pick(CONSUMERS)]
    return [Step((b"XGROUP", *out))]


@command("XREADGROUP", weight=10)
def _xreadgroup(s):
    keys = [key(s) for _ in range(s.rng.choice([1, 1, 1, 2]))]
    out = [b"GROUP", group(s), s.pick(CONSUMERS)]
    out += ([b"COUNT", count(s)] if s.chance(0.6) else []) + ([b"NOACK"] if s.chance(0.15) else [])
    ids = [s.pick([b">", b">", b">", b"0", any_id(s), b"$"]) for _ in keys]
    return out + [b"STREAMS"] + keys + ids


command("XACK", weight=4)(lambda s: [key(s), group(s)] + [any_id(s) for _ in range(s.rng.randint(1, 4))])


@command("XPENDING", mode="idle", weight=4)
def _xpending(s):
    out = [key(s), group(s)]
    if s.chance(0.6):
        idle = [b"IDLE", s.pick([b"0", b"100000000", b"-1", b"x"])] if s.chance(0.2) else []
        out += idle + [border(s), border(s), count(s)] + ([s.pick(CONSUMERS)] if s.chance(0.4) else [])
    return out


@command("XCLAIM", weight=5)
def _xclaim(s):
    # Idle times are 0 or far: an entry's age is not to decide.
    out = [key(s), group(s), s.pick(CONSUMERS), s.pick([b"0", b"0", b"100000000", b"-1", b"x"])]
    out += [any_id(s) for _ in range(s.rng.randint(1, 4))]
    words = [
        b"FORCE", b"JUSTID", lambda s: [b"RETRYCOUNT", s.pick([b"0", b"5", b"-1", b"x"])],
        lambda s: [b"LASTID", any_id(s)], lambda s: [b"IDLE", s.pick([b"0", b"100", b"-1"])],
        lambda s: [b"TIME", s.pick([b"1", b"1500000000000", b"x"])],
    ]  # fmt: skip
    return out + s.options(words, 3)


@command("XAUTOCLAIM", weight=3)
def _xautoclaim(s):
    out = [key(s), group(s), s.pick(CONSUMERS), s.pick([b"0", b"0", b"100000000", b"x"]), s.pick([b"-", b"0", any_id(s), b"(0"])]
    return out + ([b"COUNT", s.pick([b"1", b"3", b"0", b"100", b"x"])] if s.chance(0.5) else []) + ([b"JUSTID"] if s.chance(0.3) else [])


@command("XINFO STREAM", mode="idle", weight=3)
def _xinfo_stream(s):
    out = [key(s)]
    if s.chance(0.5):
        out += [b"FULL"] + ([b"COUNT", count(s)] if s.chance(0.4) else [])
    return [Step((b"XINFO", b"STREAM", *out), "xinfo")]


command("XINFO GROUPS", weight=2)(lambda s: [key(s)])
command("XINFO CONSUMERS", mode="idle", weight=2)(lambda s: [key(s), group(s)])
