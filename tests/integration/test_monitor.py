# SPDX-License-Identifier: BSD-3-Clause
"""MONITOR: what is shown, and what is not."""

import re

import pytest

from holdfast import Cluster, ReplyError, eventually
from subscribers import client


@pytest.fixture(scope="module")
def node():
    with Cluster(nodes=1, plain=True) as c:
        yield c.leader()


def shown(monitor, until):
    """Lines until the one that ends with @until: [db, words]."""
    lines = []
    while True:
        line = monitor.read()
        match = re.fullmatch(r"\d{10}\.\d{6} \[(\d+) (?:127\.0\.0\.1:\d+)\] (.*)", line)
        assert match, line
        lines.append((match[1], match[2]))
        if match[2] == until:
            return lines[:-1]


@pytest.mark.parametrize("protocol", [2, 3])
def test_commands_are_shown_as_redis_shows_them(node, protocol):
    with client(node, protocol) as m, node.client() as c:
        assert m.call("MONITOR") == "OK"
        c.call("SET", 'a"\\', b"b\x07\x08\n\r\t\xe9 '")
        for words in (["AUTH", "u", "secret"], ["CONFIG", "GET", "port"], ["GET"], ["NOSUCH"], ["SLOWLOG", "LEN"]):
            try:
                c.call(*words)
            except ReplyError:
                pass
        c.call("MULTI")
        c.call("get", "q")
        c.call("EXEC")
        c.call("SELECT", 3)
        c.call("HELLO", 2, "AUTH", "default", "secret")
        c.call("ECHO", "end")
        assert shown(m, '"ECHO" "end"') == [
            ("0", r'"SET" "a\"\\" "b\a\b\n\r\t\xe9 ' + "'\""),
            ("0", '"AUTH" "(redacted)" "(redacted)"'),
            ("0", '"MULTI"'),
            ("0", '"get" "q"'),
            ("0", '"EXEC"'),
            ("3", '"SELECT" "3"'),
            ("3", '"HELLO" "2" "AUTH" "(redacted)" "(redacted)"'),
        ]


def test_who_monitors_leaves_the_data_alone(node):
    with node.client() as m, node.client() as c:
        m.call("MONITOR")
        ident = m.call("MONITOR") == "OK"  # twice is once, and answered
        assert ident
        for words in (["GET", "k"], ["SET", "k", "v"], ["PUBLISH", "a", "m"]):
            with pytest.raises(ReplyError, match="^ERR Replica can't interact with the keyspace$"):
                m.call(*words)
        assert m.call("PING") == "PONG"
        assert shown(m, '"PING"') == []
        line = next(x for x in c.call("CLIENT", "LIST").decode().splitlines() if "cmd=ping" in x)
        assert " flags=O " in line
        assert m.call("RESET") == "RESET"
        c.call("GET", "k")
        assert m.call("GET", "k") is None  # and nothing was shown in between


def test_who_wants_no_replies_gets_no_feed(node):
    with node.client() as m, node.client() as c:
        m.send("CLIENT", "REPLY", "OFF")
        m.send("MONITOR")
        eventually(lambda: " flags=O " in c.call("CLIENT", "LIST").decode(), what="it monitors")
        c.call("ECHO", "unseen")
        assert m.call("CLIENT", "REPLY", "ON") == "OK"
        c.call("ECHO", "end")
        assert ("0", '"ECHO" "unseen"') not in shown(m, '"ECHO" "end"')


def test_monitor_is_not_for_transactions(node):
    with node.client() as c:
        c.call("MULTI")
        c.call("MONITOR")
        c.send("EXEC")
        reply = c.read()
        assert isinstance(reply[0], ReplyError) and "MONITOR isn't allowed for DENY BLOCKING client" in str(reply[0])
