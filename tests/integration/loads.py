# SPDX-License-Identifier: BSD-3-Clause
"""What the durability tests share: pipelined load that counts acknowledged writes, a probe of
latency, data directories as trees of checksums, small disks."""

import contextlib
import hashlib
import pathlib
import shutil
import struct
import subprocess
import tempfile
import threading
import time

import pytest

from holdfast import SLOW, Client, ConnectionClosed, ReplyError, Session


def skip_without_jemalloc(memory):
    """For tests of the memory in use; @memory: the section of INFO. Other allocators, such as that of the sanitizers,
    do not count what they hand out, and keep what is freed."""
    if "jemalloc" not in memory["mem_allocator"]:
        pytest.skip("without jemalloc nobody counts what is allocated")


def fill(node, first, count, value_bytes=16, prefix="f", pipeline=1000, keys=None):
    """SET @count numbered keys through @node, or whoever leads: every write is acknowledged.

    With @keys the numbers are taken modulo it: the same keys are written again."""
    value = b"x" * value_bytes
    deadline = time.monotonic() + 60 * SLOW
    start, c = first, node.client(timeout_s=60)
    while start < first + count:
        numbers = range(start, min(start + pipeline, first + count))
        words = [b"%s:%d" % (prefix.encode(), n if keys is None else n % keys) for n in numbers]
        want = b"+OK\r\n" * len(words)
        got = b""
        with contextlib.suppress(OSError, ConnectionClosed):
            c.send_raw(
                b"".join(
                    b"*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n" % (len(w), w, value_bytes, value) for w in words
                )
            )
            got = c.file.read(len(want))
        if got == want:
            start = numbers[-1] + 1
            continue
        # Leadership has moved, as it may on a busy machine: all of this piece again.
        assert time.monotonic() < deadline, f"not all writes were acknowledged: {got[:200]!r}"
        c.close()
        c = node.cluster.leader().client(timeout_s=60)
    c.close()


class PipelinedLoad:
    """Threads that send pipelines of SETs with rising numbers and remember what was acknowledged.

    check() reads back: each key holds its last acknowledged number, or a later one that may have
    been executed. Refusals (also MISCONF) count as not executed."""

    REFUSED = Session.SAFE | {"MISCONF"}

    def __init__(self, cluster, threads=2, depth=50, keys=40, value_bytes=32):
        self.cluster = cluster
        self.depth = depth
        self.keys = keys
        self.value_bytes = value_bytes
        self.stop_event = threading.Event()
        self.acked = {}
        self.tried = {}
        self.acknowledged = 0
        self.refused = {}  # error code -> count
        self.unknown = 0
        self.failures = []
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self._run, args=(t,), daemon=True) for t in range(threads)]

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
            if t.ident is not None:
                t.join(60 * SLOW)
                assert not t.is_alive(), "a writer hangs"

    def wait_for(self, more, within_s=30):
        target = self.acknowledged + more
        deadline = time.monotonic() + within_s * SLOW
        while self.acknowledged < target:
            assert not self.failures, self.failures
            assert time.monotonic() < deadline, f"{self.acknowledged} acknowledged, not {target}; {self.refused}"
            time.sleep(0.01)

    def _run(self, t):
        try:
            self._write(t)
        except BaseException as error:  # reported by the test's thread
            self.failures.append(repr(error))

    def _connect(self, hint):
        nodes = self.cluster.running()
        if hint is not None:
            nodes = [n for n in nodes if n.port == hint] or nodes
        for node in nodes:
            with contextlib.suppress(OSError):
                return Client(node.port, 20 * SLOW)
        return None

    def _write(self, t):
        number, hint, turn, connection = 0, None, 0, None
        while not self.stop_event.is_set():
            if connection is None:
                turn += 1
                nodes = self.cluster.running()
                connection = self._connect(hint or (nodes[turn % len(nodes)].port if nodes else None))
                hint = None
                if connection is None:
                    time.sleep(0.01)
                    continue
            numbers = range(number + 1, number + 1 + self.depth)
            number += self.depth
            hint, alive = self._pipeline(connection, t, numbers)
            if not alive:
                connection.close()
                connection = None
        if connection is not None:
            connection.close()

    def _pipeline(self, c, t, numbers):
        """(port to go to or None, is the connection still good)"""
        hint, alive, done = None, True, 0
        key = {n: f"p{t}:{n % self.keys}" for n in numbers}
        try:
            c.send_raw(b"".join(c.encode("SET", key[n], f"{n:0{self.value_bytes}d}") for n in numbers))
            for n in numbers:
                try:
                    assert c.read() == "OK"
                    with self.lock:
                        self.acknowledged += 1
                        self.acked[key[n]] = self.tried[key[n]] = n
                except ReplyError as error:
                    if error.code not in self.REFUSED:
                        raise
                    self.refused[error.code] = self.refused.get(error.code, 0) + 1
                    alive = alive and error.code == "MISCONF"
                    if error.code == "MOVED":
                        hint = int(error.text.rsplit(":", 1)[1])
                done += 1
        except (OSError, ConnectionClosed):
            alive = False
        for n in numbers[done:]:
            self.unknown += 1
            self.tried[key[n]] = n
        if self.refused and not alive and hint is None:
            time.sleep(0.01)
        return hint, alive

    def check(self):
        session = Session(self.cluster)
        try:
            for key, tried in self.tried.items():
                value = session.call("GET", key)
                number = int(value) if value is not None else 0
                acked = self.acked.get(key, 0)
                assert acked <= number <= tried, f"{key}: holds {number}, acknowledged {acked}, tried {tried}"
        finally:
            session.close()
        return self.acknowledged


