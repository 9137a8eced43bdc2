# SPDX-License-Identifier: BSD-3-Clause
"""CONFIG, INFO, SLOWLOG, DEBUG, ROLE, WAIT, BGSAVE, SHUTDOWN and the start options on real nodes."""

import re
import signal
import subprocess
import time

import pytest

from holdfast import SERVER, Client, Cluster, ConnectionClosed, ReplyError, eventually, fields, info


@pytest.fixture(scope="module")
def one():
    with Cluster(nodes=1, plain=True) as cluster:
        yield cluster.nodes[0]


@pytest.fixture(scope="module")
def three():
    with Cluster() as cluster:
        yield cluster


def error(client, *words):
    with pytest.raises(ReplyError) as e:
        client.call(*words)
    return e.value.text


def config(client, *patterns):
    flat = client.call("CONFIG", "GET", *patterns)
    return {flat[i].decode(): flat[i + 1].decode() for i in range(0, len(flat), 2)}


# ---- CONFIG --------------------------------------------------------------------------------------


def test_config_get_takes_several_patterns_and_names(one):
    with one.client() as c:
        assert config(c, "port") == {"port": str(one.port)}
        assert config(c, "TIMEOUT") == {"TIMEOUT": "0"}
        assert config(c, "timeou?", "TIMEOUT*", "slave-read-only") == {"timeout": "0", "slave-read-only": "yes"}
        assert config(c, "nosuch") == {}
        everything = config(c, "*")
        assert everything["save"] == "" and everything["appendonly"] == "yes"
        assert {"slave-serve-stale-data", "replica-serve-stale-data"} <= everything.keys()
        c.call("HELLO", "3")
        assert c.call("CONFIG", "GET", "hz", "save") == {b"hz": b"10", b"save": b""}


def test_config_set_is_all_or_nothing(one):
    with one.client() as c:
        failed = "ERR CONFIG SET failed (possibly related to argument '%s') - %s"
        assert error(c, "CONFIG", "SET", "timeout", "5", "hz", "abc") == failed % (
            "hz",
            "argument couldn't be parsed into an integer",
        )
        assert error(c, "CONFIG", "SET", "timeout", "5", "maxclients", "4000000000").startswith(
            failed % ("maxclients", "The operating system is not able")
        )
        assert error(c, "CONFIG", "SET", "timeout", "5", "port", "1") == failed % ("port", "can't set immutable config")
        assert error(c, "CONFIG", "SET", "timeout", "5", "dir", "/") == failed % ("dir", "can't set protected config")
        assert error(c, "CONFIG", "SET", "timeout", "5", "Timeout", "6") == failed % ("timeout", "duplicate parameter")
        assert error(c, "CONFIG", "SET", "hz", b"1\x000") == failed % ("hz", "argument contains a NUL byte")
        assert error(c, "CONFIG", "SET", "timeout", "5", "no", "1") == (
            "ERR Unknown option or number of arguments for CONFIG SET - 'no'"
        )
        assert error(c, "CONFIG", "SET", "timeout", "5", "hz") == "ERR syntax error"
        assert error(c, "CONFIG", "SET", "slave-read-only", "no") == failed % (
            "slave-read-only",
            "only the leader of a group can write",
        )
        assert config(c, "timeout", "maxclients", "hz") == {"timeout": "0", "maxclients": "10000", "hz": "10"}
        assert c.call("CONFIG", "SET", "timeout", "5", "HZ", "20", "appendonly", "yes", "save", "") == "OK"
        assert config(c, "timeout", "hz") == {"timeout": "5", "hz": "20"}
        assert c.call("CONFIG", "SET", "timeout", "0", "hz", "10") == "OK"


def test_a_new_password_spares_those_who_are_connected(one):
    with one.client() as before, one.client() as setter:
        assert before.call("PING") == "PONG"
        assert setter.call("CONFIG", "SET", "requirepass", "secret") == "OK"
        try:
            assert before.call("PING") == "PONG"
            with one.client() as after:
                assert error(after, "PING") == "NOAUTH Authentication required."
                assert after.call("AUTH", "secret") == "OK"
                assert after.call("PING") == "PONG"
        finally:
            assert setter.call("CONFIG", "SET", "requirepass", "") == "OK"


def test_an_idle_client_is_closed_as_soon_as_timeout_says(one):
    with one.client() as idle, one.client() as c:
        idle.call("PING")
        c.call("CONFIG", "SET", "timeout", "1")
        try:
            with pytest.raises(ConnectionClosed):
                idle.read()
        finally:
            one.call("CONFIG", "SET", "timeout", "0")


