#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The checks of this folder can fail: each rule against a small tree that breaks it."""

import os
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import check  # noqa: E402
import symbols  # noqa: E402

# A tree that keeps all rules; each test adds to it or changes it.
GOOD = {
    "base/buf.h": "",
    "base/net.h": "#include <sys/types.h>\n",
    "base/buf.c": '#include "base/buf.h"\n#include <unistd.h>\n#include "tables.gen.h"\n',
    "base/secret_impl.h": "",
    "base/PUBLIC": "# the rest is private\nbuf.h\nnet.h\n",
    "proto/frame.h": '#include "base/buf.h"\n',
    "raft/raft.h": '#include "base/buf.h"\n',
    "raft/core/log.h": "",
    "raft/core/raft.c": '#include "raft/core/log.h"\n#include "raft/raft.h"\n#include <string.h>\n',
    "raft/wal/wal.c": '#include "proto/frame.h"\n#include <fcntl.h>\n',
    "raft/host/host.c": '#include "raft/raft.h"\n#include "proto/raft.pb-c.h"\n',
    "cluster/slots.h": "",
    "cluster/slots.c": '#include "cluster/slots.h"\n#include "raft/raft.h"\n',
    "node/command/set.h": "",
    "node/server.c": '#include "cluster/slots.h"\n#include "node/command/set.h"\n#include <ev.h>\n',
    "sentinel/ctl.c": '#include "proto/frame.h"\n#include <sys/socket.h>\n',
    "tests/raft/test_log.c": '#include "raft/core/log.h"\n',
}


def violations(changes):
    with tempfile.TemporaryDirectory() as root:
        for path, text in {**GOOD, **changes}.items():
            os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8") as f:
                f.write(text)
        return check.Tree(root).check()


class Includes(unittest.TestCase):
    def broken_by(self, path, text, *expected):
        found = violations({path: text})
        self.assertEqual(len(found), 1, found)
        for part in (path,) + expected:
            self.assertIn(part, found[0])

    def test_a_tree_that_keeps_the_rules_is_clean(self):
        self.assertEqual(violations({}), [])

    def test_an_include_that_points_up_is_found(self):
        self.broken_by("base/a.c", '#include "proto/frame.h"\n', "base must not know proto")
        self.broken_by("proto/a.c", '#include "raft/raft.h"\n', "proto must not know raft")
        self.broken_by("raft/host/a.c", '#include "cluster/slots.h"\n', "must not know cluster")
        self.broken_by("cluster/a.c", '#include "node/command/set.h"\n', "must not know node")

    def test_sentinel_knows_proto_and_base_alone(self):
        self.broken_by("sentinel/a.c", '#include "raft/raft.h"\n', "must not know raft")
        self.broken_by("sentinel/a.c", '#include "cluster/slots.h"\n', "must not know cluster")

    def test_the_parts_of_raft_keep_apart(self):
        self.broken_by("raft/wal/a.c", '#include "raft/core/log.h"\n', "must not know raft/core")
        self.broken_by("raft/host/a.c", '#include "raft/core/log.h"\n', "must not know raft/core")
        self.broken_by("raft/core/a.c", '#include "proto/frame.h"\n', "must not know proto")

    def test_a_private_header_is_out_of_reach(self):
        self.broken_by("node/a.c", '#include "base/secret_impl.h"\n', "private to base")
        self.broken_by("node/a.c", '#include "raft/core/log.h"\n', "must not know raft/core")
        self.broken_by("cluster/a.c", '#include "node/command/set.h"\n', "must not know node")
        self.broken_by("raft/core/a.c", '#include "base/secret_impl.h"\n', "private to base")

    def test_a_pure_folder_reaches_no_impure_header(self):
        for header in ("unistd.h", "sys/socket.h", "fcntl.h", "sys/stat.h", "ev.h"):
            self.broken_by("raft/core/a.c", f"#include <{header}>\n", header)
            self.broken_by("cluster/a.c", f"#  include <{header}>\n", header)
        self.broken_by("cluster/a.c", '#include <protobuf-c/protobuf-c.h>\n', "protobuf-c")
        self.broken_by("cluster/a.c", '#include "proto/raft.pb-c.h"\n', "pb-c.h")

    def test_an_impure_header_is_found_behind_others(self):
        found = violations({"base/net.h": "#include <sys/socket.h>\n",
                            "cluster/slots.h": '#include "base/net.h"\n'})
        self.assertEqual(len(found), 2, found)  # slots.h and slots.c
        self.assertIn("cluster/slots.h > base/net.h", found[1])

    def test_a_path_that_does_not_start_at_the_root_is_found(self):
        self.broken_by("node/a.c", '#include "server.h"\n', "no folder")
        self.broken_by("node/a.c", '#include "node/missing.h"\n', "does not exist")
        self.broken_by("node/a.c", '#include "tests/test.h"\n', "no folder")

    def test_a_public_list_names_real_files(self):
        self.broken_by("base/PUBLIC", "buf.h\nnet.h\ngone.h\n", "base/gone.h")


class Symbols(unittest.TestCase):
    def test_what_a_pure_function_needs_is_allowed(self):
        text = "\nlog.c.o:\n0000 T raft_log\n                 U memcpy\n                 U rng_next\n"
        self.assertEqual(symbols.violations(text), [])

    def test_a_symbol_of_another_member_is_no_need(self):
        text = "a.o:\n0000 T f\n                 U g\nb.o:\n0000 T g\n"
        self.assertEqual(symbols.violations(text), [])

    def test_time_randomness_and_io_are_found(self):
        for name in ("time", "clock_gettime", "rand", "rand_bytes", "write", "log_write", "getenv"):
            text = f"a.o:\n0000 T f\n                 U {name}\n                 U memcpy\n"
            self.assertEqual(symbols.violations(text), [name])

    def test_an_empty_library_proves_nothing(self):
        self.assertNotEqual(symbols.violations(""), [])


if __name__ == "__main__":
    unittest.main()
