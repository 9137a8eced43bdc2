# SPDX-License-Identifier: BSD-3-Clause
"""Random commands of streams. Ids are given, or "ms-*" with a clock of our own: two servers would not
agree on "*". Idle times are 0 or very long."""

from diff_commands import command
from diff_compare import Step

STREAMS = [b"st1", b"st2", b"{t}st"]
IDS = [b"0", b"0-0", b"0-1", b"1-1", b"3", b"5-0", b"5-1", b"9-2", b"20", b"40-1", b"18446744073709551615",
       b"18446744073709551615-18446744073709551615", b"007-01"]  # fmt: skip
BAD_IDS = [b"", b"-", b"+", b"x", b"1-", b"-1", b"1-x", b"1-1-1", b"1.5", b"$", b">", b"*", b"(1",
           b"18446744073709551616", b"1-18446744073709551616"]  # fmt: skip
GROUPS = [b"g1", b"g2"]
CONSUMERS = [b"alice", b"bob", b"carol", b""]
FIELDS = [b"f", b"g", b"temperature", b"12", b""]
VALUES = [b"v", b"1", b"-5", b"300", b"70000", b"x" * 70, b"\x00\xff", b"9223372036854775807", b"y" * 2000]
IDLE = [b"0", b"0", b"0", b"-1", b"99999999", b"x"]
COUNTS = [b"0", b"1", b"1", b"2", b"5", b"-1", b"x"]
LENGTHS = [b"0", b"1", b"3", b"10", b"50", b"150", b"-1", b"x"]


def stream(s):
    return s.key() if s.chance(0.04) else s.pick(STREAMS)


def group(s):
    return b"none" if s.chance(0.04) else s.pick(GROUPS)


def clock(s):
    """Rises with the commands, slowly, so that ids are often near each other."""
    s.stream_ms = getattr(s, "stream_ms", 10) + s.rng.choice([0, 0, 1, 2])
    return s.stream_ms


def ident(s):
    if s.chance(0.05):
        return s.pick(BAD_IDS)
    if s.chance(0.3):
        return s.pick(IDS)
    return b"%d-%d" % (max(clock(s) - s.rng.randint(0, 40), 0), s.rng.randint(0, 3))


def border(s):
    return s.pick([b"-", b"+", b"(5-1", b"(0", b"(20"]) if s.chance(0.5) else ident(s)


def count(s):
    return [b"COUNT", s.pick(COUNTS)]


def trimming(s):
    kind = s.rng.choice([b"MAXLEN", b"MINID"])
    out = [kind] + s.pick([[], [b"="], [b"~"], [b"~"]])
    out.append(s.pick(LENGTHS) if kind == b"MAXLEN" else ident(s))
    return out + ([b"LIMIT", s.pick([b"0", b"1", b"100", b"1000", b"-1"])] if s.chance(0.3) else [])


@command("XADD", weight=25)
def _xadd(s):
    if s.chance(0.01):  # around the entries of a node
        name, n = s.pick(STREAMS), s.rng.randint(95, 105)
        return [Step((b"XADD", name, b"%d-*" % clock(s), b"f", b"%d" % i)) for i in range(n)]
    key = stream(s)
    out = [key] + s.options([b"NOMKSTREAM", trimming], 2) if s.chance(0.15) else [key]
    last = b"%d-*" % clock(s) if s.chance(0.8) else ident(s)
    # The highest ids only where no XSETID goes back behind one that was deleted: that confuses Redis.
    out.append(b"6-*" if last == b"*" or (last > b"18446744073709551" and key != b"{t}st") else last)
    fields = FIELDS if s.chance(0.3) else FIELDS[:1]
    for _ in range(s.rng.choice([1, 1, 2, 4]) if fields is FIELDS else 1):
        out += [s.pick(fields), s.pick(VALUES) if s.chance(0.5) else b"%d" % s.rng.randint(0, 999)]
    return out


@command("XDEL", weight=4)
def _xdel(s):
    return [stream(s)] + [ident(s) for _ in range(s.rng.choice([1, 2, 5]))]


@command("XSETID", weight=1)
def _xsetid(s):
    # Not too high: what comes behind would be refused for good.
    last = b"%d-%d" % (clock(s), s.rng.randint(0, 3)) if s.chance(0.8) else s.pick(BAD_IDS)
    more = [lambda s: [b"ENTRIESADDED", s.pick([b"0", b"5", b"5000", b"-1", b"x"])],
            lambda s: [b"MAXDELETEDID", s.pick([b"0-0", b"1-1", b"20", b"x"])]]  # fmt: skip
    return [s.pick([b"st1", b"st2", b"k1"]), last] + s.options(more, 2)


