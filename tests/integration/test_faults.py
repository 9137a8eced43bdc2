# SPDX-License-Identifier: BSD-3-Clause
"""Kills, pauses and slow commands under load: every acknowledged write is read back afterwards."""

import os
import signal
import threading
import time

import pytest

from holdfast import Client, Cluster, ConnectionClosed, ReplyError, Session, Writers, eventually


@pytest.mark.parametrize("plain", [False, True], ids=["cluster", "plain"])
def test_killing_the_leader_loses_nothing(plain):
    with Cluster(plain=plain) as cluster, Writers(cluster) as writers:
        for _ in range(3):
            writers.wait_for(300)
            leader = cluster.leader()
            leader.kill()
            writers.wait_for(300)
            leader.start()
        writers.wait_for(300)
        writers.stop()
        assert writers.check() > 1500
        assert len(cluster.digests()) == 1


def test_killing_any_follower_is_not_noticed():
    with Cluster() as cluster, Writers(cluster) as writers:
        for i in range(2):
            writers.wait_for(200)
            follower = cluster.followers()[i]
            follower.kill()
            writers.wait_for(500)
            follower.start()
        writers.stop()
        assert writers.unknown == 0, "a follower's end closed a client of the leader"
        writers.check()
        assert len(cluster.digests()) == 1


def test_killing_all_nodes_at_once_loses_nothing():
    with Cluster() as cluster, Writers(cluster) as writers:
        for _ in range(3):
            writers.wait_for(400)
            for node in cluster.nodes:
                os.kill(node.process.pid, signal.SIGKILL)
            for node in cluster.nodes:
                node.kill()
            cluster.start()
        writers.wait_for(200)
        writers.stop()
        writers.check()
        assert len(cluster.digests()) == 1


def test_a_paused_leader_does_not_answer_a_read_from_its_past():
    """SIGSTOP the leader, let another one write, SIGCONT: reads that were in the old leader's
    socket buffer must show the new value or a redirection."""
    with Cluster() as cluster:
        session = Session(cluster)
        for round_number in range(3):
            old = cluster.leader()
            session.close()
            session.port = old.port
            session.call("SET", "k", f"old-{round_number}")
            waiting = [old.client() for _ in range(20)]
            old.stop()
            for c in waiting:
                c.send("GET", "k")
            new = eventually(lambda: cluster.find_leader(), 20, "another node leads")
            assert new is not old
            new.call("SET", "k", f"new-{round_number}")
            old.cont()
            for c in waiting:
                try:
                    value = c.read()
                    assert value == f"new-{round_number}".encode(), value
                except ReplyError as error:
                    assert error.code in ("MOVED", "CLUSTERDOWN"), error
                except ConnectionClosed:
                    pass
                c.close()
            cluster.wait_serving()
        session.close()
        assert len(cluster.digests()) == 1


def test_writes_of_a_paused_leader_get_a_definite_answer():
    """A leader that is stopped with writes on their way: each is committed and acknowledged, or
    surely not executed, or its connection is closed; never acknowledged and lost."""
    with Cluster() as cluster, Writers(cluster, threads=6) as writers:
        for _ in range(3):
            writers.wait_for(200)
            leader = cluster.leader()
            leader.stop()
            eventually(cluster.find_leader, 20, "another node leads")
            writers_before = writers.acknowledged
            leader.cont()
            eventually(lambda: writers.acknowledged > writers_before + 100, 30, "writes go on")
        writers.stop()
        writers.check()
        assert len(cluster.digests()) == 1


def test_a_long_command_costs_no_leadership_and_no_error_elsewhere():
    with Cluster() as cluster:
        leader = cluster.leader()
        term = leader.group()["term"]
        elsewhere = cluster.followers()[0].client()
        sleeper = leader.client(timeout_s=60)
        sleeper.send("DEBUG", "SLEEP", "5")
        started = time.monotonic()
        while time.monotonic() - started < 4.5:
            assert elsewhere.call("PING") == "PONG"
            with pytest.raises(ReplyError, match="^MOVED"):
                elsewhere.call("GET", "k")
            time.sleep(0.05)
        assert sleeper.read() == "OK"
        assert cluster.leader() is leader
        assert leader.group()["term"] == term
        assert leader.call("SET", "k", "v") == "OK"
        elsewhere.close()
        sleeper.close()


def test_commands_wait_through_an_election_without_an_error():
    """Clients of the followers, right after the leader was killed, see waiting, then OK or MOVED to
    the new leader: neither CLUSTERDOWN nor a redirection to the dead one."""
    with Cluster() as cluster:
        leader = cluster.leader()
        followers = cluster.followers()
        leader.kill()
        time.sleep(0.02)  # the followers' sockets tell them at once; not by waiting for a timeout
        answers = []

        def ask(port):
            with Client(port) as c:
                try:
                    answers.append(c.call("SET", "k", "v"))
                except ReplyError as error:
                    answers.append(error.text)

        threads = [threading.Thread(target=ask, args=(f.port,)) for f in followers for _ in range(5)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        new = cluster.leader()
        assert new is not leader
        moved = f"127.0.0.1:{new.port}"
        assert all(a == "OK" or (a.startswith("MOVED") and a.endswith(moved)) for a in answers), answers


def test_a_planned_transfer_is_invisible():
    with Cluster() as cluster, Writers(cluster) as writers:
        writers.wait_for(200)
        for _ in range(5):
            target = cluster.followers()[0]
            assert target.call("CLUSTER", "FAILOVER") == "OK"
            eventually(lambda: cluster.find_leader() is target, 10, "leadership has moved")
            writers.wait_for(200)
        writers.stop()
        assert writers.unknown == 0, "a connection was closed by a planned transfer"
        seen = {code for s in writers.sessions for code in s.errors}
        assert seen <= {"MOVED"}, seen
        assert writers.longest_gap_s < 1.0
        writers.check()


def test_a_graceful_shutdown_of_the_leader_hands_over():
    with Cluster() as cluster, Writers(cluster) as writers:
        writers.wait_for(200)
        leader = cluster.leader()
        assert leader.terminate() == 0
        writers.wait_for(200)
        leader.start()
        writers.stop()
        writers.check()
        seen = {code for s in writers.sessions for code in s.errors}
        assert seen <= {"MOVED"}, seen