def test_config_rewrite_survives_a_restart(tmp_path):
    file = tmp_path / "node.conf"
    with Cluster(nodes=1, plain=True, start=False) as cluster:
        node = cluster.nodes[0]
        words = node.command_line()
        lines = ["# kept"] + [f'{n[2:]} "{v}"' for n, v in zip(words[1::2], words[2::2])]
        file.write_text("\n".join(lines) + "\n")
        node.command_line = lambda: [str(SERVER), str(file)]
        node.start()
        assert node.call("CONFIG", "SET", "timeout", "77", "loglevel", "notice") == "OK"
        assert node.call("CONFIG", "REWRITE") == "OK"
        text = file.read_text()
        assert text.startswith("# kept\n") and "timeout 77\n" in text and "loglevel notice\n" in text
        assert node.terminate() == 0
        node.start()
        with node.client() as c:
            assert config(c, "timeout", "loglevel") == {"timeout": "77", "loglevel": "notice"}
            assert info(c, "server")["config_file"] == str(file)
        assert node.terminate() == 0


def test_config_rewrite_needs_a_file(one):
    with one.client() as c:
        assert error(c, "CONFIG", "REWRITE") == "ERR The server is running without a config file"


# ---- the start -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words, named",
    [
        (["--no-such-option", "1"], "'--no-such-option'"),
        (["--port", "abc"], "--port"),
        (["--appendonly", "no"], "--appendonly"),
        (["--cluster-nodes", "nowhere"], "--cluster-nodes"),
        (["/nonexistent/file.conf"], "/nonexistent/file.conf"),
    ],
)
def test_a_bad_option_stops_the_start_and_is_named(words, named):
    done = subprocess.run([SERVER, *words], capture_output=True, timeout=20, check=False)
    assert done.returncode == 1
    assert named in done.stderr.decode()


def test_a_bad_line_of_a_file_stops_the_start_and_is_named(tmp_path):
    file = tmp_path / "x.conf"
    file.write_text("# first\nport 7000\nmaxclients many\n")
    done = subprocess.run([SERVER, file], capture_output=True, timeout=20, check=False)
    assert done.returncode == 1
    assert f"{file}:3: maxclients: " in done.stderr.decode()


def test_help_and_version():
    done = subprocess.run([SERVER, "--help"], capture_output=True, timeout=20, check=True)
    assert "--raft-election-timeout" in done.stdout.decode()
    done = subprocess.run([SERVER, "--version"], capture_output=True, timeout=20, check=True)
    assert re.match(r"Holdfast server v=\d+\.\d+\.\d+", done.stdout.decode())


# ---- INFO ----------------------------------------------------------------------------------------


def titles(client, *words):
    return re.findall(r"^# (\w+)\r$", client.call("INFO", *words).decode(), re.MULTILINE)


def test_info_has_redis_sections_in_redis_order(one):
    default = [
        "Server", "Clients", "Memory", "Persistence", "Stats", "Replication", "Raft", "CPU", "Modules",
        "Errorstats", "Cluster", "Keyspace",
    ]  # fmt: skip
    with one.client() as c:
        assert titles(c) == default
        assert titles(c, "default") == default
        assert titles(c, "keyspace", "SERVER", "nosuch") == ["Server", "Keyspace"]
        assert titles(c, "nosuch") == []
        assert "Modules" not in titles(c, "all") and "Commandstats" in titles(c, "all")
        assert set(titles(c, "everything")) == set(default) | {"Commandstats", "Latencystats"}
        c.call("HELLO", "3")
        c.send("INFO", "cluster")
        assert c.socket.recv(100).startswith(b"=34\r\ntxt:# Cluster\r\n")


