# SPDX-License-Identifier: BSD-3-Clause
"""Random bitmap commands. Offsets stay small: a bit far out makes a string of 512 MB."""

from diff_commands import NOT_INTEGERS, command

BITS = [b"0", b"1", b"1", b"7", b"8", b"9", b"63", b"64", b"65", b"100", b"1000", b"4097"]
BAD_BITS = [b"-1", b"4294967296", b"9223372036854775807", b"9223372036854775808", b"#-1", b"#"]
TYPES = [b"u1", b"u2", b"u8", b"i8", b"u16", b"i16", b"u31", b"i32", b"u63", b"i63", b"i64", b"I5"]
BAD_TYPES = [b"u64", b"i65", b"u0", b"i0", b"x8", b"u", b"", b"8", b"u8 "]
# Not the lowest of 64 bits: with OVERFLOW SAT Redis takes it for a high one (an overflow of its own).
VALUES = [b"0", b"1", b"-1", b"127", b"128", b"-128", b"-129", b"255", b"256", b"65536",
          b"9223372036854775807", b"4611686018427387904", b"-4611686018427387904"]  # fmt: skip


def offset(s):
    if s.chance(0.06):
        return s.pick(BAD_BITS + NOT_INTEGERS)
    return s.pick(BITS) if s.chance(0.7) else b"%d" % s.rng.randint(0, 3000)


def field(s):
    where = b"#%d" % s.rng.randint(0, 40) if s.chance(0.3) else offset(s)
    return [s.pick(BAD_TYPES) if s.chance(0.05) else s.pick(TYPES), where]


def value(s):
    if s.chance(0.05):
        return s.pick(NOT_INTEGERS)
    return s.pick(VALUES) if s.chance(0.6) else b"%d" % s.rng.randint(-70000, 70000)


def range_(s):
    out = [s.offset()]
    if s.chance(0.8):
        out.append(s.offset())
        if s.chance(0.5):
            out.append(s.pick([b"BIT", b"BYTE", b"bit", b"FOO"]))
    return out


@command("SETBIT", weight=5)
def _setbit(s):
    return [s.key(), offset(s), s.pick([b"0", b"1", b"1", b"1", b"2", b"-1", b"x"])]


@command("GETBIT")
def _getbit(s):
    return [s.key(), offset(s)]


@command("BITCOUNT", weight=3)
def _bitcount(s):
    return [s.key()] + (range_(s) if s.chance(0.8) else [])


@command("BITPOS", weight=4)
def _bitpos(s):
    bit = s.pick([b"0", b"1", b"0", b"1", b"0", b"1", b"2", b"x"])
    return [s.key(), bit] + (range_(s) if s.chance(0.8) else [])


@command("BITOP", weight=4)
def _bitop(s):
    op = s.pick([b"AND", b"OR", b"XOR", b"and", b"NOT", b"NOP"])
    return [op, s.key()] + (s.keys(1) if op == b"NOT" and s.chance(0.8) else s.keys())


@command("BITFIELD", weight=8)
def _bitfield(s):
    out = [s.key()]
    for _ in range(s.rng.randint(0, 4)):
        kind = s.rng.randint(0, 9)
        if kind < 3:
            out += [b"GET"] + field(s)
        elif kind < 6:
            out += [b"SET"] + field(s) + [value(s)]
        elif kind < 8:
            out += [b"INCRBY"] + field(s) + [value(s)]
        else:
            out += [b"OVERFLOW", s.pick([b"WRAP", b"SAT", b"FAIL", b"sat", b"fail", b"MAYBE"])]
    return out[:-1] if s.chance(0.03) and len(out) > 1 else out


@command("BITFIELD_RO")
def _bitfield_ro(s):
    out = [s.key()]
    for _ in range(s.rng.randint(0, 3)):
        out += [b"GET"] + field(s)
    return out + ([b"SET", b"u8", b"0", b"1"] if s.chance(0.05) else [])
