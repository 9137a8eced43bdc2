# SPDX-License-Identifier: BSD-3-Clause
"""Calls drawn from the table of command syntax: two equal servers must show no difference, two that differ must, and
Holdfast answers as Debian's redis-server 7.0 but for what differences.md says."""

import random

import diff_syntax
import pytest
from diff_commands import Source
from diff_redis import redis_server
from diff_syntax_draw import call_of, commands, parse
from holdfast import Cluster


def test_a_line_of_the_table_is_a_tree():
    assert parse("KEY key [A|B n] [x [x ...]]") == (
        "one",
        [[("word", "KEY"), ("word", "key"),
          ("opt", ("one", [[("word", "A")], [("word", "B"), ("word", "n")]])),
          ("opt", ("one", [[("word", "x"), ("rep", ("one", [[("word", "x")]]))]]))]],
    )  # fmt: skip


def test_calls_have_all_options_and_follow_from_the_seed():
    table = commands()
    calls = [[call_of(s, table["SET"]) for _ in range(400)] for s in (Source(random.Random(7)) for _ in range(2))]
    assert calls[0] == calls[1]
    words = {word for call in calls[0] for word in call}
    assert words >= set(table["SET"].literals) and len({len(call) for call in calls[0]}) > 5


def test_two_equal_servers_show_no_difference():
    with redis_server() as a, redis_server() as b:
        report = diff_syntax.compare(a, b, 1, 3000)
        assert not report.differences, "\n".join(map(str, report.differences))
        assert report.replies > report.commands >= 3000


def test_a_difference_is_found_and_made_short():
    with redis_server() as a, redis_server("--databases", "8") as b:
        report = diff_syntax.compare(a, b, 1, 20000, most_differences=1)
        assert b"DB index is out of range" in report.differences[0].reply_b
        assert len(report.differences[0].history) <= 3


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_replies_are_those_of_redis(seed):
    with Cluster(nodes=1, plain=True) as cluster, redis_server("--sanitize-dump-payload", "yes") as redis:
        report = diff_syntax.compare(("127.0.0.1", cluster.leader().port), redis, seed, 6000)
        assert not report.differences, "\n".join(map(str, report.differences))
        assert report.commands >= 6000
