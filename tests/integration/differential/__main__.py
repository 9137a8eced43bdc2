# SPDX-License-Identifier: BSD-3-Clause
"""Compare two servers by hand:

    python3 tests/integration/differential --a 127.0.0.1:7001 --b 127.0.0.1:6379 --seed 1 --count 100000

Both are flushed. Prints each difference with the commands before it; exit status 1 if any.
"""

import argparse
import sys

import diff_run


def address(text):
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit():
        raise argparse.ArgumentTypeError(f"not host:port: {text}")
    return host.strip("[]") or "127.0.0.1", int(port)


def main():
    parser = argparse.ArgumentParser(prog="differential", description=__doc__.splitlines()[0])
    parser.add_argument("--a", type=address, required=True, metavar="HOST:PORT")
    parser.add_argument("--b", type=address, required=True, metavar="HOST:PORT")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=20000, help="commands, about")
    parser.add_argument("--differences", type=int, default=5, help="stop after so many")
    options = parser.parse_args()

    report = diff_run.compare(options.a, options.b, options.seed, options.count, options.differences)
    for difference in report.differences:
        print(difference)
    if report.not_in_both:
        print(f"left out, not known to both: {', '.join(report.not_in_both)}")
    print(
        f"{report.commands} commands in {report.seconds:.1f} s, "
        f"{len(report.differences)} differences (seed {options.seed})"
    )
    return 1 if report.differences or diff_run.required_but_missing(report) else 0


if __name__ == "__main__":
    sys.exit(main())
