# SPDX-License-Identifier: BSD-2-Clause
"""What end-to-end tests share: a running bevhost, and results as TAP."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
import unittest

BEVHOST = os.environ.get("BEVHOST", "bevhost")
PLUGINS = os.environ.get("BEVHOST_TEST_PLUGINS", "tests/plugins/.libs")
# Words before the program: a valgrind, say. Slows everything down.
UNDER = os.environ.get("BEVHOST_UNDER", "").split()
# Memory that is freed stays for a while then.
SANITIZERS = bool(os.environ.get("BEVHOST_SANITIZERS"))
# How long a condition may take on a busy machine before a test fails.
PATIENCE = 60.0

# What a shell runs in the background ignores these, and so would all that a
# test starts: no script could say how it ends by them.
for ignored in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
    if signal.getsignal(ignored) == signal.SIG_IGN:
        signal.signal(ignored, signal.SIG_DFL)

# Of a sanitizer or of valgrind.
REPORT = re.compile(r"(?m)^==\d+==(?!.*(Warning: set address range|"
                    r"client switching stacks))|Sanitizer|runtime error:")


def plugin(name):
    """The path of one of the test plugins."""
    return os.path.join(PLUGINS, name + ".so")


def wait_for(condition, what, patience=PATIENCE):
    """Polls until condition() is true, and returns its value."""
    end = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("waited in vain for " + what)
        time.sleep(0.005)


def pause(seconds):
    """For what gives no sign: that a chunk was read by itself, that nothing
    comes. A test that pauses must pass when it is much longer or shorter."""
    time.sleep(seconds)


def run(*arguments, **options):
    """Runs bevhost to its end: (status, stdout, stderr)."""
    done = subprocess.run([*UNDER, BEVHOST, *arguments], timeout=PATIENCE,
                          stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, errors="replace", **options)
    return done.returncode, done.stdout, done.stderr


def need_config():
    """Skips a test that writes a configuration file."""
    if "built without" in run("-T", "-c", "/dev/null")[2]:
        raise unittest.SkipTest("built without libConfuse")


NOBODY = {"user": "nobody", "group": "nogroup", "extra_groups": ()}


def need_nobody():
    """Skips a test that runs bevhost as another user."""
    if os.geteuid() != 0:
        raise unittest.SkipTest("only root can run it as another user")
    try:
        if run("-V", **NOBODY)[0] == 126:
            raise PermissionError("it may not be executed")
    except (PermissionError, LookupError) as error:
        raise unittest.SkipTest(f"nobody cannot run it here: {error}")


def children(pid):
    """{process id: title} of the living children of a process."""
    found = {}
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            pids = file.read().split()
    except (FileNotFoundError, ProcessLookupError):
        return found
    for child in map(int, pids):
        try:
            with open(f"/proc/{child}/cmdline") as file:
                words = file.read().split("\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        # Under valgrind a program has its own words after that one's.
        if UNDER and "--worker" in words:
            found[child] = "bevhost: worker"
        elif words[0]:  # else it has ended
            found[child] = words[0]
    return found


def is_alive(pid):
    """A process that has not ended; one that nobody waited for has."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Server:
    """A bevhost that serves until the end of the `with`.

    Server("greeting", "text=Hi"): with one listener on a free port of
    127.0.0.1 unless listen=[...] says otherwise ([] gives none). It is one
    process, or with master=True a master with workers; program=... is another
    one. before are words that run it.
    """

    def __init__(self, *words, listen=("127.0.0.1:0",), options=(),
                 stdout=subprocess.DEVNULL, env=None, master=False,
                 program=BEVHOST, before=(), **popen):
        listeners = [option for address in listen
                     for option in ("-l", address)]
        reader, writer = os.pipe()
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [*before, *UNDER, program,
             *([] if master else ["--no-master"]), f"--ready-fd={writer}",
             *options, *listeners, *words],
            stdin=subprocess.DEVNULL, stdout=stdout, stderr=self.log,
            pass_fds=[writer, *popen.pop("pass_fds", ())],
            env={**os.environ, **(env or {})}, **popen)
        self.pid = self.process.pid
        os.close(writer)
        with os.fdopen(reader) as ready:
            self.addresses = ready.read().split()
        if not self.addresses:
            status = self.process.wait()
            raise AssertionError(
                f"bevhost ended with {status}: {self.stderr()}")

    def __enter__(self):
        return self

    def __exit__(self, kind=None, *_unused):
        # By a signal that it hears, so that leaks are looked for.
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
            if self.process.poll() is not None:
                break
            self.process.send_signal(number)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                pass
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        log = self.stderr()
        self.log.close()
        if kind is None and REPORT.search(log):
            raise AssertionError("a report in the log: " + log)

    def stderr(self):
        """All that it has said so far."""
        return os.pread(self.log.fileno(), 1 << 24, 0).decode(
            errors="replace")

    def wait_log(self, text):
        """Waits until the log contains text, and returns the log."""
        wait_for(lambda: text in self.stderr(), f"{text!r} in the log")
        return self.stderr()

    def connect(self, index=0, timeout=PATIENCE):
        """A socket to the listener with this index."""
        address = self.addresses[index]
        if address.startswith("unix:"):
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(timeout)
            connection.connect(address[5:].replace("@", "\0", 1))
            return connection
        host, port = address.rsplit(":", 1)
        return socket.create_connection((host.strip("[]"), int(port)),
                                        timeout)

    def kill(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def stop(self, number=signal.SIGTERM):
        """Sends a signal and returns the exit status."""
        self.kill(number)
        return self.process.wait(PATIENCE)

    def workers(self, generation=None):
        """{process id: title} of the workers, maybe of one generation."""
        if UNDER and generation is not None:
            raise unittest.SkipTest("titles of workers are valgrind's")
        return {pid: title for pid, title in children(self.pid).items()
                if title.startswith("bevhost: worker") and
                (generation is None or f"generation {generation})" in title)}

    def wait_workers(self, count, generation=None):
        """Waits until there are so many, and returns their process ids."""
        wait_for(lambda: len(self.workers(generation)) == count,
                 f"{count} workers of generation {generation}")
        return sorted(self.workers(generation))

    def reload(self):
        """bevhost --reload: (status, stdout, stderr)."""
        return run(f"--reload={self.pid}")

    def stop_now(self):
        """Does not wait for those that are busy. Returns the exit status."""
        self.kill()
        self.wait_log("SIGTERM: stopping")
        return self.stop()


def receive_all(connection):
    """Everything until end of file."""
    chunks = []
    while True:
        chunk = connection.recv(1 << 16)
        if not chunk:
            return b"".join(chunks)
        chunks.append(chunk)


def receive_exactly(connection, count):
    """count bytes, or fewer when the peer ends."""
    data = b""
    while len(data) < count:
        chunk = connection.recv(count - len(data))
        if not chunk:
            break
        data += chunk
    return data


@contextlib.contextmanager
def own_folder():
    """A $TMPDIR that goes in the end: a worker that was killed has left the
    copies of its plugins in it."""
    before = os.environ.get("TMPDIR")
    with tempfile.TemporaryDirectory(prefix="bevhost-e2e-") as folder:
        os.chmod(folder, 0o1777)  # others may be who runs it
        os.environ["TMPDIR"] = tempfile.tempdir = folder
        try:
            yield
        finally:
            tempfile.tempdir = None
            if before is None:
                del os.environ["TMPDIR"]
            else:
                os.environ["TMPDIR"] = before


class TapResult(unittest.TestResult):
    """Prints each result as it comes, for the TAP driver."""

    def __init__(self):
        super().__init__()
        self.number = 0
        self.failed_in_part = None
        self.planned = []

    def line(self, word, test, rest=""):
        self.number += 1
        name = test.id().split(".", 1)[1] if "." in test.id() else test.id()
        print(f"{word} {self.number} - {name}{rest}", flush=True)

    def addSuccess(self, test):
        self.line("ok", test)

    def plan(self, suite):
        for test in suite:
            if isinstance(test, unittest.TestSuite):
                self.plan(test)
            else:
                self.planned.append(test)

    def addSkip(self, test, reason):
        # When a class is skipped it is no test, but has the class's name.
        skipped = [test] if isinstance(test, unittest.TestCase) else [
            one for one in self.planned
            if f"({unittest.util.strclass(type(one))})" in test.id()]
        for one in skipped:
            self.line("ok", one, f" # SKIP {reason}")

    def explain(self, err):
        for text in traceback.format_exception(*err):
            for line in text.rstrip().splitlines():
                print("# " + line, flush=True)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.line("not ok", test)
        self.explain(err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is None:
            return
        if self.failed_in_part is not test:
            self.line("not ok", test)
        self.failed_in_part = test
        print("# " + subtest.id(), flush=True)
        self.explain(err)

    addError = addFailure


def main():
    """Runs the tests of the calling script, or those named as words."""
    loader = unittest.defaultTestLoader
    module = sys.modules["__main__"]
    suite = (loader.loadTestsFromNames(sys.argv[1:], module)
             if sys.argv[1:] else loader.loadTestsFromModule(module))
    result = TapResult()
    result.plan(suite)
    print(f"1..{len(result.planned)}", flush=True)
    with own_folder():
        suite.run(result)
    sys.exit(0 if result.wasSuccessful() else 1)
