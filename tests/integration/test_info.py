# SPDX-License-Identifier: BSD-3-Clause
"""INFO: the fields of Redis 7.0 with the right types, and figures that move as they should."""

import pathlib
import re
import time

import pytest

from holdfast import Cluster, ReplyError, eventually, fields, info
from loads import skip_without_jemalloc

TABLE = pathlib.Path(__file__).parents[1] / "data" / "recordings" / "info-fields.tsv"

# What exists here as well, but is not counted (docs/info.md): left out rather than shown as zero.
NOT_COUNTED = {
    "redis_build_id", "mem_cluster_links", "lazyfreed_objects", "current_cow_peak", "current_cow_size",
    "current_cow_size_age", "rdb_last_cow_size", "rdb_last_load_keys_expired",
    "aof_rewrites_consecutive_failures", "aof_last_cow_size", "aof_pending_bio_fsync", "aof_delayed_fsync",
    "instantaneous_input_repl_kbps", "instantaneous_output_repl_kbps", "sync_full", "sync_partial_ok",
    "sync_partial_err", "reply_buffer_shrinks", "reply_buffer_expands",
}  # fmt: skip

PATTERNS = {
    "int": r"-?\d+",
    "string": r".*",
    "decimal2": r"-?\d+\.\d\d",
    "decimal2%": r"\d+\.\d\d%",
    "decimal6": r"\d+\.\d{6}",
}


@pytest.fixture(scope="module")
def cluster():
    with Cluster(raft_election_timeout=1000) as c:
        yield c


@pytest.fixture(scope="module")
def leader(cluster):
    return cluster.leader()


def sections(text):
    """{section in lower case: {field: value}} in order."""
    out = {}
    for line in text.decode().split("\r\n"):
        if line.startswith("# "):
            out[line[2:].lower()] = current = {}
        elif line:
            name, value = line.split(":", 1)
            assert name not in current, f"{name} twice"
            current[name] = value
    return out


def table():
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    names = lines[0].split("\t")
    return [dict(zip(names, line.split("\t"))) for line in lines[1:]]


def check(row, value):
    """A value of the table's type."""
    name = row["field"]
    if row["type"] == "kv-list":
        parts = row["subfields"].replace("(valkey only)", "").split(",")
        got = [part for part in fields(value) if part != "subexpiry"]  # of Redis 7.4
        assert got == [p for p in parts if p in got] and set(parts) - set(got) <= {"type"}, (name, value)
    else:
        assert re.fullmatch(PATTERNS[row["type"]], value), (name, row["type"], value)
    if "|" in row["values"] and " " not in row["values"]:
        assert value in row["values"].split("|"), (name, value)


@pytest.mark.parametrize("of_follower", [False, True])
def test_all_fields_of_redis_are_there_with_their_types(cluster, leader, of_follower):
    with leader.client() as c:
        c.call("SET", "k", "v", "EX", "1000")
        with pytest.raises(ReplyError):
            c.call("NOSUCH")
    cluster.wait_caught_up()
    node = cluster.followers()[0] if of_follower else leader
    with node.client() as c:
        with pytest.raises(ReplyError):
            c.call("NOSUCH")
        got = sections(c.call("INFO"))
    rows = table()
    assert len(rows) > 200
    missing = []
    for row in rows:
        section = got[row["section"]]
        name = row["field"]
        pattern = re.compile(re.sub(r"<\w+>|%d", lambda m: r"\d+" if m[0] == "%d" else r"\w+", name))
        found = [value for field, value in section.items() if pattern.fullmatch(field)]
        for value in found:
            check(row, value)
        absent = {
            "while loading", "shutdown pending", "one per loaded module", "role slave, sync transfer running",
            "role slave, link not connected", "min-replicas-to-write and min-replicas-max-lag both non-zero",
        } | ({"one per connected replica"} if of_follower else {"role slave"})  # fmt: skip
        if row["condition"] in absent or name in NOT_COUNTED:
            assert not found, f"{name} is there: the test is out of date"
        elif not found:
            missing.append(f"{row['section']}: {name}")
    assert not missing, missing


