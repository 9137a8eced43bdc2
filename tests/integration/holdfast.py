# SPDX-License-Identifier: BSD-3-Clause
"""Real clusters for tests: processes on free ports of the loopback, data in a temporary folder.

    with Cluster() as cluster:
        leader = cluster.leader()
        leader.call("SET", "k", "v")

Everything waits on conditions with deadlines; processes are ended by pid, only those started here.
"""

import collections
import contextlib
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

BIN_DIR = pathlib.Path(
    os.environ.get("HOLDFAST_BIN_DIR", pathlib.Path(__file__).parents[2] / "build" / "release")
)
SERVER = BIN_DIR / "holdfast-server"
CTL = BIN_DIR / "holdfastctl"
# Sanitizers make everything slower: deadlines are multiplied, never the waits themselves.
SLOW = 6 if "san" in BIN_DIR.name else 1


def eventually(condition, within_s=20.0, what="condition", step_s=0.02):
    """Wait until condition() is true (its value is returned); fail after the deadline."""
    deadline = time.monotonic() + within_s * SLOW
    last = None
    while True:
        try:
            value = condition()
            if value:
                return value
        except (OSError, ReplyError, ConnectionClosed, KeyError) as error:
            last = error  # KeyError: INFO has no line of a group that is being created
        if time.monotonic() > deadline:
            raise AssertionError(f"not in {within_s * SLOW:.0f} s: {what}" + (f" ({last!r})" if last else ""))
        time.sleep(step_s)


_reserved = collections.deque(maxlen=300)


def free_port():
    """A port that stays free for its server also while that is down. A socket that does not listen is bound to it:
    servers may listen beside it, as they set SO_REUSEADDR, but the kernel gives the port to no connection and to
    nobody who asks for any. The last 300 ports are kept so, which is more than the clusters of a test have."""
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # set before bind(), two processes could get one port
    _reserved.append(s)
    return s.getsockname()[1]


# ---- a client ----------------------------------------------------------------------------------


class ReplyError(Exception):
    """An error reply; .code is its first word."""

    def __init__(self, text):
        super().__init__(text)
        self.text = text
        self.code = text.split(" ", 1)[0]


class ConnectionClosed(Exception):
    """The server closed the connection: the fate of the last command is not known."""


