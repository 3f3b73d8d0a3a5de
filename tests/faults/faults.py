# SPDX-License-Identifier: BSD-2-Clause
"""Runs the faults: all of them, or those whose names contain a word.

Those that do little but wait for a deadline run beside the others.
"""

import os
import signal
import sys
import tempfile
import time
import unittest

from host import FOLDER  # first: it says where harness is
from harness import TapResult, own_folder

GROUPS = ["reload", "kill", "code", "crash", "upgrade", "stop", "canary",
          "resources", "slow", "peers", "programs", "chat", "proxy"]
WAITING = ("faults_slow.", ".Defaults.")
LIMIT_S = 120  # of one
LIMIT_ALL_S = 600


class Result(TapResult):
    """With the figure and the seconds of each."""

    def __init__(self, number=0):
        super().__init__()
        self.number = number
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
        self.count(f"{word} {rest}")
        super().line(word, test, rest)

    def count(self, line):
        if line.startswith("not ok "):
            self.failed += 1
        elif line.startswith("ok "):
            self.skipped += "# SKIP" in line
            self.passed += "# SKIP" not in line


def each(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from each(test)
        else:
            yield test


class Beside:
    """Runs some in a process of its own, whose lines are printed at the end."""

    def __init__(self, tests, number):
        self.text = tempfile.TemporaryFile("w+")
        self.planned = len(tests)
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.dup2(self.text.fileno(), sys.stdout.fileno())
                run(tests, Result(number))
                sys.stdout.flush()
            finally:
                os._exit(0)

    def join(self, result):
        os.waitpid(self.pid, 0)
        self.text.seek(0)
        lines = self.text.readlines()
        for line in lines:
            result.count(line)
            print(line, end="")
        missing = self.planned - sum(line.startswith(("ok ", "not ok "))
                                     for line in lines)
        if missing:
            print(f"# {missing} of those that ran beside have said nothing")
            result.failed += missing


def run(tests, result):
    for test in tests:
        test.run(result)


def on_alarm(*_unused):
    raise TimeoutError(f"not done after {LIMIT_S} s")


def main():
    words = sys.argv[1:]
    loader = unittest.TestLoader()
    tests = [test for group in GROUPS
             for test in each(loader.loadTestsFromName("faults_" + group))
             if not words or any(word in test.id() for word in words)]
    signal.signal(signal.SIGALRM, on_alarm)
    waiting = [test for test in tests
               if any(word in test.id() for word in WAITING)]
    others = [test for test in tests if test not in waiting]
    result = Result()
    begun = time.monotonic()
    print(f"1..{len(tests)}", flush=True)
    beside = Beside(waiting, len(others))
    run(others, result)
    beside.join(result)
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
    with own_folder():
        main()
