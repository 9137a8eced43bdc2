# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures of the tests with other people's clients: the harness of the integration tests, clusters,
and the npm packages, installed once below build/."""

import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "integration"))

from holdfast import SLOW, Cluster  # noqa: E402

CACHE = HERE.parents[1] / "build" / "npm"
MANIFEST = ("package.json", "package-lock.json", ".npmrc")


# Some clients know no redirections, or not in plain mode: a leadership lost because the machine is
# busy would be an error to them, so elections are made rare.
PATIENT = {"raft_election_timeout": 1000}


@pytest.fixture(scope="module")
def clustered():
    with Cluster(**PATIENT) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def grouped():
    """Three groups, so that each node is a master."""
    with Cluster(cluster_data_groups=3, **PATIENT) as cluster:
        yield cluster


@pytest.fixture(params=["clustered", "grouped"])
def either(request):
    """A cluster of one group, and of three."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def plain():
    with Cluster(plain=True, **PATIENT) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def node_modules():
    """Where the packages of package-lock.json are; the workers of one run share them."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program}")
    digest = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in MANIFEST)).hexdigest()
    target = CACHE / digest[:16]
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            install(target)
    return target / "node_modules"


def install(target):
    """All or nothing: the folder gets its name when it is complete."""
    folder = CACHE / "new"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in MANIFEST:
        shutil.copy(HERE / name, folder)
    done = subprocess.run(
        ["npm", "ci", "--prefer-offline", "--ignore-scripts"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"npm ci failed:\n{done.stdout}{done.stderr}"
    os.rename(folder, target)


@pytest.fixture(scope="session")
def start_node(node_modules):
    """start_node("script.js", words ...): the running process, its ends as text pipes."""

    def start(script, *words):
        return subprocess.Popen(  # a script of another folder is an absolute path
            ["node", str(HERE / script), *map(str, words)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "NODE_PATH": str(node_modules), "NODE_NO_WARNINGS": "1"},
        )

    return start


@pytest.fixture(scope="session")
def run_node(start_node):
    """Run a script to its end; it fails by its exit status, and says why."""

    def run(script, *words, timeout_s=60):
        process = start_node(script, *words)
        try:
            out, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            out, _ = process.communicate()
            raise AssertionError(f"{script} did not end in {timeout_s} s:\n{out}") from None
        assert process.returncode == 0, out
        return out

    return run


@pytest.fixture(scope="session")
def run_on(run_node):
    """Run a script that uses connect.js on an empty cluster, or an empty plain set."""

    def run(cluster, script):
        for group in cluster.groups:
            cluster.leader(group).call("FLUSHALL")
        return run_node(script, *where(cluster), timeout_s=60 * SLOW)

    return run


def where(cluster):
    """The words that connect.js and the loads take."""
    if cluster.plain:
        return "single", cluster.leader().port
    return "cluster", *(node.port for node in cluster.nodes)
