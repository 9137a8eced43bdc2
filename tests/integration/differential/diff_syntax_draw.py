# SPDX-License-Identifier: BSD-3-Clause
"""Calls drawn from the table of command syntax: a call follows a command's own line in the table, with values that
suit the names of its arguments, or is a little wrong.

Every argument name of the table needs a pool here: a new one is an error until it has.
"""

import csv
import hashlib
import pathlib
import re

import payloads
from diff_commands import (
    BAD_DATABASES, DATABASES, FAR_AT_MS, FAR_AT_SECONDS, FLOATS, INTEGERS, JUNK, NOT_INTEGERS, PAST_AT, PATTERNS,
    TEXTS, Source,
)  # fmt: skip

TABLES = pathlib.Path(__file__).resolve().parents[3] / "node" / "command"

# ---- the table ------------------------------------------------------------------------------------------

_PIECE = re.compile(r"\.\.\.|[\[\]<>|]|[^\s\[\]<>|]+")
_ARGUMENT = re.compile(r"[a-z][a-z0-9:-]*")  # tokens stand in capitals


def _alternatives(pieces, close):
    """("one", branches), each branch a list of nodes: ("word", text), ("opt", node), ("rep", node) or ("one", ...)."""
    branches = [[]]
    while True:
        piece = pieces.pop(0) if pieces else ""
        if piece == close:
            return ("one", branches)
        if piece == "|":
            branches.append([])
        elif piece == "[":
            node = _alternatives(pieces, "]")
            branches[-1].append(("rep" if node[1][-1][-1:] == ["..."] else "opt", node))
            if branches[-1][-1][0] == "rep":
                node[1][-1].pop()
        elif piece == "<":
            branches[-1].append(_alternatives(pieces, ">"))
        elif piece == "...":
            branches[-1].append(piece)
        else:
            branches[-1].append(("word", piece))


def parse(syntax):
    """The tree of one line; without the words of the name."""
    return _alternatives(_PIECE.findall(syntax), "")


