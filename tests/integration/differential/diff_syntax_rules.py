# SPDX-License-Identifier: BSD-3-Clause
"""Of the calls drawn from the table of syntax: which commands are left out, how replies of the others compare, and
which differences are deliberate."""

import dataclasses
import pathlib
import re
from typing import Callable

DIFFERENCES = pathlib.Path(__file__).resolve().parents[3] / "node" / "command" / "differences.md"

# ---- left out -------------------------------------------------------------------------------------------

LEFT_OUT = {
    "ACL|LOG": "entries carry times, ages and clients: test_acl.py",
    "BGREWRITEAOF": "starts work in the background, of which only one may run: test_server_commands.py",
    "BGSAVE": "likewise",
    "SAVE": "writes a file, which takes its time: test_snapshots.py",
    "CLIENT|KILL": "ends the connections of the comparison: test_introspection_redis.py",
    "CLIENT|LIST": "connections, addresses and times: test_introspection_redis.py",
    "COMMAND": "describes all commands, of which each server has others: test_introspection.py",
    "COMMAND|COUNT": "likewise",
    "COMMAND|DOCS": "likewise",
    "COMMAND|LIST": "likewise",
    "CLUSTER|FAILOVER": "exists here without a cluster as well: test_groups.py",
    "DEBUG": "sleeps, reloads and crashes; its subcommands are not in the table: test_introspection_redis.py",
    "FAILOVER": "replication is another here, refused.txt says",
    "PSYNC": "likewise",
    "REPLCONF": "likewise",
    "REPLICAOF": "likewise",
    "SLAVEOF": "likewise",
    "SYNC": "likewise",
    "MODULE|LOAD": "there are no modules, refused.txt says",
    "MODULE|LOADEX": "likewise",
    "MODULE|UNLOAD": "likewise",
    "INFO": "numbers of this run: test_info.py",
    "LATENCY|DOCTOR": "prose with numbers of this run",
    "LATENCY|GRAPH": "draws times",
    "LATENCY|HISTOGRAM": "durations",
    "LOLWUT": "draws something else",
    "MEMORY|DOCTOR": "prose about this process",
    "MEMORY|MALLOC-STATS": "of another allocator",
    "MEMORY|STATS": "numbers of this process",
    "MONITOR": "lines with times and addresses, sent by other connections as well: test_monitor.py",
    "PFSELFTEST": "takes a second",
    "SCRIPT|DEBUG": "YES makes a debugger of the connection: test_scripts_redis.py has the other forms",
    "SHUTDOWN": "ends the server: test_introspection_redis.py has the malformed forms",
}

# Of these chance or the clock decides what they leave: alone in their transaction, and the data is made anew.
LEAVES_CHANCE = {"SPOP", "FLUSHALL", "FLUSHDB", "SWAPDB", "PFCOUNT"}

# ---- how replies compare --------------------------------------------------------------------------------

MODE = {
    "elements": ["KEYS", "HKEYS", "HVALS", "SMEMBERS", "SINTER", "SUNION", "SDIFF", "PUBSUB|CHANNELS",
                 "PUBSUB|SHARDCHANNELS", "ACL|CAT", "ACL|LIST", "ACL|USERS"],
    "pairs": ["HGETALL", "CONFIG|GET"],
    "length": ["HRANDFIELD", "SRANDMEMBER", "ZRANDMEMBER", "SPOP", "HELLO", "TIME"],
    "numbers": ["GEODIST", "GEOPOS", "GEOSEARCH", "GEORADIUS", "GEORADIUS_RO", "GEORADIUSBYMEMBER",
                "GEORADIUSBYMEMBER_RO", "GEOADD"],
    "seconds": ["TTL", "EXPIRETIME"],
    "ms": ["PTTL", "PEXPIRETIME"],
    "kind": ["RANDOMKEY", "MEMORY|USAGE", "OBJECT|REFCOUNT", "OBJECT|IDLETIME", "DUMP", "FUNCTION|DUMP", "ACL|GENPASS",
             "LASTSAVE", "CLIENT|ID", "CLIENT|INFO", "ROLE", "WAIT", "COMMAND|INFO"],
    "libraries": ["FUNCTION|LIST"],
    "encoding": ["OBJECT|ENCODING"],
    "scan": ["SCAN", "SSCAN", "HSCAN", "ZSCAN"],
    "stream": ["XINFO|STREAM", "XINFO|GROUPS", "XINFO|CONSUMERS", "XPENDING"],
    "sorted": ["SORT", "SORT_RO"],
}  # fmt: skip
_MODE = {name: mode for mode, names in MODE.items() for name in names}


