#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""TLS as clients see it, and certificates that are renewed while it serves."""

import os
import shutil
import ssl
import subprocess
import tempfile
import unittest

import harness
from harness import Server, plugin, receive_exactly, run


def openssl(*words, **options):
    subprocess.run(["openssl", *words], check=True, capture_output=True,
                   timeout=harness.PATIENCE, stdin=subprocess.DEVNULL,
                   **options)


class Case(unittest.TestCase):
    def setUp(self):
        if not shutil.which("openssl"):
            self.skipTest("there is no program openssl")
        self.folder = tempfile.mkdtemp(prefix="bevhost-tls-")
        self.addCleanup(shutil.rmtree, self.folder)
        os.chmod(self.folder, 0o711)
        self.make("ca", ca=True)
        self.make("one")
        if "built without" in run("-t", *self.pair("one"), "greeting")[2]:
            self.skipTest("built without OpenSSL")

    def path(self, name):
        return os.path.join(self.folder, name)

    def make(self, name, ca=False, into=None):
        """A key and a certificate for NAME.example, signed by ca."""
        into = into or name
        new = self.path(into + ".new")
        words = ["req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt",
                 "ec_paramgen_curve:P-256", "-days", "2", "-subj",
                 f"/CN={name}.example/O=Test", "-keyout", new + ".key",
                 "-out", new + ".crt"]
        if not ca:
            words += ["-CA", self.path("ca.crt"), "-CAkey",
                      self.path("ca.key"), "-addext",
                      f"subjectAltName=DNS:{name}.example", "-addext",
                      "basicConstraints=critical,CA:FALSE"]
        result = subprocess.run(["openssl", *words], capture_output=True,
                                text=True, timeout=harness.PATIENCE)
        if result.returncode != 0:
            self.fail(result.stderr)
        for kind in (".key", ".crt"):
            os.replace(new + kind, self.path(into + kind))

    def pair(self, name):
        return [f"--tls-cert={self.path(name + '.crt')}",
                f"--tls-key={self.path(name + '.key')}"]

    def context(self, client=None, **settings):
        context = ssl.create_default_context(cafile=self.path("ca.crt"))
        if client:
            context.load_cert_chain(self.path(client + ".crt"),
                                    self.path(client + ".key"))
        for key, value in settings.items():
            setattr(context, key, value)
        return context

    def shake(self, server, host="one.example", context=None, **options):
        return (context or self.context()).wrap_socket(
            server.connect(), server_hostname=host, **options)

    def said(self, server, *arguments, **options):
        """What the handler knows, as {word: text}."""
        with self.shake(server, *arguments, **options) as client:
            text = b""
            while not text.endswith(b"ready\n"):
                chunk = client.recv(4096)
                self.assertTrue(chunk, text)
                text += chunk
            client.sendall(b"echo")
            self.assertEqual(receive_exactly(client, 4), b"echo")
        return dict(line.partition(" ")[::2]
                    for line in text.decode().splitlines())

    def serve(self, *options, **more):
        return Server(plugin("tls"), options=options, **more)


class Handler(Case):
    def test_knows_what_was_agreed_on(self):
        with self.serve(*self.pair("one"), "--tls-alpn=h2",
                        "--tls-alpn=echo") as server:
            context = self.context()
            context.set_alpn_protocols(["echo"])
            said = self.said(server, context=context)
            self.assertEqual(said["version"], "TLSv1.3")
            self.assertTrue(said["cipher"].startswith("TLS_"))
            self.assertEqual(said["sni"], "one.example")
            self.assertEqual(said["alpn"], "echo")
            self.assertEqual(said["subject"], "none")
            self.assertEqual(said["certificate"], "0")

    def test_knows_nothing_of_a_plain_connection(self):
        with self.serve() as server, server.connect() as client:
            self.assertEqual(receive_exactly(client, 13), b"version none\n")

    def test_knows_the_client_by_its_certificate(self):
        self.make("client")
        with self.serve(*self.pair("one"), "--tls-client=required",
                        f"--tls-client-ca={self.path('ca.crt')}") as server:
            said = self.said(server, context=self.context("client"))
            self.assertEqual(said["subject"], "O=Test,CN=client.example")
            self.assertGreater(int(said["certificate"]), 100)
            with self.assertRaises((ssl.SSLError, ConnectionError)):
                self.shake(server).recv(1)
            server.wait_log("no TLS: ")

    def test_says_whose_certificate_is_refused_and_why(self):
        self.make("client")
        self.make("other", ca=True)
        with self.serve(*self.pair("one"), "--tls-client=optional",
                        f"--tls-client-ca={self.path('other.crt')}") as server:
            with self.assertRaises((ssl.SSLError, ConnectionError)):
                self.shake(server, context=self.context("client")).recv(1)
            # It sends its chain, whose end is nobody for this server.
            server.wait_log(
                "certificate refused: self-signed certificate in certificate "
                "chain (of O=Test,CN=ca.example, issued by "
                "O=Test,CN=ca.example)")

    def test_says_no_before_the_handshake(self):
        with Server(plugin("lifecycle"), "log=/dev/null", "fail=admit",
                    options=[*self.pair("one"), "-v", "-v"]) as server:
            with self.assertRaises((ssl.SSLError, ConnectionError)):
                self.shake(server).recv(1)
            server.wait_log("closed: refused")
            self.assertNotIn("no TLS", server.stderr())