def test_fields_stand_in_the_order_of_redis(leader):
    got = sections(leader.call("INFO"))
    for section in got:
        order = [row["field"] for row in table() if row["section"] == section and "%" not in row["field"]]
        ours = [name for name in got[section] if name in order]
        # Where the table and this order differ is a matter of versions: both begin alike.
        assert ours[:3] == [name for name in order if name in ours][:3], section


def test_who_this_is(cluster, leader):
    with leader.client() as c:
        i = info(c)
        assert i["redis_mode"] == "cluster" and i["cluster_enabled"] == "1"
        assert i["redis_version"] == "7.0.15" and i["server_name"] == "holdfast"
        assert i["tcp_port"] == str(leader.port) and i["process_id"] == str(leader.process.pid)
        assert re.fullmatch(r"[0-9a-f]{40}", i["run_id"])
        assert abs(int(i["server_time_usec"]) / 1e6 - time.time()) < 60
        assert i["executable"].endswith("/holdfast-server") and i["arch_bits"] == "64"
        assert i["raft_node_id"] == c.call("CLUSTER", "MYID").decode()
    ids = {n.info("server")["run_id"] for n in cluster.nodes}
    assert len(ids) == 3


def test_connections_and_commands_are_counted(leader):
    with leader.client() as c:
        before = info(c, "stats")
        clients = int(info(c, "clients")["connected_clients"])
        with leader.client() as other:
            other.call("SET", "counted", "x" * 1000)
            assert other.call("GET", "counted") == b"x" * 1000
            other.call("GET", "not there")
            with pytest.raises(ReplyError):
                other.call("INCR", "counted")
            after = info(c, "stats")
            assert int(info(c, "clients")["connected_clients"]) == clients + 1

            def more(name):
                return int(after[name]) - int(before[name])

            assert more("total_connections_received") == 1
            assert 4 <= more("total_commands_processed") <= 10
            assert more("keyspace_hits") == 1 and more("keyspace_misses") == 1
            assert more("total_error_replies") == 1
            assert 1000 < more("total_net_input_bytes") < 5000 and more("total_net_output_bytes") > 1000
            assert more("total_reads_processed") >= 5 and more("total_writes_processed") >= 5
        eventually(lambda: int(info(c, "clients")["connected_clients"]) == clients, what="it is gone")


def test_rates_rise_and_fall(leader):
    with leader.client() as c:

        def busy():
            c.pipeline([("SET", f"rate:{i}", "x" * 100) for i in range(500)])
            i = info(c, "stats")
            return int(i["instantaneous_ops_per_sec"]) > 200 and float(i["instantaneous_input_kbps"]) > 10

        eventually(busy, what="the rate shows the load")
        eventually(lambda: int(info(c, "stats")["instantaneous_ops_per_sec"]) < 200, what="and its end")


def test_memory_follows_the_data(leader):
    with leader.client() as c:
        before = info(c, "memory")
        skip_without_jemalloc(before)
        for i in range(20):
            c.call("SET", f"{{m}}:{i}", "x" * 500_000)
        full = info(c, "memory")
        assert int(full["used_memory"]) - int(before["used_memory"]) > 10_000_000
        assert int(full["used_memory_dataset"]) - int(before["used_memory_dataset"]) > 9_000_000
        assert int(full["used_memory_peak"]) >= int(full["used_memory"])
        assert int(full["used_memory_rss"]) > 10_000_000
        assert int(full["used_memory_overhead"]) + int(full["used_memory_dataset"]) == int(full["used_memory"])
        assert full["used_memory_human"].endswith("M")
        c.call("UNLINK", *(f"{{m}}:{i}" for i in range(20)))
        eventually(
            lambda: int(info(c, "memory")["used_memory_dataset"]) < int(full["used_memory_dataset"]) - 9_000_000,
            what="the memory is free",
        )
        assert int(info(c, "memory")["used_memory_peak"]) >= int(full["used_memory"])


def test_keyspace_and_expired_keys(leader):
    with leader.client() as c:
        c.call("FLUSHALL")
        assert info(c, "keyspace") == {}
        before = int(info(c, "stats")["expired_keys"])
        c.pipeline([("SET", f"e:{i}", "v", "PX", "20") for i in range(50)])
        c.pipeline([("SET", f"s:{i}", "v") for i in range(5)] + [("SET", "t", "v", "EX", "500")])
        eventually(lambda: info(c, "stats")["expired_keys"] == str(before + 50), what="all have been counted")
        db = fields(info(c, "keyspace")["db0"])
        assert (db["keys"], db["expires"]) == ("6", "1") and 400_000 < int(db["avg_ttl"]) <= 500_000