class Client:
    """One connection: RESP2 and RESP3 replies as Python values, errors as ReplyError."""

    def __init__(self, port, timeout_s=30.0, host="127.0.0.1"):
        self.socket = socket.create_connection((host, port), timeout=timeout_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")

    def close(self):
        self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @staticmethod
    def encode(*words):
        parts = [b"*%d\r\n" % len(words)]
        for word in words:
            data = word if isinstance(word, bytes) else str(word).encode()
            parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
        return b"".join(parts)

    def send(self, *words):
        self.send_raw(self.encode(*words))

    def send_raw(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise ConnectionClosed from error

    def call(self, *words):
        self.send(*words)
        return self.read()

    def pipeline(self, commands):
        """Replies in order; errors as values."""
        self.send_raw(b"".join(self.encode(*c) for c in commands))
        replies = []
        for _ in commands:
            try:
                replies.append(self.read())
            except ReplyError as error:
                replies.append(error)
        return replies

    def read(self):
        value = self._value()
        if isinstance(value, ReplyError):
            raise value
        return value

    def _line(self):
        try:
            line = self.file.readline()
        except (ConnectionResetError, BrokenPipeError) as error:
            raise ConnectionClosed from error
        if not line.endswith(b"\r\n"):
            raise ConnectionClosed
        return line[:-2]

    def _value(self):
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            return ReplyError(rest.decode(errors="replace"))
        if kind == b":":
            return int(rest)
        if kind in b"$=":
            n = int(rest)
            if n < 0:
                return None
            data = self.file.read(n + 2)
            if len(data) != n + 2:
                raise ConnectionClosed
            return data[4:-2] if kind == b"=" else data[:-2]
        if kind in b"*~>":
            n = int(rest)
            return None if n < 0 else [self._value() for _ in range(n)]
        if kind == b"%":
            pairs = [(self._value(), self._value()) for _ in range(int(rest))]
            return {k: v for k, v in pairs}
        if kind == b"_":
            return None
        if kind == b",":
            return float(rest)
        if kind == b"#":
            return rest == b"t"
        if kind == b"(":
            return int(rest)
        raise AssertionError(f"not RESP: {line!r}")


def info(client, section=None):
    """INFO as a dict of strings."""
    text = client.call("INFO", section) if section else client.call("INFO")
    pairs = (line.split(":", 1) for line in text.decode().split("\r\n") if ":" in line)
    return {k: v for k, v in pairs}


def fields(text):
    """'role=leader,term=3' as a dict."""
    return dict(pair.split("=", 1) for pair in text.split(",") if "=" in pair)


# ---- a node --------------------------------------------------------------------------------------


class Node:
    def __init__(self, cluster, number):
        self.cluster = cluster
        self.number = number
        self.port = free_port()
        self.peer_port = free_port()
        self.dir = cluster.dir / f"node-{number}"
        self.logfile = cluster.dir / f"node-{number}.log"
        self.options = {}
        self.process = None
        self.stopped = False

    @property
    def peer_address(self):
        return f"127.0.0.1:{self.peer_port}"

    def command_line(self):
        options = {
            "port": self.port,
            "bind": "127.0.0.1",
            "peer-port": self.peer_port,
            "dir": self.dir,
            "logfile": self.logfile,
            "loglevel": "verbose",
            "cluster-enabled": "no" if self.cluster.plain else "yes",
            "cluster-nodes": " ".join(n.peer_address for n in self.cluster.nodes),
            "enable-debug-command": "yes",
            **self.cluster.options,
            **self.options,
        }
        words = [str(SERVER)]
        for name, value in options.items():
            words += [f"--{name}", str(value)]
        return words

    def start(self, wait=True):
        assert self.process is None
        self.process = subprocess.Popen(
            self.command_line(),
            stdin=subprocess.DEVNULL,
            stdout=open(self.cluster.dir / f"node-{self.number}.out", "ab"),
            stderr=subprocess.STDOUT,
            preexec_fn=self.cluster.preexec,
        )
        self.stopped = False
        if wait:
            self.wait_up()

    def wait_up(self):
        eventually(self.is_up, 20, f"node {self.number} answers PING")

    def is_up(self):
        if self.process.poll() is not None:
            raise AssertionError(f"node {self.number} ended with {self.process.returncode}:\n{self.tail()}")
        with self.client(timeout_s=5) as c:
            return c.call("PING") == "PONG"

    def run_to_end(self, timeout_s=20):
        """Start a node that is expected to refuse to start: (exit status, its output and log)."""
        done = subprocess.run(
            self.command_line(), stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s * SLOW
        )
        return done.returncode, (done.stdout + done.stderr).decode(errors="replace") + self.tail()

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self, how=signal.SIGKILL):
        """End it and wait for the end."""
        if self.process is None:
            return None
        if self.stopped:
            self.cont()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, how)
        try:
            status = self.process.wait(timeout=60 * SLOW)
        except subprocess.TimeoutExpired:
            os.kill(self.process.pid, signal.SIGKILL)
            self.process.wait()
            raise
        self.process = None
        return status

    def terminate(self):
        return self.kill(signal.SIGTERM)

    def stop(self):
        """Returns once no thread runs any more: the signal reaches them one by one."""

        def all_stopped():
            tasks = pathlib.Path(f"/proc/{self.process.pid}/task").glob("*/stat")
            return all(t.read_text().rpartition(")")[2].split()[0] == "T" for t in tasks)

        os.kill(self.process.pid, signal.SIGSTOP)
        self.stopped = True
        eventually(all_stopped, 10, f"node {self.number} has stopped", 0.001)

    def cont(self):
        os.kill(self.process.pid, signal.SIGCONT)
        self.stopped = False

    def client(self, timeout_s=30.0):
        return Client(self.port, timeout_s * SLOW)

    def call(self, *words):
        with self.client() as c:
            return c.call(*words)

    def info(self, section=None):
        with self.client() as c:
            return info(c, section)

    def group(self, number=1):
        """The raft section's line of a group as a dict."""
        return fields(self.info("raft")[f"group{number}"])

    def tail(self, lines=40):
        out = self.cluster.dir / f"node-{self.number}.out"
        text = ""
        for path in (out, self.logfile):
            if path.exists():
                text += "".join(path.read_text(errors="replace").splitlines(keepends=True)[-lines:])
        return text

    def log_has(self, text):
        return self.logfile.exists() and text in self.logfile.read_text(errors="replace")


