# SPDX-License-Identifier: BSD-2-Clause
"""What <bevhost/connect.h> promises, by a plugin that does as it is told."""

import os
import signal
import socket
import unittest

import harness
from harness import Server, plugin, receive_all, receive_exactly, wait_for


class Case(unittest.TestCase):
    def setUp(self):
        self.target = socket.create_server(("127.0.0.1", 0))
        self.target.settimeout(harness.PATIENCE)
        self.addCleanup(self.target.close)
        self.port = self.target.getsockname()[1]

    def accept(self):
        connection, _ = self.target.accept()
        connection.settimeout(harness.PATIENCE)
        self.addCleanup(connection.close)
        return connection

    def start(self, *words, **more):
        server = Server(plugin("outbound"), *words, **more)
        self.addCleanup(server.__exit__)
        return server

    def expect(self, client, *lines):
        for line in lines:
            line = line.encode() + b"\n"
            self.assertEqual(receive_exactly(client, len(line)), line)

    def connected(self, server):
        client = server.connect()
        self.addCleanup(client.close)
        client.sendall(b"connect %d\n" % self.port)
        self.expect(client, "connect 0", "early ESHUTDOWN", "connected 0")
        remote = self.accept()
        self.assertEqual(receive_exactly(remote, 8), b"preface\n")
        return client, remote


class OfAConnection(Case):
    def test_what_is_not_filled_in_is_refused(self):
        with self.start().connect() as client:
            client.sendall(b"wrong\n")
            self.expect(client, "right 0", "size EINVAL", "host EINVAL",
                        "preface EINVAL", "name EINVAL", "event EINVAL")

    def test_what_refuses(self):
        self.target.close()
        with self.start().connect() as client:
            client.sendall(b"connect %d\n" % self.port)
            self.expect(client, "connect 0", "early ESHUTDOWN",
                        "connected ECONNREFUSED")

    def test_cancelled_it_says_nothing(self):
        server = self.start()
        with server.connect() as client:
            client.sendall(b"connect %d\ncancel\nwrong\n" % self.port)
            self.expect(client, "connect 0", "early ESHUTDOWN", "cancelled 0",
                        "right 0", "size EINVAL")

    def test_what_is_owed_arrives_after_a_close(self):
        client, remote = self.connected(self.start())
        client.sendall(b"close\n")
        self.assertEqual(len(receive_all(remote)), 1_000_000)

    def test_an_end_after_the_last_byte_and_reading_goes_on(self):
        client, remote = self.connected(self.start())
        client.sendall(b"eof\n")
        self.expect(client, "eof 0")
        self.assertEqual(receive_all(remote), b"last")
        remote.sendall(b"answer\n")
        self.expect(client, "answer")
        remote.close()
        self.expect(client, "eof 0")

    def test_a_write_callback_can_come_and_be_heard(self):
        client, remote = self.connected(self.start())
        client.sendall(b"hear\n")
        self.assertEqual(receive_exactly(remote, 5), b"heard")
        self.expect(client, "written 0")

    def test_a_reset_is_an_error(self):
        client, remote = self.connected(self.start())
        remote.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                          b"\1\0\0\0\0\0\0\0")
        remote.close()
        self.expect(client, "error ECONNRESET")

    def test_it_ends_with_its_connection(self):
        server = self.start()
        for word in (b"quit\n", None):
            client, remote = self.connected(server)
            if word is not None:
                client.sendall(word)
                self.assertEqual(receive_all(client), b"")
            client.close()
            self.assertEqual(receive_all(remote), b"")
        server.wait_log("no further one")

    def test_too_much_that_waits_closes_its_connection(self):
        server = self.start(options=["-v", "--max-buffer=64k"])
        client, remote = self.connected(server)
        client.sendall(b"flood\n")
        with self.assertRaises(ConnectionResetError):
            receive_all(remote)
        server.wait_log("written to an outbound connection and is not taken")
        server.wait_log("closed: overload")

    def test_what_is_owed_after_a_close_is_dropped_for_want_of_memory(self):
        server = self.start(options=["--max-memory=16M"])
        # The socket's own buffer takes some.
        remotes = []
        for _ in range(6):
            client, remote = self.connected(server)
            client.sendall(b"close 7000000\nwrong\n")
            self.expect(client, "right 0")
            remotes.append(remote)
        server.wait_log("outbound ones of no connection")
        self.assertIn(", 0 were closed for overload, and", server.stderr())
        ends = []
        for remote in remotes:
            try:
                ends.append(len(receive_all(remote)))
            except ConnectionResetError:
                ends.append(0)
        # Those that wait are sent, and the others end with a reset.
        self.assertEqual(set(ends), {0, 7_000_000})

    def test_what_is_owed_after_a_close_is_not_owed_for_ever(self):
        server = self.start(options=["--write-timeout=200ms"])
        client, remote = self.connected(server)
        before = len(os.listdir(f"/proc/{server.pid}/fd"))
        client.sendall(b"close 7000000\nwrong\n")
        self.expect(client, "right 0")
        wait_for(lambda: len(os.listdir(f"/proc/{server.pid}/fd")) ==
                 before - 1, "its end")
        self.assertLess(len(receive_all(remote)), 7_000_000)

    def test_one_that_is_connected_is_not_idle(self):
        server = self.start(options=["--drain-timeout=60s"])
        client, remote = self.connected(server)
        server.kill(signal.SIGTERM)
        # It would be closed if it was.
        harness.pause(0.3)
        remote.sendall(b"still there\n")
        self.expect(client, "still there")
        client.close()
        self.assertEqual(receive_all(remote), b"")
        remote.close()
        self.assertEqual(server.process.wait(harness.PATIENCE), 0)


class OfAnInstance(Case):
    def test_it_is_cancelled_when_the_host_stops(self):
        server = self.start(f"port={self.port}")
        remote = self.accept()
        server.wait_log("instance connected: 0")
        server.kill(signal.SIGTERM)
        self.assertEqual(receive_all(remote), b"")
        self.assertEqual(server.process.wait(harness.PATIENCE), 0)
        self.assertIn("instance event: ECANCELED\n", server.stderr())
        self.assertIn("instance: ESHUTDOWN\n", server.stderr())

    def test_what_refuses(self):
        self.target.close()
        server = self.start(f"port={self.port}")
        server.wait_log("instance connected: ECONNREFUSED")

    def test_too_much_that_waits_is_an_error(self):
        server = self.start(f"port={self.port}", "floods=1",
                            options=["--max-buffer=64k"])
        with self.assertRaises(ConnectionResetError):
            receive_all(self.accept())
        server.wait_log("instance event: ENOMEM")
        self.accept()

    def test_an_end_is_heard(self):
        server = self.start(f"port={self.port}")
        self.accept().close()
        server.wait_log("instance event: eof")
        wait_for(lambda: "instance connected: 0" in server.stderr(), "it")
        self.accept()


if __name__ == "__main__":
    harness.main()