def test_hashes_with_times_and_expired_fields(leader):
    """As in Redis 7.4: keys that have something to expire within them, and fields that have expired, by the clock
    and by who came too late for them."""
    with leader.client() as c:
        c.call("FLUSHALL")
        c.pipeline([("HSET", f"h:{i}", "f", "v", "g", "v") for i in range(30)])
        assert fields(info(c, "keyspace")["db0"])["subexpiry"] == "0"
        before = int(info(c, "stats")["expired_subkeys"])
        c.call("HSETEX", "later", "EX", "1000", "FIELDS", "1", "f", "v")
        c.pipeline([("HPEXPIRE", f"h:{i}", "50", "FIELDS", "1", "f") for i in range(20)])
        assert int(fields(info(c, "keyspace")["db0"])["subexpiry"]) > 1
        eventually(lambda: info(c, "stats")["expired_subkeys"] == str(before + 20), what="all have been counted")
        assert fields(info(c, "keyspace")["db0"])["subexpiry"] == "1"
        c.call("DEBUG", "SET-ACTIVE-EXPIRE", "0")
        try:
            c.call("HPEXPIRE", "h:25", "1", "FIELDS", "2", "f", "g")
            time.sleep(0.005)
            assert info(c, "stats")["expired_subkeys"] == str(before + 20)
            assert c.call("HDEL", "h:25", "f", "g") == 0
            assert info(c, "stats")["expired_subkeys"] == str(before + 22)
        finally:
            c.call("DEBUG", "SET-ACTIVE-EXPIRE", "1")
        c.call("CONFIG", "RESETSTAT")
        assert info(c, "stats")["expired_subkeys"] == "0"


def test_scripts_that_make_up_codes_do_not_hide_other_errors(leader):
    """As Valkey 8: 128 codes, and all others together; those of the server have their own in any case."""
    with leader.client() as c:
        c.call("CONFIG", "RESETSTAT")
        c.pipeline([("EVAL", "return {err='C' .. ARGV[1] .. ' x'}", "0", str(n)) for n in range(300)])
        c.call("SET", "text", "x")
        errors = (
            ("LPUSH", "text", "x"),
            ("NOSUCH",),
            ("EVAL", "return {err='x'}", "0"),
            ("EVAL", "return {err='A:b x'}", "0"),
            ("DEBUG", "ERROR", ""),
        )
        for words in errors:
            with pytest.raises(ReplyError):
                c.call(*words)
        codes = {f"errorstat_C{n}": "count=1" for n in range(128)}
        rest = {"errorstat_WRONGTYPE": "count=1", "errorstat_ERR": "count=3"}
        assert info(c, "errorstats") == codes | rest | {"errorstat_ERRORSTATS_OVERFLOW": "count=173"}
        assert info(c, "stats")["total_error_replies"] == "305"
        c.call("CONFIG", "RESETSTAT")
        with pytest.raises(ReplyError):
            c.call("EVAL", "return {err='A:b x'}", "0")
        assert info(c, "errorstats") == {"errorstat_A_b": "count=1"}


def test_errors_and_commands_by_name(leader):
    with leader.client() as c:
        c.call("CONFIG", "RESETSTAT")
        for words in (("INCR",), ("NOSUCH",), ("CLIENT", "KILL", "ID", "x")):
            with pytest.raises(ReplyError):
                c.call(*words)
        for words in (("EXEC",), ("MGET", "a", "b")):
            with pytest.raises(ReplyError):
                c.call(*words)
        c.pipeline([("SET", "one", i) for i in range(10)])
        i = info(c, "everything")
        assert i["errorstat_ERR"] == "count=4" and i["errorstat_CROSSSLOT"] == "count=1"
        assert i["total_error_replies"] == "5"
        assert fields(i["cmdstat_set"])["calls"] == "10" and float(fields(i["cmdstat_set"])["usec_per_call"]) > 0
        assert fields(i["cmdstat_mget"])["rejected_calls"] == "1" and fields(i["cmdstat_mget"])["calls"] == "0"
        assert fields(i["cmdstat_client|kill"])["failed_calls"] == "1"


