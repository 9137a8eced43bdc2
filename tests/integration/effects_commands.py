# SPDX-License-Identifier: BSD-3-Clause
"""Random commands for test_effects.py: the generators of the differential test, and others for what cannot be
compared with another server: chance (SPOP), clocks (short times to live), waiting, scripts, functions.

A new command needs a generator in differential/diff_*.py, or here; test_effects.py looks that there is one for
every write command of the server's table."""

import hashlib
import importlib
import pathlib
import re
import time

import diff_commands
import payloads
from diff_commands import FAR_AT_MS, FAR_AT_SECONDS, KEYS, Source, Step

for _path in sorted((pathlib.Path(__file__).parent / "differential").glob("diff_*.py")):
    importlib.import_module(_path.stem)

import diff_dump  # noqa: E402
import diff_hash_set  # noqa: E402
import diff_hll  # noqa: E402
import diff_list  # noqa: E402
import diff_sort  # noqa: E402
import diff_stream  # noqa: E402
import diff_zset  # noqa: E402

# Its forms here name no commands that the differential test must leave out.
REPLACED = {"EVAL", "MULTI", "EXEC", "DISCARD", "FLUSHALL", "SWAPDB", "FLUSHDB", "SPOP", "PFSELFTEST", "OBJECT HELP"}
NEAR_SECONDS = [b"1", b"1", b"2"]
_SOON_SECONDS = set(FAR_AT_SECONDS)
_SOON_MS = {t for t in FAR_AT_MS if len(t) < 19}


class Maker(Source):
    """Draws commands. Many times to live are so short that they end within the sequence, or in the next one."""

    def __init__(self, rng, sink_port, functions_dump, tags=()):
        super().__init__(rng)
        self.sink_port = sink_port  # of a server for MIGRATE
        self.functions_dump = functions_dump  # for FUNCTION RESTORE
        self.family = None  # of the command that is being made
        self.tags = tags  # hash tags: what belongs together gets one of them before its keys; none: as they are
        self.tag = None  # of what is being made

    def key(self):
        """Half of the commands find a value of their type."""
        if self.family and self.chance(0.6):
            return self.pick(FAMILY_KEYS[self.family])
        if self.chance(0.4):
            return self.pick(FAMILY_KEYS[self.pick(FAMILIES)])
        return super().key()

    def near_ms(self):
        return b"%d" % self.rng.randint(1, 150)

    def time(self, far):
        if callable(far) and self.chance(0.5):
            return self.near_ms() if far.__name__ == "far_ms" else self.pick(NEAR_SECONDS)
        return super().time(far)

    def commands(self, table=None):
        """The words of one random command, or of several that belong together."""
        table = table or TABLE
        make, family = self.rng.choices(table.makers, cum_weights=table.weights)[0]
        outer, self.family = (self.family, self.tag), family
        if self.tags and self.tag is None:
            self.tag = self.pick(self.tags)
        made = make(self)
        out = [self._placed(self._hurried(step.args if isinstance(step, Step) else step)) for step in made]
        self.family, self.tag = outer
        return out

    def _placed(self, words):
        """All keys in the slot of the tag. (Another word that looks like a key is changed as well: why not.)"""
        if not self.tag:
            return words
        return tuple(self.tag + w if w in ALL_KEYS else w for w in words)

    def declared(self):
        """Keys of a script whose calls bring keys of their own: with slots it must say where it belongs."""
        return [b"1", self.key()] if self.tag else [b"0"]

    def command(self):
        """One that stands alone."""
        return self.commands(INNER)[0]

    def _hurried(self, words):
        """Absolute times that are far away: often soon instead; now and then a word less."""
        out = []
        for word in words:
            if word in _SOON_MS and self.chance(0.6):
                word = b"%d" % (time.time() * 1000 + self.rng.randint(1, 200))
            elif word in _SOON_SECONDS and self.chance(0.6):
                word = b"%d" % (time.time() + self.rng.randint(0, 2))
            out.append(word)
        if len(out) > 1 and self.chance(0.01):
            out.pop()
        return tuple(out)


