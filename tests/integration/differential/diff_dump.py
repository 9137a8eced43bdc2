# SPDX-License-Identifier: BSD-3-Clause
"""Random payloads for RESTORE, of all types and encodings that both servers read; DUMP."""

import payloads
from diff_commands import FAR_AT_MS, PAST_AT, Source, command

ITEMS = [b"a", b"b", b"1", b"-5", b"127", b"128", b"70000", b"9223372036854775807", b"", b"long" * 15, b"f"]
SCORES = [b"-inf", b"-2.5", b"-1", b"0", b"1", b"1.5", b"3e20", b"inf"]


def _payload(s):
    """A value in one of its encodings; the kind and all else by chance."""
    items = s.rng.sample(ITEMS, s.rng.randint(1, len(ITEMS) // 2))
    kind = s.rng.choice(["string", "list", "hash", "set", "ints", "zset"])
    if kind == "string":
        return payloads.payload(0, payloads.string(s.pick(ITEMS)))
    if kind == "ints":
        values = s.rng.sample([1, -2, 300, 32767, 32768, 2**31, -(2**63)], s.rng.randint(1, 4))
        return payloads.payload(11, payloads.string(payloads.intset(values)))
    if kind == "hash":
        made = payloads.hashes([x for item in items for x in (item, s.pick(ITEMS))])
    elif kind == "zset":
        scores = sorted(s.rng.sample(SCORES, min(len(items), len(SCORES))), key=float)
        made = payloads.zsets([x for pair in zip(items, scores) for x in pair])
    else:
        made = (payloads.lists if kind == "list" else payloads.sets)(items)
    return made[s.rng.choice(sorted(made))]


def _damaged(s):
    """With a checksum, version or length that cannot be."""
    good = _payload(s)
    return s.pick([
        good[:-1], good[1:], good[:-8] + b"12345678", b"", s.value(),
        payloads.with_checksum(good[:-10], 99), payloads.payload(0, b"\x7f\xffcut"),
        payloads.with_checksum(b"\x77" + good[1:-10]),
    ])  # fmt: skip


@command("RESTORE", weight=6)
def _restore(s):
    payload = _damaged(s) if s.chance(0.1) else _payload(s)
    absolute = s.chance(0.3)
    if absolute:
        time = s.pick(FAR_AT_MS + PAST_AT + [b"0", b"-1", b"x"])
    else:
        time = s.pick([b"0", b"0", b"0", Source.far_ms(s), b"-1", b"", b"x"])
    words = [b"REPLACE", b"REPLACE", lambda s: [b"IDLETIME", s.pick([b"0", b"1000", b"-1", b"x"])],
             lambda s: [b"FREQ", s.pick([b"0", b"255", b"256", b"x"])]]  # fmt: skip
    return [s.key(), time, payload] + ([b"ABSTTL"] if absolute else []) + s.options(words, 3)


command("DUMP", mode="kind")(lambda s: [s.key()])
