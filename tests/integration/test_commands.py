# SPDX-License-Identifier: BSD-3-Clause
"""Connections and the commands about them, on the wire of real nodes: requests in pieces and in
bulk, inline commands, HELLO, AUTH, RESET, CLIENT, output limits, COMMAND, routing by slot."""

import contextlib
import re
import resource
import socket
import threading
import time

import pytest

from holdfast import SLOW, Client, Cluster, ConnectionClosed, ReplyError, Session, eventually, info
from subscribers import pushed, subscriber


# These tests talk to one leader: it should not change because the machine is busy.
@pytest.fixture(scope="module")
def plain():
    with Cluster(plain=True, raft_election_timeout=1000) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def clustered():
    with Cluster(raft_election_timeout=1000) as cluster:
        yield cluster


@pytest.fixture
def leader(plain):
    return plain.leader()


def error(client, *words):
    with pytest.raises(ReplyError) as e:
        client.call(*words)
    return e.value.text


def run(client, *lines):
    """Commands in one write; errors as their text."""
    replies = client.pipeline([line.split(" ") for line in lines])
    return [r.text if isinstance(r, ReplyError) else r for r in replies]


def is_closed(client):
    try:
        client.read()
    except ConnectionClosed:
        return True
    return False


def read_all(client):
    """What comes until the server closes."""
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while part := client.socket.recv(1 << 16):
            data += part
    return data


# ---- requests ------------------------------------------------------------------------------------


def test_inline_commands(leader):
    with leader.client() as c:
        c.send_raw(b'PING\r\nSET inl "a b\\x21\\n"\nGET inl\r\n\r\n  \r\nEXISTS   inl\r\nECHO \'it\\\'s\'\r\n')
        assert [c.read() for _ in range(5)] == ["PONG", "OK", b"a b!\n", 1, b"it's"]
        c.send_raw(b"SET inl " + b"x" * 60000 + b"\r\nSTRLEN inl\r\n")
        assert [c.read(), c.read()] == ["OK", 60000]


def test_requests_may_come_byte_by_byte(leader):
    request = Client.encode("SET", "piece", "a\r\nb") + Client.encode("GET", "piece") + b"ECHO inline\r\n"
    with leader.client() as c:
        for i in range(len(request)):
            c.send_raw(request[i : i + 1])
        assert [c.read() for _ in range(3)] == ["OK", b"a\r\nb", b"inline"]


def test_a_pipeline_in_writes_of_any_size(leader):
    commands = [("SET", f"p:{i}", "v" * (i % 300)) for i in range(2000)]
    commands += [("STRLEN", f"p:{i}") for i in range(2000)]
    data = b"".join(Client.encode(*words) for words in commands)
    with leader.client() as c:
        at, step = 0, 1
        while at < len(data):
            c.send_raw(data[at : at + step])
            at += step
            step = step * 7 % 4999 + 1
        replies = [c.read() for _ in commands]
    assert replies == 2000 * ["OK"] + [i % 300 for i in range(2000)]


def test_a_client_that_reads_late_gets_all_of_a_long_pipeline(leader):
    """Replies wait in the server while nobody reads; and nobody else waits for them."""
    value = "x" * 10000
    n = 3000
    with leader.client() as c, leader.client() as other:
        c.call("SET", "late", value)
        sender = threading.Thread(target=c.send_raw, args=(Client.encode("GET", "late") * n,), daemon=True)
        sender.start()
        started = time.monotonic()
        for _ in range(50):
            assert other.call("PING") == "PONG"
        assert time.monotonic() - started < 5 * SLOW
        assert all(c.read() == value.encode() for _ in range(n))
        sender.join(10)


def test_a_value_of_100_mb(plain):
    """Through three logs on one disk: that may take seconds, and on a busy machine a leadership."""
    value = bytes(range(256)) * (100 * 4096)
    session = Session(plain, timeout_s=60)
    assert session.call("SET", "huge", value, within_s=120) == "OK"
    with plain.leader().client() as c:
        assert c.call("STRLEN", "huge") == len(value)
        assert c.call("GETRANGE", "huge", "-256", "-1") == bytes(range(256))
        assert c.call("GET", "huge") == value
    assert len(plain.digests()) == 1
    assert session.call("DEL", "huge") == 1
    session.close()