def _rows(name):
    with open(TABLES / name, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def commands():
    """{name: Command} for every line of the table, "CONFIG|GET" as it stands there."""
    groups = {row["name"]: row["group"] for row in _rows("commands.tsv")}
    return {row["name"]: Command(row["name"], groups[row["name"]], row["syntax"]) for row in _rows("commands-syntax.tsv")}


class Command:
    def __init__(self, name, group, syntax):
        self.name = name
        self.group = group
        self.words = tuple(w.encode() for w in name.split("|"))
        _, [nodes] = parse(syntax)
        self.tree = ("one", [nodes[len(self.words) :]])
        texts = set(_PIECE.findall(syntax)) - {"[", "]", "<", ">", "|", "..."} - set(name.split("|"))
        self.arguments = sorted(t for t in texts if _ARGUMENT.fullmatch(t))
        self.literals = sorted(t.encode() for t in texts if not _ARGUMENT.fullmatch(t))


# ---- keys -----------------------------------------------------------------------------------------------

OF_GROUP = {
    "string": [b"s1", b"s2", b"n1", b"n2", b"e1"],
    "bitmap": [b"b1", b"b2", b"s1"],
    "list": [b"l1", b"l2"],
    "hash": [b"h1", b"h2"],
    "set": [b"t1", b"t2", b"i1"],
    "sorted-set": [b"z1", b"z2"],
    "geo": [b"g1", b"g2"],
    "hyperloglog": [b"p1", b"p2"],
    "stream": [b"x1", b"x2"],
}
LEX_KEY = b"zl"  # of equal scores: what BYLEX gives of others is not defined
TYPED = [key for keys in OF_GROUP.values() for key in keys]
MISSING = [b"m1", b"m2", b"", b"\x00\xff\r\n"]
TARGETS = [b"d1", b"d2"]
TARGET_OF_GROUP = {"geo": [b"d3"], "hyperloglog": [b"d4"]}
ALL_KEYS = set(TYPED) | {LEX_KEY, b"d1", b"d2", b"d3", b"d4"} | set(MISSING)
# What only commands of its own kind may write: places off the map, damaged HyperLogLogs and unequal scores are read
# differently, as differences.md says.
OWNED = {b"g1": "geo", b"g2": "geo", b"p1": "hyperloglog", b"p2": "hyperloglog", b"d4": "hyperloglog", LEX_KEY: "lex"}
LEX = {"ZRANGEBYLEX", "ZREVRANGEBYLEX", "ZLEXCOUNT", "ZREMRANGEBYLEX"}
SORTED_SETS = {b"z1", b"z2", b"g1", b"g2", LEX_KEY, b"d1", b"d2", b"d3"}

SCRIPTS = [
    b"return 1", b"return KEYS", b"return ARGV", b"return {KEYS[1], ARGV[1], 2.7, false, true, 'x'}",
    b"return redis.call('get', KEYS[1])", b"return redis.call('set', KEYS[1], 'w')", b"return nosuch", b"x x", b"",
    b"#!lua flags=no-writes\nreturn redis.call('set', KEYS[1], 'w')", b"return {err = 'ERR of the script'}",
    b"return {ok = 'fine'}", b"return redis.pcall('incr', KEYS[1])", b"#!lua\nreturn redis.call('ping')", b"\x00\xff",
]  # fmt: skip
LIBRARY = b"""#!lua name=l1
redis.register_function('f1', function(keys, args) return {keys, args} end)
redis.register_function{function_name='f2', callback=function(keys) return redis.call('get', keys[1]) end,
    flags={'no-writes'}}
redis.register_function('f3', function(keys) return redis.call('set', keys[1], 'w') end)
"""
LIBRARIES = [
    LIBRARY, b"#!lua name=l2\nredis.register_function('q1', function() return 1 end)", b"#!lua name=l2\nreturn 1",
    b"#!lua\nreturn 1", b"x", b"", b"#!lua name=l2\nredis.register_function('f1', function() return 1 end)",
    b"#!lua name=l-2\nreturn 1", b"#!none name=l2\nreturn 1",
]  # fmt: skip

_CONFIG = {
    b"hash-max-listpack-entries": b"128", b"hash-max-listpack-value": b"64", b"set-max-intset-entries": b"512",
    b"zset-max-listpack-entries": b"128", b"zset-max-listpack-value": b"64", b"list-max-listpack-size": b"-2",
    b"stream-node-max-entries": b"100", b"hll-sparse-max-bytes": b"3000", b"slowlog-max-len": b"128",
    b"notify-keyspace-events": b"",
}  # fmt: skip


def session_seed(words):
    """What is not data: libraries, scripts, users, settings. Users called as one of @words are no more."""
    config = [word for pair in _CONFIG.items() for word in pair]
    return [
        (b"CONFIG", b"SET", b"slowlog-log-slower-than", b"-1", *config),
        (b"SLOWLOG", b"RESET"),
        (b"ACL", b"DELUSER", *sorted({b"u1", b"u2", *words} - {b"default"})),
        (b"ACL", b"SETUSER", b"u1", b"on", b">secret", b"~x*", b"+ping"),
        (b"ACL", b"LOG", b"RESET"),
        (b"SCRIPT", b"FLUSH"),
        (b"SCRIPT", b"LOAD", SCRIPTS[0]),
        (b"FUNCTION", b"FLUSH"),
        (b"FUNCTION", b"LOAD", LIBRARY),
    ]


def data_seed():
    """Two keys of each type, small ones and larger."""
    out = [
        (b"FLUSHALL",),
        (b"MSET", b"s1", b"ohmytext", b"s2", b"mynewtext\x00\xff", b"n1", b"10", b"n2", b"-3.5", b"b1", b"\xff\x0f\x00"),
        (b"SET", b"b2", b"\x00" * 40 + b"\x01"),
        (b"SET", b"e1", b"expires", b"EX", b"123456789"),
        (b"RPUSH", b"l1", b"a", b"b", b"c", b"a", b"1", b""),
        (b"RPUSH", b"l2", b"3", b"1", b"20", b"-5"),
        (b"HSET", b"h1", b"f1", b"v", b"f2", b"10", b"f3", b"1.5"),
        (b"HSET", b"h2", *[w for i in range(140) for w in (b"f%d" % i, b"%d" % i)]),
        (b"EXPIRE", b"h2", b"987654321"),
        (b"SADD", b"t1", b"a", b"b", b"c", b"", b"\x00\xff"),
        (b"SADD", b"t2", b"b", b"c", b"d"),
        (b"SADD", b"i1", b"1", b"2", b"300", b"-5"),
        (b"ZADD", b"z1", b"1", b"a", b"2", b"b", b"2", b"c", b"-inf", b"d", b"1.5", b""),
        (b"ZADD", b"z2", *[w for i in range(140) for w in (b"%d" % (i % 9), b"m%d" % i)], b"1", b"a"),
        (b"ZADD", LEX_KEY, b"0", b"a", b"0", b"aa", b"0", b"b", b"0", b"c", b"0", b"d"),
        (b"PFADD", b"p1", b"a", b"b", b"c"),
        (b"PFADD", b"p2", *[b"%d" % i for i in range(60)]),
        (b"XGROUP", b"CREATE", b"x1", b"q1", b"0", b"MKSTREAM"),
        (b"XGROUP", b"CREATE", b"x2", b"q1", b"$", b"MKSTREAM"),
        (b"XREADGROUP", b"GROUP", b"q1", b"alice", b"COUNT", b"3", b"STREAMS", b"x1", b">"),
    ]
    out[-1:-1] = [(b"XADD", b"x1", b"%d-1" % i, b"f", b"%d" % i) for i in range(1, 7)]
    out += [(b"SET", b"w_%d" % n, b"%d" % (n * 37 % 11)) for n in (1, 2, 3, 20, -5, 300)]
    for key, n in ((b"g1", 6), (b"g2", 30)):
        places = [w for i in range(n) for w in (b"%.4f" % (13.3 + i * 0.037), b"%.4f" % (38.1 + i * i * 0.0011), b"p%d" % i)]
        out.append((b"GEOADD", key, *places))
    return out


# ---- values ---------------------------------------------------------------------------------------------

_IDS = [b"0", b"0-0", b"1-1", b"2-1", b"3-1", b"4-1", b"5-1", b"6-1", b"7-0", b"7-1", b"9-*", b"50-1"]
_BAD_IDS = [b"", b"x", b"1-", b"-1", b"1-x", b"1-1-1", b"1.5", b"18446744073709551616", b"(1", b"\x00"]
_SCORE_ENDS = [b"-inf", b"+inf", b"inf", b"(1", b"1", b"(2", b"2", b"0", b"(-5", b"5", b"1.5", b"(1.5"]
_LEX_ENDS = [b"-", b"+", b"[a", b"(a", b"[b", b"(c", b"[", b"(", b"[aa", b"[x"]
_BAD_ENDS = [b"", b"x", b"(x", b"((1", b"nan", b"a", b"(", b"1 "]
_COUNTS = [b"0", b"1", b"1", b"2", b"3", b"5", b"100", b"-1", b"-3"]
_SHAS = [hashlib.sha1(s).hexdigest().encode() for s in SCRIPTS[:3]]
_EXTRA = [b"extra", b"", b"0", b"\x00\xff", b"1"]
_CHANNELS = [b"c1", b"c2", b"", b"c*", b"\x00\xff"]
_USERS = [b"u1", b"u1", b"u2", b"nosuch", b"", b"a b"]
_RULES = [b"on", b"off", b">secret", b"<secret", b"nopass", b"resetpass", b"~*", b"~k*", b"%R~r*", b"&c*", b"allchannels",
          b"resetkeys", b"resetchannels", b"reset", b"sanitize-payload", b"#nothex", b"+nosuch", b"+@nosuch", b"~", b"x",
          b"", b"<none", b"%X~a", b">", b"clearselectors", b"+@all", b"-@all", b"allkeys"]  # fmt: skip


def _pool(pool, bad=(), chance=0.1):
    return lambda s, d: s.pick(bad if bad and s.chance(chance) else pool)


def _integer(s, d):
    return s.integer() if s.chance(0.3) else b"%d" % s.rng.randint(-4, 12)


def _count(s, d):
    if s.chance(0.12):
        return s.pick(INTEGERS + NOT_INTEGERS)
    return s.pick(_COUNTS)


def _number(s, d):
    if s.chance(0.12):
        return s.pick(s.pick([FLOATS, INTEGERS, NOT_INTEGERS]))
    return b"%g" % s.rng.choice([s.rng.randint(-9, 9), s.rng.randint(-40, 40) / 8])


def _member(s, d):
    return s.pick([b"a", b"b", b"c", b"d", b"", b"m1", b"m2", b"1", b"300", b"\x00\xff"]) if s.chance(0.9) else s.value()


def _place(s, d):
    return s.pick([b"p0", b"p1", b"p2", b"p3", b"p4", b"nosuch", b""])


def _id(s, d):
    return s.pick(_BAD_IDS) if s.chance(0.07) else s.pick(_IDS)


def _new_id(s, d):
    return b"%d-%s" % (s.rng.randint(5, 40), s.pick([b"*", b"1", b"2"])) if s.chance(0.8) else _id(s, d)


def _end(s, d):
    return s.pick([b"-", b"+", b"(2-1", b"(5"]) if s.chance(0.5) else _id(s, d)


def _border(s, d):
    """Ends of a range of a sorted set: of the kind that the words of the call ask for."""
    if s.chance(0.05):
        return s.pick(_BAD_ENDS)
    if d.name in LEX or b"BYLEX" in d.tokens:
        return s.pick(_LEX_ENDS)
    if d.name in ("ZRANGE", "ZRANGESTORE") and b"BYSCORE" not in d.tokens:
        return _rank(s, d)
    return s.pick(_SCORE_ENDS)


def _rank(s, d):
    return s.offset() if s.chance(0.3) else s.pick([b"0", b"1", b"2", b"3", b"-1", b"-2"])


def _degrees(most):
    def draw(s, d):
        if s.chance(0.05):
            return s.pick([b"181", b"-180.1", b"nan", b"inf", b"x", b"", b"1e400"])
        return b"%.4f" % (s.rng.gauss(13.4 if most > 90 else 38.1, 0.4))

    return draw


def _length(s, d):
    if s.chance(0.06):
        return s.pick([b"-1", b"x", b"nan", b"", b"0"])
    return s.pick([b"1", b"100", b"0.5", b"20", b"1500", b"35.5"])


def _payload(s, d):
    if s.chance(0.15):
        return s.pick([b"", b"x", payloads.payload(0, payloads.string(b"v"))[:-1], payloads.with_checksum(b"\x77abc")])
    items = [b"a", b"1", b"70000", b"", b"f", b"g"][: 2 * s.rng.randint(1, 3)]
    made = s.pick([payloads.lists, payloads.hashes, payloads.sets])(items)
    return made[s.pick(sorted(made))] if s.chance(0.7) else payloads.payload(0, payloads.string(s.pick(items)))


def _bit_offset(s, d):
    if s.chance(0.08):
        return s.pick([b"-1", b"4294967296", b"9223372036854775807", b"#-1", b"#", b"x", b""])
    return s.pick([b"0", b"1", b"7", b"8", b"9", b"63", b"100", b"1000"] + ([b"#1", b"#3"] if "FIELD" in d.name else []))


def _rule(s, d):
    return s.pick(_RULES)


def _key(s, d):
    own = OF_GROUP.get(d.group, TYPED)
    if d.name in LEX or b"BYLEX" in d.tokens:
        own = [LEX_KEY]
    roll = s.rng.random()
    if d.last in (b"STORE", b"STOREDIST"):
        return _target(s, d)
    if roll < 0.74:
        return s.pick(own)
    if roll < 0.84:
        return s.pick(MISSING)
    return s.pick(TARGETS) if roll < 0.92 else s.pick(TYPED)


def _target(s, d):
    pool = TARGET_OF_GROUP.get(d.group, TARGETS)
    return s.pick(pool) if s.chance(0.7) else _source(s, d)


def _source(s, d):
    own = OF_GROUP.get(d.group, TYPED)
    return s.pick(own) if s.chance(0.8) else s.pick(MISSING + TYPED)


def _text(s, d):
    return s.value() if s.chance(0.4) else s.pick(TEXTS[:5])


def _element(s, d):
    return s.pick([b"a", b"b", b"c", b"1", b"", b"new", b"\x00\xff"]) if s.chance(0.8) else s.value()


def _field(s, d):
    return s.pick([b"f1", b"f2", b"f3", b"f100", b"new", b"", b"\x00\xff"])


POOLS = {
    "arg": _pool([b"s1", b"l1", b"1", b"x", b"", b"\x00\xff"]),
    "bit": _pool([b"0", b"1"], [b"2", b"-1", b"x", b""]),
    "bits": _pool([b"1", b"4", b"255", b"4096"], [b"0", b"4097", b"-1", b"x", b""]),
    "category": _pool([b"read", b"string", b"bitmap"], [b"nosuch", b"", b"@read"]),
    "channel": _pool(_CHANNELS),
    "client-id": _pool([b"0", b"999999999"], [b"-1", b"x", b"", b"9223372036854775808"]),
    "clientname": _pool([b"me", b""], [b"a b", b"\n"]),
    "command": _pool([b"get", b"set", b"del"], [b"nosuch", b""]),
    "command-name": _pool([b"nosuch", b""]),
    "cluster-bus-port": _count,
    "config-epoch": _count,
    "connection-name": _pool([b"me", b""], [b"a b", b"\n", b"\x00"]),
    "consumer": _pool([b"alice", b"bob", b""]),
    "count": _count,
    "cursor": _pool([b"0"], [b"", b"-1", b"+5", b" 1", b"abc", b"99999999999999999999", b"1x"]),
    "db": _pool(DATABASES, BAD_DATABASES),
    "decrement": _integer,
    "destination": _target,
    "destination-db": _pool(DATABASES, BAD_DATABASES),
    "destkey": _target,
    "dst": _target,
    "element": _element,
    "encoding": _pool([b"u1", b"u8", b"i8", b"i16", b"u63", b"i64"], [b"u64", b"i65", b"u0", b"x8", b"u", b"", b"8"]),
    "end": _rank,
    "end-slot": _count,
    "entries-added": _pool([b"0", b"7", b"5000"], [b"-1", b"x", b""]),
    "entries-read": _pool([b"0", b"3", b"-1"], [b"-2", b"x", b""]),
    "event": _pool([b"command", b"nosuch", b""]),
    "field": _field,
    "frequency": _pool([b"0", b"255"], [b"256", b"-1", b"x"]),
    "function": _pool([b"f1", b"f2", b"f3"], [b"nosuch", b"", b"F1"]),
    "function-code": _pool(LIBRARIES),
    "group": _pool([b"q1", b"q1", b"q2"], [b"nosuch", b""]),
    "height": _length,
    "host": _pool([b"127.0.0.1"], [b""]),
    "id": _id,
    "increment": _integer,
    "index": _rank,
    "index1": _pool(DATABASES, BAD_DATABASES),
    "index2": _pool(DATABASES, BAD_DATABASES),
    "ip": _pool([b"127.0.0.1"]),
    "ip:port": _pool([b"127.0.0.1:1"], [b"x", b""]),
    "key": _key,
    "key1": _key,
    "key2": _key,
    "last-id": _pool([b"6-1", b"7-0", b"50-1"], _BAD_IDS + [b"0"], 0.3),
    "lastid": _id,
    "latitude": _degrees(85),
    "len": _count,
    "library-name": _pool([b"l1", b"l2"], [b"", b"L1"]),
    "library-name-pattern": _pool([b"l*", b"L?", b"*", b"nosuch", b""]),
    "limit": _count,
    "longitude": _degrees(180),
    "max": _border,
    "maxage": _count,
    "max-deleted-id": _id,
    "member": _member,
    "member1": _member,
    "member2": _member,
    "message": _text,
    "milliseconds": lambda s, d: s.time(Source.far_ms),
    "min": _border,
    "min-idle-time": _pool([b"0", b"99999999"], [b"-1", b"x", b""]),
    "min-match-len": _count,
    "module-name": _pool([b"nosuch", b""]),
    "ms": _pool([b"0", b"99999999"], [b"-1", b"x"]),
    "newkey": _target,
    "node-id": _pool([b"0" * 40, b"x"]),
    "num-matches": _count,
    "numkeys": _count,
    "numfields": _count,
    "numreplicas": _pool([b"0"], [b"-1", b"x", b""]),
    "offset": _count,
    "parameter": _pool(sorted(_CONFIG), [b"nosuch", b""]),
    "password": _pool([b"secret", b"wrong", b""]),
    "pattern": _pool(PATTERNS),
    "pivot": _element,
    "port": _pool([b"1"], [b"x", b"0"]),
    "prefix": _pool([b"a", b"b", b"ab", b""]),
    "protover": _pool([b"2", b"3"], [b"1", b"4", b"x", b"", b"-3"]),
    "radius": _length,
    "rank": _pool([b"1", b"2", b"-1", b"-2"], [b"0", b"x", b"", b"9223372036854775807"]),
    "rule": _rule,
    "score": _number,
    "script": _pool(SCRIPTS),
    "seconds": lambda s, d: s.time(Source.far_seconds),
    "serialized-value": _payload,
    "sha1": _pool(_SHAS, [_SHAS[0].upper(), b"f" * 40, b"x", b""]),
    "shardchannel": _pool(_CHANNELS),
    "slot": _count,
    "source": _source,
    "sourcekey": _source,
    "src": _source,
    "start": _rank,
    "start-slot": _count,
    "stop": _rank,
    "subcommand": _pool([b"DECODE", b"ENCODING", b"TODENSE", b"GETREG"], [b"x", b""]),
    "threshold": _pool([b"0", b"1", b"3", b"10", b"3-1"], [b"-1", b"x", b""]),
    # Clients must not wait: what takes longer is cut down in calm().
    "timeout": _pool([b"0.01", b"0.001"], [b"-1", b"x", b"", b"inf", b"-0.5", b"1e400"]),
    "ttl": lambda s, d: b"0" if s.chance(0.7) else s.time(Source.far_ms),
    "type": _pool([b"string", b"LIST", b"zset", b"stream"], [b"nosuch", b""]),
    "unix-time-milliseconds": _pool(FAR_AT_MS + PAST_AT, [b"0", b"-1", b"x", b""]),
    "unix-time-seconds": _pool(FAR_AT_SECONDS + PAST_AT, [b"0", b"-1", b"x", b""]),
    "username": _pool(_USERS),
    "value": _text,
    "weight": _number,
    "width": _length,
}

# Where the same name means something else: by command, by group.
_OF_COMMAND = {
    ("ACL|DRYRUN", "username"): _pool([b"default", b"u1"], _USERS),
    ("ACL|GETUSER", "username"): _pool([b"default", b"u1"], _USERS),
    ("AUTH", "username"): _pool([b"default", b"u1"], _USERS),
    ("BITFIELD", "value"): _integer,
    ("BITFIELD", "offset"): _bit_offset,
    ("BITFIELD_RO", "offset"): _bit_offset,
    ("GETBIT", "offset"): _bit_offset,
    ("SETBIT", "offset"): _bit_offset,
    ("SETBIT", "value"): _pool([b"0", b"1"], [b"2", b"-1", b"x", b""]),
    ("SETRANGE", "offset"): _pool([b"0", b"1", b"3", b"50"], [b"-1", b"x", b"", b"536870912", b"9223372036854775807"]),
    ("CLIENT|PAUSE", "timeout"): _pool([b"0"], [b"-1", b"x", b""]),
    ("CONFIG|SET", "value"): _pool([b"5", b"64", b"200"], [b"x", b"", b"-1", b"KEA"]),
    ("HINCRBYFLOAT", "increment"): _number,
    ("INCRBYFLOAT", "increment"): _number,
    ("LINSERT", "pivot"): _element,
    ("RESTORE", "seconds"): _pool([b"0", b"1000"], [b"-1", b"x"]),
    ("RESTORE-ASKING", "seconds"): _pool([b"0", b"1000"], [b"-1", b"x"]),
    ("SELECT", "index"): _pool(DATABASES, BAD_DATABASES),
    ("SORT", "pattern"): _pool([b"w_*", b"w_*", b"nosuch_*", b"#", b"h1->*", b"*->f", b"nosort", b""]),
    ("SORT_RO", "pattern"): _pool([b"w_*", b"w_*", b"nosuch_*", b"#", b"h1->*", b"*->f", b"nosort", b""]),
    ("WAIT", "timeout"): _pool([b"1", b"5"], [b"-1", b"x", b""]),
    ("XADD", "id"): _new_id,
    ("XCLAIM", "unix-time-milliseconds"): _pool([b"99999999999999"], [b"x", b"-1"]),
    ("XREAD", "id"): lambda s, d: b"$" if s.chance(0.2) else _id(s, d),
    ("XREAD", "milliseconds"): _pool([b"1", b"5"], [b"-1", b"x", b"1.5"]),
    ("XREADGROUP", "id"): lambda s, d: b">" if s.chance(0.6) else _id(s, d),
    ("XREADGROUP", "milliseconds"): _pool([b"1", b"5"], [b"-1", b"x", b"1.5"]),
    ("ZINCRBY", "increment"): _number,
}
_OF_GROUP_NAME = {
    ("geo", "member"): _place,
    ("geo", "member1"): _place,
    ("geo", "member2"): _place,
    ("sorted-set", "start"): lambda s, d: _border(s, d) if d.name == "ZRANGE" else _rank(s, d),
    ("sorted-set", "stop"): lambda s, d: _border(s, d) if d.name == "ZRANGE" else _rank(s, d),
    ("stream", "start"): _end,
    ("stream", "end"): _end,
}


class _Drawing:
    """What a value may depend on: the command, the tokens of the call and the last of them."""

    def __init__(self, command, skeleton):
        self.name = command.name
        self.group = command.group
        self.tokens = {text.encode() for text, is_argument in skeleton if not is_argument}
        self.last = b""


def _skeleton(s, node):
    """Words of one way through a tree: [(text, whether it names an argument)]."""
    kind, inner = node
    if kind == "word":
        return [(inner, bool(_ARGUMENT.fullmatch(inner)))]
    if kind == "opt":
        return _skeleton(s, inner) if s.chance(0.45) else []
    if kind == "rep":
        return [w for _ in range(s.rng.choice([0, 0, 1, 1, 2, 4])) for w in _skeleton(s, inner)]
    branch = s.pick(inner)
    parts = [(node[0] in ("opt", "rep"), _skeleton(s, node)) for node in branch]
    if s.chance(0.4):  # options in another order
        at = [i for i, (optional, words) in enumerate(parts) if optional and words and not words[0][1]]
        moved = s.rng.sample(at, len(at))
        parts = [parts[moved[at.index(i)]] if i in at else part for i, part in enumerate(parts)]
    return [w for _, words in parts for w in words]


def _as_many(skeleton, name, count):
    """With the run of arguments called @name made @count long."""
    at = [i for i, word in enumerate(skeleton) if word == (name, True)]
    if not at:
        return skeleton
    return skeleton[: at[0]] + [(name, True)] * count + [w for w in skeleton[at[0] :] if w != (name, True)]


def _arguments(s, command):
    skeleton = _skeleton(s, command.tree)
    keys = sum(w == ("key", True) for w in skeleton)
    right = s.chance(0.93)
    if right:
        skeleton = _as_many(skeleton, "weight", keys)
        if command.name in ("XREAD", "XREADGROUP"):
            skeleton = _as_many(skeleton, "id", keys)
    d = _Drawing(command, skeleton)
    out = []
    for text, is_argument in skeleton:
        if not is_argument:
            d.last = text.encode()
            out.append(b"" if text == '""' else d.last)
        elif text == "numkeys" and right:
            out.append(b"%d" % keys)
        else:
            draw = _OF_COMMAND.get((command.name, text)) or _OF_GROUP_NAME.get((command.group, text)) or POOLS[text]
            out.append(draw(s, d))
    return out


def _spoil(s, command, args):
    """One thing wrong."""
    at = s.rng.randrange(len(args)) if args else 0
    way = s.rng.randrange(8)
    if way == 0 and args:
        args.pop()
    elif way == 1:
        args.append(s.pick(_EXTRA))
    elif way == 2 and args:
        args.pop(at)
    elif way == 3 and len(args) > 1:
        at = min(at, len(args) - 2)
        args[at], args[at + 1] = args[at + 1], args[at]
    elif way == 4:
        args.insert(at, s.pick(command.literals or JUNK))
    elif way == 5 and any(a in command.literals for a in args):
        i = s.pick([i for i, a in enumerate(args) if a in command.literals])
        args[i:i] = args[i : i + 2]  # an option twice
    elif way == 6 and any(a in command.literals for a in args):
        i = s.pick([i for i, a in enumerate(args) if a in command.literals])
        args[i] = s.pick(JUNK)
    elif way == 7 and args:
        args[at] = s.pick(JUNK + [b"\x00\xff", b"nan", b"-1", b"9223372036854775808"])
    return args


def call_of(s, command):
    """The words of one call of @command, with its name."""
    args = _arguments(s, command)
    for _ in range(s.rng.choice([0, 0, 0, 0, 0, 0, 1, 1, 1, 2])):
        args = _spoil(s, command, args)
    words = list(command.words)
    if s.chance(0.12):
        words = [w.lower() for w in words]
        args = [a.lower() if a in command.literals else a for a in args]
    return calm(s, command, words + args)


# ---- what must not be sent ------------------------------------------------------------------------------


def _as_int(word):
    return int(word) if re.fullmatch(rb"-?[0-9]{1,25}", word) else None


def _as_float(word):
    try:
        return float(word)
    except ValueError:
        return 0.0


_WAITS_LAST = {"BLPOP", "BRPOP", "BLMOVE", "BRPOPLPUSH", "BZPOPMIN", "BZPOPMAX", "WAIT"}
_WAITS_FIRST = {"BLMPOP", "BZMPOP"}
_WITH_TIMES = {"EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT", "SETEX", "PSETEX", "SET", "GETEX", "RESTORE", "RESTORE-ASKING"}
_GROWS = {"SETRANGE", "SETBIT", "BITFIELD"}
_SAMPLES = {"SRANDMEMBER", "ZRANDMEMBER", "HRANDFIELD"}


def calm(s, command, words):
    """Nothing waits for long, ends soon, makes values of hundreds of megabytes, or reaches what is known to be read in
    another way (OWNED)."""
    name, n = command.name, len(command.words)
    out = words[n:]
    if name in _WAITS_LAST and out and (_as_float(out[-1]) > 0.02 or _as_float(out[-1]) == 0) and out[-1] != b"inf":
        if name != "WAIT" and re.fullmatch(rb"[0-9.e]+", out[-1]):
            out[-1] = b"0.01"
        elif _as_int(out[-1]) is not None:
            out[-1] = b"3"
    if name in _WAITS_FIRST and out and re.fullmatch(rb"[0-9.e]+", out[0]):
        out[0] = b"0.01"
    for i, word in enumerate(out):
        number = _as_int(word)
        before = out[i - 1].upper() if i else b""
        if name in ("XREAD", "XREADGROUP") and before == b"BLOCK" and number is not None and not 0 < number < 20:
            out[i] = b"5" if number >= 0 else word
        if name == "CLIENT|PAUSE" and number is not None and number > 0:
            out[i] = b"0"
        if name in _WITH_TIMES and number is not None and 0 < number < 10**6 and word not in PAST_AT:
            out[i] = s.far_ms()
        if name in ("EXPIRE", "PEXPIRE", "SETEX", "PSETEX", "SET", "GETEX", "RESTORE", "RESTORE-ASKING"):
            relative = before in (b"EX", b"PX") or name not in ("SET", "GETEX")
            if relative and number is not None and 0 < number <= 1500000000 and word in PAST_AT:
                out[i] = s.far_ms()
        if name in _GROWS and number is not None and 10**5 < number < 2**32:
            out[i] = b"9"
        if name in _SAMPLES and number is not None and -(2**63) < number < -1000:
            out[i] = b"-1000"
        if name in ("GEORADIUS", "GEORADIUSBYMEMBER") and before in (b"STORE", b"STOREDIST") and word in SORTED_SETS:
            out[i] = b"d3"
        if word in OWNED and not _may_have(command, word, out, i):
            out[i] = b"d1"
    if name in ("SORT", "SORT_RO"):
        out = _sortable(out)
    if b"BYLEX" in [w.upper() for w in out] or name in LEX:
        first = 1 if name == "ZRANGESTORE" else 0
        out[first:] = [LEX_KEY if w in SORTED_SETS else w for w in out[first:]]
        if first and out and out[0] == LEX_KEY:
            out[0] = b"d1"
    if command.group == "geo" and name != "GEOADD":
        first = 1 if name == "GEOSEARCHSTORE" else 0
        out[first : first + 1] = [b"g1" if w in SORTED_SETS else w for w in out[first : first + 1]]
        if first and out and out[0] in SORTED_SETS:
            out[0] = b"d3"
    if command.group == "geo" and name == "GEOADD" and out and out[0] in SORTED_SETS:
        out[0] = s.pick(OF_GROUP["geo"])
    return tuple(words[:n] + out)


def _sortable(out):
    """SORT where the order is certain: diff_sort.py and diff_compare.py say where it is not."""
    upper = [w.upper() for w in out]
    by, alpha, store = b"BY" in upper, b"ALPHA" in upper, b"STORE" in upper
    if out and (out[0] in (b"t1", b"d1", b"d2") or (by and out[0] in (b"t2", b"i1"))):
        out[0] = b"l2"
    if by and store:
        out = [b"nosort" if before == b"BY" else w for before, w in zip([b""] + upper, out)]
    elif by and alpha:
        out = [w for w in out if w.upper() != b"ALPHA"]
    elif store and not alpha:
        out.insert(1, b"ALPHA")
    return out


_READS = {"COPY", "RENAME", "RENAMENX", "MOVE", "DEL", "UNLINK"}


def _may_have(command, key, args, at):
    owner = OWNED[key]
    if owner == command.group or (owner == "lex" and (command.name in LEX or command.name in ("ZRANGE", "ZRANGESTORE"))):
        return True
    if command.name in ("DEL", "UNLINK", "EXISTS", "TOUCH", "TYPE", "OBJECT|ENCODING", "MGET", "GET", "STRLEN", "TTL"):
        return True
    return command.name in _READS and at == 0


def check_table(table):
    """Every argument name has a pool."""
    missing = {(c.name, a) for c in table for a in c.arguments if a not in POOLS and (c.name, a) not in _OF_COMMAND}
    if missing:
        raise KeyError(f"no values for {sorted(missing)}")