def test_info_counts_what_happened(one):
    with one.client() as c:
        c.call("FLUSHALL")
        c.call("CONFIG", "RESETSTAT")
        c.call("SET", "a", "1")
        c.call("SET", "b", "1", "EX", "100")
        c.call("GET", "a")
        c.call("GET", "nosuch")
        error(c, "INCRBY", "a", "x")
        error(c, "GET")
        error(c, "NOSUCH")
        i = info(c, "everything")
        assert fields(i["db0"])["keys"] == "2" and fields(i["db0"])["expires"] == "1"
        assert 90_000 < int(fields(i["db0"])["avg_ttl"]) <= 100_000
        assert fields(i["cmdstat_set"])["calls"] == "2"
        assert fields(i["cmdstat_get"])["rejected_calls"] == "1"
        assert fields(i["cmdstat_incrby"])["failed_calls"] == "1"
        assert i["errorstat_ERR"] == "count=3" and i["total_error_replies"] == "3"
        assert (i["keyspace_hits"], i["keyspace_misses"]) == ("1", "1")
        assert i["connected_clients"] == "1" and int(i["used_memory"]) > 100_000
        assert i["redis_mode"] == "standalone" and i["cluster_enabled"] == "0"
        assert i["process_id"] == str(one.process.pid) and i["tcp_port"] == str(one.port)
        c.call("CONFIG", "RESETSTAT")
        i = info(c, "everything")
        assert "errorstat_ERR" not in i and "cmdstat_set" not in i


def test_info_raft_shows_groups_and_followers(three):
    leader = three.leader()
    with leader.client() as c:
        c.call("SET", "k", "v")

        def all_caught_up():
            i = info(c, "raft")
            followers = [fields(i[f"group1_follower{n}"]) for n in range(2)]
            return i if all(f["lag"] == "0" and f["state"] == "online" for f in followers) else None

        i = eventually(all_caught_up, what="both followers have all of the log")
    g = fields(i["group1"])
    assert g["role"] == "leader" and g["state"] == "serving"
    assert int(g["applied"]) <= int(g["commit"]) <= int(g["last"]) and int(g["term"]) >= 1
    assert int(g["lease_ms"]) > 0 and int(g["snapshot_index"]) >= 1
    assert g["voters"] == "3"
    assert int(i["log_syncs"]) > 0 and int(i["log_last_sync_ms_ago"]) >= 0
    assert i["raft_formed"] == "1" and i["raft_groups"] == "2"
    peers = [fields(i[f"peer{n}"]) for n in range(2)]
    assert all(p["connected"] == "1" for p in peers)
    for follower in three.followers():
        g = follower.group()
        assert g["role"] == "follower" and g["leader"] == i["raft_node"]


def test_info_replication_and_role_tell_the_leader_from_the_followers(three):
    leader = three.leader()
    followers = three.followers()
    with leader.client() as c:
        eventually(lambda: info(c, "replication")["connected_slaves"] == "2", what="two followers")
        i = info(c, "replication")
        ports = {int(fields(i[f"slave{n}"])["port"]) for n in range(2)}
        assert i["role"] == "master" and ports == {n.port for n in followers}
        role = c.call("ROLE")
        assert role[0] == b"master" and role[1] >= 1
        assert {int(r[1]) for r in role[2]} == ports and all(r[0] == b"127.0.0.1" for r in role[2])
    for node in followers:
        r = node.info("replication")
        assert (r["role"], r["master_port"], r["master_link_status"]) == ("slave", str(leader.port), "up")
        assert r["master_replid"] == i["master_replid"]
        role = node.call("ROLE")
        assert role[:4] == [b"slave", b"127.0.0.1", leader.port, b"connected"]


# ---- SLOWLOG -------------------------------------------------------------------------------------


def test_slowlog(one):
    with one.client() as c:
        c.call("CONFIG", "SET", "slowlog-log-slower-than", "200000")
        c.call("SLOWLOG", "RESET")
        c.call("CLIENT", "SETNAME", "me")
        c.call("DEBUG", "SLEEP", "0.25")
        c.call("PING")
        assert c.call("SLOWLOG", "LEN") == 1
        (entry,) = c.call("SLOWLOG", "GET")
        assert entry[2] >= 250_000 and abs(entry[1] - time.time()) < 60
        assert entry[3] == [b"DEBUG", b"SLEEP", b"0.25"]
        assert entry[4].startswith(b"127.0.0.1:") and entry[5] == b"me"
        c.call("MULTI")
        c.call("ECHO", "1")
        c.call("DEBUG", "SLEEP", "0.25")
        c.call("EXEC")
        assert [e[3][0] for e in c.call("SLOWLOG", "GET", "-1")] == [b"DEBUG", b"DEBUG"]
        assert len(c.call("SLOWLOG", "GET", "1")) == 1
        assert c.call("SLOWLOG", "GET", "0") == []
        for bad in ("-2", "x"):
            assert error(c, "SLOWLOG", "GET", bad) == "ERR count should be greater than or equal to -1"
        c.call("CONFIG", "SET", "slowlog-log-slower-than", "10000")