class Probe:
    """A client of the leader, @node at first, that runs a command again and again and notes how long
    each reply took."""

    def __init__(self, node, *words, pause_s=0.002):
        self.node = node
        self.words = words
        self.pause_s = pause_s
        self.times = []  # (when, seconds)
        self.errors = []
        self.stop_event = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, *_):
        self.stop_event.set()
        self.thread.join(60 * SLOW)
        if kind is None:
            assert not self.errors, self.errors
            assert self.times

    def _run(self):
        c = self.node.client()
        try:
            while not self.stop_event.is_set():
                before = time.monotonic()
                while not self._ask(c):
                    # Leadership has moved, as it may on a busy machine: the client follows.
                    c.close()
                    c = self.node.cluster.leader().client()
                self.times.append((before, time.monotonic() - before))
                time.sleep(self.pause_s)
        except BaseException as error:
            self.errors.append(repr(error))
        finally:
            c.close()

    def _ask(self, c):
        try:
            c.call(*self.words)
            return True
        except (OSError, ConnectionClosed):
            return False
        except ReplyError as error:
            if error.code not in Session.SAFE:
                raise
            return False

    def longest_s(self, since=0.0):
        return max(took for when, took in self.times if when >= since)

    def share(self, q):
        """The q-quantile, so that one hiccup of a busy machine does not decide."""
        ordered = sorted(took for _, took in self.times)
        return ordered[min(len(ordered) - 1, int(len(ordered) * q))]


def tree(folder):
    """Every file and folder below @folder with the checksum of its content."""
    out = {}
    for path in sorted(pathlib.Path(folder).rglob("*")):
        name = str(path.relative_to(folder))
        out[name] = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
    return out


@contextlib.contextmanager
def small_disk(megabytes):
    """A tmpfs of that size as a folder; the test is skipped where it cannot be mounted."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="holdfast-disk-"))
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "holdfast-test", str(folder)],
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        folder.rmdir()
        pytest.skip(f"cannot mount a small disk (needs root): {done.stderr.decode(errors='replace').strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


def segments(node):
    return sorted((node.dir / "wal").glob("*.wal"))


def snapshot_files(node, group=1):
    return sorted((node.dir / "snapshots").glob(f"g{group}-*.rdb"))


# ---- node.meta -----------------------------------------------------------------------------------------


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


class NodeMeta:
    """DIR/node.meta (raft/host/data_dir.h, proto/meta.proto), to be read and changed by tests."""

    FIELDS = ("node_id", "cluster_id", "node", "log_ready", "unsynced", "boot_id", "clean_stop", "suspects", "groups")

    def __init__(self, folder):
        self.path = pathlib.Path(folder) / "node.meta"
        data = self.path.read_bytes()
        assert data[:8] == b"HFNODE\r\n"
        self.version, length, crc = struct.unpack("<III", data[8:20])
        assert length == len(data) - 20 and crc == crc32c(data[:16] + data[20:])
        self.node_id = self.cluster_id = self.boot_id = ""
        self.node = 0
        self.log_ready = self.unsynced = self.clean_stop = False
        self.suspects, self.groups = [], []
        at = 20
        while at < len(data):
            tag, at = self._varint(data, at)
            value, at = self._varint(data, at)
            name = self.FIELDS[(tag >> 3) - 1]
            if tag & 7 == 2:
                raw, at = data[at : at + value], at + value
                value = raw.decode() if isinstance(getattr(self, name), str) else self._varints(raw)
            setattr(self, name, bool(value) if name in ("log_ready", "unsynced", "clean_stop") else value)

    @staticmethod
    def _varint(data, at):
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value, at

    @classmethod
    def _varints(cls, data):
        out, at = [], 0
        while at < len(data):
            value, at = cls._varint(data, at)
            out.append(value)
        return out

    @staticmethod
    def _put(value):
        out = bytearray()
        while value >= 0x80:
            out.append(value & 0x7F | 0x80)
            value >>= 7
        out.append(value)
        return bytes(out)

    def write(self):
        body = b""
        for i, name in enumerate(self.FIELDS, 1):
            value = getattr(self, name)
            if not value:
                continue
            if isinstance(value, (str, list)):
                raw = value.encode() if isinstance(value, str) else b"".join(map(self._put, value))
                body += self._put(i << 3 | 2) + self._put(len(raw)) + raw
            else:
                body += self._put(i << 3) + self._put(int(value))
        head = b"HFNODE\r\n" + struct.pack("<II", self.version, len(body))
        self.path.write_bytes(head + struct.pack("<I", crc32c(head + body)) + body)
