# SPDX-License-Identifier: BSD-3-Clause
"""Every configuration parameter of Redis and Valkey: it has a meaning here, is kept without effect, has one
value, or is refused with a reason (docs/configuration.md)."""

import pathlib

import pytest

from holdfast import Cluster, ReplyError

TABLE = pathlib.Path(__file__).parents[1] / "data" / "recordings" / "configs.tsv"

# Directives of files, no options.
DIRECTIVES = {"include", "user"}
# What is so here, or what the tests start with: not Redis's default.
OTHER_VALUES = set(
    "appendonly appendfsync save bind port dir logfile loglevel pidfile daemonize databases "
    "stop-writes-on-bgsave-error dynamic-hz lazyfree-lazy-expire lazyfree-lazy-server-del lazyfree-lazy-user-del "
    "lazyfree-lazy-user-flush lazyfree-lazy-eviction replica-lazy-flush cluster-require-full-coverage "
    "enable-debug-command syslog-ident client-query-buffer-limit maxclients shutdown-timeout".split()
)


def rows():
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    names = lines[0].split("\t")
    return [dict(zip(names, line.split("\t"))) for line in lines[1:]]


@pytest.fixture(scope="module")
def client():
    with Cluster(nodes=1, plain=True) as cluster, cluster.leader().client() as c:
        yield c


def get(client, name):
    reply = client.call("CONFIG", "GET", name)
    return reply[1].decode() if reply else None


def set_error(client, name, value):
    try:
        client.call("CONFIG", "SET", name, value)
    except ReplyError as e:
        return e.text
    return None


def default(row):
    value = row["redis_7_0_15_default"]
    return (row["default"] if value == "=" else value).strip('"').replace("nil", "")


def test_every_parameter_has_a_place(client):
    table = rows()
    assert len(table) > 200
    lost = []
    for row in table:
        name = row["name"]
        if get(client, name) is not None or name in DIRECTIVES:
            continue
        error = set_error(client, name, "x")
        if f"(possibly related to argument '{name}') - " not in (error or ""):
            lost.append(f"{name}: {error}")
    assert not lost, lost


def test_aliases_are_known(client):
    for row in rows():
        if row["alias"] and get(client, row["name"]) is not None:
            assert get(client, row["alias"]) == get(client, row["name"]), row["name"]


def test_defaults_are_those_of_redis(client):
    wrong = []
    for row in rows():
        have = get(client, row["name"])
        if have is None or row["in_redis_7_0_15"] != "yes" or row["name"] in OTHER_VALUES:
            continue
        if have != default(row):
            wrong.append((row["name"], have, default(row)))
    assert not wrong, wrong


def test_values_outside_their_range_are_refused(client):
    checked = 0
    for row in rows():
        before = get(client, row["name"])
        if before is None or row["mutable"] != "yes":
            continue
        bad = []
        if row["min"] and int(row["min"]) > -(2**31) and row["unit"] not in ("memory", "octal"):
            bad = [str(int(row["min"]) - 1), "x"]
            if int(row["max"]) < 2**60:
                bad.append(str(int(row["max"]) + 1))
        elif row["type"] == "bool":
            bad = ["maybe"]
        elif row["type"] == "enum":
            bad = ["nosuch"]
        for value in bad:
            error = set_error(client, row["name"], value)
            assert error is not None and row["name"] in error, (row["name"], value, error)
            checked += 1
        assert get(client, row["name"]) == before
    assert checked > 150


def test_what_is_kept_is_given_back_and_what_has_one_value_says_why(client):
    for name, value in (
        ("cluster-node-timeout", "5000"),
        ("repl-backlog-size", "2mb"),
        ("masterauth", "secret"),
        ("list-compress-depth", "1"),
        ("proc-title-template", "{title} x"),
    ):
        before = get(client, name)
        assert client.call("CONFIG", "SET", name, value) == "OK"
        assert get(client, name) == value.replace("2mb", "2097152")
        client.call("CONFIG", "SET", name, before)
    failed = "ERR CONFIG SET failed (possibly related to argument '%s') - %s"
    for name, value, why in (
        ("unixsocket", "/tmp/x", "clients connect by TCP"),
        ("min-replicas-to-write", "1", "a majority of the replicas has every write before it is acknowledged"),
        ("replicaof", "127.0.0.1 1", "whom a node follows is decided by Raft: see cluster-nodes"),
        ("TLS-CERT-FILE", "x", "connections are not encrypted"),
        ("io-threads", "4", "can't set immutable config"),
        ("dbfilename", "x.rdb", "can't set protected config"),
    ):
        assert set_error(client, name, value) == failed % (name, why)
    assert client.call("CONFIG", "SET", "min-replicas-to-write", "0") == "OK"
