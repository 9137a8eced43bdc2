# SPDX-License-Identifier: BSD-3-Clause
"""Several data groups: the slots are spread over groups, the groups' leaders over the nodes. What is
promised is promised per group: the end of one group's leader is no matter of the others."""

import contextlib
import os
import signal
import time

import pytest

from holdfast import (
    SLOW,
    Cluster,
    ReplyError,
    SlotSession,
    Writers,
    eventually,
    fields,
    info,
    slot_of,
)

EVEN = {1: 1, 2: 2, 3: 3}  # who leads what when all are well: {group: node}
THREE = {"cluster_data_groups": 3, "leader_balance_delay": 300 * SLOW}
# Where a lost leadership would be an error to the test, elections are made rare.
PATIENT = {**THREE, "raft_election_timeout": 1000}


def group_of(key):
    """By the even division of the slots among three groups."""
    return next(g for g in (1, 2, 3) if slot_of(key) < 16384 * g // 3)


def tag_of(group):
    """A hash tag whose slot is of the group."""
    return next(tag for tag in (f"{{t{i}}}" for i in range(1000)) if group_of(tag) == group)


def wait_even(cluster):
    eventually(lambda: cluster.leaders() == EVEN, 30, "each group is led by the node it prefers")


def names(count, prefix="k"):
    return [f"{prefix}:{i}" for i in range(count)]


def scan_all(client, *options):
    cursor, found = b"0", []
    while True:
        cursor, keys = client.call("SCAN", cursor, *options)
        found += keys
        if cursor == b"0":
            return found


@pytest.fixture(scope="module")
def three():
    with Cluster(**PATIENT) as cluster:
        wait_even(cluster)
        yield cluster


@pytest.fixture
def even(three):
    """The shared cluster, empty, every node leading its group."""
    wait_even(three)
    for node in three.nodes:
        node.call("FLUSHALL")
    return three


def set_all(cluster, keys):
    session = SlotSession(cluster)
    for key in keys:
        session.call("SET", key, f"value of {key}")
    session.close()


# ---- who serves what -----------------------------------------------------------------------------


def test_a_new_cluster_spreads_its_leaders_at_once():
    """Not only after the balance delay: the first election of a group is left to its preferred node."""
    with Cluster(cluster_data_groups=3, leader_balance_delay=0, raft_election_timeout=1000) as cluster:
        assert cluster.leaders() == EVEN


def test_every_node_is_a_master_of_its_slots(even):
    nodes = even.by_number()
    ranges = {1: (0, 5460), 2: (5461, 10921), 3: (10922, 16383)}
    for number, node in nodes.items():
        with node.client() as c:
            lines = [line.split() for line in c.call("CLUSTER", "NODES").decode().splitlines()]
            assert len(lines) == 3
            for line in lines:
                assert line[2].split(",")[-1] == "master" and line[3] == "-", line
                assert ("myself" in line[2]) == line[1].startswith(f"127.0.0.1:{node.port}@")
            assert {line[8] for line in lines} == {f"{a}-{b}" for a, b in ranges.values()}
            text = c.call("CLUSTER", "INFO").decode()
            assert "cluster_state:ok" in text and "cluster_size:3" in text and "cluster_slots_ok:16384" in text
            assert c.call("ROLE")[0] == b"master"
            assert c.call("CLUSTER", "REPLICAS", c.call("CLUSTER", "MYID")) == []
            slots = {(r[0], r[1]): [n[1] for n in r[2:]] for r in c.call("CLUSTER", "SLOTS")}
            shards = c.call("CLUSTER", "SHARDS")
        assert set(slots) == set(ranges.values()) and len(shards) == 3
        for group, span in ranges.items():
            # Nobody is named as a replica who is a master: to clients a node has one role.
            assert slots[span] == [nodes[group].port]
            shard = next(s for s in shards if s[1] == list(span))
            members = [dict(zip(m[::2], m[1::2])) for m in shard[3]]
            assert [m[b"role"] for m in members] == [b"master", b"replica", b"replica"]
            assert members[0][b"port"] == nodes[group].port
        assert f"group{number}_follower0" in node.info("raft")


def test_a_key_is_served_by_the_leader_of_its_group(even):
    nodes = even.by_number()
    for key in names(50):
        right = nodes[group_of(key)]
        for node in even.nodes:
            if node is right:
                assert node.call("SET", key, "v") == "OK"
            else:
                with pytest.raises(ReplyError, match=f"^MOVED {slot_of(key)} 127.0.0.1:{right.port}$"):
                    node.call("SET", key, "v")
    # A replica's reads, by the client's wish.
    key, right = "k:0", nodes[group_of("k:0")]
    even.wait_caught_up()
    for node in even.nodes:
        if node is not right:
            with node.client() as c:
                c.call("READONLY")
                assert c.call("GET", key) == b"v"
    with right.client() as c:
        assert c.call("CLUSTER", "COUNTKEYSINSLOT", slot_of(key)) == 1
        assert c.call("CLUSTER", "GETKEYSINSLOT", slot_of(key), 10) == [key.encode()]
    assert len(even.digests()) == 1


def test_a_key_that_is_clear_decides_also_where_other_words_make_no_sense(even):
    """Words that cannot be keys must not hide those that are: the handler looks at these, and would do so in the
    group of another slot."""
    nodes = even.by_number()
    for group, leader in nodes.items():
        key = tag_of(group) + "here"
        calls = {
            ("PFMERGE", key + "merged"): "OK",
            ("GEORADIUS", key, 0, 0, 1, "m", "STORE"): "ERR syntax error",
            ("GEORADIUS", key, 0, 0, 1, "m", "STOREDIST"): "ERR syntax error",
            ("SORT", key, "STORE"): "ERR syntax error",
            ("ZUNIONSTORE", key, 0, key): "ERR at least 1 input key is needed",
            ("ZUNIONSTORE", key, 7, key): "ERR syntax error",
        }
        for words, want in calls.items():
            for node in even.nodes:
                with node.client() as c:
                    reply = c.pipeline([words, ("MULTI",), words, ("EXEC",), ("DISCARD",)])
                    script = [("EVAL", "return redis.pcall(unpack(ARGV))", 1, key, *words)]
                    if node is leader:
                        assert str(reply[0]).startswith(want), (words, reply)
                        assert str(reply[3][0]).startswith(want), (words, reply)
                        assert str(c.pipeline(script)[0]).startswith(want), words
                    else:
                        assert [str(r).split()[0] for r in reply[:3]] == ["MOVED", "OK", "MOVED"], (words, reply)
    assert len(even.digests()) == 1


# ---- commands over the keyspace ------------------------------------------------------------------


def test_commands_over_the_keyspace_are_about_the_slots_of_this_node(even):
    keys = names(600)
    set_all(even, keys)
    for number, node in even.by_number().items():
        own = {k.encode() for k in keys if group_of(k) == number}
        with node.client() as c:
            assert c.call("DBSIZE") == len(own)
            assert set(c.call("KEYS", "*")) == own
            assert sorted(scan_all(c, "COUNT", 7)) == sorted(own)
            assert c.call("RANDOMKEY") in own
            other = next(k for k in keys if group_of(k) != number)
            assert c.call("KEYS", other) == [] and scan_all(c, "MATCH", other) == []
            mine = next(iter(own))
            assert c.call("KEYS", mine) == [mine] and scan_all(c, "MATCH", mine) == [mine]
        assert node.info("keyspace")["db0"].startswith(f"keys={len(own)},")
    nodes = even.by_number()
    assert nodes[2].call("FLUSHALL") == "OK"
    assert [n.call("DBSIZE") for n in nodes.values()] == [sum(group_of(k) == g for k in keys) * (g != 2) for g in EVEN]
    with pytest.raises(ReplyError, match="SWAPDB is not allowed in cluster mode"):
        nodes[1].call("SWAPDB", 0, 1)
    assert len(even.digests()) == 1


def test_a_node_that_leads_two_groups_has_the_keys_of_both(even):
    """And a node that leads none is a replica of the one that leads the first."""
    keys = names(600)
    set_all(even, keys)
    nodes = even.by_number()
    own = {k.encode() for k in keys if group_of(k) in (1, 3)}
    assert nodes[1].call("CLUSTER", "FAILOVER", "GROUP", 3) == "OK"
    eventually(lambda: even.leaders() == {1: 1, 2: 2, 3: 1}, 10, "node 1 leads group 3")
    with nodes[1].client() as c:
        assert c.call("DBSIZE") == len(own)
        assert set(c.call("KEYS", "*")) == own
        found = scan_all(c, "COUNT", 13)
        assert sorted(found) == sorted(own)
        assert {group_of(c.call("RANDOMKEY").decode()) for _ in range(100)} == {1, 3}
        # In a transaction as well, beside keys of one slot.
        c.call("MULTI")
        c.call("SET", tag_of(3) + "x", 1)
        c.call("DBSIZE")
        c.call("KEYS", tag_of(3) + "x")
        c.call("DEL", tag_of(3) + "x")
        assert c.call("EXEC") == ["OK", len(own) + 1, [(tag_of(3) + "x").encode()], 1]
        lines = [line.split() for line in c.call("CLUSTER", "NODES").decode().splitlines()]
        myid = c.call("CLUSTER", "MYID").decode()
        replicas = c.call("CLUSTER", "REPLICAS", myid)
    by_port = {line[1].split("@")[0]: line for line in lines}
    assert by_port[f"127.0.0.1:{nodes[1].port}"][8:] == ["0-5460", "10922-16383"]
    assert by_port[f"127.0.0.1:{nodes[3].port}"][2:4] == ["slave", myid] and len(replicas) == 1
    even.wait_caught_up()
    with nodes[3].client() as c:
        slots = {(r[0], r[1]): [n[1] for n in r[2:]] for r in c.call("CLUSTER", "SLOTS")}
        one, two, replica = (nodes[i].port for i in (1, 2, 3))
        assert slots == {(0, 5460): [one, replica], (5461, 10921): [two, replica], (10922, 16383): [one, replica]}
        assert c.call("ROLE")[0] == b"slave" and c.call("ROLE")[2] == nodes[1].port
        assert c.call("DBSIZE") == len(own)
        assert sorted(scan_all(c)) == sorted(own)
        with pytest.raises(ReplyError, match="^READONLY"):
            c.call("FLUSHALL")
    # A scan goes on where another node leads now: behind what it has seen.
    with nodes[1].client() as c:
        cursor, first = c.call("SCAN", 0, "COUNT", 50)
        assert nodes[3].call("CLUSTER", "FAILOVER", "GROUP", 3) == "OK"
        wait_even(even)
        rest = []
        while cursor != b"0":
            cursor, found = c.call("SCAN", cursor, "COUNT", 50)
            rest += found
        assert {k for k in own if group_of(k.decode()) == 1} <= set(first + rest)
    assert nodes[1].call("FLUSHALL") == "OK"
    assert nodes[1].call("DBSIZE") == 0 and nodes[3].call("DBSIZE") > 0
    assert len(even.digests()) == 1


# ---- transactions, waiting -----------------------------------------------------------------------


def test_a_transaction_belongs_to_the_group_of_its_slot(even):
    nodes = even.by_number()
    for group, node in nodes.items():
        tag, other = tag_of(group), tag_of(group % 3 + 1)
        with node.client() as c, node.client() as rival:
            assert c.call("WATCH", tag + "a") == "OK"
            rival.call("SET", tag + "a", "changed")
            c.call("MULTI")
            c.call("SET", tag + "b", 1)
            assert c.call("EXEC") is None
            # Of another group: it cannot be watched together, nor be written.
            c.call("WATCH", tag + "a")
            with pytest.raises(ReplyError, match="^(CROSSSLOT|MOVED)"):
                c.call("WATCH", other + "a")
            c.call("MULTI")
            with pytest.raises(ReplyError, match="^(CROSSSLOT|MOVED)"):
                c.call("SET", other + "b", 1)
            with pytest.raises(ReplyError, match="^EXECABORT"):
                c.call("EXEC")
            c.call("MULTI")
            c.call("SET", tag + "b", 2)
            c.call("INCR", tag + "b")
            assert c.call("EXEC") == ["OK", 3]
            # No keys at all.
            c.call("MULTI")
            c.call("PING")
            assert c.call("EXEC") == ["PONG"]
    with nodes[1].client() as c:
        c.call("MULTI")
        with pytest.raises(ReplyError, match=f"^MOVED {slot_of(tag_of(2))} 127.0.0.1:{nodes[2].port}$"):
            c.call("GET", tag_of(2))


def test_wait_counts_the_replicas_of_what_the_client_wrote(even):
    nodes = even.by_number()
    assert nodes[1].call("CLUSTER", "FAILOVER", "GROUP", 3) == "OK"
    eventually(lambda: even.leaders() == {1: 1, 2: 2, 3: 1}, 10, "node 1 leads group 3")
    with nodes[1].client() as c:
        assert c.call("WAIT", 2, 5000 * SLOW) == 2
        for tag in (tag_of(1), tag_of(3)):
            c.call("SET", tag, 1)
        assert c.call("WAIT", 2, 5000 * SLOW) == 2
        assert c.call("WAITAOF", 1, 2, 5000 * SLOW) == [1, 2]
        nodes[2].stop()
        c.call("SET", tag_of(1), 2)
        c.call("SET", tag_of(3), 2)
        assert c.call("WAIT", 1, 5000 * SLOW) == 1
        assert c.call("WAIT", 2, 100) == 1
        nodes[2].cont()
        assert c.call("WAIT", 2, 5000 * SLOW) == 2
    with nodes[3].client() as c, pytest.raises(ReplyError, match="^ERR WAIT cannot be used with replica"):
        c.call("WAIT", 0, 0)
    assert nodes[3].call("CLUSTER", "FAILOVER", "GROUP", 3) == "OK"
    wait_even(even)


def test_failover_takes_over_what_the_master_leads(even):
    """And is remembered: the balance does not undo it."""
    nodes = even.by_number()
    with pytest.raises(ReplyError, match="^ERR You should send CLUSTER FAILOVER to a replica"):
        nodes[2].call("CLUSTER", "FAILOVER")
    for words, error in (
        (("GROUP", 4), "^ERR No such group"),
        (("GROUP", 0), "^ERR No such group"),
        (("GROUP", "x"), "^ERR value is not an integer"),
        (("GROUP",), "^ERR syntax error"),
        (("FORCE", "FORCE"), "^ERR syntax error"),
        (("GROUP", 2), "^ERR This node leads the group already"),
    ):
        with pytest.raises(ReplyError, match=error):
            nodes[2].call("CLUSTER", "FAILOVER", *words)
    assert nodes[1].call("CLUSTER", "FAILOVER", "FORCE", "GROUP", 2) == "OK"
    eventually(lambda: even.leaders() == {1: 1, 2: 1, 3: 3}, 10, "node 1 leads group 2")
    time.sleep(2 * 0.3 * SLOW)  # twice the balance delay
    assert even.leaders() == {1: 1, 2: 1, 3: 3}
    assert nodes[2].call("CLUSTER", "FAILOVER") == "OK"
    eventually(lambda: even.leaders() == {1: 2, 2: 2, 3: 3}, 10, "node 2 leads what node 1 led")
    assert nodes[1].call("CLUSTER", "FAILOVER", "GROUP", 1) == "OK"
    wait_even(even)


def test_saving_is_saving_all_groups(even):
    set_all(even, names(100))
    even.wait_caught_up()
    node = even.nodes[0]
    with node.client() as c:
        before = c.call("LASTSAVE")
        time.sleep(1.1)  # LASTSAVE counts in seconds
        assert c.call("BGSAVE") == "Background saving started"
        eventually(lambda: c.call("LASTSAVE") > before, 20, "saved")
    assert node.info("persistence")["rdb_changes_since_last_save"] == "0"
    assert node.info("persistence")["rdb_last_bgsave_status"] == "ok"
    for g in even.groups:
        line = node.group(g)
        assert int(line["snapshot_index"]) == int(line["applied"]) > 1


# ---- faults --------------------------------------------------------------------------------------


@contextlib.contextmanager
def loads(cluster, threads=2):
    """{group: writers of keys of that group}"""
    with contextlib.ExitStack() as stack:
        yield {
            g: stack.enter_context(Writers(cluster, threads=threads, prefix=tag_of(g), session=SlotSession))
            for g in (1, 2, 3)
        }


def test_killing_the_leader_of_one_group_disturbs_no_other():
    with Cluster(**THREE) as cluster, loads(cluster) as writers:
        wait_even(cluster)
        for victim in (2, 1):
            for w in writers.values():
                w.wait_for(300)
                w.longest_gap_s = 0.0
                for s in w.sessions:
                    s.errors.clear()
            unknown = {g: w.unknown for g, w in writers.items()}
            node = cluster.by_number()[victim]
            node.kill()
            writers[victim].wait_for(100)
            for g, w in writers.items():
                if g != victim:
                    w.wait_for(100)
                    assert w.unknown == unknown[g], f"clients of group {g} lost a reply when node {victim} was killed"
                    assert not any(s.errors for s in w.sessions), [s.errors for s in w.sessions]
                    assert w.longest_gap_s < 1.0 * SLOW, f"clients of group {g} waited {w.longest_gap_s:.2f} s"
            node.start()
            wait_even(cluster)
        for w in writers.values():
            w.wait_for(100)
            w.stop()
            assert w.check() > 600
        assert len(cluster.digests()) == 1


def test_killing_all_nodes_loses_nothing_of_any_group():
    with Cluster(**THREE) as cluster, loads(cluster) as writers:
        for _ in range(2):
            for w in writers.values():
                w.wait_for(300)
            for node in cluster.nodes:
                os.kill(node.process.pid, signal.SIGKILL)
            for node in cluster.nodes:
                node.kill()
            cluster.start()
        for w in writers.values():
            w.wait_for(100)
            w.stop()
            w.check()
        assert len(cluster.digests()) == 1


def test_a_restart_in_turn_is_invisible_and_leaders_return():
    """What a rolling upgrade does: each node hands its group over, comes back, and gets it back."""
    with Cluster(**PATIENT) as cluster, loads(cluster, threads=1) as writers:
        wait_even(cluster)
        for number in EVEN:
            for w in writers.values():
                w.wait_for(50)
            node = cluster.by_number()[number]
            assert node.terminate() == 0
            node.start()
            wait_even(cluster)
        for w in writers.values():
            w.wait_for(50)
            w.stop()
            w.check()
            seen = {code for s in w.sessions for code in s.errors}
            assert seen <= {"MOVED"}, seen
        assert len(cluster.digests()) == 1


def test_without_a_balance_delay_leaders_stay_where_they_are():
    with Cluster(cluster_data_groups=3, leader_balance_delay=0) as cluster:
        node = cluster.by_number()[2]
        node.kill()
        eventually(lambda: cluster.find_leader(2), 20, "group 2 has another leader")
        node.start()
        cluster.wait_serving()
        before = cluster.leaders()
        assert before[2] != 2
        time.sleep(1.0)
        assert cluster.leaders() == before
        node.call("CONFIG", "SET", "leader-balance-delay", 100)
        eventually(lambda: cluster.leaders()[2] == 2, 20, "leadership returns once it is asked for")


def test_replies_of_several_groups_that_are_lost_with_their_leader():
    """The leader of both groups executes commands over both while the other nodes hear nothing, and
    then others take over: what it executed is gone. Reads are redirected, and so is a write that
    surely left nothing; of one that changed several groups the client learns that nobody knows."""
    with Cluster(cluster_data_groups=2, leader_balance_delay=0, raft_election_timeout=1000) as cluster:
        keys = names(200)
        set_all(cluster, keys)
        leader = cluster.leader(1)
        if cluster.leader(2) is not leader:
            assert leader.call("CLUSTER", "FAILOVER", "GROUP", 2) == "OK"
            eventually(lambda: cluster.find_leader(2) is leader, 10, "one node leads both")
        others = [n for n in cluster.nodes if n is not leader]
        pings = {g: next(k for k in keys if (slot_of(k) < 8192) == (g == 1)) for g in (1, 2)}
        clients = {w: leader.client() for w in ("DBSIZE", "KEYS", "FLUSHALL", "EXEC")}
        before = int(leader.info("raft")["raft_redirected_replies"])
        with leader.client() as writer, leader.client() as watcher:
            for node in others:
                node.stop()
            # More batches than are ever on their way: what comes behind them does not leave the node.
            for number in range(12):
                for key in pings.values():
                    writer.send("SET", key, number)
                time.sleep(0.005)
            clients["EXEC"].pipeline([("MULTI",), ("SET", pings[1], "gone"), ("DBSIZE",)])
            for w in ("EXEC", "DBSIZE", "FLUSHALL"):
                clients[w].send(w)
            clients["KEYS"].send("KEYS", "*")
            executed = lambda: info_calls(watcher, "flushall") == 1 and info_calls(watcher, "keys") == 1
            eventually(executed, 5, "the commands are executed", step_s=0.005)
            leader.stop()
            for node in others:
                node.cont()
            for g in (1, 2):
                eventually(lambda g=g: cluster.find_leader(g), 20, f"another node leads group {g}")
            leader.cont()
            errors = {}
            for w, c in clients.items():
                with pytest.raises(ReplyError) as caught:
                    c.read()
                errors[w] = caught.value
                c.close()
        assert errors["DBSIZE"].code == errors["KEYS"].code == "MOVED", errors
        assert errors["FLUSHALL"].text.startswith("ERR some slots went to another node"), errors
        assert errors["EXEC"].code in ("MOVED", "ERR"), errors
        assert int(leader.info("raft")["raft_redirected_replies"]) >= before + 4
        # What was redirected was not executed, and here the flush was not either.
        left = sum(n.call("DBSIZE") for n in {cluster.leader(g) for g in (1, 2)})
        assert left == len(keys)
        session = SlotSession(cluster)
        assert session.call("GET", pings[1]) != b"gone"
        session.close()
        assert len(cluster.digests()) == 1


def info_calls(client, command):
    """How often a command was executed on the node of this connection."""
    line = info(client, "commandstats").get(f"cmdstat_{command}", "calls=0")
    return int(fields(line)["calls"])


# ---- forming -------------------------------------------------------------------------------------


def test_nodes_that_disagree_do_not_form():
    cluster = Cluster(start=False, cluster_data_groups=3)
    with cluster:
        cluster.nodes[1].options["cluster-data-groups"] = 2
        for node in cluster.nodes:
            node.start()
        text = f"{cluster.nodes[1].peer_address} (has another cluster-data-groups)"
        eventually(lambda: cluster.nodes[0].log_has(text), 20, "the log says who disagrees")
        assert cluster.nodes[0].info("raft")["raft_formed"] == "0"
        cluster.nodes[1].terminate()
        cluster.nodes[1].options["cluster-data-groups"] = 3
        cluster.nodes[1].start()
        cluster.wait_serving()
        # Once formed the number is history.
        cluster.nodes[1].terminate()
        cluster.nodes[1].options["cluster-data-groups"] = 1
        cluster.nodes[1].start()
        text = "cluster-data-groups 1 has no effect: the cluster was formed with 3"
        eventually(lambda: cluster.nodes[1].log_has(text), 20, "the log says so")
        cluster.wait_serving()


def test_a_plain_cluster_has_one_group():
    cluster = Cluster(nodes=1, plain=True, start=False, cluster_data_groups=2)
    status, text = cluster.nodes[0].run_to_end()
    cluster.close(failed=True)
    assert status != 0 and "cluster-data-groups: 2 need cluster-enabled yes" in text


def test_one_node_can_have_many_groups():
    with Cluster(nodes=1, cluster_data_groups=64) as cluster:
        node = cluster.nodes[0]
        with node.client() as c:
            assert c.call("DEBUG", "POPULATE", 5000) == "OK"
            assert c.call("DBSIZE") == 5000
            assert len(set(scan_all(c, "COUNT", 100))) == 5000
            assert len(c.call("CLUSTER", "SLOTS")) == 64
        node.kill()
        node.start()
        cluster.wait_serving()
        assert node.call("DBSIZE") == 5000
        assert node.call("FLUSHALL") == "OK"
        assert node.call("DBSIZE") == 0
