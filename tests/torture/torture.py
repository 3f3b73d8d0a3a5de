# SPDX-License-Identifier: BSD-2-Clause
"""Lets the n-th allocation fail, for every n, while the host starts, serves,
reloads and stops.

Whatever fails, the host says so or refuses one connection: it never crashes,
never keeps a client waiting, serves the next one, and leaves nothing behind.
One allocation fails, then several in a row, then all until the end.

Words choose scenarios whose names contain one of them.  TORTURE_STRIDE=10
tries every tenth n, from a place that differs from scenario to scenario.
"""

import mmap
import os
import re
import select
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time

BUILD = os.environ.get("BEVHOST_UNITS", "src")
PROGRAM = os.path.join(BUILD, "bevhost")
PLUGINS = os.path.join(BUILD, "..", "plugins", ".libs")
FAILING = os.environ.get("BEVHOST_FAILING", "tests/.libs/failing.so")
STRIDE = max(1, int(os.environ.get("TORTURE_STRIDE", "1")))
TRACE = bool(os.environ.get("TORTURE_TRACE"))

PATIENCE_S = 10.0       # for what has no deadline that is shorter
LEAK_TIMES = 4
SETTLED_S = 2.0         # until what a connection had is free again
EVERY = 1 << 40         # as many fail as there are
ROWS = (1, 3, EVERY)    # how many fail in a row

# Exit statuses of a start that says what is wrong: those of sysexits.h. The
# scanner of libConfuse ends a process that has no memory, by exit(2) or assert.
REFUSED = range(64, 79)
CONFUSE = re.compile(r"out of dynamic memory in yy|lexer\.l:\d+: .*Assertion|"
                     r"^Unexpected error\.$")   # that of assert without memory

# libseccomp crashes and loops without memory. A worker that does so before it
# is ready is replaced, or its reload refused: there is no more to see of it.
SANDBOX = ("--sandbox=off",)


class Failure(Exception):
    """What the host did wrong."""


class Failing:
    """The file that failing.c reads: which allocations fail."""

    FIELDS = ("pid", "count", "first", "after", "failed", "live", "trace",
              "spare_linker")

    def __init__(self):
        self.file = tempfile.NamedTemporaryFile()
        self.file.truncate(8 * len(self.FIELDS))
        self.map = mmap.mmap(self.file.fileno(), 8 * len(self.FIELDS))
        self.set("trace", TRACE)
        self.folder = tempfile.TemporaryDirectory()
        self.env = {"RUNTIME_DIRECTORY": self.folder.name,
                    "LD_PRELOAD": os.path.abspath(FAILING),
                    "BEVHOST_TORTURE": self.file.name}

    def get(self, field):
        at = 8 * self.FIELDS.index(field)
        return struct.unpack_from("q", self.map, at)[0]

    def set(self, field, value):
        at = 8 * self.FIELDS.index(field)
        struct.pack_into("q", self.map, at, value)

    def arm(self, first, row):
        """From now on, counted anew, `row` of them fail; 0 is none."""
        self.set("first", 0)
        self.set("count", 0)
        self.set("failed", 0)
        self.set("after", first + row)
        self.set("first", first)

    def disarm(self):
        self.set("first", 0)


