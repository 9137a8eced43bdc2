# SPDX-License-Identifier: BSD-3-Clause
"""Random commands: a table of generators, one per command, over pools of awkward values.

A generator draws from a Source and returns a list of Steps (one command, or several that belong
together). Times to live are either long over or far away, never about to end: two servers would
not agree on the moment.
"""

from diff_compare import Step

KEYS = [b"k1", b"k2", b"k3", b"n1", b"n2", b"{t}a", b"{t}b", b"", b"sp ace", b"\x00\xff\r\n", b"K1"]
INTEGERS = [
    b"0", b"1", b"-1", b"7", b"10", b"100", b"-100", b"9999", b"10000", b"2147483647", b"2147483648",
    b"-2147483648", b"9223372036854775806", b"9223372036854775807", b"9223372036854775808",
    b"-9223372036854775807", b"-9223372036854775808", b"-9223372036854775809",
]  # fmt: skip
NOT_INTEGERS = [
    b"", b" 1", b"1 ", b"+1", b"-0", b"01", b"0x10", b"1.0", b"1e3", b"abc", b"--1", b"1\x00",
    b"99999999999999999999",
]  # fmt: skip
FLOATS = [
    b"0.1", b"-0.5", b"3.0e3", b"1e400", b"-1e400", b"1e5000", b"inf", b"-inf", b"nan", b"0x1p3", b"5.",
    b".5", b"1e-20", b"100000000000000000000", b"0.1000000000000000055", b"3.", b" 1.5", b"1.5 ",
    b"infinity", b"1e", b"1e-5000",
]  # fmt: skip
TEXTS = [
    b"", b"v", b"value", b"ohmytext", b"mynewtext", b"a" * 44, b"a" * 45, b"ab" * 150, b"\x00\x01\xff",
    b"line\r\nline", b"GET", b"NX", b"x" * 600,
]  # fmt: skip
OFFSETS = INTEGERS[:7] + [b"3", b"5", b"-2", b"-3", b"50", b"300", b"1000"]
FAR_AT_SECONDS = [b"33177117420", b"9999999999", b"99999999999"]
FAR_AT_MS = [b"33177117420000", b"9999999999999", b"9223372036854775807"]
PAST_AT = [b"1", b"1000", b"1500000000"]  # past as seconds and as ms
BAD_TIMES = [
    b"0", b"-1", b"-1000", b"9223372036854775807", b"9223372036854775", b"9223372036854776",
    b"-9223372036854775808", b"-9223372036854776", b"abc", b"1.5", b"",
]  # fmt: skip
PATTERNS = [
    b"*", b"k*", b"?1", b"k?", b"[kn]1", b"[^k]*", b"k[1-2]", b"k[2-1]", b"{t}*", b"k1", b"\\k1", b"",
    b"**", b"*1*", b"[k", b"k\\", b"[]*", b"[\\]k]*", b"nomatch*", b"\x00*",
]  # fmt: skip
DATABASES = [b"0", b"1", b"2", b"3", b"15"]
BAD_DATABASES = [b"16", b"-1", b"abc", b"", b"99999999999", b"-99999999999", b"1.0"]
JUNK = [b"", b"BOGUS", b"0", b"nx", b"\x00"]


