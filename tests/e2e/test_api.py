# SPDX-License-Identifier: BSD-2-Clause
"""What libevent promises of a bufferevent holds for a handler's, on the fast
path too: see plugins/serve.c for the commands."""

import os
import socket
import struct
import tempfile
import threading
import time

import unittest

import harness
from harness import Server, plugin, receive_all, receive_exactly, wait_for


def pattern(count):
    block = bytes(range(251))
    return (block * (count // 251 + 1))[:count]


class Serve(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(plugin("serve"))

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

    def ask(self, connection, command, answer):
        connection.sendall(command.encode() + b"\n")
        self.assertEqual(receive_exactly(connection, len(answer)), answer)


class Output(Serve):
    def test_small_answers_in_order(self):
        connection = self.connect()
        for count in range(1, 300):
            self.ask(connection, f"send {count}", pattern(count))

    def test_many_commands_in_one_segment(self):
        connection = self.connect()
        connection.sendall(b"send 1000\n" * 500)
        self.assertEqual(receive_exactly(connection, 500_000),
                         pattern(1000) * 500)

    def test_64_mib_at_once(self):
        connection = self.connect()
        connection.sendall(b"send 67108864\n")
        self.assertEqual(receive_exactly(connection, 1 << 26),
                         pattern(1 << 26))

    def test_write_from_a_timer(self):
        self.ask(self.connect(), "after 10", b"after")

    def test_write_from_another_connection(self):
        with Server(plugin("serve")) as server:
            first, second = server.connect(), server.connect()
            with first, second:
                # The first is `last` in the plugin's words while open.
                first.sendall(b"send 1\n")
                self.assertEqual(receive_exactly(first, 1), b"\0")
                second.sendall(b"other\n")
                self.assertEqual(receive_exactly(first, 5), b"other")

    def test_reference_is_released_before_close(self):
        with Server(plugin("serve")) as server:
            with server.connect() as connection:
                connection.sendall(b"reference 5000000\n")
                self.assertEqual(receive_exactly(connection, 5_000_000),
                                 pattern(5_000_000))
            # One whose peer goes while most of it is still to be sent.
            with server.connect() as connection:
                connection.sendall(b"reference 5000000\n")
                receive_exactly(connection, 1000)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                      struct.pack("ii", 1, 0))

            def closed():
                with server.connect() as connection:
                    connection.sendall(b"reasons\n")
                    return connection.makefile().readline().split()

            wait_for(lambda: "reset" in closed(), "the reset")
            self.assertIn("references=0", closed())

    def test_file(self):
        content = os.urandom(3_000_000)
        with tempfile.NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            connection = self.connect()
            connection.sendall(f"send 7\nfile {file.name}\nsend 9\n".encode())
            self.assertEqual(receive_exactly(connection, 3_000_016),
                             pattern(7) + content + pattern(9))
            connection.sendall(f"file {file.name}\nquit\n".encode())
            self.assertEqual(receive_all(connection), content)

    def test_many_files_to_a_full_socket(self):
        content = os.urandom(2048)
        with tempfile.NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            connection = self.connect()
            command = f"file {file.name}\n".encode()
            sender = threading.Thread(
                target=connection.sendall, args=(command * 4000,))
            sender.start()
            harness.pause(0.5)
            data = receive_exactly(connection, 4000 * 2048)
            sender.join()
            self.assertEqual(data, content * 4000)

    def test_a_file_that_becomes_shorter_ends_its_connection(self):
        with Server(plugin("serve"), options=("-v",)) as server, \
                tempfile.NamedTemporaryFile() as file:
            file.write(b"x" * 30_000_000)
            file.flush()
            for command in (b"", b"quit\n"):
                os.truncate(file.name, 30_000_000)
                with server.connect() as connection:
                    connection.sendall(
                        f"file {file.name}\n".encode() + command)
                    receive_exactly(connection, 1000)
                    os.truncate(file.name, 1000)
                    start = time.monotonic()
                    try:
                        receive_all(connection)
                    except ConnectionResetError:
                        pass
                    self.assertLess(time.monotonic() - start, 20)
            log = server.wait_log("closed: handler")
            self.assertIn("closed: error", log)
            self.assertEqual(log.count("a file is shorter than"), 2)

    def test_disabled_writing_holds_the_output(self):
        connection = self.connect()
        connection.sendall(b"cork\nsend 100\n")
        connection.settimeout(0.2)
        with self.assertRaises(TimeoutError):
            connection.recv(1)
        connection.settimeout(harness.PATIENCE)
        connection.sendall(b"uncork\n")
        self.assertEqual(receive_exactly(connection, 100), pattern(100))
        self.ask(connection, "send 10", pattern(10))

    def test_disabled_after_the_write_but_in_the_same_callback(self):
        connection = self.connect()
        connection.sendall(b"send 100\ncork\n")
        connection.settimeout(0.2)
        with self.assertRaises(TimeoutError):
            connection.recv(1)
        connection.settimeout(harness.PATIENCE)
        connection.sendall(b"uncork\n")
        self.assertEqual(receive_exactly(connection, 100), pattern(100))

    def test_disabled_with_a_backlog(self):
        connection = self.connect()
        connection.sendall(b"watermark 0\nsend 20000000\n")
        receive_exactly(connection, 1000)
        connection.sendall(b"cork\n")
        connection.sendall(b"uncork\nsend 5\n")
        self.assertEqual(
            receive_exactly(connection, 20_000_005 - 1000),
            pattern(20_000_000)[1000:] + pattern(5))

    def test_close_sends_what_was_held(self):
        connection = self.connect()
        connection.sendall(b"cork\nsend 3000000\nquit\n")
        self.assertEqual(receive_all(connection), pattern(3_000_000))

    def test_enabling_twice_changes_nothing(self):
        connection = self.connect()
        connection.sendall(b"uncork\nuncork\nsend 100\nuncork\n")
        self.assertEqual(receive_exactly(connection, 100), pattern(100))
        self.ask(connection, "send 10", pattern(10))

    def test_write_callback_at_zero_and_at_the_low_watermark(self):
        connection = self.connect()
        self.ask(connection, "low 0\nsend 10", pattern(10) + b"low")
        self.ask(connection, "low 100000\nsend 9000000",
                 pattern(9_000_000) + b"low")

    def test_answers_arrive_though_nothing_follows(self):
        # Whole and in parts, with the socket's buffer just full or not.
        connection = self.connect()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        for count in (1, 4096, 65536, 200_000):
            self.ask(connection, f"send {count}", pattern(count))


class Timeouts(Serve):
    def test_read_timeout(self):
        with Server(plugin("serve"), options=("-v",)) as server:
            with server.connect() as connection:
                start = time.monotonic()
                connection.sendall(b"timeout 300\n")
                self.assertEqual(receive_all(connection), b"")
                self.assertGreater(time.monotonic() - start, 0.25)
            server.wait_log("closed: timeout")

    def test_reading_starts_the_read_timeout_anew(self):
        connection = self.connect()
        connection.sendall(b"timeout 600\n")
        start = time.monotonic()
        for _ in range(5):
            connection.sendall(b"nothing\n")
            harness.pause(0.2)
        self.assertEqual(receive_all(connection), b"")
        self.assertGreater(time.monotonic() - start, 1.2)

    def test_write_timeout_only_while_something_is_owed(self):
        connection = self.connect()
        connection.sendall(b"stuck 300\n")
        connection.settimeout(0.8)
        with self.assertRaises(TimeoutError):
            connection.recv(1)
        connection.settimeout(harness.PATIENCE)
        self.ask(connection, "send 10", pattern(10))

    def test_write_timeout_of_a_stuck_peer(self):
        with Server(plugin("serve"), options=("-v",)) as server:
            with server.connect() as connection:
                connection.sendall(b"stuck 300\nsend 20000000\n")
                harness.pause(1)
                # It closes for that, but what is owed is still sent.
                self.assertEqual(receive_all(connection),
                                 pattern(20_000_000))
            server.wait_log("closed: timeout")

    def test_write_timeout_counts_from_the_write(self):
        connection = self.connect()
        connection.sendall(b"stuck 1000\n")
        # Enabled with nothing to send: its timer must not end this.
        connection.settimeout(0.8)
        with self.assertRaises(TimeoutError):
            connection.recv(1)
        connection.settimeout(harness.PATIENCE)
        connection.sendall(b"send 9000000\n")
        harness.pause(0.4)
        self.assertEqual(receive_exactly(connection, 9_000_000),
                         pattern(9_000_000))


class Input(Serve):
    def test_disabled_reading(self):
        connection = self.connect()
        start = time.monotonic()
        self.ask(connection, "deaf 300\nsend 1", pattern(1))
        self.ask(connection, "send 10", pattern(10))
        self.assertGreater(time.monotonic() - start, 0.15)

    def test_other_callbacks(self):
        connection = self.connect()
        # The byte says that the line before it has been seen.
        self.ask(connection, "chat\nsend 1", pattern(1))
        self.ask(connection, "send 3", b"chat: send 3\n")

    def test_reset_while_reading_is_disabled(self):
        with Server(plugin("serve"), options=("-v",)) as server:
            with server.connect() as connection:
                connection.sendall(b"deaf 100\nsend 1\n")
                receive_exactly(connection, 1)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                      struct.pack("ii", 1, 0))
            server.wait_log("closed: reset")


class Reason(unittest.TestCase):
    """What a handler says of its close: its word is what close is told and
    what is counted, its text stands in the log."""

    SLOW, RESET, LIFETIME = 15, 3, 16

    def server(self, *options, name="serve"):
        server = Server(plugin(name), options=options or ("-v",))
        self.addCleanup(server.__exit__)
        return server

    def closed(self, server, commands):
        """The line of the log for a connection that sends these."""
        with server.connect() as connection:
            port = connection.getsockname()[1]
            connection.sendall(commands)
            receive_all(connection)
        log = server.wait_log(f":{port}: closed: ")
        return [line.split(": closed: ")[1] for line in log.splitlines()
                if f":{port}: closed: " in line]

    def test_a_word_of_the_hosts(self):
        server = self.server()
        for how in (b"quit", b"abort"):
            self.assertEqual(
                self.closed(server, b"because 15\n" + how + b"\n"), ["slow"])
        self.assertEqual(self.closed(server, b"quit\n"), ["handler"])
        with server.connect() as connection:
            connection.sendall(b"reasons\nquit\n")
            self.assertEqual(receive_all(connection),
                             b"slow slow handler references=0\n")

    def test_a_text_of_its_own(self):
        server = self.server()
        self.assertEqual(
            self.closed(server, b"because 2 full\xff\nquit\n"),
            ["handler: full\\xff: Broken pipe"])
        self.assertEqual(
            self.closed(server, b"because 15 first\n"
                        b"because 16 then this\nsend 3\nquit\n"),
            ["lifetime: then this: Broken pipe"])

    def test_a_text_that_is_too_long_is_cut(self):
        line, = self.closed(
            self.server(), b"because 15 " + b"x" * 1000 + b"\nquit\n")
        self.assertEqual(line, "slow: " + "x" * 252 + "...")

    def test_not_once_it_closes(self):
        server = self.server()
        with server.connect() as connection:
            connection.sendall(b"because 15 what it says\nsend 1\n")
            receive_exactly(connection, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                  struct.pack("ii", 1, 0))
        # The host is first, and for a reason of its own.
        self.assertTrue(
            server.wait_log("closed: ").endswith("closed: reset\n"))

    def test_the_host_has_its_own_text(self):
        server = self.server("-v", "--idle-timeout=100ms")
        self.assertEqual(self.closed(server, b"because 14 of mine\nsend 1\n"),
                         ["idle"])

    def test_no_reason_is_the_handlers_and_said(self):
        server = self.server()
        for number in (0, 17, -1, 1000):
            self.assertEqual(
                self.closed(server, b"because %d so\nquit\n" % number),
                ["handler: so: Broken pipe"])
        self.assertEqual(server.stderr().count(
            ": bevhost_conn_set_reason: 17 is no reason: use one of "
            "enum bevhost_reason"), 1)

    def test_the_end_of_a_generator_and_of_a_task(self):
        for name in ("generators", "tasks"):
            with self.subTest(name):
                self.assertEqual(
                    self.closed(self.server(name=name), b"because\n"),
                    ["limit: 7 of them"])


class Lent(Serve):
    def test_the_host_reads_and_writes_no_more(self):
        connection = self.connect()
        self.ask(connection, "lend", b"lent\n")
        connection.sendall(b"send 5\n")
        harness.pause(0.05)  # it would answer
        connection.setblocking(False)
        with self.assertRaises(BlockingIOError):
            connection.recv(1)

    def test_not_while_bytes_are_in_the_buffers(self):
        connection = self.connect()
        connection.sendall(b"send 5\nlend\n")
        self.assertEqual(receive_exactly(connection, 10),
                         pattern(5) + b"busy\n")
        connection.sendall(b"lend\nsend 5\n")
        self.assertEqual(receive_exactly(connection, 10),
                         b"busy\n" + pattern(5))
        self.ask(connection, "lend", b"lent\n")

    def test_a_reset_is_heard(self):
        with Server(plugin("serve"), options=("-v",)) as server:
            connection = server.connect()
            connection.sendall(b"lend\n")
            self.assertEqual(receive_exactly(connection, 5), b"lent\n")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                  struct.pack("ii", 1, 0))
            connection.close()
            server.wait_log("closed: reset")

    def test_a_drain_does_not_take_it_for_idle(self):
        with Server(plugin("serve"),
                    options=("-v", "--drain-timeout=200ms")) as server:
            with server.connect() as connection:
                connection.sendall(b"lend\n")
                self.assertEqual(receive_exactly(connection, 5), b"lent\n")
                self.assertEqual(server.stop(), 0)
                self.assertEqual(connection.recv(1), b"")
            self.assertIn("1 connections and 0 tasks did not finish",
                          server.stderr())


class Backpressure(Serve):
    def test_turned_off(self):
        connection = self.connect()
        connection.sendall(b"watermark 0\nsend 30000000\n")
        receive_exactly(connection, 1)
        connection.sendall(b"owed\n")
        data = receive_exactly(connection, 30_000_000 - 1)
        self.assertEqual(data, pattern(30_000_000)[1:])
        owed = connection.makefile().readline()
        # It was read at once: most of the answer was still to be sent.
        self.assertGreater(int(owed), 10_000_000)

    def test_set_lower(self):
        connection = self.connect()
        connection.sendall(b"watermark 1000\n")
        for _ in range(20):
            self.ask(connection, "send 500000", pattern(500_000))


if __name__ == "__main__":
    harness.main()
