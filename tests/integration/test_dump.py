# SPDX-License-Identifier: BSD-3-Clause
"""DUMP and RESTORE between this server and a stock Redis 7.0: values at both sides of every
threshold of their encodings, in both directions; encodings that only older or newer servers write."""

import payloads
import pytest

READ = {
    "string": lambda c, k: c.call("GET", k),
    "list": lambda c, k: c.call("LRANGE", k, 0, -1),
    "hash": lambda c, k: dict(zip(*[iter(c.call("HGETALL", k))] * 2)),
    "set": lambda c, k: sorted(c.call("SMEMBERS", k)),
    "zset": lambda c, k: [float(x) if i % 2 else x
                          for i, x in enumerate(c.call("ZRANGE", k, 0, -1, "WITHSCORES"))],
    "none": lambda c, k: None,
}  # fmt: skip


def value(client, key):
    kind = client.call("TYPE", key)
    return kind, READ[kind](client, key)


def dump(client, key):
    return client.call("DUMP", key)


NUMBERS = [0, 12, 13, 127, 128, -1, 4095, 4096, -4096, -4097, 32767, 32768, -32768, -32769, 8388607, 8388608,
           -8388608, -8388609, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**63 - 1, -(2**63)]  # fmt: skip


def elements(n, size):
    """@n different ones, of @size bytes each (0: numbers of all widths, then short text)."""
    if size == 0:
        return ([str(x) for x in NUMBERS] + [f"e{i}" for i in range(n)])[:n]
    return [f"{i}.".ljust(size, chr(97 + i % 26)) for i in range(n)]


def commands():
    """[key, command ...]: values around list-max-listpack-size and its like."""
    for n in (0, 1, 19, 20, 21, 43, 44, 45, 300, 70000):
        yield f"s:{n}", ["SET", f"s:{n}", "a" * n]
        yield f"r:{n}", ["SET", f"r:{n}", "".join(chr(33 + i * i % 90) for i in range(n))]
    for n in NUMBERS:
        yield f"i:{n}", ["SET", f"i:{n}", n]
        yield f"j:{n}", ["SADD", f"j:{n}", n, 5]
    for n in (1, 2, 24, 127, 128, 129, 511, 512, 513):
        for size in (0, 63, 64, 65):
            e = elements(n, size)
            yield f"l:{n}:{size}", ["RPUSH", f"l:{n}:{size}", *e]
            yield f"s:{n}:{size}", ["SADD", f"s:{n}:{size}", *e]
            yield f"h:{n}:{size}", ["HSET", f"h:{n}:{size}", *[x for i in e for x in (i, i)]]
            pairs = [x for i, m in enumerate(e) for x in (i * 0.37 - 3, m)]
            yield f"z:{n}:{size}", ["ZADD", f"z:{n}:{size}", *pairs]
    for size in (4095, 4096, 8100, 8180, 8192, 9000):
        yield f"l:{size}", ["RPUSH", f"l:{size}", *elements(3, size), "x"]
    yield "n:int", ["SADD", "n:int", *range(512)]
    yield "n:int+", ["SADD", "n:int+", *range(513)]
    yield "z:inf", ["ZADD", "z:inf", "-inf", "a", "inf", "b", "1e-300", "c", "-0.0", "d"]


def test_values_go_both_ways_between_redis_and_us(both):
    """What one made the other reads; and Redis finds what came back by way of us the same."""
    ours, theirs = both
    for key, command in commands():
        theirs.call("DEL", key), ours.call("DEL", key)
        theirs.call(*command)
        assert ours.call("RESTORE", key, 0, dump(theirs, key)) == "OK"
        assert value(ours, key) == value(theirs, key), key
        assert theirs.call("RESTORE", "back", 0, dump(ours, key), "REPLACE") == "OK"
        a, b = theirs.call("DEBUG", "DIGEST-VALUE", key, "back")
        assert a == b, key
        # and one made here, from our own commands
        ours.call("DEL", key)
        ours.call(*command)
        assert theirs.call("RESTORE", "back", 0, dump(ours, key), "REPLACE") == "OK"
        a, b = theirs.call("DEBUG", "DIGEST-VALUE", key, "back")
        assert a == b, key


OLD_AND_NEW = [
    ("list", payloads.lists, [b"a", b"1", b"-300", b"70000", b"x" * 70, b"9223372036854775807", b"", b"y" * 300]),
    ("list", payloads.lists, [b"%d" % n for n in NUMBERS]),
    ("list", payloads.lists, [b"x" * n for n in (252, 253, 254, 16383, 16384)]),
    ("hash", payloads.hashes, [b"f", b"v", b"1", b"-5", b"long" * 70, b"", b"300", b"x" * 300]),
    ("set", payloads.sets, [b"a", b"5", b"-70000", b"long" * 70]),
    ("zset", payloads.zsets, [b"m", b"-inf", b"1", b"-5", b"b", b"1.5", b"c", b"3e20", b"d", b"inf"]),
]


@pytest.mark.parametrize("case", range(len(OLD_AND_NEW)))
def test_encodings_of_other_versions_are_read_as_redis_reads_them(both, case):
    ours, theirs = both
    kind, make, items = OLD_AND_NEW[case]
    for name, payload in make(items).items():
        for client in both:
            assert client.call("RESTORE", "k", 0, payload, "REPLACE") == "OK", name
        assert value(ours, "k") == value(theirs, "k"), name
        assert value(ours, "k")[0] == kind
        assert theirs.call("RESTORE", "back", 0, dump(ours, "k"), "REPLACE") == "OK"
        a, b = theirs.call("DEBUG", "DIGEST-VALUE", "k", "back")
        assert a == b, name


def test_sets_of_newer_servers_are_read_and_dumped_for_older_ones(both):
    ours, theirs = both
    members = [b"a", b"5", b"-70000", b"long" * 70]
    for payload in payloads.sets_of_valkey(members).values():
        assert ours.call("RESTORE", "k", 0, payload, "REPLACE") == "OK"
        assert ours.call("SISMEMBER", "k", "5") == 1
        assert theirs.call("RESTORE", "k", 0, dump(ours, "k"), "REPLACE") == "OK"
        assert value(ours, "k") == value(theirs, "k")