# ---- a cluster -------------------------------------------------------------------------------------


class Cluster:
    def __init__(self, nodes=3, plain=False, preexec=None, start=True, **options):
        """Options: settings of all nodes, with _ for -."""
        self.plain = plain
        self.preexec = preexec
        self.options = {k.replace("_", "-"): v for k, v in options.items()}
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="holdfast-test-"))
        self.nodes = []
        for i in range(nodes):
            self.nodes.append(Node(self, i + 1))
        self.start_now = start

    def __enter__(self):
        try:
            if self.start_now:
                self.start()
        except BaseException:
            self.close(failed=True)
            raise
        return self

    def __exit__(self, kind, *_):
        self.close(failed=kind is not None)

    def start(self):
        for node in self.nodes:
            if not node.is_running():
                node.start(wait=False)
        for node in self.nodes:
            node.wait_up()
        self.wait_serving()

    def close(self, failed=False):
        crashed = []
        for node in self.nodes:
            if node.process is not None and node.process.poll() is not None:
                crashed.append((node, node.process.returncode))
                node.process = None
            node.kill()
        if failed or crashed:
            for node in self.nodes:
                print(f"---- node {node.number} (port {node.port}) ----\n{node.tail(60)}")
        shutil.rmtree(self.dir, ignore_errors=True)
        if not failed:
            assert not crashed, f"ended by itself: {[(n.number, s) for n, s in crashed]}"

    @property
    def groups(self):
        """Numbers of the data groups."""
        return range(1, int(self.options.get("cluster-data-groups", 1)) + 1)

    def running(self):
        return [n for n in self.nodes if n.is_running() and not n.stopped]

    def find_leader(self, group=1):
        """The node that leads the data group and serves, or None."""
        for node in self.running():
            with contextlib.suppress(OSError, ConnectionClosed, ReplyError, KeyError):
                with node.client(timeout_s=3) as c:
                    line = fields(info(c, "raft")[f"group{group}"])
                    if line["role"] == "leader" and line["state"] == "serving":
                        return node
        return None

    def leader(self, group=1):
        return eventually(lambda: self.find_leader(group), 20, f"a leader of group {group} serves")

    def followers(self, group=1):
        leader = self.leader(group)
        return [n for n in self.running() if n is not leader]

    def leaders(self):
        """{group: the raft number of the node that leads it and serves}"""
        return {g: int(self.leader(g).info("raft")["raft_node"]) for g in self.groups}

    def by_number(self):
        """{raft number: node} of those that run, in order"""
        return dict(sorted((int(n.info("raft")["raft_node"]), n) for n in self.running()))

    def wait_serving(self):
        """A leader of each data group serves, and every running node knows the leader of each group."""
        for group in self.groups:
            self.leader(group)
        for node in self.running():
            eventually(lambda node=node: self._knows_leaders(node), 20, f"node {node.number} knows the leaders")

    def _knows_leaders(self, node):
        lines = node.info("raft")
        return all(fields(lines[f"group{g}"])["leader"] != "0" for g in (0, *self.groups))

    def wait_caught_up(self, within_s=60):
        """Every running node has applied what the leaders have."""

        def caught_up():
            lines = [n.info("raft") for n in self.running()]
            return all(len({fields(i[f"group{g}"])["applied"] for i in lines}) == 1 for g in self.groups)

        eventually(caught_up, within_s, "all nodes have applied the same index")

    def digests(self):
        self.wait_caught_up()
        return {n.call("DEBUG", "DIGEST") for n in self.running()}