def mode_of(command):
    if command.name in _MODE:
        return _MODE[command.name]
    if command.name.endswith("|HELP"):
        return "kind"  # differences.md: The subcommands `HELP` have texts of their own.
    return "numbers" if command.group == "sorted-set" else "bytes"


# ---- deliberate differences -----------------------------------------------------------------------------


@dataclasses.dataclass
class Deliberate:
    line: str  # of differences.md, in part
    holds: Callable  # (words of the command, form, reply here, reply of Redis) -> whether this explains it


def _upper(words):
    return [w.upper() for w in words]


DELIBERATE = []


def deliberate(line):
    def register(function):
        DELIBERATE.append(Deliberate(line, function))
        return function

    return register


def check_lines():
    """Each rule points at a line that is there."""
    text = " ".join(DIFFERENCES.read_text(encoding="utf-8").split())
    gone = [rule.line for rule in DELIBERATE if rule.line not in text]
    if gone:
        raise AssertionError(f"not in differences.md: {gone}")


def explained(words, form, a, b):
    return bool(words) and any(rule.holds(words, form, a, b) for rule in DELIBERATE)


WAITING = {b"BLPOP", b"BRPOP", b"BLMOVE", b"BRPOPLPUSH", b"BLMPOP", b"BZPOPMIN", b"BZPOPMAX", b"BZMPOP", b"WAIT"}
RANKS = {b"ZRANK", b"ZREVRANK"}
ARITY = (b"rong number of arg", b"Invalid number of arguments")


@deliberate("`ZRANK` and `ZREVRANK` know `WITHSCORE`, as in 7.2.")
def _withscore(words, form, a, b):
    return words[0].upper() in RANKS and len(words) > 3 and any(text in b.raw for text in ARITY)


@deliberate("`HSCAN` knows `NOVALUES`, as in 7.4, and `ZSCAN` `NOSCORES`, as in Valkey 8;")
def _novalues(words, form, a, b):
    option = {b"HSCAN": b"NOVALUES", b"ZSCAN": b"NOSCORES"}.get(words[0].upper())
    return option in _upper(words) and b"syntax error" in b.raw


@deliberate("Blocking commands may be called in scripts, as in 7.2; they do not wait.")
def _blocking(words, form, a, b):
    if words[0].upper() in WAITING:
        return form == "script" and b"command is not allowed from script" in b.raw
    return form == "script" and b"not allowed with BLOCK option from scripts" in b.raw


@deliberate("The arity of `COMMAND GETKEYS` is -3,")
def _getkeys_arity(words, form, a, b):
    alone = words[0].upper() == b"COMMAND" and words[1].upper() in (b"GETKEYS", b"GETKEYSANDFLAGS") and len(words) == 3
    return (alone or (form == "getkeys" and len(words) == 1)) and ARITY[0] in b.raw


@deliberate("the destination of `SINTERSTORE` is overwritten (`OW`)")
def _overwritten(words, form, a, b):
    getkeys = form == "getkeys" and words[0].upper() == b"SINTERSTORE"
    return getkeys and a.raw.replace(b"+OW", b"+RW", 1) == b.raw


