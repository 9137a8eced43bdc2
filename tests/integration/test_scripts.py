# SPDX-License-Identifier: BSD-3-Clause
"""Scripts and functions (node/script), on real nodes: atomic effects, slow ones, where they may run,
functions on all nodes."""

import contextlib
import signal
import time

import pytest

from diff_redis import redis_server
from holdfast import Client, Cluster, ReplyError, eventually, slot_of

LIBRARY = """#!lua name=shop
redis.register_function('buy', function(keys, args)
    redis.call('INCRBY', keys[1], args[1])
    redis.call('RPUSH', keys[2], args[1])
    return redis.call('GET', keys[1])
end)
redis.register_function{function_name='total', callback=function(keys)
    return redis.call('GET', keys[1])
end, flags={'no-writes'}}
"""
FOREVER = "while true do end"


@pytest.fixture(scope="module")
def plain():
    with Cluster(plain=True, busy_reply_threshold=200) as c:
        yield c


@pytest.fixture(scope="module")
def clustered():
    with Cluster() as c:
        yield c


@pytest.fixture
def leader(plain):
    node = plain.leader()
    node.call("FLUSHALL")
    return node


def refused(call, *words):
    with pytest.raises(ReplyError) as error:
        call(*words)
    return error.value.text


def digests_agree(cluster):
    cluster.wait_caught_up()
    return len(cluster.digests()) == 1


# ---- effects ------------------------------------------------------------------------------------


def test_chance_and_time_in_a_script_leave_equal_replicas(plain, leader):
    leader.call("SADD", "s", *range(300))
    script = """
        for i = 1, 50 do
            redis.call('SET', 'r' .. i, tostring(math.random()), 'EX', 1000 + i)
            redis.call('RPUSH', 'popped', redis.call('SPOP', 's'))
            redis.call('RPUSH', 'time', unpack(redis.call('TIME')))
        end
        redis.call('RPUSH', 'members', unpack(redis.call('SMEMBERS', 's')))
        return redis.call('LLEN', 'popped')
    """
    assert leader.call("EVAL", script, 0) == 50
    assert digests_agree(plain)


def test_a_seed_is_of_its_script_alone(leader):
    """What a script draws cannot be foretold because another one has used a constant seed."""
    seeded = "math.randomseed(5) return {math.random(1000000), math.random(1000000)}"
    drawn, after = [], []
    for _ in range(4):
        drawn.append(leader.call("EVAL", seeded, 0))
        after.append(leader.call("EVAL", "return math.random(1000000)", 0))
    assert drawn == drawn[:1] * 4
    assert len(set(after)) > 1


def test_an_error_keeps_what_was_written_before_and_a_transaction_goes_on(plain, leader):
    script = "redis.call('SET', KEYS[1], 1) redis.call('LPUSH', KEYS[1], 2) redis.call('SET', 'never', 1)"
    assert refused(leader.call, "EVAL", script, 1, "k").startswith("WRONGTYPE ")
    assert leader.call("GET", "k") == b"1"
    assert leader.call("EXISTS", "never") == 0
    with leader.client() as c:
        c.call("MULTI")
        c.call("EVAL", "error('no')", 0)
        c.call("EVAL", "return redis.call('INCR', 'n')", 0)
        replies = c.call("EXEC")
    assert isinstance(replies[0], ReplyError) and replies[1] == 1
    assert digests_agree(plain)


def test_a_script_of_the_cache_and_one_flushed(leader):
    sha = leader.call("SCRIPT", "LOAD", "return ARGV[1]")
    assert leader.call("SCRIPT", "SHOW", sha) == b"return ARGV[1]"
    assert leader.call("EVALSHA", sha, 0, "x") == b"x"
    leader.call("SCRIPT", "FLUSH")
    assert refused(leader.call, "EVALSHA", sha, 0).startswith("NOSCRIPT ")
    assert refused(leader.call, "SCRIPT", "SHOW", sha).startswith("NOSCRIPT ")


def test_scripts_that_came_by_eval_alone_do_not_fill_the_memory(leader):
    kept = leader.call("SCRIPT", "LOAD", "return 'kept'")
    with leader.client() as c:
        c.pipeline([("EVAL", f"return {i}", 0) for i in range(1500)])
    assert int(leader.info("memory")["number_of_cached_scripts"]) < 600
    assert leader.call("EVALSHA", kept, 0) == b"kept"


