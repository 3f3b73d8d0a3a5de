# SPDX-License-Identifier: BSD-2-Clause
"""The proxy plugin between real servers and their clients: each test runs when
both are installed."""

import contextlib
import functools
import http.server
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import unittest

import harness
from harness import Server, wait_for


def need(*names):
    """The program with the first of these names that there is, or a skip."""
    for name in names:
        path = shutil.which(name, path=os.environ.get("PATH", "") +
                            ":/usr/sbin:/usr/local/sbin")
        if path is not None:
            return path
    raise unittest.SkipTest(f"there is no program {names[0]}")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def listens(address):
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family) as probe:
        return probe.connect_ex(address) == 0


def run(*words, **options):
    done = subprocess.run(
        words, timeout=harness.PATIENCE, stdin=options.pop("stdin", None) or
        subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        check=False, **options)
    output = done.stdout.decode(errors="replace")
    if done.returncode != 0:
        raise AssertionError(
            f"{words[0]} ended with {done.returncode}: {output[-2000:]}")
    return output


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="bevhost-clients-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def serve(self, *words, at):
        """A server that runs until the end of the test."""
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True,
            cwd=self.folder)

        def stop():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(harness.PATIENCE)

        self.addCleanup(stop)
        wait_for(lambda: listens(at) or process.poll() is not None,
                 words[0] + " to listen")
        self.assertIsNone(process.poll(), words[0] + " has ended")

    def proxy(self, to, *words):
        """The port of a proxy that leads there."""
        server = Server("proxy", f"to={to}", *words)
        self.addCleanup(server.__exit__)
        return server.addresses[0].rsplit(":", 1)[1]


class Redis(Case):
    def setUp(self):
        super().setUp()
        self.server = need("redis-server")
        self.cli = need("redis-cli")
        self.port = free_port()
        self.serve(self.server, "--port", str(self.port), "--bind",
                   "127.0.0.1", "--save", "", "--appendonly", "no",
                   "--unixsocket", self.path("redis"),
                   at=("127.0.0.1", self.port))

    def talk(self, port, *words, **options):
        return run(self.cli, "-h", "127.0.0.1", "-p", port, *words,
                   **options).rstrip("\n")

    def test_cli(self):
        for to in (f"127.0.0.1:{self.port}", "unix:" + self.path("redis")):
            port = self.proxy(to)
            self.assertEqual(self.talk(port, "ping"), "PONG")
            self.assertEqual(self.talk(port, "set", "key", "value"), "OK")
            self.assertEqual(self.talk(port, "get", "key"), "value")
            self.assertEqual(self.talk(
                port, "eval", "return string.rep('x', 5000000)", "0"),
                "x" * 5_000_000)

    def test_a_pipe_of_commands(self):
        port = self.proxy(f"127.0.0.1:{self.port}")
        with open(self.path("commands"), "wb") as file:
            for number in range(20000):
                file.write(b"*3\r\n$3\r\nSET\r\n$6\r\nk%05d\r\n$4\r\nsome\r\n"
                           % number)
        with open(self.path("commands"), "rb") as file:
            self.assertIn("errors: 0, replies: 20000",
                          self.talk(port, "--pipe", stdin=file))
        self.assertEqual(self.talk(port, "dbsize"), "20000")

    def test_benchmark(self):
        benchmark = need("redis-benchmark")
        port = self.proxy(f"127.0.0.1:{self.port}")
        for words in (("-c", "20"), ("-c", "5", "-P", "16", "-d", "4096")):
            said = run(benchmark, "-h", "127.0.0.1", "-p", port, "-n", "2000",
                       "-t", "set,get,lrange_100", "--csv", *words)
            for test in ("SET", "GET", "LRANGE_100"):
                self.assertIn(f'"{test}', said)
            self.assertNotIn("rror", said)


