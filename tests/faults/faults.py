# SPDX-License-Identifier: BSD-2-Clause
"""Runs the faults: all of them, or those whose names contain a word."""

import os
import signal
import sys
import time
import unittest

from host import FOLDER  # first: it says where harness is
from harness import TapResult

GROUPS = ["reload", "kill", "code", "crash", "upgrade", "stop", "canary",
          "resources"]
LIMIT_S = 120  # of one
LIMIT_ALL_S = 600


class Result(TapResult):
    """With the figure and the seconds of each."""

    def __init__(self):
        super().__init__()
        self.passed = self.failed = self.skipped = 0
        self.begun = 0.0

    def startTest(self, test):
        super().startTest(test)
        self.begun = time.monotonic()
        signal.alarm(LIMIT_S)

    def stopTest(self, test):
        signal.alarm(0)
        super().stopTest(test)

    def line(self, word, test, rest=""):
        figure = getattr(test, "figure", "")
        if word == "ok" and not rest:
            rest = (f" # figure: {figure + ', ' if figure else ''}"
                    f"{time.monotonic() - self.begun:.1f} s in all")
        if "SKIP" in rest:
            self.skipped += 1
        elif word == "ok":
            self.passed += 1
        else:
            self.failed += 1
        super().line(word, test, rest)


def each(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from each(test)
        else:
            yield test


def on_alarm(*_unused):
    raise TimeoutError(f"not done after {LIMIT_S} s")


def main():
    words = sys.argv[1:]
    loader = unittest.TestLoader()
    tests = [test for group in GROUPS
             for test in each(loader.loadTestsFromName("faults_" + group))
             if not words or any(word in test.id() for word in words)]
    signal.signal(signal.SIGALRM, on_alarm)
    result = Result()
    begun = time.monotonic()
    print(f"1..{len(tests)}", flush=True)
    for test in tests:
        test.run(result)
    took = time.monotonic() - begun
    print(f"# {took:.0f} s in all", flush=True)
    if took > LIMIT_ALL_S:
        print(f"# longer than {LIMIT_ALL_S} s", flush=True)
        result.failed += 1
    print(f"{result.passed} passed, {result.failed} failed, "
          f"{result.skipped} skipped")
    sys.exit(0 if result.failed == 0 and result.passed > 0 else 1)


if __name__ == "__main__":
    os.chdir(FOLDER)
    main()