# ---- writers that count what was acknowledged ----------------------------------------------------------


class Session:
    """A client of the whole cluster: finds the leader, follows redirections, tries again what is
    surely not executed."""

    SAFE = {"MOVED", "READONLY", "CLUSTERDOWN", "TRYAGAIN", "LOADING", "MASTERDOWN", "ASK"}

    def __init__(self, cluster, timeout_s=15.0):
        self.cluster = cluster
        self.timeout_s = timeout_s
        self.connection = None
        self.port = None
        self.errors = {}  # error code -> times seen

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def _connect(self):
        if self.connection is None:
            nodes = self.cluster.running() or self.cluster.nodes
            port = self.port or random.choice(nodes).port
            self.port = None
            self.connection = Client(port, self.timeout_s * SLOW)

    def attempt(self, *words):
        """One try: ('ok', reply), ('not executed', error) or ('unknown', error)."""
        try:
            self._connect()
        except OSError as error:
            return "not executed", error
        try:
            return "ok", self.connection.call(*words)
        except ReplyError as error:
            self.errors[error.code] = self.errors.get(error.code, 0) + 1
            if error.code == "MOVED":
                self.close()
                self.port = int(error.text.rsplit(":", 1)[1])
                return "not executed", error
            if error.code in self.SAFE:
                self.close()
                return "not executed", error
            raise
        except (OSError, ConnectionClosed) as error:
            self.close()
            return "unknown", error

    def call(self, *words, within_s=30.0):
        """Try until it is executed; only for commands that may be repeated."""
        deadline = time.monotonic() + within_s * SLOW
        while True:
            outcome, value = self.attempt(*words)
            if outcome == "ok":
                return value
            if time.monotonic() > deadline:
                raise AssertionError(f"{words!r}: no success in {within_s} s: {value!r}")
            time.sleep(0.005)


def slot_of(key):
    """Hash slot of a key: CRC16 (XMODEM) of the tag or the whole of it."""
    data = key if isinstance(key, bytes) else str(key).encode()
    start = data.find(b"{")
    end = data.find(b"}", start + 1)
    if 0 <= start and end > start + 1:
        data = data[start + 1 : end]
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ (0x1021 if crc & 0x8000 else 0)) & 0xFFFF
    return crc % 16384


class SlotSession(Session):
    """The same for several groups: a connection to each node, and it remembers which slot is where.
    The first argument of a command is its key."""

    def __init__(self, cluster, timeout_s=15.0):
        super().__init__(cluster, timeout_s)
        self.ports = {}  # slot -> port
        self.connections = {}  # port -> Client

    def close(self):
        for connection in self.connections.values():
            connection.close()
        self.connections = {}

    def attempt(self, *words):
        slot = slot_of(words[1])
        running = [n.port for n in self.cluster.running() or self.cluster.nodes]
        port = self.ports.get(slot)
        if port not in running:
            port = random.choice(running)
        try:
            if port not in self.connections:
                self.connections[port] = Client(port, self.timeout_s * SLOW)
        except OSError as error:
            self.ports.pop(slot, None)
            return "not executed", error
        try:
            reply = self.connections[port].call(*words)
            self.ports[slot] = port
            return "ok", reply
        except ReplyError as error:
            self.errors[error.code] = self.errors.get(error.code, 0) + 1
            if error.code == "MOVED":
                self.ports[slot] = int(error.text.rsplit(":", 1)[1])
            elif error.code not in self.SAFE:
                raise
            return "not executed", error
        except (OSError, ConnectionClosed) as error:
            self.connections.pop(port).close()
            self.ports.pop(slot, None)
            return "unknown", error