def test_blocked_clients_and_buffers(cluster, leader):
    follower = cluster.followers()[0]
    with leader.client() as c, leader.client() as waiting:
        follower.stop()
        try:
            waiting.call("SET", "blocked", "v")
            waiting.send("WAIT", "2", "60000")
            eventually(
                lambda: (info(c, "clients")["blocked_clients"], info(c, "clients")["clients_in_timeout_table"])
                == ("1", "1"),
                what="it is seen to wait",
            )
        finally:
            follower.cont()
        assert waiting.read() == 2
        assert info(c, "clients")["blocked_clients"] == "0"
        c.call("GET", "x" * 50_000)
        c.call("ECHO", "y" * 70_000)
        i = info(c, "clients")
        assert int(i["client_recent_max_input_buffer"]) >= 50_000
        assert int(i["client_recent_max_output_buffer"]) >= 70_000


def test_a_stopped_follower_is_seen_to_lag_and_to_return(cluster, leader):
    """By its own offsets, and by what the leader knows of it."""
    victim = cluster.followers()[0]
    with leader.client() as c:

        def slaves():
            i = info(c, "replication")
            return [fields(i[f"slave{n}"]) for n in range(int(i["connected_slaves"]))]

        def in_raft():
            i = info(c, "raft")
            every = [fields(i[f"group1_follower{n}"]) for n in range(2)]
            return next(f for f in every if f["port"] == str(victim.port))

        eventually(lambda: len(slaves()) == 2, what="both followers are connected")
        eventually(lambda: in_raft()["lag"] == "0", what="no lag at rest")
        victim.stop()
        try:
            for i in range(100):
                c.call("SET", "lagging", i)
            eventually(lambda: int(in_raft()["lag"]) >= 100, what="the lag shows")
            eventually(lambda: int(in_raft()["heard_ms"]) > 1000, what="its silence shows")
            offset = int(info(c, "replication")["master_repl_offset"])
            mine = [s for s in slaves() if s["port"] == str(victim.port)]
            assert not mine or int(mine[0]["offset"]) <= offset - 100
        finally:
            victim.cont()
        eventually(lambda: in_raft()["lag"] == "0" and int(in_raft()["heard_ms"]) < 1000, what="it has caught up")
        eventually(lambda: len(slaves()) == 2 and all(s["state"] == "online" for s in slaves()), what="both online")
        assert int(info(c, "replication")["master_repl_offset"]) >= offset
    i = victim.info("replication")
    assert (i["role"], i["master_link_status"], i["slave_read_only"]) == ("slave", "up", "1")
    eventually(
        lambda: victim.info("replication")["slave_repl_offset"] == leader.info("replication")["master_repl_offset"],
        what="the same offset",
    )


def test_a_dead_leader_leaves_the_link_down_until_there_is_another():
    with Cluster() as cluster:
        leader = cluster.leader()
        a, b = cluster.followers()
        b.stop()  # no majority: nobody can be elected
        leader.kill()
        eventually(lambda: a.info("replication")["master_link_status"] == "down", what="the link is down")
        i = a.info("replication")
        assert i["role"] == "slave" and int(i["master_link_down_since_seconds"]) >= 0
        b.cont()
        new = cluster.leader()
        other = b if new is a else a
        eventually(lambda: other.info("replication")["master_port"] == str(new.port), what="it follows the new one")
        i = other.info("replication")
        assert i["master_link_status"] == "up" and "master_link_down_since_seconds" not in i
        assert new.info("replication")["role"] == "master"
        leader.start()