class Names(Case):
    def test_each_has_its_certificate(self):
        self.make("two")
        with self.serve(*self.pair("one"), *self.pair("two")) as server:
            self.assertEqual(self.said(server, "two.example")["sni"],
                             "two.example")
            self.assertEqual(self.said(server, "one.example")["sni"],
                             "one.example")
            with self.assertRaises(ssl.SSLCertVerificationError):
                self.shake(server, "three.example")


class Tickets(Case):
    def test_are_good_for_every_worker_and_after_a_reload(self):
        context = self.context(maximum_version=ssl.TLSVersion.TLSv1_2)
        with self.serve(*self.pair("one"), "--workers=3",
                        master=True) as server:
            with self.shake(server, context=context) as client:
                receive_exactly(client, 8)
                session = client.session
            for _ in range(12):
                with self.shake(server, context=context,
                                session=session) as client:
                    self.assertTrue(client.session_reused)
                    receive_exactly(client, 8)
            self.assertEqual(server.reload()[0], 0)
            with self.shake(server, context=context,
                            session=session) as client:
                self.assertTrue(client.session_reused)

    def test_can_be_turned_off(self):
        context = self.context(maximum_version=ssl.TLSVersion.TLSv1_2)
        with self.serve(*self.pair("one"), "--tls-tickets=off") as server:
            with self.shake(server, context=context) as client:
                receive_exactly(client, 8)
                session = client.session
            with self.shake(server, context=context,
                            session=session) as client:
                self.assertFalse(client.session_reused)


class Renewal(Case):
    def shown(self, server):
        with self.shake(server) as client:
            return client.getpeercert(True)

    def test_a_file_that_changes_is_served(self):
        with self.serve(*self.pair("one"), master=True) as server:
            before = self.shown(server)
            self.make("one")
            server.wait_log(" has changed: reloading")
            server.wait_log("generation 2 serves")
            self.assertNotEqual(self.shown(server), before)

    def test_a_broken_file_leaves_the_old_one_and_is_said_once(self):
        with self.serve(*self.pair("one"), master=True) as server:
            before = self.shown(server)
            with open(self.path("one.crt"), "w") as file:
                file.write("nothing\n")
            log = server.wait_log("generation 1 serves on")
            self.assertIn("reload refused: --tls-cert="
                          f"{self.path('one.crt')}: there is no certificate "
                          "in it", log)
            self.assertEqual(self.shown(server), before)
            harness.pause(3)
            self.assertEqual(server.stderr().count("reload refused"), 1)
            self.make("one")
            server.wait_log("generation 3 serves")
            self.assertNotEqual(self.shown(server), before)


class BadInput(Case):
    def test_what_all_workers_would_say_is_said_once(self):
        os.chmod(self.path("one.key"), 0o644)
        with self.serve(*self.pair("one"), "--workers=3",
                        master=True) as server:
            self.assertEqual(
                server.stderr().count("everybody may read this key"), 1)

    def test_ciphers_that_nobody_can_use_are_said_once(self):
        words = [*self.pair("one"), "--tls-ciphers=ECDHE-RSA-AES128-GCM-SHA256"]
        warning = ("none of these works with the key of a certificate here "
                   "(EC)")
        status, out, err = run("-t", "-p", "0", *words)
        self.assertEqual((status, out, err.count(warning)), (0, "OK\n", 1))
        with self.serve(*words, "--workers=3", master=True) as server:
            self.assertEqual(server.stderr().count(warning), 1)
        status, out, err = run("-t", "-p", "0", *words,
                               "--tls-min-version=1.3")
        self.assertEqual((status, out, err.count("these are for TLS 1.2")),
                         (0, "OK\n", 1))
        self.assertNotIn(warning, err)

    def test_a_section_without_a_certificate(self):
        harness.need_config()
        path = self.path("host.conf")
        with open(path, "w") as file:
            file.write('listen "127.0.0.1:0" {\n\thandler = greeting\n'
                       "\ttls { }\n}\n")
        status, _, err = run("-t", "-c", path)
        self.assertEqual((status, err),
                         (78, f"bevhost: {path}:3: tls {{ }} has no "
                          "certificate, so there is no TLS: name one with "
                          "cert = FILE, or do without this section\n"))

    def test_the_line_of_a_file_is_named(self):
        harness.need_config()
        self.make("two")
        path = self.path("host.conf")
        with open(path, "w") as file:
            file.write('listen "127.0.0.1:0" {\n\thandler = greeting\n\ttls {\n'
                       f'\t\tcert = "{self.path("one.crt")}"\n'
                       f'\t\tkey = "{self.path("two.key")}"\n\t}}\n}}\n')
        status, _, err = run("-t", "-c", path)
        self.assertEqual(status, 78)
        self.assertIn(f"bevhost: {path}:5: tls-key = "
                      f"'{self.path('two.key')}': it is not the key of the "
                      f"certificate in '{self.path('one.crt')}'", err)

    def test_a_start_with_a_missing_key_ends(self):
        os.unlink(self.path("one.key"))
        status, _, err = run("--no-master", "-l", "127.0.0.1:0",
                             *self.pair("one"), "greeting")
        self.assertEqual(status, 66)
        self.assertIn("there is no such file: check the path", err)

    def test_what_is_for_tls_does_not_serve_in_the_clear(self):
        status, _, err = run("-t", "-p", "0", "--tls-alpn=h2", "echo")
        self.assertEqual(status, 64)
        self.assertIn("--tls-alpn=h2: there is no certificate", err)
        status, _, err = run("-t", "-p", "0", *self.pair("one"),
                             f"--tls-client-ca={self.path('ca.crt')}", "echo")
        self.assertEqual(status, 64)
        self.assertIn("--tls-client is off", err)


if __name__ == "__main__":
    harness.main()
