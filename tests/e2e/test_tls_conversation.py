# SPDX-License-Identifier: BSD-2-Clause
"""Conversations over TLS, with the clients that there are."""

import os
import select
import shutil
import socket
import ssl
import subprocess
import tempfile
import unittest

import harness
from harness import Server, receive_all, receive_exactly

HELLO = b"Hello World!"
MODELS = ("greeting", "greeting-generator", "greeting-async")
LARGE = 8 * 1024 * 1024


def pattern(count):
    """What the serve plugin sends."""
    return bytes(i % 251 for i in range(count))


def need(command):
    if shutil.which(command) is None:
        raise unittest.SkipTest(f"there is no {command}")


class TLS(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        need("openssl")
        cls.folder = tempfile.TemporaryDirectory()
        cls.cert = os.path.join(cls.folder.name, "cert.pem")
        cls.key = os.path.join(cls.folder.name, "key.pem")
        made = subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:P-256", "-nodes", "-keyout", cls.key,
             "-out", cls.cert, "-days", "2", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost"],
            capture_output=True, check=False)
        if made.returncode != 0:
            raise unittest.SkipTest(made.stderr.decode())
        tried = harness.run("--test", *cls.options(), "greeting")
        if "without TLS" in tried[2]:
            raise unittest.SkipTest(tried[2].strip())

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @classmethod
    def options(cls, *more):
        return ("-v", "--tls-cert", cls.cert, "--tls-key", cls.key) + more

    def server(self, *words, more=()):
        return Server(*words, options=self.options(*more))

    def client(self, server, version=None):
        context = ssl.create_default_context(cafile=self.cert)
        if version is not None:
            context.maximum_version = version
        # An end without close_notify is an error, whatever Python's default.
        context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
        return context.wrap_socket(server.connect(),
                                   server_hostname="localhost",
                                   suppress_ragged_eofs=False)

    def end(self, connection):
        """close_notify, and what comes until the server's."""
        with connection.unwrap() as plain:
            return receive_all(plain)

    def test_each_model_greets(self):
        for model in MODELS:
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                with self.subTest(model=model, version=version.name), \
                        self.server(model) as server, \
                        self.client(server, version) as connection:
                    for text in (b"a", b"b" * 70000):
                        connection.sendall(text)
                        self.assertEqual(connection.recv(100)[:12], HELLO)

    def exchange(self, connection, sent):
        """Sends while it receives, in one thread: Python's sockets of TLS are
        for one at a time."""
        got = bytearray()
        at = 0
        connection.setblocking(False)
        while len(got) < len(sent):
            busy = False
            if at < len(sent):
                try:
                    at += connection.send(sent[at:at + 65536])
                    busy = True
                except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    pass
            try:
                chunk = connection.recv(65536)
                self.assertTrue(chunk)
                got.extend(chunk)
                busy = True
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                pass
            if not busy:
                self.assertTrue(any(select.select(
                    [connection], [connection] if at < len(sent) else [], [],
                    harness.PATIENCE)), f"{len(got)} came, {at} went")
        connection.setblocking(True)
        return bytes(got)

    def test_half_closed_peers_get_every_byte(self):
        with self.server("echo") as server:
            with self.client(server) as connection:
                sent = os.urandom(LARGE)
                self.assertTrue(self.exchange(connection, sent) == sent)
                self.assertEqual(self.end(connection), b"")
            server.wait_log("closed: peer")

    def check_files(self, server):
        content = os.urandom(3_000_000)
        few = content[:700]
        with tempfile.TemporaryDirectory() as folder, \
                self.client(server) as connection:
            for name, data in ("large", content), ("small", few):
                with open(os.path.join(folder, name), "wb") as file:
                    file.write(data)
            large, small = (os.path.join(folder, name).encode()
                            for name in ("large", "small"))
            connection.sendall(
                b"send 7\nfile " + large + b"\nsend 9\n"
                + 500 * (b"file " + small + b"\n") + b"mapped " + large
                + b"\nsend 3\nquit\n")
            self.assertTrue(
                receive_all(connection) == pattern(7) + content + pattern(9)
                + 500 * few + content + pattern(3))

    def test_files_arrive(self):
        with self.server(harness.plugin("serve")) as server:
            self.check_files(server)

    @unittest.skipIf(harness.SANITIZERS or harness.UNDER,
                     "they stand before libc themselves")
    def test_files_arrive_though_calls_fail(self):
        for what in "short/2", "EINTR/2", "EAGAIN/2":
            faults = f"read={what},writev={what},sendfile={what}"
            with self.subTest(faults), Server(
                    harness.plugin("serve"), options=self.options(),
                    env={"LD_PRELOAD": harness.plugin("faults"),
                         "BEVHOST_FAULTS": faults}) as server:
                self.check_files(server)
                self.assertEqual(server.stop(), 0)
                self.assertNotRegex(server.stderr(), r"faults: \w+=0")

    def test_a_file_that_becomes_shorter_ends_its_connection(self):
        with self.server(harness.plugin("serve")) as server, \
                tempfile.NamedTemporaryFile() as file:
            for command in (b"file %s\n", b"mapped %s\n",
                            b"file %s\nquit\n", b"mapped %s\nquit\n"):
                file.truncate(30_000_000)
                with self.client(server) as connection:
                    connection.sendall(command % file.name.encode())
                    receive_exactly(connection, 100000)
                    file.truncate(1000)
                    # No close_notify: it does not look whole.
                    with self.assertRaises((ssl.SSLError, OSError)):
                        receive_all(connection)
            server.wait_log("closed: handler")
            log = server.stderr()
            self.assertEqual(log.count("a file is shorter than"), 4)
            self.assertEqual(log.count("closed: error"), 2)
            with self.client(server) as connection:
                connection.sendall(b"send 5\n")
                self.assertEqual(connection.recv(5), pattern(5))
            self.assertEqual(server.stop(), 0)

    def test_a_close_is_told(self):
        with self.server("discard") as server:
            connection = self.client(server)
            connection.sendall(b"x")
            plain = connection.unwrap()
            self.assertEqual(plain.recv(1), b"")
            plain.close()
            server.wait_log("closed: peer")

    def test_an_end_alone_is_a_truncation(self):
        for model in MODELS:
            with self.subTest(model=model), self.server(model) as server:
                connection = self.client(server)
                connection.sendall(b"x")
                self.assertEqual(connection.recv(100), HELLO)
                connection.shutdown(socket.SHUT_WR)
                server.wait_log("closed: truncated")
                connection.close()

    def test_a_reset_is_one(self):
        with self.server("echo") as server:
            connection = self.client(server)
            connection.sendall(b"x")
            self.assertEqual(connection.recv(1), b"x")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                  b"\1\0\0\0\0\0\0\0")
            os.close(connection.detach())
            server.wait_log("closed: reset")

    def test_other_protocols_get_one_line(self):
        for sent, said in ((b"GET / HTTP/1.0\r\n\r\n",
                            "no TLS: plain HTTP on a TLS port"),
                           (b"SSH-2.0-OpenSSH_9.2\r\n",
                            "no TLS: the first bytes are "
                            "53 53 48 2d 32 2e 30 2d (SSH-2.0-)")):
            with self.subTest(sent=sent), self.server("echo") as server:
                with server.connect() as connection:
                    connection.sendall(sent)
                    receive_all(connection)
                server.wait_log(said)
                server.wait_log("closed: tls")
                self.assertEqual(server.stderr().count("no TLS"), 1)

    def test_a_handshake_has_a_deadline(self):
        with self.server("echo",
                         more=("--handshake-timeout=300ms",)) as server:
            with server.connect() as connection:
                connection.sendall(b"\x16\x03\x01")
                self.assertEqual(receive_all(connection), b"")
            server.wait_log("no TLS: handshake-timeout after 300ms")

    def test_a_drain_ends_handshakes(self):
        server = self.server("echo")
        with server, server.connect() as connection:
            connection.sendall(b"\x16\x03\x01")
            server.stop()
            self.assertEqual(receive_all(connection), b"")

    def test_a_try_to_renegotiate_is_refused(self):
        with self.server("echo") as server:
            with subprocess.Popen(
                    ["openssl", "s_client", "-connect", server.addresses[0],
                     "-tls1_2", "-CAfile", self.cert],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT) as client:
                client.stdin.write(b"before\n")
                client.stdin.flush()
                for line in client.stdout:
                    if line == b"before\n":
                        break
                # At the beginning of a line it is a command.
                client.stdin.write(b"R\n")
                client.stdin.flush()
                said = client.stdout.read()
                client.stdin.close()
            self.assertIn(b"RENEGOTIATING", said)
            self.assertIn(b"no renegotiation", said)
            server.wait_log("closed: tls")
            with self.client(server) as connection:
                connection.sendall(b"x")
                self.assertEqual(connection.recv(1), b"x")

    def test_openssl_s_client_talks(self):
        with self.server("echo") as server:
            ran = subprocess.run(
                ["openssl", "s_client", "-connect", server.addresses[0],
                 "-CAfile", self.cert, "-verify_return_error", "-brief"],
                input=b"", capture_output=True,
                timeout=harness.PATIENCE, check=False)
            self.assertIn(b"Verification: OK", ran.stderr)
            self.assertEqual(ran.returncode, 0)
            server.wait_log("closed: peer")

    def test_curl_sees_a_whole_answer(self):
        need("curl")
        reply = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
        with self.server("print", "reply=" + reply) as server:
            port = server.addresses[0].rsplit(":", 1)[1]
            ran = subprocess.run(
                ["curl", "-sS", "--cacert", self.cert, "--resolve",
                 f"localhost:{port}:127.0.0.1", f"https://localhost:{port}/"],
                capture_output=True, timeout=harness.PATIENCE, check=False)
            self.assertEqual(ran.stdout, b"hello", ran.stderr)


if __name__ == "__main__":
    harness.main()