class Writers:
    """Threads that write rising counters to keys of their own and remember what was acknowledged.

    After a test, check() reads every key back: it must hold the last acknowledged value, or a later
    one whose outcome was unknown. INCR is checked as well: it must have counted each acknowledged
    increment, and at most the unknown ones beyond."""

    def __init__(self, cluster, threads=4, keys=8, value_bytes=16, prefix="", session=Session):
        """@prefix of all keys: a hash tag keeps them in one group."""
        self.cluster = cluster
        self.prefix = prefix
        self.session_class = session
        self.stop_event = threading.Event()
        self.lock = threading.Lock()
        self.acked = {}  # key -> last acknowledged number
        self.tried = {}  # key -> last number that may have been executed
        self.counted = {}  # counter -> [acknowledged, unknown]
        self.acknowledged = 0
        self.unknown = 0
        self.longest_gap_s = 0.0
        self.sessions = []
        self.failures = []
        self.threads = []
        self.value_bytes = value_bytes
        for t in range(threads):
            self.sessions.append(session(cluster))
            self.threads.append(threading.Thread(target=self._run, args=(t, keys, self.sessions[t]), daemon=True))

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, kind, *_):
        self.stop()
        if kind is None:
            assert not self.failures, self.failures

    def stop(self):
        self.stop_event.set()
        for t in self.threads:
            t.join(60 * SLOW)
            assert not t.is_alive(), "a writer hangs"
        for s in self.sessions:
            s.close()

    def wait_for(self, more, within_s=30):
        target = self.acknowledged + more
        eventually(lambda: self.acknowledged >= target or self.failures, within_s, f"{more} more writes acknowledged")
        assert not self.failures, self.failures

    def _run(self, t, keys, session):
        try:
            self._write(t, keys, session)
        except BaseException as error:  # reported by the test's thread
            self.failures.append(repr(error))

    def _write(self, t, keys, session):
        number = 0
        last_ack = time.monotonic()
        while not self.stop_event.is_set():
            number += 1
            key = f"{self.prefix}w{t}:{number % keys}"
            counter = f"{self.prefix}c{t}"
            for words, is_count in ((("SET", key, f"{number:0{self.value_bytes}d}"), False), (("INCR", counter), True)):
                outcome, value = session.attempt(*words)
                while outcome == "not executed" and not self.stop_event.is_set():
                    time.sleep(0.002)
                    outcome, value = session.attempt(*words)
                now = time.monotonic()
                with self.lock:
                    if outcome == "ok":
                        self.longest_gap_s = max(self.longest_gap_s, now - last_ack)
                        last_ack = now
                        self.acknowledged += 1
                    elif outcome == "unknown":
                        self.unknown += 1
                    if is_count:
                        entry = self.counted.setdefault(counter, [0, 0])
                        if outcome == "ok":
                            entry[0] += 1
                            low, high = entry[0], entry[0] + entry[1]
                            if not low <= value <= high:
                                raise AssertionError(f"{counter}: INCR said {value}, expected {low}..{high}")
                        elif outcome == "unknown":
                            entry[1] += 1
                    else:
                        if outcome == "ok":
                            self.acked[key] = number
                        if outcome != "not executed":
                            self.tried[key] = number

    def check(self):
        """Nothing acknowledged is lost, nothing appears that was never written."""
        if self.cluster.plain:
            self.cluster.wait_caught_up()  # followers answer reads from a committed past there
        session = self.session_class(self.cluster)
        try:
            for key, tried in self.tried.items():
                value = session.call("GET", key)
                number = int(value) if value is not None else 0
                acked = self.acked.get(key, 0)
                assert acked <= number <= tried, f"{key}: holds {number}, acknowledged {acked}, tried {tried}"
            for counter, (acked, unknown) in self.counted.items():
                value = int(session.call("GET", counter) or 0)
                assert acked <= value <= acked + unknown, f"{counter}: {value}, acknowledged {acked}, unknown {unknown}"
        finally:
            session.close()
        return self.acknowledged
