#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Behind real balancers, HAProxy and nginx: whom they say the client is, and
that a restart of one of two costs no request."""

import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest

import harness
from harness import Server, receive_all, wait_for

NGINX_MODULES = "/usr/lib/nginx/modules"


def listening():
    """A socket that a balancer is to accept from."""
    return socket.create_server(("127.0.0.1", 0))


class Balancer:
    """A program in front, with a listening socket that it inherits."""

    def __init__(self, folder, words, listener, env=None):
        self.address = listener.getsockname()
        self.log = open(os.path.join(folder, "log"), "w+b")
        self.process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=self.log,
            stderr=self.log, pass_fds=[listener.fileno()],
            env={**os.environ, **(env or {})})
        listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_unused):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()

    def connect(self):
        return socket.create_connection(self.address, harness.PATIENCE)


def need(program):
    path = shutil.which(program, path=os.environ.get("PATH", "") +
                        ":/usr/sbin:/usr/local/sbin")
    if path is None:
        raise unittest.SkipTest(f"{program} is not installed")
    return path


def haproxy(folder, listener, servers, bind="", lines=""):
    """HAProxy in front of servers, each a line's words after its name."""
    program = need("haproxy")
    path = os.path.join(folder, "haproxy.cfg")
    backends = "\n".join(f"    server s{number} {words}"
                         for number, words in enumerate(servers))
    with open(path, "w", encoding="ascii") as file:
        file.write(f"""
global
    maxconn 200
    stats socket {folder}/admin level admin
defaults
    mode tcp
    timeout connect 10s
    timeout client 60s
    timeout server 60s
    retries 5
    option redispatch 1
{lines}
frontend front
    bind fd@{listener.fileno()} {bind}
    default_backend back
backend back
{backends}
""")
    return Balancer(folder, [program, "-db", "-f", path], listener)


def nginx(folder, listener, server):
    """nginx's stream module in front of a server."""
    program = need("nginx")
    module = os.path.join(NGINX_MODULES, "ngx_stream_module.so")
    if not os.path.exists(module):
        raise unittest.SkipTest("nginx has no stream module here")
    path = os.path.join(folder, "nginx.conf")
    host, port = listener.getsockname()
    with open(path, "w", encoding="ascii") as file:
        file.write(f"""
load_module {module};
daemon off;
pid {folder}/pid;
error_log stderr notice;
events {{ }}
stream {{
    server {{
        listen {host}:{port};
        proxy_pass {server};
        proxy_protocol on;
    }}
}}
""")
    return Balancer(folder, [program, "-p", folder, "-e", "stderr", "-c",
                             path], listener,
                    env={"NGINX": f"{listener.fileno()};"})


def behind(name=None, *options, **arguments):
    """A bevhost that wants a header from this machine."""
    return Server(name or harness.plugin("proxy"), options=[
        "--proxy=required", "--proxy-from=127.0.0.0/8", *options],
        **arguments)


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def converse(self, connection):
        """What the handler says of the client, and then an echo."""
        said = b""
        with connection:
            connection.sendall(b"PROXY is no header now\r\n")
            while not said.endswith(b"ready\nPROXY is no header now\r\n"):
                chunk = connection.recv(4096)
                self.assertTrue(chunk, said)
                said += chunk
        return said.decode(errors="replace").splitlines()[:-2]

    def assert_client(self, connection, version):
        """The handler hears of our address, not of the balancer's."""
        host, port = connection.getsockname()
        at = connection.getpeername()
        said = self.converse(connection)
        self.assertIn(f"client {host} {port}", said)
        self.assertIn(f"version {version} local 0", said)
        self.assertIn(f"destination {at[0]} {at[1]}", said)
        self.assertNotIn(f"peer {host} {port}", said)
        return said


