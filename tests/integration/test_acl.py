# SPDX-License-Identifier: BSD-3-Clause
"""ACL users: set on one node, in force on all, through failovers and restarts; and word for word what a
stock Redis 7.0 answers."""

import contextlib
import hashlib
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading

import pytest

from holdfast import Client, Cluster, ConnectionClosed, ReplyError, eventually, free_port

PW = hashlib.sha256(b"pw").hexdigest()


def attempt(client, words):
    try:
        return client.call(*words)
    except ReplyError as error:
        return f"-{error.text}"
    except (ConnectionClosed, OSError):
        return "closed"


def attempt_read(client):
    try:
        return client.read()
    except (ConnectionClosed, OSError):
        return "closed"


def error(client, *words):
    with pytest.raises(ReplyError) as e:
        client.call(*words)
    return e.value.text


def texts(node):
    return [line.decode() for line in node.call("ACL", "LIST")]


@pytest.fixture(scope="module")
def cluster():
    with Cluster() as c:
        yield c


@pytest.fixture
def clean(cluster):
    """The shared cluster, with the default user alone."""
    cluster.wait_serving()
    with cluster.nodes[0].client() as c:
        users = [u for u in c.call("ACL", "USERS") if u != b"default"]
        if users:
            assert c.call("ACL", "DELUSER", *users) == len(users)
    eventually(lambda: all(len(texts(n)) == 1 for n in cluster.nodes), 10, "no users")
    return cluster


def system_leader(cluster):
    number = int(eventually(lambda: cluster.running()[0].group(0)["leader"], 20, "a leader of the system group"))
    return cluster.by_number().get(number)


# ---- all nodes -----------------------------------------------------------------------------------


def test_a_user_set_on_any_node_is_in_force_on_all(clean):
    for i, node in enumerate(clean.nodes):
        name = f"user{i}"
        with node.client() as c:
            assert c.call("ACL", "SETUSER", name, "on", ">pw", "~a*", "+@read", "+acl|whoami") == "OK"
            # At once on the node that was asked ...
            assert c.call("AUTH", name, "pw") == "OK"
            assert c.call("ACL", "WHOAMI") == name.encode()
            assert error(c, "ACL", "USERS") == "NOPERM this user has no permissions to run the 'acl|users' command"
        # ... and soon on the others.
        for other in clean.nodes:
            with other.client() as c:
                eventually(lambda c=c, name=name: c.call("AUTH", name, "pw") == "OK", 10, f"{name} is known")
                assert error(c, "GET", "b").startswith("NOPERM this user has no permissions to access one of the keys")
    want = [f"user user{i} on #{PW} ~a* resetchannels -@all +@read +acl|whoami" for i in range(3)]
    for node in clean.nodes:
        eventually(lambda node=node: sorted(texts(node)) == sorted([*want, "user default on nopass ~* &* +@all"]), 10)


def test_clients_of_a_deleted_user_are_closed_on_every_node(clean):
    first = clean.nodes[0]
    first.call("ACL", "SETUSER", "bob", "on", "nopass", "+@all", "~*")
    clients = []
    for node in clean.nodes:
        c = node.client()
        eventually(lambda c=c: c.call("AUTH", "bob", "x") == "OK", 10, "bob is known")
        clients.append(c)
    others = [node.client() for node in clean.nodes]
    # Its own deletion is still answered.
    assert clients[0].call("ACL", "DELUSER", "bob") == 1
    for c in clients:
        eventually(lambda c=c: attempt(c, ["PING"]) == "closed", 10, "closed")
    for c in others:
        assert c.call("PING") == "PONG"
        assert error(c, "AUTH", "bob", "x") == "WRONGPASS invalid username-password pair or user is disabled."
    for c in clients + others:
        c.close()


def test_who_loses_a_channel_does_not_go_on_listening(clean):
    first, last = clean.nodes[0], clean.nodes[-1]
    first.call("ACL", "SETUSER", "ear", "on", "nopass", "+@all", "&n*", "&m")
    with last.client() as keeps, last.client() as loses:
        for c, words in ((keeps, ["SUBSCRIBE", "m"]), (loses, ["PSUBSCRIBE", "n*"])):
            eventually(lambda c=c: c.call("AUTH", "ear", "x") == "OK", 10, "the user is known")
            c.call(*words)
        assert first.call("ACL", "SETUSER", "ear", "resetchannels", "&m", "&n") == "OK"
        assert attempt_read(loses) == "closed"
        assert keeps.call("PING") == [b"pong", b""]