class Memcached(Case):
    def test_capable(self):
        # Debian has it under another name.
        capable = need("memcapable", "memccapable")
        server = need("memcached")
        ports = [free_port(), free_port()]
        for port in ports:
            self.serve(server, "-l", "127.0.0.1", "-p", str(port), "-U", "0",
                       "-u", "nobody", at=("127.0.0.1", port))
        clients = [subprocess.Popen(
            [capable, "-h", "127.0.0.1", "-p", str(port)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL)
            for port in (ports[0], self.proxy(f"127.0.0.1:{ports[1]}"))]
        alone, relayed = (
            [line.split() for line in client.communicate(
                timeout=harness.PATIENCE)[0].decode(
                    errors="replace").splitlines() if "[" in line]
            for client in clients)
        # Not all pass: the protocol has moved on since it was written.
        self.assertGreater(sum(line[-1] == "[pass]" for line in alone), 20)
        self.assertEqual(relayed, alone)


class Quiet(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_unused):
        pass

    def do_PUT(self):
        data = self.rfile.read(int(self.headers["Content-Length"]))
        with open(self.translate_path(self.path), "wb") as file:
            file.write(data)
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()


class Curl(Case):
    def setUp(self):
        super().setUp()
        self.curl = need("curl")
        self.data = os.urandom(5_000_000)
        with open(self.path("data"), "wb") as file:
            file.write(self.data)
        server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0),
            functools.partial(Quiet, directory=self.folder))
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.url = "http://127.0.0.1:%s/" % self.proxy(
            "127.0.0.1:%d" % server.server_address[1])

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def test_down_and_up(self):
        run(self.curl, "-sSf", "-o", self.path("down"), self.url + "data")
        self.assertEqual(self.read("down"), self.data)
        run(self.curl, "-sSf", "-T", self.path("data"), self.url + "up")
        self.assertEqual(self.read("up"), self.data)

    def test_many_over_one_connection_and_at_a_slow_pace(self):
        said = run(self.curl, "-sSf", "-w", "%{num_connects}\n",
                   *(word for number in range(20) for word in
                     ("-o", self.path(f"down{number}"), self.url + "data")))
        self.assertEqual(sum(map(int, said.split())), 1)
        self.assertEqual(self.read("down19"), self.data)
        run(self.curl, "-sSf", "--limit-rate", "4M", "-o", self.path("slow"),
            self.url + "data")
        self.assertEqual(self.read("slow"), self.data)


class Iperf(Case):
    def measure(self, *words):
        port = free_port()
        # A connection that says nothing would end it: -1 is not for probes.
        self.serve(self.iperf, "-s", "-B", "127.0.0.1", "-p", str(port),
                   at=("127.0.0.1", port))
        said = json.loads(run(
            self.iperf, "-J", "-c", "127.0.0.1", "-p",
            self.proxy(f"127.0.0.1:{port}"), *words))
        self.assertNotIn("error", said)
        return said["end"]

    def setUp(self):
        super().setUp()
        self.iperf = need("iperf3")

    def test_there(self):
        end = self.measure("-n", "200M", "-P", "2")
        self.assertGreaterEqual(end["sum_sent"]["bytes"], 200 << 20)

    def test_back(self):
        end = self.measure("-n", "200M", "-R")
        self.assertGreaterEqual(end["sum_received"]["bytes"], 200 << 20)

    def test_both_ways(self):
        end = self.measure("-t", "1", "--bidir")
        self.assertGreater(end["sum_received"]["bytes"], 0)
        self.assertGreater(end["sum_received_bidir_reverse"]["bytes"], 0)


class Git(Case):
    def git(self, *words, cwd=None):
        return run(self.program, "-c", "user.name=a", "-c", "user.email=a@b",
                   "-c", "protocol.version=2", *words,
                   cwd=cwd or self.folder, env={
                       **os.environ, "GIT_CONFIG_GLOBAL": "/dev/null",
                       "GIT_CONFIG_NOSYSTEM": "1"}).strip()

    def test_clone_and_push(self):
        self.program = need("git")
        if not os.path.exists(os.path.join(
                run(self.program, "--exec-path").strip(), "git-daemon")):
            self.skipTest("there is no git daemon")
        self.git("init", "-q", "--bare", "-b", "main", self.path("base"))
        self.git("init", "-q", "-b", "main", self.path("work"))
        with open(self.path("work/data"), "wb") as file:
            file.write(os.urandom(3_000_000))
        self.git("add", "data", cwd=self.path("work"))
        self.git("commit", "-q", "-m", "data", cwd=self.path("work"))
        port = free_port()
        self.serve(self.program, "daemon", "--listen=127.0.0.1",
                   f"--port={port}", "--export-all",
                   "--base-path=" + self.folder, "--enable=receive-pack",
                   at=("127.0.0.1", port))
        url = "git://127.0.0.1:%s/base" % self.proxy(f"127.0.0.1:{port}")
        self.git("push", "-q", url, "main", cwd=self.path("work"))
        self.git("clone", "-q", url, self.path("copy"))
        self.assertEqual(self.git("rev-parse", "main", cwd=self.path("copy")),
                         self.git("rev-parse", "main", cwd=self.path("work")))
        self.git("fsck", "--full", "--strict", cwd=self.path("copy"))
        with open(self.path("work/data"), "rb") as one, \
                open(self.path("copy/data"), "rb") as other:
            self.assertEqual(one.read(), other.read())


if __name__ == "__main__":
    harness.main()
