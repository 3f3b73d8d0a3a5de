# SPDX-License-Identifier: BSD-2-Clause
"""What a stop does to connections: the idle, the busy, those that wait."""

import os
import signal
import socket
import tempfile
import time

import unittest

import harness
from harness import (Server, plugin, receive_all, receive_exactly, run,
                     wait_for)

HAS_OPTIONS = "--drain-timeout" in run("--help")[1]
needs_options = unittest.skipUnless(HAS_OPTIONS, "no --drain-timeout")


class Stop(unittest.TestCase):
    """A server with connections, which a signal finds at something."""

    def stopping(self, server, number=signal.SIGTERM):
        server.kill(number)
        server.wait_log(f"{number.name}: stopping")

    def assert_ends(self, server, *reasons):
        """It ends by itself; its connections closed for these reasons."""
        self.assertEqual(server.process.wait(harness.PATIENCE), 0)
        log = server.stderr()
        self.assertEqual(sorted(line.rsplit(": ", 1)[1]
                                for line in log.splitlines()
                                if ": closed: " in line), sorted(reasons))


class Idle(Stop):
    def test_one_that_waits_for_its_client_is_closed(self):
        for name in "greeting", "greeting-generator", "greeting-async":
            with self.subTest(name), Server(name, options=("-v",)) as server:
                with server.connect() as connection:
                    connection.sendall(b"x")
                    receive_exactly(connection, 12)
                    self.stopping(server)
                    self.assertEqual(receive_all(connection), b"")
                self.assert_ends(server, "drain")

    def test_one_that_has_said_nothing_is_closed(self):
        for name in "greeting", "greeting-generator", "greeting-async":
            with (self.subTest(name),
                  Server(name, options=("-v", "-v")) as server):
                with server.connect() as connection:
                    server.wait_log("accepted")
                    self.stopping(server)
                    self.assertEqual(receive_all(connection), b"")
                self.assert_ends(server, "drain")

    def test_a_read_with_a_deadline_waits_for_its_client(self):
        with Server(plugin("tasks"), options=("-v",)) as server:
            with server.connect() as connection:
                connection.sendall(b"sleep 0\nlate 100000\n")
                connection.makefile().readline()
                self.stopping(server)
                self.assertEqual(receive_all(connection), b"")
            self.assert_ends(server, "drain")


