# SPDX-License-Identifier: BSD-3-Clause
"""One node alone against redis-server without persistence: parts of tests/bench/run.

Holdfast: one node, cluster-enabled no, appendfsync no. Redis: save "" and appendonly no. Both run at the
same time and take turns under load.
"""

import csv
import io
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from holdfast import Client, Cluster, eventually, free_port

DEFAULT_SET = (
    "ping_inline,ping_mbulk,set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,spop,zadd,zpopmin,"
    "lrange_100,lrange_300,lrange_500,lrange_600,mset"
)
MEMBERS = 1_000_000
SET_SCRIPT = "return redis.call('SET', KEYS[1], ARGV[1])"


class Alone:
    """Holdfast, one node."""

    name = "holdfast"

    def __enter__(self):
        self.cluster = Cluster(nodes=1, plain=True, appendfsync="no", loglevel="notice")
        self.cluster.__enter__()
        self.port = self.cluster.leader().port
        return self

    def __exit__(self, *args):
        self.cluster.__exit__(*args)


class RedisAlone:
    name = "redis"

    def __enter__(self):
        program = shutil.which("redis-server")
        if program is None:
            sys.exit("redis-server is not installed (Debian package redis-server)")
        self.dir = tempfile.mkdtemp(prefix="holdfast-bench-")
        self.port = free_port()
        command = [program, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.dir]
        command += ["--save", "", "--appendonly", "no", "--enable-debug-command", "yes"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        eventually(lambda: call(self, "PING") == "PONG", 60, "redis-server answers")
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


def call(side, *words):
    with Client(side.port, 600) as c:
        return c.call(*words)


def say(text):
    print(text, flush=True)


# ---- commands -----------------------------------------------------------------------------------------


def benchmark(side, options, pipeline, *words, keys=100000, requests=None):
    """One run of redis-benchmark: {test: requests/s}. Runs of fewer requests are over too soon to say
    anything."""
    command = ["redis-benchmark", "-p", str(side.port), "-P", str(pipeline), "--csv", "-r", str(keys)]
    command += ["-n", str(requests or options.requests * (4 if pipeline > 1 else 1)), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    if done.returncode != 0 or not rows:
        sys.exit(f"redis-benchmark failed: {' '.join(command)}: {done.stdout}{done.stderr}")
    return {row["test"][:40]: float(row["rps"]) for row in rows}


def show(results, out, title):
    names = [n for n in results["holdfast"][0] if "needed to" not in n]
    for name in names:
        ours = [r[name] for r in results["holdfast"]]
        theirs = [r[name] for r in results["redis"]]
        ratio = statistics.median(a / b for a, b in zip(ours, theirs))
        a, b = statistics.median(ours), statistics.median(theirs)
        each = " ".join(f"{x / y:.2f}" for x, y in zip(ours, theirs))
        say(f"{name + ' ' + title:48}{a:12.0f}{b:12.0f}{ratio:8.2f}   {each}")
        out[f"{name} {title}"] = {"holdfast": a, "redis": b, "ratio": ratio}


def rounds(sides, options, run):
    results = {side.name: [] for side in sides}
    for r in range(options.rounds):
        for side in sides if r % 2 == 0 else reversed(sides):
            results[side.name].append(run(side))
    return results


def fill_script(side, script, count, chunk=10000):
    """Run @script for the numbers ARGV[1]..ARGV[2], in chunks up to @count."""
    with Client(side.port, 600) as c:
        for first in range(0, count, chunk):
            c.call("EVAL", script, 0, first, min(first + chunk, count) - 1)


# name, what is there before, the command, different numbers in place of __rand_int__
MORE = [
    ("ZADD to 1M members", "zset", ("ZADD", "z", "__rand_int__", "m:__rand_int__"), MEMBERS),
    ("ZRANK in 1M members", "zset", ("ZRANK", "z", "m:__rand_int__"), MEMBERS),
    ("ZRANGE BYSCORE of 1M members", "zset", ("ZRANGE", "z", "__rand_int__", "+inf", "BYSCORE", "LIMIT", "0", "10"), MEMBERS),
    ("ZRANGE 0 9 of 1M members", "zset", ("ZRANGE", "z", "0", "9"), MEMBERS),
    ("XADD", None, ("XADD", "x", "*", "field", "value"), 1),
    ("XREADGROUP", "group", ("XREADGROUP", "GROUP", "g", "c", "COUNT", "1", "STREAMS", "x", ">"), 1),
    ("EVALSHA of a SET", "script", ("EVALSHA", None, "1", "key:__rand_int__", "value"), 100000),
    ("HSET", None, ("HSET", "hash:__rand_int__", "field", "value"), 100000),
    ("HGETALL of 5 fields", "hashes", ("HGETALL", "hash:__rand_int__"), 100000),
]  # fmt: skip


def prepare(side, what):
    """Returns a digest for EVALSHA."""
    call(side, "FLUSHALL")
    if what == "zset":
        script = "for i = ARGV[1], ARGV[2] do redis.call('ZADD', 'z', i, string.format('m:%012d', i)) end"
        fill_script(side, script, MEMBERS)
    elif what == "group":
        fill_script(side, "for i = ARGV[1], ARGV[2] do redis.call('XADD', 'x', '*', 'field', 'value') end", 2 * MEMBERS)
        call(side, "XGROUP", "CREATE", "x", "g", "0")
    elif what == "script":
        return call(side, "SCRIPT", "LOAD", SET_SCRIPT).decode()
    elif what == "hashes":
        script = (
            "for i = ARGV[1], ARGV[2] do redis.call('HSET', string.format('hash:%012d', i), 'f1', 'value1', "
            "'f2', 'value2', 'f3', 'value3', 'f4', 'value4', 'f5', 'value5') end"
        )
        fill_script(side, script, 100000)
    return None


def part_commands(options, out):
    say(f"\nOne node, requests/s, ratio: median of {options.rounds} rounds")
    say(f"{'':48}{'holdfast':>12}{'redis':>12}{'ratio':>8}   ratio of each round")
    with Alone() as holdfast, RedisAlone() as redis:
        sides = [holdfast, redis]
        for pipeline in (1, 16):
            for test in DEFAULT_SET.split(","):
                results = rounds(
                    sides, options, lambda side, p=pipeline, t=test: benchmark(side, options, p, "-t", t)
                )
                show(results, out, f"P{pipeline}")
        for name, what, words, keys in MORE:
            digests = {side.name: prepare(side, what) for side in sides}
            for pipeline in (1, 16):

                def run(side, p=pipeline):
                    args = [digests[side.name] if w is None else w for w in words]
                    rps = benchmark(side, options, p, *args, keys=keys)
                    return {name: next(iter(rps.values()))}

                show(rounds(sides, options, run), out, f"P{pipeline}")


# ---- memory -------------------------------------------------------------------------------------------

KEY = "string.format('key:%012d', i)"
SIZES = [  # name, script, keys
    ("string of 64 bytes", f"redis.call('SET', {KEY}, string.rep('v', 64))", 1_000_000),
    ("hash of 5 fields", f"redis.call('HSET', {KEY}, 'f1', 'value1', 'f2', 'value2', 'f3', 'value3', 'f4', 'value4', 'f5', 'value5')", 1_000_000),
    ("set of 10 integers", f"redis.call('SADD', {KEY}, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10000 + i % 7)", 1_000_000),
    ("zset of 10", f"redis.call('ZADD', {KEY}, 1, 'm1', 2, 'm2', 3, 'm3', 4, 'm4', 5, 'm5', 6, 'm6', 7, 'm7', 8, 'm8', 9, 'm9', 10, 'm10')", 1_000_000),
    ("list of 10", f"redis.call('RPUSH', {KEY}, 'e1', 'e2', 'e3', 'e4', 'e5', 'e6', 'e7', 'e8', 'e9', 'e10')", 1_000_000),
    ("stream of 10", f"local k = {KEY} for n = 1, 10 do redis.call('XADD', k, n .. '-1', 'f', 'v' .. n) end", 1_000_000),
    ("member of a zset of 1M", "redis.call('ZADD', 'z', i, string.format('member:%09d', i))", 1_000_000),
    ("field of a hash of 1M", "redis.call('HSET', 'h', string.format('field:%09d', i), string.format('value:%09d', i))", 1_000_000),
]  # fmt: skip


def used(side):
    """used_memory once it has settled: what is on its way to the log or to be freed is not data."""
    best, since = None, time.monotonic()
    while time.monotonic() - since < 3:
        now = int(dict(line.split(":", 1) for line in call(side, "INFO", "memory").decode().split("\r\n") if ":" in line)["used_memory"])
        if best is None or now < best - 100_000:
            best, since = now, time.monotonic()
        time.sleep(0.1)
    return best


def fill_caches(side):
    """What is kept of the newest writes (of the log here, the replication backlog there) is bounded: it is full
    before anything is measured, so that used_memory grows by data alone."""
    fill_script(side, "for i = ARGV[1], ARGV[2] do redis.call('SET', 'k', string.rep('x', 100000)) end", 1000, 100)
    call(side, "DEL", "k")


def part_memory(options, out):
    say("\nMemory: bytes per key, or per element, of used_memory's growth")
    say(f"{'':48}{'holdfast':>12}{'redis':>12}{'ratio':>8}")
    for name, script, keys in SIZES:
        got = {}
        for side_of in (Alone, RedisAlone):
            with side_of() as side:
                fill_caches(side)
                before = used(side)
                fill_script(side, f"for i = ARGV[1], ARGV[2] do {script} end", keys)
                got[side.name] = (used(side) - before) / keys
        ratio = got["holdfast"] / got["redis"]
        say(f"{name:48}{got['holdfast']:12.1f}{got['redis']:12.1f}{ratio:8.2f}")
        out[name] = {**got, "ratio": ratio}


# ---- stalls -------------------------------------------------------------------------------------------


class Watch(threading.Thread):
    """Another client, which asks for a key all the time: how long did it ever wait?"""

    def __init__(self, side):
        super().__init__(daemon=True)
        self.client = Client(side.port, 600)
        self.running, self.longest = True, 0.0

    def run(self):
        while self.running:
            began = time.monotonic()
            self.client.call("GET", "watched")
            self.longest = max(self.longest, time.monotonic() - began)
            time.sleep(0.0005)
        self.client.close()


def watched(side, act):
    watch = Watch(side)
    watch.start()
    time.sleep(0.3)
    watch.longest = 0.0
    act()
    watch.running = False
    watch.join()
    return watch.longest * 1000


def delete_big(side):
    script = "for i = ARGV[1], ARGV[2], 500 do local t = {} for k = i, i + 499 do t[#t + 1] = 'm' .. k end redis.call('SADD', 'big', unpack(t)) end"
    fill_script(side, script, 10_000_000)
    return watched(side, lambda: (call(side, "DEL", "big"), time.sleep(3)))


def flush_all(side):
    fill_script(side, f"for i = ARGV[1], ARGV[2] do redis.call('SET', {KEY}, i) end", 5_000_000)
    return watched(side, lambda: (call(side, "FLUSHALL"), time.sleep(3)))


def expire_all(side):
    at = int((time.time() + 40) * 1000)
    fill_script(side, f"for i = ARGV[1], ARGV[2] do redis.call('SET', {KEY}, i, 'PXAT', {at}) end", 1_000_000)
    if time.time() * 1000 > at - 1000:
        sys.exit("the machine is too slow to fill in a million keys in 40 s")
    time.sleep(at / 1000 - time.time() - 0.8)
    return watched(side, lambda: eventually(lambda: call(side, "DBSIZE") <= 1, 120, "all keys are gone", step_s=0.2))


def part_stalls(options, out):
    say("\nStalls: the longest wait of another client, ms, median of 3")
    say(f"{'':48}{'holdfast':>12}{'redis':>12}")
    for name, act in (("DEL of a set of 10M members", delete_big), ("FLUSHALL of 5M keys", flush_all), ("expiry of 1M keys at once", expire_all)):  # fmt: skip
        got = {}
        for side_of in (Alone, RedisAlone):
            with side_of() as side:
                longest = []
                for _ in range(3):
                    call(side, "FLUSHALL")
                    longest.append(act(side))
                got[side.name] = statistics.median(longest)
        say(f"{name:48}{got['holdfast']:12.1f}{got['redis']:12.1f}")
        out[name] = got
