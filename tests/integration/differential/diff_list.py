# SPDX-License-Identifier: BSD-3-Clause
"""Random commands of lists."""

from diff_commands import command

ELEMENTS = [b"a", b"b", b"c", b"1", b"20", b"-300", b"", b"x" * 70, b"\x00\xff", b"y" * 5000]
COUNTS = [b"0", b"1", b"2", b"3", b"100", b"-1", b"-2", b"x"]
SIDES = [b"LEFT", b"RIGHT", b"left", b"MIDDLE"]


def element(s):
    return s.pick(ELEMENTS) if s.chance(0.6) else b"%d" % s.rng.randint(0, 50)


def elements(s):
    if s.chance(0.04):
        return [b"%d" % (i * 7919) for i in range(s.rng.randint(100, 3000))]
    return [element(s) for _ in range(s.rng.choice([1, 1, 2, 5]))]


def side(s):
    return s.pick(SIDES[:2]) if s.chance(0.9) else s.pick(SIDES)


def index(s):
    return b"%d" % s.rng.randint(-3000, 3000) if s.chance(0.3) else s.offset()


for _name, _weight in (("LPUSH", 5), ("RPUSH", 5), ("LPUSHX", 2), ("RPUSHX", 2)):
    command(_name, weight=_weight)(lambda s: [s.key()] + elements(s))
for _name in ("LPOP", "RPOP"):
    command(_name, weight=3)(lambda s: [s.key()] + ([s.pick(COUNTS)] if s.chance(0.5) else []))
command("LLEN")(lambda s: [s.key()])
command("LRANGE", weight=3)(lambda s: [s.key(), index(s), index(s)])
command("LINDEX", weight=3)(lambda s: [s.key(), index(s)])
command("LSET", weight=3)(lambda s: [s.key(), index(s), element(s)])
command("LINSERT", weight=3)(
    lambda s: [s.key(), s.pick([b"BEFORE", b"AFTER", b"after", b"NEAR"]), element(s), element(s)]
)
command("LREM", weight=3)(lambda s: [s.key(), s.pick(COUNTS), element(s)])
command("LTRIM", weight=3)(lambda s: [s.key(), index(s), index(s)])
command("LMOVE", weight=3)(lambda s: [s.key(), s.key(), side(s), side(s)])
command("RPOPLPUSH")(lambda s: [s.key(), s.key()])


@command("LPOS", weight=3)
def _lpos(s):
    options = [lambda s: [b"RANK", s.pick(COUNTS)], lambda s: [b"COUNT", s.pick(COUNTS)],
               lambda s: [b"MAXLEN", s.pick(COUNTS)]]  # fmt: skip
    return [s.key(), element(s)] + s.options(options, 3)


@command("LMPOP")
def _lmpop(s):
    keys = s.keys()
    n = b"%d" % len(keys) if s.chance(0.9) else s.pick([b"0", b"-1", b"x", b"9"])
    return [n] + keys + [side(s)] + s.options([lambda s: [b"COUNT", s.pick(COUNTS)]], 1)
