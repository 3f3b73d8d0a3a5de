# SPDX-License-Identifier: BSD-2-Clause
"""The proxy plugin and targets that speak TLS: whom it believes."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import unittest

import harness
from harness import Server, receive_all, run

MIB = 1 << 20


def in_background(function):
    thread = threading.Thread(target=function)
    thread.start()
    return thread


@unittest.skipUnless(shutil.which("openssl"), "there is no program openssl")
class Tls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if "built with OpenSSL" in run("-t", "proxy", "to=a:1", "tls=on")[2]:
            raise unittest.SkipTest("built without OpenSSL")
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.make("ca", "-subj", "/CN=ca.example", "-addext",
                 "basicConstraints=critical,CA:true")
        for name, alt in (("one", "DNS:one.example,DNS:localhost"),
                          ("address", "IP:127.0.0.1")):
            cls.make(name, "-subj", f"/CN={name}.example", "-addext",
                     "subjectAltName=" + alt, "-CA", cls.path("ca.crt"),
                     "-CAkey", cls.path("ca.key"))
        cls.ca = "tls-ca=" + cls.path("ca.crt")

    @classmethod
    def path(cls, name):
        return os.path.join(cls.folder.name, name)

    @classmethod
    def make(cls, name, *words):
        subprocess.run(
            ["openssl", "req", "-x509", "-nodes", "-days", "2", "-newkey",
             "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-keyout",
             cls.path(name + ".key"), "-out", cls.path(name + ".crt"), *words],
            check=True, capture_output=True)

    def target(self, name, *options):
        return Server("echo", options=[
            "--tls-cert=" + self.path(name + ".crt"),
            "--tls-key=" + self.path(name + ".key"), *options])

    def assert_echoes(self, target, *words, size=MIB, to=None):
        data = os.urandom(size)
        with Server("proxy", "to=" + (to or target.addresses[0]), "tls=on",
                    self.ca, *words) as server, server.connect() as client:
            sender = in_background(
                lambda: (client.sendall(data), client.shutdown(socket.SHUT_WR)))
            self.assertEqual(receive_all(client), data)
            sender.join()

    def test_by_address_by_name_and_by_tls_name(self):
        with self.target("address") as target:
            self.assert_echoes(target)
        with self.target("one") as target:
            port = target.addresses[0].rsplit(":", 1)[1]
            self.assert_echoes(target, to="localhost:" + port)
            self.assert_echoes(target, "tls-name=one.example")

    def test_a_header_comes_before_the_handshake(self):
        with self.target("address", "--proxy=required",
                         "--proxy-from=127.0.0.0/8") as target:
            self.assert_echoes(target, "send-proxy=v2", size=1000)

    def test_a_check_shakes_hands(self):
        with self.target("one") as target, \
                Server("proxy", "to=" + target.addresses[0], "tls=on",
                       self.ca, "check=1h") as server:
            server.wait_log("certificate refused: ")
            self.assertIn("is down", server.stderr())

    def assert_refused(self, to, said, *words):
        with Server("proxy", "to=" + to, "tls=on", *words) as server:
            with server.connect() as client:
                client.sendall(b"secret")
                with contextlib.suppress(ConnectionError):
                    self.assertEqual(receive_all(client), b"")
            server.wait_log(said)
            self.assertIn("rests for 1 s", server.stderr())

    def test_another_name(self):
        with self.target("one") as target:
            self.assert_refused(target.addresses[0],
                                "certificate refused: IP address mismatch",
                                self.ca)
            self.assert_refused(target.addresses[0],
                                "certificate refused: hostname mismatch",
                                self.ca, "tls-name=two.example")

    def test_another_authority(self):
        self.make("other", "-subj", "/CN=other.example")
        with self.target("address") as target:
            self.assert_refused(
                target.addresses[0], "certificate refused: unable to get "
                "local issuer certificate", "tls-ca=" + self.path("other.crt"))

    def test_a_target_without_tls(self):
        with Server("greeting") as target:
            self.assert_refused(target.addresses[0], target.addresses[0] + ": ",
                                self.ca)

    def test_a_target_that_says_nothing(self):
        with socket.create_server(("127.0.0.1", 0)) as target:
            self.assert_refused("127.0.0.1:%d" % target.getsockname()[1],
                                "Connection timed out", self.ca,
                                "connect-timeout=100ms")

    def test_files_that_are_none(self):
        for words, said in (
                (["tls-ca=/nowhere"], "/nowhere: No such file or directory"),
                (["tls-ca=/"], "/: it is to be a file with certificates"),
                (["tls-ca=/dev/null"],
                 "/dev/null: it is to be a file with certificates"),
                (["tls-ca=" + self.path("ca.key")],
                 "ca.key: there is no certificate in it that can be read"),
                (["to=unix:/socket", self.ca],
                 "to: unix:/socket: with tls=on it needs tls-name")):
            status, _, stderr = run("--no-master", "-l", "127.0.0.1:0", "proxy",
                                    "to=localhost:1", "tls=on", *words)
            self.assertIn(status, (os.EX_USAGE, os.EX_CONFIG), words)
            self.assertIn(said, stderr)


if __name__ == "__main__":
    harness.main()
