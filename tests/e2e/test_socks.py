# SPDX-License-Identifier: BSD-2-Clause
"""The socks plugin: RFC 1928, RFC 1929, what it refuses, and its relay."""

import functools
import hashlib
import http.server
import ipaddress
import os
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

import unittest

import harness
from harness import (Server, receive_all, receive_exactly, run, wait_for)

NO_METHOD = b"\5\xff"
NO_AUTH = b"\5\1\0"
WITH_AUTH = b"\5\1\2"
MIB = 1 << 20


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


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


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                          struct.pack("ii", 1, 0))
    connection.close()


def encode(host, port, command=1):
    """A request; a host that is no address is sent as a name."""
    try:
        address = ipaddress.ip_address(host)
        where = (b"\1" if address.version == 4 else b"\4") + address.packed
    except ValueError:
        name = host if isinstance(host, bytes) else host.encode()
        where = b"\3" + bytes([len(name)]) + name
    return bytes([5, command, 0]) + where + struct.pack(">H", port)


def password(user, word):
    return (b"\1" + bytes([len(user)]) + user.encode() +
            bytes([len(word)]) + word.encode())


def receive_reply(connection):
    """The code of a reply, and the address in it."""
    head = receive_exactly(connection, 4)
    assert head[:1] == b"\5" and head[2:3] == b"\0", head
    assert head[3] in (1, 4), head
    packed = receive_exactly(connection, 4 if head[3] == 1 else 16)
    port, = struct.unpack(">H", receive_exactly(connection, 2))
    return head[1], (str(ipaddress.ip_address(packed)), port)


def request(server, host, port, command=1):
    """Asks without a password: (connection, code, address)."""
    connection = server.connect()
    connection.sendall(NO_AUTH)
    assert receive_exactly(connection, 2) == b"\5\0"
    connection.sendall(encode(host, port, command))
    return connection, *receive_reply(connection)


class Target:
    """A listening socket, and connections to it through a server."""

    def __init__(self, server, family=socket.AF_INET):
        self.server = server
        self.socket = socket.create_server(
            ("::1" if family == socket.AF_INET6 else "127.0.0.1", 0),
            family=family, backlog=512)
        self.socket.settimeout(harness.PATIENCE)
        self.host, self.port = self.socket.getsockname()[:2]

    def __enter__(self):
        return self

    def __exit__(self, *_unused):
        self.socket.close()

    def accept(self):
        connection, address = self.socket.accept()
        connection.settimeout(harness.PATIENCE)
        return connection, address[:2]

    def relay(self, host=None):
        """Both ends of a relay: (the client's, the target's)."""
        client, code, _ = request(
            self.server, host or self.host, self.port)
        assert code == 0, code
        return client, self.accept()[0]


def in_background(function, *arguments):
    thread = threading.Thread(target=function, args=arguments)
    thread.start()
    return thread


def send_and_end(connection, data):
    connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)


def fill(connection, piece=b"f" * 65536):
    """Sends until nothing fits any more for a while: how much did."""
    connection.setblocking(False)
    sent, refused = 0, 0
    while refused < 30:
        try:
            sent += connection.send(piece)
            refused = 0
        except BlockingIOError:
            refused += 1
            time.sleep(0.01)
    connection.settimeout(harness.PATIENCE)
    return sent


class Shared(unittest.TestCase):
    """One server for all tests of a class, which it must survive whole."""

    words = ("private=on",)

    @classmethod
    def setUpClass(cls):
        cls.server = Server("socks", *cls.words, options=("-v",))
        cls.pid = cls.server.process.pid
        cls.before = descriptors(cls.pid)

    @classmethod
    def tearDownClass(cls):
        try:
            wait_for(lambda: descriptors(cls.pid) <= cls.before,
                     "the descriptors to be closed")
            status = cls.server.stop()
            assert status == 0, (status, cls.server.stderr()[-2000:])
        finally:
            cls.server.__exit__()

    def answers(self, data):
        """Everything that is answered to data and its end."""
        with self.server.connect() as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            return receive_all(connection)


