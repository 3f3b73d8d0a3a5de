# SPDX-License-Identifier: BSD-2-Clause
"""One greeting in three models: callbacks, a generator, an async function.

Every test of Greeting runs over each of them, so that no model answers or
logs in another way.
"""

import os
import random
import re
import signal
import socket
import struct
import threading

import unittest

import harness
from harness import (Server, receive_all, receive_exactly, run, wait_for)

HELLO = b"Hello World!"
MODELS = ("greeting", "greeting-generator", "greeting-async")


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                          struct.pack("ii", 1, 0))
    connection.close()


def memory(pid):
    """Resident bytes of a process, without shared files.

    0 when they say nothing: valgrind and sanitizers keep what was freed. The
    latter are known by their terabytes of address space.
    """
    with open(f"/proc/{pid}/status") as status:
        sizes = {line.split()[0]: int(line.split()[1]) * 1024
                 for line in status if line.startswith(("Vm", "Rss"))}
    if harness.UNDER or sizes["VmSize:"] > 1 << 40:
        return 0
    return sizes["RssAnon:"]


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def lines_of(log, model):
    """The lines that a model logged, without its name and with one port."""
    lines = [line for line in log.splitlines()
             if line.startswith(f"bevhost: {model}: ")]
    return [re.sub(r"127\.0\.0\.1:\d+", "PEER", line.split(": ", 2)[2])
            for line in lines]


