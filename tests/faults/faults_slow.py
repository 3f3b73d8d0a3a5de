# SPDX-License-Identifier: BSD-2-Clause
"""Peers that send byte by byte, plain and with what stands before a handler."""

import ctypes
import ctypes.util
import os
import shutil
import ssl
import subprocess
import tempfile
import time

from host import FaultTest, Host, Load, plugin
from harness import Server
from peers import (BIG, ECHO, MIB, SERVE, Dripper, connect, pattern, reset,
                   until_gone)


class Slowloris(FaultTest):

    def check_times(self, times, seconds):
        self.assertGreaterEqual(min(times), seconds * 0.9)
        self.assertLessEqual(max(times), seconds * 1.1)
        self.figure = (f"{len(times)} cut after {min(times):.2f} to "
                       f"{max(times):.2f} s of {seconds} s")

    def drip(self, host, data, count=50):
        clients = [connect(host.addresses[0]) for _ in range(count)]
        begun = time.monotonic()
        times = until_gone(clients, begun, Dripper(data))
        for client in clients:
            client.close()
        return times

    def test_a_plain_message_byte_by_byte(self):
        with Host(SERVE, ECHO, write_timeout="3s") as host, \
             Load(host, "--connections=20", index=1) as load:
            times = self.drip(host, b"x" * 1000)
            self.check_load(load)
            host.wait_since(0, "closed: slow")
        self.check_times(times, 3)

    def test_no_byte_at_all(self):
        with Host(SERVE, ECHO, first_byte_timeout="3s") as host, \
             Load(host, "--connections=20", index=1) as load:
            clients = [connect(host.addresses[0]) for _ in range(50)]
            times = until_gone(clients, time.monotonic())
            for client in clients:
                client.close()
            self.check_load(load)
            host.wait_since(0, "closed: idle")
        self.check_times(times, 3)

    def test_a_proxy_header_byte_by_byte(self):
        with Host(SERVE, proxy="required", proxy_from='"127.0.0.0/8"',
                  proxy_timeout="3s") as host:
            times = self.drip(
                host, b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2" + b" " * 50)
            host.wait_since(0, "closed: proxy")
        self.check_times(times, 3)


class Half:
    """A client of TLS that reads on after its close_notify, which ssl's
    cannot: by OpenSSL itself."""

    def __init__(self, test, raw):
        name = ctypes.util.find_library("ssl")
        if name is None:
            test.skipTest("no library of OpenSSL")
        self.lib = ctypes.CDLL(name)
        for function in ("TLS_client_method", "SSL_CTX_new", "SSL_new"):
            getattr(self.lib, function).restype = ctypes.c_void_p
        self.context = ctypes.c_void_p(self.lib.SSL_CTX_new(
            ctypes.c_void_p(self.lib.TLS_client_method())))
        self.ssl = ctypes.c_void_p(self.lib.SSL_new(self.context))
        self.lib.SSL_set_fd(self.ssl, raw.fileno())
        test.assertEqual(self.lib.SSL_connect(self.ssl), 1)

    def __enter__(self):
        return self

    def __exit__(self, *_unused):
        self.lib.SSL_free(self.ssl)
        self.lib.SSL_CTX_free(self.context)

    def write(self, data):
        self.lib.SSL_write(self.ssl, data, len(data))

    def end(self):
        self.lib.SSL_shutdown(self.ssl)

    def read(self, count):
        """So many bytes, or fewer at the end."""
        chunks, buffer = [], ctypes.create_string_buffer(65536)
        while count > 0:
            got = self.lib.SSL_read(self.ssl, buffer, min(count, 65536))
            if got <= 0:
                break
            chunks.append(buffer.raw[:got])
            count -= got
        return b"".join(chunks)


class Tls(FaultTest):
    """The same, where there is TLS before the handler."""

    def serve(self, *options):
        folder = tempfile.mkdtemp(prefix="bevhost-faults-")
        self.addCleanup(shutil.rmtree, folder)
        key, cert = os.path.join(folder, "key"), os.path.join(folder, "cert")
        try:
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                 "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                 "-subj", "/CN=localhost", "-keyout", key, "-out", cert],
                check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            self.skipTest(f"no certificate can be made: {error}")
        try:
            return Server(plugin("serve"), options=(
                "-v", "-v", f"--tls-cert={cert}", f"--tls-key={key}",
                *options))
        except AssertionError as error:
            if "without OpenSSL" not in str(error):
                raise
            self.skipTest("built without OpenSSL")

    def context(self):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context

    def memory(self):
        """TLS whose bytes we send ourselves: (tls, what comes, what goes)."""
        comes, goes = ssl.MemoryBIO(), ssl.MemoryBIO()
        return self.context().wrap_bio(comes, goes), comes, goes

    def shake_hands(self, client):
        tls, comes, goes = self.memory()
        while True:
            try:
                tls.do_handshake()
                client.sendall(goes.read())
                return tls, goes
            except ssl.SSLWantReadError:
                client.sendall(goes.read())
                comes.write(client.recv(65536))

    def check_times(self, times, seconds):
        self.assertGreaterEqual(min(times), seconds * 0.9)
        self.assertLessEqual(max(times), seconds * 1.1)
        self.figure = (f"{len(times)} cut after {min(times):.2f} to "
                       f"{max(times):.2f} s of {seconds} s")

    def test_a_hello_byte_by_byte(self):
        with self.serve("--handshake-timeout=3s") as server:
            tls, _, goes = self.memory()
            with self.assertRaises(ssl.SSLWantReadError):
                tls.do_handshake()
            clients = [connect(server.addresses[0]) for _ in range(50)]
            times = until_gone(clients, time.monotonic(),
                               Dripper(goes.read()))
            for client in clients:
                client.close()
            server.wait_log("closed: tls")
        self.check_times(times, 3)

    def test_a_record_byte_by_byte(self):
        with self.serve("--write-timeout=3s") as server:
            client = connect(server.addresses[0])
            tls, goes = self.shake_hands(client)
            tls.write(b"send 1" * 100)
            times = until_gone([client], time.monotonic(),
                               Dripper(goes.read()))
            client.close()
            server.wait_log("closed: slow")
        self.check_times(times, 3)

    def test_a_message_in_records_of_a_byte(self):
        with self.serve("--write-timeout=3s") as server:
            client = connect(server.addresses[0])
            tls, goes = self.shake_hands(client)

            def drip(to):
                tls.write(b"x")
                to.send(goes.read())

            times = until_gone([client], time.monotonic(), drip, every=0.5)
            client.close()
            server.wait_log("closed: slow")
        self.check_times(times, 3)

    def test_half_closed_with_8_mib_owed_every_byte_arrives(self):
        with self.serve("--write-timeout=2s") as server:
            raw = connect(server.addresses[0], 65536)
            raw.settimeout(None)
            with Half(self, raw) as client:
                client.write(BIG)
                begun = time.monotonic()
                data = client.read(MIB)
                client.end()
                time.sleep(1)
                data += client.read(8 * MIB)
                took = time.monotonic() - begun
            self.assertEqual(len(data), 8 * MIB)
            self.assertEqual(data, pattern(8 * MIB))
            raw.close()
            self.assertNotIn("slow", server.stderr())
        self.figure = f"8 MiB in {took:.1f} s"

    def test_rates_hold(self):
        with self.serve("--bytes-out-rate=100k", "--bytes-in-rate=1k",
                        "--write-timeout=1s", "--min-rate=10m") as server:
            client = self.context().wrap_socket(
                connect(server.addresses[0]), server_hostname="localhost")
            begun = time.monotonic()
            client.sendall(b"send %d\n" % (300 << 10))
            data = b""
            while len(data) < 300 << 10:
                data += client.recv(65536)
            took = time.monotonic() - begun
            client.sendall(b"send 3\n" * 300)
            data += client.recv(65536)
            while len(data) < (300 << 10) + 900:
                data += client.recv(65536)
            also = time.monotonic() - begun - took
            client.close()
        self.assertEqual(data, pattern(300 << 10) + b"\0\1\2" * 300)
        self.assertGreaterEqual(took, 1.9)
        self.assertGreaterEqual(also, 1.0)
        self.figure = f"300 KiB at 100 in {took:.1f} s, 2 at 1 in {also:.1f}"

    def test_a_reset_in_each_phase(self):
        with self.serve() as server:
            tls, _, goes = self.memory()
            with self.assertRaises(ssl.SSLWantReadError):
                tls.do_handshake()
            hello = goes.read()
            for cut in range(0, len(hello), 10):
                client = connect(server.addresses[0])
                client.sendall(hello[:cut])
                reset(client)
            for _ in range(50):
                client = connect(server.addresses[0])
                client.sendall(hello)
                client.recv(100)
                reset(client)
                for said in (b"send", BIG, BIG + b"quit\n", b"quit\n"):
                    client = connect(server.addresses[0], 4096)
                    tls, goes = self.shake_hands(client)
                    tls.write(said)
                    client.sendall(goes.read())
                    reset(client)
            client = connect(server.addresses[0])
            tls, goes = self.shake_hands(client)
            client.close()
            self.assertNotIn("signal", server.stderr())
            self.assertEqual(server.stop(), 0)

    def test_a_peer_that_never_reads(self):
        with self.serve("--write-timeout=3s") as server:
            raw = connect(server.addresses[0], 4096)
            client = self.context().wrap_socket(
                raw, server_hostname="localhost")
            client.sendall(BIG)
            times = until_gone([client], time.monotonic())
            client.close()
            server.wait_log("closed: slow")
        self.check_times(times, 3)