class Host:
    """A bevhost that may not come up."""

    def __init__(self, failing, words, options=("--no-master",)):
        reader, writer = os.pipe()
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [PROGRAM, "-q", *SANDBOX, *options, f"--ready-fd={writer}",
             "-l", "127.0.0.1:0", *words],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=self.log, pass_fds=[writer],
            env={**os.environ, **failing.env,
                 "BEVHOST_PLUGIN_PATH": PLUGINS})
        os.close(writer)
        with os.fdopen(reader, "rb", 0) as ready:
            self.ports = [int(address.rsplit(":", 1)[1])
                          for address in self.read_all(ready).split()
                          if not address.startswith("unix:")]
        self.port = self.ports[0] if self.ports else None
        self.pid = self.process.pid

    def read_all(self, ready):
        """What it says on the descriptor, until it closes it or ends."""
        text = b""
        while select.select([ready], [], [], PATIENCE_S)[0]:
            part = ready.read(4096)
            if not part:
                return text.decode()
            text += part
        self.kill()
        raise Failure("it neither came up nor ended: " + self.said())

    def __enter__(self):
        return self

    def __exit__(self, *_unused):
        self.kill()
        self.log.close()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def said(self):
        text = os.pread(self.log.fileno(), 1 << 20, 0).decode(errors="replace")
        return text[-3000:]

    def end(self, number=signal.SIGTERM):
        """Its exit status, after a signal."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self):
        try:
            return self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise Failure("it does not end: " + self.said()) from None

    def check_alive(self):
        status = self.process.poll()
        if status is not None:
            raise Failure(f"it ended with {status}: {self.said()}")

    def converse(self, request):
        """What a client gets until the end, or None: it was cut off."""
        received = b""
        try:
            with socket.create_connection(("127.0.0.1", self.port),
                                          PATIENCE_S) as client:
                client.sendall(request)
                client.shutdown(socket.SHUT_WR)
                while True:
                    part = client.recv(1 << 16)
                    if not part:
                        return received
                    received += part
        except TimeoutError:
            self.check_alive()
            raise Failure("a client waits in vain: " + self.said()) from None
        except OSError:
            return None


class Served:
    """Each connection of a running host, from accept to close.

    The request may be a function of the host.  Without an answer what comes
    the first time is right.
    """

    step = 1    # between two that fail

    def __init__(self, name, words, request, answer, options=("--no-master",),
                 excuse=b""):
        self.name = name
        self.words = words
        self.request = request
        self.answer = answer
        self.options = options
        self.excuse = excuse    # an answer too, while something fails

    def converse(self, host):
        request = self.request
        return host.converse(request(host) if callable(request) else request)

    def serve(self, host):
        answer = self.converse(host)
        if self.answer is None:
            self.answer = answer
        if not answer or answer != self.answer:
            raise Failure(f"it answers {answer and answer[:60]!r}: " +
                          host.said())

    def settle(self, failing, most):
        """Waits until no more blocks are left than that: how many more."""
        end = time.monotonic() + SETTLED_S
        while failing.get("live") > most and time.monotonic() < end:
            time.sleep(0.001)
        return max(0, failing.get("live") - most)

    def warm(self, failing, host):
        """How many blocks are left at rest, and how many are made."""
        for _unused in range(5):
            self.serve(host)
        time.sleep(0.1)
        failing.arm(0, 0)
        self.serve(host)
        time.sleep(0.05)
        return failing.get("live"), failing.get("count")

    def repeat(self, failing, host, first, row, rest):
        """What is left every time is lost; what is left once is kept for the
        next time, as libevent's table of descriptors is."""
        for _unused in range(LEAK_TIMES):
            self.one(failing, host, first, row)
            left = self.settle(failing, rest)
            rest += left
            if not left:
                break
        else:
            raise Failure(f"{left} blocks are left each time")
        return rest

    def one(self, failing, host, first, row):
        failing.arm(first, row)
        answer = self.converse(host)
        failing.disarm()
        host.check_alive()
        if answer and not self.answer.startswith(answer) \
                and not re.fullmatch(self.excuse, answer, re.DOTALL):
            raise Failure(f"a client got {answer[:60]!r}")
        self.serve(host)

    def run(self, failing, progress):
        failing.set("live", 0)
        with Host(failing, self.words, self.options) as host:
            if host.port is None:
                raise Failure("it does not come up: " + host.said())
            rest, count = self.warm(failing, host)
            for row in ROWS:
                for first in progress.numbers(count, row):
                    rest = self.repeat(failing, host, first, row, rest)
            status = host.end()
            if status != 0:
                raise Failure(f"it ended with {status}: {host.said()}")