def test_proto_max_bulk_len(leader):
    text = "ERR Protocol error: invalid bulk length"
    with leader.client() as setter, leader.client() as c:
        assert setter.call("CONFIG", "SET", "proto-max-bulk-len", "1mb") == "OK"
        try:
            assert c.call("SET", "k", "x" * (1 << 20)) == "OK"
            assert error(c, "APPEND", "k", "y") == (
                "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
            )
            c.send_raw(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1048577\r\n")
            with pytest.raises(ReplyError) as e:
                c.read()
            assert e.value.text == text and is_closed(c)
        finally:
            setter.call("CONFIG", "SET", "proto-max-bulk-len", "512mb")


def test_many_arguments(leader):
    n = 100_000
    with leader.client() as c:
        assert c.call("MSET", *(word for i in range(n) for word in (f"m:{i}", i))) == "OK"
        values = c.call("MGET", *(f"m:{i}" for i in range(n)))
        assert values == [b"%d" % i for i in range(n)]
        assert c.call("DEL", *(f"m:{i}" for i in range(n))) == n


def test_a_count_alone_takes_no_memory(leader):
    """Arrays grow with what arrives: announcing two billion arguments costs nothing."""
    with leader.client() as c, leader.client() as other:
        before = int(info(other, "memory")["used_memory"])
        c.send_raw(b"*2147483647\r\n$4\r\nPING\r\n")
        time.sleep(0.1)
        assert int(info(other, "memory")["used_memory"]) - before < 10_000_000
        c2 = leader.client()
        c2.send_raw(b"*2147483648\r\n")
        with pytest.raises(ReplyError) as e:
            c2.read()
        assert e.value.text == "ERR Protocol error: invalid multibulk length" and is_closed(c2)
        c2.close()


def test_client_query_buffer_limit():
    with Cluster(nodes=1, plain=True, client_query_buffer_limit="1mb") as cluster:
        node = cluster.leader()
        with node.client() as c:
            with pytest.raises((ConnectionClosed, OSError)):
                c.send_raw(b"*2\r\n$3\r\nGET\r\n$4000000\r\n")
                for _ in range(400):
                    c.send_raw(b"x" * 10000)
                c.read()
        assert node.call("PING") == "PONG" and node.log_has("client-query-buffer-limit")


def test_http_requests_are_dropped_and_not_run(leader):
    for request in (
        b"POST / HTTP/1.1\r\nContent-Type: text/plain\r\n\r\nSET http 1\r\n",
        b"PING\r\nHost: localhost:6379\r\nSET http 1\r\n",
        Client.encode("host:", "x") + Client.encode("SET", "http", "1"),
    ):
        with leader.client() as c:
            c.send_raw(request)
            assert b"OK" not in read_all(c)
    assert leader.call("EXISTS", "http") == 0
    assert leader.log_has("HTTP")


def test_unknown_commands_name_their_arguments_in_part(leader):
    with leader.client() as c:
        assert error(c, "NOSUCH") == "ERR unknown command 'NOSUCH', with args beginning with: "
        text = error(c, "N" * 200, "a" * 100, "b" * 100, "c")
        assert text == (
            f"ERR unknown command '{'N' * 128}', with args beginning with: '{'a' * 100}' '{'b' * 25}' "
        )
        assert error(c, "SET\r\nx") == "ERR unknown command 'SET  x', with args beginning with: "


# ---- HELLO, AUTH, RESET --------------------------------------------------------------------------


def test_hello_changes_the_protocol_of_this_connection_only(leader):
    with leader.client() as c, leader.client() as other:
        fields = c.call("HELLO", "3", "SETNAME", "three")
        assert fields[b"proto"] == 3 and fields[b"mode"] == b"standalone" and fields[b"role"] == b"master"
        assert c.call("CLIENT", "GETNAME") == b"three"
        c.send("GET", "nosuch")
        assert c.socket.recv(10) == b"_\r\n"
        other.send("GET", "nosuch")
        assert other.socket.recv(10) == b"$-1\r\n"
        assert c.call("HELLO")[b"proto"] == 3
        assert dict(zip(*[iter(c.call("HELLO", "2"))] * 2))[b"proto"] == 2
        assert error(c, "HELLO", "1") == "NOPROTO unsupported protocol version"
        assert error(c, "HELLO", "3", "SETNAME", "a b") == (
            "ERR Client names cannot contain spaces, newlines or special characters."
        )
        assert error(c, "HELLO", "3", "AUTH", "x") == "ERR Syntax error in HELLO option 'AUTH'"
        c.send("GET", "nosuch")
        assert c.socket.recv(10) == b"$-1\r\n"  # a refused HELLO changes nothing


def test_hello_tells_followers_from_the_leader(plain, clustered):
    for cluster, mode in ((plain, b"standalone"), (clustered, b"cluster")):
        for node in cluster.nodes:
            with node.client() as c:
                fields = c.call("HELLO", "3")
            assert fields[b"mode"] == mode
            assert fields[b"role"] == (b"master" if node is cluster.leader() else b"replica")


def test_requirepass(leader):
    with leader.client() as admin:
        admin.call("CONFIG", "SET", "requirepass", "sesame")
        try:
            with leader.client() as c:
                assert run(c, "GET k", "CONFIG GET *", "MULTI", "EXEC") == 3 * ["NOAUTH Authentication required."] + [
                    "EXECABORT Transaction discarded because of: NOAUTH Authentication required."
                ]
                assert error(c, "AUTH", "wrong").startswith("WRONGPASS")
                assert error(c, "AUTH", "sesame1").startswith("WRONGPASS")
                assert error(c, "AUTH", "somebody", "sesame").startswith("WRONGPASS")
                assert run(c, "AUTH default sesame", "PING") == ["OK", "PONG"]
                assert run(c, "RESET", "PING") == ["RESET", "NOAUTH Authentication required."]
                assert c.call("HELLO", "3", "AUTH", "default", "sesame")[b"proto"] == 3
            # A stranger may not make the server hold much.
            for request, text in (
                (b"*11\r\n", "ERR Protocol error: unauthenticated multibulk length"),
                (b"*2\r\n$16385\r\n", "ERR Protocol error: unauthenticated bulk length"),
            ):
                with leader.client() as c:
                    c.send_raw(request)
                    with pytest.raises(ReplyError) as e:
                        c.read()
                    assert e.value.text == text and is_closed(c)
            with leader.client() as c:
                assert run(c, "QUIT") == ["OK"] and is_closed(c)
        finally:
            admin.call("CONFIG", "SET", "requirepass", "")


def test_reset_makes_a_connection_as_new(leader):
    with leader.client() as c, leader.client() as other:
        c.call("HELLO", "3", "SETNAME", "old")
        run(c, "SELECT 5", "CLIENT NO-TOUCH on", "CLIENT NO-EVICT on", "WATCH k", "MULTI", "SET k 1")
        (line,) = [x for x in other.call("CLIENT", "LIST").decode().splitlines() if "name=old" in x]
        assert " db=5 " in line and " resp=3 " in line and " watch=1 " in line
        id_ = re.match(r"id=(\d+)", line)[1]
        assert c.call("RESET") == "RESET"
        line = other.call("CLIENT", "LIST", "ID", id_).decode()
        assert " name= " in line and " flags=N " in line and " db=0 " in line
        assert " resp=2 " in line and " watch=0 " in line and " multi=-1 " in line
        c.send("CLIENT", "REPLY", "OFF")
        assert run(c, "RESET", "PING") == ["RESET", "PONG"]


def test_quit_answers_what_came_before(leader):
    with leader.client() as c:
        c.send_raw(b"SET q 1\r\nINCR q\r\nQUIT\r\nINCR q\r\n")
        assert read_all(c) == b"+OK\r\n:2\r\n+OK\r\n"
    assert leader.call("GET", "q") == b"2"


# ---- CLIENT --------------------------------------------------------------------------------------


def lines_of(client, *words):
    return client.call("CLIENT", "LIST", *words).decode().splitlines()


def test_client_list_and_its_filters(leader):
    with leader.client() as a, leader.client() as b:
        id_a, id_b = a.call("CLIENT", "ID"), b.call("CLIENT", "ID")
        assert id_b > id_a
        run(a, "CLIENT SETNAME first", "CLIENT SETINFO lib-name mylib", "CLIENT SETINFO LIB-VER 1.2", "SELECT 2")
        (line,) = lines_of(b, "ID", id_a, 999999)
        assert f"id={id_a} " in line and " name=first " in line and " db=2 " in line
        assert line.endswith(" lib-name=mylib lib-ver=1.2") and " cmd=select " in line
        port = a.socket.getsockname()[1]
        assert f" addr=127.0.0.1:{port} laddr=127.0.0.1:{leader.port} " in line
        assert {int(re.match(r"id=(\d+)", x)[1]) for x in lines_of(b, "TYPE", "normal")} >= {id_a, id_b}
        assert lines_of(b, "TYPE", "replica") == lines_of(b, "TYPE", "pubsub") == []
        assert error(b, "CLIENT", "LIST", "TYPE", "x") == "ERR Unknown client type 'x'"
        assert error(b, "CLIENT", "LIST", "ID", "x") == "ERR Invalid client ID"
        assert error(b, "CLIENT", "LIST", "ID") == "ERR syntax error"
        assert error(b, "CLIENT", "NOSUCH") == "ERR unknown subcommand 'NOSUCH'. Try CLIENT HELP."
        assert error(b, "CLIENT", "SETINFO", "x", "y") == "ERR Unrecognized option 'x'"
        assert error(b, "CLIENT", "SETINFO", "lib-name", "a b") == (
            "ERR lib-name cannot contain spaces, newlines or special characters."
        )
        assert a.call("CLIENT", "SETNAME", "") == "OK" and a.call("CLIENT", "GETNAME") is None
        assert a.call("CLIENT", "INFO").decode().startswith(f"id={id_a} ")
        assert a.call("CLIENT", "GETREDIR") == -1
        assert b"CLIENT" in a.call("CLIENT", "HELP")[0].encode()


def test_client_kill(leader):
    def victim(name="victim"):
        c = leader.client()
        c.call("CLIENT", "SETNAME", name)
        return c, c.call("CLIENT", "ID"), "%s:%d" % c.socket.getsockname()

    with leader.client() as c:
        v, id_, address = victim()
        assert c.call("CLIENT", "KILL", "ID", id_, "ADDR", "1.2.3.4:5") == 0
        assert c.call("CLIENT", "KILL", "ID", id_) == 1 and is_closed(v)
        v, id_, address = victim()
        assert c.call("CLIENT", "KILL", address) == "OK" and is_closed(v)
        v, id_, address = victim()
        assert c.call("CLIENT", "KILL", "ADDR", address, "TYPE", "normal", "USER", "default") == 1 and is_closed(v)
        v, id_, address = victim()
        assert c.call("CLIENT", "KILL", "LADDR", f"127.0.0.1:{leader.port}") >= 1 and is_closed(v)
        assert c.call("CLIENT", "KILL", "TYPE", "pubsub") == 0
        assert c.call("CLIENT", "KILL", "MAXAGE", "100000") == 0
        assert error(c, "CLIENT", "KILL", "ID", "x") == "ERR client-id should be greater than 0"
        assert error(c, "CLIENT", "KILL", "ID", "0") == "ERR client-id should be greater than 0"
        assert error(c, "CLIENT", "KILL", "NOSUCH", "1") == "ERR syntax error"
        assert error(c, "CLIENT", "KILL", "USER", "nobody") == "ERR No such user 'nobody'"
        assert error(c, "CLIENT", "KILL", "1.1.1.1:1") == "ERR No such client"
        # Oneself: only with SKIPME no, and after the reply.
        me = c.call("CLIENT", "ID")
        assert c.call("CLIENT", "KILL", "ID", me) == 0
        assert c.call("CLIENT", "KILL", "ID", me, "SKIPME", "no") == 1 and is_closed(c)


def test_client_reply(leader):
    with leader.client() as c:
        c.send_raw(b"CLIENT REPLY SKIP\r\nSET r skipped\r\nGET r\r\n")
        assert c.read() == b"skipped"
        c.send_raw(b"CLIENT REPLY OFF\r\nSET r 1\r\nINCR r\r\nNOSUCH\r\nSET\r\nCLIENT REPLY SKIP\r\nGET r\r\n")
        c.send_raw(b"CLIENT REPLY ON\r\nGET r\r\n")
        assert [c.read(), c.read()] == ["OK", b"2"]
        assert error(c, "CLIENT", "REPLY", "x") == "ERR syntax error"
    for line in (b"CLIENT REPLY OFF\r\nPING\r\n", b"CLIENT REPLY SKIP\r\n"):
        with leader.client() as c:
            c.send_raw(line + b"*1\r\n$x\r\n")
            assert read_all(c) == b""


def test_client_reply_holds_for_what_is_answered_later(leader):
    """A reply that comes when a wait ends is dropped as well, and SKIP is used up by it alone."""
    with leader.client() as c:
        for line in (b"BLPOP none 0.01", b"WAIT 9 10", b"SAVE", b"DEBUG POPULATE 3 p", b"FUNCTION FLUSH", b"RESET"):
            c.send_raw(b"CLIENT REPLY SKIP\r\n" + line + b"\r\nECHO 1\r\nECHO 2\r\n")
            assert (line, c.read(), c.read()) == (line, b"1", b"2")
            c.send_raw(b"CLIENT REPLY OFF\r\n" + line + b"\r\nECHO 1\r\nCLIENT REPLY ON\r\nECHO 2\r\n")
            if line == b"RESET":
                assert (c.read(), c.read()) == ("RESET", b"1")  # which switches replies on
            assert (line, c.read(), c.read()) == (line, "OK", b"2")
        c.send_raw(b"CLIENT REPLY SKIP\r\nBLPOP later 0\r\nECHO 1\r\n")
        with leader.client() as other:
            eventually(lambda: info(other, "clients")["blocked_clients"] == "1", what="it waits")
            other.call("RPUSH", "later", "x")
        assert c.read() == b"1"


def test_client_pause_all_holds_everybody(leader):
    with leader.client() as c, leader.client() as other:
        assert c.call("CLIENT", "PAUSE", "60000") == "OK"
        started = time.monotonic()
        other.send("PING")
        other.socket.settimeout(0.3)
        with pytest.raises(TimeoutError):
            other.socket.recv(1)
        other.close()
        with leader.client() as again:
            again.send("GET", "k")
            # The list shows who waits; the pause can be ended by anyone.
            assert c.call("CLIENT", "UNPAUSE") == "OK"
            again.read()
        assert time.monotonic() - started < 30
    with leader.client() as c, leader.client() as other:
        c.call("CLIENT", "PAUSE", "300", "ALL")
        started = time.monotonic()
        assert other.call("PING") == "PONG"
        assert 0.2 < time.monotonic() - started < 10 * SLOW
        assert error(c, "CLIENT", "PAUSE", "10", "READ") == "ERR CLIENT PAUSE mode must be WRITE or ALL"
        assert error(c, "CLIENT", "PAUSE", "x") == "ERR timeout is not an integer or out of range"
        assert error(c, "CLIENT", "PAUSE", "-1") == "ERR timeout is negative"


def test_client_pause_write_lets_reads_through(leader):
    with leader.client() as c, leader.client() as writer, leader.client() as reader:
        c.call("SET", "k", "v")
        c.call("CLIENT", "PAUSE", "60000", "WRITE")
        try:
            assert reader.call("GET", "k") == b"v"
            assert run(reader, "MULTI", "GET k", "EXEC")[2] == [b"v"]
            writer.send("SET", "k", "w")
            eventually(
                lambda: any(" flags=b " in x and " cmd=set " in x for x in lines_of(reader)), what="the writer waits"
            )
            assert reader.call("GET", "k") == b"v"
        finally:
            c.call("CLIENT", "UNPAUSE")
        assert writer.read() == "OK" and reader.call("GET", "k") == b"w"


LIBRARY = """#!lua name=pause
redis.register_function{function_name='reads', callback=function() return 1 end, flags={'no-writes'}}
redis.register_function('writes', function() return 1 end)"""


def test_client_pause_write_holds_back_what_may_write(leader):
    """Of a script counts what it says of itself; a message counts as a write, as in Redis, which may replicate it."""
    reads, writes, old = "#!lua flags=no-writes\nreturn 1", "#!lua\nreturn 1", "return 1"
    with leader.client() as c, contextlib.ExitStack() as clients:
        sha = {script: c.call("SCRIPT", "LOAD", script) for script in (reads, writes, old)}
        c.call("FUNCTION", "LOAD", "REPLACE", LIBRARY)
        free = [("EVAL", reads, 0), ("EVAL_RO", reads, 0), ("EVAL_RO", old, 0), ("EVALSHA", sha[reads], 0)]
        free += [("EVALSHA_RO", sha[old], 0), ("FCALL", "reads", 0), ("FCALL_RO", "reads", 0)]
        held = [("EVAL", writes, 0), ("EVAL", old, 0), ("EVALSHA", sha[writes], 0), ("EVALSHA", sha[old], 0)]
        held += [("FCALL", "writes", 0), ("PFCOUNT", "none"), ("PUBLISH", "ch", "m"), ("SPUBLISH", "ch", "m")]
        results = [1, 1, 1, 1, 1, 0, 0, 0]
        transactions = [clients.enter_context(leader.client()) for _ in range(3)]
        for t, words in zip(transactions, (free[0], free[5], held[1]), strict=True):
            run(t, "MULTI")
            t.call(*words)
        c.call("CLIENT", "PAUSE", "60000", "WRITE")
        try:
            assert [c.call(*words) for words in free] == [1] * len(free)
            assert [t.call("EXEC") for t in transactions[:2]] == [[1], [1]]
            waiting = [clients.enter_context(leader.client()) for _ in held]
            for w, words in zip(waiting, held, strict=True):
                w.send(*words)
            transactions[2].send("EXEC")
            count = str(len(held) + 1)
            eventually(lambda: info(c, "clients")["blocked_clients"] == count, what="all others are held back")
        finally:
            c.call("CLIENT", "UNPAUSE")
        assert [w.read() for w in waiting] == results and transactions[2].read() == [1]
        assert info(c, "clients")["blocked_clients"] == "0"
        c.call("FUNCTION", "DELETE", "pause")


@pytest.mark.parametrize("mode", ("WRITE", "ALL"))
def test_no_key_expires_while_writes_are_paused(plain, leader, mode):
    """Expiry is a write: a pause holds back the node's own, and the one a read would bring about."""
    follower = plain.followers()[0]
    with leader.client() as c, subscriber(leader, "PSUBSCRIBE", "__keyevent@0__:*") as events:
        run(c, "FLUSHALL", "CONFIG SET notify-keyspace-events Egxh")
        # At one moment: neither is past its time before the pause.
        lines = ("SET gone v PX 100", "HSET hash f v", "HPEXPIRE hash 100 FIELDS 1 f", f"CLIENT PAUSE 60000 {mode}")
        assert run(c, "MULTI", *lines, "EXEC")[-1] == ["OK", 1, [1], "OK"]
        try:
            eventually(lambda: follower.call("DBSIZE") == 2, what="the follower has both")
            applied = follower.group()["applied"]
            if mode == "WRITE":
                eventually(lambda: run(c, "GET gone", "HGET hash f") == [None, None], what="both are hidden")
            time.sleep(0.5)  # the time of some rounds of the cron
            if mode == "WRITE":
                assert run(c, "EXISTS gone", "TTL gone", "RANDOMKEY", "DBSIZE") == [0, -2, b"hash", 2]
                names = {m[2].split(b":")[-1] for m in pushed(events)}
                assert names == {b"hset", b"expire", b"hexpire"}
            assert follower.group()["applied"] == applied and follower.call("DBSIZE") == 2
        finally:
            run(c, "CLIENT UNPAUSE", "CONFIG SET notify-keyspace-events ")
        eventually(lambda: follower.call("DBSIZE") == 0, what="both are gone")


def test_client_unblock(plain):
    follower = plain.followers()[0]
    leader = plain.leader()
    follower.stop()
    try:
        with leader.client() as waiting, leader.client() as c:
            id_ = waiting.call("CLIENT", "ID")
            assert c.call("CLIENT", "UNBLOCK", id_) == 0  # it does not wait
            text = "UNBLOCKED client unblocked via CLIENT UNBLOCK"
            for reason, check in ((("TIMEOUT",), 1), ((), 1), (("ERROR",), text)):
                waiting.call("SET", "u", "1")
                assert waiting.call("WAIT", "1", "0") == 1
                waiting.send("WAIT", "2", "0")
                eventually(lambda: info(c, "clients")["blocked_clients"] == "1", what="the client waits")
                assert c.call("CLIENT", "UNBLOCK", id_, *reason) == 1
                try:
                    assert waiting.read() == check
                except ReplyError as e:
                    assert e.text == check
            assert error(c, "CLIENT", "UNBLOCK", id_, "NOW") == "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"
            assert error(c, "CLIENT", "UNBLOCK", "x") == "ERR value is not an integer or out of range"
            # A client that goes away while it waits leaves nothing behind.
            waiting.send("WAIT", "2", "0")
            eventually(lambda: info(c, "clients")["blocked_clients"] == "1", what="the client waits")
            waiting.close()
            eventually(lambda: info(c, "clients")["blocked_clients"] == "0", what="it is forgotten")
    finally:
        follower.cont()
    plain.wait_caught_up()


def test_no_touch_leaves_the_access_time_alone(leader):
    with leader.client() as c, leader.client() as quiet:
        c.call("SET", "idle", "v")
        quiet.call("CLIENT", "NO-TOUCH", "on")
        eventually(lambda: c.call("OBJECT", "IDLETIME", "idle") >= 1, what="a second has passed")
        quiet.call("GET", "idle")
        assert c.call("OBJECT", "IDLETIME", "idle") >= 1
        quiet.call("TOUCH", "idle")  # that is what it is for
        assert c.call("OBJECT", "IDLETIME", "idle") == 0
        assert error(c, "CLIENT", "NO-TOUCH", "x") == error(c, "CLIENT", "NO-EVICT", "x") == "ERR syntax error"


def test_output_buffer_limits_close_who_does_not_read(leader):
    with leader.client() as setter:
        setter.call("SET", "fat", "x" * 1_000_000)
        setter.call("CONFIG", "SET", "client-output-buffer-limit", "normal 20mb 0 0")
        try:
            greedy = leader.client()
            greedy.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            greedy.call("CLIENT", "SETNAME", "greedy")
            with contextlib.suppress(ConnectionClosed, OSError):
                greedy.send_raw(Client.encode("GET", "fat") * 100)
            eventually(lambda: not any("name=greedy" in x for x in lines_of(setter)), what="it is closed")
            assert leader.log_has("client-output-buffer-limit")
            greedy.close()
            # The soft limit allows a while.
            setter.call("CONFIG", "SET", "client-output-buffer-limit", "normal 0 1mb 1")
            slow = leader.client()
            slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.call("CLIENT", "SETNAME", "slow")
            slow.send_raw(Client.encode("GET", "fat") * 20)
            time.sleep(0.3)
            assert any("name=slow" in x for x in lines_of(setter))
            eventually(lambda: not any("name=slow" in x for x in lines_of(setter)), what="it is closed after a second")
            slow.close()
        finally:
            setter.call("CONFIG", "SET", "client-output-buffer-limit", "normal 0 0 0")


def test_who_has_not_authenticated_may_leave_little_unread(leader):
    """Replies that the socket takes at once do not count, however many they are."""
    with leader.client() as admin:
        admin.call("CONFIG", "SET", "requirepass", "sesame")
        closed = int(info(admin, "stats")["client_output_buffer_limit_disconnections"])
        try:
            with leader.client() as c:
                replies = c.pipeline([("PING",), ("x" * 1000,)] * 100 + [("AUTH", "sesame"), ("PING",)])
                assert replies[-2:] == ["OK", "PONG"] and str(replies[0]) == "NOAUTH Authentication required."
            with leader.client() as c:
                c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                address = "addr=%s:%d " % c.socket.getsockname()
                with contextlib.suppress(ConnectionClosed, OSError):
                    for _ in range(500):  # 65 MB; the sockets' own buffers take a few
                        c.send_raw(b"PING\r\n" * 22_000)
                        mine = [x for x in lines_of(admin) if address in x]
                        assert all(int(re.search(r" omem=(\d+)", x)[1]) < 1_000_000 for x in mine)
                eventually(lambda: not any(address in x for x in lines_of(admin)), what="it is closed")
            assert int(info(admin, "stats")["client_output_buffer_limit_disconnections"]) == closed + 1
            with leader.client() as c:  # who has authenticated may
                c.call("AUTH", "sesame")
                c.send_raw(Client.encode("ECHO", "x" * 10_000) * 1000)
                assert {c.read() for _ in range(1000)} == {b"x" * 10_000}
        finally:
            admin.call("CONFIG", "SET", "requirepass", "")


def test_maxclients():
    with Cluster(nodes=1, plain=True, maxclients=10) as cluster:
        node = cluster.leader()
        clients = [node.client()]
        eventually(lambda: info(clients[0], "clients")["connected_clients"] == "1", what="those before are gone")
        clients += [node.client() for _ in range(9)]
        assert all(c.call("PING") == "PONG" for c in clients)
        with node.client() as c:
            assert read_all(c) == b"-ERR max number of clients reached\r\n"
        clients.pop().close()
        eventually(lambda: node.call("PING") == "PONG", what="there is room again")
        eventually(lambda: int(node.info("stats")["rejected_connections"]) >= 1, what="it was counted")
        for c in clients:
            c.close()


def test_thousands_of_connections(leader):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    n = min(2000, hard - 200)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, n + 200)), hard))
    clients = [leader.client() for _ in range(n)]
    try:
        for i, c in enumerate(clients):
            c.send("INCR" if i % 2 else "GET", "many")
        for c in clients:
            c.read()
        assert int(info(clients[0], "clients")["connected_clients"]) >= n
    finally:
        for c in clients:
            c.close()
    eventually(lambda: int(leader.info("clients")["connected_clients"]) < 20, what="all are gone")


