# SPDX-License-Identifier: BSD-3-Clause
"""MULTI, EXEC, DISCARD and WATCH on real nodes, in both modes."""

import threading
import time

import pytest

from holdfast import Client, Cluster, ConnectionClosed, ReplyError, eventually, info

OK, QUEUED = "OK", "QUEUED"
ABORTED = "EXECABORT Transaction discarded because of previous errors."
CROSSSLOT = "CROSSSLOT Keys in request don't hash to the same slot"


# These tests talk to one leader: it should not change because the machine is busy.
@pytest.fixture(scope="module")
def plain():
    with Cluster(plain=True, raft_election_timeout=1000) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def clustered():
    with Cluster(raft_election_timeout=1000) as cluster:
        yield cluster


def run(client, *lines):
    """Commands in one write; errors as their text."""
    replies = client.pipeline([line.split(" ") for line in lines])
    return [r.text if isinstance(r, ReplyError) else r for r in replies]


# ---- the queue -----------------------------------------------------------------------------------


def test_exec_runs_all_and_errors_do_not_stop_it(plain):
    with plain.leader().client() as c:
        replies = run(c, "SET t x", "MULTI", "SET a 1", "INCR t", "INCR a", "GET a", "EXEC")
        assert replies[:6] == [OK, OK] + 4 * [QUEUED]
        ok, error, two, value = replies[6]
        assert (ok, two, value) == (OK, 2, b"2")
        assert error.text == "ERR value is not an integer or out of range"
        assert run(c, "MULTI", "EXEC") == [OK, []]


def test_refused_commands_abort_the_transaction(plain):
    with plain.leader().client() as c:
        for bad, text in (
            ("NOSUCH x", "ERR unknown command 'NOSUCH', with args beginning with: 'x' "),
            ("SET a", "ERR wrong number of arguments for 'set' command"),
            ("CONFIG NOSUCH", "ERR unknown subcommand 'NOSUCH'. Try CONFIG HELP."),
            ("SHUTDOWN", "ERR Command not allowed inside a transaction"),
        ):
            replies = run(c, "SET a old", "MULTI", "SET a new", bad, "GET a", "EXEC", "GET a", "EXEC")
            assert replies == [OK, OK, QUEUED, text, QUEUED, ABORTED, b"old", "ERR EXEC without MULTI"]


def test_nesting_is_an_error_that_spoils_nothing(plain):
    with plain.leader().client() as c:
        assert run(c, "MULTI", "MULTI", "SET n 1", "EXEC") == [
            OK,
            "ERR MULTI calls can not be nested",
            QUEUED,
            [OK],
        ]
        assert run(c, "MULTI", "WATCH n", "GET n", "EXEC") == [
            OK,
            "ERR WATCH inside MULTI is not allowed",
            QUEUED,
            [b"1"],
        ]
        assert run(c, "MULTI", "MULTI x", "EXEC") == [
            OK,
            "ERR wrong number of arguments for 'multi' command",
            ABORTED,
        ]


def test_exec_that_is_refused_itself_ends_the_transaction(plain):
    text = "EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command"
    with plain.leader().client() as c:
        assert run(c, "SET e old", "MULTI", "SET e new", "EXEC x", "GET e", "EXEC") == [
            OK,
            OK,
            QUEUED,
            text,
            b"old",
            "ERR EXEC without MULTI",
        ]
        assert run(c, "EXEC x") == [text]


def test_discard_forgets_queue_and_watches(plain):
    with plain.leader().client() as c, plain.leader().client() as other:
        assert run(c, "DISCARD") == ["ERR DISCARD without MULTI"]
        assert run(c, "SET d 1", "WATCH d", "MULTI", "SET d 2", "DISCARD", "GET d") == [
            OK,
            OK,
            OK,
            QUEUED,
            OK,
            b"1",
        ]
        other.call("SET", "d", "3")
        assert run(c, "MULTI", "GET d", "EXEC") == [OK, QUEUED, [b"3"]]


def test_reset_and_a_closed_connection_forget_it_too(plain):
    leader = plain.leader()
    with leader.client() as c:
        assert run(c, "SET r 1", "MULTI", "SET r 2", "RESET", "EXEC", "GET r") == [
            OK,
            OK,
            QUEUED,
            "RESET",
            "ERR EXEC without MULTI",
            b"1",
        ]
        with leader.client() as gone:
            run(gone, "MULTI", "SET r 3")
        assert run(c, "GET r") == [b"1"]
        with leader.client() as quitter:
            assert run(quitter, "MULTI", "SET r 4", "QUIT") == [OK, QUEUED, OK]
            with pytest.raises(ConnectionClosed):
                quitter.call("EXEC")
        assert run(c, "GET r") == [b"1"]


