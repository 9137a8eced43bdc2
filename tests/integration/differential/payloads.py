# SPDX-License-Identifier: BSD-3-Clause
"""Payloads for RESTORE in all encodings that servers have written since Redis 2.4, made from the
descriptions of the formats: what no Redis writes any more cannot be had otherwise."""

import struct

_POLY = 0x95AC9329AC4BC9B5  # Jones, reflected


def _table():
    out = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (_POLY if crc & 1 else 0)
        out.append(crc)
    return out


_CRC = _table()


def crc64(data):
    crc = 0
    for byte in data:
        crc = _CRC[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc


def payload(kind, value, version=10):
    """A value with its type, version and checksum."""
    body = bytes([kind]) + value + struct.pack("<H", version)
    return body + struct.pack("<Q", crc64(body))


def with_checksum(body, version=10):
    body += struct.pack("<H", version)
    return body + struct.pack("<Q", crc64(body))


# ---- lengths and strings ------------------------------------------------------------------------------


def length(n):
    if n < 64:
        return bytes([n])
    if n < 16384:
        return bytes([0x40 | n >> 8, n & 255])
    return b"\x80" + struct.pack(">I", n)


def string(data):
    return length(len(data)) + data


def strings(items):
    return b"".join(string(item) for item in items)


# ---- blocks --------------------------------------------------------------------------------------------


def _number(text):
    """The integer that @text reads as, printed the same; else None."""
    try:
        n = int(text)
    except ValueError:
        return None
    return n if b"%d" % n == text and -(1 << 63) <= n < 1 << 63 else None


def _int_bytes(n, widths):
    for width, head in widths:
        if -(1 << 8 * width - 1) <= n < 1 << 8 * width - 1:
            return head + n.to_bytes(width, "little", signed=True)
    raise AssertionError(n)


def _ziplist_entry(item, numbers):
    n = _number(item) if numbers else None
    if n is not None and 0 <= n <= 12:
        return bytes([0xF1 + n])
    if n is not None:
        return _int_bytes(n, [(1, b"\xfe"), (2, b"\xc0"), (3, b"\xf0"), (4, b"\xd0"), (8, b"\xe0")])
    if len(item) < 64:
        return bytes([len(item)]) + item
    if len(item) < 16384:
        return bytes([0x40 | len(item) >> 8, len(item) & 255]) + item
    return b"\x80" + struct.pack(">I", len(item)) + item


def ziplist(items, numbers=True, long_previous=False):
    """@numbers: integers as such; @long_previous: the length before in five bytes always."""
    body, before, tail = b"", 0, 10
    for item in items:
        tail = 10 + len(body)
        short = before < 254 and not (long_previous and body)
        entry = bytes([before]) if short else b"\xfe" + struct.pack("<I", before)
        entry += _ziplist_entry(item, numbers)
        before = len(entry)
        body += entry
    count = min(len(items), 65535)
    return struct.pack("<IIH", 11 + len(body), tail, count) + body + b"\xff"


def zipmap(items, spare=0):
    def part(n):
        return bytes([n]) if n < 254 else b"\xfe" + struct.pack("<I", n)

    body = bytes([min(len(items) // 2, 254)])
    for i, item in enumerate(items):
        body += part(len(item))
        body += item if i % 2 == 0 else bytes([spare]) + item + b"." * spare
    return body + b"\xff"


def _listpack_entry(item, numbers):
    n = _number(item) if numbers else None
    if n is not None and 0 <= n <= 127:
        return bytes([n])
    if n is not None and -4096 <= n <= 4095:
        return bytes([0xC0 | (n & 0x1FFF) >> 8, n & 255])
    if n is not None:
        return _int_bytes(n, [(2, b"\xf1"), (3, b"\xf2"), (4, b"\xf3"), (8, b"\xf4")])
    if len(item) < 64:
        return bytes([0x80 | len(item)]) + item
    if len(item) < 4096:
        return bytes([0xE0 | len(item) >> 8, len(item) & 255]) + item
    return b"\xf0" + struct.pack("<I", len(item)) + item


def _back_length(n):
    """Seven bits a byte, the highest first; the thresholds are those of the format's own code."""
    size = 1 if n <= 127 else 2 if n < 16383 else 3 if n < 2097151 else 4
    return bytes((n >> 7 * (size - 1 - i) & 127) | (128 if i > 0 else 0) for i in range(size))


def listpack(items, numbers=True):
    """@numbers False: integers as strings, as no server writes them, but some take them."""
    body = b""
    for item in items:
        entry = _listpack_entry(item, numbers)
        body += entry + _back_length(len(entry))
    return struct.pack("<IH", 7 + len(body), min(len(items), 65535)) + body + b"\xff"


def intset(values):
    width = 2 if all(-(1 << 15) <= v < 1 << 15 for v in values) else 4
    width = width if all(-(1 << 31) <= v < 1 << 31 for v in values) else 8
    body = b"".join(v.to_bytes(width, "little", signed=True) for v in sorted(values))
    return struct.pack("<II", width, len(values)) + body


# ---- values ---------------------------------------------------------------------------------------------


def text_score(score):
    special = {b"nan": 253, b"inf": 254, b"-inf": 255}
    return bytes([special[score]]) if score in special else bytes([len(score)]) + score


def lists(items):
    """{name: payload} of a list of @items in every encoding."""
    half = len(items) // 2
    two = [items[:half], items[half:]] if half else [items]
    return {
        "list": payload(1, length(len(items)) + strings(items), 1),
        "list ziplist": payload(10, string(ziplist(items)), 6),
        "list ziplist, long": payload(10, string(ziplist(items, False, True)), 6),
        "list quicklist": payload(14, length(len(two)) + b"".join(string(ziplist(p)) for p in two), 9),
        "list quicklist 2": payload(
            18, length(len(two) + 1) + b"".join(b"\x02" + string(listpack(p)) for p in two[:-1])
            + b"\x01" + string(two[-1][0]) + b"\x02" + string(listpack(two[-1][1:] + [b"end"]))
        ) if len(two[-1]) > 1 else payload(18, b"\x01\x02" + string(listpack(items))),
    }  # fmt: skip


def hashes(pairs):
    """@pairs: fields and values in turn."""
    return {
        "hash": payload(4, length(len(pairs) // 2) + strings(pairs)),
        "hash zipmap": payload(9, string(zipmap(pairs)), 3),
        "hash zipmap, spare": payload(9, string(zipmap(pairs, 3)), 3),
        "hash ziplist": payload(13, string(ziplist(pairs)), 9),
        "hash listpack": payload(16, string(listpack(pairs))),
    }


def sets(members):
    return {"set": payload(2, length(len(members)) + strings(members))}


def sets_of_valkey(members):
    """What Redis 7.0 does not read."""
    return {
        "set listpack": payload(20, string(listpack(members)), 11),
        "set listpack, strings": payload(20, string(listpack(members, False)), 11),
    }


def zsets(pairs):
    """@pairs: members and scores (as text) in turn, in order."""
    texts = b"".join(string(m) + text_score(s) for m, s in zip(pairs[::2], pairs[1::2]))
    doubles = b"".join(string(m) + struct.pack("<d", float(s)) for m, s in zip(pairs[::2], pairs[1::2]))
    n = length(len(pairs) // 2)
    return {
        "zset": payload(3, n + texts, 7),
        "zset 2": payload(5, n + doubles),
        "zset ziplist": payload(12, string(ziplist(pairs)), 9),
        "zset listpack": payload(17, string(listpack(pairs))),
    }
