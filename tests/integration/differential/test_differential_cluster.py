# SPDX-License-Identifier: BSD-3-Clause
"""A three-node cluster in plain mode answers random commands as a stock Redis 7.0 does, and its
replicas come to the same data."""

import diff_run
import pytest
from diff_redis import redis_server
from holdfast import Cluster


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_replies_are_those_of_redis(seed):
    with Cluster(plain=True) as cluster, redis_server() as redis:
        leader = ("127.0.0.1", cluster.leader().port)
        report = diff_run.compare(leader, redis, seed, 8000)
        assert not report.differences, "\n".join(map(str, report.differences))
        assert not diff_run.required_but_missing(report)
        assert len(cluster.digests()) == 1
