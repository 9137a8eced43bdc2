#!/bin/bash
# Prints a new known.txt: for each mistake the first seeds that show it.
#   tests/sim/refresh-known.sh build/release > tests/sim/known.txt.new
set -euo pipefail
sim=$1/tests/sim/holdfast-sim
seeds=${SEEDS:-1000}

line() { # name command...
    local name=$1 found
    shift
    # The simulator fails, as it should, and the pipe breaks when enough was found.
    found=$({ "$@" --seeds "$seeds" --keep-going 2>&1 || true; } |
        awk '/^seed [0-9]+/ && n++ < 4 {printf("%s%s", (n > 1 ? "," : ""), $2)}')
    echo "$name $found"
}

sed -n '/^#/p' "$(dirname "$0")/known.txt"
"$sim" --list-bugs | awk '/^ +[0-9]+ /{print $1, $2}' | while read -r number name; do
    line "$name" "$sim-bug-$number"
done
"$sim" --list-bugs | awk '/^  [a-z]/{print $1}' | while read -r name; do
    line "host-$name" "$sim" --host-bug "$name"
done
