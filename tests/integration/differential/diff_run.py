# SPDX-License-Identifier: BSD-3-Clause
"""Drive two servers with the same random commands and report where they differ.

Work goes in rounds: a round sends its commands in one pipeline over one connection per server
(RESP2 or RESP3), compares reply by reply, and ends with a comparison of complete SCAN iterations
and of all data. After a difference both servers are emptied, so that one bug is one report.
"""

import dataclasses
import random
import time

import diff_bitmap  # noqa: F401  registers its commands
import diff_commands
import diff_dump  # noqa: F401  likewise
import diff_geo  # noqa: F401  likewise
import diff_hash_set  # noqa: F401  likewise
import diff_hll  # noqa: F401  likewise
import diff_list  # noqa: F401  likewise
import diff_script  # noqa: F401  likewise
import diff_sort  # noqa: F401  likewise
import diff_stream  # noqa: F401  likewise
import diff_zset  # noqa: F401  likewise
from diff_compare import MODES, Step, Transaction
from diff_wire import Connection, encode

ROUND = 40
DATABASES = 16
DATA_EVERY = 5  # rounds
COPY = b"(copy)"  # a key that no random command uses

# What reads a whole value of each type, and how it compares.
WHOLE_VALUE = {
    b"string": lambda key: Step((b"GET", key)),
    b"list": lambda key: Step((b"LRANGE", key, b"0", b"-1")),
    b"hash": lambda key: Step((b"HGETALL", key), "pairs"),
    b"set": lambda key: Step((b"SMEMBERS", key), "elements"),
    b"zset": lambda key: Step((b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"), "numbers"),
    b"stream": lambda key: Step((b"XINFO", b"STREAM", key, b"FULL", b"COUNT", b"0"), "stream"),
    b"none": lambda key: Step((b"EXISTS", key)),
}


@dataclasses.dataclass
class Difference:
    seed: int
    number: int  # of the command in the run
    protocol: int
    step: Step
    reply_a: bytes
    reply_b: bytes
    history: list  # commands since both servers were last empty

    def __str__(self):
        lines = [
            f"difference at command {self.number} of seed {self.seed} (RESP{self.protocol}): "
            f"{show(self.step.args)}",
            f"  a: {clip(self.reply_a)}",
            f"  b: {clip(self.reply_b)}",
            "  after:",
        ]
        lines += [f"    {show(args)}" for args in self.history[-25:]]
        return "\n".join(lines)


@dataclasses.dataclass
class Report:
    commands: int = 0
    replies: int = 0  # compared, where they are counted
    seconds: float = 0.0
    not_in_both: tuple = ()
    differences: list = dataclasses.field(default_factory=list)


def clip(data, most=300):
    text = repr(data)[2:-1]
    return text if len(text) <= most else f"{text[:most]}... ({len(data)} bytes)"


def show(args):
    words = []
    for arg in args:
        text = clip(arg, 80)
        words.append(text if text and " " not in text else f'"{text}"')
    return " ".join(words)


class Differential:
    """@address_a, @address_b: (host, port) of servers that accept writes and hold nothing of value:
    they are flushed."""

    def __init__(self, address_a, address_b, seed):
        self.seed = seed
        self.rng = random.Random(seed)
        self.source = diff_commands.Source(self.rng)
        self.pairs = {
            protocol: (Connection(address_a, protocol), Connection(address_b, protocol))
            for protocol in (2, 3)
        }
        self.history = []
        self.report = Report()
        self.report.not_in_both = tuple(self._restrict())

    def close(self):
        for pair in self.pairs.values():
            for connection in pair:
                connection.close()

    def _restrict(self):
        """Leave out commands that one of the servers does not know; returns them."""
        names = list(diff_commands.GENERATORS)
        words = {n: n.split()[0].encode() for n in names}
        missing = []
        for name in names:
            infos = [c.call(b"COMMAND", b"INFO", words[name]) for c in self.pairs[2]]
            if any(i.is_error or i.value[0].is_null for i in infos):
                missing.append(name)
        diff_commands.restrict([n for n in names if n not in missing])
        return missing

    def run(self, count, most_differences=5):
        """Run about @count commands; stops early after @most_differences."""
        began = time.monotonic()
        rounds = 0
        self._empty()
        while self.report.commands < count and len(self.report.differences) < most_differences:
            protocol = self.rng.choice([2, 3])
            ok = self._round(protocol)
            rounds += 1
            if ok and rounds % DATA_EVERY == 0:
                ok = self._scans(protocol) and self._data(protocol)
            if not ok:
                self._empty()
        self.report.seconds = time.monotonic() - began
        return self.report

    def _empty(self):
        """Both servers empty, no transaction open, database 0."""
        for pair in self.pairs.values():
            for connection in pair:
                connection.call(b"DISCARD")
                connection.call(b"UNWATCH")
                connection.call(b"SELECT", b"0")
        for connection in self.pairs[2]:
            reply = connection.call(b"FLUSHALL")
            if reply.is_error:
                raise RuntimeError(f"{connection.address} cannot be emptied: {reply.raw!r}")
        self.history = []

    def _differ(self, protocol, step, a, b):
        self.report.differences.append(
            Difference(
                self.seed, self.report.commands, protocol, step, a, b, list(self.history)
            )
        )

    def _round(self, protocol):
        steps = [Step((b"SELECT", self.rng.choice([b"0", b"0", b"1", b"3"])))]
        while len(steps) < ROUND:
            steps += diff_commands.any_command(self.source)
        # A transaction that a mangled command left open ends here, and no key stays watched.
        steps.append(Step((b"DISCARD",)))
        steps.append(Step((b"UNWATCH",)))
        request = b"".join(encode(s.args) for s in steps)
        pair = self.pairs[protocol]
        for connection in pair:
            connection.send(request)
        replies = [[connection.read() for _ in steps] for connection in pair]

        transaction = Transaction()
        ok = True
        for step, a, b in zip(steps, *replies):
            self.report.commands += 1
            if ok and not transaction.same(step, a, b):
                self._differ(protocol, step, a.raw, b.raw)
                ok = False
            self.history.append(step.args)
        return ok

    def _scans(self, protocol):
        """A complete iteration sees everything, whatever its step."""
        options = []
        if self.source.chance(0.5):
            options += [b"MATCH", self.source.pick(diff_commands.PATTERNS)]
        if self.source.chance(0.5):
            options += [b"COUNT", self.source.pick([b"1", b"3", b"100"])]
        if self.source.chance(0.3):
            options += [b"TYPE", b"string"]
        seen = [self._scan(connection, options) for connection in self.pairs[protocol]]
        if seen[0] != seen[1]:
            step = Step((b"SCAN", b"(all)", *options))
            self._differ(protocol, step, *(repr(sorted(s)).encode() for s in seen))
            return False
        return True

    @staticmethod
    def _scan(connection, options):
        cursor, keys = b"0", set()
        while True:
            reply = connection.call(b"SCAN", cursor, *options)
            if reply.is_error:
                raise RuntimeError(f"SCAN failed: {reply.raw!r}")
            cursor = reply.value[0].value
            keys |= {r.value for r in reply.value[1].value}
            if cursor == b"0":
                return keys

    def _data(self, protocol):
        """Every key of every database: type, value, time to live."""
        a, b = self.pairs[protocol]
        for db in range(DATABASES):
            names = []
            for connection in (a, b):
                connection.call(b"SELECT", b"%d" % db)
                names.append(sorted(r.value for r in connection.call(b"KEYS", b"*").value))
            if names[0] != names[1]:
                self._differ(
                    protocol,
                    Step((b"(keys of database %d)" % db,)),
                    *(repr(n).encode() for n in names),
                )
                return False
            for name in names[0]:
                kind = a.call(b"TYPE", name).value
                for step in (
                    Step((b"TYPE", name)),
                    Step((b"OBJECT", b"ENCODING", name), "encoding"),
                    Step((b"PEXPIRETIME", name), "ms"),
                    WHOLE_VALUE[kind](name),
                ):
                    x, y = a.call(*step.args), b.call(*step.args)
                    if not MODES[step.mode](x, y):
                        self._differ(protocol, step, x.raw, y.raw)
                        return False
                if not self._payloads(protocol, name, kind):
                    return False
        return True

    def _payloads(self, protocol, name, kind):
        """What one server dumps is the same value on the other."""
        pair = self.pairs[protocol]
        dumps = [c.call(b"DUMP", name) for c in pair]
        if dumps[0].is_error or dumps[0].is_null:  # a key that has just expired, or no DUMP
            return True
        read = WHOLE_VALUE[kind](COPY)
        restored = [c.call(b"RESTORE", COPY, b"0", d.value, b"REPLACE") for c, d in zip(pair, dumps[::-1])]
        values = [c.call(*read.args) for c in pair]
        for c in pair:
            c.call(b"DEL", COPY)
        for x, y, mode in ((*restored, "bytes"), (*values, read.mode)):
            if not MODES[mode](x, y):
                self._differ(protocol, Step((b"RESTORE", name, b"(of the other)")), x.raw, y.raw)
                return False
        return True


def compare(address_a, address_b, seed, count, most_differences=5):
    """One run from a seed: its Report."""
    run = Differential(address_a, address_b, seed)
    try:
        return run.run(count, most_differences)
    finally:
        run.close()


def required_but_missing(report):
    """Commands this version must have, but one of the servers does not know."""
    return [name for name in report.not_in_both if diff_commands.GENERATORS[name][2]]
