# SPDX-License-Identifier: BSD-2-Clause
"""A master with workers under load, and what must hold after each fault."""

import collections
import errno
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

FOLDER = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(FOLDER, "..", "e2e"))

# pylint: disable=wrong-import-position
from harness import (BEVHOST, PATIENCE, SANITIZERS, Server,  # noqa: E402
                     plugin, receive_all, receive_exactly, wait_for)

LOAD = os.environ.get("BEVHOST_LOAD", "tests/faults/load")
BUILD = os.path.dirname(os.path.abspath(BEVHOST))

# A reload leaves nothing behind, but the allocator keeps what it once had
# for the settings of as many generations as drained at once: some tens of
# KiB each. What leaks with each reload or kill is much more in the end.
RSS_TOLERANCE = 2 << 20

__all__ = [
    "BEVHOST", "BUILD", "PATIENCE", "SANITIZERS", "FaultTest", "Host", "Load",
    "alive", "children", "descriptors", "kill_all", "median", "plugin",
    "quiet_address",
    "receive_all", "receive_exactly", "state_of", "wait_for", "settings",
]


def median(values):
    values = sorted(values)
    middle = len(values) // 2
    return (values[middle] if len(values) % 2 else
            (values[middle - 1] + values[middle]) / 2)


def quiet_address():
    """Free, and with a port that no client gets: who takes it while nobody
    listens there would be in the way of who listens there again."""
    with open("/proc/sys/net/ipv4/ip_local_port_range",
              encoding="ascii") as file:
        first = int(file.read().split()[0])
    while True:
        port = random.randrange(1024, first)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return f"127.0.0.1:{port}"
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise


#
# Processes
#

def read(path):
    """The text of a file of /proc, or "" when the process is gone."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def stat_of(pid):
    """The fields of /proc/PID/stat after the name, or []."""
    return read(f"/proc/{pid}/stat").rpartition(")")[2].split()


def state_of(pid):
    """R, S, T, Z... or "" when it is gone."""
    return (stat_of(pid) or [""])[0]


def alive(pid):
    return state_of(pid) not in ("", "Z", "X")


def children(pid):
    """The living children of a process."""
    return [int(child)
            for child in read(f"/proc/{pid}/task/{pid}/children").split()
            if alive(child)]


def session(pid):
    """The processes of the session that pid leads or led."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()
            and (stat_of(name) or [""] * 4)[3] == str(pid) and alive(name)]


def descriptors(pid):
    """What its descriptors are, by kind; a copy's folder is each start's own."""
    found = []
    folder = f"/proc/{pid}/fd"
    for name in os.listdir(folder):
        try:
            found.append(re.sub(r":\[\d+\]|(?<=/bevhost-)\d+-\w{6}(?=/)", "",
                                os.readlink(os.path.join(folder, name))))
        except FileNotFoundError:
            pass  # that of listdir
    return collections.Counter(found)


def rss_bytes(pid):
    return int(read(f"/proc/{pid}/statm").split()[1]) * 4096


def established(pid):
    """The clients of a process, as HOST:PORT."""
    inodes = set()
    folder = f"/proc/{pid}/fd"
    for name in os.listdir(folder):
        try:
            target = os.readlink(os.path.join(folder, name))
        except FileNotFoundError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    clients = set()
    for line in read("/proc/net/tcp").splitlines()[1:]:
        fields = line.split()
        if fields[9] in inodes and fields[2] != "00000000:0000":
            host, port = fields[2].split(":")
            numbers = reversed(bytes.fromhex(host))
            clients.add(".".join(map(str, numbers)) + f":{int(port, 16)}")
    return clients


def kill_all(pids, number=signal.SIGKILL):
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


#
# The host
#

def settings(*listeners, **values):
    """A configuration: settings(("echo", "127.0.0.1:0", {}), workers=2)."""
    lines = [f"{name.replace('_', '-')} = {value}"
             for name, value in values.items()]
    for handler, address, words in listeners:
        inside = "; ".join(f'{key} = "{value}"'
                           for key, value in words.items())
        lines.append(f'listen "{address}" {{ handler = "{handler}"'
                     + (f"; with {{ {inside} }}" if inside else "") + " }")
    return "\n".join(lines) + "\n"