@deliberate("The subcommands `HELP` have texts of their own.")
def _help_of_cluster(words, form, a, b):
    return _upper(words) == [b"CLUSTER", b"HELP"] and b"cluster support disabled" in b.raw


@deliberate("Where Redis 7.0 and Valkey 8 describe a command differently, `COMMAND INFO` says what Valkey 8 does")
def _commands_of_category(words, form, a, b):
    return _upper(words[:2]) == [b"ACL", b"CAT"] and len(words) == 3 and a.kind == b.kind == "*"


@deliberate("A timeout of 2^63 ms and more is `timeout is out of range` for `BLPOP` and its like")
def _timeout(words, form, a, b):
    return words[0].upper() in WAITING and b"timeout is out of range" in a.raw and b"timeout is negative" in b.raw


@deliberate("are answered once that is committed; within `MULTI` they are refused by `EXEC`.")
def _acl_in_multi(words, form, a, b):
    return form == "multi" and words[0].upper() == b"ACL" and b"cannot be part of a transaction" in a.raw


@deliberate("may be sent to any node, and change all of them; they cannot be part of a transaction.")
def _function_in_multi(words, form, a, b):
    return form == "multi" and words[0].upper() == b"FUNCTION" and b"cannot be part of a transaction" in a.raw


@deliberate("A user has a name, of 1024 bytes at most")
def _user_without_name(words, form, a, b):
    return _upper(words[:2]) == [b"ACL", b"SETUSER"] and words[2] == b"" and b"Usernames can't be empty" in a.raw


@deliberate("Numbers are read to their last byte: a zero byte within")
def _zero_byte(words, form, a, b):
    return any(b"\0" in w for w in words) and (b"is not a float" in a.raw or b"is not an integer" in a.raw)


_NUMKEYS_FIRST = {b"ZUNION", b"ZINTER", b"ZDIFF", b"ZINTERCARD", b"SINTERCARD", b"LMPOP", b"ZMPOP"}
_NUMKEYS_SECOND = {b"ZUNIONSTORE", b"ZINTERSTORE", b"ZDIFFSTORE", b"BLMPOP", b"BZMPOP", b"EVAL", b"EVAL_RO", b"EVALSHA",
                   b"EVALSHA_RO", b"FCALL", b"FCALL_RO"}  # fmt: skip


@deliberate("`COMMAND GETKEYS` reads a number of keys as strictly as the command itself does")
def _number_of_keys(words, form, a, b):
    at = 1 if words[0].upper() in _NUMKEYS_FIRST else 2 if words[0].upper() in _NUMKEYS_SECOND else len(words)
    return form == "getkeys" and at < len(words) and not re.fullmatch(rb"0|-?[1-9][0-9]{0,8}", words[at])


@deliberate("A relative time to live of `RESTORE` beyond the end of time is an error;")
def _beyond_time(words, form, a, b):
    return words[0].upper().startswith(b"RESTORE") and b"invalid expire time" in a.raw and b.raw == b"+OK\r\n"


@deliberate("It cannot be part of a transaction or a script.")
def _migrate_in_script(words, form, a, b):
    return words[0].upper() == b"MIGRATE" and form in ("multi", "script") and b"cannot be part of a transaction" in a.raw


@deliberate("`HELLO` does nothing unless all of its arguments are fine, as in 7.2:")
def _hello_in_order(words, form, a, b):
    """HELLO: Redis acts on AUTH before it looks at the options behind it."""
    wrong = b"Syntax error in HELLO option" in a.raw or b"Client names cannot contain" in a.raw
    return words[0].upper() == b"HELLO" and wrong and b"WRONGPASS" in b.raw


@deliberate("`FUNCTION LOAD` shows an option that it does not know up to its 128th byte.")
def _long_option(words, form, a, b):
    """FUNCTION LOAD: an unknown option is shown up to its 128th byte, and as a whole by Redis."""
    head = b"-ERR Unknown option given: "
    return a.raw.startswith(head) and b.raw.startswith(a.raw[:-2]) and len(a.raw) > 128


