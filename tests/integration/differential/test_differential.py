# SPDX-License-Identifier: BSD-3-Clause
"""The differential tester itself, on two stock Redis servers: it must be silent about two equal
ones and must see a difference where there is one."""

import diff_run
from diff_redis import redis_server


def test_two_equal_servers_show_no_difference():
    with redis_server() as a, redis_server() as b:
        for seed in (1, 2):
            report = diff_run.compare(a, b, seed, 6000)
            assert not report.differences, "\n".join(map(str, report.differences))
            assert not report.not_in_both
            assert report.commands >= 6000


def test_a_server_with_fewer_databases_is_found_out():
    with redis_server() as a, redis_server("--databases", "8") as b:
        report = diff_run.compare(a, b, 1, 20000, most_differences=1)
        assert report.differences
        assert b"DB index is out of range" in report.differences[0].reply_b


def test_a_missing_command_is_reported():
    with redis_server() as a, redis_server("--rename-command", "LCS", "") as b:
        report = diff_run.compare(a, b, 1, 500)
        assert diff_run.required_but_missing(report) == ["LCS"]
