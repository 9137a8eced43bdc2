# SPDX-License-Identifier: BSD-3-Clause
"""Calls of every command that two servers have, drawn from the table of command syntax, and compared reply by reply:
as they are, in transactions, through scripts, and as arguments of COMMAND GETKEYS. After each that may write, the
keys it names are compared as a whole.

A round has its own data and connections; all its calls are drawn before the first is sent, so that after a difference
it can be played again with fewer of them.
"""

import dataclasses
import random
import time

import diff_syntax_rules
from diff_commands import Source
from diff_compare import MODES, Step
from diff_run import WHOLE_VALUE, Difference, Report
from diff_script import FORMS
from diff_syntax_draw import ALL_KEYS, call_of, check_table, commands, data_seed, session_seed
from diff_wire import Connection, Reply, WireError, encode

ROUND = 40  # calls
REPLAYS = 80  # at most, to find out which calls a difference needs
SENTINEL = b"(that is all)"
HANGS_S = 10.0  # no call waits as long
NO_REPLY = b"(no reply)"
DATABASES = [b"%d" % i for i in (0, 1, 2, 3, 15)]

# After these the connection is no longer what it was.
CONNECTION = {
    "SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE", "SELECT", "HELLO", "RESET",
    "AUTH", "QUIT", "MULTI", "EXEC", "DISCARD", "WATCH", "UNWATCH", "ASKING", "READONLY", "READWRITE", "CLIENT|REPLY",
    "CLIENT|TRACKING", "CLIENT|CACHING", "CLIENT|SETNAME", "CLIENT|NO-EVICT", "CLIENT|PAUSE", "CLIENT|UNPAUSE",
}  # fmt: skip
SESSION = {"FUNCTION", "SCRIPT", "ACL", "CONFIG", "EVAL", "EVAL_RO"}  # change what session_seed() sets up
CALLS_OTHERS = {"EVAL", "EVAL_RO", "EVALSHA", "EVALSHA_RO", "FCALL", "FCALL_RO"}


@dataclasses.dataclass(frozen=True)
class Part(Step):
    """A step, the words of the command in it that its reply is about, and how it is called."""

    words: tuple = ()
    form: str = "plain"


@dataclasses.dataclass(frozen=True)
class Call:
    steps: tuple  # of Part
    names: tuple  # of the commands in it
    keys: tuple  # to look at afterwards
    resets: bool  # the connection afterwards
    reseeds: bool  # the data afterwards
    session: tuple  # words, if it changes what is not data: users of these names may be left


class Generator:
    """Draws calls of @table, {name: Command}, each command as often as the others."""

    def __init__(self, source, table):
        self.source = source
        self.table = table
        self._turn = []

    def _next(self, fits=lambda command: True):
        for _ in range(1000):
            if not self._turn:
                self._turn = sorted(self.table)
                self.source.rng.shuffle(self._turn)
            command = self.table[self._turn.pop()]
            if fits(command):
                return command
        raise AssertionError("no command fits")

    def call(self):
        s = self.source
        form = s.rng.choices(["plain", "multi", "script", "getkeys"], [60, 12, 18, 10])[0]
        return getattr(self, "_" + form)()

    def _made(self, steps, drawn, checked=True):
        """drawn: [(command, words)]"""
        names = tuple(c.name for c, _ in drawn)
        chance = any(self._chance(c, words) for c, words in drawn)
        writes = any(c.writes or c.name in CALLS_OTHERS for c, _ in drawn)
        words = [w for _, ws in drawn for w in ws]
        keys = tuple(sorted(ALL_KEYS.intersection(words))) if writes and checked and not chance else ()
        return Call(
            tuple(steps), names, keys, bool(CONNECTION.intersection(names)), chance,
            tuple(words) if any(n.split("|")[0] in SESSION for n in names) else (),
        )  # fmt: skip

    @staticmethod
    def _chance(command, words):
        return command.name in diff_syntax_rules.LEAVES_CHANCE or (command.name == "XADD" and b"*" in words)

    def _plain(self):
        command = self._next()
        words = call_of(self.source, command)
        mode = "kind" if self._chance(command, words) and command.name == "XADD" else command.mode
        steps = [Part(words, mode, words)]
        if command.name == "MULTI":
            steps.append(Part((b"DISCARD",), "bytes", (b"DISCARD",)))
        if command.name == "CLIENT|REPLY":
            steps.append(Part((b"CLIENT", b"REPLY", b"ON"), "bytes", words))
        return self._made(steps, [(command, words)])

    def _multi(self):
        drawn = []
        for _ in range(self.source.rng.randint(1, 4)):
            command = self._next(lambda c: c.name not in CONNECTION)
            words = call_of(self.source, command)
            if self._chance(command, words):
                drawn = [(command, words)]
                break
            drawn.append((command, words))
        steps = [Part((b"MULTI",))]
        for command, words in drawn:
            mode = "kind" if self._chance(command, words) and command.name == "XADD" else command.mode
            steps.append(Part(words, mode, words, "multi"))
        steps.append(Part((b"EXEC",)))
        return self._made(steps, drawn)

    def _script(self):
        command = self._next()
        words = call_of(self.source, command)
        mode = "kind" if self._chance(command, words) and command.name == "XADD" else command.mode
        form = self.source.pick(FORMS if mode in ("bytes", "numbers", "kind") else FORMS[:2])
        step = Part((b"EVAL", form, b"0", *words), mode, words, "script")
        return self._made([step], [(command, words)])

    def _getkeys(self):
        command = self._next()
        words = call_of(self.source, command)
        way = self.source.pick([b"GETKEYS", b"GETKEYSANDFLAGS"])
        return self._made([Part((b"COMMAND", way, *words), "bytes", words, "getkeys")], [(command, words)], False)


