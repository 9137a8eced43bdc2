#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Check that includes point down only, and reach public headers only.

    check.py ROOT     prints one line per violation; the exit status is 1 when there is one

Rules (docs/ARCHITECTURE.md has the picture):
- node -> cluster -> raft -> proto -> base; sentinel knows proto and base alone.
- Another folder's header may be included when it is public: listed in that folder's file PUBLIC
  where there is one, else any header directly in it.
- raft/core, raft/wal and raft/host are folders of their own that do not know each other: what
  others need of them is in raft/*.h. raft/core does not know proto either.
- raft/core and cluster are pure: no header they reach, by whatever way, is one of sockets, files,
  loops or protobuf.
- Includes are written from the source root, and nothing includes tests/.
"""

import os
import re
import sys

# Folder -> folders it may include beside itself. Longest prefix wins: raft/core is not raft.
MAY_INCLUDE = {
    "base": set(),
    "proto": {"base"},
    "raft": {"base", "proto"},
    "raft/core": {"base", "raft"},
    "raft/wal": {"base", "proto", "raft"},
    "raft/host": {"base", "proto", "raft"},
    "cluster": {"base", "proto", "raft"},
    "node": {"base", "proto", "raft", "cluster"},
    "sentinel": {"base", "proto"},
}
PURE = {"raft/core", "cluster"}
IMPURE_HEADERS = re.compile(
    r"^(sys/(socket|stat|un|uio|mman|epoll|file)\.h|fcntl\.h|unistd\.h|netdb\.h|poll\.h|ev\.h"
    r"|netinet/.*|arpa/.*|openssl/.*|protobuf-c/.*|.*\.pb-c\.h)$"
)
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]', re.M)


def folder_of(path):
    """The folder of MAY_INCLUDE that a path belongs to, or None."""
    parts = path.split("/")
    for n in (2, 1):
        if len(parts) > n and "/".join(parts[:n]) in MAY_INCLUDE:
            return "/".join(parts[:n])
    return None


class Tree:
    def __init__(self, root):
        self.root = root
        self.includes = {}  # path -> [(is_quoted, header)]
        self.public = {}  # folder -> set of paths, where the folder has a list
        self.violations = []
        for folder in sorted({f.split("/")[0] for f in MAY_INCLUDE}):
            for here, _, names in os.walk(os.path.join(root, folder)):
                for name in names:
                    path = os.path.relpath(os.path.join(here, name), root)
                    if name.endswith((".c", ".h")):
                        self.read_includes(path)
                    elif name == "PUBLIC":
                        self.read_public(os.path.dirname(path), path)

    def read_includes(self, path):
        with open(os.path.join(self.root, path), encoding="utf-8") as f:
            found = INCLUDE.findall(f.read())
        self.includes[path] = [(mark == '"', header) for mark, header in found]

    def read_public(self, folder, path):
        with open(os.path.join(self.root, path), encoding="utf-8") as f:
            names = [line.strip() for line in f if line.strip() and not line.startswith("#")]
        self.public[folder] = {f"{folder}/{name}" for name in names}
        for header in sorted(self.public[folder]):
            if not os.path.exists(os.path.join(self.root, header)):
                self.complain(path, f"lists {header}, which does not exist")

    def complain(self, path, text):
        self.violations.append(f"{path}: {text}")

    def is_public(self, header, folder):
        if folder in self.public:
            return header in self.public[folder] or header.endswith(".pb-c.h")
        return os.path.dirname(header) == folder

    def check_include(self, path, header):
        """One quoted include."""
        here = folder_of(path)
        there = folder_of(header)
        generated = header.endswith(".pb-c.h")
        if there is None:
            if "/" not in header and header.endswith(".gen.h"):
                return  # generated for this very folder
            self.complain(path, f'"{header}" is in no folder of the tree that it may include')
        elif header not in self.includes and not generated:
            self.complain(path, f'"{header}" does not exist; includes start at the source root')
        elif there == here:
            pass
        elif there not in MAY_INCLUDE[here]:
            self.complain(path, f'"{header}": {here} must not know {there}')
        elif not self.is_public(header, there):
            self.complain(path, f'"{header}" is private to {there}')

    def check_pure(self, path):
        """Follow all includes of a file of a pure folder."""
        seen = {path}
        todo = [(path, [path])]
        while todo:
            at, way = todo.pop()
            for quoted, header in self.includes.get(at, []):
                if IMPURE_HEADERS.match(header):
                    self.complain(path, f"is to be pure, but reaches {header} by {' > '.join(way)}")
                elif quoted and header not in seen:
                    seen.add(header)
                    todo.append((header, way + [header]))

    def check(self):
        for path in sorted(self.includes):
            if folder_of(path) is None:
                continue
            for quoted, header in self.includes[path]:
                if quoted:
                    self.check_include(path, header)
            if folder_of(path) in PURE:
                self.check_pure(path)
        return self.violations


def main():
    tree = Tree(sys.argv[1])
    violations = tree.check()
    for line in violations:
        print(line)
    print(f"{len(tree.includes)} files, {len(violations)} violations")
    # A tree without files is a wrong path, not a clean tree.
    return 1 if violations or not tree.includes else 0


if __name__ == "__main__":
    sys.exit(main())
