# SPDX-License-Identifier: BSD-3-Clause
"""Debian's redis-cli and redis-benchmark (7.0) against running clusters, as a new user tries them."""

import re
import shutil
import signal
import subprocess
import time

import pytest

from holdfast import SLOW, Cluster

PATIENT = {"raft_election_timeout": 1000}  # see conftest.py

pytestmark = pytest.mark.skipif(shutil.which("redis-cli") is None, reason="there is no redis-cli")


def cli(node, *words, stdin=None, timeout_s=60, check=True):
    """redis-cli's standard output; its standard error must be empty."""
    done = subprocess.run(
        ["redis-cli", "-p", str(node.port), *map(str, words)],
        stdin=stdin if stdin is not None else subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s * SLOW,
        check=False,
    )
    if check:
        assert done.returncode == 0 and done.stderr == "", done
    return done.stdout


def bounded(node, *words, seconds=1.5):
    """What an endless mode of redis-cli prints in that time; stdbuf: into a pipe as well."""
    process = subprocess.Popen(
        ["stdbuf", "-oL", "redis-cli", "-p", str(node.port), *map(str, words)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    time.sleep(seconds * min(SLOW, 3))
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    return out


# ---- plain calls ---------------------------------------------------------------------------------


def test_calls_and_their_formats(plain):
    leader = plain.leader()
    assert cli(leader, "SET", "greeting", "hello, world") == "OK\n"
    assert cli(leader, "GET", "greeting") == "hello, world\n"
    assert cli(leader, "--no-raw", "GET", "greeting") == '"hello, world"\n'
    assert cli(leader, "--no-raw", "MGET", "greeting", "nosuch") == '1) "hello, world"\n2) (nil)\n'
    assert cli(leader, "--no-raw", "INCR", "n") == "(integer) 1\n"
    assert cli(leader, "--csv", "MGET", "greeting", "n") == '"hello, world","1"\n'
    assert cli(leader, "--json", "MGET", "greeting", "n") == '["hello, world","1"]\n'
    assert cli(leader, "-n", "3", "GET", "greeting") == "\n"
    assert cli(leader, "-r", "3", "INCR", "n") == "2\n3\n4\n"
    assert cli(leader, "EVALX") == "ERR unknown command 'EVALX', with args beginning with: \n\n"
    with subprocess.Popen(["echo", "text"], stdout=subprocess.PIPE) as echo:
        assert cli(leader, "-x", "SET", "piped", stdin=echo.stdout) == "OK\n"
    assert cli(leader, "GET", "piped") == "text\n\n"


def test_resp3_and_password(plain):
    leader = plain.leader()
    assert cli(leader, "-3", "--no-raw", "CONFIG", "GET", "hz") == '1# "hz" => "10"\n'
    assert '1# "server" => "redis"' in cli(leader, "-3", "--no-raw", "HELLO")
    leader.call("CONFIG", "SET", "requirepass", "sesame")
    try:
        assert cli(leader, "-a", "sesame", "--no-auth-warning", "PING") == "PONG\n"
        url = f"redis://default:sesame@127.0.0.1:{leader.port}"
        assert cli(leader, "-u", url, "--no-auth-warning", "PING") == "PONG\n"
        assert "NOAUTH Authentication required." in cli(leader, "PING")
    finally:
        cli(leader, "-a", "sesame", "--no-auth-warning", "CONFIG", "SET", "requirepass", "")


def test_a_script_of_commands_and_transactions(plain, tmp_path):
    file = tmp_path / "commands"
    file.write_text('SET a "1 2"\nMULTI\nINCR b\nGET a\nEXEC\nDEL a b\n')
    with file.open() as stdin:
        assert cli(plain.leader(), stdin=stdin) == "OK\nOK\nQUEUED\nQUEUED\n1\n1 2\n2\n"


def test_c_follows_redirections(clustered):
    leader = clustered.leader()
    for node in clustered.followers():
        moved = cli(node, "SET", "k", "v")
        assert re.fullmatch(rf"MOVED \d+ 127\.0\.0\.1:{leader.port}\n\n", moved)
        assert cli(node, "-c", "SET", "k", node.port) == "OK\n"
        assert cli(node, "-c", "GET", "k") == f"{node.port}\n"
    assert cli(leader, "-c", "DEL", "k") == "1\n"


# ---- scans and samples ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def filled(plain):
    """The leader, with 20000 small keys and one big one."""
    leader = plain.leader()
    with leader.client() as c:
        c.call("FLUSHALL")
        c.call("DEBUG", "POPULATE", "20000", "user", "20")
        c.call("SET", "the-big-one", "x" * 3_000_000)
    return leader


def test_scan(filled):
    assert len(cli(filled, "--scan").split()) == 20001
    names = cli(filled, "--scan", "--pattern", "user:1999?").split()
    assert sorted(names) == [f"user:1999{i}" for i in range(10)]
    assert cli(filled, "--scan", "--pattern", "the*") == "the-big-one\n"


def test_bigkeys_and_memkeys(filled):
    out = cli(filled, "--bigkeys")
    assert "Sampled 20001 keys in the keyspace!" in out
    assert re.search(r'Biggest string found \'?"the-big-one"\'? has 3000000 bytes', out)
    out = cli(filled, "--memkeys")
    assert "Sampled 20001 keys in the keyspace!" in out
    size = int(re.search(r'Biggest string found \'?"the-big-one"\'? has (\d+) bytes', out)[1])
    assert 3_000_000 < size < 6_000_000


def test_latency(filled):
    out = bounded(filled, "--latency", "--raw", "-i", "1", seconds=2.2)
    low, high, mean, samples = out.split()[:4]
    assert int(low) <= float(mean) <= int(high) and int(samples) > 10
    out = bounded(filled, "--latency-history", "--raw", "-i", "1", seconds=2.5)
    assert len(out.split()) >= 4, out


def test_stat(filled):
    out = bounded(filled, "--stat", "-i", "0.3")
    lines = [line.split() for line in out.splitlines() if line[:1].isdigit()]
    assert len(lines) >= 2 and all(line[0] == "20001" for line in lines)


# ---- a million commands --------------------------------------------------------------------------


def test_pipe_of_a_million_commands(tmp_path):
    n = 1_000_000
    file = tmp_path / "commands"
    with file.open("wb") as f:
        for start in range(0, n, 10000):
            f.write(b"".join(b"SET key:%d %d\r\n" % (i, i) for i in range(start, start + 10000)))
    with Cluster(**PATIENT) as cluster:
        leader = cluster.leader()
        with file.open() as stdin:
            out = cli(leader, "--pipe", stdin=stdin, timeout_s=240)
        assert out.endswith(f"errors: 0, replies: {n}\n"), out[-300:]
        with leader.client() as c:
            assert c.call("DBSIZE") == n
            assert [c.call("GET", f"key:{i}") for i in (0, 123456, n - 1)] == [b"0", b"123456", b"999999"]
        # A follower takes none of them, and says so a million times if need be.
        (tmp_path / "few").write_bytes(b"SET key:1 x\r\n" * 1000)
        with (tmp_path / "few").open() as stdin:
            out = cli(cluster.followers()[0], "--pipe", stdin=stdin, check=False)
        assert out.endswith("errors: 1000, replies: 1000\n")
        assert leader.call("GET", "key:1") == b"1"
        assert len(cluster.digests()) == 1


# ---- the cluster manager -------------------------------------------------------------------------


def test_cluster_manager_finds_nothing_to_complain_about(clustered):
    leader = clustered.leader()
    leader.call("SET", "k", "v")
    for node in clustered.nodes:
        out = cli(node, "--cluster", "check", f"127.0.0.1:{node.port}")
        assert "[OK] All nodes agree about slots configuration." in out
        assert "[OK] All 16384 slots covered." in out
        assert out.count("S: ") == 2 and out.count("M: ") == 1
        assert "slots:[0-16383] (16384 slots) master" in out and "2 additional replica(s)" in out
        out = cli(node, "--cluster", "info", f"127.0.0.1:{node.port}")
        assert re.search(rf"127\.0\.0\.1:{leader.port} \(.*\) -> 1 keys \| 16384 slots \| 2 slaves\.", out)
        assert "[OK] 1 keys in 1 masters." in out
        out = cli(node, "--cluster", "call", f"127.0.0.1:{node.port}", "PING")
        assert out.count("PONG") == 3


def test_cluster_manager_of_several_groups(grouped):
    """Each node is a master, whose replicas the tool does not see: Redis has one role per node."""
    for group in grouped.groups:
        grouped.leader(group).call("FLUSHALL")
    cli(grouped.nodes[0], "-c", "SET", "k", "v")
    for node in grouped.nodes:
        out = cli(node, "--cluster", "check", f"127.0.0.1:{node.port}")
        assert "[OK] All nodes agree about slots configuration." in out
        assert "[OK] All 16384 slots covered." in out
        assert out.count("M: ") == 3 and out.count("S: ") == 0
        for slots in ("[0-5460] (5461 slots)", "[5461-10921] (5461 slots)", "[10922-16383] (5462 slots)"):
            assert f"slots:{slots} master" in out
        assert "[OK] 1 keys in 3 masters." in out


# ---- redis-benchmark -----------------------------------------------------------------------------


def run_benchmark(node, *words):
    return subprocess.run(
        ["redis-benchmark", "-p", str(node.port), "--csv", *map(str, words)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120 * SLOW,
        check=False,
    )


def benchmark(node, *words):
    """Names of the tests that redis-benchmark ran; it ends at the first error reply."""
    done = run_benchmark(node, *words)
    assert done.returncode == 0 and "rror" not in done.stdout + done.stderr, done
    rates = re.findall(r'^"([^"]+)","([\d.]+)"', done.stdout, re.MULTILINE)
    assert rates and all(float(rate) > 0 for _, rate in rates), done
    return [name for name, _ in rates]


@pytest.mark.parametrize("plain_mode", [True, False])
def test_benchmark(plain_mode):
    with Cluster(plain=plain_mode, **PATIENT) as cluster:
        leader = cluster.leader()
        before = int(leader.info("stats")["total_commands_processed"])
        names = benchmark(leader, "-t", "ping,set,get,incr", "-n", 5000)
        assert names == ["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR"]
        assert int(leader.info("stats")["total_commands_processed"]) - before >= 25000
        if plain_mode:
            assert leader.call("GET", "counter:__rand_int__") == b"5000"
            assert benchmark(leader, "-t", "mset", "-n", 5000, "-r", 1000) == ["MSET (10 keys)"]
        assert benchmark(leader, "-t", "set,get", "-n", 50000, "-P", 16, "-r", 100000) == ["SET", "GET"]
        assert benchmark(leader, "-t", "set,get", "-n", 50000, "-P", 64, "-c", 200, "-d", 500) == ["SET", "GET"]
        assert benchmark(leader, "-n", 2000, "-3", "SET", "own", "command") == ["SET own command"]
        assert len(cluster.digests()) == 1


def test_benchmark_of_a_cluster(grouped):
    """redis-benchmark's own cluster mode: it loads all masters, from whichever node it starts."""
    stats = [int(n.info("stats")["total_commands_processed"]) for n in grouped.nodes]
    for node in grouped.nodes:
        names = benchmark(node, "--cluster", "-t", "set,get,incr,lpush", "-n", 3000, "-r", 1000, "-P", 4)
        assert names[:3] == ["SET", "GET", "INCR"]
    for node, before in zip(grouped.nodes, stats):
        assert int(node.info("stats")["total_commands_processed"]) - before > 3000
    keys = [node.call("DBSIZE") for node in grouped.nodes]
    assert min(keys) > 100, keys
    assert len(grouped.digests()) == 1


def test_benchmark_of_a_cluster_wants_two_masters(clustered):
    """It says so of a cluster of Redis with one as well. With one data group there is one."""
    for node in clustered.nodes:
        done = run_benchmark(node, "--cluster", "-t", "set,get", "-n", 2000, "-r", 1000, "-P", 4)
        assert "Invalid cluster: 1 node(s)." in done.stderr
