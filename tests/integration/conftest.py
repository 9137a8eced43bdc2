# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures shared by the integration tests."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(0, str(pathlib.Path(__file__).parent / "differential"))

import pytest  # noqa: E402
from diff_redis import redis_server  # noqa: E402
from holdfast import Client, Cluster  # noqa: E402


@pytest.fixture(scope="module")
def both():
    """A Holdfast of one node, and a Redis that checks payloads in depth."""
    with Cluster(nodes=1, plain=True) as cluster, redis_server(
        "--sanitize-dump-payload", "yes", "--enable-debug-command", "yes"
    ) as redis:
        with cluster.leader().client() as ours, Client(redis[1]) as theirs:
            yield ours, theirs