class Model:
    """The tests, for the model that a subclass names."""

    model = None
    waiting_bytes = None  # what a connection that waits may cost

    def serve(self, *words, **options):
        return Server(self.model, *words, **options)

    def exchange(self, server, chunk, answer=HELLO):
        """Sends one chunk on a connection of its own."""
        with server.connect() as connection:
            connection.sendall(chunk)
            self.assertEqual(receive_exactly(connection, len(answer)), answer)
            connection.shutdown(socket.SHUT_WR)
            self.assertEqual(receive_all(connection), b"")

    def test_each_chunk_gets_one_greeting(self):
        with self.serve() as server:
            with server.connect() as connection:
                for chunk in (b"one", b"\0", b"\xff" * 1000, b"\r\n", b"x"):
                    connection.sendall(chunk)
                    self.assertEqual(receive_exactly(connection, 12), HELLO)
                connection.shutdown(socket.SHUT_WR)
                self.assertEqual(receive_all(connection), b"")

    def test_any_splitting_gets_whole_greetings(self):
        chance = random.Random(6000)
        with self.serve() as server:
            for _ in range(20):
                with server.connect() as connection:
                    pieces = chance.randrange(1, 50)
                    for _ in range(pieces):
                        connection.sendall(
                            b"x" * chance.randrange(1, 3000))
                    connection.shutdown(socket.SHUT_WR)
                    answer = receive_all(connection)
                count = len(answer) // len(HELLO)
                self.assertEqual(answer, HELLO * count)
                self.assertGreaterEqual(count, 1)

    def test_a_long_chunk_is_taken_whole(self):
        with self.serve() as server:
            with server.connect() as connection:
                connection.sendall(b"x" * 3_000_000)
                connection.shutdown(socket.SHUT_WR)
                answer = receive_all(connection)
            self.assertEqual(answer, HELLO * (len(answer) // len(HELLO)))

    def test_text(self):
        long = "long " * 4000
        for word, text in (("text=Hi", "Hi"), ("Hi", "Hi"), ("text=", ""),
                           ("text=a=b", "a=b"), (long, long)):
            with self.serve(word) as server:
                with server.connect() as connection:
                    connection.sendall(b"x")
                    connection.shutdown(socket.SHUT_WR)
                    self.assertEqual(receive_all(connection).decode(), text)

    def test_an_unknown_parameter_is_refused(self):
        status, _, stderr = run("-p", "0", self.model, "txt=x")
        self.assertEqual(status, 64)
        self.assertIn("unknown parameter 'txt'", stderr)
        self.assertIn("text", stderr)

    def test_describes_its_parameter(self):
        _, stdout, _ = run("--dump-plugin=" + self.model)
        self.assertIn(f"name={self.model}\n", stdout)
        self.assertIn("bare_param=text\n", stdout)
        self.assertIn("param_text_default=Hello World!\n", stdout)

    def test_end_of_file_without_a_byte(self):
        with self.serve(options=("-v",)) as server:
            with server.connect() as connection:
                connection.shutdown(socket.SHUT_WR)
                self.assertEqual(receive_all(connection), b"")
            log = server.wait_log("closed:")
            self.assertEqual(lines_of(log, self.model),
                             ["PEER: connected", "PEER: closed: peer"])

    def test_half_close_is_answered_first(self):
        with self.serve("text=" + "x" * 100_000) as server:
            with server.connect() as connection:
                connection.sendall(b"x")
                connection.shutdown(socket.SHUT_WR)
                self.assertEqual(receive_all(connection), b"x" * 100_000)

    def test_logs_at_v(self):
        with self.serve(options=("-v",)) as server:
            with server.connect() as connection:
                connection.sendall(b"a\x1b[31m\n\xc3\xa9\0b")
                self.assertEqual(receive_exactly(connection, 12), HELLO)
                connection.sendall(b"l" * 600)
                self.assertEqual(receive_exactly(connection, 12), HELLO)
            log = server.wait_log("closed:")
            self.assertEqual(lines_of(log, self.model), [
                "PEER: connected",
                "PEER: sent 'a\\x1b[31m\\n\\xc3\\xa9\\x00b'",
                "PEER: sent '" + "l" * 128 + "' and 472 bytes more",
                "PEER: closed: peer"])

    def test_says_nothing_of_it_otherwise(self):
        with self.serve() as server:
            self.exchange(server, b"x")
            self.assertEqual(server.stop(), 0)
            self.assertEqual(lines_of(server.stderr(), self.model), [])

    def test_reset(self):
        with self.serve(options=("-v",)) as server:
            connection = server.connect()
            connection.sendall(b"x")
            self.assertEqual(receive_exactly(connection, 12), HELLO)
            reset(connection)
            log = server.wait_log("closed:")
            self.assertEqual(lines_of(log, self.model), [
                "PEER: connected", "PEER: sent 'x'", "PEER: closed: reset"])
            self.exchange(server, b"x")

    def test_resets_at_any_moment(self):
        with self.serve("text=" + "x" * 100_000) as server:
            pid = server.process.pid
            before = descriptors(pid)
            for count in range(100):
                connection = server.connect()
                if count % 3:
                    connection.sendall(b"x" * (count % 7 * 1000 + 1))
                if count % 2:
                    connection.recv(1 + count % 5 * 10_000
                                    if count % 3 else 0)
                reset(connection)
            self.exchange(server, b"x", b"x" * 100_000)
            wait_for(lambda: descriptors(pid) <= before,
                     "the descriptors to be closed")
            self.assertEqual(server.stop(), 0)

    def test_sigterm_closes_with_drain(self):
        with self.serve(options=("-v",)) as server:
            connections = [server.connect() for _ in range(3)]
            for connection in connections:
                connection.sendall(b"x")
                self.assertEqual(receive_exactly(connection, 12), HELLO)
            server.kill(signal.SIGTERM)
            for connection in connections:
                self.assertEqual(receive_all(connection), b"")
                connection.close()
            self.assertEqual(server.process.wait(harness.PATIENCE), 0)
            lines = lines_of(server.stderr(), self.model)
            self.assertEqual(lines.count("PEER: closed: drain"), 3)
            self.assertEqual(len(lines), 9)

    def test_many_connections(self):
        with self.serve() as server:
            pid = server.process.pid
            before = descriptors(pid)
            connections = [server.connect() for _ in range(500)]
            for _ in range(3):
                for connection in connections:
                    connection.sendall(b"hello")
                for connection in connections:
                    self.assertEqual(receive_exactly(connection, 12), HELLO)
            for connection in connections:
                connection.close()
            wait_for(lambda: descriptors(pid) <= before, "descriptors")
            self.exchange(server, b"x")
            self.assertEqual(server.stop(), 0)

    def test_many_connections_stop_at_once(self):
        with self.serve() as server:
            connections = [server.connect() for _ in range(500)]
            for connection in connections:
                connection.sendall(b"x")
                self.assertEqual(receive_exactly(connection, 12), HELLO)
            server.kill()
            for connection in connections:
                self.assertEqual(receive_all(connection), b"")
                connection.close()
            self.assertEqual(server.process.wait(harness.PATIENCE), 0)

    @unittest.skipUnless(os.sysconf("SC_PAGESIZE") == 4096,
                         "pages have another size")
    def test_a_connection_that_waits_costs_little(self):
        with self.serve() as server:
            pid = server.process.pid
            connections = []
            for count in range(550):
                if count == 50:
                    base = memory(pid)
                connections.append(server.connect())
                connections[-1].sendall(b"x")
                self.assertEqual(receive_exactly(connections[-1], 12), HELLO)
            self.assertLess((memory(pid) - base) / 500, self.waiting_bytes)
            for connection in connections:
                connection.close()

    def test_connections_one_after_the_other_leave_nothing(self):
        with self.serve() as server:
            pid = server.process.pid
            self.exchange(server, b"x")
            before, base = descriptors(pid), memory(pid)
            for _ in range(1000):
                self.exchange(server, b"x")
            wait_for(lambda: descriptors(pid) <= before, "descriptors")
            self.assertLess(memory(pid) - base, 1 << 20)

    def test_a_slow_reader_of_many_greetings(self):
        text = "0123456789" * 6000
        with self.serve("text=" + text) as server:
            pid = server.process.pid
            base = peak = memory(pid)
            with server.connect() as connection:
                connection.setsockopt(socket.IPPROTO_TCP,
                                      socket.TCP_NODELAY, 1)
                sender = threading.Thread(target=self.send_bytes,
                                          args=(connection, 3000))
                sender.start()
                received = bytearray()
                # What was not read waits in the peer's buffers and ours.
                while chunk := connection.recv(50_000):
                    received += chunk
                    peak = max(peak, memory(pid))
                sender.join()
            count = len(received) // len(text)
            self.assertGreaterEqual(count, 1)
            self.assertEqual(received, text.encode() * count)
            self.assertLess(peak - base, 6 << 20)

    @staticmethod
    def send_bytes(connection, count):
        for _ in range(count):
            connection.send(b"x")
        connection.shutdown(socket.SHUT_WR)

    def test_a_peer_that_does_not_read_costs_bounded_memory(self):
        text = "0123456789" * 6000
        with self.serve("text=" + text) as server:
            pid = server.process.pid
            base = memory(pid)
            connection = server.connect()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setblocking(False)
            # Until nothing fits any more: neither answers nor questions.
            refused = 0
            while refused < 100:
                try:
                    connection.send(b"x" * 65536)
                    refused = 0
                except BlockingIOError:
                    refused += 1
                    self.exchange_is_served(server, text)
            self.assertLess(memory(pid) - base, 6 << 20)
            reset(connection)
            self.assertEqual(server.stop(), 0)

    def exchange_is_served(self, server, text):
        """Others are, meanwhile: this also gives the server its time."""
        self.exchange(server, b"x", text.encode())


class Callbacks(Model, unittest.TestCase):
    model = "greeting"
    waiting_bytes = 2048


class Generator(Model, unittest.TestCase):
    model = "greeting-generator"
    waiting_bytes = 2048


class Async(Model, unittest.TestCase):
    model = "greeting-async"
    waiting_bytes = 2048 + 4096  # and the first page of its stack


class Same(unittest.TestCase):
    """What one talk gets and logs, side by side."""

    def talk(self, model, text):
        """Everything that a peer sees of a model, and the log at -v."""
        seen = []
        with Server(model, text, options=("-v",)) as server:
            for chunks in ([], [b"one"], [b"one", b"two\n", b"\0" * 700]):
                with server.connect() as connection:
                    for chunk in chunks:
                        connection.sendall(chunk)
                        seen.append(
                            receive_exactly(connection, len(text)))
                    connection.shutdown(socket.SHUT_WR)
                    seen.append(receive_all(connection))
                wait_for(lambda: server.stderr().count("closed:") ==
                         seen.count(b""), "the end in the log")
            with server.connect() as connection:
                connection.sendall(b"last")
                seen.append(receive_exactly(connection, len(text)))
                server.kill()
                seen.append(receive_all(connection))
            self.assertEqual(server.process.wait(harness.PATIENCE), 0)
            return seen, lines_of(server.stderr(), model)

    def test_the_same_bytes_and_lines(self):
        for text in ("Hello World!", "x" * 5000):
            expected = self.talk(MODELS[0], text)
            self.assertEqual(expected[0][0], b"")
            self.assertEqual(len(expected[1]), 13)
            for model in MODELS[1:]:
                self.assertEqual(self.talk(model, text), expected, model)

    def test_three_models_in_one_host(self):
        words = [word for model in MODELS[1:]
                 for word in ("-l", "127.0.0.1:0", model, "text=" + model)]
        with Server(MODELS[0], "text=" + MODELS[0], *words) as server:
            connections = [server.connect(index)
                           for _ in range(20) for index in range(3)]
            for count, connection in enumerate(connections):
                connection.sendall(b"x")
                connection.shutdown(socket.SHUT_WR)
                self.assertEqual(receive_all(connection).decode(),
                                 MODELS[count % 3])
                connection.close()
            self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    harness.main()