class Requests(Shared):
    def assert_echoes(self, family, host):
        with Target(self.server, family) as target:
            client, code, bound = request(self.server, host, target.port)
            self.assertEqual(code, 0)
            remote, address = target.accept()
            if ":" not in address[0] or ":" in bound[0]:
                self.assertEqual(bound, address)
            with client, remote:
                client.sendall(b"ping")
                self.assertEqual(receive_exactly(remote, 4), b"ping")
                remote.sendall(b"pong")
                self.assertEqual(receive_exactly(client, 4), b"pong")

    def test_ipv4(self):
        self.assert_echoes(socket.AF_INET, "127.0.0.1")

    @unittest.skipUnless(has_ipv6(), "there is no IPv6")
    def test_ipv6(self):
        self.assert_echoes(socket.AF_INET6, "::1")

    @unittest.skipUnless(has_ipv6(), "there is no IPv6")
    def test_ipv4_in_ipv6(self):
        with Target(self.server) as target:
            client, remote = target.relay("::ffff:127.0.0.1")
            client.close()
            remote.close()

    def test_a_name(self):
        self.assert_echoes(socket.AF_INET, "localhost")

    def test_an_address_as_a_name(self):
        self.assert_echoes(socket.AF_INET, b"127.0.0.1")

    def test_the_log_has_a_line(self):
        with Target(self.server) as target:
            client, remote = target.relay("localhost")
            client.close()
            remote.close()
            self.server.wait_log(
                f": connected to localhost port {target.port}\n")

    def test_all_at_once_with_first_bytes(self):
        with Target(self.server) as target:
            with self.server.connect() as client:
                client.sendall(NO_AUTH + encode(target.host, target.port) +
                               b"first bytes")
                client.shutdown(socket.SHUT_WR)
                remote, _ = target.accept()
                self.assertEqual(receive_all(remote), b"first bytes")
                remote.close()
                self.assertEqual(receive_all(client)[:4], b"\5\0\5\0")

    def test_byte_by_byte(self):
        with Target(self.server) as target:
            with self.server.connect() as client:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for byte in (b"\5\3\1\0\2" +
                             encode("localhost", target.port) + b"data"):
                    client.sendall(bytes([byte]))
                remote, _ = target.accept()
                self.assertEqual(receive_exactly(remote, 4), b"data")
                remote.close()

    def test_refused(self):
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            port = closed.getsockname()[1]
            for host in ("127.0.0.1", "localhost"):
                client, code, bound = request(self.server, host, port)
                self.assertEqual((code, bound), (5, ("0.0.0.0", 0)))
                self.assertEqual(receive_all(client), b"")
                client.close()
        self.assertIn(f"not connected to localhost port {port}: "
                      "Connection refused", self.server.stderr())

    def test_many_names_at_once(self):
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            talk = NO_AUTH + encode("localhost", closed.getsockname()[1])
            clients = [self.server.connect() for _ in range(100)]
            for client in clients:
                client.sendall(talk)
            for client in clients:
                self.assertEqual(receive_all(client)[:4], b"\5\0\5\5")
                client.close()

    def test_unresolvable(self):
        # Names that no resolver is asked for.
        for name in ("no..name", "x" * 70 + ".example", "x" * 255,
                     "unix:/tmp/x", "unix:@x", "127.0.0.1:80", "[::1]"):
            client, code, _ = request(self.server, name, 80)
            self.assertEqual(code, 4, name)
            self.assertEqual(receive_all(client), b"")
            client.close()
        self.assertIn("not connected to no..name port 80: no such name",
                      self.server.stderr())

    def test_other_commands(self):
        for command in (0, 2, 3, 4, 255):
            client, code, bound = request(
                self.server, "127.0.0.1", 80, command)
            self.assertEqual((code, bound), (7, ("0.0.0.0", 0)))
            self.assertEqual(receive_all(client), b"")
            client.close()

    def test_methods(self):
        for methods, chosen in ((b"\1\0", b"\5\0"), (b"\2\2\0", b"\5\0"),
                                (b"\xff" + bytes(range(255)), b"\5\0"),
                                (b"\1\2", NO_METHOD), (b"\1\1", NO_METHOD),
                                (b"\0", NO_METHOD),
                                (b"\xff" + b"\xff" * 255, NO_METHOD)):
            self.assertEqual(self.answers(b"\5" + methods), chosen, methods)

    def test_malformed_requests(self):
        refusal = b"\5\0\5%c\0\1\0\0\0\0\0\0"
        for data, code in (
                (b"\4\1\0\1\x7f\0\0\1\0\x50", 1),  # version
                (b"\5\1\1\1\x7f\0\0\1\0\x50", 1),  # reserved
                (b"\5\1\0\2\x7f\0\0\1\0\x50", 8),  # type of address
                (b"\5\1\0\0\x7f\0\0\1\0\x50", 8),
                (b"\5\1\0\xff", 8),
                (b"\5\1\0\3\0\0\x50", 1),  # empty name
                (encode(b"a\0b", 80), 1),
                (encode(b"a b", 80), 1),
                (encode(b"a\n", 80), 1),
                (encode(b"\xc3\xa9", 80), 1),
                (encode("127.0.0.1", 0), 1)):
            self.assertEqual(self.answers(NO_AUTH + data), refusal % code,
                             data)
            # What follows does not reset the answer.
            self.assertEqual(self.answers(NO_AUTH + data + b"x" * 300_000),
                             refusal % code, data)

    def test_other_protocols(self):
        for data in (b"GET / HTTP/1.1\r\n\r\n", b"\4\1\0\x50\x7f\0\0\1\0",
                     b"\x16\3\1\0\x30", b"\0"):
            self.assertEqual(self.answers(data), b"")
        self.assertIn("not SOCKS version 5", self.server.stderr())

    def test_truncated_at_each_byte(self):
        with Target(self.server) as target:
            for host in (target.host, "::1", "localhost"):
                talk = NO_AUTH + encode(host, target.port)
                for length in range(len(talk)):
                    answer = self.answers(talk[:length])
                    self.assertEqual(
                        answer, b"\5\0" if length >= len(NO_AUTH) else b"",
                        talk[:length])
            # None of them was taken for a request.
            target.socket.setblocking(False)
            with self.assertRaises(BlockingIOError):
                target.socket.accept()
        self.assertIn("ended in its handshake", self.server.stderr())

    def test_reset_at_each_byte(self):
        with Target(self.server) as target:
            talk = NO_AUTH + encode(target.host, target.port)
            for length in range(len(talk) + 1):
                connection = self.server.connect()
                connection.sendall(talk[:length])
                reset(connection)
            self.assert_echoes(socket.AF_INET, "127.0.0.1")

    def test_random_bytes(self):
        import random
        chance = random.Random(1928)
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            talk = (NO_AUTH +
                    encode("127.0.0.1", closed.getsockname()[1]))
            for _ in range(300):
                data = bytearray(talk)
                # Not where it says to where: it shall stay on this machine.
                for place in chance.sample(range(6), 2):
                    data[place] = chance.randrange(256)
                answer = self.answers(bytes(data))
                self.assertIn(answer[:1], (b"", b"\5"), data)

    @unittest.skipUnless(shutil.which("curl"), "there is no curl")
    def test_curl(self):
        with open(__file__, "rb") as file:
            expected = file.read()

        class Quiet(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *_unused):
                pass

        handler = functools.partial(
            Quiet, directory=os.path.dirname(os.path.abspath(__file__)))
        with http.server.ThreadingHTTPServer(
                ("127.0.0.1", 0), handler) as web:
            thread = in_background(web.serve_forever)
            url = (f"http://localhost:{web.server_address[1]}/"
                   + os.path.basename(__file__))
            for option in ("--socks5-hostname", "--socks5"):
                done = subprocess.run(
                    ["curl", "-sS", "--noproxy", "", option,
                     self.server.addresses[0], url],
                    capture_output=True, timeout=harness.PATIENCE)
                self.assertEqual(done.stderr, b"")
                self.assertEqual(done.stdout, expected)
            web.shutdown()
            thread.join()


