# SPDX-License-Identifier: BSD-3-Clause
"""Random commands of hashes and sets. What chance decides (SPOP, HRANDFIELD) is compared in length only,
or where the outcome is certain."""

from diff_commands import command

FIELDS = [b"f1", b"f2", b"f3", b"1", b"2", b"300", b"", b"x" * 70, b"\x00\xff", b"F1"]
COUNTS = [b"0", b"1", b"2", b"3", b"100", b"-1", b"x", b"9223372036854775807"]


def field(s):
    return s.pick(FIELDS) if s.chance(0.6) else b"%d" % s.rng.randint(0, 200)


def fields(s, most=4):
    return [field(s) for _ in range(s.rng.randint(1, most))]


def pairs(s):
    out = []
    for name in fields(s, 6):
        out += [name, s.value()]
    return out if s.chance(0.97) else out[:-1]


def many(s, n):
    return [b"%d" % i for i in range(n)] if s.chance(0.5) else [b"m%d" % i for i in range(n)]


def match(s):
    return s.options([lambda s: [b"MATCH", s.pick([b"*", b"f*", b"?", b"[0-9]*"])],
                      lambda s: [b"COUNT", s.pick([b"1000", b"0", b"-1", b"x"])]], 2)  # fmt: skip


# ---- hashes


@command("HSET", weight=8)
def _hset(s):
    if s.chance(0.05):
        return [s.key()] + [w for f in many(s, s.rng.randint(500, 520)) for w in (f, b"v")]
    return [s.key()] + pairs(s)


@command("HMSET")
def _hmset(s):
    return [s.key()] + pairs(s)


@command("HSETNX")
def _hsetnx(s):
    return [s.key(), field(s), s.value()]


@command("HGET", weight=3)
def _hget(s):
    return [s.key(), field(s)]


@command("HMGET")
def _hmget(s):
    return [s.key()] + fields(s)


@command("HGETALL", mode="pairs")
def _hgetall(s):
    return [s.key()]


@command("HKEYS", mode="elements")
def _hkeys(s):
    return [s.key()]


@command("HVALS", mode="elements")
def _hvals(s):
    return [s.key()]


@command("HLEN")
def _hlen(s):
    return [s.key()]


@command("HEXISTS")
def _hexists(s):
    return [s.key(), field(s)]


@command("HSTRLEN")
def _hstrlen(s):
    return [s.key(), field(s)]


@command("HDEL", weight=3)
def _hdel(s):
    return [s.key()] + fields(s)


@command("HINCRBY", weight=3)
def _hincrby(s):
    return [s.key(), field(s), s.integer()]


@command("HINCRBYFLOAT", weight=3)
def _hincrbyfloat(s):
    return [s.key(), field(s), s.number()]


@command("HRANDFIELD", mode="length")
def _hrandfield(s):
    count = [s.pick(COUNTS)] if s.chance(0.8) else []
    return [s.key()] + count + ([b"WITHVALUES"] if count and s.chance(0.4) else [])


@command("HSCAN", mode="scan")
def _hscan(s):
    return [s.key(), s.pick([b"0", b"0", b"0", b"x", b"-1"])] + match(s)


# ---- sets


@command("SADD", weight=10)
def _sadd(s):
    if s.chance(0.05):
        return [s.key()] + many(s, s.rng.randint(120, 140))
    if s.chance(0.03):
        return [s.key()] + many(s, s.rng.randint(505, 520))
    return [s.key()] + fields(s, 6)


@command("SREM", weight=3)
def _srem(s):
    return [s.key()] + fields(s)


@command("SMOVE")
def _smove(s):
    return [s.key(), s.key(), field(s)]


@command("SISMEMBER")
def _sismember(s):
    return [s.key(), field(s)]


@command("SMISMEMBER")
def _smismember(s):
    return [s.key()] + fields(s)


@command("SCARD")
def _scard(s):
    return [s.key()]


@command("SMEMBERS", mode="elements")
def _smembers(s):
    return [s.key()]


@command("SRANDMEMBER", mode="length")
def _srandmember(s):
    return [s.key()] + ([s.pick(COUNTS)] if s.chance(0.8) else [])


@command("SPOP", mode="elements")
def _spop(s):
    # All of them, or none: chance must not make the two servers differ.
    return [s.key(), s.pick([b"0", b"100000", b"-1", b"x", b""])]


@command("SSCAN", mode="scan")
def _sscan(s):
    return [s.key(), s.pick([b"0", b"0", b"0", b"x", b"-1"])] + match(s)


for _name in ("SINTER", "SUNION", "SDIFF"):
    command(_name, mode="elements")(lambda s: s.keys())
    command(_name + "STORE")(lambda s: [s.key()] + s.keys())


@command("SINTERCARD")
def _sintercard(s):
    keys = s.keys()
    n = b"%d" % len(keys) if s.chance(0.9) else s.pick([b"0", b"-1", b"x", b"9"])
    return [n] + keys + s.options([lambda s: [b"LIMIT", s.pick(COUNTS)]], 1)