class Source:
    """Draws from the pools; everything comes from one random.Random."""

    def __init__(self, rng):
        self.rng = rng
        self._times = 0

    def pick(self, pool):
        return self.rng.choice(pool)

    def chance(self, p):
        return self.rng.random() < p

    def key(self):
        return self.pick(KEYS)

    def keys(self, most=4):
        return [self.key() for _ in range(self.rng.randint(1, most))]

    def value(self):
        return self.pick(self.pick([TEXTS, TEXTS, INTEGERS, INTEGERS, NOT_INTEGERS, FLOATS]))

    def integer(self):
        if self.chance(0.4):
            return b"%d" % self.rng.randint(-20, 20)
        return self.pick(NOT_INTEGERS if self.chance(0.15) else INTEGERS)

    def offset(self):
        return self.pick(NOT_INTEGERS if self.chance(0.05) else OFFSETS)

    def number(self):
        if self.chance(0.4):
            return b"%.3f" % self.rng.uniform(-100, 100)
        return self.pick(self.pick([FLOATS, INTEGERS, NOT_INTEGERS]))

    def time(self, far):
        if self.chance(0.25):
            return self.pick(BAD_TIMES)
        return far(self) if callable(far) else self.pick(far)

    def far_seconds(self):
        """A relative time far away, and far from all others drawn before: GT and LT must not
        depend on the millisecond in which a server executes them."""
        self._times += 1
        return b"%d" % (1000 + self._times * 7919 % 100003 * 600)

    def far_ms(self):
        return self.far_seconds() + b"000"

    def database(self):
        return self.pick(BAD_DATABASES if self.chance(0.15) else DATABASES)

    def options(self, words, most):
        """Some of @words, in any order and combination; a word may be a function (self -> list)."""
        out = []
        for _ in range(self.rng.choice([0, 0, 1, 1, 1, 2, 2, most])):
            word = self.pick(words)
            out += word(self) if callable(word) else [word]
        if out and self.chance(0.2):
            out = [w.lower() for w in out]
        if self.chance(0.03):
            out.append(self.pick(JUNK))
        return out


def _time_option(word, far):
    def option(s):
        if s.chance(0.04):
            return [word]
        return [word, s.time(far)]

    return option


RELATIVE = [_time_option(b"EX", Source.far_seconds), _time_option(b"PX", Source.far_ms)]
ABSOLUTE = [_time_option(b"EXAT", FAR_AT_SECONDS), _time_option(b"PXAT", FAR_AT_MS)]
GENERATORS = {}


def command(name, mode="bytes", weight=2, required=True):
    """Register @function(source) -> arguments after the name, or a list of Steps as it is."""

    def register(function):
        def generate(source):
            made = function(source)
            if made and isinstance(made[0], Step):
                return made
            return [Step(tuple(name.encode().split()) + tuple(made), mode)]

        GENERATORS[name] = (generate, weight, required)
        return function

    return register


# ---- strings ----------------------------------------------------------------------------------


@command("SET", weight=12)
def _set(s):
    words = [b"NX", b"XX", b"GET", b"KEEPTTL"] + RELATIVE + ABSOLUTE
    if s.chance(0.05):
        # Over before it is set: only a look at the key makes both servers forget it for sure.
        key = s.key()
        return [
            Step((b"SET", key, s.value(), s.pick([b"EXAT", b"PXAT"]), s.pick(PAST_AT))),
            Step((b"GET", key)),
        ]
    return [s.key(), s.value()] + s.options(words, 4)


command("GET", weight=4)(lambda s: [s.key()])
command("SETNX")(lambda s: [s.key(), s.value()])
command("SETEX")(lambda s: [s.key(), s.time(Source.far_seconds), s.value()])
command("PSETEX")(lambda s: [s.key(), s.time(Source.far_ms), s.value()])
command("GETSET")(lambda s: [s.key(), s.value()])
command("GETDEL")(lambda s: [s.key()])
command("STRLEN")(lambda s: [s.key()])
command("MGET")(lambda s: s.keys())
command("APPEND", weight=3)(lambda s: [s.key(), s.value()])
command("GETRANGE", weight=3)(lambda s: [s.key(), s.offset(), s.offset()])
command("SUBSTR", weight=1)(lambda s: [s.key(), s.offset(), s.offset()])
command("INCR")(lambda s: [s.key()])
command("DECR")(lambda s: [s.key()])
command("INCRBY", weight=3)(lambda s: [s.key(), s.integer()])
command("DECRBY", weight=3)(lambda s: [s.key(), s.integer()])
command("INCRBYFLOAT", weight=4)(lambda s: [s.key(), s.number()])