def test_select_in_a_transaction_holds_after_it(plain):
    with plain.leader().client() as c:
        replies = run(c, "SET s zero", "MULTI", "SELECT 3", "SET s three", "SELECT 99", "GET s", "EXEC", "GET s")
        assert replies[6][:2] == [OK, OK] and replies[6][3] == b"three"
        assert replies[6][2].text == "ERR DB index is out of range"
        assert replies[7] == b"three"
        assert run(c, "SELECT 0", "GET s") == [OK, b"zero"]


def test_a_transaction_is_one_entry_of_the_log(plain):
    """Its effects are applied at once: a follower never shows half of it."""
    leader = plain.leader()
    follower = plain.followers()[0]
    stop = threading.Event()
    torn = []

    def watch():
        with Client(follower.port) as c:
            while not stop.is_set():
                a, b = c.call("MGET", "one", "two")
                if a != b:
                    torn.append((a, b))

    thread = threading.Thread(target=watch, daemon=True)
    with leader.client() as c:
        run(c, "MSET one 0 two 0")
        before = int(leader.group()["last"])
        run(c, "MULTI", "INCR one", "INCR two", "EXEC")
        assert int(leader.group()["last"]) == before + 1
        plain.wait_caught_up()
        thread.start()
        for _ in range(300):
            run(c, "MULTI", "INCR one", "INCR two", "EXEC")
    stop.set()
    thread.join(30)
    assert not torn


def test_a_big_transaction(plain):
    with plain.leader().client() as c:
        n = 20000
        replies = c.pipeline([("MULTI",)] + [("SET", f"big:{i}", i) for i in range(n)] + [("EXEC",)])
        assert replies[-1] == n * [OK]
        assert c.call("GET", f"big:{n - 1}") == b"%d" % (n - 1)
    assert len(plain.digests()) == 1


def test_clients_are_shown_as_in_a_transaction(plain):
    with plain.leader().client() as c, plain.leader().client() as other:
        run(c, "CLIENT SETNAME txn", "WATCH a", "MULTI", "GET a", "GET b")
        (line,) = [x for x in other.call("CLIENT", "LIST").decode().splitlines() if "name=txn" in x]
        assert " flags=x " in line and " multi=2 " in line and " watch=1 " in line
        other.call("SET", "a", "9")
        (line,) = [x for x in other.call("CLIENT", "LIST").decode().splitlines() if "name=txn" in x]
        assert " flags=xd " in line


# ---- WATCH ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    ["SET w 2", "DEL w", "APPEND w x", "EXPIRE w 100", "RENAME w w2", "FLUSHDB", "FLUSHALL", "SWAPDB 0 1"],
)
def test_a_change_of_a_watched_key_fails_exec(plain, change):
    with plain.leader().client() as c, plain.leader().client() as other:
        run(c, "SET w 1", "WATCH w v", "GET w")
        run(other, change)
        assert run(c, "MULTI", "SET w mine", "EXEC")[2] is None
        assert run(c, "MULTI", "SET w mine", "EXEC")[2] == [OK]  # the watch went with EXEC
        if change.startswith("SWAPDB"):
            run(other, "SWAPDB 0 1")


@pytest.mark.parametrize("change", ["SET other 2", "GET w", "EXPIRE nosuch 5", "DEL nosuch", "SETNX w 5", "PERSIST w"])
def test_what_changes_nothing_watched_lets_exec_run(plain, change):
    with plain.leader().client() as c, plain.leader().client() as other:
        run(c, "SET w 1", "WATCH w")
        run(other, change, "SELECT 1", "SET w 7")  # nor the same name in another database
        assert run(c, "MULTI", "GET w", "EXEC")[2] == [b"1"]


def test_own_changes_and_unwatch(plain):
    with plain.leader().client() as c, plain.leader().client() as other:
        assert run(c, "SET w 1", "WATCH w", "SET w 2", "MULTI", "GET w", "EXEC")[5] is None
        run(c, "WATCH w")
        other.call("SET", "w", "3")
        assert run(c, "UNWATCH", "MULTI", "GET w", "EXEC")[3] == [b"3"]
        assert run(c, "WATCH nosuch")[0] == OK
        other.call("SET", "nosuch", "made")
        assert run(c, "MULTI", "GET w", "EXEC")[2] is None
        run(c, "DEL nosuch")


def test_expiry_of_a_watched_key_fails_exec(plain):
    leader = plain.leader()
    with leader.client() as c:
        run(c, "SET w 1 PX 30", "WATCH w")
        time.sleep(0.06)
        assert run(c, "MULTI", "GET w", "EXEC")[2] is None
        run(c, "DEBUG SET-ACTIVE-EXPIRE 0", "SET w 1 PX 1")
        time.sleep(0.02)
        # Expired already when it was watched, only not removed yet: that is no change.
        assert run(c, "WATCH w", "MULTI", "SET w 2", "EXEC")[3] == [OK]
        run(c, "DEBUG SET-ACTIVE-EXPIRE 1")