# ---- DEBUG ---------------------------------------------------------------------------------------


def test_debug_is_off_unless_it_is_allowed():
    with Cluster(nodes=1, plain=True, enable_debug_command="no") as cluster:
        with cluster.nodes[0].client() as c:
            assert error(c, "DEBUG", "SLEEP", "0").startswith("ERR DEBUG command not allowed.")


def test_debug_populate_reaches_all_nodes(three):
    leader = three.leader()
    with leader.client() as c:
        c.call("FLUSHALL")
        assert c.call("SET", "p:1", "mine") == "OK"
        assert c.call("DEBUG", "POPULATE", "20000", "p", "100") == "OK"
        assert c.call("DBSIZE") == 20000
        assert c.call("GET", "p:1") == b"mine"
        assert c.call("GET", "p:19999") == b"value:19999".ljust(100, b"\0")
        assert error(three.followers()[0].client(), "DEBUG", "POPULATE", "1").startswith("READONLY")
        digest = c.call("DEBUG", "DIGEST-VALUE", "p:7", "nosuch")
        assert digest[0] != "0" * 40 and digest[1] == "0" * 40
    assert len(three.digests()) == 1
    leader.call("FLUSHALL")
    assert three.digests() == {"0" * 40}


def test_debug_protocol_and_errors(one):
    with one.client() as c:
        assert c.call("DEBUG", "PROTOCOL", "map") == [0, 0, 1, 1, 2, 0]
        assert c.call("DEBUG", "PROTOCOL", "double") == b"3.141"
        assert error(c, "DEBUG", "ERROR", "MINE all mine") == "MINE all mine"
        assert error(c, "DEBUG", "SLEEP", "x") == "ERR value is not a valid float"
        assert error(c, "DEBUG", "BOGUS") == (
            "ERR unknown subcommand or wrong number of arguments for 'BOGUS'. Try DEBUG HELP."
        )
        assert error(c, "DEBUG", "OBJECT", "nosuch") == "ERR no such key"
        c.call("SET", "k", "12")
        assert "encoding:int" in c.call("DEBUG", "OBJECT", "k")
        c.call("HELLO", "3")
        assert c.call("DEBUG", "PROTOCOL", "map") == {0: False, 1: True, 2: False}
        assert c.call("DEBUG", "PROTOCOL", "null") is None


def test_active_expiry_can_be_held(one):
    with one.client() as c:
        c.call("FLUSHALL")
        c.call("DEBUG", "SET-ACTIVE-EXPIRE", "0")
        c.call("SET", "k", "v", "PX", "1")
        time.sleep(0.5)
        assert c.call("DBSIZE") == 1
        c.call("DEBUG", "SET-ACTIVE-EXPIRE", "1")
        eventually(lambda: c.call("DBSIZE") == 0, what="the key goes although nobody asks for it")


# ---- WAIT ----------------------------------------------------------------------------------------


def test_wait_counts_followers_that_have_the_writes(three):
    leader = three.leader()
    follower = three.followers()[0]
    with leader.client() as c:
        c.call("SET", "w", "1")
        assert c.call("WAIT", "2", "0") == 2
        assert c.call("WAITAOF", "1", "2", "0") == [1, 2]
        follower.stop()
        try:
            c.call("SET", "w", "2")
            started = time.monotonic()
            assert c.call("WAIT", "1", "0") == 1
            assert c.call("WAIT", "2", "300") == 1
            assert time.monotonic() - started >= 0.3
            assert c.call("WAITAOF", "1", "2", "100") == [1, 1]
            replies = c.pipeline([("MULTI",), ("SET", "w", "3"), ("WAIT", "2", "0"), ("EXEC",)])
            assert replies[3][0] == "OK"  # and it did not block
            c.send("WAIT", "2", "0")
        finally:
            follower.cont()
        assert c.read() == 2
        assert error(c, "WAIT", "1", "-1") == "ERR timeout is negative"
        assert error(c, "WAIT", "1", "x") == "ERR timeout is not an integer or out of range"
        assert error(c, "WAIT", "x", "1") == "ERR value is not an integer or out of range"
    with three.followers()[0].client() as c:
        assert error(c, "WAIT", "1", "0").startswith("ERR WAIT cannot be used with replica instances.")
        assert error(c, "WAITAOF", "1", "1", "0").startswith("ERR WAITAOF cannot be used with replica instances.")