# Groups of commands, as ACL categories of the server's table, whose values have the same type.
_CATEGORIES = {"@list": b"list", "@hash": b"hash", "@set": b"set", "@sortedset": b"zset", "@geo": b"zset",
               "@string": b"string", "@bitmap": b"string", "@hyperloglog": b"hll", "@stream": b"stream"}  # fmt: skip
FAMILIES = sorted(set(_CATEGORIES.values()))
FAMILY_KEYS = {f: [b"%s%d" % (f, i) for i in range(1, 5)] for f in FAMILIES}
FAMILY_KEYS[b"stream"] = diff_stream.STREAMS
# Not the empty key: it is many another word as well, and has a slot of its own.
ALL_KEYS = set(KEYS + diff_hll.KEYS + diff_sort.LISTS + sum(FAMILY_KEYS.values(), [])) - {b""}
_family_of = {}


class Table:
    """Generators to choose from by weight."""

    def __init__(self, entries):
        self.makers, self.weights = [], []
        total = 0
        for name, make, weight in entries:
            total += weight
            self.makers.append((make, _family_of.get(base_name(name))))
            self.weights.append(total)


OWN = {}  # name -> (function(maker) -> [words, ...], weight, whether a script or transaction may have it)


def own(name, weight=2, inner=True):
    """Register @function(maker) -> the words after the name, or a list of commands (tuples)."""

    def register(function):
        def make(s):
            words = function(s)
            if words and isinstance(words[0], tuple):
                return words
            return [tuple(name.split(" (")[0].encode().split()) + tuple(words)]

        OWN[name] = (make, weight, inner)
        return function

    return register


def base_name(name):
    return name.split(" (")[0]


# ---- chance, and whole databases -------------------------------------------------------------------

own("SPOP", 6)(lambda s: [s.key()] + ([s.pick([b"1", b"2", b"7", b"60", b"100000", b"-1"])] if s.chance(0.6) else []))
own("FLUSHALL", 0.4)(lambda s: s.options([b"ASYNC", b"SYNC"], 1))
own("FLUSHDB", 0.5)(lambda s: s.options([b"ASYNC", b"SYNC"], 1))
own("SWAPDB", 1)(lambda s: [s.database(), s.database()])
own("SELECT (home)", 2)(lambda s: [b"0"])
own("DEBUG POPULATE", 0.3, inner=False)(lambda s: [b"%d" % s.rng.randint(1, 60), s.pick([b"p", b"k"])])


@own("SORT (any)", 4)
def _sort(s):
    """Also in no order: the effect must name what came out."""
    key = diff_sort.source(s) if s.chance(0.6) else s.key()
    words = [b"ALPHA", b"ALPHA", b"DESC", diff_sort.limit, diff_sort.by, diff_sort.get, lambda s: [b"BY", b"nosort"]]
    return [key] + s.options(words, 5) + [b"STORE", s.key()]


@own("RESTORE (soon over)", 3)
def _restore(s):
    return [s.key(), s.near_ms(), diff_dump._payload(s), b"REPLACE"]


@own("RESTORE-ASKING")
def _restore_asking(s):
    payload = diff_dump._payload(s) if s.chance(0.9) else payloads.with_checksum(b"\x77")
    return [s.key(), s.pick([b"0", s.near_ms()]), payload, b"REPLACE"]


@own("MIGRATE", 1, inner=False)
def _migrate(s):
    options = s.options([b"COPY", b"REPLACE", b"REPLACE"], 2)
    if s.chance(0.5):
        return [b"127.0.0.1", b"%d" % s.sink_port, s.key(), b"0", b"1000"] + options
    return [b"127.0.0.1", b"%d" % s.sink_port, b"", b"0", b"1000"] + options + [b"KEYS"] + s.keys()


# ---- times to live of fields ------------------------------------------------------------------------


def _field_list(s, with_values=False):
    names = diff_hash_set.fields(s)
    out = [b"FIELDS", b"%d" % len(names) if s.chance(0.97) else b"9"]
    for name in names:
        out += [name, s.value()] if with_values else [name]
    return out


