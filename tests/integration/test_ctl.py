# SPDX-License-Identifier: BSD-3-Clause
"""holdfastctl against real nodes and their data directories: what it says of a cluster, what it
finds in a log, and that what it exports loads into a stock Redis with the same data."""

import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time

import diff_commands
import pytest

from holdfast import CTL, SLOW, Client, Cluster, ReplyError, Session, Writers, eventually, free_port


def ctl(*words, env=None, timeout_s=60):
    """Run it: the completed process, with text."""
    return subprocess.run(
        [str(CTL), *map(str, words)],
        capture_output=True,
        text=True,
        env={**os.environ, **(env or {})},
        timeout=timeout_s * SLOW,
    )


def address(node):
    return f"127.0.0.1:{node.port}"


@contextlib.contextmanager
def temporary_folder():
    folder = tempfile.mkdtemp(prefix="holdfast-ctl-")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


# ---- usage ---------------------------------------------------------------------------------------


def test_help_and_version_are_on_standard_output():
    for word in ("--help", "help", "-h"):
        done = ctl(word)
        assert done.returncode == 0 and "log export" in done.stdout and not done.stderr
    done = ctl("--version")
    assert done.returncode == 0 and re.fullmatch(r"holdfastctl \d+\.\d+\.\d+\n", done.stdout)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["nonsense"],
        ["log"],
        ["log", "nonsense"],
        ["status", "--nonsense"],
        ["status", "no-port"],
        ["status", "--timeout"],
        ["status", "--timeout", "soon"],
        ["log", "dump"],
        ["log", "dump", "/nonexistent"],
        ["log", "dump", "/tmp", "--from", "x"],
        ["log", "verify"],
        ["log", "export", "/nonexistent"],
        ["log", "export", "/tmp", "--group", "0"],
    ],
)
def test_wrong_usage_is_told(words):
    done = ctl(*words)
    assert done.returncode == 2
    assert done.stderr


# ---- status --------------------------------------------------------------------------------------


def status(*words, **more):
    return ctl("status", *words, **more)


@pytest.mark.parametrize("plain", [False, True], ids=["cluster", "plain"])
def test_status_finds_all_nodes_from_any_of_them(plain):
    with Cluster(plain=plain, availability_zone="zone-a") as cluster:
        leader = cluster.leader()
        leader.call("SET", "k", "v")
        cluster.wait_caught_up()
        for node in cluster.nodes:
            done = eventually(
                lambda node=node: next((d for d in [status(address(node))] if d.returncode == 0), None),
                20,
                "status finds nothing wrong",
            )
            for other in cluster.nodes:
                assert f" {address(other)} " in done.stdout
            assert done.stdout.count(" zone-a ") == 3
            assert f"Group 1 (data): leader node {leader.info('raft')['raft_node']}, term" in done.stdout
            assert "plain mode" in done.stdout if plain else "cluster mode" in done.stdout
            assert "All is well." in done.stdout
        told = json.loads(status(address(leader), "--json").stdout)
        assert told["problems"] == []
        assert len(told["nodes"]) == 3 and all(n["up"] for n in told["nodes"])
        by_address = {n["address"]: n for n in told["nodes"]}
        assert by_address[address(leader)]["info"]["group1"]["role"] == "leader"
        assert by_address[address(leader)]["info"]["db0"]["keys"] == 1


