# SPDX-License-Identifier: BSD-3-Clause
"""Clients of messages: who subscribes, what came, and that nothing more has come."""

import contextlib


@contextlib.contextmanager
def client(node, protocol=3):
    with node.client() as c:
        if protocol == 3:
            c.call("HELLO", 3)
        yield c


@contextlib.contextmanager
def subscriber(node, *words, protocol=3):
    """A client that has sent @words, such as SUBSCRIBE a b, and read the confirmations."""
    with client(node, protocol) as c:
        c.send(*words)
        for i, name in enumerate(words[1:]):
            assert c.read() == [words[0].lower().encode(), name.encode(), i + 1]
        yield c


def pushed(c):
    """What was pushed to a client of RESP3 so far, oldest first: everything before its PONG."""
    c.send("PING")
    got = []
    while (value := c.read()) != "PONG":
        got.append(value)
    return got


def messages(c):
    """Likewise of a subscriber of RESP2, whose PONG is a message."""
    c.send("PING")
    got = []
    while (value := c.read()) != [b"pong", b""]:
        got.append(value)
    return got