class Haproxy(Case):
    def front(self, server, words, listener=None, **arguments):
        need("haproxy")
        return haproxy(self.folder, listener or listening(),
                       [f"{server.addresses[0]} {words}"], **arguments)

    def test_send_proxy(self):
        with behind() as server, self.front(server, "send-proxy") as front:
            self.assert_client(front.connect(), 1)

    def test_send_proxy_v2(self):
        with behind() as server, \
                self.front(server, "send-proxy-v2") as front:
            self.assert_client(front.connect(), 2)

    def test_send_proxy_v2_options(self):
        options = "send-proxy-v2 proxy-v2-options crc32c,unique-id"
        with behind() as server, \
                haproxy(self.folder, listening(),
                        [f"{server.addresses[0]} {options}"],
                        lines="    unique-id-format id-%pid") as front:
            said = self.assert_client(front.connect(), 2)
        self.assertTrue([line for line in said
                         if line.startswith("tlv 05 id-")], said)
        self.assertTrue([line for line in said
                         if line.startswith("tlv 03 ")], said)

    def test_health_checks(self):
        """They speak for HAProxy itself, and find the server up."""
        with behind(None, "-v", "-v") as server, \
                self.front(server, "send-proxy-v2 check inter 50ms"):
            server.wait_log("accepted")
            wait_for(lambda: server.stderr().count("accepted") > 3,
                     "some checks")
            self.assertNotIn("refused", server.stderr())

    def certificate(self, name):
        openssl = need("openssl")
        path = os.path.join(self.folder, name + ".pem")
        key = os.path.join(self.folder, name + ".key")
        subprocess.run(
            [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes",
             "-subj", f"/CN={name}", "-days", "2", "-keyout", key,
             "-out", path], check=True, capture_output=True,
            timeout=harness.PATIENCE)
        with open(path, "a", encoding="ascii") as file, \
                open(key, encoding="ascii") as other:
            file.write(other.read())
        return path

    def client_context(self, certificate=None):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_alpn_protocols(["example"])
        if certificate:
            context.load_cert_chain(certificate)
        return context

    def test_send_proxy_v2_ssl(self):
        front_pem = self.certificate("front")
        client_pem = self.certificate("joe")
        words = ("send-proxy-v2-ssl-cn proxy-v2-options "
                 "ssl,cert-cn,ssl-cipher,cert-sig,cert-key,authority")
        bind = (f"ssl crt {front_pem} verify optional ca-file {client_pem} "
                "alpn example")
        with behind() as server, \
                self.front(server, words, bind=bind) as front:
            context = self.client_context(client_pem)
            connection = context.wrap_socket(
                front.connect(), server_hostname="name.example",
                suppress_ragged_eofs=True)
            host, port = connection.getsockname()
            cipher = connection.cipher()[0]
            version = connection.version()
            connection.sendall(b"x")
            said = b""
            while not said.endswith(b"ready\nx"):
                chunk = connection.recv(4096)
                self.assertTrue(chunk, said)
                said += chunk
            connection.close()
            said = said.decode(errors="replace").splitlines()
            self.assertIn(f"client {host} {port}", said)
            self.assertIn("ssl 7 0", said)
            self.assertIn(f"ssl-tlv 21 {version}", said)
            self.assertIn("ssl-tlv 22 joe", said)
            self.assertIn(f"ssl-tlv 23 {cipher}", said)
            self.assertIn("ssl-tlv 24 RSA-SHA256", said)
            self.assertIn("ssl-tlv 25 RSA2048", said)
            self.assertIn("authority 02 name.example", said)
            self.assertIn("tlv 01 example", said)

    def test_without_a_header(self):
        """A balancer that was not told to send one is found out."""
        with behind() as server, self.front(server, "") as front:
            with front.connect() as connection:
                connection.sendall(b"hello")
                try:
                    self.assertEqual(receive_all(connection), b"")
                except ConnectionResetError:
                    pass
            server.wait_log("PROXY header refused: the first bytes are no "
                            "header")


class Nginx(Case):
    def test_proxy_protocol_on(self):
        with behind() as server:
            need("nginx")
            with nginx(self.folder, listening(),
                       server.addresses[0]) as front:
                self.assert_client(front.connect(), 1)


class Load:
    """Threads that ask one thing after the other until told to stop."""

    def __init__(self, connect, threads=3):
        self.connect = connect
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self.answered = 0
        self.failures = []
        self.threads = [threading.Thread(target=self.ask_all)
                        for _ in range(threads)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_unused):
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def ask_all(self):
        while not self.stopping.is_set():
            try:
                with self.connect() as connection:
                    connection.sendall(b"hello")
                    connection.shutdown(socket.SHUT_WR)
                    answer = receive_all(connection)
            except OSError as error:
                answer = repr(error)
            with self.lock:
                if answer == b"Hello World!":
                    self.answered += 1
                else:
                    self.failures.append(answer)
            time.sleep(0.002)

    def wait_for_more(self, count):
        before = self.answered
        wait_for(lambda: self.answered >= before + count or self.failures,
                 f"{count} answers more")


class Restart(Case):
    def start(self, address="127.0.0.1:0"):
        server = behind("greeting", listen=[address], master=True)
        self.addCleanup(server.__exit__)
        return server

    def test_one_at_a_time_under_load(self):
        need("haproxy")
        servers = [self.start(), self.start()]
        words = [f"{server.addresses[0]} send-proxy-v2 check inter 100ms"
                 for server in servers]
        with haproxy(self.folder, listening(), words) as front, \
                Load(front.connect) as load:
            load.wait_for_more(50)
            for number in (0, 1, 0, 1):
                address = servers[number].addresses[0]
                self.assertEqual(servers[number].stop(), 0)
                load.wait_for_more(50)
                servers[number] = self.start(address)
                # The balancer uses it again before the other one goes.
                self.wait_up(number)
                load.wait_for_more(50)
        self.assertEqual(load.failures, [])

    def wait_up(self, number):
        def is_up():
            with socket.socket(socket.AF_UNIX) as admin:
                admin.settimeout(harness.PATIENCE)
                admin.connect(os.path.join(self.folder, "admin"))
                admin.sendall(b"show servers state back\n")
                lines = receive_all(admin).decode().splitlines()
            for line in lines:
                words = line.split()
                if len(words) > 5 and words[3] == f"s{number}":
                    return words[5] == "2"
            return False
        wait_for(is_up, f"server {number} to be up")


if __name__ == "__main__":
    harness.main()
