#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The PROXY protocol: who is believed, what of it reaches the handler, the log
and the limits, and how a header that is wrong or late ends."""

import os
import signal
import socket
import struct
import tempfile
import time
import unittest

import harness
from harness import Server, receive_all, receive_exactly, run, wait_for

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
PLUGIN = harness.plugin("proxy")


def v1(client="203.0.113.7", port=1234):
    """A line of version 1."""
    family = "TCP6" if ":" in client else "TCP4"
    to = "2001:db8::2" if ":" in client else "198.51.100.2"
    return f"PROXY {family} {client} {to} {port} 443\r\n".encode()


def tlv(kind, value):
    return struct.pack("!BH", kind, len(value)) + value


def v2(client="203.0.113.7", port=1234, tlvs=b"", command=1, crc=False):
    """A header of version 2."""
    family = socket.AF_INET6 if ":" in client else socket.AF_INET
    to = "2001:db8::2" if ":" in client else "198.51.100.2"
    block = (socket.inet_pton(family, client) + socket.inet_pton(family, to) +
             struct.pack("!HH", port, 443) + tlvs)
    if crc:
        block += tlv(3, b"\0\0\0\0")
    header = SIGNATURE + bytes([
        0x20 | command, 0x21 if ":" in client else 0x11])
    header += struct.pack("!H", len(block)) + block
    if crc:
        header = header[:-4] + struct.pack("!I", crc32c(header))
    return header


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def server(*options, mode="required", networks=("127.0.0.0/8",), **arguments):
    """One that believes this machine unless told otherwise."""
    return Server(PLUGIN, options=[
        f"--proxy={mode}", *(f"--proxy-from={text}" for text in networks),
        *options], **arguments)


class Case(unittest.TestCase):
    def converse(self, host, *chunks):
        """What the handler says of a connection that begins with these
        bytes, and its echo of what it read."""
        with host.connect() as connection:
            for chunk in chunks:
                connection.sendall(chunk)
            connection.shutdown(socket.SHUT_WR)
            said = receive_all(connection)
        lines, echo = said.split(b"ready\n", 1)
        return lines.decode(errors="replace").splitlines(), echo

    def assert_closed(self, connection):
        try:
            self.assertEqual(receive_all(connection), b"")
        except ConnectionResetError:
            pass

    def assert_refused(self, host, *chunks, why=None, reason="proxy"):
        with host.connect() as connection:
            for chunk in chunks:
                connection.sendall(chunk)
            self.assert_closed(connection)
        if why is not None:
            host.wait_log("PROXY header refused: " + why)
        if reason is not None:
            host.wait_log("closed: " + reason)


class Header(Case):
    def test_version_1(self):
        with server() as host:
            said, echo = self.converse(host, v1() + b"hello")
            self.assertEqual(echo, b"hello")
            self.assertIn("client 203.0.113.7 1234", said)
            self.assertIn("text 203.0.113.7:1234", said)
            self.assertIn("version 1 local 0", said)
            self.assertIn("destination 198.51.100.2 443", said)
            self.assertTrue([line for line in said
                             if line.startswith("peer 127.0.0.1 ")], said)
            said, echo = self.converse(host, v1("2001:db8::1"), b"hello")
            self.assertEqual(echo, b"hello")
            self.assertIn("client 2001:db8::1 1234", said)
            self.assertIn("text [2001:db8::1]:1234", said)
            said, _ = self.converse(host, b"PROXY UNKNOWN\r\nhello")
            self.assertTrue([line for line in said
                             if line.startswith("client 127.0.0.1 ")], said)
            self.assertIn("destination none", said)

    def test_version_2(self):
        ssl = (b"\x07" + struct.pack("!I", 0) + tlv(0x21, b"TLSv1.3") +
               tlv(0x22, b"joe") + tlv(0x23, b"AES"))
        tlvs = (tlv(2, b"host.example") + tlv(0x20, ssl) + tlv(0xe0, b"own") +
                tlv(5, b"id") + tlv(0xe0, b"again"))
        with server() as host:
            said, echo = self.converse(
                host, v2(tlvs=tlvs, crc=True) + b"hello")
            self.assertEqual(echo, b"hello")
            self.assertEqual([line for line in said
                              if not line.startswith(("peer", "tlv 03"))], [
                "text 203.0.113.7:1234", "client 203.0.113.7 1234",
                "version 2 local 0", "destination 198.51.100.2 443",
                "tlv 02 host.example", "tlv e0 own", "tlv 05 id",
                "tlv e0 again", "authority 02 host.example", "ssl 7 0",
                "ssl-tlv 21 TLSv1.3", "ssl-tlv 22 joe", "ssl-tlv 23 AES"])
            said, _ = self.converse(host, v2("2001:db8::1"))
            self.assertIn("client 2001:db8::1 1234", said)

    def test_local_and_unix_clients(self):
        block = b"/run/client".ljust(108, b"\0") + bytes(108)
        unix = SIGNATURE + b"\x21\x31" + struct.pack("!H", 216) + block
        with server() as host:
            said, _ = self.converse(host, v2(command=0))
            self.assertIn("version 2 local 1", said)
            self.assertTrue([line for line in said
                             if line.startswith("client 127.0.0.1 ")], said)
            self.assertIn("destination none", said)
            said, _ = self.converse(host, unix)
            self.assertIn("text unix:/run/client", said)
            self.assertIn(f"client family {int(socket.AF_UNIX)}", said)

    def test_a_header_and_its_payload_in_any_pieces(self):
        payload = b"PROXY TCP4 is mine\r\n\r\n"
        with server() as host:
            for header in v1(), v2(tlvs=tlv(4, b"zz")):
                with host.connect() as connection:
                    connection.setsockopt(
                        socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    for byte in header + payload:
                        connection.sendall(bytes([byte]))
                    connection.shutdown(socket.SHUT_WR)
                    said = receive_all(connection)
                self.assertEqual(said.split(b"ready\n", 1)[1], payload)

    def test_the_longest(self):
        with server("-v") as host:
            said, echo = self.converse(
                host, v2(tlvs=tlv(0xe0, b"x" * (4096 - 28 - 3))) + b"end")
            self.assertEqual(echo, b"end")
            self.assertIn("tlv e0 " + "x" * (4096 - 28 - 3), said)
            self.assert_refused(
                host, v2(tlvs=tlv(0xe0, b"x" * (4096 - 28 - 2))),
                why="it is longer than 4096 bytes")

    def test_wrong_ones(self):
        cases = (
            (v2(crc=True)[:-1] + b"\x00", "its checksum is wrong"),
            (b"PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",
             "its destination port is wrong"),
            (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n",
             "its line does not end with CR LF"),
            (v2(tlvs=b"\x02\x00\x09x"), "the length of a TLV is wrong"),
            (SIGNATURE + b"\x31", "its version is neither 1 nor 2"))
        for mode in "required", "optional":
            with self.subTest(mode), server("-v", mode=mode) as host:
                for header, why in cases:
                    self.assert_refused(host, header, why=why)

    def test_cut_short(self):
        for mode in "required", "optional":
            with self.subTest(mode), server("-v", mode=mode) as host:
                with host.connect() as connection:
                    connection.sendall(v2()[:20])
                    connection.shutdown(socket.SHUT_WR)
                    self.assert_closed(connection)
                host.wait_log("PROXY header refused: the peer ended")
                host.wait_log("closed: proxy")
                connection = host.connect()
                connection.sendall(v1()[:20])
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                      struct.pack("ii", 1, 0))
                connection.close()
                host.wait_log("closed: reset")


class Modes(Case):
    def test_required_and_none(self):
        with server("-v") as host:
            self.assert_refused(host, b"GET / HTTP/1.0\r\n",
                                why="the first bytes are no header")

    def test_optional_and_none(self):
        with server(mode="optional") as host:
            for text in b"GET / HTTP/1.0\r\n", b"PROX", b"\r\n\r\n", b"":
                said, echo = self.converse(host, text)
                self.assertEqual(echo, text)
                self.assertIn("version 0 local 0", said)
            said, echo = self.converse(host, v2(), b"hello")
            self.assertIn("client 203.0.113.7 1234", said)
            self.assertEqual(echo, b"hello")

    def test_optional_and_a_peer_that_waits(self):
        """Then the server may be the one to speak first, at the deadline."""
        with server("--proxy-timeout=200ms", mode="optional") as host:
            for begin in b"", b"PRO":
                with host.connect() as connection:
                    connection.sendall(begin)
                    said = b""
                    while not said.endswith(b"ready\n" + begin):
                        chunk = connection.recv(4096)
                        self.assertTrue(chunk, said)
                        said += chunk
                    self.assertIn(b"version 0", said)

    def test_off(self):
        with Server(PLUGIN) as host:
            said, echo = self.converse(host, v1())
            self.assertEqual(echo, v1())
            self.assertIn("version 0 local 0", said)

    def test_from_elsewhere(self):
        """Nobody else is believed, whatever they send."""
        with server("-v", networks=["192.0.2.0/24", "::1"]) as host:
            with host.connect() as connection:
                connection.sendall(v1())
                self.assert_closed(connection)
            host.wait_log("closed: proxy")
            host.wait_log("proxy-from")
        with server("-v", mode="optional", networks=["192.0.2.1"]) as host:
            for header in v1(), v2():
                said, echo = self.converse(host, header)
                self.assertEqual(echo, header)
                self.assertIn("version 0 local 0", said)

    def test_from_a_unix_socket(self):
        with tempfile.TemporaryDirectory() as folder:
            path = "unix:" + os.path.join(folder, "socket")
            with server(listen=[path], networks=["unix"]) as host:
                said, echo = self.converse(host, v1(), b"hello")
                self.assertIn("client 203.0.113.7 1234", said)
                self.assertEqual(echo, b"hello")
            with server("-v", listen=[path]) as host:
                with host.connect() as connection:
                    try:
                        connection.sendall(v1())
                    except BrokenPipeError:
                        pass
                    self.assert_closed(connection)
                host.wait_log("closed: proxy")


class Deadline(Case):
    def test_a_late_header(self):
        with server("-v", "--proxy-timeout=300ms") as host:
            for begin in b"", b"PROXY TCP4", v2()[:-1]:
                self.assert_refused(host, begin,
                                    why="it did not come in time")

    def test_one_byte_after_the_other_buys_no_time(self):
        with server("-v", "--proxy-timeout=1s") as host:
            start = time.monotonic()
            with host.connect() as connection:
                connection.settimeout(0.1)
                for byte in v1() * 100:
                    try:
                        connection.sendall(bytes([byte]))
                        if connection.recv(1) == b"":
                            break
                    except socket.timeout:
                        continue
                    except ConnectionError:
                        break
            elapsed = time.monotonic() - start
            host.wait_log("PROXY header refused: it did not come in time")
            # It would have taken four seconds to send.
            self.assertGreater(elapsed, 0.8)

    def test_a_partial_header_costs_no_time(self):
        def cpu():
            with open(f"/proc/{host.pid}/stat") as file:
                words = file.read().rsplit(")", 1)[1].split()
            return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

        with server("--proxy-timeout=60s", mode="optional") as host, \
                host.connect() as one, host.connect() as other:
            one.sendall(b"PRO")
            other.sendall(v2()[:20])
            self.converse(host, b"hello")
            before = cpu()
            harness.pause(1)
            self.assertLess(cpu() - before, 0.5)


class Client(Case):
    def test_the_log_names_it(self):
        with server("-v", "-v") as host:
            self.converse(host, v1())
            host.wait_log("203.0.113.7:1234: accepted")
            host.wait_log("203.0.113.7:1234: closed: peer")

    def test_limits_count_it(self):
        with server("-v", "--max-connections-per-client=1") as host:
            with host.connect() as first:
                first.sendall(v1("203.0.113.1"))
                receive_exactly(first, 5)
                self.converse(host, v1("203.0.113.2"))
                self.assert_refused(host, v1("203.0.113.1"), reason="limit")
                # Unread bytes would make its end a reset.
                first.shutdown(socket.SHUT_WR)
                receive_all(first)
            # Its place is free again.
            host.wait_log("203.0.113.1:1234: closed: peer")
            self.converse(host, v1("203.0.113.1"))

    def test_access_lists_see_it(self):
        with server("-v", "--deny=203.0.113.0/24", "--deny=127.0.0.0/8",
                    "--allow=all") as host:
            self.converse(host, v1("198.51.100.1"))
            self.assert_refused(host, v1("203.0.113.1"), reason="denied")


class Settings(Case):
    def test_without_networks(self):
        for mode in "required", "optional":
            status, _, errors = run("--no-master", "-l", "127.0.0.1:0",
                                    f"--proxy={mode}")
            self.assertEqual(status, 64, errors)
            self.assertIn(f"--proxy={mode}: nobody may send a PROXY header: "
                          "name the networks of the proxies with "
                          "--proxy-from", errors)

    def test_networks_that_are_asked_nothing(self):
        status, out, errors = run("-t", "-p", "0", "--sandbox=off",
                                  "--proxy-from=10.0.0.0/8")
        self.assertEqual((status, out), (0, "OK\n"))
        self.assertEqual(
            errors, "bevhost: --proxy-from=10.0.0.0/8: --proxy is off, so no "
            "PROXY header is read: make it optional or required, or do "
            "without this\n")
        with Server(options=["--proxy-from=10.0.0.0/8"], master=True) as host:
            self.assertEqual(host.stderr().count("--proxy is off"), 1)
            self.assertEqual(host.reload()[0], 0)
            self.assertEqual(host.stderr().count("--proxy is off"), 2)

    def test_a_wrong_network(self):
        status, _, errors = run("--no-master", "-l", "127.0.0.1:0",
                                "--proxy=required", "--proxy-from=10.0.0.0/33")
        self.assertEqual(status, 64, errors)
        self.assertIn("10.0.0.0/33", errors)

    def write(self, path, text):
        with open(path, "w", encoding="ascii") as file:
            file.write(text)

    def test_in_a_file_and_on_reload(self):
        harness.need_config()
        good = f"""\