class Relayed(Served):
    """The same through socks, whose own answers name a port."""

    def converse(self, host):
        answer = super().converse(host)
        return answer and answer[12:]


class Secret(Served):
    """The same over TLS."""

    def converse(self, host):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        received = b""
        try:
            with socket.create_connection(("127.0.0.1", host.port),
                                          PATIENCE_S) as client, \
                    context.wrap_socket(client) as client:
                client.sendall(self.request)
                while len(received) < len(self.answer):
                    part = client.recv(1 << 16)
                    if not part:
                        break
                    received += part
                client.unwrap()
        except TimeoutError:
            host.check_alive()
            raise Failure("a client waits in vain: " + host.said()) from None
        except OSError:
            pass
        return received or None


class Started(Served):
    """The start of a host, and the end of one that came up."""

    def start(self, failing, first, row):
        failing.arm(first, row)
        with Host(failing, self.words, self.options) as host:
            failing.disarm()
            if host.port is None and not first:
                raise Failure("it does not come up: " + host.said())
            if host.port is None:
                status = host.wait()
                if status not in REFUSED and \
                        not CONFUSE.search(host.said()):
                    raise Failure(f"it ended with {status}: {host.said()}")
                if not host.said().strip():
                    raise Failure(f"it ended with {status} and no word")
                return
            self.serve(host)
            status = host.end()
            if status != 0:
                raise Failure(f"it ended with {status}: {host.said()}")

    def run(self, failing, progress):
        self.start(failing, 0, 0)
        with Host(failing, self.words, self.options) as host:
            failing.arm(0, 0)
            host.kill()
        failing.arm(0, 0)
        with Host(failing, self.words, self.options):
            count = failing.get("count")
        for row in ROWS:
            for first in progress.numbers(count, row):
                self.start(failing, first, row)


class StartedSecret(Secret, Started):
    """The same over TLS. OpenSSL makes thousands of blocks."""

    step = 10


class Stopped(Started):
    """The end of a host that serves: it has come up, and has a client."""

    def stop(self, failing, first, row):
        with Host(failing, self.words, self.options) as host:
            self.serve(host)
            failing.arm(first, row)
            status = host.end()
            failing.disarm()
            if status not in (0, *REFUSED):
                raise Failure(f"it ended with {status}: {host.said()}")

    def run(self, failing, progress):
        self.stop(failing, 0, 0)
        count = failing.get("count")
        for row in ROWS:
            for first in progress.numbers(count, row):
                self.stop(failing, first, row)


class Reloaded(Served):
    """A reload in the master: it comes to pass or it does not, and is said."""

    def reload(self, failing, host):
        """Asks by bevhost --reload: its exit status, and what it says."""
        folder = failing.env["RUNTIME_DIRECTORY"]
        done = subprocess.run(
            [PROGRAM, f"--reload={host.pid}"], timeout=3 * PATIENCE_S,
            env={**os.environ, "RUNTIME_DIRECTORY": folder},
            capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL)
        return done.returncode, done.stderr + done.stdout

    def one(self, failing, host, first, row):
        failing.arm(first, row)
        try:
            status, said = self.reload(failing, host)
        except subprocess.TimeoutExpired:
            raise Failure("a reload does not end: " + host.said()) from None
        failing.disarm()
        host.check_alive()
        if status not in (0, *REFUSED) or (status and not said.strip()):
            raise Failure(f"a reload gives {status}, {said!r}")
        self.serve(host)
        status, said = self.reload(failing, host)
        if status != 0:
            raise Failure(f"the next reload gives {status}, {said!r}")
        self.serve(host)

    def warm(self, failing, host):
        failing.set("pid", host.pid)
        for _unused in range(3):
            status, said = self.reload(failing, host)
            if status != 0:
                raise Failure(f"a reload gives {status}, {said!r}")
        self.serve(host)
        time.sleep(0.5)
        failing.arm(0, 0)
        self.reload(failing, host)
        time.sleep(0.5)
        count = failing.get("count")
        return failing.get("live"), count

    def run(self, failing, progress):
        try:
            super().run(failing, progress)
        finally:
            failing.set("pid", 0)


