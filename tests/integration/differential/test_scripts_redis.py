# SPDX-License-Identifier: BSD-3-Clause
"""Scripts and functions answer as redis-server does: values, error texts, places of errors."""

import pathlib

from diff_redis import redis_server
from diff_wire import Connection
from holdfast import Cluster

SCRIPTS = pathlib.Path(__file__).with_name("scripts.txt").read_text(encoding="utf-8").splitlines()[1:]
DIGEST = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db"  # of "return 1"

CHANGE_CJSON = """cjson.encode_keep_buffer(false) cjson.encode_sparse_array(true, 5, 6) cjson.encode_max_depth(10)
cjson.decode_max_depth(11) cjson.encode_number_precision(3) cjson.encode_invalid_numbers(true) return 1"""
SHOW_CJSON = """return {tostring(cjson.encode_keep_buffer()), {tostring(cjson.encode_sparse_array())},
cjson.encode_max_depth(), cjson.decode_max_depth(), cjson.encode_number_precision(),
tostring(cjson.encode_invalid_numbers()), cjson.encode({0.123456789})}"""
CJSON_LIBRARY = f"""#!lua name=cjson
redis.register_function('change', function() {CHANGE_CJSON} end)
redis.register_function('show', function() {SHOW_CJSON} end)
"""

CALLS = [
    ("EVAL", "return KEYS", "2", "a", "b", "c", "d"),
    ("EVAL", "return {KEYS[1],ARGV[2]}", "2", "a", "b", "c", "d"),
    ("EVAL", "#!lua\nreturn 1", "0"),
    ("EVAL", "#!lua flags=foo\nreturn 1", "0"),
    ("EVAL", "#!lua flags=\nreturn 5", "0"),
    ("EVAL", "#!lua flags=no-writes,allow-stale\nreturn redis.call('set','a','b')", "0"),
    ("EVAL", "#!lua flags=no-writes\nreturn redis.call('get','a')", "0"),
    ("EVAL", "#!xx\nreturn 1", "0"),
    ("EVAL", "#!lua name=x\nreturn 1", "0"),
    ("EVAL", "#!lua", "0"),
    ("EVAL", "return 1"),
    ("EVAL", "return 1", "a"),
    ("EVAL", "return 1", "-1"),
    ("EVAL", "return 1", "2", "x"),
    ("EVAL_RO", "return redis.call('set','a','b')", "1", "a"),
    ("EVAL_RO", "return redis.call('get','s')", "1", "s"),
    ("EVAL_RO", "#!lua\nreturn 1", "0"),
    ("EVAL_RO", "return redis.call('publish','a','b')", "0"),
    ("EVAL_RO", "return redis.call('pfcount','nokey')", "1", "nokey"),
    ("EVAL", "#!lua flags=no-writes\nreturn redis.call('spublish','a','b')", "0"),
    ("EVAL", "#!lua flags=no-writes,\nreturn 1", "0"),
    ("EVAL", "#!lua flags=,no-writes\nreturn 1", "0"),
    ("EVAL", "#!lua flags=no-writes,,allow-oom\nreturn 1", "0"),
    ("EVAL", "#!lua flags=no-writes, allow-oom\nreturn 1", "0"),
    ("EVAL", "#!lua flags=no-writes\nreturn redis.call('publish','a','b')", "0"),
    ("EVAL_RO", "return redis.call('spublish','a','b')", "0"),
    ("EVAL_RO", "return redis.pcall('pfcount','a')", "0"),
    ("EVALSHA", "abc", "0"),
    ("EVALSHA", "abc", "x"),
    ("EVALSHA", "f" * 40, "x"),
    ("EVALSHA", "f" * 40, "0"),
    ("SCRIPT", "LOAD", "x x x"),
    ("SCRIPT", "LOAD", "return 1"),
    ("SCRIPT", "EXISTS", DIGEST, DIGEST.upper(), "x"),
    ("EVALSHA", DIGEST.upper(), "0"),
    ("EVALSHA_RO", DIGEST, "0"),
    ("SCRIPT", "FLUSH", "foo"),
    ("SCRIPT", "FLUSH", "ASYNC"),
    ("EVALSHA", DIGEST, "0"),
    ("SCRIPT", "EXISTS"),
    ("SCRIPT", "KILL"),
    ("EVAL", CHANGE_CJSON, "0"),
    ("EVAL", SHOW_CJSON, "0"),
    ("SCRIPT", "FLUSH"),
    ("EVAL", SHOW_CJSON, "0"),
    ("FUNCTION", "LOAD", CJSON_LIBRARY),
    ("FCALL", "change", "0"),
    ("FUNCTION", "FLUSH"),
    ("SCRIPT", "FLUSH"),
    ("FUNCTION", "LOAD", CJSON_LIBRARY),
    ("FCALL", "show", "0"),
    ("FUNCTION", "DELETE", "cjson"),
    ("SCRIPT", "DEBUG", "foo"),
    ("SCRIPT", "NOSUCH"),
]

