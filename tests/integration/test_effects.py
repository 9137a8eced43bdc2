# SPDX-License-Identifier: BSD-3-Clause
"""EFFECTS EQUAL STATE: whatever clients do, every replica comes to the same data from the log.

Random sequences of commands (effects_commands.py: all write commands of the table, scripts, functions,
transactions, commands that wait, times to live that end in between), sent by several clients at a time to a
cluster of three whose leader changes meanwhile: planned, killed, stopped for a while; some with eviction. With
cluster-enabled no, and with the slots over several groups, whose leaders come and go independently: there each
client talks to the leaders of one group after another, and follows MOVED. After each sequence

  - the digests of all replicas at the same log index must be the same,
  - and again after one node was killed and came back from nothing but its log, since the very first entry,
  - and another from a snapshot that it had just taken;

now and then the third is fed by another's snapshot. A sequence finds the data that the one before left, unless
it begins by flushing them; a failure tells how to run what led to it again, and what differs:

    HOLDFAST_EFFECTS_SEED=17 HOLDFAST_EFFECTS_SEQUENCES=3 pytest -k 'equal_state and not groups' tests/integration

runs three sequences from the seed 17 on. Time is not replayed: run it a few times. Without a seed four clusters
run 50 sequences each, and one of several groups a few; HOLDFAST_EFFECTS_SEQUENCES=2000 is a long run, with a new
cluster after every 50."""

import collections
import contextlib
import os
import random
import time

import effects_commands
import pytest
from holdfast import SLOW, Client, Cluster, ConnectionClosed, ReplyError, eventually, fields, info, slot_of

COMMANDS = 500  # of a sequence, without those that a node refused
CLIENTS = 3
ROUND = 25  # commands of each client that are under way at a time
PER_CLUSTER = 50
SEQUENCES = int(os.environ.get("HOLDFAST_EFFECTS_SEQUENCES", PER_CLUSTER))
SEQUENCES_OF_GROUPS = int(os.environ.get("HOLDFAST_EFFECTS_SEQUENCES", 18))
SEED = os.environ.get("HOLDFAST_EFFECTS_SEED")
FIRST_SEEDS = [int(SEED)] if SEED else [1, 1_000_001, 2_000_001, 3_000_001]
FIRST_SEED_OF_GROUPS = int(SEED) if SEED else 4_000_001
GROUPS = 3
DATABASES = 16
SETTINGS = {"snapshot_log_size": "4gb", "log_segment_size": "1mb", "raft_heartbeat_interval": 30}
SETTINGS |= {"raft_election_timeout": 200, "maxmemory_samples": 5}
# Replicas need not keep values in the same encoding, and nothing may depend on it.
ENCODINGS = [
    {},
    {"hash-max-listpack-entries": 3, "set-max-listpack-entries": 3, "zset-max-listpack-entries": 3,
     "list-max-listpack-size": 4, "set-max-intset-entries": 3, "stream-node-max-entries": 4},
    {"hash-max-listpack-value": 2, "set-max-listpack-value": 2, "zset-max-listpack-value": 2,
     "list-max-listpack-size": -1, "stream-node-max-bytes": 200},
]  # fmt: skip
POLICIES = ["allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru", "volatile-random", "volatile-ttl"]
REFUSED = ("READONLY", "OOM", "LOADING", "CLUSTERDOWN", "MOVED", "UNBLOCKED", "MASTERDOWN")  # not executed
BIG = b"x" * 1_000_000
# What is no write by itself, and must be among what was drawn as well.
NOT_WRITES = {"EVAL", "EVALSHA", "FCALL", "MULTI", "EXEC", "WATCH"}
NOT_WITH_SLOTS = {"MOVE", "SWAPDB"}


