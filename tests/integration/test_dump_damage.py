# SPDX-License-Identifier: BSD-3-Clause
"""Damaged payloads for RESTORE, with a checksum that is right, here and at a stock Redis 7.0 that checks payloads in
depth: what we take Redis takes, and sees the same in it. We may be stricter (node/command/differences.md)."""

import random

import payloads
from payloads import with_checksum

COUNT = 50000
BATCH = 200
LAST_TYPE = 19  # that Redis 7.0 knows; we read those of newer servers as well
OLD = [
    (payloads.lists, [b"a", b"1", b"-300", b"70000", b"x" * 70, b"9223372036854775807", b"", b"y" * 300]),
    (payloads.lists, [b"%d" % n for n in (0, 12, 13, -1, 127, 128, -4097, 8388608, -(2**31), 2**63 - 1)]),
    (payloads.hashes, [b"f", b"v", b"1", b"-5", b"long" * 70, b"", b"300", b"x" * 300]),
    (payloads.sets, [b"a", b"5", b"-70000", b"long" * 70]),
    (payloads.zsets, [b"m", b"-inf", b"1", b"-5", b"b", b"1.5", b"c", b"3e20", b"d", b"inf"]),
]
LIST = ["a", "1", "-300", "70000", "x" * 70, "hello"]
ENTRIES = [["XADD", "k", f"{i}-1", *(x for j in range(1 + i % 3) for x in (f"f{j}", f"v{i}"))] for i in range(1, 8)]
GROUPS = [
    ["XGROUP", "CREATE", "k", "g", "0"], ["XREADGROUP", "GROUP", "g", "c", "COUNT", "3", "STREAMS", "k", ">"],
    ["XREADGROUP", "GROUP", "g", "d", "COUNT", "1", "STREAMS", "k", ">"], ["XGROUP", "CREATE", "k", "g2", "2-1"],
    ["XGROUP", "CREATECONSUMER", "k", "g2", "z"],
]  # fmt: skip
# What Redis makes of these; settings on lines of their own.
MADE = [
    [["SET", "k", "12"]], [["SET", "k", "1234567"]], [["SET", "k", "12345678901234"]], [["SET", "k", ""]],
    [["SET", "k", "hello"]], [["SET", "k", "".join(chr(33 + i * i % 90) for i in range(200))]],
    [["SET", "k", "a" * 100 + "bcd" * 50 + "q" * 30]],
    [["RPUSH", "k", *LIST]],
    [["CONFIG", "SET", "list-max-listpack-size", "3"], ["RPUSH", "k", *LIST, *LIST]],
    [["RPUSH", "k", *("a" * 32 + str(i) for i in range(9))], ["CONFIG", "SET", "list-max-listpack-size", "-2"]],
    [["DEBUG", "QUICKLIST-PACKED-THRESHOLD", "50b"], ["RPUSH", "k", "a", "b" * 60, "c", "d" * 80]],
    [["RPUSH", "k", "b" * 60], ["DEBUG", "QUICKLIST-PACKED-THRESHOLD", "0"]],
    [["SADD", "k", 1, 2, 3, -5]], [["SADD", "k", 1, 70000, -80000]], [["SADD", "k", 1, 2**40, -(2**50)]],
    [["SADD", "k", "a", "bb", "5", "ccc" * 30]], [["SADD", "k", "a" * 100, "b" * 100]],
    [["HSET", "k", "f", "v", "g", "1", "h", "-70000"]], [["HSET", "k", *(x for i in range(12) for x in (f"field{i}", "valuevalue"))]],
    [["HSET", "k", "f", "v" * 70, "g", "1", "hh", "z" * 100]],
    [["ZADD", "k", "1", "a", "2.5", "b", "-inf", "c", "1e300", "d", "7", "e"]],
    [["ZADD", "k", "1", "a" * 70, "2.5", "b", "inf", "c", "-7", "d"]],
    ENTRIES, [*ENTRIES, ["XDEL", "k", "3-1"], ["XTRIM", "k", "MAXLEN", "5"]], [*ENTRIES, *GROUPS],
    [["XADD", "k", f"{i}-{i * 300}", "temp", i, "hum", "x"] for i in range(1, 6)],
    [["CONFIG", "SET", "stream-node-max-entries", "3"], *ENTRIES, ["XDEL", "k", "4-1"], *GROUPS[:2]],
    [*ENTRIES[:2], ["XTRIM", "k", "MAXLEN", "0"], ["CONFIG", "SET", "stream-node-max-entries", "100"]],
]  # fmt: skip
BYTES = [0, 1, 2, 0x0E, 0x40, 0x7F, 0x80, 0x81, 0xC0, 0xC3, 0xE0, 0xF0, 0xF4, 0xFE, 0xFF]