@pytest.mark.parametrize("plain", [False, True], ids=["cluster", "plain"])
def test_status_says_what_is_wrong(plain):
    with Cluster(plain=plain) as cluster:
        leader = cluster.leader()
        down = cluster.followers()[0]
        number = down.info("raft")["raft_node"]
        down.kill()
        done = eventually(
            lambda: next((d for d in [status(address(leader))] if "no leader" not in d.stdout), None), 20, "leaders"
        )
        assert done.returncode == 1
        assert f"PROBLEM: node {number} ({address(down)}) does not answer: Connection refused" in done.stdout
        assert "PROBLEM: group 1 (data) works with 2 of 3 replicas" in done.stdout
        assert re.search(rf"{address(down)} +DOWN", done.stdout)

        other = cluster.followers()[0]
        leader.kill()
        done = eventually(
            lambda: next(
                (d for d in [status(*map(address, cluster.nodes))] if "has no majority" in d.stdout), None
            ),
            20,
            "no majority",
        )
        assert done.returncode == 1
        assert "group 1 (data) has no majority: 1 of its 3 replicas answer" in done.stdout
        told = json.loads(status(*map(address, cluster.nodes), "--json").stdout)
        assert sum(n["up"] for n in told["nodes"]) == 1 and told["problems"]

        other.kill()
        done = status(address(other))
        assert done.returncode == 2 and "does not answer" in done.stdout


def test_status_does_not_wait_for_a_paused_node():
    with Cluster() as cluster:
        leader = cluster.leader()
        paused = cluster.followers()[0]
        paused.stop()
        began = time.monotonic()
        done = status(address(leader), "--timeout", 500)
        assert time.monotonic() - began < 5 * SLOW
        assert done.returncode == 1
        assert f"({address(paused)}) does not answer: no answer within 500 ms" in done.stdout


def test_status_gives_the_password():
    with Cluster(start=False, requirepass="secret") as cluster:
        # The harness asks without a password, so it is not left to wait for the cluster.
        for node in cluster.nodes:
            node.start(wait=False)
        at = address(cluster.nodes[0])

        def all_well(*words, **more):
            done = status(at, *words, **more)
            return done if done.returncode == 0 else None

        eventually(lambda: all_well("--password", "secret"), 30, "status with --password")
        eventually(lambda: all_well(env={"REDISCLI_AUTH": "secret"}), 10, "status with REDISCLI_AUTH")
        done = status(at, "--password", "wrong")
        assert done.returncode == 2 and "WRONGPASS" in done.stdout
        done = status(at)
        assert done.returncode == 2 and "NOAUTH" in done.stdout


def test_a_password_that_is_not_wanted_does_no_harm():
    with Cluster(nodes=1) as cluster:
        done = status(address(cluster.nodes[0]), "--password", "x")
        assert done.returncode == 0, done.stdout


# ---- dump and verify -------------------------------------------------------------------------------


def segment_files(node):
    return sorted((node.dir / "wal").glob("*.wal"))


def entries(node, *words):
    """(segment file, offset, size, index) of the data group's entries, as log dump shows them."""
    done = ctl("log", "dump", node.dir, "--group", 1, *words)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    found = []
    for line in done.stdout.splitlines():
        m = re.match(r"([0-9a-f]{16}) +(\d+) group 1 entry +size (\d+) +term (\d+) index (\d+) ", line)
        if m:
            path = node.dir / "wal" / f"{m[1]}.wal"
            found.append((path, int(m[2]), int(m[3]), int(m[5])))
    return found


def test_logs_are_whole_while_nodes_write_and_after_kills():
    with Cluster(log_segment_size="1mb", snapshot_log_size="3mb") as cluster:
        with Writers(cluster, value_bytes=400) as writers:
            for _ in range(3):
                writers.wait_for(300)
                for node in cluster.nodes:
                    done = ctl("log", "verify", node.dir)
                    assert done.returncode == 0, done.stdout + done.stderr
                victim = random.Random(1).choice(cluster.nodes)
                victim.kill()
                done = ctl("log", "verify", victim.dir)
                assert done.returncode == 0, done.stdout + done.stderr
                assert "No damage." in done.stdout
                victim.start()
            for node in cluster.nodes:
                os.kill(node.process.pid, signal.SIGKILL)
            for node in cluster.nodes:
                node.kill()
            for node in cluster.nodes:
                done = ctl("log", "verify", node.dir)
                assert done.returncode == 0, done.stdout + done.stderr
            cluster.start()
            writers.wait_for(50)
        writers.check()