class Syntax:
    """@address_a (the server that differences.md speaks of), @address_b: flushed, as in diff_run.py."""

    def __init__(self, address_a, address_b, seed):
        diff_syntax_rules.check_lines()
        self.seed = seed
        self.addresses = (address_a, address_b)
        self.report = Report()
        self.table, self.report.not_in_both = self._known_to_both()
        self.generator = Generator(Source(random.Random(seed)), self.table)
        self.pair = None
        self.protocol = 2
        self.counting = True
        self.apart = False  # what the last call left may differ, for a difference in it is deliberate

    def close(self):
        if self.pair:
            for connection in self.pair:
                connection.close()
            self.pair = None

    def _known_to_both(self):
        """The commands to draw, and the names that one of the servers lacks."""
        table = commands()
        names = sorted(table)
        known = []
        for address in self.addresses:
            connection = Connection(address)
            infos = connection.call(b"COMMAND", b"INFO", *(n.encode() for n in names)).value
            known.append({n: i.value for n, i in zip(names, infos) if not i.is_null})
            connection.close()
        both = {n: table[n] for n in names if all(n in k for k in known)}
        for name, command in both.items():
            command.writes = any(flag.value == b"write" for flag in known[1][name][2].value)
            command.mode = diff_syntax_rules.mode_of(command)
        drawn = {n: c for n, c in both.items() if n not in diff_syntax_rules.LEFT_OUT}
        check_table(drawn.values())
        return drawn, tuple(n for n in names if n not in both)

    def run(self, count, most_differences=5):
        began = time.monotonic()
        while self.report.commands < count and len(self.report.differences) < most_differences:
            self.protocol = self.generator.source.rng.choice([2, 3])
            calls = [self.generator.call() for _ in range(ROUND)]
            self.counting = True
            found = self._play(calls)
            if found:
                self.counting = False
                self.report.differences.append(self._shrunk(calls, found))
        self.report.seconds = time.monotonic() - began
        return self.report

    # ---- one round --------------------------------------------------------------------------------------

    def _play(self, calls):
        """None, or (number of the call, step, reply, reply) of the first difference."""
        self.close()
        self.pair = tuple(Connection(address, self.protocol, HANGS_S) for address in self.addresses)
        self._seed(session_seed(()) + data_seed())
        for i, call in enumerate(calls):
            if self.counting:
                self.report.commands += len(call.names)
            found = self._one(call)
            if found:
                return (i, *found)
        found = self._databases()
        return (len(calls) - 1, *found) if found else None

    def _seed(self, lines):
        steps = [Part(words, "kind") for words in lines]
        replies = self._exchange(steps)
        for step, a, b in zip(steps, *replies):
            if a.kind != b.kind or (a.is_error and step.args[0] != b"ACL"):
                raise RuntimeError(f"{step.args!r}: {a.raw!r}, {b.raw!r}")

    def _one(self, call):
        self.apart = False
        found = self._compare(call.steps)
        if call.resets:
            self._reset()
        if not found and call.keys and not self.apart:
            found = self._values(call.keys)
        if not found and (call.session or self.apart):
            self._seed(session_seed(call.session))
        if not found and (call.reseeds or self.apart):
            self._seed(data_seed())
        return found

    def _reset(self):
        steps = [Part((b"RESET",))] + ([Part((b"HELLO", b"3"), "length")] if self.protocol == 3 else [])
        if all(r.raw == b"(closed)" for r in (x[-1] for x in self._exchange(steps))):
            for connection in self.pair:
                connection.close()
            self.pair = tuple(Connection(address, self.protocol, HANGS_S) for address in self.addresses)

    def _exchange(self, steps):
        """Sends @steps to both; their replies: ([replies of a], [replies of b])."""
        request = b"".join(encode(s.args) for s in steps) + encode((b"PING", SENTINEL))
        for connection in self.pair:
            try:
                connection.send(request)
            except OSError:
                pass  # reading tells
        return tuple(self._until_sentinel(connection) for connection in self.pair)

    @staticmethod
    def _until_sentinel(connection):
        replies, pushes = [], []
        while True:
            try:
                reply = connection.read(pushes=True)
            except (WireError, OSError) as error:
                closed = "closed" in str(error) or isinstance(error, OSError)
                return replies + pushes + [Reply("-", b"", b"(closed)" if closed else NO_REPLY)]
            last = reply.value[-1].value if isinstance(reply.value, list) and reply.value else reply.value
            if last == SENTINEL and reply.kind != ">":
                return replies + pushes
            (pushes if reply.kind == ">" else replies).append(reply)

    def _compare(self, steps):
        """Sends and compares; (step, reply, reply) of the first difference."""
        a, b = self._exchange(steps)
        if self.counting:
            self.report.replies += len(a)
        if len(a) != len(b) or len(a) != len(steps):
            joined = [b"".join(r.raw for r in replies) for replies in (a, b)]
            hangs = joined[0].endswith(NO_REPLY)
            return (steps[0], *joined) if hangs or joined[0] != joined[1] else None
        queued = [s for s in steps if s.form == "multi"]
        for step, x, y in zip(steps, a, b):
            if step.args == (b"EXEC",) and isinstance(x.value, list) and isinstance(y.value, list) and x.kind == y.kind:
                queued = [s for s, r in zip(steps[1:], a[1:]) if r.value == b"QUEUED"]
                if len(x.value) != len(queued) or len(y.value) != len(queued):
                    return step, x.raw, y.raw
                for inner, p, q in zip(queued, x.value, y.value):
                    if not self._same(inner, p, q):
                        return inner, p.raw, q.raw
                    if self.apart:
                        break
            elif not self._same(step, x, y):
                return step, x.raw, y.raw
            if self.apart:
                break
        return None

    def _same(self, step, a, b):
        if a.raw == b.raw:
            return True
        queued = b"QUEUED" in (a.value, b.value)
        if not queued and MODES[step.mode](a, b):
            return True
        self.apart = diff_syntax_rules.explained(step.words, step.form, a, b)
        return self.apart

    def _values(self, keys):
        """Compares what @keys hold: type, encoding, time to live, value."""
        first = []
        for key in keys:
            first += [
                Part((b"TYPE", key)),
                Part((b"OBJECT", b"ENCODING", key), "encoding"),
                Part((b"PEXPIRETIME", key), "ms"),
            ]
        replies = self._exchange(first)
        kinds = [r.value for r in replies[0][::3]]
        found = self._all_same(first, *replies)
        if found:
            return found
        second = [WHOLE_VALUE[kind](key) for kind, key in zip(kinds, keys) if kind != b"none"]
        second = [Part(step.args, step.mode, step.args, "value") for step in second]
        return self._all_same(second, *self._exchange(second))

    def _all_same(self, steps, a, b):
        if self.counting:
            self.report.replies += len(a)
        if len(a) != len(steps) or len(b) != len(steps):
            return steps[0], b"".join(r.raw for r in a), b"".join(r.raw for r in b)
        for step, x, y in zip(steps, a, b):
            if not self._same(step, x, y):
                return step, x.raw, y.raw
        return None

    def _databases(self):
        """Compares all keys of the databases that calls name, and what they hold."""
        for db in DATABASES:
            steps = [Part((b"SELECT", db)), Part((b"KEYS", b"*"), "elements")]
            a, b = self._exchange(steps)
            found = self._all_same(steps, a, b)
            keys = [r.value for r in a[1].value] if not found else []
            if keys and db != b"0":
                found = self._values(sorted(keys))
            if found:
                return found
        self._exchange([Part((b"SELECT", b"0"))])
        return None

    # ---- fewer calls ------------------------------------------------------------------------------------

    def _shrunk(self, calls, found):
        """The Difference, with as few calls before it as it takes."""
        number = self.report.commands
        calls = list(calls[: found[0] + 1])
        left = REPLAYS
        size = len(calls) // 2
        while size and left:
            at = 0
            while at < len(calls) - 1 and left:
                fewer = calls[:at] + calls[min(at + size, len(calls) - 1) :]
                left -= 1
                again = self._play(fewer)
                if again:
                    found, calls = again, fewer[: again[0] + 1]
                else:
                    at += size
            size //= 2
        history = [step.args for call in calls for step in call.steps]
        return Difference(self.seed, number, self.protocol, found[1], found[2], found[3], history)


def compare(address_a, address_b, seed, count, most_differences=5):
    """One run from a seed: its Report."""
    run = Syntax(address_a, address_b, seed)
    try:
        return run.run(count, most_differences)
    finally:
        run.close()

