# SPDX-License-Identifier: BSD-3-Clause
"""SORT and SORT_RO look up keys that no argument names: who may, and what the others are told, against a stock
Redis 7.0, called in every way there is."""

from diff_redis import redis_server
from holdfast import Client, Cluster, ReplyError, eventually, free_port

USERS = {
    "named": ["~l"], "tilde": ["~*"], "read": ["%R~*"], "write": ["%W~*"], "both": ["%RW~*"], "allkeys": ["allkeys"],
    "twice": ["%R~*", "%W~*"], "stars": ["~**"], "patterns": ["~l", "~{l}*"], "nothing": [],
    "selector": ["~l", "(~* +sort +sort_ro)"], "reading": ["~l", "(%R~* +sort_ro)"], "other": ["~l", "(~* +get)"],
    "few": ["-@all", "+multi", "+exec", "+eval", "(~l +sort +sort_ro)", "(%R~* +get)"], "nosort": ["~*", "-sort"],
    "target": ["%W~{l}d", "%R~l"],
}  # fmt: skip
COMMANDS = [c.split() for c in (
    "SORT l", "SORT l BY {l}w_*", "SORT l BY nosort", "SORT l BY {l}w_*->f", "SORT l GET #", "SORT l GET {l}o_*",
    "SORT l BY nosort GET {l}o_*", "SORT l STORE {l}d", "SORT l BY {l}w_* STORE {l}d", "SORT l GET {l}o_* STORE {l}d",
    "SORT l BY {l}w_* FOO", "SORT l FOO BY {l}w_*", "SORT nokey GET {l}o_*", "SORT {l}str BY {l}w_*",
    "SORT_RO l", "SORT_RO l BY {l}w_*", "SORT_RO l GET #", "SORT_RO l STORE {l}d",
)]  # fmt: skip


def prepare(c):
    for name, rules in USERS.items():
        c.call("ACL", "SETUSER", name, "reset", "on", ">p", "+@all", *rules)
    c.pipeline([("SET", "{l}w_1", "3"), ("SET", "{l}w_2", "1"), ("SET", "{l}o_1", "a"), ("SET", "{l}str", "x")])
    c.call("RPUSH", "l", "1", "2")


def text(reply):
    return [text(r) for r in reply] if isinstance(reply, list) else str(reply)


def answers(c, admin, user):
    """{(how, command): reply}."""
    out = {}
    c.call("AUTH", user, "p")
    for words in COMMANDS:
        script = ("EVAL", "return redis.pcall(unpack(ARGV))", 1, "l", *words)
        replies = c.pipeline([words, script, ("MULTI",), words, ("EXEC",)])
        for how, reply in zip(("alone", "script", "multi", "queued", "exec"), replies):
            out[how, " ".join(words)] = text(reply)
        try:
            out["dryrun", " ".join(words)] = text(admin.call("ACL", "DRYRUN", user, *words))
        except ReplyError as error:
            out["dryrun", " ".join(words)] = str(error)
    return out


def compare(ours, theirs):
    with Client(ours) as a, Client(theirs) as b, Client(ours) as c, Client(theirs) as d:
        prepare(a), prepare(b)
        for user in USERS:
            assert answers(c, a, user) == answers(d, b, user), user


def test_patterns_need_the_right_to_read_all_keys():
    with Cluster(nodes=1, plain=True) as cluster, redis_server() as redis:
        compare(cluster.leader().port, redis[1])


def test_patterns_are_refused_in_a_cluster():
    with Cluster(nodes=1) as cluster, redis_server(
        "--cluster-enabled", "yes", "--cluster-port", str(free_port())
    ) as redis:
        with Client(redis[1]) as c:
            c.call("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
            eventually(lambda: b"cluster_state:ok" in c.call("CLUSTER", "INFO"), what="the Redis serves")
        compare(cluster.leader().port, redis[1])
