#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Every command and subcommand of the facts exists here, or is refused with a reason.

    check_facts.py node/command

Commands of sentinels alone are not asked for: a data node of Redis does not have them either."""

import pathlib
import sys

folder = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(folder))
import gen_table  # noqa: E402


def wanted(facts):
    """Names that must be somewhere; a container stands for nothing but its subcommands."""
    containers = {row["name"].split("|")[0] for row in facts if "|" in row["name"]}
    for row in facts:
        name = row["name"]
        flags = gen_table.split(row["command_flags"]) + gen_table.split(row["internal_flags"])
        if "only_sentinel" not in flags and (name not in containers or name == "COMMAND"):
            yield name


def main():
    facts = gen_table.rows(str(folder / "commands.tsv"))
    have = set(gen_table.read_implemented(str(folder / "implemented.txt"))[0])
    refused = set(gen_table.read_refused(str(folder / "refused.txt")))
    want = set(wanted(facts))
    problems = ["%s neither exists nor is refused" % n for n in sorted(want - have - refused)]
    problems += ["%s is refused, but the facts do not know it" % n for n in sorted(refused - want)]
    print("\n".join(problems) if problems else "%d commands exist, %d are refused" % (len(have), len(refused)))
    return 1 if problems or len(want) < 350 else 0


if __name__ == "__main__":
    sys.exit(main())