# ---- routing -------------------------------------------------------------------------------------


def test_keys_of_several_slots(clustered):
    with clustered.leader().client() as c:
        crossslot = "CROSSSLOT Keys in request don't hash to the same slot"
        for words in (
            "MSET a 1 b 2", "MGET a b", "DEL a b", "RENAME a b", "RENAMENX a b", "COPY a b", "MSETNX a 1 b 2",
            "LCS a b", "EXISTS a b", "UNLINK a b", "TOUCH a b",
        ):  # fmt: skip
            assert error(c, *words.split()) == crossslot, words
        assert run(c, "MSET {t}a 1 {t}b 2", "MGET {t}a {t}b") == ["OK", [b"1", b"2"]]
        assert run(c, "RENAME {t}a {t}c", "COPY {t}c {t}d", "DEL {t}b {t}c {t}d") == ["OK", 1, 3]


def test_what_one_database_has_no_use_for(clustered):
    with clustered.leader().client() as c:
        assert run(c, "SELECT 0", "SELECT 1", "SELECT 16", "SWAPDB 0 1", "MOVE k 1", "SET k v", "COPY k {k}2 DB 1") == [
            "OK",
            "ERR SELECT is not allowed in cluster mode",
            "ERR SELECT is not allowed in cluster mode",
            "ERR SWAPDB is not allowed in cluster mode",
            "ERR MOVE is not allowed in cluster mode",
            "OK",
            "ERR Copying to another database is not allowed in cluster mode",
        ]
        assert error(c, "COPY", "k", "{k}2", "DB", "16") == "ERR DB index is out of range"
        assert run(c, "COPY k {k}2 DB 0", "DEL k {k}2") == [1, 2]


