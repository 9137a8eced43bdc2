# SPDX-License-Identifier: BSD-3-Clause
"""Every example of docs/examples runs on a cluster of one group, of three, and on a plain set."""

import json
import pathlib

import pytest

HERE = pathlib.Path(__file__).parent
EXAMPLES = HERE.parents[1] / "docs" / "examples"
NAMES = sorted(path.name for path in EXAMPLES.glob("*.js") if path.name != "example.js")


def run_all(cluster, run_node):
    """Twice: what the first run leaves behind is not in the way of the second."""
    for name in NAMES:
        for _ in range(2):
            out = run_node(EXAMPLES / name, f"127.0.0.1:{cluster.leader().port}")
            assert out.strip(), f"{name} does not show what it does"


def test_examples_on_a_cluster(either, run_node):
    run_all(either, run_node)


def test_examples_on_a_plain_set(plain, run_node):
    run_all(plain, run_node)


def test_an_example_from_any_node(clustered, run_node):
    for node in clustered.nodes:
        run_node(EXAMPLES / "cart.js", f"127.0.0.1:{node.port}")


def test_examples_are_listed():
    """The table of the README names each example, and nothing that is not there."""
    rows = [line for line in (EXAMPLES / "README.md").read_text().splitlines() if line.startswith("| ")]
    listed = {row.split("](")[1].split(")")[0] for row in rows if "](" in row}
    assert listed == set(NAMES)


def test_examples_use_the_version_that_is_tested():
    """What a reader installs is what these tests run."""
    theirs = json.loads((EXAMPLES / "package.json").read_text())["dependencies"]
    ours = json.loads((HERE / "package.json").read_text())["dependencies"]
    assert theirs.items() <= ours.items()