def test_select_within_a_script_is_the_scripts_own(leader):
    assert leader.call("EVAL", "redis.call('SELECT', 5) return redis.call('SET', 'five', 1)", 0) == "OK"
    assert leader.call("EXISTS", "five") == 0
    with leader.client() as c:
        c.call("SELECT", 5)
        assert c.call("EXISTS", "five") == 1


def test_a_blocking_command_does_not_wait_in_a_script(leader):
    assert leader.call("EVAL", "return redis.call('BLPOP', 'none', 0)", 0) is None


def test_waiters_are_served_behind_the_script(leader):
    with leader.client() as c:
        c.send("BLPOP", "queue", 0)
        eventually(lambda: leader.info("clients")["blocked_clients"] == "1", what="a client that waits")
        leader.call("EVAL", "redis.call('RPUSH', 'queue', 'a', 'b') redis.call('LSET', 'queue', 0, 'c')", 0)
        assert c.read() == [b"queue", b"c"]


# ---- slow scripts ----------------------------------------------------------------------------------


def busy(node):
    def is_busy():
        with node.client() as c:
            try:
                c.call("PING")
            except ReplyError as error:
                return error.code == "BUSY"
        return False

    return eventually(is_busy, what="the script counts as slow")


def test_a_script_that_has_written_nothing_can_be_killed(plain, leader):
    with leader.client() as c, leader.client() as other:
        c.send("EVAL", f"pcall(function() {FOREVER} end) {FOREVER}", 0)
        busy(leader)
        assert refused(other.call, "GET", "x").startswith("BUSY Redis is busy running a script.")
        assert refused(other.call, "FUNCTION", "KILL").startswith("BUSY ")
        assert refused(other.call, "MULTI", "x").startswith("ERR wrong number")
        assert other.call("MULTI") == "OK"
        assert refused(other.call, "SET", "x", 1).startswith("BUSY ")
        assert leader.call("SCRIPT", "KILL") == "OK"
        assert refused(c.read).startswith("ERR Script killed by user with SCRIPT KILL... script: ")
        assert refused(other.call, "EXEC").startswith("EXECABORT")
        assert other.call("SET", "x", 1) == "OK"
    assert plain.leader() is leader  # it went on leading
    assert refused(leader.call, "SCRIPT", "KILL").startswith("NOTBUSY ")


def test_exec_while_a_script_runs_ends_the_transaction(leader):
    busy_text = "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
    with leader.client() as c, leader.client() as other:
        assert other.call("MULTI") == "OK"
        assert other.call("SET", "k", 1) == "QUEUED"
        c.send("EVAL", FOREVER, 0)
        busy(leader)
        assert refused(other.call, "EXEC") == f"EXECABORT Transaction discarded because of: {busy_text}"
        assert refused(other.call, "EXEC") == f"EXECABORT Transaction discarded because of: {busy_text}"
        assert refused(other.call, "GET", "k") == busy_text
        assert refused(other.call, "FUNCTION", "STATS") == busy_text
        assert leader.call("SCRIPT", "KILL") == "OK"
        assert refused(c.read).startswith("ERR Script killed ")
        assert other.call("SET", "k2", 2) == "OK"
        assert other.call("EXISTS", "k") == 0
        assert refused(other.call, "EXEC") == "ERR EXEC without MULTI"


def test_an_error_is_not_asked_through_its_metatable(leader):
    script = "error(setmetatable({err = 'MY error'}, {__newindex = function() end, __index = error}))"
    assert refused(leader.call, "EVAL", script, 0).startswith("MY error script: ")
    assert leader.call("PING") == "PONG"


def test_a_script_that_has_written_cannot_be_killed(leader):
    with leader.client() as c:
        c.send(
            "EVAL",
            "redis.call('SET', 'x', 1) local n = 0 "
            "local t = redis.call('TIME')[1] + 2 while redis.call('TIME')[1] + 0 < t do n = n + 1 end return 7",
            0,
        )
        busy(leader)
        assert refused(leader.call, "SCRIPT", "KILL").startswith("UNKILLABLE ")
        assert c.read() == 7
    assert leader.call("GET", "x") == b"1"