def test_followers_redirect_and_serve_readonly_clients(clustered):
    leader = clustered.leader()
    with leader.client() as c:
        assert c.call("SET", "k", "v") == "OK"
        slot = c.call("CLUSTER", "KEYSLOT", "k")
    clustered.wait_caught_up()
    moved = f"MOVED {slot} 127.0.0.1:{leader.port}"
    for node in clustered.followers():
        with node.client() as c:
            assert run(c, "GET k", "SET k w", "READONLY", "GET k", "SET k w", "READWRITE", "GET k") == [
                moved, moved, "OK", b"v", moved, "OK", moved,
            ]  # fmt: skip
            assert run(c, "ASKING", "GET k") == ["OK", moved]
            assert run(c, "DBSIZE", "KEYS k", "FLUSHALL") == [
                1,
                [b"k"],
                "READONLY You can't write against a read only replica.",
            ]
            assert run(c, "RESET", "READONLY", "TTL k", "TYPE k")[2:] == [-1, "string"]
            assert run(c, "RESET", "GET k") == ["RESET", moved]
    assert leader.call("GET", "k") == b"v"
    leader.call("DEL", "k")


def test_plain_followers_serve_reads_and_refuse_writes(plain, leader):
    leader.call("SET", "follow", "v")
    plain.wait_caught_up()
    text = "READONLY You can't write against a read only replica."
    for node in plain.followers():
        with node.client() as c:
            assert run(c, "GET follow", "SET follow w", "DEL follow", "FLUSHALL") == [b"v", text, text, text]
            assert run(c, "SELECT 1", "GET follow", "INCR x") == ["OK", None, text]
            assert run(c, "READONLY") == ["ERR This instance has cluster support disabled"]