@command("GETEX", weight=4)
def _getex(s):
    words = [b"PERSIST"] + RELATIVE + ABSOLUTE + [_time_option(b"PXAT", PAST_AT)]
    return [s.key()] + s.options(words, 3)


@command("SETRANGE", weight=3)
def _setrange(s):
    # Just below the limit of 512 MB would be right but slow; above it is an error.
    offset = s.pick([b"536870912", b"536870911000"]) if s.chance(0.1) else s.pick(OFFSETS[:3] + OFFSETS[7:])
    return [s.key(), s.pick(NOT_INTEGERS) if s.chance(0.05) else offset, s.value()]


def _pairs(s):
    out = []
    for key in s.keys(3):
        out += [key, s.value()]
    return out[:-1] if s.chance(0.05) and len(out) > 2 else out


command("MSET")(_pairs)
command("MSETNX")(_pairs)


@command("LCS", weight=3)
def _lcs(s):
    words = [b"LEN", b"IDX", b"IDX", b"WITHMATCHLEN", lambda s: [b"MINMATCHLEN", s.integer()]]
    return [s.key(), s.key()] + s.options(words, 3)


# ---- keys -------------------------------------------------------------------------------------

command("DEL")(lambda s: s.keys())
command("UNLINK")(lambda s: s.keys())
command("EXISTS")(lambda s: s.keys())
command("TOUCH")(lambda s: s.keys())
command("TYPE")(lambda s: [s.key()])
command("RENAME", weight=3)(lambda s: [s.key(), s.key()])
command("RENAMENX", weight=3)(lambda s: [s.key(), s.key()])
command("MOVE", weight=3)(lambda s: [s.key(), s.database()])
command("RANDOMKEY", mode="kind", weight=1)(lambda s: [])
command("DBSIZE", weight=1)(lambda s: [])
command("KEYS", mode="elements")(lambda s: [s.pick(PATTERNS)])


@command("COPY", weight=4)
def _copy(s):
    return [s.key(), s.key()] + s.options([b"REPLACE", lambda s: [b"DB", s.database()]], 2)


@command("SCAN", mode="scan")
def _scan(s):
    words = [
        lambda s: [b"MATCH", s.pick(PATTERNS)],
        lambda s: [b"COUNT", s.integer()],
        lambda s: [b"TYPE", s.pick([b"string", b"STRING", b"list", b"bogus", b""])],
    ]
    cursor = s.pick([b"0", b"0", b"0", b"", b"-1", b"+5", b" 1", b"abc", b"99999999999999999999", b"1x"])
    return [cursor] + s.options(words, 3)


command("OBJECT ENCODING", mode="encoding", weight=1)(lambda s: [s.key()])
command("OBJECT REFCOUNT", mode="kind", weight=1)(lambda s: [s.key()])
command("OBJECT IDLETIME", mode="kind", weight=1)(lambda s: [s.key()])
command("OBJECT FREQ", weight=1)(lambda s: [s.key()])
command("OBJECT HELP", weight=1)(lambda s: [])
command("MEMORY USAGE", mode="kind", weight=1)(
    lambda s: [s.key()] + s.options([lambda s: [b"SAMPLES", s.integer()]], 1)
)

# ---- times to live ----------------------------------------------------------------------------

CONDITIONS = [b"NX", b"XX", b"GT", b"LT"]
command("EXPIRE", weight=4)(lambda s: [s.key(), s.time(Source.far_seconds)] + s.options(CONDITIONS, 2))
command("PEXPIRE", weight=4)(lambda s: [s.key(), s.time(Source.far_ms)] + s.options(CONDITIONS, 2))
command("EXPIREAT", weight=4)(
    lambda s: [s.key(), s.time(FAR_AT_SECONDS + PAST_AT[:1])] + s.options(CONDITIONS, 2)
)
command("PEXPIREAT", weight=4)(
    lambda s: [s.key(), s.time(FAR_AT_MS + PAST_AT)] + s.options(CONDITIONS, 2)
)
command("PERSIST")(lambda s: [s.key()])
command("TTL", mode="seconds")(lambda s: [s.key()])
command("PTTL", mode="ms")(lambda s: [s.key()])
command("EXPIRETIME", mode="seconds")(lambda s: [s.key()])
command("PEXPIRETIME", mode="ms")(lambda s: [s.key()])

