#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Every command and subcommand of the facts exists here, or is refused with a reason.

    check_facts.py node/command [--prune]    --prune: first take out of pending.txt what exists

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
    pending_file = folder / "pending.txt"
    pending = set()
    if pending_file.exists():
        pending = {w for line in pending_file.read_text().splitlines() if (w := line.split("#")[0].strip())}
    want = set(wanted(facts))
    missing = want - have - refused
    if "--prune" in sys.argv and pending - missing:
        lines = pending_file.read_text().splitlines(True)
        pending_file.write_text("".join(w for w in lines if w.strip() not in pending - missing))
        pending &= missing
    problems = ["%s neither exists nor is refused" % n for n in sorted(missing - pending)]
    problems += ["%s exists or is refused now: take it out of pending.txt (./dev docs does)" % n
                 for n in sorted(pending - missing)]
    problems += ["%s is refused, but the facts do not know it" % n for n in sorted(refused - want)]
    print("\n".join(problems) if problems else "%d commands exist, %d are refused" % (len(have), len(refused)))
    return 1 if problems or len(want) < 350 else 0


if __name__ == "__main__":
    sys.exit(main())
