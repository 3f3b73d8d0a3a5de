# SPDX-License-Identifier: BSD-2-Clause
"""What a service manager sees: sockets that it passes, what it is told, and
what bevhost --reload answers."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import unittest

import harness
from harness import (BEVHOST, PATIENCE, UNDER, Server, pause, receive_exactly,
                     run, wait_for)

HELLO = b"Hello World!"

# As a manager does it: sockets from 3 up, and the id of the process that
# becomes the program. The words before -- are their descriptors here.
LAUNCH = """
import fcntl, os, sys
end = sys.argv.index("--")
fds = [int(word) for word in sys.argv[1:end]]
away = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 100) for fd in fds]
for fd in fds:
    os.close(fd)
for place, fd in enumerate(away, 3):
    os.dup2(fd, place)
os.environ["LISTEN_PID"] = str(os.getpid())
os.environ["LISTEN_FDS"] = str(len(fds))
os.execvp(sys.argv[end + 1], sys.argv[end + 1:])
"""


def listening(address=("127.0.0.1", 0)):
    """A socket as a manager opens it."""
    listener = socket.socket()
    listener.bind(address)
    listener.listen(64)
    return listener


def passing(listeners):
    """The arguments of Server that pass it these sockets."""
    # All of these must be ours while the pipe of --ready-fd is made, so that
    # it is not where a socket goes.
    fds = [listener.fileno() for listener in listeners]
    return {"before": [sys.executable, "-c", LAUNCH, *map(str, fds), "--"],
            "pass_fds": fds, "listen": (), "master": True}


def greet(address):
    with socket.create_connection(address, PATIENCE) as client:
        client.sendall(b"x")
        return receive_exactly(client, len(HELLO))


def workers_of(server):
    """The process ids of a master's children."""
    pid = server.process.pid
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(word) for word in file.read().split()]


