# SPDX-License-Identifier: BSD-2-Clause
"""Tasks, streams and generators: what plugins/tasks.c and
plugins/generators.c do on command."""

import errno
import os
import socket
import struct
import tempfile
import threading
import time

import unittest

import harness
from harness import Server, plugin, receive_all, receive_exactly, wait_for

WAITS = 50


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                          struct.pack("ii", 1, 0))
    connection.close()


class Commands(unittest.TestCase):
    """One server for a class, which must end well."""

    plugin = "tasks"

    @classmethod
    def setUpClass(cls):
        cls.server = Server(plugin(cls.plugin), options=("-v",))

    @classmethod
    def tearDownClass(cls):
        status = cls.server.stop()
        log = cls.server.stderr()
        cls.server.__exit__()
        if status != 0:
            raise AssertionError(f"ended with {status}: {log}")

    def connect(self):
        connection = self.server.connect()
        self.addCleanup(connection.close)
        return connection

    def ask(self, command, connection=None, after=b""):
        if connection is None:
            with self.server.connect() as connection:
                return self.ask(command, connection, after)
        connection.sendall(command.encode() + b"\n" + after)
        line = b""
        while not line.endswith(b"\n"):
            byte = connection.recv(1)
            if not byte:
                break
            line += byte
        return line.decode().rstrip("\n")

    def stats(self):
        words = self.ask("stats").split()
        return {key: int(value) for key, value in
                (word.split("=") for word in words)}

    def wait_quiet(self):
        """Only the task that answers runs, and only its defer is due."""
        def quiet():
            stats = self.stats()
            return stats["running"] == 1 and stats["undeferred"] == 1
        wait_for(quiet, "the tasks to end")


class Waits(Commands):
    def test_all_of_them(self):
        connection = self.connect()
        self.assertEqual(
            self.ask("waits", connection, b"x" * WAITS), "waits=0")
        self.assertEqual(self.ask("job", connection), "job=7")

    def test_all_of_them_byte_by_byte(self):
        connection = self.connect()
        connection.sendall(b"waits\n")
        for _ in range(WAITS):
            connection.sendall(b"x")
            harness.pause(0.002)
        self.assertEqual(connection.makefile().readline(), "waits=0\n")

    def test_reset_at_each(self):
        for count in range(WAITS):
            connection = self.connect()
            connection.sendall(b"waits\n" + b"x" * count)
            if count % 2:
                harness.pause(0.002)
            reset(connection)
        self.wait_quiet()

    def test_end_of_file_at_each(self):
        for count in range(WAITS):
            connection = self.connect()
            connection.sendall(b"waits\n" + b"x" * count)
            connection.shutdown(socket.SHUT_WR)
            line = receive_all(connection).decode()
            self.assertRegex(line, r"^waits=-\d+\n$")
        self.wait_quiet()

    def test_stop_at_each(self):
        with Server(plugin("tasks")) as server:
            connections = []
            for count in range(WAITS):
                connection = server.connect()
                connection.sendall(b"waits\n" + b"x" * count)
                connections.append(connection)
            # All have begun when the last one that comes is answered.
            with server.connect() as connection:
                connection.sendall(b"sleep 50\n")
                connection.makefile().readline()
            self.assertEqual(server.stop_now(), 0)
            for connection in connections:
                receive_all(connection)
                connection.close()


