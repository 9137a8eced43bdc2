#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Generate the command table.

    gen_table.py --dir node/command --table table.gen.c --handlers handlers.gen.h
    gen_table.py --dir node/command --all --table table_for_tests.c --empty-handlers handlers_for_tests.c

Reads, in --dir:
  commands.tsv         one row per command and subcommand: arity, flags, key specs, categories ...
  commands-syntax.tsv  the grammar of the arguments and the versions of options
  summaries.tsv        NAME, complexity, one-line summary
  implemented.txt      which of the commands exist here
  refused.txt          which of the others have an error of their own, and its reason

and writes the table (struct command and what hangs on it), the hash that finds a name in it, and
the prototypes of the handlers. The test of the table itself runs without a node: it takes --all
commands that the facts describe, and --empty-handlers to link against.

Everything is checked on the way: a name that the facts do not know, a flag without a bit, a
missing summary or an argument that cannot be parsed stop the build.
"""

import argparse
import csv
import re
import sys

FLAGS = (
    "write readonly denyoom admin pubsub noscript blocking loading stale skip_monitor "
    "skip_slowlog asking fast no_auth may_replicate no_async_loading no_multi allow_busy "
    "no_mandatory_keys protected touches_arbitrary_keys movablekeys experimental"
).split()
FLAG_BIT = {"movablekeys": "CMD_MOVABLE_KEYS"}
# Of no meaning in a data node.
FLAGS_IGNORED = {"sentinel", "only_sentinel"}
CATEGORIES = (
    "keyspace read write set sortedset list hash string bitmap hyperloglog geo stream pubsub "
    "admin fast slow blocking dangerous connection transaction scripting"
).split()
SPEC_FLAGS = (
    "RO RW OW RM access update insert delete not_key incomplete variable_flags"
).split()


class Bad(Exception):
    pass


def rows(path):
    with open(path, encoding="utf-8", newline="") as f:
        return list(csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE))


def split(text, sep=","):
    return [part for part in text.split(sep) if part]


# ---- the grammar of arguments ----------------------------------------------------------------
#
#   alternatives = sequence {"|" sequence}
#   sequence     = {item}
#   item         = TOKEN | value | "[" alternatives ["..."] "]" | "<" alternatives ["..."] ">"
#
# A node is ("token", text), ("value", name), ("optional"|"group", [sequence, ...], repeats).

LEXEME = re.compile(r'\s*(\.\.\.|[\[\]<>|]|[^\s\[\]<>|]+)')


class Parser:
    def __init__(self, text):
        self.words = LEXEME.findall(text)
        self.at = 0

    def peek(self):
        return self.words[self.at] if self.at < len(self.words) else None

    def take(self):
        word = self.peek()
        self.at += 1
        return word

    def alternatives(self, close):
        sequences = [[]]
        repeats = False
        while True:
            word = self.take()
            if word == close:
                return sequences, repeats
            if word is None or word in "]>":
                raise Bad("unbalanced brackets")
            if word == "|":
                sequences.append([])
            elif word == "...":
                repeats = True
                if self.peek() != close:
                    raise Bad("'...' not at the end")
            elif word in "[<":
                inner, inner_repeats = self.alternatives("]" if word == "[" else ">")
                kind = "optional" if word == "[" else "group"
                sequences[-1].append((kind, inner, inner_repeats))
            elif re.fullmatch(r'[a-z][a-z0-9:-]*', word):
                sequences[-1].append(("value", word))
            else:
                sequences[-1].append(("token", word))


class Arg:
    """One node of what COMMAND DOCS calls arguments."""

    def __init__(self, name, kind, args=()):
        self.name = name
        self.kind = kind
        self.token = None
        self.since = None
        self.flags = set()
        self.key_spec = -1
        self.args = list(args)


INTEGERS = set(
    "bit bytes cluster-bus-port client-id config-epoch count cursor db decrement destination-db "
    "end end-slot frequency id-integer idletime increment index index1 index2 iterations len "
    "limit maxage maxlen milliseconds min-match-len numkeys numlocal numreplicas offset port "
    "protover rank replicas samples seconds slot start start-slot stop threshold timeout ttl"
    .split())
PATTERNS = {"pattern"}
TYPES = {("INCRBYFLOAT", "increment"): "double", ("KEYS", "pattern"): "pattern"}
# Grammar has no names for alternatives; these are theirs, by what they offer.
ONEOF_NAMES = {
    frozenset(("nx", "xx")): "condition",
    frozenset(("nx", "xx", "gt", "lt")): "condition",
    frozenset(("seconds", "milliseconds", "unix-time-seconds", "unix-time-milliseconds",
               "keepttl")): "expiration",
    frozenset(("seconds", "milliseconds", "unix-time-seconds", "unix-time-milliseconds",
               "persist")): "expiration",
    frozenset(("async", "sync")): "flush-type",
    frozenset(("on", "off")): "enabled",
    frozenset(("yes", "no")): "enabled",
    frozenset(("on", "off", "skip")): "action",
    frozenset(("write", "all")): "mode",
    frozenset(("force", "takeover")): "options",
    frozenset(("timeout", "error")): "unblock-type",
    frozenset(("module-name", "category", "pattern")): "filterby",
    frozenset(("nosave", "save")): "save-selector",
    frozenset(("libname", "libver")): "attr",
    frozenset(("schedule", "cancel")): "operation",
}


def value_type(command, name):
    if (command, name) in TYPES:
        return TYPES[command, name]
    if name.startswith("unix-time"):
        return "unix-time"
    if name in INTEGERS:
        return "integer"
    return "pattern" if name in PATTERNS else "string"


class Builder:
    """Grammar to arguments, for one command."""

    def __init__(self, command, names):
        self.command = command
        self.names = names  # of alternatives, in order, where the facts give them

    def sequence(self, nodes):
        """Arguments of a sequence in which a leading token may belong to what follows."""
        args = []
        i = 0
        while i < len(nodes):
            arg, i = self.one(nodes, i)
            args.append(arg)
        return args

    def one(self, nodes, i):
        node = nodes[i]
        if node[0] == "token":
            if i + 1 < len(nodes) and nodes[i + 1][0] in ("value", "group"):
                arg, i = self.one(nodes, i + 1)
                if arg.token is not None:
                    raise Bad("two tokens for one argument")
                arg.token = node[1]
                return arg, i
            arg = Arg(token_name(node[1]), "pure-token")
            arg.token = node[1]
            return arg, i + 1
        # X [X ...]: the bracket behind repeats what stands before it.
        for n in range(1, len(nodes) - i):
            after = nodes[i + n]
            if after[0] in ("optional", "group") and after[2] and after[1] == [nodes[i:i + n]]:
                args = self.sequence(nodes[i:i + n])
                arg = args[0] if len(args) == 1 else self.block(args)
                arg.flags.add("multiple")
                return arg, i + n + 1
        if node[0] == "value":
            return Arg(node[1], value_type(self.command, node[1])), i + 1
        arg = self.bracket(node)
        if node[0] == "optional":
            arg.flags.add("optional")
        return arg, i + 1

    def bracket(self, node):
        _, sequences, repeats = node
        if len(sequences) > 1:
            arg = self.oneof([self.alternative(s) for s in sequences])
        else:
            arg = self.alternative(sequences[0])
        if repeats:
            arg.flags.add("multiple")
        return arg

    def alternative(self, nodes):
        """All of a bracket as one argument; its first word, if a token, introduces it."""
        if not nodes:
            raise Bad("empty brackets")
        if nodes[0][0] != "token" or len(nodes) == 1:
            args = self.sequence(nodes)
            return args[0] if len(args) == 1 else self.block(args)
        token = nodes[0][1]
        rest = nodes[1:]
        again = rest[-1]
        multiple_token = (again[0] in ("optional", "group") and again[2] and
                          again[1] == [nodes[:-1]])
        if multiple_token:
            rest = rest[:-1]
        args = self.sequence(rest)
        arg = args[0] if len(args) == 1 and args[0].token is None else self.block(args)
        arg.token = token
        if multiple_token:
            arg.flags |= {"multiple", "multiple_token"}
        return arg

    def block(self, args):
        name = "_".join(a.name for a in args)
        return Arg(name if len(name) <= 30 else "arguments", "block", args)

    def oneof(self, args):
        key = frozenset(a.name for a in args)
        if self.names:
            name = self.names.pop(0)
        else:
            name = ONEOF_NAMES.get(key, "option")
        return Arg(name, "oneof", args)


def token_name(token):
    name = re.sub(r'[^a-z0-9-]', '', token.lower())
    return name or {'""': "empty-string", "*": "any", "=": "equal", "~": "approximately",
                    "$": "last"}.get(token, "token")


def each(args):
    for arg in args:
        yield arg
        yield from each(arg.args)


def mark_unknown(args, spec, i):
    """SORT: its patterns name keys that it reads, and STORE one that it writes."""
    for arg in each(args):
        if "OW" not in spec.flags and arg.kind == "pattern":
            arg.key_spec = i
        elif "OW" in spec.flags and arg.token == "STORE" and arg.kind == "string":
            arg.kind, arg.key_spec = "key", i


def mark_keys(args, specs, start):
    """Type key for the arguments that key specs point at; the first stands at argv[@start]."""
    def fixed(position):
        for i, spec in enumerate(specs):
            if spec.begin == "i" and spec.find == "r":
                last, step, _ = spec.range
                ahead = position - spec.index
                if ahead >= 0 and ahead % step == 0 and (last < 0 or ahead <= last):
                    return i
        return -1

    def walk(items, position):
        """Position behind @items; None where it depends on the call."""
        for arg in items:
            if position is None:
                return None
            if arg.token is not None and arg.kind != "pure-token":
                position += 1
            if arg.kind == "block":
                position = walk(arg.args, position)
            elif arg.kind == "oneof":
                one_word = all(a.kind == "pure-token" or a.token is None and not a.args for a in arg.args)
                for choice in arg.args if one_word and fixed(position) >= 0 else []:
                    if choice.kind == "string":
                        choice.kind, choice.key_spec = "key", fixed(position)
                position = position + 1 if one_word else None
            else:
                if arg.kind == "string" and fixed(position) >= 0:
                    arg.kind, arg.key_spec = "key", fixed(position)
                position += 1
            if arg.flags & {"multiple", "optional"}:
                position = None
        return position

    walk(args, start)
    for i, spec in enumerate(specs):
        if spec.begin == "k":
            for arg in each(args):
                inner = arg.args[0] if arg.kind == "block" else arg
                if arg.token == spec.keyword and inner.kind == "string":
                    inner.kind, inner.key_spec = "key", i
        if spec.begin == "u":
            mark_unknown(args, spec, i)
        if spec.find == "n":
            for previous, arg in zip(args, args[1:]):
                if previous.name == "numkeys" and arg.kind == "string":
                    arg.kind, arg.key_spec = "key", i


# ---- commands ----------------------------------------------------------------------------------


class Spec:
    def __init__(self, text):
        flags, begin, find = text.split(";")
        self.flags = split(flags)
        self.begin, self.index, self.keyword = "u", 0, None
        self.find, self.range, self.keynum = "u", (0, 0, 0), (0, 0, 0)
        kind, _, value = begin.partition(":")
        if kind == "index":
            self.begin, self.index = "i", int(value)
        elif kind == "keyword":
            word, _, at = value.partition("@")
            self.begin, self.keyword, self.index = "k", word, int(at)
        elif kind != "unknown":
            raise Bad("key spec " + text)
        kind, _, value = find.partition(":")
        if kind == "range":
            self.find, self.range = "r", tuple(int(v) for v in value.split("/"))
        elif kind == "keynum":
            self.find, self.keynum = "n", tuple(int(v) for v in value.split("/"))
        elif kind != "unknown":
            raise Bad("key spec " + text)


class Command:
    def __init__(self, row, syntax, summary):
        self.name = row["name"]
        self.row = row
        self.words = self.name.lower().split("|")
        self.handler = "cmd_" + re.sub(r'[^a-z0-9]', '_', self.name.lower())
        self.has_handler = False
        self.refused = None  # why it is refused
        self.subcommands = []
        self.flags = [f for f in split(row["command_flags"]) + split(row["internal_flags"])
                      if f not in FLAGS_IGNORED]
        self.categories = [c.lstrip("@") for c in split(row["acl_categories"])]
        self.specs = [Spec(s) for s in split(row["key_specs"], " ")]
        tips = split(row["random_or_nondeterministic"])
        self.tips = [t for t in tips if t.startswith("nondeterministic")]
        self.tips += split(row["command_tips"])
        self.doc_flags = [f for f in split(row["doc_flags"]) if f in ("deprecated", "syscmd")]
        self.complexity, self.summary = summary
        self.read_syntax(syntax)
        for f in self.flags:
            if f not in FLAGS:
                raise Bad("no bit for the flag " + f)
        shown = split(row["command_flags"])
        if sorted(shown, key=FLAGS.index) != shown:
            raise Bad("flags in another order than their bits")
        for c in self.categories:
            if c not in CATEGORIES:
                raise Bad("no bit for the category " + c)
        for spec in self.specs:
            if sorted(spec.flags, key=SPEC_FLAGS.index) != spec.flags:
                raise Bad("key spec flags in another order than their bits")

    def read_syntax(self, row):
        text = row["syntax"]
        prefix = self.name.replace("|", " ")
        if text != prefix and not text.startswith(prefix + " "):
            raise Bad("syntax of another command: " + text)
        text = text[len(prefix):]
        since = {}
        for part in split(row["option_since"]):
            name, _, version = part.rpartition(":")
            if re.fullmatch(r'\d+\.\d+\.\d+', version):
                since[name] = version
        words = {w.lower() for w in LEXEME.findall(text)}
        names = [n for n in since if n.lower() not in words]
        sequences, repeats = Parser(text + "\n]").alternatives("]")
        if repeats:
            raise Bad("'...' outside brackets")
        builder = Builder(self.name, names)
        if len(sequences) > 1:
            self.args = [builder.oneof([builder.alternative(s) for s in sequences])]
        else:
            self.args = builder.sequence(sequences[0])
        for arg in each(self.args):
            arg.since = since.get(arg.token or "", since.get(arg.name))
        mark_keys(self.args, self.specs, len(self.words))
        self.history = history(self.args)


def listed(items):
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1]


def history(args):
    """What came with which version, from the versions of the options."""
    versions = {}
    for arg in each(args):
        if arg.since is None:
            continue
        if arg.kind == "oneof":
            tokens = ["`%s`" % a.token for a in arg.args if a.token]
        elif arg.token is not None:
            tokens = ["`%s`" % arg.token]
        else:
            tokens = ["the %s argument" % arg.name]
        have = versions.setdefault(arg.since, [])
        have += [t for t in tokens if t not in have]
    order = sorted(versions, key=lambda v: [int(n) for n in v.split(".")])
    return [(v, "Added %s." % listed(versions[v])) for v in order]


def read_implemented(path):
    """Names of commands that exist, and of those that are declared but not in the table yet."""
    on, off = [], []
    with open(path, encoding="utf-8") as f:
        for line in f:
            name = line.split("#")[0].strip()
            if name.startswith("!"):
                off.append(name[1:].strip())
            elif name:
                on.append(name)
    for name in on + off:
        if (on + off).count(name) > 1:
            raise Bad("%s stands twice in %s" % (name, path))
    return on, off


def read_refused(path):
    """{name: reason}"""
    refused = {}
    with open(path, encoding="utf-8") as f:
        for line in f:
            name, tab, reason = line.rstrip("\n").partition("\t")
            if name.startswith("#") or not line.strip():
                continue
            if not tab or not reason or name in refused:
                raise Bad("%s: not a name and a reason, or twice: %s" % (path, line.strip()))
            refused[name] = reason
    return refused


def load(folder, take_all):
    facts = {r["name"]: r for r in rows(folder + "/commands.tsv")}
    syntax = {r["name"]: r for r in rows(folder + "/commands-syntax.tsv")}
    summaries = {r["name"]: (r["complexity"], r["summary"]) for r in rows(folder + "/summaries.tsv")}
    on, off = read_implemented(folder + "/implemented.txt")
    refused = read_refused(folder + "/refused.txt")
    both = sorted(set(on + off) & set(refused))
    if both:
        raise Bad("both implemented and refused: " + ", ".join(both))
    if take_all:
        on, off = on + off, []
    commands = {}

    def get(name):
        if name not in commands:
            if name not in facts:
                raise Bad("%s: not in commands.tsv" % name)
            if name not in summaries and name not in refused:
                raise Bad("%s: no line in summaries.tsv" % name)
            summary = summaries.get(name) or ("", refused[name])
            try:
                commands[name] = Command(facts[name], syntax[name], summary)
            except (Bad, ValueError) as e:
                raise Bad("%s: %s" % (name, e)) from e
        return commands[name]

    for name in on:
        get(name).has_handler = True
        if "|" in name:
            get(name.split("|")[0])
    for name, reason in refused.items():
        command = get(name)
        command.has_handler, command.handler, command.refused = True, "cmd_refused", reason
        if "|" in name and name.split("|")[0] not in commands:
            raise Bad("%s is refused, but nothing else of its container exists" % name)
    for name, command in commands.items():
        if "|" in name:
            commands[name.split("|")[0]].subcommands.append(command)
        elif not command.has_handler and not any(n.startswith(name + "|") for n in on):
            raise Bad("%s: neither handler nor subcommands" % name)
    top = sorted((c for n, c in commands.items() if "|" not in n), key=lambda c: c.name.lower())
    for command in top:
        command.subcommands.sort(key=lambda c: c.name.lower())
    declared = sorted({"cmd_" + re.sub(r'[^a-z0-9]', '_', n.lower()) for n in on + off})
    return top, declared


# ---- the hash ------------------------------------------------------------------------------------
#
# command_hash() in command.c is the same function. Two words of the lower-cased name (its first
# and its last 8 bytes, which overlap in short names) and its length are mixed; a table of
# displacements, one per bucket, makes the slots free of collisions (hash and displace).

MASK = (1 << 64) - 1


def name_words(name):
    """The first and the last 8 bytes of a name (of a short one 4, or what there is)."""
    data = name.encode()
    n = len(data)

    def word(part):
        return int.from_bytes(part, "little")
    if n >= 8:
        return word(data[:8]), word(data[-8:])
    if n >= 4:
        return word(data[:4]), word(data[-4:])
    return data[0], data[n // 2] << 8 | data[n - 1]


def name_hash(name, container):
    a, b = name_words(name)
    h = (a ^ (len(name) + (container << 8))) * 0x9E3779B97F4A7C15 & MASK
    h ^= h >> 29
    h = (h ^ b) * 0xBF58476D1CE4E5B9 & MASK
    return h ^ h >> 32


def perfect_hash(entries):
    """entries: (hash, id). Returns the displacements and the slots (0: free, else id + 1)."""
    size = 64
    while size < 2 * len(entries):
        size *= 2
    n_buckets = size // 4
    if len({h for h, _ in entries}) != len(entries):
        raise Bad("two names have one hash: mix more of the name in")
    buckets = [[] for _ in range(n_buckets)]
    for h, ident in entries:
        buckets[h & (n_buckets - 1)].append((h, ident))
    slots = [0] * size
    displace = [0] * n_buckets
    for b in sorted(range(n_buckets), key=lambda k: -len(buckets[k])):
        for d in range(256):
            at = [slot_of(h, d, size) for h, _ in buckets[b]]
            if len(set(at)) == len(at) and not any(slots[a] for a in at):
                break
        else:
            raise Bad("no displacement found")
        displace[b] = d
        for (_, ident), a in zip(buckets[b], at):
            slots[a] = ident + 1
    return displace, slots


def slot_of(h, d, size):
    return ((h >> 16) + d * ((h >> 40) | 1)) & (size - 1)


# ---- output ----------------------------------------------------------------------------------------


def c_string(text):
    if not text:
        return "NULL"
    return '"%s"' % text.replace("\\", "\\\\").replace('"', '\\"')


def c_bits(names, prefix, special=None):
    bits = [(special or {}).get(n, prefix + n.upper()) for n in names]
    return " | ".join(bits) or "0"


ARG_TYPES = {"string", "integer", "double", "key", "pattern", "unix-time", "pure-token", "oneof",
             "block"}


class Writer:
    def __init__(self):
        self.out = []
        self.n_arrays = 0

    def array(self, ctype, items):
        """A static array; returns the expression that names it."""
        if not items:
            return "NULL"
        name = "a%d" % self.n_arrays
        self.n_arrays += 1
        self.out.append("static const %s %s[] = {\n%s};\n" %
                        (ctype, name, "".join("    %s,\n" % i for i in items)))
        return name

    def args(self, args):
        items = []
        for a in args:
            assert a.kind in ARG_TYPES, a.kind
            inner = self.args(a.args)
            items.append("{.name = %s, .token = %s, .since = %s, .type = COMMAND_ARG_%s, "
                         ".flags = %s, .key_spec = %d, .args = %s, .n_args = %d}" % (
                             c_string(a.name), c_string(a.token), c_string(a.since),
                             a.kind.upper().replace("-", "_"),
                             c_bits(sorted(a.flags), "COMMAND_ARG_"), a.key_spec, inner,
                             len(a.args)))
        return self.array("struct command_arg", items)

    def specs(self, specs):
        items = []
        for s in specs:
            items.append("{.flags = %s, .begin = '%s', .find = '%s', .begin_index = %d, "
                         ".begin_keyword = %s, .last_key = %d, .step = %d, .limit = %d, "
                         ".keynum_index = %d, .first_key = %d, .kn_step = %d}" % (
                             (c_bits(s.flags, "KEYSPEC_"), s.begin, s.find, s.index,
                              c_string(s.keyword)) + s.range + s.keynum))
        return self.array("struct key_spec", items)

    def command(self, c, subcommands, ident):
        row = c.row
        tips = self.array("char *const", [c_string(t) for t in c.tips])
        past = self.array("struct command_history",
                          ["{%s, %s}" % (c_string(v), c_string(t)) for v, t in c.history])
        fields = {
            "name": c_string(c.words[-1]),
            "full_name": c_string(c.name.lower()),
            "fn": c.handler if c.has_handler else "NULL",
            "arity": row["arity"],
            "flags": c_bits(c.flags, "CMD_", FLAG_BIT),
            "acl_categories": c_bits(c.categories, "COMMAND_CAT_"),
            "key_specs": self.specs(c.specs),
            "n_key_specs": len(c.specs),
            "first_key": row["first_key"] or 0,
            "last_key": row["last_key"] or 0,
            "key_step": row["step"] or 0,
            "group": c_string(row["group"]),
            "since": c_string(row["since"]),
            "deprecated_since": c_string(row["deprecated_since"]),
            "replaced_by": c_string(row["replaced_by"]),
            "summary": c_string(c.summary),
            "complexity": c_string(c.complexity),
            "tips": tips,
            "n_tips": len(c.tips),
            "args": self.args(c.args),
            "n_args": len(c.args),
            "subcommands": subcommands,
            "n_subcommands": len(c.subcommands),
            "id": ident,
            "history": past,
            "n_history": len(c.history),
            "syscmd": "true" if "syscmd" in c.doc_flags else "false",
            "refused": c_string(c.refused),
        }
        return "{%s}" % ", ".join(".%s = %s" % item for item in fields.items())


HEAD = "/* Generated by node/command/gen_table.py. */\n"


def write_table(path, top):
    w = Writer()
    flat = list(top)
    for c in top:
        flat += c.subcommands
    ids = {c.name: i for i, c in enumerate(flat)}
    entries = []
    hashed = []
    keys = []
    for c in flat:
        subs = "NULL"
        if c.subcommands:
            subs = "&command_entries[%d]" % ids[c.subcommands[0].name]
        entries.append(w.command(c, subs, ids[c.name]))
        container = ids[c.name.split("|")[0]] + 1 if "|" in c.name else 0
        hashed.append((name_hash(c.words[-1], container), ids[c.name]))
        keys.append("{0x%xu, 0x%xu, %d, %d, %d}" % (
            name_words(c.words[-1]) + (len(c.words[-1]), container, ids[c.name])))
    displace, slots = perfect_hash(hashed)
    with open(path, "w", encoding="utf-8") as f:
        f.write(HEAD)
        f.write('#include "node/command/handlers.h"\n#include "node/command/table.h"\n\n')
        f.write("\n".join(w.out))
        f.write("\nconst struct command command_entries[] = {\n")
        f.write("".join("    %s,\n" % e for e in entries))
        f.write("};\n")
        f.write("const size_t command_entries_n = %d;\n" % len(flat))
        f.write("const size_t command_entries_top_n = %d;\n" % len(top))
        f.write("const size_t command_name_max = %d;\n" % max(len(c.words[-1]) for c in flat))
        f.write("const uint8_t command_displace[] = {%s};\n" % ", ".join(map(str, displace)))
        f.write("const size_t command_displace_n = %d;\n" % len(displace))
        f.write("const struct command_slot command_slots[] = {\n")
        f.write("".join("    %s,\n" % (keys[k - 1] if k else "{0, 0, 0, 0, 0}") for k in slots))
        f.write("};\n")
        f.write("const size_t command_slots_n = %d;\n" % len(slots))


def write_handlers(path, declared):
    with open(path, "w", encoding="utf-8") as f:
        f.write(HEAD)
        f.write("".join("void %s(struct cmd *c);\n" % name for name in declared))


def write_empty_handlers(path, top):
    """Handlers for tests of the table alone; those of COMMAND are real. Weak: tests of some
    handlers link those, and these for the rest of the table."""
    names = [c.handler for t in top for c in [t] + t.subcommands if c.has_handler and not c.refused]
    with open(path, "w", encoding="utf-8") as f:
        f.write(HEAD)
        f.write('#include "node/command/handlers.h"\n\n')
        for name in names:
            if not re.fullmatch(r'cmd_command(_.*)?', name):
                f.write("__attribute__((weak)) void %s(struct cmd *c) { (void)c; }\n" % name)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--dir", required=True)
    ap.add_argument("--all", action="store_true")
    ap.add_argument("--table")
    ap.add_argument("--handlers")
    ap.add_argument("--empty-handlers")
    options = ap.parse_args()
    try:
        top, declared = load(options.dir, options.all)
        if options.table:
            write_table(options.table, top)
        if options.handlers:
            write_handlers(options.handlers, declared)
        if options.empty_handlers:
            write_empty_handlers(options.empty_handlers, top)
    except Bad as e:
        sys.exit("gen_table.py: %s" % e)


if __name__ == "__main__":
    main()