def test_a_client_that_goes_away_and_one_that_comes_while_a_script_runs(leader):
    c = leader.client()
    c.send("EVAL", FOREVER, 0)
    busy(leader)
    c.close()
    with leader.client() as other:
        assert other.call("SCRIPT", "KILL") == "OK"
    eventually(lambda: leader.call("PING") == "PONG")


def test_a_function_is_killed_by_function_kill(leader):
    leader.call("FUNCTION", "LOAD", "REPLACE", f"#!lua name=slow\nredis.register_function('slow', function() {FOREVER} end)")
    with leader.client() as c:
        c.send("FCALL", "slow", 0)
        busy(leader)
        stats = leader.call("FUNCTION", "STATS")
        running = dict(zip(stats[1][::2], stats[1][1::2], strict=True))
        assert running[b"name"] == b"slow" and running[b"command"] == [b"FCALL", b"slow", b"0"]
        assert refused(leader.call, "SCRIPT", "KILL").startswith("BUSY ")
        assert leader.call("FUNCTION", "KILL") == "OK"
        assert refused(c.read).startswith("ERR Script killed by user with SCRIPT KILL... script: slow, on @user_function:2.")
    leader.call("FUNCTION", "FLUSH")


def test_shutdown_nosave_ends_a_node_whose_script_has_written():
    with Cluster(plain=True, busy_reply_threshold=200) as cluster:
        node = cluster.leader()
        node.call("SET", "before", 1)
        with node.client() as c:
            c.send("EVAL", f"redis.call('SET', 'within', 1) {FOREVER}", 0)
            busy(node)
            assert refused(node.call, "SHUTDOWN").startswith("BUSY ")
            with node.client() as other:
                other.send("SHUTDOWN", "NOSAVE")
                assert node.process.wait(timeout=60) == 0
        node.process = None
        other = cluster.leader()
        assert other is not node
        assert other.call("MGET", "before", "within") == [b"1", None]


def test_sigterm_ends_a_long_script_that_has_written_nothing_and_hands_over():
    with Cluster(plain=True, busy_reply_threshold=500) as cluster:
        node = cluster.leader()
        with node.client() as c:
            # Whatever it catches, on the same line as well.
            c.send("EVAL", f"coroutine.resume(coroutine.create(function() {FOREVER} end)) redis.call('SET', 'x', 1) {FOREVER}", 0)
            busy(node)
            node.process.send_signal(signal.SIGTERM)
            assert refused(c.read).startswith("ERR Script ended: this server is shutting down")
            assert node.process.wait(timeout=60) == 0
        assert node.log_has("handing leadership over before the shutdown")
        node.process = None
        assert cluster.leader().call("EXISTS", "x") == 0


def test_sigterm_waits_for_a_script_that_has_written_but_not_for_ever():
    within = "redis.call('SET', KEYS[1], 1) local t = redis.call('TIME')[1] + ARGV[1] while redis.call('TIME')[1] + 0 < t do end return 7"
    with Cluster(plain=True, busy_reply_threshold=200, shutdown_timeout=5) as cluster:
        node = cluster.leader()
        with node.client() as c:
            c.send("EVAL", within, 1, "short", 2)
            busy(node)
            node.process.send_signal(signal.SIGTERM)
            assert c.read() == 7
            assert node.process.wait(timeout=60) == 0
        node.process = None
        node = cluster.leader()
        assert node.call("GET", "short") == b"1"
        with node.client() as c:
            c.send("EVAL", within, 1, "long", 1000)
            busy(node)
            node.process.send_signal(signal.SIGTERM)
            assert node.process.wait(timeout=60) == 0
        assert node.log_has("nothing of it is in the log")
        node.process = None
        for dead in cluster.nodes:
            if dead.process is None:
                dead.start()
        leader = cluster.leader()
        assert leader.call("MGET", "short", "long") == [b"1", None]
        assert digests_agree(cluster)


def test_a_second_sigterm_ends_the_node_while_a_script_runs():
    with Cluster(nodes=1, plain=True, busy_reply_threshold=200, shutdown_timeout=1000) as cluster:
        node = cluster.leader()
        with node.client() as c:
            c.send("EVAL", f"redis.call('SET', 'x', 1) {FOREVER}", 0)
            busy(node)
            node.process.send_signal(signal.SIGTERM)
            eventually(lambda: node.log_has("the shutdown waits for its end"), what="the signal is seen")
            node.process.send_signal(signal.SIGTERM)
            assert node.process.wait(timeout=60) == 1
        node.process = None