def tags_of(group, count):
    """Hash tags whose slots are of the group."""
    first, last = (16384 * g // GROUPS for g in (group - 1, group))
    tags = (b"{%c}" % letter for letter in b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    return [tag for tag in tags if first <= slot_of(tag) < last][:count]


# Mostly one, so that clients meet at the keys.
TAGS = {group: (t[0], t[0], t[1]) for group in range(1, GROUPS + 1) for t in [tags_of(group, 2)]}


def command_table(node):
    """{name: (flags, ACL categories)} of all commands and subcommands of the server."""
    table = {}

    def walk(entry):
        table[entry[0].decode().upper().replace("|", " ")] = (entry[2], entry[6])
        for sub in entry[9]:
            walk(sub)

    for entry in node.call("COMMAND"):
        walk(entry)
    return table


def functions_dump(node):
    """A payload for FUNCTION RESTORE."""
    with node.client() as c:
        c.call("FUNCTION", "LOAD", effects_commands.LIBRARIES[0])
        dump = c.call("FUNCTION", "DUMP")
        c.call("FUNCTION", "FLUSH")
        return dump


def clip(word, most=60):
    text = repr(word)[2:-1] if isinstance(word, bytes) else str(word)
    return text if len(text) <= most else f"{text[:most]}...({len(word)})"


def show(words):
    return " ".join(clip(w) or '""' for w in words[:12]) + (f" ... ({len(words)} words)" if len(words) > 12 else "")


# ---- what the replicas hold ------------------------------------------------------------------------


def in_groups(cluster, node, field):
    """What INFO says of each data group on the node."""
    lines = node.info("raft")
    return tuple(int(fields(lines[f"group{g}"])[field]) for g in cluster.groups)


def digests_at_one_index(cluster):
    """{node: digest}, of a moment when all had applied the same and went on applying nothing. The digest is of
    all groups: that of nodes whose groups are equal, each for itself, is equal."""
    nodes = cluster.running()

    def applied():
        return [in_groups(cluster, n, "applied") for n in nodes]

    def look():
        before = applied()
        if len(set(before)) > 1:
            return None
        found = {n: n.call("DEBUG", "DIGEST") for n in nodes}
        return found if applied() == before else None

    return eventually(look, 30, "all nodes have applied the same index", step_s=0.005)


def keys_of(nodes, db):
    """All that a client sees: with slots, what the leaders of the groups show."""
    found = set()
    for node in nodes:
        with node.client() as c:
            c.call("SELECT", db)
            found.update(c.call("KEYS", "*"))
    return sorted(found)


def content(node, keys):
    """{(database, key): digest of the value} of @keys (by database); none of what is not there."""
    out = {}
    with node.client() as c:
        for db, names in keys.items():
            c.call("SELECT", db)
            for key, value in zip(names, c.call("DEBUG", "DIGEST-VALUE", *names) if names else []):
                if value.strip("0"):
                    out[db, key] = value
    return out


def describe(node, db, key):
    with node.client() as c:
        if not node.cluster.plain:
            c.call("READONLY")
        c.call("SELECT", db)
        looks = [("TYPE", key), ("OBJECT", "ENCODING", key), ("PEXPIRETIME", key), ("DUMP", key)]
        return " ".join(clip(r, 400) for r in c.pipeline(looks))


def differences(cluster, history):
    """What differs between the nodes, and what was done to that."""
    nodes = cluster.running()
    keys = {db: keys_of(nodes, db) for db in range(DATABASES if cluster.plain else 1)}
    held = {n: content(n, keys) for n in nodes}
    lines = []
    for db, key in sorted(set().union(*held.values())):
        if len({h.get((db, key)) for h in held.values()}) > 1:
            lines.append(f"database {db}, key {clip(key)}:")
            lines += [f"  node {n.number}: {describe(n, db, key)}" for n in nodes]
            about = [h for h in history if key in h[1] or b"EVAL" in h[1] or b"FCALL" in h[1]]
            lines += [f"    {who}: {show(words)} -> {clip(reply, 40)}" for who, words, reply in about[-12:]]
        if len(lines) > 150:
            break
    return lines or ["(no key that a client sees differs: one that is over, or an empty one?)"]


# ---- a cluster under random commands ----------------------------------------------------------------


class Effects:
    """Runs sequences on one cluster. Its nodes: [0] only ever starts from its log, [1] from snapshots, [2] stays."""

    def __init__(self, cluster, sink):
        self.cluster = cluster
        self.groups = list(cluster.groups)
        self.by_log, self.by_snapshot, self.stays = cluster.nodes
        self.sink = sink.nodes[0]
        table = command_table(cluster.leader())
        self.writes = {name for name, (flags, _) in table.items() if "write" in flags}
        missing = effects_commands.use(self.writes, {name: words for name, (_, words) in table.items()})
        assert not missing, f"write commands without a generator: {sorted(missing)}"
        self.dump = functions_dump(cluster.leader())
        self.succeeded = collections.Counter()
        self.stats = collections.Counter()  # of all nodes, over their restarts
        self.sent = self.executed = 0
        self.history = []  # (client, words, reply) since the last flush, of the last few thousand
        self.begun = []  # seeds since the data were flushed
        self.ports = {}  # group -> of its leader, as far as the clients know
        self.connections = {}  # (client, port) -> Client
        self.again = {}  # client -> (group, what was refused with MOVED)
        self.is_limited = False  # maxmemory

    def close(self):
        for c in self.connections.values():
            c.close()
        self.connections = {}

    # -- clients

    def connect(self):
        """All clients anew, to whoever leads."""
        self.close()

        def connected():
            self.ports = {g: self.cluster.leader(g).port for g in self.groups}
            for number in range(CLIENTS):
                for group in self.groups:
                    self.connection(number, group)
            return True

        eventually(connected, 20, "clients are connected")

    def connection(self, number, group):
        """That of the client to the leader of the group."""
        port = self.ports[group]
        if (number, port) not in self.connections:
            c = self.connections[number, port] = Client(port, 20 * SLOW)
            if number == 0:
                c.call("HELLO", "3")
        return self.connections[number, port]

    def send(self, rng, maker):
        """One round of every client; [(client, group, connection, what was sent)]."""
        batches = []
        for number in range(CLIENTS):
            group, batch = self.again.pop(number, (rng.choice(self.groups) if len(self.groups) > 1 else 1, []))
            if not self.cluster.plain:
                maker.tags = TAGS[group]
            while len(batch) < ROUND:
                batch += maker.commands()
            batch += [(b"DISCARD",), (b"UNWATCH",)]  # what a cut command has left open
            c = None
            with contextlib.suppress(OSError, ConnectionClosed):
                c = self.connection(number, group)
                c.send_raw(b"".join(Client.encode(*words) for words in batch))
            batches.append((number, group, c, batch))
        return batches

    def receive(self, batches):
        """Replies of a round, as far as they come."""
        for number, group, c, batch in batches:
            self.sent += len(batch)
            moved = []
            for at, words in enumerate(batch):
                try:
                    if c is None:
                        raise ConnectionClosed
                    reply = c.read()
                    self.note(words)
                except ReplyError as error:
                    reply = error.text
                except (OSError, ConnectionClosed) as error:
                    self.history += [(number, w, repr(error)) for w in batch[at:]]
                    self.connections = {k: other for k, other in self.connections.items() if other is not c}
                    break
                if isinstance(reply, str) and reply.startswith("MOVED"):
                    self.ports[group] = int(reply.rsplit(":", 1)[1])
                    moved.append(words)
                self.executed += not (isinstance(reply, str) and reply.startswith(REFUSED))
                self.history.append((number, words, reply))
            if moved:
                self.again[number] = (group, moved[:ROUND])
        del self.history[: max(0, len(self.history) - 20 * COMMANDS)]

    def note(self, words):
        name = words[0].decode(errors="replace").upper()
        self.succeeded[name] += 1
        if len(words) > 1:
            self.succeeded[f"{name} {words[1][:20].decode(errors='replace').upper()}"] += 1

    # -- what happens meanwhile

    def any_group(self, rng):
        return rng.choice(self.groups) if len(self.groups) > 1 else 1

    def other_than(self, leader, rng):
        return rng.choice([n for n in self.cluster.nodes if n is not leader])

    def nothing(self, rng, batches):
        self.receive(batches)

    def failover(self, rng, batches):
        group = self.any_group(rng)
        leader = self.cluster.leader(group)
        words = [] if self.cluster.plain else ["GROUP", group]
        with contextlib.suppress(ReplyError):
            self.other_than(leader, rng).call("CLUSTER", "FAILOVER", *words)
        self.receive(batches)
        if self.cluster.plain or rng.random() < 0.5:
            self.connect()  # else MOVED tells

    def kill(self, rng, batches):
        leader = self.cluster.leader(self.any_group(rng))
        self.alive()
        self.count(leader)
        leader.kill()
        self.receive(batches)
        leader.start(wait=False)
        self.connect()
        leader.wait_up()

    def stop(self, rng, batches):
        group = self.any_group(rng)
        leader = self.cluster.leader(group)
        leader.stop()
        eventually(lambda: self.cluster.find_leader(group), 20, "another leads")
        leader.cont()
        self.receive(batches)
        self.connect()

    def reload(self, rng, batches):
        """As a restart, but within the process."""
        node = self.other_than(self.by_log, rng)
        with contextlib.suppress(ReplyError):
            node.call("DEBUG", "RELOAD", *rng.choice([[], ["NOSAVE"]]))
        self.receive(batches)
        self.connect()

    def evict(self, rng, batches):
        policy, room = rng.choice(POLICIES), rng.choice([-20_000, 20_000, 50_000])
        for n in self.cluster.nodes:
            memory = n.info("memory")
            used = int(memory["used_memory"]) - int(memory.get("mem_not_counted_for_evict", 0))
            n.call("CONFIG", "SET", "maxmemory-policy", policy, "maxmemory", used + room)
        self.is_limited = True
        self.receive(batches)

    def no_limit(self):
        self.is_limited = False
        for n in self.cluster.nodes:
            n.call("CONFIG", "SET", "maxmemory", 0)

    def plan(self, rng):
        """{round: what happens in it}: most sequences have at least one new leader."""
        rounds = COMMANDS // (CLIENTS * ROUND) + 1
        events = [self.failover] * 12 + [self.reload] * 2 + [self.evict] * 3 + [self.kill, self.stop]
        return {rng.randrange(rounds): rng.choice(events) for _ in range(3)}

    # -- a sequence

    def alive(self):
        for n in self.cluster.running() or self.cluster.nodes:
            assert n.process is None or n.is_running(), f"node {n.number} ended by itself:\n{n.tail()}"
        ended = [n.number for n in self.cluster.nodes if n.process is not None and not n.is_running()]
        assert not ended, f"ended by themselves: {ended}"

    def run(self, seed):
        rng = random.Random(seed)
        maker = effects_commands.Maker(rng, self.sink.port, self.dump)
        self.begun.append(seed)
        try:
            self.again = {}
            self.connect()
            if rng.random() < 0.3 or len(self.begun) == 1:
                self.flush()
                self.begun, self.history = [seed], []
            self.commands(rng, maker)
            self.no_limit()
            self.check("after the commands")
            self.restart()
            self.check("after restarts from the log (node 1) and from a snapshot (node 2)")
        except BaseException as error:
            raise AssertionError(self.account(error)) from error

    def flush(self):
        for group in self.groups:
            eventually(lambda group=group: self.cluster.leader(group).call("FLUSHALL"), 20, "it is flushed")

    def commands(self, rng, maker):
        plan = self.plan(rng)
        until, rounds = self.executed + COMMANDS, 0
        while self.executed < until:
            batches = self.send(rng, maker)
            plan.get(rounds, self.nothing)(rng, batches)
            self.alive()
            rounds += 1
            if self.is_limited and rng.random() < 0.5:
                self.no_limit()

    def check(self, when):
        self.alive()
        found = digests_at_one_index(self.cluster)
        if len(set(found.values())) > 1:
            lines = [f"replicas differ {when}:"]
            lines += [f"  node {n.number}: {d}" for n, d in found.items()] + differences(self.cluster, self.history)
            raise AssertionError("\n".join(lines))

    def save(self, node):
        """A snapshot of all that @node has applied now."""
        wanted = in_groups(self.cluster, node, "applied")

        def published():
            return all(a >= b for a, b in zip(in_groups(self.cluster, node, "snapshot_index"), wanted))

        eventually(lambda: "started" in node.call("BGSAVE"), 10, "a snapshot starts")
        eventually(published, 30, "the snapshots are published", 0.005)

    def count(self, node):
        stats = node.info("stats")
        for name in ("expired_keys", "evicted_keys"):
            self.stats[name] += int(stats.get(name, 0))

    def restart(self):
        self.save(self.by_snapshot)
        assert set(in_groups(self.cluster, self.by_log, "snapshot_index")) == {1}, "its log is no longer whole"
        for node in (self.by_log, self.by_snapshot):
            self.count(node)
            node.kill()
        for node in (self.by_log, self.by_snapshot):
            node.start(wait=False)
        for node in (self.by_log, self.by_snapshot):
            node.wait_up()
        self.cluster.wait_serving()

    def account(self, error):
        """What a failure tells."""
        lines = [
            f"{error}",
            f"again: HOLDFAST_EFFECTS_SEED={self.begun[0]} HOLDFAST_EFFECTS_SEQUENCES={len(self.begun)} "
            f"pytest -k 'equal_state and {'not ' if self.cluster.plain else ''}groups' tests/integration",
            "the last commands:",
        ]
        lines += [f"    {who}: {show(words)} -> {clip(reply, 80)}" for who, words, reply in self.history[-90:]]
        return "\n".join(lines)

    def lead(self, node, group):
        """@node leads the group, and goes on to."""
        words = [] if self.cluster.plain else ["GROUP", group]

        def leads():
            if self.cluster.find_leader(group) is node:
                return True
            with contextlib.suppress(ReplyError):
                node.call("CLUSTER", "FAILOVER", *words)
            return False

        eventually(leads, 20, f"node {node.number} leads group {group}", 0.2)

    def lengthen(self, group):
        """More than the log keeps, by one leader. False: it lost its leadership meanwhile."""
        self.lead(self.by_snapshot, group)
        key = b"{big}" if self.cluster.plain else TAGS[group][0] + b"big"
        with self.by_snapshot.client() as c:
            replies = c.pipeline([("SET", key, BIG)] * 24 + [("DEL", key)])
        return not any(isinstance(reply, ReplyError) for reply in replies)

    def feed_by_snapshot(self):
        """The third node was away so long that the log no longer reaches back: it gets another's snapshot."""
        eventually(self.fed_by_snapshot, 120, "a snapshot came", 0.1)
        self.check("after a snapshot was sent to node 3")

    def fed_by_snapshot(self):
        """False: node 1 led all groups by the time the third came back, and its log is whole."""
        self.count(self.stays)
        self.stays.kill()
        self.cluster.wait_serving()
        for group in self.groups:
            eventually(lambda group=group: self.lengthen(group), 60, f"the log of group {group} is long", 0.1)
        self.save(self.by_snapshot)
        self.stays.start()
        self.cluster.wait_caught_up()
        return self.stays.log_has("a snapshot at")


@contextlib.contextmanager
def effects(encodings, **options):
    with Cluster(nodes=1, plain=True) as sink, Cluster(start=False, **SETTINGS, **options) as cluster:
        if encodings:
            for node, options in zip(cluster.nodes, ENCODINGS):
                node.options = options
        cluster.start()
        run = Effects(cluster, sink)
        try:
            yield run
        finally:
            run.close()


def functions(node):
    libraries = node.call("FUNCTION", "LIST", "WITHCODE")
    return sorted(repr(entry) for entry in libraries)


def check_sequences(first, count, encodings, **options):
    """@count sequences from the seed @first on, on a new cluster. What the run has been through."""
    with effects(encodings, **options) as run:
        for seed in range(first, first + count):
            run.run(seed)
        run.feed_by_snapshot()
        eventually(lambda: len({tuple(functions(n)) for n in run.cluster.nodes}) == 1, 10, "the same functions")
    assert run.executed > run.sent * 0.7, f"only {run.executed} of {run.sent} commands were executed"
    return run


def check_all_happened(run, unless=frozenset()):
    """The sequences were many enough to tell something about each of these."""
    never = {n for n in run.writes | NOT_WRITES if run.succeeded[n] == 0} - unless
    assert not never, f"these never succeeded: {sorted(never)}"
    for name in ("expired_keys", "evicted_keys"):
        assert run.stats[name] > 0, f"{name}: none"


@pytest.mark.parametrize("first", FIRST_SEEDS)
def test_effects_equal_state(first):
    for start in range(first, first + SEQUENCES, PER_CLUSTER):
        count = min(PER_CLUSTER, first + SEQUENCES - start)
        run = check_sequences(start, count, encodings=first % 2_000_000 != 1, plain=True)
        if count == PER_CLUSTER:
            check_all_happened(run)


def test_effects_equal_state_of_several_groups():
    first, options = FIRST_SEED_OF_GROUPS, {"cluster_data_groups": GROUPS, "leader_balance_delay": 1000}
    for start in range(first, first + SEQUENCES_OF_GROUPS, PER_CLUSTER):
        count = min(PER_CLUSTER, first + SEQUENCES_OF_GROUPS - start)
        run = check_sequences(start, count, encodings=True, **options)
        if count >= min(PER_CLUSTER, 18):
            check_all_happened(run, unless=NOT_WITH_SLOTS)