listen "127.0.0.1:0" {{
	handler = "{PLUGIN}"
	proxy = required
	proxy-from = {{"127.0.0.0/8", "10.0.0.0/8"}}
}}
"""
        bad = good.replace("proxy-from", "# proxy-from")
        wrong = good.replace("10.0.0.0/8", "10.0.0.0.1/8")
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "conf")
            self.write(path, bad)
            status, _, errors = run("-t", "-c", path)
            self.assertEqual(status, 78, errors)
            self.assertRegex(errors, r"conf:3: proxy = 'required': .*proxy-from")
            self.write(path, wrong)
            status, _, errors = run("-t", "-c", path)
            self.assertEqual(status, 78, errors)
            self.assertRegex(errors, r"conf:4: .*10\.0\.0\.0\.1/8")
            self.write(path, good)
            with Server(listen=(), options=["-c", path],
                        master=True) as host:
                said, _ = self.converse(host, v1())
                self.assertIn("client 203.0.113.7 1234", said)
                self.write(path, bad)
                status, _, errors = host.reload()
                self.assertNotEqual(status, 0)
                self.assertRegex(errors, r"conf:3: proxy = 'required': .*proxy-from")
                said, _ = self.converse(host, v1())
                self.assertIn("client 203.0.113.7 1234", said)
                self.write(path, good.replace("127.0.0.0/8", "192.0.2.1"))
                status, _, errors = host.reload()
                self.assertEqual(status, 0, errors)
                wait_for(lambda: self.is_refused(host),
                         "the new networks to count")

    def is_refused(self, host):
        with host.connect() as connection:
            try:
                connection.sendall(v1())
                return receive_exactly(connection, 1) == b""
            except ConnectionError:
                return True


class Drain(Case):
    def test_a_connection_without_its_header_does_not_delay_a_stop(self):
        with server("--proxy-timeout=60s", "--drain-timeout=60s") as host, \
                host.connect() as connection:
            connection.sendall(b"PROXY ")
            self.converse(host, v1())
            host.kill(signal.SIGTERM)
            self.assertEqual(host.process.wait(harness.PATIENCE), 0)


if __name__ == "__main__":
    harness.main()