def test_slots_and_their_keys(clustered):
    with clustered.leader().client() as c:
        keys = [b"{s}%d" % i for i in range(20)]
        slot = c.call("CLUSTER", "KEYSLOT", "s")
        assert slot == c.call("CLUSTER", "KEYSLOT", "x{s}y{z}") != c.call("CLUSTER", "KEYSLOT", "z")
        assert c.call("CLUSTER", "KEYSLOT", "123456789") == 12739  # CRC16's check value 0x31C3
        for k in keys:
            c.call("SET", k, "v")
        assert c.call("CLUSTER", "COUNTKEYSINSLOT", slot) == 20
        assert sorted(c.call("CLUSTER", "GETKEYSINSLOT", slot, 100)) == sorted(keys)
        assert len(c.call("CLUSTER", "GETKEYSINSLOT", slot, 5)) == 5
        assert c.call("CLUSTER", "GETKEYSINSLOT", slot, 0) == []
        assert error(c, "CLUSTER", "COUNTKEYSINSLOT", "16384") == "ERR Invalid slot"
        for words in (("COUNTKEYSINSLOT", "x"), ("GETKEYSINSLOT", "x", "1"), ("GETKEYSINSLOT", "1", "x")):
            assert error(c, "CLUSTER", *words) == "ERR value is not an integer or out of range"
        for words in ((slot, "-1"), ("-1", "1"), ("16384", "1")):
            assert error(c, "CLUSTER", "GETKEYSINSLOT", *words) == "ERR Invalid slot or number of keys"
        assert error(c, "CLUSTER", "REPLICAS", "nosuch") == "ERR Unknown node nosuch"
        assert error(c, "CLUSTER", "NOSUCH") == "ERR unknown subcommand 'NOSUCH'. Try CLUSTER HELP."
        c.call("DEL", *keys)
        assert c.call("CLUSTER", "COUNTKEYSINSLOT", slot) == 0