def test_optimistic_locking_loses_no_increment(plain):
    leader = plain.leader()
    leader.call("SET", "counter", "0")
    done = []

    def add(times):
        with Client(leader.port) as c:
            for _ in range(times):
                while True:
                    c.call("WATCH", "counter")
                    value = int(c.call("GET", "counter"))
                    if run(c, "MULTI", f"SET counter {value + 1}", "EXEC")[2] is not None:
                        done.append(1)
                        break

    threads = [threading.Thread(target=add, args=(60,), daemon=True) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert len(done) == 240 and leader.call("GET", "counter") == b"240"


# ---- in a cluster --------------------------------------------------------------------------------


def test_a_transaction_stays_in_one_slot(clustered):
    with clustered.leader().client() as c:
        assert run(c, "MULTI", "SET {x}a 1", "SET {x}b 2", "MGET {x}a {x}b", "EXEC")[4] == [OK, OK, [b"1", b"2"]]
        assert run(c, "MULTI", "SET {x}a 2", "SET {y}a 2", "EXEC", "GET {x}a") == [
            OK,
            QUEUED,
            CROSSSLOT,
            ABORTED,
            b"1",
        ]
        assert run(c, "MULTI", "MSET {x}a 2 {y}a 2", "EXEC") == [OK, CROSSSLOT, ABORTED]
        assert run(c, "MULTI", "PING", "EXEC") == [OK, QUEUED, ["PONG"]]
        assert run(c, "WATCH {x}a {y}a") == [CROSSSLOT]
        # What is watched may be in another slot than what is written.
        assert run(c, "WATCH {y}a", "MULTI", "SET {x}a 5", "EXEC", "GET {x}a")[3:] == [[OK], b"5"]


def test_followers_send_transactions_to_the_leader(clustered):
    leader = clustered.leader()
    leader.call("SET", "{x}a", "5")
    clustered.wait_caught_up()
    moved = f"MOVED {leader.call('CLUSTER', 'KEYSLOT', '{x}a')} 127.0.0.1:{leader.port}"
    with clustered.followers()[0].client() as c:
        assert run(c, "WATCH {x}a") == [moved]
        assert run(c, "MULTI", "SET {x}a 7", "EXEC") == [OK, moved, ABORTED]
        assert run(c, "MULTI", "GET {x}a", "EXEC") == [OK, moved, ABORTED]
        assert run(c, "READONLY", "MULTI", "GET {x}a", "EXEC") == [OK, OK, QUEUED, [b"5"]]
        assert run(c, "MULTI", "GET {x}a", "SET {x}a 7", "EXEC") == [OK, QUEUED, moved, ABORTED]
        assert run(c, "READWRITE", "MULTI", "GET {x}a", "EXEC") == [OK, OK, moved, ABORTED]
    assert leader.call("GET", "{x}a") == b"5"


def test_plain_followers_refuse_to_queue_writes(plain):
    text = "READONLY You can't write against a read only replica."
    plain.leader().call("SET", "k", "v")
    plain.wait_caught_up()
    with plain.followers()[0].client() as c:
        assert run(c, "MULTI", "GET k", "SET k w", "EXEC") == [OK, QUEUED, text, ABORTED]
        assert run(c, "MULTI", "GET k", "EXEC") == [OK, QUEUED, [b"v"]]
        assert run(c, "WATCH k", "MULTI", "GET k", "EXEC")[3] == [b"v"]
        run(c, "WATCH k")
        plain.leader().call("SET", "k", "new")
        eventually(lambda: plain.followers()[0].call("GET", "k") == b"new", what="the follower has it")
        assert run(c, "MULTI", "GET k", "EXEC")[2] is None  # a change that came through the log
    assert int(info_of(plain, "blocked_clients")) == 0


def info_of(cluster, field):
    with cluster.leader().client() as c:
        return info(c, "clients")[field]


def test_a_watch_does_not_survive_a_change_of_leadership():
    """The new leader knows nothing of it. Whatever the old one answers says: not executed."""
    with Cluster() as cluster:
        old = cluster.leader()
        with old.client() as c:
            run(c, "SET k 1", "WATCH k", "MULTI", "SET k 2")
            cluster.followers()[0].call("CLUSTER", "FAILOVER")
            eventually(lambda: cluster.find_leader() not in (None, old), what="leadership has moved")
            new = cluster.leader()
            eventually(lambda: old.group()["leader"] == new.group()["leader"], what="the old one knows")
            moved = f"MOVED {new.call('CLUSTER', 'KEYSLOT', 'k')} 127.0.0.1:{new.port}"
            assert run(c, "EXEC")[0] in (None, moved)
            assert run(c, "WATCH k") == [moved]
            assert run(c, "EXEC") == ["ERR EXEC without MULTI"]
        assert new.call("GET", "k") == b"1"