class Tasks(Commands):
    def test_errors_that_say_so(self):
        connection = self.connect()
        answer = self.ask("errors", connection)
        self.assertEqual(
            answer,
            f"first=0 result=5 twice={-errno.ECHILD} "
            f"other={-errno.ECHILD} reader={-errno.EBUSY} "
            f"tried={-errno.ETIMEDOUT} cancelled={-errno.ECANCELED}")
        self.assertEqual(self.ask("self", connection),
                         f"self={-errno.EDEADLK}")

    def test_gather_may_be_repeated_after_its_deadline(self):
        self.assertEqual(self.ask("gather"),
                         f"first={-errno.ETIMEDOUT} second=0 results=4,4")

    def test_race_ends_its_children_when_one_was_never_born(self):
        self.assertEqual(self.ask("unborn"), f"race={-errno.ECHILD}")
        self.wait_quiet()

    def test_a_parent_outlives_its_children(self):
        self.assertEqual(self.ask("abandon"), f"abandon={-errno.ECHILD}")
        begun = time.monotonic()
        for _ in range(50):
            self.ask("abandon")
        self.assertLess(self.server.stderr().count("a task returned"),
                        3 + time.monotonic() - begun)
        self.assertIn("a task returned while its children ran",
                      self.server.stderr())
        self.wait_quiet()

    def test_sleep(self):
        words = dict(word.split("=")
                     for word in self.ask("sleep 100").split())
        self.assertEqual(words["sleep"], "0")
        self.assertGreaterEqual(int(words["slept"]), 100)

    def test_a_deadline(self):
        connection = self.connect()
        self.assertEqual(self.ask("late 50", connection),
                         f"late={-errno.ETIMEDOUT}")
        self.assertEqual(self.ask("job", connection), "job=7")

    def test_an_instance_has_tasks_of_its_own(self):
        first = self.stats()["background"]
        wait_for(lambda: self.stats()["background"] > first, "its steps")

    def test_a_child_of_what_is_deferred_ends_first_too(self):
        self.assertEqual(self.ask("defer-spawn"),
                         f"deferred={-errno.ECHILD}")
        self.wait_quiet()

    def test_an_event_may_be_freed_when_it_was_set(self):
        self.assertEqual(self.ask("event-free"), "event=0")

    def test_a_socket_timeout_closes(self):
        connection = self.connect()
        connection.sendall(b"socket-timeout\n")
        receive_all(connection)
        self.server.wait_log("closed: timeout")

    def test_a_job_that_no_thread_has_taken_is_not_waited_for(self):
        with Server(plugin("tasks"), options=(
                "-v", "--job-threads=1")) as server:
            with server.connect() as first, server.connect() as second:
                first.sendall(b"long-job 1500\n")
                harness.pause(0.2)
                second.sendall(b"long-job 1500\n")
                harness.pause(0.2)
                start = time.monotonic()
                reset(second)
                # Left are the first and the one that asks.
                wait_for(lambda: "running=2" in self.stats_of(server),
                         "the second's end")
                self.assertLess(time.monotonic() - start, 1)
                self.assertEqual(first.makefile().readline(), "job=7\n")
            self.assertEqual(server.stop(), 0)

    def stats_of(self, server):
        with server.connect() as connection:
            connection.sendall(b"stats\n")
            return connection.makefile().readline()

    def test_jobs_in_parallel(self):
        connections = [self.connect() for _ in range(30)]
        for connection in connections:
            connection.sendall(b"job\n")
        for connection in connections:
            self.assertEqual(connection.makefile().readline(), "job=7\n")

    def test_one_worker_holds_many(self):
        connections = [self.connect() for _ in range(500)]
        for number, connection in enumerate(connections):
            connection.sendall(b"sleep %d\n" % (number % 50))
        for connection in connections:
            self.assertIn("sleep=0", connection.makefile().readline())


