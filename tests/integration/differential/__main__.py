# SPDX-License-Identifier: BSD-3-Clause
"""Compare two servers by hand:

    python3 tests/integration/differential --a 127.0.0.1:7001 --b 127.0.0.1:6379 --seed 1 --count 100000
    python3 tests/integration/differential --syntax --seeds 1..20 --count 20000

Both are flushed. Without --a and --b a Holdfast of one node and a redis-server are started for the comparison.
Prints each difference with the commands before it; exit status 1 if any.
"""

import argparse
import contextlib
import pathlib
import sys

import diff_run
import diff_syntax
from diff_redis import redis_server

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))
from holdfast import Cluster  # noqa: E402


def address(text):
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit():
        raise argparse.ArgumentTypeError(f"not host:port: {text}")
    return host.strip("[]") or "127.0.0.1", int(port)


def seeds(text):
    first, _, last = text.partition("..")
    if not first.isdigit() or not (last or first).isdigit():
        raise argparse.ArgumentTypeError(f"not a number or a range such as 1..20: {text}")
    return range(int(first), int(last or first) + 1)


@contextlib.contextmanager
def servers(a, b):
    """The two addresses, of servers of its own where none are given."""
    with contextlib.ExitStack() as stack:
        if a is None:
            cluster = stack.enter_context(Cluster(nodes=1, plain=True))
            a = ("127.0.0.1", cluster.leader().port)
        if b is None:
            b = stack.enter_context(redis_server("--sanitize-dump-payload", "yes"))
        yield a, b


def main():
    parser = argparse.ArgumentParser(prog="differential", description=__doc__.splitlines()[0])
    parser.add_argument("--a", type=address, metavar="HOST:PORT")
    parser.add_argument("--b", type=address, metavar="HOST:PORT")
    parser.add_argument("--syntax", action="store_true", help="draw from the table of syntax (diff_syntax.py)")
    parser.add_argument("--seed", "--seeds", dest="seeds", type=seeds, default=range(1, 2), metavar="N or A..B")
    parser.add_argument("--count", type=int, default=20000, help="commands of each seed, about")
    parser.add_argument("--differences", type=int, default=5, help="stop a seed after so many")
    options = parser.parse_args()

    way = diff_syntax if options.syntax else diff_run
    failed = False
    with servers(options.a, options.b) as (a, b):
        for seed in options.seeds:
            report = way.compare(a, b, seed, options.count, options.differences)
            for difference in report.differences:
                print(difference)
            if report.not_in_both and seed == options.seeds[0]:
                print(f"left out, not known to both: {', '.join(report.not_in_both)}")
            replies = f", {report.replies} replies compared" if report.replies else ""
            print(
                f"{report.commands} commands{replies} in {report.seconds:.1f} s, "
                f"{len(report.differences)} differences (seed {seed})",
                flush=True,
            )
            missing = [] if options.syntax else diff_run.required_but_missing(report)
            failed = failed or bool(report.differences or missing)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