FIRST_LIBRARY = """#!lua name=l1
redis.register_function('f1', function(k, a) return {k, a} end)
redis.register_function{function_name='f2', callback=function(k, a)
    return redis.call('set', k[1], '1') end, flags={'no-writes'}, description='dd'}
"""
CASES_LIBRARY = """#!Lua NAME=cases
redis.register_function('Ab', function() return 1 end)
redis.register_function('fields', function()
    local t = {} for k in pairs(redis) do t[#t + 1] = k end table.sort(t) return t end)
"""
SECOND_LIBRARY = """#!lua name=l1
redis.register_function('g1', function(k,a) return error('hi') end)
redis.register_function('g2', function(k,a) return redis.call('incr','s') end)
redis.register_function('g3', function(k,a) return redis.REDIS_VERSION end)
redis.register_function('g4', function(k,a) y=1 end)
redis.register_function('g5', function(k,a) return y end)
redis.register_function('g6', function(k,a) return redis.register_function('u', function() end) end)
"""
LIBRARIES = [
    '#!lua name=l1\nreturn 1',
    '#!lua name=l2\nreturn 1',
    '#!lua name=l2\nredis.call("set","a",1)',
    '#!lua name=l2\nredis.register_function("f1",function() end)',
    '#!lua name=l2\nredis.register_function("f3",1)',
    '#!lua name=l2\nx=1',
    '#!lua name=l2\nredis.register_function("f-3",function() end)',
    '#!lua\nreturn 1',
    '#!lua name=l2 foo=bar\nreturn 1',
    '#!foo name=l2\nreturn 1',
    '#!lua name=l-2\nreturn 1',
    '#!lua name=l2\nlocal x = nosuch\n',
    '#!lua name=l2\nsynt x\n',
    '#!lua name=l2\nredis.register_function{function_name="f2", callback=function(k,a) return 1 end, flags={"nowrites"}, description="dd"}\n',
    '#!lua name=l2\nredis.register_function{function_name="f2", foo=1}\n',
    '#!lua name=l2\nredis.register_function()\n',
    '#!lua name=l2\nredis.register_function("a","b","c")\n',
    '#!lua name=l2\nredis.register_function(1,"b")\n',
    '#!lua name=l2\nredis.register_function({},function() end)\n',
    '#!lua name=l2\nredis.register_function("x")\n',
    '#!lua name=l2\nredis.register_function{callback=function() end}',
    '#!lua name=l2\nredis.register_function{function_name="q"}',
    '#!lua name=l2\nredis.register_function{function_name={}}',
    '#!lua name=l2\nredis.register_function{function_name="q",callback=1}',
    '#!lua name=l2\nredis.register_function{function_name="q",callback=function() end,description={}}',
    '#!lua name=l2\nredis.register_function{function_name="q",callback=function() end,flags=1}',
    '#!lua name=l2\nredis.register_function("q",function() end) redis.register_function("q",function() end)',
    '#!lua name=l2',
    '#!lua name=\nx',
    '#!lua name=a name=b\nx',
    '#!LUA name=l9\nredis.register_function("q9",function() end)',
    '#!lua name=l2\nredis.log(3,"x") local x = redis.REDIS_VERSION redis.register_function("q8",function() return x end)',
]
FUNCTIONS = (
    [
        ("FUNCTION", "STATS"),
        ("FUNCTION", "LIST"),
        ("FUNCTION", "LOAD", "x"),
        ("FUNCTION", "LOAD", FIRST_LIBRARY),
        ("FCALL", "f1", "1", "a", "b"),
        ("FCALL", "f2", "1", "a"),
        ("FCALL_RO", "f1", "0"),
        ("FCALL_RO", "f2", "0"),
        ("FCALL", "none", "0"),
        ("FCALL", "f1", "a"),
        ("FCALL", "f1", "-1"),
        ("FCALL", "f1", "4"),
        ("FUNCTION", "STATS"),
        ("FUNCTION", "LOAD", CASES_LIBRARY),
        ("FCALL", "AB", "0"),
        ("FCALL", "FIELDS", "0"),
        ("FUNCTION", "LOAD", "#!lua name=c2\nredis.register_function('AB', function() end)"),
        ("FUNCTION", "LOAD", "#!lua name=c2\nredis.register_function{'a', function() end}"),
        ("FUNCTION", "DELETE", "CASES"),
        ("FUNCTION", "DELETE", "cases"),
        ("FUNCTION", "RESTORE", "x", "y", "z"),
    ]
    + [("FUNCTION", "LOAD", text) for text in LIBRARIES]
    + [("FUNCTION", "LOAD", "REPLACE", SECOND_LIBRARY)]
    + [("FCALL", f"g{i}", "0") for i in range(1, 7)]
    + [
        ("FCALL", "f1", "0"),
        ("FCALL", "q8", "0"),
        ("FUNCTION", "LOAD", "REPLACE", "x", "y"),
        ("FUNCTION", "LOAD", "foo", "y"),
        ("FUNCTION", "DELETE", "nosuch"),
        ("FUNCTION", "DELETE"),
        ("FUNCTION", "NOSUCH"),
        ("FUNCTION", "FLUSH", "x"),
        ("FUNCTION", "LIST", "foo"),
        ("FUNCTION", "LIST", "LIBRARYNAME"),
        ("FUNCTION", "LIST", "LIBRARYNAME", "L2", "WITHCODE"),
        ("FUNCTION", "LIST", "WITHCODE", "WITHCODE"),
        ("FUNCTION", "KILL"),
        ("FUNCTION", "DELETE", "l2"),
        ("FCALL", "q8", "0"),
        ("FUNCTION", "FLUSH", "ASYNC"),
        ("FUNCTION", "LIST"),
    ]
)


