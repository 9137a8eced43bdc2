# SPDX-License-Identifier: BSD-3-Clause
"""Debian's redis-server as the yardstick: started for one comparison, without persistence."""

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time

from diff_wire import Connection

REDIS = shutil.which("redis-server")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextlib.contextmanager
def redis_server(*options):
    """Debian's redis-server without persistence, on a free port: yields its address."""
    assert REDIS, "redis-server is not installed (Debian package redis-server)"
    address = ("127.0.0.1", free_port())
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [REDIS, "--port", str(address[1]), "--bind", address[0], "--save", "", "--appendonly", "no"]
            + ["--dir", folder, *options],
            stdout=subprocess.DEVNULL,
        )
        try:
            wait_until_serving(process, address)
            yield address
        finally:
            process.kill()
            process.wait()


def wait_until_serving(process, address, within_s=20):
    deadline = time.monotonic() + within_s
    while True:
        assert process.poll() is None, "redis-server ended"
        try:
            connection = Connection(address)
            pong = connection.call(b"PING")
            connection.close()
            if pong.value == b"PONG":
                return
        except OSError:
            pass
        assert time.monotonic() < deadline, "redis-server does not answer"
        time.sleep(0.02)