class ReloadedSecret(Secret, Reloaded):
    """The same over TLS."""


class ReloadedAll(Reloaded):
    """The same in all processes that take part; what those that end have left
    is not counted."""

    def warm(self, failing, host):
        super().warm(failing, host)
        failing.set("pid", 0)
        failing.arm(0, 0)
        self.reload(failing, host)
        time.sleep(0.5)
        return EVERY, failing.get("count")


def socks_request(host):
    """To the second listener, which sends back what it gets."""
    return (b"\5\1\0" + b"\5\1\0\1" + socket.inet_aton("127.0.0.1") +
            struct.pack("!H", host.ports[1]) + b"hello")


# Kept open: it goes when the program ends.
CONFIG = tempfile.NamedTemporaryFile(mode="w", suffix=".conf")
SCRIPT = tempfile.NamedTemporaryFile(mode="w", suffix=".lua")
SCRIPT.write("""
function serve(conn)
	while conn:read() do
		conn:write("Hello World!")
	end
end
""")
SCRIPT.flush()
CONFIG.write("""drain-timeout = 5s
worker-group all { workers = 1 }
listen "127.0.0.1:0" {
	handler = greeting
	also = { "unix:@bevhost-torture-%d" }
}
""" % os.getpid())
CONFIG.flush()

FOLDER = tempfile.TemporaryDirectory()
CERT = os.path.join(FOLDER.name, "cert.pem")
KEY = os.path.join(FOLDER.name, "key.pem")
TLS = (f"--tls-cert={CERT}", f"--tls-key={KEY}")

ABSTRACT = "unix:@bevhost-torture-proxy-%d" % os.getpid()
MESSAGE = bytes(range(256)) * 256
GREETING = b"Hello World!"
PROXY = (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x13" +
         socket.inet_aton("192.0.2.1") + socket.inet_aton("192.0.2.2") +
         struct.pack("!HH", 1234, 443) + b"\2\0\4host")

SCENARIOS = (
    Started("start greeting", ["greeting"], b"hello", GREETING),
    Started("start greeting-async", ["greeting-async"], b"hello", GREETING),
    Started("start master", ["greeting"], b"hello", GREETING,
            ("--workers=1",)),
    Started("start file", ["greeting", "-c", CONFIG.name], b"hello", GREETING),
    Served("serve greeting", ["greeting"], b"hello", GREETING),
    Served("serve greeting-generator", ["greeting-generator"], b"hello",
           GREETING),
    Served("serve greeting-async", ["greeting-async"], b"hello", GREETING),
    Served("serve echo", ["echo"], MESSAGE, MESSAGE),
    Served("serve proxy", ["greeting"], PROXY + b"hello", GREETING,
           ("--no-master", "--proxy=required", "--proxy-from=127.0.0.0/8")),
    Served("serve limits", ["greeting"], b"hello", GREETING,
           ("--no-master", "--max-connections-per-client=1000",
            "--connection-rate=100000/s", "--bytes-in-rate=1G",
            "--bytes-out-rate=1G", "--lifetime=1h", "--allow=127.0.0.0/8")),
    Served("serve finger", ["finger"], b"root\r\n", None,
           excuse=rb"Cannot look it up now\.\r\n|Login: root\r\n.*"),
    Relayed("serve socks", ["socks", "private=on", "-l", "127.0.0.1:0", "echo"],
            socks_request, b"hello"),
    # What it serves leaves garbage, which is no leak.
    Started("start lua", ["lua", SCRIPT.name], b"hello", GREETING),
    Started("start exec", ["exec", "cat"], b"hello", b"hello"),
    Served("serve exec", ["exec", "cat"], MESSAGE, MESSAGE),
    Served("serve proxy to a socket", [
        "proxy", "to=" + ABSTRACT, "rest=0s", "-l", ABSTRACT, "echo"],
        MESSAGE, MESSAGE),
    Stopped("stop greeting", ["greeting"], b"hello", GREETING),
    Stopped("stop greeting-async", ["greeting-async"], b"hello", GREETING),
    Reloaded("reload", ["greeting"], b"hello", GREETING,
             ("--workers=1",)),
    Reloaded("reload file", ["greeting", "-c", CONFIG.name], b"hello",
             GREETING, ()),
    StartedSecret("start tls", ["greeting"], b"hello", GREETING,
                  ("--no-master", *TLS)),
    Secret("serve tls greeting", ["greeting"], b"hello", GREETING,
           ("--no-master", *TLS)),
    Secret("serve tls async", ["greeting-async"], b"hello", GREETING,
           ("--no-master", *TLS)),
    Secret("serve tls echo", ["echo"], MESSAGE, MESSAGE,
           ("--no-master", *TLS)),
    Secret("serve tls exec", ["exec", "cat"], MESSAGE, MESSAGE,
           ("--no-master", *TLS)),
    ReloadedSecret("reload tls", ["greeting"], b"hello", GREETING, TLS),
    ReloadedAll("reload all", ["greeting", "-c", CONFIG.name], b"hello",
                GREETING, ()),
)