def test_dump_shows_effects_and_ranges():
    with Cluster(nodes=1, plain=True) as cluster:
        node = cluster.leader()
        with node.client() as c:
            c.call("SET", "first", b"\x00\n\"")
            c.call("MULTI")
            c.call("SET", "a", "1")
            c.call("SELECT", "3")
            c.call("INCR", "n")
            c.call("EXEC")
        done = ctl("log", "dump", node.dir, "--group", 1, "--effects")
        assert done.returncode == 0
        assert '    [0] "SET" "first" "\\x00\\n\\""\n' in done.stdout
        unit = done.stdout[done.stdout.index('[0] "MULTI"') :]
        assert re.sub(r"\s+", " ", unit) == '[0] "MULTI" [0] "SET" "a" "1" [3] "INCR" "n" [3] "EXEC" '
        indexes = [e[3] for e in entries(node)]
        assert indexes == list(range(indexes[0], indexes[-1] + 1))
        assert [e[3] for e in entries(node, "--from", indexes[-1])] == indexes[-1:]
        assert [e[3] for e in entries(node, f"--to={indexes[0]}")] == indexes[:1]
        # The system group's entries show as what they are.
        done = ctl("log", "dump", node.dir, "--group", 0, "--effects")
        assert done.returncode == 0 and "group 1" not in done.stdout


def written_node(cluster, n=40):
    """A cluster of one with some entries in its log, stopped."""
    node = cluster.leader()
    with node.client() as c:
        for i in range(n):
            c.call("SET", f"k{i}", "v" * 700)
    node.kill()
    return node


def flip(path, at):
    with open(path, "r+b") as f:
        f.seek(at)
        byte = f.read(1)[0]
        f.seek(at)
        f.write(bytes([byte ^ 0x10]))