RAFT = {
    "raft_node", "raft_node_id", "raft_cluster_id", "raft_feature_level", "raft_formed",
    "raft_waiting_for", "raft_appendfsync", "raft_groups", "group0", "group1", "raft_batches", "raft_batch_bytes",
    "raft_batch_bytes_max", "raft_gated_replies",
    "raft_lease_waits", "raft_redirected_replies", "raft_rebuilds", "log_bytes", "log_segments",
    "log_written_bytes", "log_full", "log_syncs", "log_last_sync_time", "log_last_sync_ms_ago",
    "log_sync_usec_last", "log_sync_usec_max", "log_sync_usec_avg", "peer0", "peer1",
}  # fmt: skip
GROUP = [
    "role", "state", "term", "leader", "commit", "applied", "last", "persisted", "lease_ms", "uncommitted_bytes",
    "log_bytes", "snapshot_index", "snapshot_term", "snapshot_bytes", "snapshot_age_s", "voters", "change_pending",
    "transferring", "tail_suspect", "rebuilds", "preferred",
]  # fmt: skip
FOLLOWER = ["node", "ip", "port", "voter", "state", "match", "lag", "heard_ms"]
PEER = ["node", "ip", "port", "connected", "since", "sent_bytes", "received_bytes", "queued_bytes",
        "messages_dropped"]


def test_the_raft_section_is_complete(cluster, leader):
    for node in cluster.nodes:
        i = node.info("raft")
        leads = {f"group{g}" for g in (0, 1) if fields(i[f"group{g}"])["role"] == "leader"}
        followers = {f"{g}_follower{n}" for g in leads for n in (0, 1)}
        assert set(i) == RAFT | followers
        assert ("group1" in leads) == (node is leader)
        for name in ("group0", "group1"):
            g = fields(i[name])
            assert list(g) == GROUP
            numbers = {k: int(v) for k, v in g.items() if k not in ("role", "state")}
            assert numbers["term"] >= 1 and numbers["voters"] == 3 and numbers["leader"] in (1, 2, 3)
            assert numbers["applied"] <= numbers["commit"] <= numbers["last"]
            assert g["state"] == ("serving" if name in leads else "following")
            assert (numbers["lease_ms"] > 0) == (name in leads)
        assert all(list(fields(i[f])) == FOLLOWER for f in followers)
        peers = [fields(i[f"peer{n}"]) for n in range(2)]
        assert all(list(p) == PEER and p["connected"] == "1" and int(p["sent_bytes"]) > 0 for p in peers)
        ports = {str(n.peer_port) for n in cluster.nodes if n is not node}
        assert {p["port"] for p in peers} == ports
        text = [k for k in i if k.startswith(("raft_", "log_")) and k not in (
            "raft_node_id", "raft_cluster_id", "raft_waiting_for", "raft_appendfsync",
        )]  # fmt: skip
        assert all(re.fullmatch(r"-?\d+", i[k]) for k in text)
    assert len({n.info("raft")["raft_cluster_id"] for n in cluster.nodes}) == 1


def test_the_raft_section_counts_writes(leader):
    with leader.client() as c:
        before = info(c, "raft")
        for i in range(20):
            c.call("SET", "r", i)
        names = ("raft_batches", "raft_batch_bytes", "raft_gated_replies", "log_written_bytes", "log_syncs")
        # Figures of other threads come a little later.
        eventually(
            lambda: all(int(v) > int(before[k]) for k, v in info(c, "raft").items() if k in names)
            and int(fields(info(c, "raft")["group1"])["commit"]) >= int(fields(before["group1"])["commit"]) + 20,
            what="all of it is counted",
        )
        after = info(c, "raft")
        a, b = fields(before["group1"]), fields(after["group1"])
        assert int(b["commit"]) == int(a["commit"]) + 20 and b["term"] == a["term"]
        assert int(after["log_last_sync_ms_ago"]) < 60_000
        assert 0 < int(after["log_sync_usec_avg"]) <= int(after["log_sync_usec_max"])


def test_persistence_tells_of_snapshots(leader):
    with leader.client() as c:
        for i in range(10):
            c.call("SET", "s", i)
        before = info(c, "persistence")
        assert int(before["rdb_changes_since_last_save"]) >= 10 and before["loading"] == "0"
        assert c.call("BGSAVE") == "Background saving started"
        eventually(lambda: int(info(c, "persistence")["rdb_saves"]) == int(before["rdb_saves"]) + 1, what="it is done")
        eventually(lambda: info(c, "persistence")["rdb_bgsave_in_progress"] == "0", what="and nothing is under way")
        after = info(c, "persistence")
        assert after["rdb_last_bgsave_status"] == "ok"
        assert abs(int(after["rdb_last_save_time"]) - time.time()) < 60
        changes = int(before["rdb_changes_since_last_save"])
        eventually(lambda: int(info(c, "persistence")["rdb_changes_since_last_save"]) < changes, what="less is unsaved")
        i = info(c, "stats")
        assert int(i["total_forks"]) >= 1 and int(i["latest_fork_usec"]) > 0