def test_cluster_failover_moves_leadership_without_an_error():
    with Cluster() as cluster:
        old = cluster.leader()
        new = cluster.followers()[0]
        with old.client() as c, new.client() as f:
            assert error(c, "CLUSTER", "FAILOVER") == "ERR You should send CLUSTER FAILOVER to a replica"
            assert error(f, "CLUSTER", "FAILOVER", "NOW") == "ERR syntax error"
            c.call("SET", "k", "v")
            assert f.call("CLUSTER", "FAILOVER") == "OK"
            eventually(lambda: cluster.find_leader() is new, what="it leads")
            assert f.call("GET", "k") == b"v"
            assert error(c, "SET", "k", "w").startswith("MOVED ")


# ---- COMMAND -------------------------------------------------------------------------------------


def test_command_tells_of_itself(leader):
    with leader.client() as c:
        all_ = {e[0].decode(): e for e in c.call("COMMAND")}
        assert len(all_) == c.call("COMMAND", "COUNT") > 70
        names = {n.decode() for n in c.call("COMMAND", "LIST")}
        assert all_.keys() <= names and all("|" in n for n in names - all_.keys())
        get = c.call("COMMAND", "INFO", "GET")[0]
        assert get[:6] == [b"get", 2, ["readonly", "fast"], 1, 1, 1] and len(get) == 10
        assert get == all_["get"]
        assert c.call("COMMAND", "INFO", "nosuch", "config|get")[0] is None
        docs = c.call("COMMAND", "DOCS", "set", "nosuch")
        assert docs[0] == b"set" and len(docs) == 2 and b"summary" in docs[1]
        assert len(c.call("COMMAND", "DOCS")) == 2 * len(all_)
        assert c.call("COMMAND", "GETKEYS", "MSET", "a", "1", "b", "2") == [b"a", b"b"]
        assert c.call("COMMAND", "GETKEYS", "LCS", "x", "y", "IDX") == [b"x", b"y"]
        assert c.call("COMMAND", "GETKEYSANDFLAGS", "COPY", "a", "b") == [
            [b"a", ["RO", "access"]],
            [b"b", ["OW", "update"]],
        ]
        assert c.call("COMMAND", "LIST", "FILTERBY", "PATTERN", "getr*") == [b"getrange"]
        assert b"mset" in c.call("COMMAND", "LIST", "FILTERBY", "ACLCAT", "string")


