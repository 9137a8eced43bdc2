# SPDX-License-Identifier: BSD-3-Clause
"""A connection that shows replies as the bytes that came and as a tree.

A tree is a Reply: kind is the first byte of its wire form; value is bytes for text, an int for
numbers and booleans, None for nulls, and a list of Reply for aggregates (a map's keys and values
in turn).
"""

import dataclasses
import socket

AGGREGATES = b"*~>%|"


@dataclasses.dataclass(frozen=True)
class Reply:
    kind: str
    value: object
    raw: bytes

    @property
    def is_error(self):
        return self.kind in "-!"

    @property
    def is_null(self):
        return self.value is None


class WireError(Exception):
    """The other side closed the connection or sent what is not RESP."""


def encode(args):
    """A request as clients write it."""
    out = [b"*%d\r\n" % len(args)]
    for arg in args:
        out.append(b"$%d\r\n%s\r\n" % (len(arg), arg))
    return b"".join(out)


class Connection:
    """One client connection; protocol 3 says HELLO 3 first."""

    def __init__(self, address, protocol=2, timeout_s=30.0):
        self.address = address
        self.protocol = protocol
        self._socket = socket.create_connection(address, timeout=timeout_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray()
        self._at = 0
        if protocol == 3:
            hello = self.call(b"HELLO", b"3")
            if hello.is_error:
                raise WireError(f"HELLO 3 refused: {hello.raw!r}")

    def close(self):
        self._socket.close()

    def send(self, data):
        self._socket.sendall(data)

    def call(self, *args):
        self.send(encode(args))
        return self.read()

    def read(self, pushes=False):
        """The next reply; RESP3 pushes are skipped, for they are not replies, unless @pushes asks for them."""
        while True:
            start = self._at
            kind, value = self._value()
            raw = bytes(self._buffer[start : self._at])
            if self._at > 1 << 16:
                del self._buffer[: self._at]
                self._at = 0
            if pushes or kind != ">":
                return Reply(kind, value, raw)

    def _more(self):
        try:
            data = self._socket.recv(1 << 16)
        except socket.timeout as error:
            raise WireError(f"no reply from {self.address} in time") from error
        if not data:
            raise WireError(f"{self.address} closed the connection")
        self._buffer += data

    def _line(self):
        while True:
            end = self._buffer.find(b"\r\n", self._at)
            if end >= 0:
                line = bytes(self._buffer[self._at : end])
                self._at = end + 2
                return line
            self._more()

    def _bytes(self, n):
        while len(self._buffer) < self._at + n + 2:
            self._more()
        data = bytes(self._buffer[self._at : self._at + n])
        if self._buffer[self._at + n : self._at + n + 2] != b"\r\n":
            raise WireError("a bulk does not end in CRLF")
        self._at += n + 2
        return data

    def _value(self):
        line = self._line()
        kind, rest = chr(line[0]), line[1:]
        if kind in "+-,(":
            return kind, rest
        if kind in ":#":
            return kind, int(rest) if kind == ":" else rest == b"t"
        if kind == "_":
            return kind, None
        if kind in "$=!":
            return kind, None if rest == b"-1" else self._bytes(int(rest))
        if kind.encode() in AGGREGATES:
            if rest == b"-1":
                return kind, None
            count = int(rest) * (2 if kind in "%|" else 1)
            return kind, [self._nested() for _ in range(count)]
        raise WireError(f"not RESP: {line[:80]!r}")

    def _nested(self):
        start = self._at
        kind, value = self._value()
        return Reply(kind, value, bytes(self._buffer[start : self._at]))
