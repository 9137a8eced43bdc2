# SPDX-License-Identifier: BSD-3-Clause
"""Random commands of HyperLogLogs. Their bytes are compared as those of any string, but for the count that a PFCOUNT
of one key leaves in Redis, and not here: it goes to a copy, which is deleted.

They have keys of their own: of damaged ones, which string commands make, Redis reads more than this server."""

from diff_commands import command
from diff_compare import Step

# One hash, two hashes with registers side by side, enough to become dense.
COUNTS = [0, 1, 1, 2, 3, 8, 40, 300]
KEYS = [b"h1", b"h2", b"h3", b"{t}h"]
BAD_KEY = b"damaged"  # is counted and merged, never changed
DAMAGED = [
    b"HYLL\x01\x00\x00\x00" + b"\x00" * 7 + b"\x80" + b"\x7f\xfe",  # a register short
    b"HYLL\x01\x00\x00\x00" + b"\x00" * 7 + b"\x80" + b"\x7f",  # cut off
    b"HYLL\x01\x00\x00\x00" + b"\x00" * 7 + b"\x80",
    b"HYLL\x00\x00\x00\x00" + b"\x00" * 8 + b"\x00" * 12287,
    b"HYLL\x02\x00\x00\x00" + b"\x00" * 8 + b"\x7f\xff",
    b"HYLX\x01\x00\x00\x00" + b"\x00" * 8 + b"\x7f\xff",
    b"HYLL",
]
SOUND = [
    b"HYLL\x01\x00\x00\x00\x2a\x00\x00\x00\x00\x00\x00\x00\x7f\xff",  # says that it has seen 42
    b"HYLL\x00\x00\x00\x00" + b"\x00" * 7 + b"\x80" + b"\x00" * 12288,
    b"HYLL\x00\x00\x00\x00" + b"\x00" * 7 + b"\x80" + b"\xff" * 12288,
    b"HYLL\x01\x00\x00\x00" + b"\x00" * 7 + b"\x80" + b"\xff" * 4096,
]
SCRATCH = b"scratch"


def elements(s):
    n = s.pick(COUNTS)
    span = s.pick([20, 1000, 1 << 40])
    return [b"%d" % s.rng.randrange(span) if s.chance(0.9) else s.value() for _ in range(n)]


def key(s):
    return s.pick(KEYS)


def source(s):
    if s.chance(0.1):
        return s.key()
    return BAD_KEY if s.chance(0.05) else key(s)


@command("PFADD", weight=12)
def _pfadd(s):
    return [key(s)] + elements(s)


@command("PFCOUNT", weight=3)
def _pfcount(s):
    return [source(s) for _ in range(s.rng.randint(2, 4))]


@command("PFCOUNT (one)", weight=3)
def _pfcount_one(s):
    return [
        Step((b"COPY", source(s), SCRATCH, b"REPLACE")),
        Step((b"PFCOUNT", SCRATCH)),
        Step((b"DEL", SCRATCH)),
    ]


@command("PFMERGE", weight=3)
def _pfmerge(s):
    return [key(s)] + [source(s) for _ in range(s.rng.randint(0, 3))]


@command("PFDEBUG")
def _pfdebug(s):
    return [s.pick([b"DECODE", b"ENCODING", b"TODENSE", b"GETREG", b"decode", b"x"]), key(s)]


@command("DEL (HyperLogLog)")
def _del(s):
    return [Step((b"DEL", key(s)))]


@command("SET (HyperLogLog)", weight=1)
def _set(s):
    if s.chance(0.5):
        return [Step((b"SET", BAD_KEY, s.pick(DAMAGED)))]
    return [Step((b"SET", key(s), s.pick(SOUND)))]