command("XTRIM", weight=2)(lambda s: [stream(s)] + trimming(s))
command("XLEN")(lambda s: [stream(s)])
for _name in ("XRANGE", "XREVRANGE"):
    command(_name, weight=4)(lambda s: [stream(s), border(s), border(s)] + s.options([count], 1))


def sources(s, last):
    """Not from the highest id on: Redis takes it for ">"."""
    keys = [stream(s) for _ in range(s.rng.choice([1, 1, 2, 3]))]
    ids = [last if s.chance(0.6) else ident(s).replace(b"-18446744073709551615", b"-7") for _ in keys]
    return [b"STREAMS"] + keys + (ids if s.chance(0.97) else ids[1:])


@command("XREAD", weight=4)
def _xread(s):
    return s.options([count, b"NOACK"] if s.chance(0.1) else [count], 1) + sources(s, b"$")


@command("XREADGROUP", weight=10)
def _xreadgroup(s):
    out = [b"GROUP", group(s), s.pick(CONSUMERS)] if s.chance(0.97) else []
    return out + s.options([count, count, b"NOACK"], 2) + sources(s, b">")


@command("XGROUP CREATE", weight=6)
def _xgroup_create(s):
    more = [b"MKSTREAM", lambda s: [b"ENTRIESREAD", s.pick([b"0", b"3", b"-1", b"-2", b"x"])]]
    return [stream(s), group(s), b"$" if s.chance(0.3) else ident(s)] + s.options(more, 2)


@command("XGROUP SETID")
def _xgroup_setid(s):
    more = [lambda s: [b"ENTRIESREAD", s.pick([b"0", b"3", b"-1", b"-2", b"x"])]]
    return [stream(s), group(s), b"$" if s.chance(0.3) else ident(s)] + s.options(more, 1)


command("XGROUP DESTROY", weight=1)(lambda s: [stream(s), group(s)])
command("XGROUP CREATECONSUMER")(lambda s: [stream(s), group(s), s.pick(CONSUMERS)])
command("XGROUP DELCONSUMER", weight=1)(lambda s: [stream(s), group(s), s.pick(CONSUMERS)])
command("XGROUP HELP", weight=1)(lambda s: [])


@command("XACK", weight=5)
def _xack(s):
    return [stream(s), group(s)] + [ident(s) for _ in range(s.rng.choice([1, 2, 9]))]


@command("XPENDING", mode="stream", weight=5)
def _xpending(s):
    out = [stream(s), group(s)]
    if s.chance(0.3):
        return out
    out += [b"IDLE", s.pick(IDLE)] if s.chance(0.3) else []
    out += [border(s), border(s), s.pick(COUNTS + [b"100"])]
    return out + ([s.pick(CONSUMERS)] if s.chance(0.3) else [])


@command("XCLAIM", weight=6)
def _xclaim(s):
    more = [b"FORCE", b"JUSTID", lambda s: [b"IDLE", s.pick([b"0", b"-1", b"x"])],
            lambda s: [b"TIME", s.pick([b"99999999999999", b"x"])],
            lambda s: [b"RETRYCOUNT", s.pick([b"0", b"3", b"-1", b"x"])],
            lambda s: [b"LASTID", ident(s)]]  # fmt: skip
    ids = [ident(s) for _ in range(s.rng.choice([1, 3, 9]))]
    return [stream(s), group(s), s.pick(CONSUMERS), s.pick(IDLE)] + ids + s.options(more, 3)


@command("XAUTOCLAIM", weight=4)
def _xautoclaim(s):
    more = [count, b"JUSTID"]
    return [stream(s), group(s), s.pick(CONSUMERS), s.pick(IDLE), border(s)] + s.options(more, 2)


@command("XINFO STREAM", mode="stream", weight=4)
def _xinfo_stream(s):
    return [stream(s)] + ([b"FULL"] + s.options([count], 1) if s.chance(0.6) else [])


command("XINFO GROUPS", mode="stream", weight=4)(lambda s: [stream(s)])
command("XINFO CONSUMERS", mode="stream")(lambda s: [stream(s), group(s)])
command("XINFO HELP", weight=1)(lambda s: [])