# ---- memory -----------------------------------------------------------------------------------------


def test_a_script_that_takes_too_much_memory_fails_and_the_next_one_does_not(plain, leader):
    assert leader.call("CONFIG", "GET", "lua-memory-limit") == [b"lua-memory-limit", b"1073741824"]
    leader.call("CONFIG", "SET", "lua-memory-limit", "8mb")
    try:
        for script in (
            "local t = {} for i = 1, 1e9 do t[i] = i end",
            "return string.rep('x', 2147483647)",
            "redis.call('SET', 'kept', 1) redis.call('SET', 'never', string.rep('x', 1e7))",
            "local s = string.rep('x', 1e6) local t = {} for i = 1, 100 do t[i] = s end return t",
            "return cjson.encode({string.rep('x', 2e6), string.rep('y', 2e6)})",
        ):
            text = refused(leader.call, "EVAL", script, 0)
            assert text.startswith("ERR not enough memory") or "script: " in text and "not enough memory" in text, text
        assert leader.call("MGET", "kept", "never") == [b"1", None]
        # The limit is of what is in use, not of all that was; a reply that does not fit is an error, too.
        leader.call("SET", "big", "x" * 1000000)
        assert leader.call("EVAL", "for i = 1, 200 do redis.call('GET', 'big') end return 1", 0) == 1
        text = refused(leader.call, "EVAL", "local t = {} while true do t[#t + 1] = redis.call('GET', 'big') .. #t end", 0)
        assert "not enough memory" in text
        # What was written by a call whose reply found no room is written, once.
        script = "local t = {} while true do redis.call('INCR', 'n') t[#t + 1] = string.rep('x', 1e5) .. #t end"
        assert "not enough memory" in refused(leader.call, "EVAL", script, 0)
        assert 30 < int(leader.call("GET", "n")) < 100
        text = refused(leader.call, "FUNCTION", "LOAD", "#!lua name=x\nlocal s = string.rep('x', 1e8)")
        assert text == "ERR Error registering functions: ERR not enough memory", text
        assert leader.call("EVAL", "return pcall(string.rep, 'x', 1e9)", 0) is None
    finally:
        leader.call("CONFIG", "SET", "lua-memory-limit", "1gb")
    assert leader.call("EVAL", "return #string.rep('x', 1e8)", 0) == 10**8
    # Nothing of that is kept, or keys would have to go for it.
    assert int(leader.info("memory")["used_memory_vm_eval"]) < 40 << 20
    assert digests_agree(plain)


# ---- where scripts run -----------------------------------------------------------------------------


def test_on_a_follower_scripts_read_and_say_readonly_when_they_write(plain, leader):
    leader.call("SET", "k", "v")
    plain.wait_caught_up()
    follower = plain.followers()[0]
    assert follower.call("EVAL", "return redis.call('GET', KEYS[1])", 1, "k") == b"v"
    assert follower.call("EVAL_RO", "return redis.call('GET', KEYS[1])", 1, "k") == b"v"
    text = refused(follower.call, "EVAL", "return redis.call('SET', KEYS[1], 1)", 1, "k")
    assert text.startswith("READONLY You can't write against a read only replica. script: ")
    assert refused(follower.call, "EVAL", "#!lua\nreturn 1", 0).startswith("READONLY ")
    assert follower.call("EVAL", "#!lua flags=no-writes\nreturn 1", 0) == 1