class Streams(Commands):
    def test_read_exactly(self):
        connection = self.connect()
        connection.sendall(b"exactly 10\n01234")
        harness.pause(0.02)
        connection.sendall(b"56789")
        self.assertEqual(connection.makefile().readline(),
                         "exactly=10 0123456789\n")

    def test_read_exactly_past_the_end(self):
        connection = self.connect()
        connection.sendall(b"exactly 10\n01234")
        connection.shutdown(socket.SHUT_WR)
        # What came stays: it is a line without an end.
        self.assertEqual(receive_all(connection).decode().splitlines()[0],
                         f"exactly={-errno.ENODATA} ")

    def test_read_until_across_chunks(self):
        connection = self.connect()
        connection.sendall(b"until\n")
        for chunk in (b"ab-", b"c-", b"-d"):
            connection.sendall(chunk)
            harness.pause(0.02)
        connection.sendall(b"\n")
        self.assertEqual(connection.makefile().readline(),
                         "until=6 ab-c--\n")

    def test_a_separator_that_does_not_come(self):
        connection = self.connect()
        connection.sendall(b"until\n" + b"x" * 64 + b"\njob\n")
        lines = connection.makefile()
        self.assertEqual(lines.readline(), f"until={-errno.EMSGSIZE} \n")
        # The rest of the stream is intact.
        self.assertEqual(lines.readline(), "unknown\n")
        self.assertEqual(lines.readline(), "job=7\n")

    def test_a_line_over_the_limit(self):
        for length in (255, 256, 300):
            connection = self.connect()
            line = b"y" * length + b"\n"
            connection.sendall(line + b"job\n")
            lines = connection.makefile()
            first = lines.readline()
            self.assertEqual(
                first, "unknown\n" if length < 256 else "too long\n")
            rest = line[256:] if length >= 256 else b""
            if rest.strip() or (length == 256):
                self.assertEqual(lines.readline(), "unknown\n")
            self.assertEqual(lines.readline(), "job=7\n")

    def test_lines_with_carriage_returns_and_without_an_end(self):
        connection = self.connect()
        connection.sendall(b"job\r\n\r\njob")
        connection.shutdown(socket.SHUT_WR)
        self.assertEqual(receive_all(connection),
                         b"job=7\nunknown\njob=7\n")

    def test_write_waits_for_a_slow_reader(self):
        connection = self.connect()
        connection.sendall(b"send 20000000\n")
        data = receive_exactly(connection, 20_000_000)
        self.assertEqual(data, b"0123456789abcdef" * 1_250_000)
        self.assertEqual(receive_exactly(connection, 8), b"\nsend=0\n")