# ---- snapshots, time -----------------------------------------------------------------------------


def test_bgsave_and_bgrewriteaof_take_a_snapshot(one):
    with one.client() as c:
        for command, reply in (
            (("BGSAVE",), "Background saving started"),
            (("BGREWRITEAOF",), "Background append only file rewriting started"),
        ):
            c.call("SET", "s", "1")
            before = int(info(c, "persistence")["rdb_saves"])
            assert c.call(*command) == reply
            eventually(
                lambda before=before: int(info(c, "persistence")["rdb_saves"]) > before
                and info(c, "persistence")["rdb_bgsave_in_progress"] == "0",
                what="a snapshot was written",
            )
        assert info(c, "persistence")["rdb_last_bgsave_status"] == "ok"
        eventually(lambda: info(c, "persistence")["rdb_changes_since_last_save"] == "0", what="nothing is unsaved")
        assert abs(c.call("LASTSAVE") - time.time()) < 60
        assert error(c, "BGSAVE", "BOGUS") == "ERR syntax error"


def test_time(one):
    seconds, micros = (int(x) for x in one.call("TIME"))
    assert abs(seconds - time.time()) < 60 and 0 <= micros < 1_000_000


# ---- SHUTDOWN ------------------------------------------------------------------------------------


def test_a_leader_hands_over_before_it_shuts_down():
    with Cluster() as cluster:
        leader = cluster.leader()
        with leader.client() as c:
            c.call("SET", "k", "v")
            for words in (("BOGUS",), ("SAVE", "NOSAVE"), ("ABORT", "NOW")):
                assert error(c, "SHUTDOWN", *words) == "ERR syntax error"
            assert error(c, "SHUTDOWN", "ABORT") == "ERR No shutdown in progress."
            with pytest.raises(ConnectionClosed):
                c.call("SHUTDOWN")
        assert leader.process.wait(timeout=60) == 0
        leader.process = None
        assert leader.log_has("handing leadership over")
        assert not leader.log_has("not all writes are decided")
        survivor = cluster.leader()
        assert survivor.call("GET", "k") == b"v"
        leader.start()


def test_shutdown_save_leaves_a_fresh_snapshot():
    with Cluster(nodes=1, plain=True) as cluster:
        node = cluster.nodes[0]
        with node.client() as c:
            c.call("SET", "k", "v")
            applied = int(node.group()["applied"])
            with pytest.raises(ConnectionClosed):
                c.call("SHUTDOWN", "SAVE")
        assert node.process.wait(timeout=60) == 0
        node.process = None
        snapshots = [f.name for f in (node.dir / "snapshots").iterdir() if f.name.startswith(f"g1-{applied}-")]
        assert snapshots, "no snapshot at the last index"
        node.start()
        eventually(lambda: node.call("GET", "k") == b"v", what="the key is back")


def test_a_shutdown_that_waits_can_be_aborted():
    """With its followers stopped a leader can neither hand over nor settle the open write."""
    with Cluster(shutdown_timeout=60) as cluster:
        leader = cluster.leader()
        followers = cluster.followers()
        with leader.client() as asker, leader.client() as writer, leader.client() as c:
            for f in followers:
                f.stop()
            writer.send("SET", "k", "v")
            asker.send("SHUTDOWN")
            eventually(lambda: "shutdown_in_milliseconds" in info(c, "server"), what="the shutdown has begun")
            assert c.call("SHUTDOWN", "ABORT") == "OK"
            with pytest.raises(ReplyError) as e:
                asker.read()
            assert e.value.text == "ERR Errors trying to SHUTDOWN. Check logs."
            assert "shutdown_in_milliseconds" not in info(c, "server")
            for f in followers:
                f.cont()
        cluster.wait_serving()
        assert leader.kill(signal.SIGTERM) == 0
        leader.start()


def test_shutdown_now_waits_for_nobody():
    with Cluster(shutdown_timeout=60) as cluster:
        leader = cluster.leader()
        followers = cluster.followers()
        for f in followers:
            f.stop()
        try:
            with leader.client() as writer, Client(leader.port) as c:
                writer.send("SET", "k", "v")
                time.sleep(0.1)
                started = time.monotonic()
                with pytest.raises(ConnectionClosed):
                    c.call("SHUTDOWN", "NOW")
            assert leader.process.wait(timeout=60) == 0
            assert time.monotonic() - started < 20
            leader.process = None
        finally:
            for f in followers:
                f.cont()
