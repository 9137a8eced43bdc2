# SPDX-License-Identifier: BSD-3-Clause
"""Random scripts: other random commands, called by a script in one of several ways. Both servers must
convert the replies alike, and log what the script did."""

from diff_commands import Step, any_command, command

FORMS = [
    b"return redis.call(unpack(ARGV))",
    b"return redis.pcall(unpack(ARGV))",
    b"return {1, redis.pcall(unpack(ARGV)), 'end'}",
    b"redis.setresp(3) return redis.call(unpack(ARGV))",
    b"local ok, e = pcall(redis.call, unpack(ARGV)) if ok then return 'fine' end return {'caught', e}",
    b"#!lua flags=no-writes\nreturn redis.call(unpack(ARGV))",
]
# What is no command of a script here but is there, or the other way round; what cannot be compared
# byte for byte is left out by its mode.
LEFT_OUT = {b"OBJECT", b"MEMORY", b"BLPOP", b"BRPOP", b"BLMOVE", b"BRPOPLPUSH", b"BLMPOP", b"BZPOPMIN"}
LEFT_OUT |= {b"PFCOUNT"}  # writes what it has counted there
LEFT_OUT |= {b"BZPOPMAX", b"BZMPOP", b"EVAL", b"WATCH", b"UNWATCH", b"SELECT", b"SWAPDB"}


@command("EVAL", weight=8)
def _eval(s):
    for _ in range(20):
        steps = any_command(s, plain=True)
        step = steps[0]
        if len(steps) == 1 and step.mode == "bytes" and step.args[0].upper() not in LEFT_OUT:
            return [s.pick(FORMS), b"0", *step.args]
    return [Step((b"EVAL", b"return 1", b"0"))]
