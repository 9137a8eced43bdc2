# SPDX-License-Identifier: BSD-3-Clause
"""Commands about the server, right and wrong ones, and counts at their limits, on Holdfast and on Debian's
redis-server 7.0: the same replies."""

import pathlib
import shlex
import sys

import pytest

from holdfast import Client, Cluster, ReplyError

sys.path.insert(0, str(pathlib.Path(__file__).parent / "differential"))
from diff_redis import REDIS, redis_server  # noqa: E402

pytestmark = pytest.mark.skipif(not REDIS, reason="redis-server is not installed")

# One session, in this order.
LINES = """
CLIENT LIST TYPE nosuch
CLIENT LIST TYPE master
CLIENT LIST TYPE replica
CLIENT LIST TYPE pubsub
CLIENT LIST TYPE normal ID 1
CLIENT LIST ID x
CLIENT LIST ID 0
CLIENT LIST ID
CLIENT LIST x
CLIENT LIST TYPE
CLIENT KILL x
CLIENT KILL 127.0.0.1:1
CLIENT KILL ID x
CLIENT KILL ID 0
CLIENT KILL ID -5
CLIENT KILL ID 99999
CLIENT KILL ID 1 x
CLIENT KILL ID x y
CLIENT KILL TYPE nosuch y
CLIENT KILL USER nosuch ID
CLIENT KILL ADDR 1.1.1.1:1 ID
CLIENT KILL TYPE nosuch
CLIENT KILL TYPE pubsub
CLIENT KILL TYPE slave
CLIENT KILL USER nosuch
CLIENT KILL USER default SKIPME yes ID 999
CLIENT KILL ADDR 1.1.1.1:1
CLIENT KILL LADDR 1.1.1.1:1
CLIENT KILL SKIPME x
CLIENT KILL SKIPME no ID 9999
CLIENT KILL nosuch x
CLIENT
CLIENT nosuch
CLIENT SETNAME "a b"
CLIENT SETNAME ab
CLIENT GETNAME
CLIENT SETNAME ""
CLIENT GETNAME
CLIENT REPLY x
CLIENT REPLY
CLIENT PAUSE x
CLIENT PAUSE -1
CLIENT PAUSE 0 x
CLIENT PAUSE 0 ALL
CLIENT PAUSE 0 WRITE x
CLIENT UNPAUSE
CLIENT UNPAUSE x
CLIENT UNBLOCK x
CLIENT UNBLOCK 1 x
CLIENT UNBLOCK 999 TIMEOUT
CLIENT UNBLOCK 999 ERROR
CLIENT UNBLOCK 999 ERROR x
CLIENT NO-EVICT x
CLIENT NO-EVICT on
CLIENT NO-EVICT off
CLIENT ID x
CLIENT INFO x
CLIENT GETREDIR
SET s 1
SET str abc
SADD ist 1 2
HSET h f v
ZADD z 1 a
SRANDMEMBER ist -9223372036854775808
SRANDMEMBER nokey -9223372036854775808
SRANDMEMBER str -9223372036854775808
ZRANDMEMBER nokey -9223372036854775808
ZRANDMEMBER z -9223372036854775808 WITHSCORES
ZRANDMEMBER z -9223372036854775808 x
ZRANDMEMBER z -9223372036854775807 WITHSCORES
HRANDFIELD h -9223372036854775808 x
OBJECT
OBJECT nosuch
OBJECT ENCODING
OBJECT ENCODING nokey
OBJECT FREQ nokey
OBJECT IDLETIME nokey
OBJECT REFCOUNT nokey
OBJECT ENCODING s
OBJECT ENCODING str
OBJECT ENCODING ist
OBJECT ENCODING h
OBJECT ENCODING z
OBJECT FREQ s
OBJECT REFCOUNT str
OBJECT IDLETIME str
OBJECT HELP x
MEMORY
MEMORY nosuch
MEMORY USAGE
MEMORY USAGE nokey
MEMORY USAGE s SAMPLES
MEMORY USAGE s SAMPLES x
MEMORY USAGE s SAMPLES -1
MEMORY USAGE s x 1
MEMORY DOCTOR x
MEMORY STATS x
MEMORY PURGE x
MEMORY PURGE
LATENCY
LATENCY nosuch
LATENCY DOCTOR x
LATENCY HISTORY
LATENCY HISTORY nosuch
LATENCY LATEST
LATENCY GRAPH nosuch
LATENCY RESET
LATENCY RESET command x
LATENCY LATEST x
LATENCY HISTOGRAM nosuch
LOLWUT VERSION x
SHUTDOWN x
SHUTDOWN SAVE NOSAVE
SHUTDOWN ABORT
SHUTDOWN ABORT NOW
SLOWLOG
SLOWLOG nosuch
SLOWLOG GET x
SLOWLOG GET -2
SLOWLOG LEN x
SLOWLOG RESET
SLOWLOG RESET x
COMMAND nosuch
COMMAND COUNT x
COMMAND LIST FILTERBY
COMMAND LIST FILTERBY MODULE
COMMAND LIST FILTERBY MODULE x
COMMAND LIST FILTERBY ACLCAT nosuch
COMMAND LIST FILTERBY PATTERN xx*
COMMAND LIST FILTERBY nosuch x
COMMAND LIST x
COMMAND GETKEYS
COMMAND GETKEYS nosuch x
COMMAND GETKEYS set a b
COMMAND GETKEYS mset a b c d
COMMAND GETKEYS zunionstore d 2 a b
COMMAND GETKEYSANDFLAGS set a b
COMMAND GETKEYSANDFLAGS copy a b
COMMAND GETKEYSANDFLAGS zunionstore d 2 a b
COMMAND INFO nosuch
COMMAND DOCS nosuch
COMMAND GETKEYS eval x 2 a
COMMAND GETKEYS eval x 0
COMMAND GETKEYS fcall x abc a
COMMAND GETKEYSANDFLAGS evalsha x 2 a
COMMAND GETKEYS zunion 2 a
EVALSHA abc 2 a
EVALSHA 0123456789012345678901234567890123456789 2 a
EVALSHA 0123456789012345678901234567890123456789 1 a
EVALSHA_RO abc x
FUNCTION FLUSH x
FUNCTION FLUSH SYNC x
function flush sync x
FUNCTION LOAD REPLACE REPLACE replace "no library"
FUNCTION LOAD REPLACE x "#!lua name=lib"
FUNCTION LOAD x REPLACE "#!lua name=lib"
FUNCTION LOAD "#!lua name=lib" REPLACE
FUNCTION RESTORE x FLUSH x
Function Restore x FLUSH x
XADD x 1-1 f v
XINFO STREAM x FULL x
XInfo Stream x FULL COUNT
slowlog Get 1 2
pubsub Numpat x
pubsub Channels a b
acl Log 1 2
client Unpause x
client pause 1 ALL x
xgroup Create x g
xgroup Create x g $ x
memory Usage s SAMPLES
CONFIG
CONFIG nosuch
CONFIG GET
CONFIG GET nosuch
CONFIG SET
CONFIG SET a
CONFIG SET nosuch x
CONFIG SET maxmemory
CONFIG SET maxmemory x
CONFIG SET maxmemory -1
CONFIG SET maxmemory 100mb
CONFIG SET maxmemory ""
CONFIG GET maxmemory
CONFIG SET maxmemory gb
CONFIG SET proto-max-bulk-len ""
CONFIG SET maxmemory-clients x
CONFIG SET maxmemory-clients 101%
CONFIG SET hz x
CONFIG SET hz 10 hz 20
CONFIG SET maxmemory-policy x
CONFIG SET daemonize yes
CONFIG SET timeout -1
CONFIG SET latency-monitor-threshold -1
CONFIG SET latency-tracking maybe
CONFIG SET latency-tracking-info-percentiles 101
CONFIG SET latency-tracking-info-percentiles x
CONFIG SET latency-tracking-info-percentiles 0x10
CONFIG GET latency-tracking-info-percentiles
CONFIG SET latency-tracking-info-percentiles 01
CONFIG GET latency-tracking-info-percentiles
CONFIG SET latency-tracking-info-percentiles +1
CONFIG GET latency-tracking-info-percentiles
CONFIG SET latency-tracking-info-percentiles 1e1
CONFIG GET latency-tracking-info-percentiles
CONFIG SET latency-tracking-info-percentiles " "
CONFIG GET latency-tracking-info-percentiles
CONFIG SET latency-tracking-info-percentiles "1 "
CONFIG GET latency-tracking-info-percentiles
CONFIG SET latency-tracking-info-percentiles "1  2"
CONFIG GET latency-tracking-info-percentiles
CONFIG SET latency-tracking-info-percentiles "50 99.9"
CONFIG GET latency-tracking-info-percentiles
CONFIG SET latency-tracking-info-percentiles 00.50
CONFIG GET latency-tracking-info-percentiles
CONFIG SET latency-tracking-info-percentiles 33.333333333
CONFIG GET latency-tracking-info-percentiles
CONFIG SET latency-tracking-info-percentiles nan
CONFIG GET latency-tracking-info-percentiles
CONFIG SET latency-tracking-info-percentiles inf
CONFIG GET latency-tracking-info-percentiles
CONFIG SET latency-tracking-info-percentiles ""
CONFIG GET latency-tracking-info-percentiles
CONFIG SET oom-score-adj-values nan
CONFIG GET oom-score-adj-values
CONFIG SET oom-score-adj-values x
CONFIG GET oom-score-adj-values
CONFIG SET oom-score-adj-values ""
CONFIG GET oom-score-adj-values
CONFIG SET oom-score-adj-values "1 2 3000"
CONFIG GET oom-score-adj-values
CONFIG SET oom-score-adj-values "1 2"
CONFIG GET oom-score-adj-values
CONFIG SET oom-score-adj-values "1 2 x"
CONFIG GET oom-score-adj-values
CONFIG SET oom-score-adj-values "1  2 3"
CONFIG GET oom-score-adj-values
CONFIG SET oom-score-adj-values "+1 02 -3"
CONFIG GET oom-score-adj-values
CONFIG SET oom-score-adj-values "0 200 800"
CONFIG GET oom-score-adj-values
CONFIG SET proc-title-template ""
CONFIG SET proc-title-template " "
CONFIG SET proc-title-template {x}
CONFIG SET proc-title-template {title}
CONFIG SET proc-title-template {
CONFIG SET proc-title-template a{title
CONFIG SET proc-title-template {}
CONFIG SET proc-title-template "{TITLE} a"
CONFIG SET proc-title-template {{
CONFIG SET proc-title-template x}
CONFIG SET proc-title-template "a {title}"
CONFIG SET proc-title-template {port}
CONFIG SET proc-title-template "{title} {listen-addr} {server-mode}"
CONFIG GET proc-title-template
CONFIG SET activedefrag maybe
CONFIG SET cluster-node-timeout -1
CONFIG SET repl-backlog-size x
CONFIG SET dbfilename x
CONFIG SET cluster-config-file x
CONFIG SET lazyfree-lazy-expire maybe
CONFIG SET list-max-listpack-size x
CONFIG SET client-output-buffer-limit x
CONFIG SET client-output-buffer-limit "normal 0 0"
CONFIG SET client-output-buffer-limit "nosuch 0 0 0"
CONFIG SET client-output-buffer-limit "normal x 0 0"
CONFIG REWRITE
CONFIG REWRITE x
CONFIG RESETSTAT
CONFIG RESETSTAT x
CONFIG GET masterauth
DEBUG
DEBUG nosuch
DEBUG OBJECT
DEBUG OBJECT nokey
DEBUG SLEEP
DEBUG JMAP
DEBUG SET-ACTIVE-EXPIRE 1
DEBUG DIGEST-VALUE nokey
DEBUG HTSTATS 99
DEBUG LISTPACK
DEBUG LISTPACK nokey
DEBUG QUICKLIST nokey
DEBUG HTSTATS-KEY nokey
DEBUG SDSLEN nokey
DEBUG CLIENT-EVICTION
DEBUG CLIENT-EVICTION x
DEBUG PAUSE-CRON
DEBUG PAUSE-CRON 0
DEBUG ERROR foo
DEBUG LOG hi
DEBUG PROTOCOL x
DEBUG PROTOCOL string
DEBUG RELOAD
INFO nosuch
SAVE x
SAVE
BGSAVE x
BGSAVE SCHEDULE x
BGREWRITEAOF x
LASTSAVE x
TIME x
ROLE x
MODULE
MODULE nosuch
MODULE LIST
MODULE LIST x
HELLO x
HELLO 4
HELLO 2 nosuch
HELLO 2 SETNAME
AUTH x
AUTH a b
AUTH default x
SELECT x
SELECT 99
SELECT -1
SWAPDB x 1
SWAPDB 0 99
WAIT x 1
WAIT 1 x
WAIT 0 -1
ECHO
PING a b
RESET x
RESET
QUIT x
""".strip().splitlines()


def reply(client, words):
    try:
        return client.call(*words)
    except ReplyError as error:
        return f"error: {error.text}"


@pytest.mark.parametrize("protocol", [2, 3])
def test_replies_about_the_server_are_those_of_a_stock_redis(protocol):
    different = []
    with Cluster(nodes=1, plain=True) as cluster, redis_server("--enable-debug-command", "yes") as address:
        with cluster.leader().client() as ours, Client(address[1]) as theirs:
            ours.call("HELLO", protocol)
            theirs.call("HELLO", protocol)
            for line in LINES:
                words = shlex.split(line)
                have, want = reply(ours, words), reply(theirs, words)
                if have != want:
                    different.append(f"{line}\n    Redis:    {want}\n    Holdfast: {have}")
    assert not different, "\n".join(different)