# ---- databases ----------------------------------------------------------------------------------

command("SELECT", weight=1)(lambda s: [s.database()])
command("SWAPDB", weight=1)(lambda s: [s.database(), s.database()])
command("FLUSHDB", weight=1)(lambda s: s.options([b"ASYNC", b"SYNC"], 1))


@command("FLUSHALL", weight=1)
def _flushall(s):
    return s.options([b"ASYNC", b"SYNC"], 1) if s.chance(0.2) else [b"BOGUS"]


# ---- transactions, the connection --------------------------------------------------------------

command("PING", weight=1)(lambda s: [s.value()] if s.chance(0.5) else [])
command("ECHO", weight=1)(lambda s: [s.value()])


@command("MULTI", weight=3)
def _multi(s):
    steps = []
    if s.chance(0.4):
        key = s.key()
        steps.append(Step((b"WATCH", key)))
        if s.chance(0.4):
            steps += any_command(s, plain=True)
        if s.chance(0.1):
            steps.append(Step((b"UNWATCH",)))
    steps.append(Step((b"MULTI",)))
    for _ in range(s.rng.randint(0, 5)):
        steps += any_command(s, plain=True)
    if s.chance(0.05):
        steps.append(Step((s.pick([b"MULTI", b"NOSUCHCOMMAND"]),)))
    steps.append(Step((b"DISCARD" if s.chance(0.1) else b"EXEC",)))
    return steps


command("EXEC", weight=1)(lambda s: [])
command("DISCARD", weight=1)(lambda s: [])

# ---- other types, for WRONGTYPE: only where both servers have them -------------------------------

command("RPUSH", required=False)(lambda s: [s.key(), s.value()])
command("SADD", required=False)(lambda s: [s.key(), s.value()])
command("HSET", required=False)(lambda s: [s.key(), b"f", s.value()])
command("ZADD", required=False)(lambda s: [s.key(), b"1", s.value()])


# ---- choosing -------------------------------------------------------------------------------------

_available = dict(GENERATORS)


def restrict(names):
    """Generate only these commands from now on."""
    _available.clear()
    _available.update({name: GENERATORS[name] for name in names})


def _mangle(s, step):
    """Now and then: another number of words, another case of the name."""
    args = list(step.args)
    if s.chance(0.2):
        args[0] = args[0].lower()
    if s.chance(0.02) and len(args) > 1:
        args.pop()
    elif s.chance(0.015):
        args.append(s.value())
    return Step(tuple(args), step.mode)


# With an argument less or more chance would decide what SPOP leaves, and Redis would reply -2147483648 random
# elements; of ZRANK this server knows longer forms than Redis 7.0; a PFCOUNT of one key writes there;
# " 1" is an id of a stream to Redis; and RESTORE without ABSTTL would take a time for a duration. Nor when a script
# calls them.
NEVER_MANGLED = {
    "PFCOUNT", "SPOP", "SRANDMEMBER", "HRANDFIELD", "ZRANDMEMBER", "ZRANK", "ZREVRANK", "XACK", "XCLAIM", "XDEL",
    "RESTORE",
}  # fmt: skip


def any_command(source, plain=False):
    """The steps of one random command. @plain: none that opens or ends a transaction."""
    names = [n for n in _available if not (plain and n in ("MULTI", "EXEC", "DISCARD"))]
    weights = [_available[n][1] for n in names]
    name = source.rng.choices(names, weights)[0]
    steps = _available[name][0](source)
    called = steps[0].args[3:4] if name == "EVAL" else ()
    if len(steps) > 1 or name in NEVER_MANGLED or any(word.decode().upper() in NEVER_MANGLED for word in called):
        return steps
    return [_mangle(source, steps[0])]