class Outbound(Commands):
    def listener(self, family, address):
        listener = socket.socket(family)
        self.addCleanup(listener.close)
        listener.bind(address)
        listener.listen()

        def answer():
            connection, _ = listener.accept()
            with connection:
                connection.sendall(receive_all(connection).upper())

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        return listener

    def test_addresses_and_names(self):
        for family, host in ((socket.AF_INET, "127.0.0.1"),
                             (socket.AF_INET6, "::1"),
                             (socket.AF_INET, "localhost")):
            with self.subTest(host):
                listener = self.listener(
                    family, ("127.0.0.1" if host == "localhost" else host,
                             0))
                port = listener.getsockname()[1]
                self.assertEqual(self.ask(f"connect {host} {port}"), "PING")

    def test_unix(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "s")
            self.listener(socket.AF_UNIX, path)
            self.assertEqual(self.ask(f"connect unix:{path} 0"), "PING")

    def test_refused_unknown_and_senseless(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
            self.assertEqual(self.ask(f"connect 127.0.0.1 {port}"),
                             f"connect={-errno.ECONNREFUSED}")
            self.assertEqual(self.ask(f"connect localhost {port}"),
                             f"connect={-errno.ECONNREFUSED}")
        self.assertRegex(self.ask("connect no.such.host.invalid 1"),
                         rf"^connect=-({errno.ENOENT}|{errno.EAGAIN})$")
        self.assertEqual(self.ask("connect 127.0.0.1 70000"),
                         f"connect={-errno.EINVAL}")
        self.assertEqual(self.ask("connect unix:/nowhere/s 0"),
                         f"connect={-errno.ENOENT}")

    def test_too_much_that_waits_closes_the_connection(self):
        with socket.create_server(("127.0.0.1", 0)) as target, \
             Server(plugin("tasks"), options=[
                 "-v", "-v", "--max-buffer=64k"]) as server, \
             server.connect() as client:
            target.settimeout(harness.PATIENCE)
            client.sendall(b"flood %d\n" % target.getsockname()[1])
            remote, _ = target.accept()
            with remote, self.assertRaises(ConnectionResetError):
                remote.settimeout(harness.PATIENCE)
                receive_all(remote)
            server.wait_log("closed: overload")
            server.wait_log(f"flood: {-errno.ECANCELED}")

    def test_one_that_is_closed_while_a_child_reads(self):
        listener = self.listener(socket.AF_INET, ("127.0.0.1", 0))
        port = listener.getsockname()[1]
        self.assertEqual(self.ask(f"close-used 127.0.0.1 {port}"),
                         f"closed={-errno.ECANCELED}")

    def test_no_descriptor_is_left(self):
        pid = self.server.process.pid

        def count():
            return len(os.listdir(f"/proc/{pid}/fd"))

        self.ask("connect localhost 1")
        self.ask("job")
        before = count()
        for _ in range(20):
            self.ask("connect localhost 1")
        wait_for(lambda: count() <= before, "the descriptors")


class Stacks(unittest.TestCase):
    @unittest.skipIf(harness.UNDER, "an overflow is no business of valgrind")
    def test_an_overflow_is_named(self):
        with Server(plugin("tasks"), options=("--stack-size=32k",),
                    env={"ASAN_OPTIONS": "detect_stack_use_after_return=0:"
                         "handle_segv=0"}) as server:
            with server.connect() as connection:
                port = connection.getsockname()[1]
                connection.sendall(b"deep 10\n")
                self.assertEqual(connection.makefile().readline(),
                                 "deep=1\n")
                connection.sendall(b"deep 100000\n")
                self.assertNotEqual(server.process.wait(harness.PATIENCE), 0)
            self.assertIn(
                f"in plugin tasks, callback run, connection 1 from "
                f"127.0.0.1:{port}: its stack of 32768 bytes overflowed: "
                "raise .stack_size or --stack-size",
                server.stderr())

    def test_a_larger_stack_takes_more(self):
        with Server(plugin("tasks"), options=("--stack-size=4M",)) as server:
            with server.connect() as connection:
                connection.sendall(b"deep 5000\n")
                self.assertEqual(connection.makefile().readline(),
                                 "deep=1\n")

    def test_the_deepest_use_is_said(self):
        with Server(plugin("tasks"), options=("-v", "-v")) as server:
            with server.connect() as connection:
                connection.sendall(b"deep 20\n")
                self.assertEqual(connection.makefile().readline(),
                                 "deep=1\n")
            log = server.wait_log("deepest use of a stack so far:")
            self.assertIn(" of 65536 bytes", log)

    def test_sizes_out_of_range(self):
        for text in ("1k", "1G", "x"):
            status, _, stderr = harness.run("--stack-size=" + text)
            self.assertEqual(status, 64)
            self.assertIn(f"--stack-size={text} is", stderr)
        self.assertEqual(harness.run("--job-threads=0")[0], 64)


class Generators(Commands):
    plugin = "generators"

    def test_lines_by_a_child(self):
        connection = self.connect()
        connection.sendall(b"one\ntw")
        self.assertEqual(connection.recv(100), b"one\n")
        connection.sendall(b"o\n")
        self.assertEqual(connection.recv(100), b"two\n")
        connection.shutdown(socket.SHUT_WR)
        self.assertEqual(receive_all(connection), b"")
        self.server.wait_log("closed: peer")

    def test_children_of_any_depth(self):
        for depth in (0, 1, 100, 5000):
            self.assertEqual(self.ask(f"deep {depth}"), "deep")

    def test_deadlines(self):
        connection = self.connect()
        self.assertEqual(self.ask("late", connection), "why=1")
        self.assertEqual(self.ask("try", connection), "why=1")
        self.assertEqual(self.ask("late", connection, b"x\n"), "why=0")

    def test_one_that_never_waits_does_not_hold_the_loop(self):
        busy, other = self.connect(), self.connect()
        busy.sendall(b"spin\n" * 50)
        for _ in range(20):
            other.sendall(b"x\n")
            self.assertEqual(receive_exactly(other, 2), b"x\n")
        self.assertEqual(receive_exactly(busy, 250), b"spun\n" * 50)

    def test_write_waits_for_a_slow_reader(self):
        connection = self.connect()
        connection.sendall(b"send 300000\n")
        data = receive_exactly(connection, 300_000 * 64)
        self.assertEqual(len(data), 300_000 * 64)

    def test_end_of_file_is_said_again(self):
        connection = self.connect()
        connection.sendall(b"ends\n")
        connection.shutdown(socket.SHUT_WR)
        self.assertEqual(receive_all(connection), b"why=2\n")

    def test_a_reset_reaches_each_wait(self):
        for command in (b"", b"one", b"late\n", b"deep 50\n",
                        b"send 1000000\n", b"spin\nspin\n"):
            for wait in (0, 0.005):
                connection = self.connect()
                connection.sendall(command)
                time.sleep(wait)
                reset(connection)
        self.assertEqual(self.ask("still"), "still")
        wait_for(lambda: "a generator saw the end" in self.server.stderr(),
                 "the closing")


if __name__ == "__main__":
    harness.main()