def test_a_flipped_bit_is_found_with_its_place():
    with Cluster(nodes=1) as cluster:
        node = written_node(cluster)
        path, offset, size, index = entries(node)[20]
        flip(path, offset + size // 2)
        done = ctl("log", "verify", node.dir)
        assert done.returncode == 1
        assert f"DAMAGED {path}, offset {offset}: checksum does not match" in done.stdout
        assert f"DAMAGED group 1: entries are missing behind {index - 1}" in done.stdout
        assert "torn tail" not in done.stdout
        done = ctl("log", "dump", node.dir)
        assert done.returncode == 1
        assert f"# {path.name}, offset {offset}: DAMAGED: checksum does not match" in done.stdout

        with temporary_folder() as folder:
            aof = f"{folder}/x.aof"
            done = ctl("log", "export", node.dir, "--output", aof, "--uncommitted")
            assert done.returncode == 2 and f"with --to {index - 1}" in done.stderr
            assert os.listdir(folder) == []
            done = ctl("log", "export", node.dir, "--output", aof, "--uncommitted", "--to", index - 1)
            assert done.returncode == 0, done.stderr
            with loaded(aof) as redis:
                assert redis.call("DBSIZE") == len([e for e in entries_before(node, index)])
        node.start(wait=False)  # so that the fixture ends what it knows
        node.kill()


def entries_before(node, index):
    done = ctl("log", "dump", node.dir, "--group", 1, "--to", index - 1, "--effects")
    return [line for line in done.stdout.splitlines() if '"SET"' in line]


def test_a_torn_tail_is_no_damage():
    with Cluster(nodes=1) as cluster:
        node = written_node(cluster)
        path, offset, size, index = entries(node)[-1]
        with open(path, "r+b") as f:  # the second half of the last write never reached the disk
            f.seek(offset + size // 2)
            f.write(bytes(8192))
        done = ctl("log", "verify", node.dir)
        assert done.returncode == 0, done.stdout
        assert f"torn tail {path}, offset {offset}: " in done.stdout
        assert f"entries up to {index - 1}" in done.stdout
        done = ctl("log", "dump", node.dir)
        assert done.returncode == 0 and "unfinished write" in done.stdout


def test_missing_segments_and_snapshots_are_found():
    with Cluster(nodes=1, log_segment_size="1mb", snapshot_log_size="1gb") as cluster:
        node = written_node(cluster, 4000)
        files = segment_files(node)
        assert len(files) > 2
        away = files[1].with_suffix(".away")
        files[1].rename(away)
        done = ctl("log", "verify", node.dir)
        assert done.returncode == 1
        assert f"DAMAGED {files[1]}, offset 0: the segment is missing" in done.stdout
        away.rename(files[1])
        assert ctl("log", "verify", node.dir).returncode == 0

        (snapshot,) = (node.dir / "snapshots").glob("g1-*.rdb")
        flip(snapshot, 30)
        done = ctl("log", "verify", node.dir)
        assert done.returncode == 1
        assert f"DAMAGED {snapshot}: its checksum does not match" in done.stdout
        flip(snapshot, 30)
        snapshot.rename(snapshot.with_suffix(".away"))
        done = ctl("log", "verify", node.dir)
        assert done.returncode == 1 and "the snapshot that the log builds on is missing" in done.stdout


def test_damage_at_the_end_of_a_log_is_told_by_an_export():
    """Nothing behind the damage shows that something is missing."""
    with Cluster(nodes=1) as cluster, temporary_folder() as folder:
        node = written_node(cluster)
        path, offset, size, index = entries(node)[-1]
        flip(path, offset + size // 2)
        done = ctl("log", "export", node.dir, "--uncommitted", "--output", f"{folder}/x.aof")
        assert done.returncode == 0
        assert f"warning: the log is damaged ({path.name}, offset {offset}: " in done.stderr
        assert ctl("log", "verify", node.dir).returncode == 1


def test_a_repaired_log_is_whole_again():
    """A node repairs its damaged log from its peers; what was behind the damage is then in the log
    twice, and exported once."""
    with Cluster() as cluster, temporary_folder() as folder:
        leader = cluster.leader()
        node = cluster.followers()[0]
        with leader.client() as c:
            for i in range(60):
                c.call("INCR", "n")
        cluster.wait_caught_up()
        node.kill()
        path, offset, size, _ = entries(node)[30]
        flip(path, offset + size - 3)
        assert ctl("log", "verify", node.dir).returncode == 1
        node.start()
        cluster.wait_caught_up()
        done = eventually(
            lambda: next((d for d in [ctl("log", "verify", node.dir)] if d.returncode == 0), None), 20, "it is repaired"
        )
        assert "1 *.damaged files were kept aside" in done.stdout
        done = ctl("log", "export", node.dir, "--live", address(node), "--output", f"{folder}/x.aof")
        assert done.returncode == 0, done.stderr
        with loaded(f"{folder}/x.aof") as redis:
            assert redis.call("GET", "n") == b"60"


# ---- export ----------------------------------------------------------------------------------------


@contextlib.contextmanager
def loaded(export):
    """Debian's redis-server with what was exported: a client. A single file is put where a Redis
    before 7 had its own; a folder is used as it is."""
    with temporary_folder() as folder:
        if os.path.isdir(export):
            shutil.copytree(f"{export}/appendonlydir", f"{folder}/appendonlydir")
            manifest = f"{folder}/appendonlydir/appendonly.aof.manifest"
        else:
            shutil.copy(export, f"{folder}/appendonly.aof")
            manifest = f"{folder}/appendonly.aof"
        check = subprocess.run(["redis-check-aof", manifest], capture_output=True, text=True)
        assert check.returncode == 0, check.stdout[-2000:] + check.stderr
        port = free_port()
        process = subprocess.Popen(
            ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""]
            + ["--appendonly", "yes", "--aof-load-truncated", "no"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:

            def ready():
                assert process.poll() is None, process.stdout.read().decode(errors="replace")[-3000:]
                with Client(port) as c:
                    return c.call("PING") == "PONG"

            eventually(ready, 30, "redis-server has loaded the export")
            with Client(port) as client:
                yield client
        finally:
            process.kill()
            process.communicate()


# What reads a whole value of each type, and what stands behind the key.
READ_ALL = {
    "string": ("GET",),
    "list": ("LRANGE",),
    "hash": ("HGETALL",),
    "set": ("SMEMBERS",),
    "zset": ("ZRANGE",),
    "stream": ("XINFO", "STREAM"),
}
ALL_OF = {"list": ("0", "-1"), "zset": ("0", "-1", "WITHSCORES"), "stream": ("FULL", "COUNT", "0")}


# How a stream is kept inside, and what tells of the clock.
NO_CONTENT = (b"radix-tree-keys", b"radix-tree-nodes", b"seen-time")


def content(reply):
    """A stream's description, less that."""
    if not isinstance(reply, list):
        return reply
    kept, i = [], 0
    while i < len(reply):
        if reply[i] in NO_CONTENT:
            i += 2
        else:
            kept.append(content(reply[i]))
            i += 1
    return kept


def data_of(client, databases):
    """{(database, key): (value, expiry)} of everything."""
    data = {}
    for db in range(databases):
        if databases > 1:
            client.call("SELECT", db)
        keys = client.call("KEYS", "*")
        kinds = client.pipeline([("TYPE", k) for k in keys])
        reads = [(*READ_ALL[kind], k, *ALL_OF.get(kind, ())) for k, kind in zip(keys, kinds)]
        replies = client.pipeline([w for r, k in zip(reads, keys) for w in (r, ("PEXPIRETIME", k))])
        for i, key in enumerate(keys):
            value = replies[2 * i]
            if kinds[i] == "hash":
                value = sorted(zip(value[::2], value[1::2]))
            elif kinds[i] == "set":
                value = sorted(value)
            elif kinds[i] == "zset":
                value = [(m, float(s)) for m, s in zip(value[::2], value[1::2])]
            elif kinds[i] == "stream":
                value = content(value)
            data[db, key] = (kinds[i], value, replies[2 * i + 1])
    return data


def random_commands(client, seed, count):
    """Commands of all kinds, transactions among them, in several databases."""
    rng = random.Random(seed)
    source = diff_commands.Source(rng)
    known = []
    for name in diff_commands.GENERATORS:
        if client.call("COMMAND", "INFO", name.split()[0])[0] is not None:
            known.append(name)
    diff_commands.restrict(known)
    done = 0
    while done < count:
        steps = [("SELECT", rng.choice(["0", "0", "1", "3", "15"]))]
        for _ in range(30):
            steps += [step.args for step in diff_commands.any_command(source)]
        steps += [("DISCARD",), ("UNWATCH",)]
        client.pipeline(steps)
        done += len(steps)


def snapshot(node):
    """BGSAVE, and wait until it is what the log builds on."""
    applied = int(node.group()["applied"])
    with contextlib.suppress(ReplyError):  # one is under way already
        node.call("BGSAVE")
    eventually(lambda: int(node.group()["snapshot_index"]) >= applied, 30, "the snapshot is published")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_an_export_has_the_data_of_a_plain_cluster(seed):
    """Any commands, in 16 databases, before and after a snapshot; from leader and follower."""
    with Cluster(plain=True, log_segment_size="1mb") as cluster, temporary_folder() as folder:
        leader = cluster.leader()
        with leader.client() as c:
            random_commands(c, seed, 1500)
            snapshot(leader)
            random_commands(c, seed + 100, 1500)
            if seed != 3:
                # FLUSHALL among the random commands may have left little.
                c.call("SELECT", "0")
                for i in range(50):
                    c.call("SET", f"n{i}", i, "PX", 10000000 + i)
            cluster.wait_caught_up()
            want = data_of(c, 16)
        for number, node in enumerate([leader, cluster.followers()[0]]):
            for form in (f"{folder}/{number}.aof", f"{folder}/{number}"):
                done = ctl("log", "export", node.dir, "--live", address(node), "--output", form)
                assert done.returncode == 0, done.stderr
                assert "warning" not in done.stderr
                with loaded(form) as redis:
                    assert data_of(redis, 16) == want
        assert want or seed == 3


def test_an_export_of_a_cluster_keeps_transactions_and_expiry():
    with Cluster() as cluster, temporary_folder() as folder:
        leader = cluster.leader()
        with leader.client() as c:
            c.call("SET", "gone", "x", "PX", 1)
            for i in range(200):
                c.call("SET", f"{{t}}{i}", "v" * i, "PXAT", 4000000000000 + i)
            c.call("MULTI")
            for i in range(100):
                c.call("INCRBYFLOAT", "{t}sum", "0.1")
            c.call("DEL", "{t}7", "{t}8")
            c.call("EXEC")
            eventually(lambda: c.call("DBSIZE") == 199, 10, "the short-lived key has gone")
            want = data_of(c, 1)
        cluster.wait_caught_up()
        for node in cluster.nodes:
            aof = f"{folder}/{node.number}.aof"
            done = ctl("log", "export", node.dir, "--live", address(node), "--output", aof)
            assert done.returncode == 0, done.stderr
            text = open(aof, "rb").read()
            assert text.count(b"\r\nMULTI\r\n") == text.count(b"\r\nEXEC\r\n") == 1
            with loaded(aof) as redis:
                assert data_of(redis, 1) == want


def test_after_all_nodes_died_the_longest_log_has_everything_acknowledged():
    with Cluster(log_segment_size="1mb", snapshot_log_size="2mb") as cluster, temporary_folder() as folder:
        with Writers(cluster, value_bytes=300) as writers:
            writers.wait_for(1500)
            for node in cluster.nodes:
                os.kill(node.process.pid, signal.SIGKILL)
            for node in cluster.nodes:
                node.kill()
            writers.stop()
        best = max(cluster.nodes, key=last_position)
        aof = f"{folder}/x.aof"
        done = ctl("log", "export", best.dir, "--uncommitted", "--output", aof)
        assert done.returncode == 0, done.stderr
        with loaded(aof) as redis:
            for key, tried in writers.tried.items():
                number = int(redis.call("GET", key) or 0)
                assert writers.acked.get(key, 0) <= number <= tried
            for counter, (acked, unknown) in writers.counted.items():
                assert acked <= int(redis.call("GET", counter) or 0) <= acked + unknown


def last_position(node):
    """(term, index) of the last entry of the data group in a node's log."""
    done = ctl("log", "dump", node.dir, "--group", 1)
    pairs = re.findall(r" entry .*? term (\d+) index (\d+) ", done.stdout)
    return tuple(map(int, pairs[-1]))


def test_what_was_overwritten_is_not_exported():
    """A leader whose followers are gone logs a write that never commits; the log that wins replaces
    it. The record is still in the file. (The election timeout: it must not step down before.)"""
    with Cluster(raft_election_timeout=2000) as cluster, temporary_folder() as folder:
        old = cluster.leader()
        followers = cluster.followers()
        old.call("SET", "before", "1")
        cluster.wait_caught_up()
        last = int(old.group()["last"])
        with old.client() as c, old.client() as watch:
            for node in followers:
                node.kill()
            c.send("SET", "lost", "1")
            eventually(lambda: persisted(watch) > last, 10, "the write is in the old leader's log")
            old.kill()
        for node in followers:
            node.start()
        Session(cluster).call("SET", "after", "1")
        old.start()
        cluster.wait_caught_up()

        def shown():
            return ctl("log", "dump", old.dir, "--group", 1, "--effects").stdout

        # A follower may apply what others have on disk before it has it there itself.
        eventually(lambda: '"SET" "after" "1"' in shown(), 10, "the old leader has the new entry")
        assert '"SET" "lost" "1"' in shown()
        for words in (["--live", address(old)], ["--uncommitted"]):
            aof = f"{folder}/{words[0]}.aof"
            done = ctl("log", "export", old.dir, "--output", aof, *words)
            assert done.returncode == 0, done.stderr
            with loaded(aof) as redis:
                assert sorted(redis.call("KEYS", "*")) == [b"after", b"before"]


def persisted(client):
    line = client.call("INFO", "raft").decode()
    return int(re.search(r"^group1:.*persisted=(\d+)", line, re.M)[1])


def test_an_export_stops_where_it_is_told_to():
    """--to goes back to a moment before a mistake."""
    with Cluster(nodes=1) as cluster, temporary_folder() as folder:
        node = cluster.leader()
        with node.client() as c:
            for i in range(10):
                c.call("SET", f"k{i}", i)
            before = int(node.group()["commit"])
            c.call("FLUSHALL")
        words = ["log", "export", node.dir, "--live", address(node)]
        done = ctl(*words, "--output", f"{folder}/all.aof")
        assert done.returncode == 0, done.stderr
        with loaded(f"{folder}/all.aof") as redis:
            assert redis.call("DBSIZE") == 0
        done = ctl(*words, "--output", f"{folder}/before.aof", "--to", before)
        assert done.returncode == 0, done.stderr
        with loaded(f"{folder}/before.aof") as redis:
            assert redis.call("DBSIZE") == 10
        done = ctl(*words, "--output", f"{folder}/x.aof", "--to", before + 1000)
        assert done.returncode == 2 and "the log ends at" in done.stderr
        snapshot(node)
        done = ctl(*words, "--output", f"{folder}/x.aof", "--to", before)
        assert done.returncode == 2 and "there is no way back" in done.stderr


def test_an_export_overwrites_nothing_and_leaves_nothing_half_done():
    with Cluster(nodes=1) as cluster, temporary_folder() as folder:
        node = written_node(cluster)
        aof = f"{folder}/x.aof"
        with open(aof, "w") as f:
            f.write("precious")
        done = ctl("log", "export", node.dir, "--output", aof)
        assert done.returncode == 2 and "nothing is overwritten" in done.stderr
        assert open(aof).read() == "precious"
        # A snapshot that does not come: the export is under way when it is interrupted.
        (rdb,) = (node.dir / "snapshots").glob("g1-*.rdb")
        rdb.rename(rdb.with_suffix(".away"))
        os.mkfifo(rdb)
        for output in ("y.aof", "y"):
            process = subprocess.Popen(
                [str(CTL), "log", "export", str(node.dir), "--output", f"{folder}/{output}"],
                stderr=subprocess.PIPE,
                text=True,
            )
            eventually(lambda: any(".tmp-" in name for _, d, f in os.walk(folder) for name in d + f), 10, "it writes")

            def ended(process=process):
                process.send_signal(signal.SIGINT)
                return process.poll() is not None

            eventually(ended, 10, "it ends")
            assert process.returncode == 2
            assert "interrupted; nothing was written" in process.communicate()[1]
            left = [name for _, d, f in os.walk(folder) for name in d + f]
            assert [name for name in left if name not in ("x.aof", "y")] == []


def test_an_export_warns_of_what_it_leaves_out():
    with Cluster(nodes=1) as cluster, temporary_folder() as folder:
        node = written_node(cluster)
        done = ctl("log", "export", node.dir, "--output", f"{folder}/some.aof")
        assert done.returncode == 0 and "are left out" in done.stderr
        done = ctl("log", "export", node.dir, "--output", f"{folder}/all.aof", "--uncommitted")
        assert done.returncode == 0 and "although this log does not say" in done.stderr
        with loaded(f"{folder}/all.aof") as redis:
            assert redis.call("DBSIZE") == 40
        done = ctl("log", "export", node.dir, "--output", f"{folder}/x.aof", "--group", 9)
        assert done.returncode == 2 and "no group 9" in done.stderr


def test_an_export_does_not_believe_another_node():
    with Cluster() as cluster, temporary_folder() as folder:
        one, other = cluster.nodes[:2]
        done = ctl("log", "export", one.dir, "--live", address(other), "--output", f"{folder}/x.aof")
        assert done.returncode == 2 and f"node {address(other)} is node" in done.stderr
        assert os.listdir(folder) == []