# Found so: bodies without version and checksum.
FOUND = [bytes.fromhex(h) for h in (
    "1300000301000000008200", "130000021a040000000200", "1300000201100000000200",  # streams: ids that contradict each other
    "0b14040000000300000080c7feff01000000110100", "0b14040000000300000080c7fefb01000000",  # integers out of order
    "00c0", "0008", "00056865", "0001",  # too short: Redis reads on in the version
    "112e2e0000000a00816d02842d006e66050101dffb0281620283312e350481630284336532300581640283696e6604ff",  # scores that are
    "0c32320000002c0000000a0000016d03042d696e6606f202fefb030162030331d7350501630304336532300601640303696e66ff",  # none
    "12020101610101", "1201010100", "120202090900000001000101ff0100", "12010100", "120102c3", "1201020707000000000000ff", "1202020707000000000000ff0101610a",
    "12010209090000000100000100ff", "0e010b0b0000000a0000000000ff", "0e020b0b0000000a0000000000ff0b0b0000000a0000000000ff",
)]  # fmt: skip


def originals(theirs):
    out = [p for make, items in OLD for p in make(items).values() if len(p) < 3000]
    for commands in MADE:
        theirs.call("DEL", "k")
        for command in commands:
            theirs.call(*command)
        out.append(theirs.call("DUMP", "k"))
    theirs.call("FLUSHALL")
    return out


def mutated(rng, payload):
    body = bytearray(payload[:-10])
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        at, how = rng.randrange(len(body)), rng.randrange(8)
        if how == 0:
            body[at] = rng.randrange(256)
        elif how == 1:
            body[at] = body[at] + rng.choice([-1, 1]) & 255
        elif how == 2:
            body[at] ^= 1 << rng.randrange(8)
        elif how == 3 and at > 0:
            del body[at:]
        elif how == 4 and len(body) > 1:
            del body[at]
        elif how == 5:
            body[at:at] = body[at : at + rng.randint(1, 4)]
        elif how == 6:
            body[at] = rng.choice(BYTES)
        else:
            body.insert(at, rng.randrange(256))
    return with_checksum(bytes(body))


def stream(client, key):
    """All there is of a stream, but for what follows from the rest, where Redis believes the payload."""

    def clean(x):
        if not isinstance(x, list):
            return x
        out, i = [], 0
        while i < len(x):
            if x[i] in (b"radix-tree-keys", b"radix-tree-nodes", b"recorded-first-entry-id", b"lag", b"seen-time"):
                i += 2
            elif x[i] == b"entries-read":
                out += [x[i], x[i + 1] if x[i + 1] is not None and x[i + 1] >= 0 else None]
                i += 2
            else:
                out.append(clean(x[i]))
                i += 1
        return out

    return clean(client.call("XINFO", "STREAM", key, "FULL", "COUNT", "0"))


def compare(both, batch):
    """Restores all of a batch on both sides; returns how many both took."""
    ours, theirs = both
    replies = [c.pipeline([("FLUSHALL",), *(("RESTORE", i, 0, p) for i, p in enumerate(batch))])[1:] for c in both]
    taken = []
    for i, (mine, redis) in enumerate(zip(*replies)):
        assert mine == "OK" or mine.text in ("ERR Bad data format", "OOM no memory for the value"), mine
        if mine == "OK" and batch[i][0] <= LAST_TYPE:
            assert redis == "OK", batch[i].hex()
            taken.append(i)
    dumps = ours.pipeline([("DUMP", i) for i in taken])
    back = theirs.pipeline([("RESTORE", f"back{i}", 0, d) for i, d in zip(taken, dumps)])
    digests = theirs.pipeline([("DEBUG", "DIGEST-VALUE", i, f"back{i}") for i in taken])
    for i, ok, pair in zip(taken, back, digests):
        assert ok == "OK" and pair[0] == pair[1], batch[i].hex()
        if batch[i][0] in (15, 19):
            assert stream(ours, i) == stream(theirs, i), batch[i].hex()
    return len(taken)


def test_what_we_take_of_damaged_payloads_redis_takes_as_well(both):
    rng, pool = random.Random(5), originals(both[1])
    assert compare(both, pool) == len(pool)
    taken = sum(compare(both, [mutated(rng, rng.choice(pool)) for _ in range(BATCH)]) for _ in range(COUNT // BATCH))
    assert taken > COUNT // 10


def test_damage_that_was_found(both):
    compare(both, [with_checksum(body) for body in FOUND])


def test_a_payload_is_looked_at_whatever_becomes_of_it(both):
    """Also one whose time is up, which nobody will see; and what it was to replace stays."""
    good, bad = payloads.payload(0, b"\x01v"), payloads.payload(18, b"\x01\x02\x00")
    wrong = good[:-1] + bytes([good[-1] ^ 1])
    seen = []
    for c in both:
        c.call("FLUSHALL")
        out = []
        for ttl, more in ((0, []), (1, ["ABSTTL"]), (10**14, ["ABSTTL"]), (100000, []), (-1, []), (0, ["IDLETIME", "-1"])):
            for payload in (bad, wrong, good):
                c.call("SET", "there", "1")
                out.append([
                    *(repr(r) for r in c.pipeline([
                        ("RESTORE", "there", ttl, payload, *more), ("RESTORE", "there", ttl, payload, "REPLACE", *more),
                        ("EXISTS", "there"), ("RESTORE", "new", ttl, payload, *more), ("EXISTS", "new"), ("DEL", "new"),
                    ]))
                ])  # fmt: skip
        seen.append(out)
    assert seen[0] == seen[1]