def test_cpu_time_passes(leader):
    with leader.client() as c:
        before = float(info(c, "cpu")["used_cpu_user_main_thread"])
        c.call("DEBUG", "POPULATE", "100000", "cpu", "10")
        after = info(c, "cpu")
        assert float(after["used_cpu_user_main_thread"]) > before
        # How the system splits a time in user and system is an estimate of its own for thread and process.
        whole = float(after["used_cpu_user"]) + float(after["used_cpu_sys"])
        thread = float(after["used_cpu_user_main_thread"]) + float(after["used_cpu_sys_main_thread"])
        assert whole + 0.05 >= thread
        c.call("FLUSHALL")


# ---- all fields that there are ---------------------------------------------------------------------

FACTS = TABLE.parent / "info-facts.tsv"
MANUAL = pathlib.Path(__file__).parents[2] / "docs" / "info.md"
# Fields with a condition that is not met in this test.
NOT_NOW = (
    "loading|shutdown|module|sync transfer|not connected|role slave|connected replica|min-replicas|aof|client|"
    "slave|error"
)


def field_pattern(name):
    return re.compile("".join(r"\d+" if p == "%d" else ".+" if p.startswith("<") else re.escape(p)
                              for p in re.split(r"(%d|<\w+>)", name)))  # fmt: skip


def test_every_field_is_there_or_the_manual_says_why_not(leader):
    lines = FACTS.read_text(encoding="utf-8").splitlines()
    rows = [dict(zip(lines[0].split("\t"), line.split("\t"))) for line in lines[1:]]
    assert len(rows) > 250
    absent = set()
    for line in MANUAL.read_text().split("## Fields that are not here")[1].splitlines():
        if line.startswith("| `"):
            absent |= set(re.findall(r"`([^`]+)`", line.split("|")[1]))
    with leader.client() as c:
        with pytest.raises(ReplyError):
            c.call("NOSUCH")
        c.call("SET", "k", "v")
        have = set().union(*sections(c.call("INFO", "everything")).values())
        have |= {line.split(":")[0] for line in c.call("CLUSTER", "INFO").decode().split("\r\n") if line}
    lost = []
    for row in rows:
        pattern = field_pattern(row["field"])
        found = any(pattern.fullmatch(name) for name in have)
        if found:
            assert row["field"] not in absent, f"{row['field']} is there after all"
        elif row["field"] not in absent and not re.search(NOT_NOW, row["condition"]):
            lost.append((row["section"], row["field"], row["condition"]))
    assert not lost, lost


def test_listeners_watchers_and_waiting_clients(leader):
    with leader.client() as c, leader.client() as watching, leader.client() as waiting:
        assert info(c, "server")["listener0"] == f"name=tcp,bind=127.0.0.1,port={leader.port}"
        watching.call("WATCH", "{w}1")
        watching.call("WATCH", "{w}2")
        waiting.send("BLPOP", "{w}3", "{w}4", "100")
        names = ("watching_clients", "total_watched_keys", "total_blocking_keys", "clients_in_timeout_table")
        eventually(lambda: [info(c, "clients")[n] for n in names] == ["1", "2", "2", "1"], what="they are counted")
        c.call("RPUSH", "{w}4", "x")
        assert waiting.read() == [b"{w}4", b"x"]
        watching.call("UNWATCH")
        assert [info(c, "clients")[n] for n in names] == ["0", "0", "0", "0"]
        c.call("CONFIG", "SET", "client-output-buffer-limit", "normal 10000 0 0")
        try:
            before = int(info(c, "stats")["client_output_buffer_limit_disconnections"])
            with leader.client() as greedy:
                greedy.send("ECHO", "x" * 100000)
                eventually(
                    lambda: int(info(c, "stats")["client_output_buffer_limit_disconnections"]) == before + 1,
                    what="the client was closed",
                )
        finally:
            c.call("CONFIG", "SET", "client-output-buffer-limit", "normal 0 0 0")