class Passwords(Shared):
    words = ("private=on", "user=alice", "password=secret")

    def test_right(self):
        with Target(self.server) as target:
            with self.server.connect() as client:
                client.sendall(b"\5\2\0\2")
                self.assertEqual(receive_exactly(client, 2), b"\5\2")
                client.sendall(password("alice", "secret"))
                self.assertEqual(receive_exactly(client, 2), b"\1\0")
                client.sendall(encode(target.host, target.port))
                self.assertEqual(receive_reply(client)[0], 0)
                remote, _ = target.accept()
                client.sendall(b"ping")
                self.assertEqual(receive_exactly(remote, 4), b"ping")
                remote.close()

    def test_wrong(self):
        for user, word in (("alice", "Secret"), ("alice", "secre"),
                           ("alice", "secrets"), ("alice", ""), ("", ""),
                           ("alic", "secret"), ("alices", "secret"),
                           ("", "secret"), ("secret", "alice"),
                           ("alice", "secret\0"), ("a" * 255, "s" * 255)):
            self.assertEqual(
                self.answers(WITH_AUTH + password(user, word) +
                             encode("127.0.0.1", 80)),
                b"\5\2\1\1", (user, word))
        self.assertIn("wrong user or password", self.server.stderr())

    def test_none(self):
        self.assertEqual(self.answers(NO_AUTH), NO_METHOD)
        self.assertEqual(self.answers(b"\5\0"), NO_METHOD)

    def test_another_version(self):
        self.assertEqual(
            self.answers(WITH_AUTH + b"\2\5alice\6secret"), b"\5\2")

    def test_truncated_at_each_byte(self):
        talk = WITH_AUTH + password("alice", "secret")
        for length in range(len(talk)):
            self.assertEqual(
                self.answers(talk[:length]),
                b"\5\2" if length >= len(WITH_AUTH) else b"")
        self.assertEqual(self.answers(talk), b"\5\2\1\0")

    @unittest.skipUnless(shutil.which("curl"), "there is no curl")
    def test_curl(self):
        with Target(self.server) as target:
            def answer():
                remote, _ = target.accept()
                while b"\r\n\r\n" not in remote.recv(65536):
                    pass
                remote.sendall(b"HTTP/1.0 200 OK\r\n\r\nhello")
                remote.close()
            for user, status in (("alice:secret", 0), ("alice:wrong", 97)):
                thread = None if status else in_background(answer)
                done = subprocess.run(
                    ["curl", "-sS", "--noproxy", "", "--proxy-user", user,
                     "--socks5-hostname", self.server.addresses[0],
                     f"http://localhost:{target.port}/"],
                    capture_output=True, timeout=harness.PATIENCE)
                self.assertEqual(done.returncode, status, done.stderr)
                self.assertEqual(done.stdout, b"" if status else b"hello")
                if thread:
                    thread.join()


