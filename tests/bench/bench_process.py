# SPDX-License-Identifier: BSD-2-Clause
"""Runs the servers and the loads of the benchmark, each on its CPU."""

import contextlib
import os
import re
import resource
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time

HOST = "127.0.0.1"
START_SECONDS = 10
STOP_SECONDS = 10
LOAD_SECONDS = 60       # longer than a load itself waits for a reply


class BenchError(Exception):
    """Something broke; the message says what."""


def progress(text):
    print(text, file=sys.stderr, flush=True)


def read_file(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def read_pipe(fd, seconds, is_complete):
    """Returns what came until it was complete, ended or took too long."""
    deadline = time.monotonic() + seconds
    text = ""
    while not is_complete(text):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([fd], [], [], left)[0]:
            break
        piece = os.read(fd, 4096)
        if not piece:
            break
        text += piece.decode(errors="replace")
    return text


def how_it_ended(status):
    if status >= 0:
        return "exited with %d" % status
    return "was killed by signal %d" % -status


def free_port():
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return listener.getsockname()[1]


def is_listening(port):
    """Asks the kernel: a relay would pass a connection on."""
    for line in read_file("/proc/net/tcp").splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and int(fields[1].partition(":")[2], 16) == port:
            return True
    return False


def wait_for_listener(port, child, seconds):
    """Whether somebody listens there before the time is up."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and child.process.poll() is None:
        if is_listening(port):
            return True
        time.sleep(0.01)
    return False


class Child:
    """A process in a group of its own, pinned to one CPU."""

    running = set()

    def __init__(self, name, command, cpu, pass_fds=(), stdin=None):
        self.name = name
        self.errors = tempfile.TemporaryFile()

        def prepare():
            os.sched_setaffinity(0, {cpu})
            hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

        try:
            self.process = subprocess.Popen(
                command, stdin=stdin or subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=self.errors,
                pass_fds=pass_fds, start_new_session=True,
                preexec_fn=prepare)
        except OSError as error:
            self.errors.close()
            raise BenchError("cannot run %s: %s" % (
                command[0], error.strerror))
        self.pid = self.process.pid
        Child.running.add(self)

    def read(self, seconds, is_complete):
        return read_pipe(self.process.stdout.fileno(), seconds, is_complete)

    def wait_for_error(self, pattern, seconds):
        """Returns the match in what it wrote to stderr, or None."""
        deadline = time.monotonic() + seconds
        while True:
            # It writes where this descriptor stands, so don't move it.
            text = os.pread(self.errors.fileno(), 65536, 0)
            match = re.search(pattern, text.decode(errors="replace"))
            if match or time.monotonic() > deadline or \
                    self.process.poll() is not None:
                return match
            time.sleep(0.01)

    def said(self):
        """The last thing that it said on stderr."""
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").splitlines()
        return lines[-1] if lines else "and said nothing"

    def check_alive(self):
        status = self.process.poll()
        if status is not None:
            raise BenchError("%s %s: %s" % (
                self.name, how_it_ended(status), self.said()))

    def wait(self, seconds, allowed=(0,)):
        """Returns what it wrote to stdout."""
        try:
            output = self.process.communicate(timeout=seconds)[0]
        except subprocess.TimeoutExpired:
            raise BenchError("%s did not end in %d seconds" % (
                self.name, seconds))
        Child.running.discard(self)
        if self.process.returncode not in allowed:
            raise BenchError("%s %s: %s" % (
                self.name, how_it_ended(self.process.returncode),
                self.said()))
        self.errors.close()
        return output.decode(errors="replace")

    def stop(self):
        self.check_alive()
        self.process.terminate()
        # HAProxy lets itself be killed.
        self.wait(STOP_SECONDS, (0, -signal.SIGTERM))

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()
        Child.running.discard(self)

    @classmethod
    def kill_all(cls):
        for child in list(cls.running):
            child.kill()


class RunningServer:
    """A server that listens, as long as the with statement lasts."""

    def __init__(self, server, service, options, target_port=None):
        self.server = server
        self.name = server.name
        ready, ready_fd = os.pipe()
        self.port = free_port() if server.ready == "port" else None
        try:
            self.child = Child(
                server.name,
                server.command(options, server.services[service],
                               self.port or ready_fd, target_port),
                options.server_cpu,
                (ready_fd,) if server.ready == "ready-fd" else ())
            os.close(ready_fd)
            ready_fd = -1
            self.port = self.read_port(ready)
        finally:
            os.close(ready)
            if ready_fd >= 0:
                os.close(ready_fd)
        if not self.port.isdigit():
            # An end of the pipe comes a moment before that of the process.
            time.sleep(0.2)
            self.child.check_alive()
            self.child.kill()
            raise BenchError("%s did not tell its port in %d seconds" % (
                self.name, START_SECONDS))
        self.pid = self.child.pid

    def read_port(self, ready):
        if self.port is not None:
            came = wait_for_listener(self.port, self.child, START_SECONDS)
            return str(self.port) if came else ""
        if self.server.ready == "socat":
            match = self.child.wait_for_error(
                r"listening on .*:(\d+)\n", START_SECONDS)
            return match[1] if match else ""
        if self.server.ready == "ready-fd":
            text = read_pipe(ready, START_SECONDS,
                             lambda text: "\n" in text)
        else:
            text = self.child.read(START_SECONDS,
                                   lambda text: "\n" in text)
        return text.partition("\n")[0].rpartition(":")[2]

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind is not None:
            self.child.kill()
        elif self.server.ends_itself:
            self.child.wait(STOP_SECONDS)
        else:
            self.child.stop()

    def check_accounted(self):
        """The figures are those of one process: there may be no more."""
        children = ""
        with contextlib.suppress(OSError):
            children = read_file("/proc/%d/task/%d/children" % (
                self.pid, self.pid))
        if children.strip():
            raise BenchError("%s has child processes, whose CPU time and "
                             "memory would be missed" % self.name)

    def pss_bytes(self):
        try:
            text = read_file("/proc/%d/smaps_rollup" % self.pid)
        except OSError as error:
            raise BenchError("cannot read the memory of %s: %s" % (
                self.name, error.strerror))
        for line in text.splitlines():
            fields = line.split()
            if fields and fields[0] == "Pss:":
                return int(fields[1]) * 1024
        raise BenchError("the kernel does not tell the memory of %s" %
                         self.name)


class Load:
    """A load with its connections to a server open."""

    def __init__(self, command, limit_seconds, options):
        self.name = os.path.basename(command[0])
        self.server = None
        self.is_one_process = True
        self.output = ""
        self.limit_seconds = limit_seconds
        self.child = Child(self.name, command, options.load_cpu,
                           stdin=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind is None:
            self.stop()
        else:
            self.child.kill()

    def tell(self, line):
        with contextlib.suppress(BrokenPipeError):
            self.child.process.stdin.write(line.encode() + b"\n")
            self.child.process.stdin.flush()

    def read(self, last_line):
        text = self.child.read(self.limit_seconds,
                               lambda text: last_line in text)
        if last_line not in text:
            self.stop()
            raise BenchError("%s: %s broke off" % (
                self.server.name if self.server else "a load", self.name))
        return text

    def stop(self):
        """What it wrote at its end is then in output."""
        try:
            self.output = self.child.wait(STOP_SECONDS)
        except BenchError as error:
            if self.server is None:
                raise
            # When the server died that is why, and it may say more.
            time.sleep(0.2)
            self.server.child.check_alive()
            raise BenchError("%s: %s" % (self.server.name, error))

    def window(self):
        """Measures once; returns what the load printed."""
        self.tell("")
        text = self.read("errors=0\n")
        if self.is_one_process:
            self.server.check_accounted()
        return figures_of(text)


def figures_of(text):
    return dict(line.split("=", 1) for line in text.splitlines()
                if "=" in line)


class RequestLoad(Load):
    """A bench_load, or a bench_tls."""

    def __init__(self, row, server, options):
        seconds = options.seconds * row.weight
        super().__init__(
            [os.path.join(options.bindir, row.program), row.load, HOST,
             server.port, str(row.connections), "%g" % seconds,
             *(() if row.measures == "programs" else
               ("--server-pid=%d" % server.pid,)),
             "--warm-up=%g" % options.warm_up, "--on-request",
             *row.options, *server.server.load_options],
            LOAD_SECONDS + seconds, options)
        self.server = server
        self.is_one_process = row.measures != "programs"
        self.read("ready\n")

    def answered(self):
        """How many answered at the end, with --again."""
        return int(figures_of(self.output).get("answered", 0))


class RelayLoad(Load):
    """A bench_relay: it is there before the relay, which must lead to it."""

    def __init__(self, size_bytes, options):
        super().__init__(
            [os.path.join(options.bindir, "bench_relay"), str(size_bytes)],
            LOAD_SECONDS, options)
        self.port = self.read("\n").strip()

    def connect(self, server):
        self.server = server
        self.tell("%s %s %d" % (server.server.handshake, server.port,
                                server.pid))
        self.read("ready\n")


def run_alone(command, options):
    """Returns what a program printed that needs neither server nor load."""
    child = Child(os.path.basename(command[0]), command, options.server_cpu)
    return figures_of(child.wait(LOAD_SECONDS))