def test_changes_at_the_same_time_on_all_nodes_all_happen(clean):
    """Each is made from what its node has read, and made anew when another was faster."""
    failed = []

    def change(node, i):
        try:
            with node.client() as c:
                for k in range(10):
                    assert c.call("ACL", "SETUSER", "shared", f"~{i}:{k}") == "OK"
        except Exception as e:  # noqa: BLE001: shown below
            failed.append(e)

    threads = [threading.Thread(target=change, args=(n, i)) for i, n in enumerate(clean.nodes * 2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failed
    want = {f"~{i}:{k}" for i in range(6) for k in range(10)}
    for node in clean.nodes:
        eventually(lambda node=node: want == set(texts(node)[-1].split()) & want, 10, "all patterns are there")


def test_users_outlive_failovers_and_restarts():
    with Cluster(raft_election_timeout=300) as cluster:
        leader = system_leader(cluster)
        follower = next(n for n in cluster.nodes if n is not leader)
        follower.call("ACL", "SETUSER", "a", "on", ">pw", "~*", "+@all")
        leader.kill()
        # The request goes to whoever leads next.
        with follower.client() as c:
            done = attempt(c, ["ACL", "SETUSER", "b", "on", "nopass", "+@all"])
            if done != "OK":
                assert done.startswith("-CLUSTERDOWN")
                eventually(lambda: c.call("ACL", "SETUSER", "b", "on", "nopass", "+@all") == "OK", 20, "a new leader")
        leader.start()
        for node in cluster.nodes:
            eventually(lambda node=node: len(texts(node)) == 3, 20, "both users are there")
        for node in cluster.nodes:
            node.kill()
        cluster.start()
        for node in cluster.nodes:
            with node.client() as c:
                assert c.call("AUTH", "a", "pw") == "OK"
                assert c.call("AUTH", "b", "x") == "OK"


def test_without_a_majority_nothing_changes_and_the_client_is_told():
    with Cluster(election_wait_timeout=500, outcome_wait_timeout=2500) as cluster:
        last = cluster.nodes[0]
        for node in cluster.nodes[1:]:
            node.kill()
        eventually(lambda: last.group(0)["leader"] == "0", 20, "no leader is known")
        with last.client() as c:
            assert error(c, "ACL", "SETUSER", "x", "on").startswith("CLUSTERDOWN ")
            assert c.call("ACL", "USERS") == [b"default"]


def test_an_outcome_that_is_not_known_closes_the_connection():
    with Cluster(outcome_wait_timeout=1500, raft_election_timeout=5000) as cluster:
        leader = system_leader(cluster)
        for node in cluster.nodes:
            if node is not leader:
                node.stop()
        with leader.client() as c:
            assert attempt(c, ["ACL", "SETUSER", "x", "on"]) == "closed"
        for node in cluster.nodes:
            if node.stopped:
                node.cont()
        # Whatever has become of it, all nodes agree.
        eventually(lambda: len({tuple(texts(n)) for n in cluster.nodes}) == 1, 20, "the nodes agree")


# ---- the configuration -----------------------------------------------------------------------------


def test_users_of_the_configuration_become_those_of_a_new_cluster():
    with Cluster(start=False) as cluster:
        path = cluster.dir / "users.acl"
        path.write_text(f"# comment\nuser app on #{PW} ~app:* +@all\n\nuser default on >secret ~* &* +@all\n")
        # Of one node only: they are the cluster's all the same.
        cluster.nodes[1].options["aclfile"] = path
        for node in cluster.nodes:
            node.start(wait=False)

        def knows(node):
            with node.client() as c:
                return c.call("AUTH", "app", "pw") == "OK" and c.call("AUTH", "default", "secret") == "OK"

        for node in cluster.nodes:
            eventually(lambda node=node: knows(node), 30, "the users are known")
        with cluster.nodes[1].client() as c:
            assert attempt(c, ["PING"]).startswith("-NOAUTH")
            c.call("AUTH", "secret")
            assert "described by ACL rules" in error(c, "CONFIG", "SET", "requirepass", "x")
            c.call("ACL", "SETUSER", "more", "on", "nopass")
            assert c.call("ACL", "SAVE") == "OK"
            saved = path.read_text().splitlines()
            assert f"user app on #{PW} ~app:* resetchannels +@all" in saved
            assert "user more on nopass resetchannels -@all" in saved and len(saved) == 3
            # A file with a wrong line changes nothing.
            path.write_text("user x on\nuser y +nosuch\n")
            assert error(c, "ACL", "LOAD") == (
                f"ERR {path}:2: Error in applying operation '+nosuch': Unknown command or category name in ACL. "
                "WARNING: ACL errors detected, no change to the previously active ACL rules was performed"
            )
            assert c.call("ACL", "USERS") == [b"app", b"default", b"more"]
            path.write_text("user default on nopass ~* &* +@all\nuser x on nopass\n")
            assert c.call("ACL", "LOAD") == "OK"
            assert c.call("ACL", "USERS") == [b"default", b"x"]
        for node in cluster.nodes:
            eventually(lambda node=node: node.call("ACL", "USERS") == [b"default", b"x"], 10, "the file is in force")
        # The configuration has no say any more.
        path.write_text("user z on nopass\n")
        cluster.nodes[1].kill()
        cluster.nodes[1].start()
        eventually(lambda: cluster.nodes[1].call("ACL", "USERS") == [b"default", b"x"], 20, "the cluster's users")


def test_users_that_make_no_sense_end_the_start():
    with Cluster(nodes=1, start=False) as cluster:
        node = cluster.nodes[0]
        for options, text in (
            ({"user": "a +nosuch"}, "Unknown command or category name in ACL"),
            ({"aclfile": "/nonexistent/users.acl"}, "No such file"),
        ):
            node.options = options
            status, output = node.run_to_end()
            assert status != 0 and text in output


# ---- word for word -----------------------------------------------------------------------------------


class Stock:
    """Debian's redis-server on a free port."""

    def __enter__(self):
        self.port = free_port()
        self.dir = tempfile.mkdtemp(prefix="holdfast-test-")
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.dir, "--save", ""],
            stdout=subprocess.DEVNULL,
        )

        def ready():
            with Client(self.port) as c:
                return c.call("PING") == "PONG"

        try:
            eventually(ready, 20, "redis-server is up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


# One session; "@name" goes on as another connection. Command rules are chosen so that both describe them
# alike: Redis 7.0 describes what is allowed now by the fewest rules, Holdfast the rules that were given.
SESSION = r"""
ACL WHOAMI
ACL LIST
ACL GETUSER default
ACL SETUSER a
ACL GETUSER a
ACL SETUSER a reset
ACL SETUSER a on >pw >other #2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b
ACL SETUSER a <pw
ACL SETUSER a <pw
ACL SETUSER a ~x* %R~y* %W~z* &c* &d
ACL SETUSER a +@write +@read +config|get
ACL SETUSER a (~tmp:* +set) (+get %R~g*)
ACL GETUSER a
ACL LIST
ACL USERS
ACL GETUSER nosuch
ACL SETUSER b +nosuch
ACL SETUSER b +config|nosuch
ACL SETUSER b +config|set|x
ACL SETUSER b nosuch
ACL SETUSER b ~* ~a
ACL SETUSER b &* &a
ACL SETUSER b #zz
ACL SETUSER b (+get
ACL SETUSER b nosuch (+get
ACL SETUSER b (+get (+set
ACL SETUSER b (+get nosuch) nosuch
ACL SETUSER b (+get (+set) nosuch
ACL SETUSER b (on)
ACL SETUSER "a b" on
ACL GETUSER b
ACL DRYRUN nosuch get a
ACL DRYRUN a nosuch
ACL DRYRUN a get
ACL DRYRUN a get x
ACL DRYRUN a get z
ACL DRYRUN a set z v
ACL DRYRUN a set y v
ACL DRYRUN a set z v GET
ACL DRYRUN a set tmp:1 v
ACL DRYRUN a get g1
ACL DRYRUN a save
ACL DRYRUN a mget x1 x2 q
ACL DRYRUN a copy y z
ACL DRYRUN a copy z y
ACL DRYRUN a config get port
ACL DRYRUN a config set hz 10
ACL DRYRUN a auth x
ACL SETUSER c reset +@all &n* &m
ACL DRYRUN c publish n1 x
ACL DRYRUN c publish o x
ACL DRYRUN c subscribe n1 m o
ACL DRYRUN c ssubscribe m
ACL DRYRUN c psubscribe n*
ACL DRYRUN c psubscribe n1*
ACL DRYRUN c unsubscribe o
ACL DELUSER c
ACL DELUSER default
ACL DELUSER nosuch
ACL CAT nosuch
ACL CAT a b
ACL CAT
ACL GENPASS 0
ACL GENPASS x
ACL LOAD
ACL SAVE
ACL LOG x
ACL NOSUCH
ACL SETUSER s reset on nopass +select|0 ~* +acl|whoami +multi +exec +ping
@s
AUTH s x
ACL WHOAMI
SELECT 0
SELECT 1
GET x
ACL LIST
MULTI
GET x
EXEC
MULTI
PING
@main
ACL SETUSER s -ping
@s
EXEC
MULTI
@main
ACL SETUSER s -exec
@s
EXEC
RESET
ACL WHOAMI
AUTH s
AUTH default x
AUTH nosuch x
HELLO 2 AUTH nosuch x
@main
ACL SETUSER s off
@s
AUTH s x
@main
ACL SETUSER k reset on nopass +@all ~k* %R~r*
@k
AUTH k x
SET k1 v
GET r1
SET r1 v
SET q v
MULTI
SET k2 v
@main
ACL SETUSER k resetkeys
@k
EXEC
SET k1 v
@main
CLIENT KILL USER nosuch
CLIENT KILL USER k
ACL DELUSER k k s
ACL LIST
CONFIG SET acl-pubsub-default allchannels
ACL SETUSER p
ACL SETUSER q reset (+get)
ACL GETUSER q
CONFIG SET acl-pubsub-default resetchannels
ACL DELUSER p q
CONFIG SET requirepass secret
ACL LIST
@new
PING
AUTH wrong
AUTH secret
PING
@main
CONFIG SET requirepass ""
ACL LIST
"""


def play(port):
    clients, name, out = {}, "main", []
    with contextlib.ExitStack() as stack:
        for line in SESSION.strip().splitlines():
            if line.startswith("@"):
                name = line[1:]
                continue
            if name not in clients:
                clients[name] = stack.enter_context(Client(port))
            out.append((name, line, repr(attempt(clients[name], shlex.split(line)))))
        log = clients["main"].call("ACL", "LOG", 100)
    # Age and connection differ.
    return out, [entry[:10] for entry in log]


def test_every_answer_is_that_of_a_stock_redis():
    with Stock() as stock, Cluster(nodes=1, plain=True) as cluster:
        want, want_log = play(stock.port)
        got, got_log = play(cluster.leader().port)
        for a, b in zip(want, got):
            assert a == b
        assert want_log == got_log


def test_refusals_are_counted_and_logged(clean):
    node = clean.nodes[0]
    before = node.info("stats")
    with node.client() as admin, node.client() as c:
        admin.call("ACL", "LOG", "RESET")
        admin.call("ACL", "SETUSER", "l", "on", "nopass", "+get", "~a")
        assert attempt(c, ["AUTH", "nobody", "x"]).startswith("-WRONGPASS")
        c.call("AUTH", "l", "x")
        for _ in range(3):
            assert attempt(c, ["SET", "a", "b"]).startswith("-NOPERM")
        assert attempt(c, ["GET", "b"]).startswith("-NOPERM")
        entries = [dict(zip(e[::2], e[1::2])) for e in admin.call("ACL", "LOG")]
        assert [(e[b"reason"], e[b"object"], e[b"count"]) for e in entries] == [
            (b"key", b"b", 1),
            (b"command", b"set", 3),
            (b"auth", b"AUTH", 1),
        ]
        assert b" user=l " in entries[0][b"client-info"] and float(entries[0][b"age-seconds"]) < 60
        assert len(admin.call("ACL", "LOG", 1)) == 1
        admin.call("CONFIG", "SET", "acllog-max-len", 1)
        assert len(admin.call("ACL", "LOG")) == 1
        admin.call("CONFIG", "SET", "acllog-max-len", 128)
        after = node.info("stats")
    for name, n in (("auth", 1), ("cmd", 3), ("key", 1), ("channel", 0)):
        field = f"acl_access_denied_{name}"
        assert int(after[field]) - int(before[field]) == n, field


def test_a_change_of_the_cluster_cannot_be_part_of_a_transaction(clean):
    with clean.nodes[0].client() as c:
        c.call("MULTI")
        c.call("ACL", "SETUSER", "t", "on")
        c.call("PING")
        refused, pong = c.call("EXEC")
        assert "cannot be part of a transaction" in refused.text and pong == "PONG"
        assert c.call("ACL", "USERS") == [b"default"]
        # Outside of one, what comes behind it finds it in force.
        replies = c.pipeline([["ACL", "SETUSER", "t", "on", "nopass", "+@all"], ["AUTH", "t", "x"], ["ACL", "WHOAMI"]])
        assert replies == ["OK", "OK", b"t"]