class Progress:
    """Which numbers are tried; says how far it is."""

    def __init__(self, number, name, step):
        self.offset = number
        self.step = step * STRIDE
        self.name = name
        self.tried = 0
        self.now = ""

    def numbers(self, count, row):
        # Those that the run before had, and some that it did not come to.
        for first in range(1 + self.offset % self.step, count + 2,
                           self.step):
            self.tried += 1
            failing_row = "all" if row == EVERY else row
            self.now = f"{first} of {count} fails, {failing_row} in a row"
            yield first


def run_one(number, scenario):
    progress = Progress(number, scenario.name, scenario.step)
    began = time.monotonic()
    try:
        scenario.run(Failing(), progress)
    except Failure as failure:
        print(f"not ok {number} - {scenario.name}: {progress.now}")
        for line in str(failure).splitlines():
            print(f"# {line}")
        return False
    print(f"ok {number} - {scenario.name}: {progress.tried} failures, "
          f"{time.monotonic() - began:.0f} s", flush=True)
    return True


def has_tls():
    """Makes the certificate. False without openssl, or without TLS."""
    try:
        subprocess.run(
            ["openssl", "req", "-x509", "-nodes", "-days", "2", "-subj",
             "/CN=localhost", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:P-256", "-keyout", KEY, "-out", CERT],
            check=True, capture_output=True)
        done = subprocess.run([PROGRAM, "-T", *TLS, "greeting"], check=False,
                              env={**os.environ, "BEVHOST_PLUGIN_PATH":
                                   PLUGINS}, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    return done.returncode == 0


def main():
    words = sys.argv[1:]
    if os.environ.get("BEVHOST_SANITIZERS"):
        print("1..0 # SKIP sanitizers have an allocator of their own")
        return 0
    chosen = [scenario for scenario in SCENARIOS
              if not words or any(word in scenario.name for word in words)]
    if not os.path.exists(os.path.join(PLUGINS, "lua.so")):
        chosen = [one for one in chosen if "lua" not in one.words]
    if not has_tls():
        print("# TLS is left out: it takes OpenSSL, and its program openssl")
        chosen = [one for one in chosen if not isinstance(one, Secret)]
    print(f"1..{len(chosen)}", flush=True)
    passed = sum([run_one(number, scenario)
                  for number, scenario in enumerate(chosen, 1)])
    print(f"{passed} passed, {len(chosen) - passed} failed")
    return 0 if passed and passed == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