class Parameters(unittest.TestCase):
    def test_wrong_ones(self):
        for words, said in ((["user=x"], "user and password need each"),
                            (["password=x"], "user and password need each")):
            status, _, stderr = run("-p", "0", "socks", *words)
            self.assertEqual(status, 78, words)
            self.assertIn(said, stderr)
        for words, said in ((["user=", "password=x"], "user"),
                            (["user=" + "x" * 256, "password=x"], "user"),
                            (["private=maybe"], "private"),
                            (["connect-timeout=0s"], "connect-timeout"),
                            (["handshake-timeout=5"], "handshake-timeout"),
                            (["privat=on"], "private"),
                            (["on"], "on")):
            status, _, stderr = run("-p", "0", "socks", *words)
            self.assertEqual(status, 64, words)
            self.assertIn(said, stderr)


class Private(Shared):
    """What is not on the public internet is refused unless private=on."""

    words = ("connect-timeout=50ms",)

    def assert_refused(self, host):
        client, code, bound = request(self.server, host, 9)
        self.assertEqual((code, bound), (2, ("0.0.0.0", 0)), host)
        self.assertEqual(receive_all(client), b"")
        client.close()

    def test_addresses(self):
        for host in ("127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.0.1",
                     "172.16.0.1", "172.31.255.255", "192.168.1.1",
                     "169.254.169.254", "100.64.0.1", "100.127.255.255",
                     "224.0.0.1", "239.255.255.250", "255.255.255.255",
                     "::", "::1", "fc00::1", "fdff::1", "fe80::1",
                     "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
                     "::ffff:169.254.169.254", "::127.0.0.1"):
            self.assert_refused(host)
        self.assertIn("not connected to 169.254.169.254 port 9: not allowed",
                      self.server.stderr())

    def test_names_that_lead_there(self):
        for name in (b"localhost", b"127.0.0.1", b"127.1", b"0x7f.1",
                     b"2130706433", b"0", b"::1", b"::ffff:127.0.0.1",
                     b"012.1", b"fe80::1%1"):
            with self.server.connect() as client:
                client.sendall(NO_AUTH + b"\5\1\0\3" + bytes([len(name)]) +
                               name + b"\0\x09")
                self.assertEqual(receive_exactly(client, 2), b"\5\0")
                self.assertEqual(receive_reply(client)[0], 2, name)

    def test_a_public_address_is_tried(self):
        # For documentation only: there is nobody.
        client, code, _ = request(self.server, "192.0.2.1", 9)
        self.assertNotEqual(code, 2)
        client.close()

    def test_each_address(self):
        """The check alone, at the edges of what it knows."""
        top = os.environ.get("BEVHOST_SRCDIR")
        if not top:
            self.skipTest("BEVHOST_SRCDIR is not set")
        private = {
            "0.255.255.255", "10.255.255.255", "100.64.0.0",
            "100.127.255.255", "127.255.255.255", "169.254.0.0",
            "172.16.0.0", "172.31.255.255", "192.0.0.255", "192.168.0.0",
            "192.168.255.255", "198.18.0.0", "198.19.255.255", "224.0.0.0",
            "240.0.0.1", "255.255.255.255", "::", "::1", "::2",
            "::8.8.8.8", "::ffff:0.0.0.0", "::ffff:192.168.0.1",
            "64:ff9b::10.0.0.1", "64:ff9b:1::1", "2002:7f00:1::1",
            "2002:c0a8:101::", "fc00::", "fdff:ffff::1", "fe80::1",
            "febf::1", "fec0::1", "ff00::", "ff0e::1"}
        public = {
            "1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255",
            "100.128.0.0", "126.255.255.255", "128.0.0.0", "169.253.255.255",
            "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0",
            "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0",
            "223.255.255.255", "::ffff:8.8.8.8", "::1:0:0", "64:ff9b::8.8.8.8",
            "64:ff9a::1", "2001:db8::1", "2002:808:808::1", "2606:4700::1",
            "fbff::1", "fe00::1", "fe7f::1"}
        asked = sorted(private | public)
        self.assertEqual(
            dict(zip(asked, self.check(top, asked))),
            {host: "01"[host in private] for host in asked})

    def check(self, top, hosts):
        driver = r"""
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include "socks.h"

int
main(int argc, char *argv[])
{
	unsigned char bytes[16];
	union socks_addr addr;
	int i, family;

	for (i = 1; i < argc; i++) {
		family = strchr(argv[i], ':') ? AF_INET6 : AF_INET;
		if (inet_pton(family, argv[i], bytes) != 1)
			return 1;
		socks_addr_set(&addr, family, bytes);
		printf("%d\n", socks_addr_is_private(&addr));
	}
	return 0;
}
"""
        with tempfile.TemporaryDirectory() as folder:
            source = os.path.join(folder, "driver.c")
            program = os.path.join(folder, "driver")
            with open(source, "w") as file:
                file.write(driver)
            words = shlex.split(os.environ.get("EVENT_CFLAGS", ""))
            try:
                subprocess.run(
                    [*shlex.split(os.environ.get("CC", "cc")), *words,
                     "-D_GNU_SOURCE", f"-I{top}/include",
                     f"-I{top}/plugins/socks", "-o", program, source,
                     f"{top}/plugins/socks/socks_address.c"],
                    check=True, capture_output=True)
            except (OSError, subprocess.CalledProcessError) as error:
                self.skipTest(f"cannot compile: {error}")
            return subprocess.run([program, *hosts], check=True, text=True,
                                  capture_output=True).stdout.split()