class Busy(Stop):
    def begin(self, server, connection, said, answer):
        """Says it all at once, and reads the answer to its beginning."""
        connection.sendall(said)
        self.assertEqual(receive_exactly(connection, len(answer)), answer)

    def assert_finishes(self, name, said, begun, more, rest):
        """Stopped after `begun` has come, it still answers with `rest`."""
        with Server(plugin(name), options=("-v",)) as server:
            with server.connect() as connection:
                self.begin(server, connection, said, begun)
                self.stopping(server)
                connection.sendall(more)
                answer = receive_all(connection)
                self.assertRegex(answer, rest)
            self.assert_ends(server, "drain")

    def test_half_a_request_is_waited_for(self):
        self.assert_finishes("serve", b"owed\nse", b"0\n", b"nd 3\n",
                             b"^\0\1\2$")
        self.assert_finishes("tasks", b"sleep 0\nsl", b"sleep=0", b"eep 0\n",
                             b"sleep=0")
        self.assert_finishes("generators", b"echo\nag", b"echo\n", b"ain\n",
                             b"^again\n$")

    def test_a_timer_is_waited_for(self):
        self.assert_finishes("serve", b"owed\nafter 300\n", b"0\n", b"",
                             b"^after$")

    def test_a_generator_that_sleeps_is_waited_for(self):
        self.assert_finishes("generators", b"one\nsleep 300\n", b"one\n",
                             b"", b"^slept\n$")

    def test_a_task_that_sleeps_or_runs_a_job_is_waited_for(self):
        self.assert_finishes("tasks", b"deep 1\nsleep 300\n", b"deep=1\n",
                             b"", b"^sleep=0 slept=\\d+\n$")
        self.assert_finishes("tasks", b"deep 1\nlong-job 300\n", b"deep=1\n",
                             b"", b"^job=7\n$")

    def test_a_task_that_waits_for_another_server_is_waited_for(self):
        with socket.create_server(("127.0.0.1", 0)) as target:
            target.settimeout(harness.PATIENCE)
            with Server(plugin("tasks"), options=("-v",)) as server:
                with server.connect() as connection:
                    connection.sendall(b"connect 127.0.0.1 %d\n" %
                                       target.getsockname()[1])
                    remote, _ = target.accept()
                    with remote:
                        receive_exactly(remote, 5)
                        self.stopping(server)
                        harness.pause(0.1)
                        remote.sendall(b"pong\n")
                    self.assertEqual(receive_all(connection), b"pong\n")
                self.assert_ends(server, "drain")

    def test_a_child_that_reads_makes_its_parent_busy(self):
        with Server(plugin("tasks"), options=("-v",)) as server:
            with server.connect() as connection:
                # The fourth of the waits is a child's.
                connection.sendall(b"deep 1\nwaits\nxxx")
                self.begin(server, connection, b"", b"deep=1\n")
                self.stopping(server)
                harness.pause(0.1)
                connection.sendall(b"x" * 47)
                self.assertEqual(receive_all(connection), b"waits=0\n")
            self.assert_ends(server, "drain")

    def test_what_is_owed_is_sent(self):
        for name in "serve", "generators", "tasks":
            count = 6_400_000
            if name == "generators":
                said = b"send %d\n" % (count // 64)
            else:
                said = b"send %d\n" % count
            with (self.subTest(name),
                  Server(plugin(name), options=("-v",)) as server):
                with server.connect() as connection:
                    connection.sendall(said)
                    data = receive_exactly(connection, 1000)
                    self.stopping(server)
                    data += receive_all(connection)
                    self.assertGreaterEqual(len(data), count)
                self.assert_ends(server, "drain")

    def test_the_instance_s_own_task_serves_the_busy_to_their_end(self):
        with Server(plugin("tasks"), options=("-v",)) as server:
            with server.connect() as connection:
                lines = connection.makefile()
                connection.sendall(b"sleep 0\nsl")
                lines.readline()
                self.stopping(server)
                connection.sendall(b"eep 0\nstats\nsl")
                lines.readline()
                before = int(lines.readline().rsplit("=", 1)[1])
                connection.sendall(b"eep 200\nstats\n")
                lines.readline()
                after = int(lines.readline().rsplit("=", 1)[1])
                self.assertGreater(after, before)
                self.assertEqual(lines.readline(), "")
            self.assert_ends(server, "drain")

    def test_the_idle_do_not_wait_for_the_busy(self):
        with Server(plugin("serve"), options=("-v",)) as server:
            with server.connect() as busy, server.connect() as idle:
                self.begin(server, busy, b"owed\nse", b"0\n")
                self.begin(server, idle, b"owed\n", b"0\n")
                self.stopping(server)
                self.assertEqual(receive_all(idle), b"")
                self.assertIsNone(server.process.poll())
                busy.sendall(b"nd 1\n")
                self.assertEqual(receive_all(busy), b"\0")
            self.assert_ends(server, "drain", "drain")

    def test_a_second_signal_cuts_them(self):
        with Server(plugin("serve"), options=("-v",)) as server:
            with server.connect() as half, server.connect() as stuck:
                self.begin(server, half, b"owed\nse", b"0\n")
                self.begin(server, stuck, b"send 90000000\n", b"\0")
                self.stopping(server)
                server.kill(signal.SIGINT)
                server.wait_log("SIGINT: stopping now")
                self.assert_ends(server, "drain", "drain")


class Asked(Stop):
    def test_a_handler_is_asked_once(self):
        with tempfile.NamedTemporaryFile() as calls:
            with Server(plugin("lifecycle"), "log=" + calls.name,
                        options=("-v",)) as server:
                with server.connect() as connection:
                    connection.sendall(b"x")
                    wait_for(lambda: b"read\n" in calls.read(), "the read")
                    self.stopping(server)
                    for _ in range(5):
                        harness.pause(0.05)
                        connection.sendall(b"x")
                self.assert_ends(server, "handler")
            calls.seek(0)
            self.assertEqual(calls.read().count(b"drain\n"), 1)


class Waiting(Stop):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def block(self, connection, name):
        connection.sendall(f"block {self.folder}/{name}\n".encode())

    def unblock(self, name):
        with open(os.path.join(self.folder, name), "w"):
            pass

    def block_before_the_signal(self, server, first, second):
        """The worker stands still, and the signal is what it does next."""
        self.block(first, "first")
        server.wait_log("first")
        # The loop hears of both at once, and signals come last.
        server.kill()
        self.block(second, "second")
        self.unblock("first")
        server.wait_log("second")

    def test_who_waits_in_the_listener_is_served(self):
        path = os.path.join(self.folder, "socket")
        with Server(plugin("serve"), options=("-v",),
                    listen=("127.0.0.1:0", "unix:" + path)) as server:
            with server.connect() as first, server.connect() as second:
                self.block_before_the_signal(server, first, second)
                clients = [server.connect(count % 2) for count in range(20)]
                for client in clients:
                    client.sendall(b"send 3\n")
                self.unblock("second")
                for client in clients:
                    self.assertEqual(receive_all(client), b"\0\1\2")
                    client.close()
                self.assertEqual(receive_all(first), b"")
                self.assertEqual(receive_all(second), b"")
            self.assert_ends(server, *["drain"] * 22)
            self.assertFalse(os.path.exists(path))

    def test_what_came_before_the_signal_is_answered(self):
        with Server(plugin("serve"), options=("-v",)) as server:
            with (server.connect() as first, server.connect() as second,
                  server.connect() as third):
                self.block_before_the_signal(server, first, second)
                third.sendall(b"send 3\n")
                self.unblock("second")
                self.assertEqual(receive_all(third), b"\0\1\2")
                self.assertEqual(receive_all(first), b"")
                self.assertEqual(receive_all(second), b"")
            self.assert_ends(server, "drain", "drain", "drain")


class Times(Stop):
    @needs_options
    def test_what_is_left_at_the_timeout_is_cut(self):
        with Server(plugin("serve"),
                    options=("-v", "--drain-timeout=500ms")) as server:
            with server.connect() as half, server.connect() as stuck:
                with server.connect() as idle:
                    half.sendall(b"se")
                    stuck.sendall(b"send 90000000\n")
                    receive_exactly(stuck, 1)
                    idle.sendall(b"owed\n")
                    receive_exactly(idle, 2)
                    self.stopping(server)
                    self.assertEqual(receive_all(idle), b"")
                self.assert_ends(server, "drain", "drain", "drain")
            self.assertIn("2 connections and 0 tasks did not finish in 0.5 s",
                          server.stderr())

    @needs_options
    def test_the_idle_are_closed_over_the_spread(self):
        with Server("greeting", options=("-v", "--drain-spread=1s")) as server:
            connections = [server.connect() for _ in range(20)]
            for connection in connections:
                connection.sendall(b"x")
                receive_exactly(connection, 12)
            start = time.monotonic()
            self.stopping(server)
            times = []
            for connection in connections:
                self.assertEqual(receive_all(connection), b"")
                times.append(time.monotonic() - start)
                connection.close()
            # None comes before its time, however slow the machine is.
            self.assertGreater(times[10], 0.4)
            self.assertGreater(times[19], 0.8)
            self.assert_ends(server, *["drain"] * 20)


if __name__ == "__main__":
    harness.main()
