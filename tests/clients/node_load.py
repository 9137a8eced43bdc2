# SPDX-License-Identifier: BSD-3-Clause
"""Scripts that work until they are told to stop: load.js and others."""

import json
import threading

from holdfast import SLOW, eventually


class Load:
    """A running script that prints how much was acknowledged, ends by a line of input, and then prints
    its outcome as JSON."""

    def __init__(self, process):
        self.process = process
        self.acknowledged = 0
        self.lines = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            if line.strip().isdigit():
                self.acknowledged = int(line)
            else:
                self.lines.append(line)

    def wait_for(self, more, within_s=30):
        target = self.acknowledged + more
        eventually(
            lambda: self.acknowledged >= target or self.process.poll() is not None,
            within_s,
            f"{more} more acknowledged, {self.acknowledged} so far",
        )
        assert self.process.poll() is None, "".join(self.lines)

    def stop(self):
        self.process.stdin.write("stop\n")
        self.process.stdin.close()
        assert self.process.wait(60 * SLOW) == 0, "".join(self.lines)
        self.reader.join(10)
        return json.loads(self.lines[-1])
