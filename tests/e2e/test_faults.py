# SPDX-License-Identifier: BSD-2-Clause
"""Service is right when system calls fail, or do less than was asked for."""

import os
import re
import socket
import tempfile
import threading

import unittest

import harness
from harness import Server, plugin, receive_all, receive_exactly


def pattern(count):
    return bytes(i % 251 for i in range(count))


@unittest.skipIf(harness.SANITIZERS or harness.UNDER,
                 "they stand before libc themselves")
class Faults(unittest.TestCase):
    def serve(self, faults, *words, **options):
        return Server(*words, env={"LD_PRELOAD": plugin("faults"),
                                   "BEVHOST_FAULTS": faults}, **options)

    def stop(self, server):
        """Returns the log; each fault has happened."""
        self.assertEqual(server.stop(), 0)
        log = server.stderr()
        counts = re.findall(r"faults: \w+=(\d+)", log)
        self.assertTrue(counts)
        self.assertNotIn("0", counts)
        return log

    def greet(self, server):
        with server.connect() as connection:
            connection.sendall(b"x")
            self.assertEqual(receive_exactly(connection, 12), b"Hello World!")


class Accept(Faults):
    def test_errors_are_said_and_pass(self):
        for error in ("ENFILE", "EMFILE", "EPERM", "ENOBUFS", "ENOMEM",
                      "EPROTO", "ENETDOWN", "EHOSTUNREACH", "EOPNOTSUPP"):
            with (self.subTest(error),
                  self.serve(f"accept4={error}/3", "greeting") as server):
                for _ in range(10):
                    self.greet(server)
                self.assertIn("cannot accept on ", self.stop(server))

    def test_what_concerns_one_client_is_not_worth_a_word(self):
        for error in "EINTR", "ECONNABORTED":
            with (self.subTest(error),
                  self.serve(f"accept4={error}/3", "greeting") as server):
                for _ in range(10):
                    self.greet(server)
                self.assertNotIn("cannot accept", self.stop(server))


class Bytes(Faults):
    READS = ("recv=EINTR/2,readv=EINTR/2", "recv=EAGAIN/2,readv=EAGAIN/2",
             "recv=short/2,readv=short/2", "recv=short/1")
    WRITES = ("send=EINTR/2,writev=EINTR/2", "send=EAGAIN/2,writev=EAGAIN/2",
              "send=short/2,writev=short/2", "send=short/1")

    def exchange(self, server, data):
        """What echo sends back for data, which is sent meanwhile."""
        with server.connect() as connection:
            def send():
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)

            sender = threading.Thread(target=send)
            sender.start()
            answer = receive_all(connection)
            sender.join()
        return answer

    def check(self, faults):
        data = pattern(300_000)
        with self.serve(faults, "echo") as server:
            for count in 1, 5, 300_000:
                # Not assertEqual, which would print them.
                self.assertTrue(self.exchange(server, data[:count]) ==
                                data[:count])
            self.assertEqual(server.stop(), 0)
            log = server.stderr()
            # Which of the ways to read is taken depends on the data.
            self.assertRegex(log, r"faults: \w+=[1-9]")

    def test_reads_that_fail_or_are_short(self):
        for faults in self.READS:
            with self.subTest(faults):
                self.check(faults)

    def test_writes_that_fail_or_are_short(self):
        for faults in self.WRITES:
            with self.subTest(faults):
                self.check(faults)

    def test_all_of_them_together(self):
        self.check("accept4=ENFILE/3,recv=short/3,readv=EINTR/3,"
                   "send=EAGAIN/3,writev=short/2")

    def test_what_a_handler_sends_in_other_ways(self):
        data = pattern(200_000)
        for what in "short/2", "EINTR/2", "EAGAIN/2":
            faults = f"writev={what},sendfile={what}"
            with (self.subTest(faults), tempfile.NamedTemporaryFile() as file,
                  self.serve(faults, plugin("serve")) as server):
                file.write(data)
                file.flush()
                with server.connect() as connection:
                    for word in ("send 200000", "reference 200000",
                                 "file " + file.name):
                        connection.sendall(word.encode() + b"\n")
                        self.assertTrue(
                            receive_exactly(connection, len(data)) == data)
                    connection.sendall(b"send 200000\nfile " +
                                       os.fsencode(file.name) + b"\nquit\n")
                    self.assertTrue(receive_all(connection) == data + data)
                self.stop(server)

    def test_tasks_and_generators(self):
        for name in "greeting-async", "greeting-generator":
            for what in "EINTR/2", "EAGAIN/2", "short/1":
                faults = f"recv={what},send={what}"
                with (self.subTest(name + " " + faults),
                      self.serve(faults, name) as server):
                    for _ in range(10):
                        self.greet(server)
                    self.stop(server)


if __name__ == "__main__":
    harness.main()