def test_every_command_of_the_table_runs(leader):
    """With no arguments, each says what it lacks, or answers: none is a name without a handler."""
    with leader.client() as c:
        names = [e[0].decode() for e in c.call("COMMAND")]
    for name in names:
        if name in ("shutdown", "quit", "debug", "flushall", "flushdb", "bgsave", "bgrewriteaof", "reset"):
            continue
        with leader.client() as c:
            try:
                c.call(name)
            except ReplyError as e:
                assert "unknown" not in e.text, e.text
    assert leader.call("PING") == "PONG"


def test_the_client_list_names_the_last_command_if_it_exists(leader):
    with leader.client() as c, leader.client() as other:
        ident = c.call("CLIENT", "ID")
        for words, want in ((["PING"], "ping"), (["NOSUCH"], "NULL"), (["CONFIG", "GET", "port"], "config|get")):
            c.pipeline([words])
            line = other.call("CLIENT", "LIST", "ID", ident).decode()
            assert f" cmd={want} " in line, line


def test_slow_commands_are_logged_with_client_and_arguments(leader):
    with leader.client() as c:
        run(c, "CLIENT SETNAME logged", "CONFIG SET slowlog-log-slower-than 0", "SLOWLOG RESET")
        try:
            c.call("SET", "k" * 200, "v")
            c.call("MGET", *map(str, range(100)))
            newest, middle = c.call("SLOWLOG", "GET", 2)
            assert newest[0] == middle[0] + 1 and abs(newest[1] - time.time()) < 60 and newest[2] >= 0
            assert len(newest[3]) == 32 and newest[3][-1] == b"... (70 more arguments)"
            assert middle[3][1] == b"k" * 128 + b"... (72 more bytes)"
            assert newest[4] == b"127.0.0.1:%d" % c.socket.getsockname()[1] and newest[5] == b"logged"
            c.call("EVAL", "return redis.call('GET', KEYS[1])", "1", "a")
            script, within = c.call("SLOWLOG", "GET", 2)
            assert within[3] == [b"GET", b"a"] and script[3][0] == b"EVAL" and within[0] + 1 == script[0]
        finally:
            run(c, "CONFIG SET slowlog-log-slower-than 10000", "SLOWLOG RESET")
        assert c.call("SLOWLOG", "LEN") == 0