@deliberate(
    "`COMMAND GETKEYS` of a call that the command itself refuses may find other keys, none, or call the arguments invalid"
)
def _invalid_to_one(words, form, a, b):
    """Calls that cannot be: one of the servers gives the keys that it finds, or an empty list, and the other calls the
    arguments invalid or finds others."""
    name = words[0].upper()
    no_streams = name in (b"XREAD", b"XREADGROUP") and b"STREAMS" not in _upper(words)
    no_group = name == b"XREADGROUP" and b"GROUP" not in _upper(words)
    if name in (b"PFMERGE", b"MIGRATE") or no_streams or no_group:
        return form == "getkeys" and a.kind == "*" and (b"Invalid arguments" in b.raw or name == b"MIGRATE")
    store = name in (b"GEORADIUS", b"GEORADIUSBYMEMBER") and _upper(words)[-1] in (b"STORE", b"STOREDIST")
    return form == "getkeys" and store and b.kind == "*" and b"Invalid arguments" in a.raw


def _setting(words):
    return _upper(words[:2]) == [b"CONFIG", b"SET"]


@deliberate("`CONFIG SET` refuses some values for a reason with another text:")
def _reason_of_setting(words, form, a, b):
    """CONFIG SET: the same setting is refused for another reason, such as a highest value of 31 bits and not of 63, a
    zero byte, or a number that is out of range and not unreadable."""
    head = a.raw.partition(b") - ")[0]
    return _setting(words) and b"(possibly related to argument" in head and b.raw.startswith(head)


@deliberate("Redis sometimes takes what stands before the zero byte.")
def _zero_byte_in_setting(words, form, a, b):
    """CONFIG SET of flags such as notify-keyspace-events, which Redis reads up to the zero byte."""
    return _setting(words) and b"contains a NUL byte" in a.raw and b.raw == b"+OK\r\n"


@deliberate("A name that is unknown is told before one that stands twice.")
def _order_of_settings(words, form, a, b):
    """CONFIG SET: where a name is unknown, or a value is missing, and another stands there twice, Redis names what comes
    first."""
    return _setting(words) and b"Unknown option or number of arguments" in a.raw and b"duplicate parameter" in b.raw


@deliberate("`ZINCRBY k NX m`: the increment is no number.")
def _increment_as_option(words, form, a, b):
    """ZINCRBY: Redis reads an increment such as NX as an option of ZADD, and has too few arguments left."""
    return words[0].upper() == b"ZINCRBY" and b"not a valid float" in a.raw and b"syntax error" in b.raw


@deliberate("Where nobody listens, the error is always that of connecting.")
def _no_target(words, form, a, b):
    """MIGRATE to a port where nobody listens: Redis says that it cannot write, or that it cannot connect."""
    texts = (b"connecting to the client", b"writing to target instance")
    return words[0].upper() == b"MIGRATE" and a.raw.startswith(b"-IOERR") and b.raw == a.raw.replace(*texts)


@deliberate("The port is a number from 1 to 65535, and the target has to answer in the protocol.")
def _no_redis_at_target(words, form, a, b):
    """MIGRATE to what is no Redis: a proxy that accepts every connection and answers with HTTP, say."""
    return words[0].upper() == b"MIGRATE" and a.raw.startswith(b"-IOERR") and b.raw == b"+OK\r\n"


@deliberate("`GEORADIUS` with nothing behind `STORE`, `SET k v PX GET`.")
def _get_as_a_time(words, form, a, b):
    """COMMAND GETKEYSANDFLAGS SET: Redis takes a GET where a time should be for the option of that name."""
    upper = _upper(words)
    instead = any(option in (b"EX", b"PX", b"EXAT", b"PXAT") and w == b"GET" for option, w in zip(upper, upper[1:]))
    return form == "getkeys" and upper[0] == b"SET" and instead and b"+OW" in a.raw and b"+RW" in b.raw