def test_in_a_cluster_scripts_go_where_their_keys_are(clustered):
    leader, follower = clustered.leader(), clustered.followers()[0]
    assert leader.call("EVAL", "return redis.call('SET', KEYS[1], 1)", 1, "a") == "OK"
    clustered.wait_caught_up()
    moved = f"MOVED {slot_of('a')} 127.0.0.1:{leader.port}"
    assert refused(follower.call, "EVAL", "return 1", 1, "a") == moved
    assert refused(follower.call, "EVAL_RO", "return 1", 1, "a") == moved
    assert refused(leader.call, "EVAL", "return 1", 2, "a", "b").startswith("CROSSSLOT ")
    with follower.client() as c:
        c.call("READONLY")
        assert c.call("EVAL_RO", "return redis.call('GET', KEYS[1])", 1, "a") == b"1"
        assert refused(c.call, "EVAL", "return 1", 1, "a") == moved
    # Without keys it runs anywhere; what it then looks at must be here.
    assert follower.call("EVAL", "return 1", 0) == 1
    assert "non local key" in refused(follower.call, "EVAL", "return redis.call('GET', 'a')", 0)
    assert leader.call("EVAL", "return redis.call('GET', 'a')", 0) == b"1"
    text = refused(leader.call, "EVAL", "return redis.call('MGET', 'a', 'b')", 0)
    assert "do not hash to the same slot" in text
    text = refused(leader.call, "EVAL", "#!lua\nreturn redis.call('GET', 'b')", 1, "a")
    assert "do not hash to the same slot" in text
    script = "#!lua flags=allow-cross-slot-keys\nreturn redis.call('GET', 'b')"
    assert leader.call("EVAL", script, 1, "a") is None
    assert "no-cluster" in refused(leader.call, "EVAL", "#!lua flags=no-cluster\nreturn 1", 0)