def _condition(s):
    return [s.pick([b"NX", b"XX", b"GT", b"LT"])] if s.chance(0.3) else []


def _moment(s):
    return s.pick([
        [b"EX", s.time(Source.far_seconds)], [b"PX", s.time(Source.far_ms)], [b"PX", s.near_ms()],
        [b"EXAT", s.time(FAR_AT_SECONDS)], [b"PXAT", s.time(FAR_AT_MS)], [b"PXAT", b"1000"],
    ])  # fmt: skip


own("HEXPIRE", 3)(lambda s: [s.key(), s.time(Source.far_seconds)] + _condition(s) + _field_list(s))
own("HPEXPIRE", 5)(lambda s: [s.key(), s.time(Source.far_ms)] + _condition(s) + _field_list(s))
own("HEXPIREAT", 3)(lambda s: [s.key(), s.time(FAR_AT_SECONDS + [b"1"])] + _condition(s) + _field_list(s))
own("HPEXPIREAT", 3)(lambda s: [s.key(), s.time(FAR_AT_MS + [b"1"])] + _condition(s) + _field_list(s))
own("HPERSIST", 2)(lambda s: [s.key()] + _field_list(s))
own("HGETDEL", 2)(lambda s: [s.key()] + _field_list(s))
own("HGETEX", 3)(lambda s: [s.key()] + (_moment(s) if s.chance(0.8) else [b"PERSIST"]) + _field_list(s))


@own("HSETEX", 6)
def _hsetex(s):
    head = [s.pick([b"FNX", b"FXX"])] if s.chance(0.3) else []
    tail = _moment(s) if s.chance(0.8) else s.pick([[], [b"KEEPTTL"]])
    return [s.key()] + head + tail + _field_list(s, with_values=True)


# ---- commands that wait: other connections feed them -------------------------------------------------


def _wait(s):
    return s.pick([b"0.001", b"0.005", b"0.02", b"0.04"])


own("BLPOP", 2)(lambda s: s.keys() + [_wait(s)])
own("BRPOP", 2)(lambda s: s.keys() + [_wait(s)])
own("BLMOVE", 2)(lambda s: [s.key(), s.key(), diff_list.side(s), diff_list.side(s), _wait(s)])
own("BRPOPLPUSH", 2)(lambda s: [s.key(), s.key(), _wait(s)])
own("BZPOPMIN", 2)(lambda s: s.keys() + [_wait(s)])
own("BZPOPMAX", 2)(lambda s: s.keys() + [_wait(s)])


def _several(s, ends):
    keys = s.keys()
    count = [b"COUNT", s.pick([b"1", b"2", b"10"])] if s.chance(0.5) else []
    return [_wait(s), b"%d" % len(keys)] + keys + [s.pick(ends)] + count


own("BLMPOP", 2)(lambda s: _several(s, [b"LEFT", b"RIGHT"]))
own("BZMPOP", 2)(lambda s: _several(s, [b"MIN", b"MAX"]))
own("LPUSH (for who waits)", 3)(lambda s: [s.key(), diff_list.element(s)])
own("ZADD (for who waits)", 3)(lambda s: [s.key(), b"1", diff_zset.member(s)])
own("DEL (for who waits)", 1)(lambda s: [s.key()])

# ---- streams: by the clock, and in nodes that are cut differently on each replica ---------------------


def _stream(s):
    return s.pick(diff_stream.STREAMS if s.chance(0.4) else diff_stream.STREAMS[:1])


def _reader(s):
    """A group and one of its consumers, mostly the same, so that something is pending there."""
    if s.chance(0.7):
        return [b"g1", b"bob"]
    return [diff_stream.group(s), s.pick(diff_stream.CONSUMERS)]


def _about(s):
    return [b"MAXLEN", s.pick([b"~", b"="]), s.pick([b"0", b"5", b"20", b"100"])]