class Host(Server):
    """A master, by a configuration file in a folder of its own."""

    def __init__(self, *listeners, workers=2, options=(), program=BEVHOST,
                 env=None, **values):
        self.folder = tempfile.mkdtemp(prefix="bevhost-faults-")
        self.config = os.path.join(self.folder, "conf")
        self.env = {"RUNTIME_DIRECTORY": self.folder, "TMPDIR": self.folder,
                    **(env or {})}
        self.workers_due = workers
        self.write(settings(*(listeners or [("echo", "127.0.0.1:0", {})]),
                            workers=workers, **values))
        try:
            super().__init__(listen=(), master=True, program=program,
                             options=["-v", "-c", self.config, *options],
                             env=self.env, start_new_session=True)
        except BaseException:
            # There is no `with` that would end it.
            if hasattr(self, "process"):
                kill_all(session(self.pid))
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        self.base = None

    def __exit__(self, kind=None, *unused):
        try:
            # So that none is left to a failed test.
            kill_all(session(self.pid), signal.SIGCONT)
            super().__exit__(kind, *unused)
            if kind is None:
                wait_for(lambda: not session(self.pid),
                         f"the end of {session(self.pid)}")
        finally:
            kill_all(session(self.pid))
            shutil.rmtree(self.folder, ignore_errors=True)

    def write(self, text):
        with open(self.config + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(self.config + ".new", self.config)
        return text

    def path(self, name):
        return os.path.join(self.folder, name)

    def workers(self):
        """Those that run, as {pid: title}."""
        titles = {}
        for pid in children(self.pid):
            title = read(f"/proc/{pid}/cmdline").split("\0")[0]
            if title.startswith("bevhost: worker"):
                titles[pid] = title
        return titles

    def generation(self):
        """The pids of the newest generation."""
        numbers = {pid: int(re.search(r"generation (\d+)", title).group(1))
                   for pid, title in self.workers().items()}
        newest = max(numbers.values(), default=0)
        return sorted(pid for pid, n in numbers.items() if n == newest)

    def log_since(self, mark):
        return self.stderr()[mark:]

    def mark(self):
        return len(self.stderr())

    def wait_since(self, mark, text, patience=PATIENCE):
        wait_for(lambda: text in self.log_since(mark), f"{text!r}", patience)
        return self.log_since(mark)

    def ask_reload(self, timeout=PATIENCE):
        """bevhost --reload: (status, what it said)."""
        done = subprocess.run(
            [BEVHOST, f"--reload={self.pid}"], timeout=timeout, text=True,
            stdin=subprocess.DEVNULL, capture_output=True,
            env={**os.environ, **self.env}, check=False)
        return done.returncode, done.stdout + done.stderr

    def reload(self):
        status, text = self.ask_reload()
        if status != 0:
            raise AssertionError(f"reload: {status}: {text}")
        return text

    def hang_up(self):
        """A reload by SIGHUP, to its end."""
        mark = self.mark()
        self.kill(signal.SIGHUP)
        self.wait_since(mark, "reload: generation")

    def settle(self):
        """Until there are as many workers as are due, and no others."""
        wait_for(lambda: len(self.workers()) == self.workers_due
                 and len(children(self.pid)) == self.workers_due,
                 f"{self.workers_due} workers, there are "
                 f"{list(self.workers().values())}", 20)

    # The house check

    def take_base(self):
        """After a reload: what it needs once is there."""
        self.reload()
        self.settle()
        # That of whoever asked for the reload closes a moment later.
        counts = []
        for _ in range(20):
            counts.append(sum(descriptors(self.pid).values()))
            time.sleep(0.005)
        self.base = (min(counts), rss_bytes(self.pid))
        return self

    def check_house(self, answers=True):
        self.settle()
        if self.base is not None:
            wait_for(lambda: sum(descriptors(self.pid).values())
                     == self.base[0],
                     f"{self.base[0]} descriptors of the master, there are "
                     f"{descriptors(self.pid)}", 5)
            grown = rss_bytes(self.pid) - self.base[1]
            if grown > RSS_TOLERANCE and not SANITIZERS:
                raise AssertionError(f"the master has grown by {grown} bytes")
        if answers:
            self.check_answer()

    def check_answer(self):
        """A fresh connection is answered within a second."""
        begun = time.monotonic()
        with self.connect(timeout=1) as connection:
            connection.sendall(b"fresh")
            connection.shutdown(socket.SHUT_WR)
            if not receive_all(connection):
                raise AssertionError("a fresh connection got no answer")
        if time.monotonic() - begun > 1:
            raise AssertionError("a fresh connection waited for a second")

    def kill_worker(self, pid):
        """(its clients, seconds until the worker in its place is READY)."""
        os.kill(pid, signal.SIGSTOP)
        wait_for(lambda: state_of(pid) == "T", "a stopped worker")
        clients = established(pid)
        before = set(self.workers())
        mark = self.mark()
        begun = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        while not set(self.workers()) - before:
            if time.monotonic() - begun > PATIENCE:
                raise AssertionError("no worker in place of the killed one")
            time.sleep(0.001)
        started = time.monotonic() - begun
        self.wait_since(mark, "ready after")
        return clients, started


#
# The load
#

class Load:
    """Clients that check each byte, until the end of the `with`."""

    def __init__(self, host, *options, index=0, failures=100):
        self.process = subprocess.Popen(
            [LOAD, f"--failures={failures}", *options, host.addresses[index]],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()  # it hears signals
        self.failures = []
        self.sum = collections.Counter()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def next_window(self):
        for line in self.process.stdout:
            words = dict(word.split("=", 1) for word in line.split())
            if "failure" in words:
                self.failures.append(words)
                continue
            window = {key: float(value) if "_ms" in key else int(value)
                      for key, value in words.items() if key != "window"}
            self.sum.update({key: value for key, value in window.items()
                             if "_ms" not in key})
            return window
        raise AssertionError("the load has ended")

    def window(self):
        """The figures since the last window."""
        self.process.send_signal(signal.SIGUSR1)
        return self.next_window()

    def happens(self):
        """Something begins to happen, or ends."""
        self.process.send_signal(signal.SIGUSR2)

    def run_for(self, seconds):
        """A window of its own."""
        self.window()
        time.sleep(seconds)
        return self.window()

    def stop(self):
        """The sum of all windows."""
        self.process.send_signal(signal.SIGTERM)
        self.next_window()
        self.process.wait(PATIENCE)
        return self.sum


class FaultTest(unittest.TestCase):
    """figure is printed with the result."""

    maxDiff = None
    figure = ""

    def check_load(self, load, at_least=1):
        """Ends it: none failed."""
        total = load.stop()
        self.assertEqual(total["failed"], 0, load.failures[:10])
        self.assertGreaterEqual(total["requests"], at_least)
        return total
