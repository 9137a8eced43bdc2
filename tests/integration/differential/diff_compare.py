# SPDX-License-Identifier: BSD-3-Clause
"""When do two replies to the same command count as the same?

By default when their bytes are equal. A mode names what may differ and how far; errors and nulls
must be equal bytes in every mode. Each mode says why it is needed.
"""

import dataclasses

# Two servers are asked one after the other, and each has its own clock reading.
TOLERANCE_MS = 5000


def _same_bytes(a, b):
    return a.raw == b.raw


def _near(unit_ms):
    """Numbers that depend on the clock. Negative ones are codes ("no key", "no time to live")."""

    def compare(a, b):
        if a.kind != ":" or b.kind != ":" or a.value < 0 or b.value < 0:
            return a.raw == b.raw
        return abs(a.value - b.value) * unit_ms <= TOLERANCE_MS

    return compare


def _same_elements(a, b):
    """KEYS: the order is that of a hash table."""
    if not isinstance(a.value, list) or not isinstance(b.value, list):
        return a.raw == b.raw
    return a.kind == b.kind and sorted(r.raw for r in a.value) == sorted(r.raw for r in b.value)


def _same_pairs(a, b):
    """HGETALL: likewise, but a value stays with its field."""
    if not isinstance(a.value, list) or not isinstance(b.value, list):
        return a.raw == b.raw

    def pairs(reply):
        texts = [r.raw for r in reply.value]
        return sorted(zip(texts[::2], texts[1::2]))

    return a.kind == b.kind and len(a.value) == len(b.value) and pairs(a) == pairs(b)


def _same_numbers(a, b):
    """Scores: by value; Redis 7.0 prints 17 digits where fewer read back as the same number."""
    if isinstance(a.value, list) and isinstance(b.value, list):
        return (
            a.kind == b.kind
            and len(a.value) == len(b.value)
            and all(_same_numbers(x, y) for x, y in zip(a.value, b.value))
        )
    if a.raw == b.raw:
        return True
    try:
        return a.kind == b.kind and a.kind in "$," and float(a.value) == float(b.value)
    except (TypeError, ValueError):
        return False


def _same_length(a, b):
    """Random picks: as many of the same kind."""
    if isinstance(a.value, list) and isinstance(b.value, list):
        return a.kind == b.kind and len(a.value) == len(b.value)
    return _same_kind(a, b)


def _same_kind(a, b):
    """RANDOMKEY, MEMORY USAGE: what comes is chance or a matter of allocation. OBJECT REFCOUNT and
    IDLETIME: a stock Redis shares small integers between keys, and so their access times."""
    if a.is_error or b.is_error or a.is_null or b.is_null:
        return a.raw == b.raw
    return a.kind == b.kind


def _same_sorted(a, b):
    """SORT by numbers: a stock Redis takes for its own what strtod() told an earlier command, and refuses good ones.
    Only for calls that store nothing."""
    if b.is_error and b"One or more scores" in b.raw:
        return a.kind == "*" or a.raw == b.raw
    return a.raw == b.raw


def _same_encoding(a, b):
    """A stock Redis keeps what INCRBYFLOAT left as text on the primary and as an integer on its
    replicas; here it is the same everywhere. So the string encodings count as one."""
    strings = {b"int", b"embstr", b"raw"}
    if a.value == b"listpack" and b.value == b"hashtable":
        return True  # small sets of texts, as from Redis 7.2 on
    if a.value == b"listpack" and b.value == b"quicklist":
        return True  # small lists, likewise
    if a.value == b"listpack" and b.value == b"skiplist":
        return True  # SORT there makes one of the other
    return a.raw == b.raw or (a.value in strings and b.value in strings and a.kind == b.kind)


def _same_scan_shape(a, b):
    """One step of SCAN: how far it gets is the table's business. Complete iterations are compared
    by the runner."""
    if a.is_error or b.is_error:
        return a.raw == b.raw
    return all(
        r.kind == "*" and len(r.value) == 2 and r.value[0].kind == "$" and r.value[1].kind == "*"
        for r in (a, b)
    )


def _same_stream(a, b):
    """XINFO, XPENDING: times at which something was delivered or a consumer seen are near each other;
    how many nodes an index has is its own matter."""
    if not isinstance(a.value, list) or not isinstance(b.value, list):
        return a.raw == b.raw
    if a.kind != b.kind or len(a.value) != len(b.value):
        return False
    # [id, consumer, time, deliveries], [id, time, deliveries]
    is_record = 3 <= len(a.value) <= 4 and "".join(r.kind for r in a.value[-2:]) == "::"
    name = None
    for i, (x, y) in enumerate(zip(a.value, b.value)):
        timed = name in (b"idle", b"seen-time") or (is_record and i == len(a.value) - 2)
        if name not in (b"radix-tree-keys", b"radix-tree-nodes") and not (_near(1) if timed else _same_stream)(x, y):
            return False
        name = x.value
    return True


def _same_libraries(a, b):
    """FUNCTION LIST: libraries and their functions stand in the order of hash tables."""

    def form(reply):
        if not isinstance(reply.value, list):
            return reply.raw
        parts = [form(r) for r in reply.value]
        if reply.value and reply.value[0].value in (b"library_name", b"name"):
            return reply.kind, list(zip(parts[::2], parts[1::2]))
        return reply.kind, sorted(parts, key=repr)

    return form(a) == form(b)


MODES = {
    "bytes": _same_bytes,
    "ms": _near(1),
    "seconds": _near(1000),
    "elements": _same_elements,
    "pairs": _same_pairs,
    "length": _same_length,
    "numbers": _same_numbers,
    "kind": _same_kind,
    "sorted": _same_sorted,
    "encoding": _same_encoding,
    "scan": _same_scan_shape,
    "stream": _same_stream,
    "libraries": _same_libraries,
}


@dataclasses.dataclass(frozen=True)
class Step:
    """One command and how its replies compare."""

    args: tuple
    mode: str = "bytes"


class Transaction:
    """Follows one connection through MULTI ... EXEC, where replies come later and nested."""

    def __init__(self):
        self._queued = None

    def same(self, step, a, b):
        name = step.args[0].upper() if step.args else b""
        if name == b"EXEC" and self._queued is not None:
            queued, self._queued = self._queued, None
            return self._same_exec(queued, a, b)
        if name in (b"DISCARD", b"RESET"):
            self._queued = None
        elif name == b"MULTI" and a.value == b"OK" and self._queued is None:
            self._queued = []
        elif self._queued is not None and a.value == b"QUEUED":
            self._queued.append(step)
            return a.raw == b.raw
        return MODES[step.mode](a, b)

    @staticmethod
    def _same_exec(queued, a, b):
        if not isinstance(a.value, list) or not isinstance(b.value, list):
            return a.raw == b.raw
        if len(a.value) != len(queued) or len(b.value) != len(queued):
            return False
        return a.kind == b.kind and all(
            MODES[step.mode](x, y) for step, x, y in zip(queued, a.value, b.value)
        )