def _read_words(s):
    return [b"COUNT", s.pick([b"1", b"3", b"50"]), b"BLOCK", b"%d" % s.rng.randint(1, 30)]


own("XGROUP CREATE (at the start)", 8)(lambda s: [_stream(s), s.pick(diff_stream.GROUPS), b"0", b"MKSTREAM"])
# Behind what XADD has numbered by the clock, where the ids of others have long been passed.
own("XSETID (now)", 4)(lambda s: [_stream(s), b"%d-0" % (time.time_ns() // 1_000_000 + 500)])
own("XGROUP SETID (back)", 2)(lambda s: [_stream(s), diff_stream.group(s), b"0"])
own("XGROUP CREATECONSUMER (new)", 2)(
    lambda s: [_stream(s), diff_stream.group(s), b"%d" % s.rng.randint(1, 9)]
)
own("XADD (now)", 8)(lambda s: [_stream(s)] + (_about(s) if s.chance(0.3) else []) + [b"*", b"f", s.value()])
own("XTRIM (about)", 2)(lambda s: [_stream(s)] + _about(s))
own("XREAD (waits)", 2)(lambda s: _read_words(s) + [b"STREAMS", _stream(s), _stream(s), b"$", b"$"])
own("XREADGROUP (again)", 8)(
    lambda s: [b"GROUP", *_reader(s), b"COUNT", b"9", b"STREAMS", _stream(s)]
    + [s.pick([b">", b"0"])]
)
own("XREADGROUP (waits)", 5)(
    lambda s: [b"GROUP", *_reader(s)] + _read_words(s)
    + s.options([b"NOACK"], 1) + [b"STREAMS", _stream(s), _stream(s), b">", b">"]
)  # fmt: skip


@own("XCLAIM (now)", 3)
def _xclaim(s):
    ids = [diff_stream.ident(s) for _ in range(3)]
    out = [_stream(s), *_reader(s), b"%d" % s.rng.randint(0, 30), *ids]
    return out + s.options([b"FORCE", b"FORCE", b"JUSTID", lambda s: [b"IDLE", s.near_ms()]], 3)


@own("XAUTOCLAIM (now)", 3)
def _xautoclaim(s):
    out = [_stream(s), *_reader(s), b"%d" % s.rng.randint(0, 30), b"0"]
    return out + s.options([b"JUSTID", lambda s: [b"COUNT", b"5"]], 2)


# ---- scripts and functions ------------------------------------------------------------------------

# ARGV: of each command the number of its words, then these.
EACH = b"""local at = 1
while at <= #%(args)s do
    local n, words = tonumber(%(args)s[at]), {}
    for i = 1, n do words[i] = %(args)s[at + i] end
    at = at + n + 1
    redis.%(call)s(unpack(words))
end
"""
_CALL, _PCALL = (EACH % {b"args": b"ARGV", b"call": how} for how in (b"call", b"pcall"))
FORMS = [
    _CALL,
    _CALL + b"return redis.error_reply('in the end')",
    _PCALL,
    _PCALL + b"error('in the end')",
    b"redis.setresp(3)\n" + _PCALL,
]
# Of two keys. What chance, a clock, the encoding or the order of a table gives ends up in the data.
TEXTS = [
    b"return redis.call('RPUSH', KEYS[2], unpack(redis.call('SPOP', KEYS[1], 3)))",
    b"local m = redis.call('SPOP', KEYS[1]) if m then redis.call('SADD', KEYS[2], m, 'more') end",
    b"return redis.call('RPUSH', KEYS[2], unpack(redis.call('SMEMBERS', KEYS[1])))",
    b"return redis.call('RPUSH', KEYS[2], unpack(redis.call('HGETALL', KEYS[1])))",
    b"return redis.call('RPUSH', KEYS[2], unpack(redis.call('HKEYS', KEYS[1])))",
    b"return redis.call('RPUSH', KEYS[2], unpack(redis.call('ZRANGE', KEYS[1], 0, 5, 'WITHSCORES')))",
    b"return redis.call('RPUSH', KEYS[2], unpack(redis.call('SRANDMEMBER', KEYS[1], -5)))",
    b"return redis.call('RPUSH', KEYS[2], unpack(redis.call('HRANDFIELD', KEYS[1], 2, 'WITHVALUES')))",
    b"return redis.call('RPUSH', KEYS[2], unpack(redis.call('SUNION', KEYS[1], KEYS[1])))",
    b"return redis.call('RPUSH', KEYS[2], unpack(redis.call('KEYS', '*')))",
    b"return redis.call('RPUSH', KEYS[2], unpack(redis.call('SCAN', 0)[2]))",
    b"return redis.call('SET', KEYS[2], redis.call('RANDOMKEY') or '')",
    b"return redis.call('RPUSH', KEYS[2], unpack(redis.call('TIME')))",
    b"return redis.call('SET', KEYS[2], tostring(math.random()), 'PX', 1 + math.random(100))",
    b"return redis.call('SET', KEYS[2], redis.call('PTTL', KEYS[1]))",
    b"return redis.call('SET', KEYS[2], tostring(redis.call('OBJECT', 'ENCODING', KEYS[1])))",
    b"return redis.call('SET', KEYS[2], tostring(redis.call('OBJECT', 'IDLETIME', KEYS[1])))",
    b"return redis.call('SET', KEYS[2], redis.sha1hex(tostring(redis.call('EXISTS', KEYS[1]))) .. 1 / 3)",
    b"for i = 1, 20 do redis.call('INCRBYFLOAT', KEYS[2], i / 3) end",
    b"for i = 1, 20 do redis.call('HINCRBYFLOAT', KEYS[2], i % 3, 1 / i) end",
    b"for i = 1, 20 do redis.call('ZINCRBY', KEYS[1], 1 / i, i % 3) end",
    b"for i = 1, 20 do redis.call('XADD', KEYS[1], 'MAXLEN', '~', 5, '*', 'f', i) end",
    b"local d = redis.call('DUMP', KEYS[1]) if d then redis.call('RESTORE', KEYS[2], 0, d, 'REPLACE') end",
    b"local d = redis.call('DUMP', KEYS[1]) if d then redis.call('RESTORE', KEYS[2], 30, d, 'REPLACE') end",
    b"redis.call('SET', KEYS[1], 1, 'PX', 1) redis.call('PEXPIRE', KEYS[2], 1) return redis.call('GET', KEYS[1])",
    b"redis.call('PEXPIRE', KEYS[1], 0) return redis.call('EXISTS', KEYS[1])",
    b"redis.call('SELECT', 3) redis.call('APPEND', KEYS[1], 'x') redis.call('LPUSH', KEYS[1], 'y')",
    b"redis.call('COPY', KEYS[1], KEYS[2], 'DB', 2, 'REPLACE') redis.call('MOVE', KEYS[1], 3)",
    b"redis.call('DEL', KEYS[1]) redis.call('RPUSH', KEYS[1], 'a', 'b') return redis.call('BLPOP', KEYS[1], 0)",
    b"return redis.call('BLMOVE', KEYS[1], KEYS[2], 'LEFT', 'RIGHT', 0)",
    b"redis.replicate_commands() redis.call('RENAME', KEYS[1], KEYS[2]) redis.call('INCR', KEYS[2])",
    b"for _, e in ipairs(redis.call('XPENDING', KEYS[1], 'g1', '-', '+', 9)) do "
    b"redis.call('XCLAIM', KEYS[1], 'g1', 'bob', 0, e[1]) end",
]


def library(call):
    return b"#!lua name=lib\nredis.register_function('run', function(keys, args)\n%send)\n" % (
        EACH % {b"args": b"args", b"call": call}
    )


LIBRARIES = [library(b"call"), library(b"pcall")]
OTHER_LIBRARY = b"#!lua name=other\n"
OTHER_LIBRARY += b"redis.register_function('add', function(keys) return redis.call('INCR', keys[1]) end)"


def _packed(s):
    out = []
    for _ in range(s.rng.randint(1, 6)):
        words = s.command()
        out += [b"%d" % len(words), *words]
    return out


def _pair(s, text):
    """Two keys that suit what @text calls with them."""
    out = [b"2"]
    for key in (b"1", b"2"):
        called = re.search(rb"call\('(\w+)', KEYS\[" + key, text)
        outer, s.family = s.family, _family_of.get(called[1].decode()) if called else None
        out.append(s.key())
        s.family = outer
    return out


def _text(s):
    text = s.pick(TEXTS)
    return [text, *_pair(s, text)]


own("EVAL", 10, inner=False)(lambda s: [s.pick(FORMS), *s.declared(), *_packed(s)])
own("EVAL (of a list)", 12, inner=False)(_text)
own("FCALL", 5, inner=False)(lambda s: [b"run", *s.declared(), *_packed(s)])
own("FCALL (other)", 1, inner=False)(lambda s: [b"add", b"1", s.key()])
own("FUNCTION LOAD", 1.5, inner=False)(
    lambda s: [b"REPLACE", s.pick(LIBRARIES)] if s.chance(0.7) else s.options([b"REPLACE"], 1) + [OTHER_LIBRARY]
)
own("FUNCTION DELETE", 0.8, inner=False)(lambda s: [s.pick([b"lib", b"other", b"none"])])
own("FUNCTION FLUSH", 0.5, inner=False)(lambda s: s.options([b"ASYNC", b"SYNC"], 1))
own("FUNCTION RESTORE", 1, inner=False)(
    lambda s: [s.functions_dump] + s.options([b"FLUSH", b"APPEND", b"REPLACE", b"REPLACE"], 1)
)


@own("EVALSHA", 4, inner=False)
def _evalsha(s):
    text = s.pick(TEXTS)
    load = [(b"SCRIPT", b"LOAD", text)] if s.chance(0.7) else []
    return load + [(b"EVALSHA", hashlib.sha1(text).hexdigest().encode(), *_pair(s, text))]


# ---- transactions ----------------------------------------------------------------------------------


@own("MULTI", 8, inner=False)
def _multi(s):
    out = []
    if s.chance(0.4):
        out.append((b"WATCH", s.key()))
        out += s.commands(INNER) if s.chance(0.3) else []
    out.append((b"MULTI",))
    for _ in range(s.rng.randint(0, 6)):
        out.append(s.command() if s.chance(0.85) else (b"EVAL", *_text(s)))
    if s.chance(0.05):
        out.append((b"NOSUCHCOMMAND",))
    out.append((b"DISCARD",) if s.chance(0.1) else (b"EXEC",))
    return out


def _entries():
    """(name, maker, weight, whether scripts and transactions may have it) of all."""
    for name, (generate, weight, _) in diff_commands.GENERATORS.items():
        if base_name(name) not in REPLACED and name not in OWN:
            yield name, generate, weight, name != "SELECT"
    for name, (make, weight, inner) in OWN.items():
        yield name, make, weight, inner


ALL = list(_entries())
READ_WEIGHT = 0.25  # of what only reads: it matters for what it expires
TABLE = INNER = None


def use(write_names, categories):
    """Draw from all commands, mostly those of @write_names; returns the write commands that nothing generates.
    @categories: of each name, as COMMAND tells."""
    global TABLE, INNER
    for name, words in categories.items():
        _family_of.update({name: family for word, family in _CATEGORIES.items() if word in words})
    changing = set(write_names) | {n.split()[0] for n in write_names} | {base_name(n) for n in OWN}
    entries = [(n, make, w if base_name(n) in changing else w * READ_WEIGHT, inner) for n, make, w, inner in ALL]
    TABLE = Table([(name, make, weight) for name, make, weight, _ in entries])
    INNER = Table([(name, make, weight) for name, make, weight, inner in entries if inner])
    made = {base_name(n) for n, *_ in ALL}
    return {n for n in write_names if n not in made and n.split()[0] not in made}  # "XGROUP": of all its subcommands
