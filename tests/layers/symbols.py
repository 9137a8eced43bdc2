#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Check that a library needs nothing from outside but what a pure function may need.

    symbols.py LIBRARY      runs nm on the archive; the exit status is 1 when there is a violation

The Raft core takes time, randomness and messages as inputs. Includes alone do not prove that: a
prototype can be written anywhere. What the linker would have to find does.
"""

import re
import subprocess
import sys

ALLOWED = re.compile(
    r"^(mem(cpy|move|set|cmp|chr|rchr)|str(len|nlen|cmp|ncmp|chr|rchr|dup)|qsort|bsearch"
    r"|malloc|calloc|realloc|reallocarray|free|abort"
    r"|__assert_fail|__assert|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_|v?snprintf"
    # Of base: allocation, buffers, the seeded generator (not rand_bytes: that is the system's).
    r"|mem_(alloc|zalloc|realloc|strdup|dup|try_alloc|try_realloc)|buf_\w+|rng_\w+)$"
)


def violations(nm_output):
    """Symbols that the text of `nm LIBRARY` leaves undefined and that are not allowed."""
    defined, undefined = set(), set()
    for line in nm_output.splitlines():
        fields = line.split()
        if len(fields) == 2 and fields[0] in "Uvw":
            undefined.add(fields[1])
        elif len(fields) == 3:
            defined.add(fields[2])
    if not defined:
        return ["(the library defines nothing at all)"]
    return sorted(s for s in undefined - defined if not ALLOWED.match(s))


def main():
    nm = subprocess.run(["nm", sys.argv[1]], check=True, capture_output=True, text=True)
    bad = violations(nm.stdout)
    for symbol in bad:
        print(f"{sys.argv[1]} needs {symbol}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
