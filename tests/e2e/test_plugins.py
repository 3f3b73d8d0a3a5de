# SPDX-License-Identifier: BSD-2-Clause
"""The plugins that come with bevhost, as their manuals describe them."""

import os
import random
import socket
import subprocess
import tempfile

import unittest

import harness
from harness import (Server, receive_all, receive_exactly, run)

HELLO = b"Hello World!"


class Greeting(unittest.TestCase):
    def test_three_sends_three_greetings_end_of_file(self):
        with Server("greeting") as server:
            with server.connect() as connection:
                for chunk in (b"one", b"two", b"\0\xff" * 5000):
                    connection.sendall(chunk)
                    self.assertEqual(receive_exactly(connection, 12), HELLO)
                    if len(chunk) > 100:
                        continue
                connection.shutdown(socket.SHUT_WR)
                rest = receive_all(connection)
                # A long chunk may arrive in parts, each of them answered.
                self.assertEqual(rest, HELLO * (len(rest) // 12))

    def test_is_the_default(self):
        with Server() as server:
            self.assertIn("(greeting)", server.stderr())
            with server.connect() as connection:
                connection.sendall(b"x")
                connection.shutdown(socket.SHUT_WR)
                self.assertEqual(receive_all(connection), HELLO)

    def test_text(self):
        for words in (["text=Hi"], ["Hi"], ["text=a=b"], ["text="]):
            with Server("greeting", *words) as server:
                with server.connect() as connection:
                    connection.sendall(b"x")
                    connection.shutdown(socket.SHUT_WR)
                    self.assertEqual(receive_all(connection).decode(),
                                     words[0].split("=", 1)[-1])

    def test_says_at_v_who_connected_and_what_they_sent(self):
        with Server("greeting", options=("-v",)) as server:
            with server.connect() as connection:
                port = connection.getsockname()[1]
                connection.sendall(b"a\0\x1b[31m\n\xc3\xa9")
                self.assertEqual(receive_exactly(connection, 12), HELLO)
            log = server.wait_log("closed: peer")
            self.assertIn(f"greeting: 127.0.0.1:{port}: connected\n", log)
            self.assertIn(f"greeting: 127.0.0.1:{port}: sent "
                          "'a\\x00\\x1b[31m\\n\\xc3\\xa9'\n", log)

    def test_says_nothing_of_it_otherwise(self):
        # What a sandbox lacks here would be said too.
        with Server("greeting", options=["--sandbox=off"]) as server:
            with server.connect() as connection:
                connection.sendall(b"x")
                self.assertEqual(receive_exactly(connection, 12), HELLO)
            self.assertEqual(server.stop(), 0)
            self.assertEqual(len(server.stderr().splitlines()), 2)


class Echo(unittest.TestCase):
    def test_every_byte_under_any_splitting(self):
        chance = random.Random(862)
        with Server("echo") as server:
            for _ in range(20):
                data = chance.randbytes(chance.randrange(1, 20000))
                with server.connect() as connection:
                    rest = data
                    while rest:
                        length = chance.randrange(1, 4000)
                        connection.sendall(rest[:length])
                        rest = rest[length:]
                    connection.shutdown(socket.SHUT_WR)
                    self.assertEqual(receive_all(connection), data)

    def test_takes_no_parameters(self):
        status, _, stderr = run("-p", "0", "echo", "x=1")
        self.assertEqual(status, 64)
        self.assertIn("echo: unknown parameter 'x'", stderr)


class Discard(unittest.TestCase):
    def test_takes_all_and_answers_nothing(self):
        with Server("discard") as server:
            with server.connect() as connection:
                connection.sendall(b"x" * 10_000_000)
                connection.shutdown(socket.SHUT_WR)
                self.assertEqual(receive_all(connection), b"")
            self.assertEqual(server.stop(), 0)


class Print(unittest.TestCase):
    def test_on_standard_output(self):
        with Server("print", stdout=subprocess.PIPE) as server:
            with server.connect() as connection:
                port = connection.getsockname()[1]
                connection.sendall(b"one\r\n\x1b\\\xff")
                connection.shutdown(socket.SHUT_WR)
                self.assertEqual(receive_all(connection), b"")
            self.assertEqual(server.stop(), 0)
            self.assertEqual(
                server.process.stdout.read().decode(),
                f"Connection from: 127.0.0.1:{port}\n"
                "one\\r\\n\\x1b\\\\\\xff\n")

    def test_in_a_file_with_a_reply(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "log")
            with Server("print", "file=" + path, "reply=hello") as server:
                for chunk in (b"one", b"two"):
                    with server.connect() as connection:
                        connection.sendall(chunk)
                        self.assertEqual(receive_exactly(connection, 5),
                                         b"hello")
                self.assertEqual(server.stop(), 0)
            with open(path) as file:
                lines = file.read().splitlines()
            self.assertEqual(lines[1::2], ["one", "two"])

    def test_a_file_that_cannot_be_written(self):
        status, _, stderr = run("-p", "0", "print", "file=/nowhere/log")
        self.assertEqual(status, 78)
        self.assertIn("print: cannot write to '/nowhere/log': No such file",
                      stderr)

    def test_a_full_disk_is_said_once(self):
        with Server("print", "file=/dev/full", "reply=ok") as server:
            with server.connect() as connection:
                for _ in range(3):
                    connection.sendall(b"x")
                    self.assertEqual(receive_exactly(connection, 2), b"ok")
            self.assertEqual(
                server.stderr().count("cannot write to /dev/full"), 1)

    def test_a_long_line(self):
        with Server("print", stdout=subprocess.PIPE) as server:
            with server.connect() as connection:
                connection.sendall(b"x" * 60000)
                connection.shutdown(socket.SHUT_WR)
                self.assertEqual(receive_all(connection), b"")
            self.assertEqual(server.stop(), 0)
            out = server.process.stdout.read()
            self.assertEqual(out.count(b"x"), 60000)


if __name__ == "__main__":
    harness.main()
