# SPDX-License-Identifier: BSD-2-Clause
"""The command line: what it says, where, and with which exit status."""

import os
import shlex
import signal
import socket
import subprocess
import tempfile

import unittest

import harness
from harness import (BEVHOST, PATIENCE, UNDER, Server, plugin, receive_all,
                     receive_exactly, run, wait_for)

HELLO = b"Hello World!"
# A client that every machine with these tests has.
CLIENT = ("python3 -c 'import os, socket; s = socket.create_connection("
          "(os.environ[\"BEVHOST_HOST\"], int(os.environ[\"BEVHOST_PORT\"])"
          ")); s.sendall(b\"x\"); print(s.recv(12).decode(), end=\"\")'")


class Says(unittest.TestCase):
    def test_help_and_version_on_standard_output(self):
        for word in ("--help", "-h"):
            status, stdout, stderr = run(word)
            self.assertEqual((status, stderr), (0, ""))
            self.assertTrue(stdout.startswith("Usage: bevhost [OPTION]..."))
            self.assertLessEqual(
                max(map(len, stdout.splitlines())), 80)
        for word in ("--version", "-V"):
            status, stdout, stderr = run(word)
            self.assertEqual((status, stderr), (0, ""))
            self.assertRegex(stdout, r"^bevhost \d+\.\d+\.\d+ \(API 1, ")

    def test_help_of_a_plugin(self):
        for words in (("--help", "greeting"), ("greeting", "--help")):
            status, stdout, stderr = run(*words)
            self.assertEqual((status, stderr), (0, ""))
            self.assertIn("Usage: bevhost [OPTION]... greeting", stdout)
            self.assertIn("text=string", stdout)
            self.assertIn("default: Hello World!", stdout)

    def test_list_of_plugins(self):
        status, stdout, stderr = run("--list-plugins")
        self.assertEqual((status, stderr), (0, ""))
        for name in ("greeting", "echo", "discard", "print"):
            self.assertRegex(stdout, rf"(?m)^{name} +\w")

    def test_dump_of_a_plugin(self):
        status, stdout, _ = run("--dump-plugin=" + plugin("lifecycle"))
        self.assertEqual(status, 0)
        values = dict(line.split("=", 1) for line in stdout.splitlines())
        self.assertEqual(values["path"], plugin("lifecycle"))
        self.assertEqual(values["name"], "lifecycle")
        self.assertEqual(values["api_version"], "1")
        self.assertEqual(values["model"], "callbacks")
        self.assertEqual(int(values["struct_size"]), 240)
        self.assertEqual(values["has_drain"], "yes")
        self.assertEqual(values["param_number_type"], "integer")
        self.assertEqual(values["param_number_range"], "1 to 10")
        self.assertEqual(values["param_number_default"], "5")
        self.assertEqual(values["param_log_required"], "yes")
        self.assertEqual(values["param_tag_repeat"], "yes")

    def test_a_start_says_a_line_for_each_listener(self):
        # What a sandbox lacks here would be said too.
        with Server("-l", "127.0.0.1:0", "echo", "-l", "[::1]:0",
                    "greeting", listen=(), options=("--sandbox=off",)
                    ) as server:
            self.assertEqual(
                server.stderr().splitlines(),
                [f"bevhost: listening on {server.addresses[0]} (echo)",
                 f"bevhost: listening on {server.addresses[1]} (greeting)"])

    def test_quiet(self):
        with Server(options=("-q", "--sandbox=off")) as server:
            self.assertEqual(server.stop(), 0)
            self.assertEqual(server.stderr(), "")

    def test_a_standard_output_that_is_full(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run([BEVHOST, "--help"], stdout=full,
                                  stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 74)
        self.assertIn("standard output: No space left", done.stderr)


class Refuses(unittest.TestCase):
    def assert_refused(self, status, text, *words, **options):
        actual, stdout, stderr = run(*words, **options)
        self.assertEqual((actual, stdout), (status, ""), stderr)
        self.assertIn(text, stderr)
        self.assertNotIn("listening on", stderr)
        for line in stderr.splitlines():
            self.assertTrue(line.startswith("bevhost: "), line)
        self.assertLessEqual(len(stderr.splitlines()), 2)

    def test_usage(self):
        for text, words in {
                "unknown option '--lisen', did you mean '--listen'?":
                    ["--lisen=:1"],
                "unknown option '--qqqqqqqq'": ["--qqqqqqqq"],
                "unknown option '-x'": ["-x"],
                "option '-l' needs an argument": ["-l"],
                "option '--run' needs an argument": ["--run"],
                "option '--quiet' takes no argument": ["--quiet=1"],
                "cannot listen on 'nowhere': the port is missing":
                    ["-l", "nowhere"],
                "'65536' is no port": ["-p", "65536"],
                "the port is not a number": ["-l", ":x"],
                "an IPv6 address is written [ADDRESS]:PORT":
                    ["-l", "::1:6000"],
                "--event-method=kqueue: it is epoll, poll or select":
                    ["--event-method=kqueue"],
                "--ready-fd=99 is not the number of an open": ["--ready-fd=99"],
                "--ready-fd=x is not the number of an open": ["--ready-fd=x"],
                "the unix path is longer than 107 bytes":
                    ["-l", "unix:/" + "x" * 200],
                "listener 'fd:0' is given twice":
                    ["-l", "fd:0", "-l", "fd:0"],
                "listener 'fd:5000' is given twice":
                    ["-l", "fd:5000", "-l", "fd:5000"],
                "--ready-fd=2 is the descriptor of listener 'fd:2'":
                    ["-l", "fd:2", "--ready-fd=2"],
                "plugin 'echo' has no listener":
                    ["echo", "-l", ":0", "greeting"],
                "no plugin follows listener ':0'":
                    ["-l", ":0", "echo", "-l", ":0"],
        }.items():
            with self.subTest(words):
                self.assert_refused(64, text, *words)

    def test_parameters(self):
        log = "log=/dev/null"
        lifecycle = plugin("lifecycle")
        for text, words in {
                "greeting: unknown parameter 'txt', did you mean 'text'?":
                    ["greeting", "txt=Hi"],
                "greeting: unknown parameter 'colour': there are text":
                    ["greeting", "colour=red"],
                "minimal: unknown parameter 'colour': it takes none":
                    [plugin("minimal"), "colour=red"],
                "lifecycle: parameter 'log' is missing: give log=string "
                "(file for the calls)": [lifecycle],
                "parameter 'number': '11' is out of range: it may be 1 to "
                "10": [lifecycle, log, "number=11"],
                "parameter 'number': 'x' is not a whole number":
                    [lifecycle, log, "number=x"],
                "parameter 'log' is given twice": [lifecycle, log, log],
                "greeting: sandbox is an option of bevhost, not a parameter "
                "of the plugin: give --sandbox=...":
                    ["greeting", "sandbox=off"],
        }.items():
            with self.subTest(words):
                self.assert_refused(64, text, "-p", "0", *words)

    def test_a_port_in_use(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = "127.0.0.1:%d" % taken.getsockname()[1]
            self.assert_refused(
                69, f"cannot listen on {address}: Address already in use",
                "-l", "127.0.0.1:0", "-l", address)

    def test_an_unknown_host(self):
        self.assert_refused(68, "host 'no.such.host.invalid'",
                            "-l", "no.such.host.invalid:0")

    def test_an_address_of_another_machine(self):
        self.assert_refused(69, "no interface of this machine has it",
                            "-l", "192.0.2.1:0")

    def test_descriptors_that_are_no_listeners(self):
        with open("/dev/null") as null:
            self.assert_refused(
                64, "the descriptor is not a socket",
                "-l", f"fd:{null.fileno()}", pass_fds=[null.fileno()])
        with socket.socket() as deaf:
            self.assert_refused(
                64, "not a listening stream socket",
                "-l", f"fd:{deaf.fileno()}", pass_fds=[deaf.fileno()])
        self.assert_refused(64, "no such descriptor is open", "-l", "fd:77")

    @unittest.skipIf(os.geteuid() != 0, "needs a user to become")
    @unittest.skipIf(UNDER, "valgrind needs files of the user's own")
    def test_no_permission(self):
        with open("/proc/sys/net/ipv4/ip_unprivileged_port_start") as file:
            if int(file.read()) <= 7:
                self.skipTest("every port is for everybody")
        try:
            status = run("--version", user=65534, group=65534,
                         extra_groups=[])[0]
        except PermissionError:
            status = 126
        if status != 0:
            self.skipTest("others cannot reach the program")
        self.assert_refused(77, "cannot listen on 127.0.0.1:7: Permission "
                            "denied; ports below 1024",
                            "-l", "127.0.0.1:7", user=65534, group=65534,
                            extra_groups=[])


class Unix(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "socket")
        self.address = "unix:" + self.path

    def assert_serves(self, server):
        with server.connect() as connection:
            connection.sendall(b"x")
            self.assertEqual(receive_exactly(connection, 12), HELLO)

    def test_serves_and_removes_its_file(self):
        with Server(listen=[self.address]) as server:
            self.assertEqual(server.addresses, [self.address])
            self.assert_serves(server)
            self.assertEqual(server.stop(), 0)
        self.assertFalse(os.path.exists(self.path))

    def test_abstract(self):
        name = f"unix:@bevhost-test-{os.getpid()}"
        with Server(listen=[name], options=("-v",)) as server:
            self.assertEqual(server.addresses, [name])
            self.assert_serves(server)
            server.wait_log("greeting: unix:: closed: peer")

    def test_a_living_server_keeps_its_file(self):
        with Server(listen=[self.address]) as server:
            status, _, stderr = run("-l", self.address)
            self.assertEqual(status, 69)
            self.assertIn("a living server has it", stderr)
            self.assert_serves(server)

    def test_the_file_of_a_dead_server_is_replaced(self):
        with Server(listen=[self.address]) as server:
            server.stop(signal.SIGKILL)
        self.assertTrue(os.path.exists(self.path))
        with Server(listen=[self.address]) as server:
            self.assert_serves(server)

    def test_a_file_that_is_no_socket_is_left_alone(self):
        with open(self.path, "w") as file:
            file.write("precious")
        status, _, stderr = run("-l", self.address)
        self.assertEqual(status, 69)
        self.assertIn("a file that is no socket is there", stderr)
        with open(self.path) as file:
            self.assertEqual(file.read(), "precious")

    def test_the_file_of_another_server_is_left_alone(self):
        with Server(listen=[self.address]) as first:
            os.unlink(self.path)
            with Server(listen=[self.address]) as second:
                self.assertEqual(first.stop(), 0)
                self.assert_serves(second)

    def test_a_folder_that_does_not_exist(self):
        status, _, stderr = run("-l", "unix:/nowhere/socket")
        self.assertEqual(status, 73)
        self.assertIn("unix:/nowhere/socket: No such file", stderr)


class Listens(unittest.TestCase):
    def test_a_name_listens_on_all_its_addresses(self):
        expected = {info[4][0] for info in socket.getaddrinfo(
            "localhost", 0, type=socket.SOCK_STREAM)}
        with Server(listen=["localhost:0"]) as server:
            hosts = {address.rsplit(":", 1)[0].strip("[]")
                     for address in server.addresses}
            self.assertEqual(hosts, expected)
            for index in range(len(server.addresses)):
                with server.connect(index) as connection:
                    connection.sendall(b"x")
                    self.assertEqual(receive_exactly(connection, 12), HELLO)

    def test_an_inherited_descriptor(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            with Server(listen=[f"fd:{listener.fileno()}"],
                        pass_fds=[listener.fileno()]) as server:
                with server.connect() as connection:
                    connection.sendall(b"x")
                    self.assertEqual(receive_exactly(connection, 12), HELLO)
                self.assertEqual(server.stop(), 0)
            # It is still the other owner's.
            with socket.create_connection(listener.getsockname()):
                pass

    def test_options_after_the_plugin(self):
        with Server("greeting", "-l", "127.0.0.1:0", listen=()) as server:
            with server.connect() as connection:
                connection.sendall(b"x")
                self.assertEqual(receive_exactly(connection, 12), HELLO)

    def test_closed_standard_descriptors(self):
        command = " ".join(map(shlex.quote, [
            *UNDER, BEVHOST, "--run", CLIENT + " > /dev/tty || true",
            "-p", "0"]))
        done = subprocess.run(["sh", "-c", command + " <&- >&- 2>&-"],
                              timeout=PATIENCE)
        self.assertEqual(done.returncode, 0)


class Run(unittest.TestCase):
    def test_serves_while_the_command_runs(self):
        status, stdout, _ = run("--run", CLIENT, "-p", "0")
        self.assertEqual((status, stdout), (0, "Hello World!"))

    def test_its_status_is_the_exit_status(self):
        self.assertEqual(run("--run", "exit 3", "-p", "0")[0], 3)
        self.assertEqual(run("--run", "kill -9 $$", "-p", "0")[0], 137)
        self.assertEqual(run("--run", "/no/such/command", "-p", "0")[0], 127)

    def test_its_environment(self):
        status, stdout, _ = run(
            "--run", "echo $BEVHOST_HOST,$BEVHOST_PORT,$BEVHOST_ADDRESS",
            "-p", "0")
        self.assertEqual(status, 0)
        self.assertRegex(stdout,
                         r"^127\.0\.0\.1,(\d+),127\.0\.0\.1:\1\n$")
        status, stdout, _ = run(
            "--run", "echo $BEVHOST_HOST,$BEVHOST_PORT,$BEVHOST_ADDRESS",
            "-l", "unix:@bevhost-run")
        self.assertEqual(stdout, ",,unix:@bevhost-run\n")

    def test_its_status_after_a_stop(self):
        with tempfile.NamedTemporaryFile() as file:
            command = (f"trap 'exit 3' TERM; echo $$ > {file.name}; "
                       "while :; do sleep 0.05; done")
            with Server(options=("--run", command)) as server:
                wait_for(lambda: open(file.name).read().strip(), "the trap")
                self.assertEqual(server.stop(), 3)

    def test_a_stop_ends_the_command(self):
        with tempfile.NamedTemporaryFile() as file:
            command = f"echo $$ > {file.name}; exec sleep 1000"
            with Server(options=("--run", command)) as server:
                pid = int(wait_for(
                    lambda: open(file.name).read().strip(), "the pid"))
                self.assertEqual(server.stop(), 128 + signal.SIGTERM)
            self.assertFalse(os.path.exists(f"/proc/{pid}"))

    def test_a_command_that_a_signal_ended_too_does_not_cut_what_is_owed(
            self):
        # As Ctrl-C does: both get the signal.
        with tempfile.NamedTemporaryFile() as file:
            command = f"echo $$ > {file.name}; exec sleep 1000"
            with Server(plugin("serve"),
                        options=("--run", command)) as server:
                pid = int(wait_for(
                    lambda: open(file.name).read().strip(), "the pid"))
                with server.connect() as connection:
                    connection.sendall(b"send 9000000\n")
                    data = receive_exactly(connection, 1000)
                    server.kill(signal.SIGINT)
                    os.kill(pid, signal.SIGINT)
                    server.wait_log("SIGINT: stopping")
                    harness.pause(0.2)
                    data += receive_all(connection)
                    self.assertEqual(len(data), 9_000_000)
                server.process.wait(PATIENCE)


class Ready(unittest.TestCase):
    def test_standard_output_is_no_connection_afterwards(self):
        done = subprocess.run(
            [*UNDER, BEVHOST, "--ready-fd=1", "-l", "127.0.0.1:0",
             "--run", CLIENT, "print", "reply=Hello World!"],
            capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"^127\.0\.0\.1:\d+\n$")


if __name__ == "__main__":
    harness.main()