class Manager:
    """The socket that a service tells how it goes, and a folder for it."""

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="bevhost-test-")
        path = self.path("notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.socket.settimeout(PATIENCE)
        self.env = {"NOTIFY_SOCKET": path,
                    "RUNTIME_DIRECTORY": self.folder.name}
        return self

    def __exit__(self, *_unused):
        self.socket.close()
        self.folder.cleanup()

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def write(self, name, text):
        harness.need_config()
        with open(self.path(name), "w", encoding="ascii") as file:
            file.write(text)
        return self.path(name)

    def hear(self, wanted):
        """The next message with this line, as a dictionary."""
        while True:
            lines = self.socket.recv(4096).decode().splitlines()
            if wanted in lines:
                return dict(line.split("=", 1) for line in lines)

    def heard(self):
        """All that was said until now and not heard yet."""
        messages = []
        self.socket.setblocking(False)
        try:
            while True:
                messages.append(self.socket.recv(4096).decode())
        except BlockingIOError:
            self.socket.settimeout(PATIENCE)
            return messages

    def reload(self, server):
        return run(f"--reload={server.process.pid}",
                   env={**os.environ, **self.env})


class Sockets(unittest.TestCase):
    def test_what_is_passed_is_served_when_no_listener_is_named(self):
        with listening() as one, listening() as two:
            with Server("greeting", **passing([one, two])) as server:
                self.assertEqual(greet(one.getsockname()), HELLO)
                self.assertEqual(greet(two.getsockname()), HELLO)
                self.assertEqual(server.stop(), 0)
            # It is the manager's, who still listens.
            socket.create_connection(one.getsockname(), PATIENCE).close()

    def test_a_listener_takes_what_has_its_name(self):
        with listening() as one, listening() as two, listening() as three:
            with Server("-l", "fd:talk", "greeting", "-l", "fd:back", "echo",
                        env={"LISTEN_FDNAMES": "talk:back:talk"},
                        **passing([one, two, three])):
                self.assertEqual(greet(one.getsockname()), HELLO)
                self.assertEqual(greet(three.getsockname()), HELLO)
                with socket.create_connection(two.getsockname()) as client:
                    client.settimeout(PATIENCE)
                    client.sendall(b"ping")
                    self.assertEqual(receive_exactly(client, 4), b"ping")

    def test_a_name_that_nobody_passed_is_an_error_that_says_so(self):
        with listening() as one:
            settings = passing([one])
            done = subprocess.run(
                [*settings["before"], *UNDER, BEVHOST, "-l", "fd:other",
                 "greeting"], pass_fds=settings["pass_fds"],
                env={**os.environ, "LISTEN_FDNAMES": "web"},
                capture_output=True, text=True, timeout=PATIENCE,
                stdin=subprocess.DEVNULL)
            self.assertEqual(done.returncode, 64)
            self.assertIn("cannot listen on fd:other: no descriptor of that "
                          "name was passed", done.stderr)

    def test_a_socket_that_nobody_takes_is_named(self):
        with listening() as one, listening() as two:
            with Server("-l", "fd:web", "greeting",
                        env={"LISTEN_FDNAMES": "web:spare"},
                        **passing([one, two])) as server:
                log = server.wait_log("nobody listens on descriptor 4")
                self.assertIn("'spare'", log)
                self.assertNotIn("descriptor 3,", log)

    def test_a_file_names_a_socket_or_its_address(self):
        with Manager() as manager, listening() as one, listening() as two:
            file = manager.write("conf", (
                'listen "fd:web" { handler = "greeting" }\n'
                'listen "127.0.0.1:%d" { handler = "greeting" }\n'
                % two.getsockname()[1]))
            with Server(options=["-c", file],
                        env={"LISTEN_FDNAMES": "web:other"},
                        **passing([one, two])) as server:
                self.assertEqual(greet(one.getsockname()), HELLO)
                self.assertEqual(greet(two.getsockname()), HELLO)
                self.assertNotIn("nobody listens", server.stderr())

    def test_sockets_stay_through_a_reload_and_an_upgrade(self):
        with Manager() as manager, listening() as one, listening() as two:
            with Server("-l", "fd:talk", "greeting", env={
                    **manager.env, "LISTEN_FDNAMES": "talk:spare"},
                        **passing([one, two])) as server:
                self.assertEqual(manager.reload(server)[0], 0)
                self.assertEqual(greet(one.getsockname()), HELLO)
                server.kill(signal.SIGUSR2)
                server.wait_log("reload: generation 3 serves")
                self.assertEqual(greet(one.getsockname()), HELLO)
                self.assertEqual(server.stop(), 0)
            socket.create_connection(two.getsockname(), PATIENCE).close()

    def test_a_socket_comes_back_after_a_reload_without_it(self):
        with Manager() as manager, listening() as one, listening() as two:
            talk = 'listen "fd:talk" { handler = "greeting" }\n'
            both = talk + 'listen "fd:more" { handler = "greeting" }\n'
            file = manager.write("conf", both)
            with Server(options=["-c", file], env={
                    **manager.env, "LISTEN_FDNAMES": "talk:more"},
                        **passing([one, two])) as server:
                self.assertEqual(greet(two.getsockname()), HELLO)
                manager.write("conf", talk)
                self.assertEqual(manager.reload(server)[0], 0)
                manager.write("conf", both)
                self.assertEqual(manager.reload(server)[0], 0)
                self.assertEqual(greet(two.getsockname()), HELLO)

    def test_a_worker_knows_nothing_of_the_manager(self):
        with Manager() as manager, listening() as one:
            with Server("greeting", env={
                    **manager.env, "LISTEN_FDNAMES": "web",
                    "WATCHDOG_USEC": "20000000"}, **passing([one])) as server:
                manager.hear("READY=1")
                [worker] = workers_of(server)
                with open(f"/proc/{worker}/environ", "rb") as file:
                    names = {word.split(b"=")[0]
                             for word in file.read().split(b"\0")}
                self.assertEqual(names & {
                    b"LISTEN_PID", b"LISTEN_FDS", b"LISTEN_FDNAMES",
                    b"NOTIFY_SOCKET", b"WATCHDOG_USEC", b"WATCHDOG_PID"},
                    set())

    @unittest.skipUnless(shutil.which("systemd-socket-activate"),
                         "there is no systemd-socket-activate")
    def test_systemd_itself_passes_a_socket(self):
        with listening() as free:
            address = free.getsockname()
        process = subprocess.Popen(
            ["systemd-socket-activate", "-l", "%s:%d" % address,
             "--fdname=web", *UNDER, BEVHOST, "-l", "fd:web", "greeting"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        try:
            def answers():
                try:
                    return greet(address) == HELLO
                except ConnectionRefusedError:
                    return False
            wait_for(answers, "an answer")
        finally:
            process.terminate()
            self.assertEqual(process.wait(PATIENCE), 0)


class Told(unittest.TestCase):
    def test_ready_is_said_when_it_accepts(self):
        with Manager() as manager, Server(
                "greeting", master=True, env=manager.env,
                options=["-w", "2"]) as server:
            manager.hear("READY=1")
            with server.connect() as client:
                client.sendall(b"x")
                self.assertEqual(receive_exactly(client, 12), HELLO)
            manager.hear("STATUS=generation 1 serves with 2 workers; of "
                         "older generations 0 drain")

    def test_a_start_that_fails_is_never_ready(self):
        with Manager() as manager:
            status, _, stderr = run("-l", "127.0.0.1:0", "greeting", "no=1",
                                    env={**os.environ, **manager.env})
            self.assertEqual(status, 64)
            self.assertIn("unknown parameter 'no'", stderr)
            self.assertNotIn("READY=1", "".join(manager.heard()))

    def test_a_reload_is_said_with_its_time(self):
        with Manager() as manager, Server(
                "greeting", master=True, env=manager.env) as server:
            manager.hear("READY=1")
            before = time.monotonic_ns() // 1000
            self.assertEqual(manager.reload(server),
                             (0, "generation 2 serves\n", ""))
            after = time.monotonic_ns() // 1000
            said = manager.hear("RELOADING=1")
            self.assertTrue(before <= int(said["MONOTONIC_USEC"]) <= after)
            manager.hear("READY=1")

    def test_a_reload_that_is_refused_is_over_too(self):
        with Manager() as manager:
            good = 'listen "127.0.0.1:0" { handler = "greeting" }\n'
            file = manager.write("conf", good)
            with Server(options=["-c", file], listen=(), master=True,
                        env=manager.env) as server:
                manager.hear("READY=1")
                manager.write("conf", good + "worker = 2\n")
                status, stdout, stderr = manager.reload(server)
                self.assertEqual((status, stdout), (78, ""))
                self.assertIn(f"{file}:2: unknown option 'worker', did you "
                              "mean 'workers'?", stderr)
                manager.hear("RELOADING=1")
                manager.hear("READY=1")
                manager.hear("STATUS=generation 1 serves with 1 workers; of "
                             "older generations 0 drain")

    def test_an_upgrade_is_a_reload_with_the_same_process(self):
        with Manager() as manager, Server(
                "greeting", master=True, env=manager.env) as server:
            manager.hear("READY=1")
            server.kill(signal.SIGUSR2)
            manager.hear("RELOADING=1")
            manager.hear("READY=1")
            with server.connect() as client:
                client.sendall(b"x")
                self.assertEqual(receive_exactly(client, 12), HELLO)
            self.assertIsNone(server.process.poll())
            self.assertEqual(server.stop(), 0)
            manager.hear("STOPPING=1")

    def test_the_end_is_said_when_it_begins(self):
        with Manager() as manager, Server(
                "greeting", master=True, env=manager.env) as server:
            manager.hear("READY=1")
            with server.connect() as client:
                client.sendall(b"x")
                self.assertEqual(receive_exactly(client, 12), HELLO)
                server.kill()
                manager.hear("STOPPING=1")
            self.assertEqual(server.process.wait(PATIENCE), 0)

    def test_the_watchdog_hears_nothing_while_a_loop_hangs(self):
        with Manager() as manager, Server(
                "greeting", master=True, options=["-w", "2"],
                env={**manager.env, "WATCHDOG_USEC": "1000000"}) as server:
            manager.hear("WATCHDOG=1")
            manager.hear("WATCHDOG=1")
            worker = workers_of(server)[0]
            os.kill(worker, signal.SIGSTOP)
            try:
                # After 1 s, where half of one is too long already.
                server.wait_log("its loop has stood still")
                manager.heard()
                pause(0.7)
                self.assertEqual(manager.heard(), [])
            finally:
                os.kill(worker, signal.SIGCONT)
            manager.hear("WATCHDOG=1")
            server.wait_log("its loop goes on")


if __name__ == "__main__":
    harness.main()