class Times(unittest.TestCase):
    def test_a_handshake_that_takes_too_long(self):
        with Server("socks", "private=on", "handshake-timeout=200ms",
                    options=("-v",)) as server:
            with Target(server) as target:
                client, remote = target.relay()
                for beginning in (b"", b"\5", NO_AUTH, NO_AUTH + b"\5\1"):
                    with server.connect() as connection:
                        connection.sendall(beginning)
                        self.assertEqual(receive_all(connection),
                                         b"\5\0" if len(beginning) > 1
                                         else b"")
                self.assertEqual(
                    server.stderr().count("handshake took too long"), 4)
                wait_for(lambda: server.stderr().count("closed: timeout\n")
                         == 4, "the closes")
                # Longer than that, a relay stays.
                client.sendall(b"x")
                self.assertEqual(receive_exactly(remote, 1), b"x")
                client.close()
                remote.close()

    def test_the_deadline_is_of_the_whole_handshake(self):
        with Server("socks", "handshake-timeout=300ms") as server:
            with server.connect() as connection:
                connection.sendall(b"\5\xff")
                connection.settimeout(0.02)
                for _ in range(255):
                    try:
                        connection.sendall(b"\1")
                        self.assertEqual(connection.recv(100), b"")
                    except TimeoutError:
                        continue
                    break
                else:
                    self.fail("it took all methods, one after the other")

    def deaf_target(self):
        """An address where connecting neither succeeds nor fails."""
        deaf = socket.socket()
        self.addCleanup(deaf.close)
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        # Its queue takes some; who does not fit is not answered.
        for _ in range(4):
            waiting = socket.socket()
            self.addCleanup(waiting.close)
            waiting.setblocking(False)
            waiting.connect_ex(deaf.getsockname())
        return deaf.getsockname()

    def test_a_target_that_does_not_answer(self):
        with Server("socks", "private=on", "connect-timeout=100ms") as server:
            client, code, _ = request(server, *self.deaf_target())
            self.assertEqual(code, 4)
            self.assertEqual(receive_all(client), b"")
            client.close()
            self.assertEqual(server.stop(), 0)

    def test_a_client_that_leaves_while_it_is_connected(self):
        with Server("socks", "private=on", "connect-timeout=1h",
                    options=("-v",)) as server:
            before = descriptors(server.process.pid)
            client = server.connect()
            client.sendall(NO_AUTH + encode(*self.deaf_target()))
            wait_for(lambda: descriptors(server.process.pid) == before + 2,
                     "an attempt")
            reset(client)
            server.wait_log("closed: reset")
            wait_for(lambda: descriptors(server.process.pid) == before,
                     "the descriptors to be closed")
            self.assertNotIn("connected to", server.stderr())
            self.assertEqual(server.stop(), 0)

    def test_stops_while_it_connects(self):
        with Server("socks", "private=on", "connect-timeout=1h",
                    options=("-v",)) as server:
            before = descriptors(server.process.pid)
            with server.connect() as client:
                client.sendall(NO_AUTH + encode(*self.deaf_target()))
                wait_for(lambda: descriptors(server.process.pid) ==
                         before + 2, "an attempt")
                self.assertEqual(server.stop_now(), 0)
                self.assertEqual(receive_all(client), b"\5\0")

    def test_sigterm_lets_relays_go_on_and_a_second_one_ends_them(self):
        with Server("socks", "private=on", options=("-v",)) as server:
            with Target(server) as target:
                client, remote = target.relay()
                talking = server.connect()
                talking.sendall(NO_AUTH)
                self.assertEqual(receive_exactly(talking, 2), b"\5\0")
                server.kill(signal.SIGTERM)
                self.assertEqual(receive_all(talking), b"")
                client.sendall(b"still")
                self.assertEqual(receive_exactly(remote, 5), b"still")
                server.kill(signal.SIGTERM)
                self.assertEqual(receive_all(client), b"")
                with self.assertRaises(ConnectionResetError):
                    receive_all(remote)
                self.assertEqual(server.process.wait(harness.PATIENCE), 0)
                self.assertEqual(server.stderr().count("closed: drain"), 2)
                client.close()
                talking.close()
                remote.close()