def test_scripts_over_several_groups():
    with Cluster(nodes=1, cluster_data_groups=3) as cluster:
        node = cluster.nodes[0]
        eventually(lambda: len(cluster.leaders()) == 3, 30, "all groups have leaders")
        tags = {}
        for i in range(3000):
            tags.setdefault(3 * slot_of(f"t{i}") // 16384 + 1, f"t{i}")
        for group in (1, 2, 3):
            node.call("SET", tags[group], "v")
        assert sorted(node.call("EVAL", "return redis.call('KEYS', '*')", 0)) == sorted(
            tag.encode() for tag in tags.values()
        )
        script = "redis.call('SET', KEYS[1], 1) return redis.call('DBSIZE')"
        assert node.call("EVAL", script, 1, tags[2]) == 3
        # A key of a group that is not the script's own is out of reach, though it is on this node.
        assert "non local key" in refused(
            node.call, "EVAL", "return redis.call('GET', ARGV[1])", 1, tags[2], tags[3]
        )
        assert node.call("EVAL", "return redis.call('FLUSHALL')", 0) == "OK"
        assert node.call("DBSIZE") == 0


def test_a_script_may_not_write_when_memory_is_out(leader):
    leader.call("SET", "big", "x" * 100000)
    leader.call("CONFIG", "SET", "maxmemory", 1)
    try:
        assert refused(leader.call, "EVAL", "return redis.call('SET', 'k', 1)", 0).startswith("OOM command")
        assert refused(leader.call, "EVAL", "#!lua\nreturn 1", 0).startswith("OOM command not allowed")
        assert refused(leader.call, "EVAL_RO", "#!lua\nreturn 1", 0).startswith("OOM command not allowed")
        assert leader.call("EVAL", "#!lua flags=allow-oom\nreturn redis.call('SET', 'k', 1)", 0) == "OK"
        assert leader.call("EVAL", "return redis.call('GET', 'k')", 0) == b"1"
    finally:
        leader.call("CONFIG", "SET", "maxmemory", 0)


def test_a_script_may_do_what_its_user_may(leader):
    leader.call("ACL", "SETUSER", "limited", "on", "nopass", "~mine:*", "&news", "+@all", "-set")
    try:
        with leader.client() as c:
            c.call("AUTH", "limited", "x")
            assert c.call("EVAL", "return redis.call('INCR', KEYS[1])", 1, "mine:n") == 1
            text = refused(c.call, "EVAL", "return redis.call('INCR', 'other')", 0)
            assert text.startswith("ERR The user executing the script can't access at least one of the keys")
            text = refused(c.call, "EVAL", "return redis.call('SET', 'mine:k', 1)", 0)
            assert text.startswith("ERR The user executing the script can't run this command or subcommand")
            text = refused(c.call, "EVAL", "return redis.call('PUBLISH', 'other', 1)", 0)
            assert text.startswith("ERR The user executing the script can't publish to the channel")
            script = """return {redis.acl_check_cmd('GET', 'mine:k'), redis.acl_check_cmd('GET', 'k'),
                redis.acl_check_cmd('SET', 'mine:k', 1), redis.acl_check_cmd('PUBLISH', 'news', 1)}"""
            assert c.call("EVAL", script, 0) == [1, None, None, 1]
        log = leader.call("ACL", "LOG")
        assert {entry[5] for entry in log} == {b"lua"}
    finally:
        leader.call("ACL", "DELUSER", "limited")
        leader.call("ACL", "LOG", "RESET")


# ---- functions -------------------------------------------------------------------------------------


def test_functions_are_on_every_node_through_failover_and_restart():
    with Cluster(plain=True) as cluster:
        follower = cluster.followers()[0]
        assert follower.call("FUNCTION", "LOAD", LIBRARY) == b"shop"
        # The node that was asked knows it at once, the others as they apply.
        memory = follower.info("memory")
        assert (memory["number_of_libraries"], memory["number_of_functions"]) == ("1", "2")
        assert follower.call("FUNCTION", "STATS")[3][1][1] == 1
        for node in cluster.nodes:
            eventually(lambda node=node: len(node.call("FUNCTION", "LIST")) == 1, what="the library")
        assert cluster.leader().call("FCALL", "buy", 2, "sum", "all", 5) == b"5"
        old = cluster.leader()
        old.kill()
        new = cluster.leader()
        assert new.call("FCALL", "buy", 2, "sum", "all", 3) == b"8"
        assert new.call("FCALL_RO", "total", 1, "sum") == b"8"
        old.start()
        eventually(lambda: len(old.call("FUNCTION", "LIST")) == 1, what="the library on the old leader")
        for node in cluster.nodes:
            node.kill(signal.SIGKILL)
        for node in cluster.nodes:
            node.start(wait=False)
        cluster.wait_serving()
        assert cluster.leader().call("FCALL", "buy", 2, "sum", "all", 1) == b"9"
        assert old.call("FUNCTION", "DELETE", "shop") == "OK"
        assert refused(old.call, "FCALL", "total", 1, "sum") == "ERR Function not found"
        assert digests_agree(cluster)


def library(name, *functions):
    lines = [f"redis.register_function('{f}', function() return '{name}.{f}' end)" for f in functions]
    return f"#!lua name={name}\n" + "\n".join(lines)


def names(node):
    return sorted(dict(zip(item[::2], item[1::2], strict=True))[b"library_name"] for item in node.call("FUNCTION", "LIST"))


def test_libraries_are_dumped_and_restored_in_the_format_of_redis(leader):
    leader.call("FUNCTION", "FLUSH")
    empty = leader.call("FUNCTION", "DUMP")
    for text in (library("a", "f", "g"), library("b", "h")):
        leader.call("FUNCTION", "LOAD", text)
    dump = leader.call("FUNCTION", "DUMP")
    assert refused(leader.call, "FUNCTION", "RESTORE", dump) == "ERR Library a already exists"
    assert refused(leader.call, "FUNCTION", "RESTORE", dump, "no").startswith("ERR Wrong restore policy")
    assert refused(leader.call, "FUNCTION", "RESTORE", dump[:-1] + b"x").startswith("ERR DUMP payload")
    leader.call("SET", "k", "v")
    assert refused(leader.call, "FUNCTION", "RESTORE", leader.call("DUMP", "k")) == "ERR given type is not a function"
    with redis_server() as address, Client(address[1]) as redis:
        assert redis.call("FUNCTION", "DUMP") == empty
        assert redis.call("FUNCTION", "RESTORE", dump) == "OK"
        assert redis.call("FCALL", "h", 0) == b"b.h"
        for text in (library("c", "i"), library("a", "new" * 200)):
            redis.call("FUNCTION", "LOAD", "REPLACE", text)
        theirs = redis.call("FUNCTION", "DUMP")
    assert leader.call("FUNCTION", "RESTORE", theirs, "REPLACE") == "OK"
    assert names(leader) == [b"a", b"b", b"c"]
    assert leader.call("FCALL", "new" * 200, 0) == b"a." + b"new" * 200
    assert refused(leader.call, "FCALL", "f", 0) == "ERR Function not found"
    # A function's name is one in all libraries, whoever brings it.
    leader.call("FUNCTION", "FLUSH")
    leader.call("FUNCTION", "LOAD", library("z", "h"))
    assert refused(leader.call, "FUNCTION", "RESTORE", dump, "REPLACE") == "ERR Function h already exists"
    assert names(leader) == [b"z"]
    assert leader.call("FUNCTION", "RESTORE", dump, "FLUSH") == "OK"
    assert names(leader) == [b"a", b"b"]
    assert leader.call("FUNCTION", "RESTORE", empty, "FLUSH") == "OK"
    assert names(leader) == []


def test_a_library_that_replaces_takes_no_name_of_the_one_just_loaded(leader):
    leader.call("FUNCTION", "FLUSH")
    text = "#!lua name={}\nredis.register_function('f', function() return 1 end)"
    assert leader.call("FUNCTION", "LOAD", text.format("a")) == b"a"
    assert refused(leader.call, "FUNCTION", "LOAD", "REPLACE", text.format("b")) == "ERR Function f already exists"
    assert leader.call("FUNCTION", "LOAD", "REPLACE", text.format("a")) == b"a"
    leader.call("FUNCTION", "FLUSH")


def lists(plain):
    return [sorted(repr(entry) for entry in node.call("FUNCTION", "LIST")) for node in plain.nodes]


def test_a_text_registers_the_same_functions_on_every_node(plain, leader):
    """Chance is that of the text; addresses and memory do not show. Called, a function has its own chance."""
    leader.call("FUNCTION", "FLUSH")
    for i in range(8):
        leader.call("FUNCTION", "LOAD", f"""#!lua name=r{i}
            local name = math.random(1e6) .. tostring({{}}) .. tostring(tostring) .. collectgarbage('count') .. gcinfo()
            redis.register_function('r{i}_' .. name:gsub('%W', '_'), function() return 1 end)""")  # fmt: skip
    loaded = {f"r{i}".encode() for i in range(8)}
    for i in range(20):
        text = f"#!lua name=m{i}\nif math.random() < 0.5 then error('no') end\n"
        text += f"redis.register_function('m{i}', function() return math.random(1e9) end)"
        with contextlib.suppress(ReplyError):
            loaded.add(leader.call("FUNCTION", "LOAD", text))
    assert 10 < len(loaded) < 26
    eventually(lambda: all(len(entries) == len(loaded) for entries in lists(plain)), what="all are everywhere")
    first, *others = lists(plain)
    assert all(entries == first for entries in others)
    name = next(n for n in loaded if n.startswith(b"m"))
    given = leader.call("FCALL", name, 0)
    dump = leader.call("FUNCTION", "DUMP")
    assert leader.call("FUNCTION", "RESTORE", dump, "FLUSH") == "OK"
    assert leader.call("FCALL", name, 0) != given
    leader.call("FUNCTION", "FLUSH")


def test_limits_of_memory_are_those_of_the_node_that_is_asked(plain, leader):
    leader.call("FUNCTION", "FLUSH")
    others = [node for node in plain.nodes if node is not leader]
    for node in others:
        node.call("CONFIG", "SET", "lua-memory-limit", "1mb")
    text = "#!lua name=big\nlocal s = string.rep('x', 5e6)\nredis.register_function('size', function() return #s end)"
    try:
        assert "not enough memory" in refused(others[0].call, "FUNCTION", "LOAD", text)
        assert leader.call("FUNCTION", "LOAD", text) == b"big"
        eventually(lambda: all(len(entries) == 1 for entries in lists(plain)), what="it is everywhere")
    finally:
        for node in others:
            node.call("CONFIG", "SET", "lua-memory-limit", "1gb")
        leader.call("FUNCTION", "FLUSH")


def test_a_function_cannot_be_loaded_in_a_transaction(leader):
    with leader.client() as c:
        c.call("MULTI")
        c.call("FUNCTION", "LOAD", LIBRARY)
        assert "transaction" in c.call("EXEC")[0].text


def test_loading_is_bounded_in_time(leader):
    began = time.monotonic()
    text = refused(leader.call, "FUNCTION", "LOAD", f"#!lua name=x\n{FOREVER}")
    assert "FUNCTION LOAD timeout" in text
    assert time.monotonic() - began < 20
    assert leader.call("FUNCTION", "LIST") == []
