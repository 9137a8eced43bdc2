# SPDX-License-Identifier: BSD-3-Clause
"""The differential tester itself, on two stock Redis servers: it must be silent about two equal
ones and must see a difference where there is one."""

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time

import diff_run
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


def compare(a, b, seed, count, most_differences=5):
    run = diff_run.Differential(a, b, seed)
    try:
        return run.run(count, most_differences)
    finally:
        run.close()


def test_two_equal_servers_show_no_difference():
    with redis_server() as a, redis_server() as b:
        for seed in (1, 2):
            report = compare(a, b, seed, 6000)
            assert not report.differences, "\n".join(map(str, report.differences))
            assert not report.not_in_both
            assert report.commands >= 6000


def test_a_server_with_fewer_databases_is_found_out():
    with redis_server() as a, redis_server("--databases", "8") as b:
        report = compare(a, b, 1, 20000, most_differences=1)
        assert report.differences
        assert b"DB index is out of range" in report.differences[0].reply_b


def test_a_missing_command_is_reported():
    with redis_server() as a, redis_server("--rename-command", "LCS", "") as b:
        report = compare(a, b, 1, 500)
        assert diff_run.required_but_missing(report) == ["LCS"]