def shape(reply):
    """What may be compared: maps have no order."""
    if isinstance(reply.value, list):
        items = [shape(item) for item in reply.value]
        if reply.kind in "%":
            items = sorted(zip(items[::2], items[1::2], strict=True), key=repr)
        return reply.kind, items
    return reply.kind, reply.value


def test_replies_are_those_of_redis():
    with redis_server() as redis, Cluster(nodes=1, plain=True) as cluster:
        for protocol in (2, 3):
            ours = Connection(("127.0.0.1", cluster.leader().port), protocol)
            theirs = Connection(redis, protocol)
            calls = [("FLUSHALL",), ("FUNCTION", "FLUSH")]
            calls += [("EVAL", script, "0") for script in SCRIPTS] + CALLS + FUNCTIONS
            for words in calls:
                args = [word.encode() for word in words]
                assert shape(ours.call(*args)) == shape(theirs.call(*args)), (protocol, words)
            ours.close()
            theirs.close()


COUNTED = [
    "redis.pcall('incr','s') return 1",
    "return redis.pcall('incr','s')",
    "return redis.call('incr','s')",
    "redis.pcall('nosuch') return 1",
    "return redis.call('nosuch')",
    "return redis.call('get')",
    "return redis.call('subscribe','x')",
    "return redis.pcall()",
    "return {err='MY x'}",
    "return {err='x'}",
    "return redis.error_reply('x')",
    "return {err='A:B#C x'}",
    "return {err='A23456789012345678901234567890 x'}",
    "return {err='A234567890123456789012345678901 x'}",
    "error('x')",
    "error(redis.pcall('incr','s'))",
    "pcall(redis.call,'incr','s') return 1",
    "local e=redis.pcall('incr','s') return {err=e.err}",
    "local ok,e=pcall(redis.call,'incr','s') error(e)",
    "#!lua flags=no-writes\nreturn redis.call('set','a','b')",
    "syntax error",
]


def counts(server, script):
    def info(section):
        return server.call(b"INFO", section).value.decode().split("\r\n")[1:]

    server.call(b"SET", b"s", b"abc")
    server.call(b"CONFIG", b"RESETSTAT")
    server.call(b"EVAL", script.encode(), b"0")
    errors = info(b"errorstats") + [line for line in info(b"stats") if line.startswith("total_error_replies")]
    calls = {}
    for line in info(b"commandstats"):
        name, _, fields = line.partition(":")
        if name not in ("", "cmdstat_info", "cmdstat_config|resetstat"):
            calls[name] = [field for field in fields.split(",") if "calls" in field]
    return errors, calls


def test_errors_of_commands_that_scripts_call_are_counted_as_in_redis():
    with redis_server() as redis, Cluster(nodes=1, plain=True) as cluster:
        ours = Connection(("127.0.0.1", cluster.leader().port), 2)
        theirs = Connection(redis, 2)
        for script in COUNTED:
            assert counts(ours, script) == counts(theirs, script), script
        ours.close()
        theirs.close()