class Relays(Shared):
    def setUp(self):
        self.target = Target(self.server)
        self.addCleanup(self.target.socket.close)

    def relay(self):
        client, remote = self.target.relay()
        self.addCleanup(client.close)
        self.addCleanup(remote.close)
        return client, remote

    def test_the_client_ends_first(self):
        data, answer = os.urandom(8 * MIB), os.urandom(8 * MIB)
        client, remote = self.relay()
        thread = in_background(send_and_end, client, data)
        self.assertEqual(hashlib.sha1(receive_all(remote)).digest(),
                         hashlib.sha1(data).digest())
        thread.join()
        # Only now, when the client's side is shut.
        thread = in_background(send_and_end, remote, answer)
        self.assertEqual(hashlib.sha1(receive_all(client)).digest(),
                         hashlib.sha1(answer).digest())
        thread.join()

    def test_the_target_ends_first(self):
        data, answer = os.urandom(8 * MIB), os.urandom(8 * MIB)
        client, remote = self.relay()
        thread = in_background(send_and_end, remote, data)
        self.assertEqual(hashlib.sha1(receive_all(client)).digest(),
                         hashlib.sha1(data).digest())
        thread.join()
        thread = in_background(send_and_end, client, answer)
        self.assertEqual(hashlib.sha1(receive_all(remote)).digest(),
                         hashlib.sha1(answer).digest())
        thread.join()

    def test_both_ways_at_once(self):
        data, answer = os.urandom(16 * MIB), os.urandom(16 * MIB)
        client, remote = self.relay()
        threads = [in_background(send_and_end, client, data),
                   in_background(send_and_end, remote, answer)]
        received = []
        threads.append(in_background(
            lambda: received.append(receive_all(remote))))
        self.assertEqual(hashlib.sha1(receive_all(client)).digest(),
                         hashlib.sha1(answer).digest())
        for thread in threads:
            thread.join()
        self.assertEqual(hashlib.sha1(received[0]).digest(),
                         hashlib.sha1(data).digest())

    def test_a_ping_at_a_time(self):
        client, remote = self.relay()
        for number in range(500):
            ping = str(number).encode()
            client.sendall(ping)
            self.assertEqual(receive_exactly(remote, len(ping)), ping)
            remote.sendall(ping * 2)
            self.assertEqual(receive_exactly(client, len(ping) * 2),
                             ping * 2)

    def assert_holds_back(self, sender, reader):
        base = memory(self.pid)
        sent = fill(sender)
        self.assertLess(memory(self.pid) - base, 3 * MIB)
        thread = in_background(sender.shutdown, socket.SHUT_WR)
        self.assertEqual(len(receive_all(reader)), sent)
        thread.join()

    def test_a_target_that_does_not_read(self):
        client, remote = self.relay()
        self.assert_holds_back(client, remote)
        remote.sendall(b"still here")
        self.assertEqual(receive_exactly(client, 10), b"still here")

    def test_a_client_that_does_not_read(self):
        client, remote = self.relay()
        self.assert_holds_back(remote, client)
        client.sendall(b"still here")
        self.assertEqual(receive_exactly(remote, 10), b"still here")

    def test_one_way_stuck_does_not_stop_the_other(self):
        for way in (0, 1):
            ends = self.relay()
            stuck, other = ends[way], ends[1 - way]
            sent = fill(stuck)
            data = os.urandom(8 * MIB)
            thread = in_background(send_and_end, other, data)
            self.assertEqual(hashlib.sha1(receive_all(stuck)).digest(),
                             hashlib.sha1(data).digest())
            thread.join()
            stuck.shutdown(socket.SHUT_WR)
            self.assertEqual(len(receive_all(other)), sent)

    def test_a_slow_reader_gets_all(self):
        client, remote = self.relay()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        data = os.urandom(4 * MIB)
        thread = in_background(send_and_end, remote, data)
        received = bytearray()
        while chunk := client.recv(3000):
            received += chunk
        thread.join()
        self.assertEqual(received, data)

    def test_a_reset_of_the_client_reaches_the_target(self):
        client, remote = self.relay()
        client.sendall(b"x")
        self.assertEqual(receive_exactly(remote, 1), b"x")
        reset(client)
        with self.assertRaises(ConnectionResetError):
            receive_all(remote)

    def test_a_reset_of_the_target_reaches_the_client(self):
        client, remote = self.relay()
        remote.sendall(b"last words")
        self.assertEqual(receive_exactly(client, 10), b"last words")
        port = client.getsockname()[1]
        reset(remote)
        with self.assertRaises(ConnectionResetError):
            receive_all(client)
        self.server.wait_log(f":{port}: closed: handler: the server: "
                             "Connection reset by peer\n")

    def test_a_reset_after_the_client_has_ended(self):
        client, remote = self.relay()
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(receive_all(remote), b"")
        reset(remote)
        with self.assertRaises(ConnectionResetError):
            receive_all(client)

    def test_a_reset_after_the_target_has_ended(self):
        client, remote = self.relay()
        remote.shutdown(socket.SHUT_WR)
        self.assertEqual(receive_all(client), b"")
        client.sendall(b"x")
        self.assertEqual(receive_exactly(remote, 1), b"x")
        reset(client)
        with self.assertRaises(ConnectionResetError):
            receive_all(remote)

    def test_an_answer_before_all_was_sent_arrives(self):
        """As web servers do that refuse an upload."""
        client, remote = self.relay()
        remote.sendall(b"no, thanks")
        remote.close()
        self.assertEqual(receive_exactly(client, 10), b"no, thanks")
        self.assertEqual(receive_all(client), b"")
        # What it goes on to send is dropped, and resets nothing for a while.
        client.sendall(b"x" * 65536)
        client.shutdown(socket.SHUT_WR)
        port = client.getsockname()[1]
        self.server.wait_log(f"socks: 127.0.0.1:{port}: closed: ")

    def test_resets_at_any_moment(self):
        for count in range(60):
            client, remote = self.target.relay()
            one, other = (client, remote) if count % 2 else (remote, client)
            if count % 3:
                fill_once(one)
            if count % 5 == 0:
                other.recv(100) if count % 3 else None
            reset(one)
            other.close()

    def test_many_relays(self):
        relays = [self.target.relay() for _ in range(200)]
        for number, (client, remote) in enumerate(relays):
            client.sendall(b"%03d" % number)
        for number, (client, remote) in enumerate(relays):
            self.assertEqual(receive_exactly(remote, 3), b"%03d" % number)
            remote.sendall(b"%04d" % number)
            remote.shutdown(socket.SHUT_WR)
        for number, (client, remote) in enumerate(relays):
            self.assertEqual(receive_all(client), b"%04d" % number)
            client.close()
            self.assertEqual(receive_all(remote), b"")
            remote.close()


def fill_once(connection):
    """As much as fits at once."""
    connection.setblocking(False)
    try:
        while True:
            connection.send(b"f" * 65536)
    except BlockingIOError:
        connection.settimeout(harness.PATIENCE)


if __name__ == "__main__":
    harness.main()
