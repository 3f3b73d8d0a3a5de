# SPDX-License-Identifier: BSD-2-Clause
"""The configuration file, through the program: what it serves, what a dump
says, and the exit status and place of each error."""

import os
import socket
import tempfile
import unittest

import harness
from harness import Server, plugin, receive_all, run


class InFolder(unittest.TestCase):
    def setUp(self):
        harness.need_config()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, text, name="bevhost.conf"):
        with open(self.path(name), "w") as file:
            file.write(text)
        return self.path(name)


class Serves(InFolder):
    def test_the_listeners_of_a_file(self):
        echo = self.path("echo")
        config = self.write(f"""
drain-timeout = 30s
listen "127.0.0.1:0" {{ handler = "greeting"; with {{ text = "Hello!" }} }}
listen "unix:{echo}" {{ handler = "echo" }}
""")
        with Server(options=("-c", config), listen=()) as server:
            self.assertEqual(len(server.addresses), 2)
            with server.connect() as connection:
                connection.sendall(b"x")
                connection.shutdown(socket.SHUT_WR)
                self.assertEqual(receive_all(connection), b"Hello!")
            with server.connect(1) as connection:
                connection.sendall(b"abc")
                connection.shutdown(socket.SHUT_WR)
                self.assertEqual(receive_all(connection), b"abc")

    def test_those_of_the_command_line_beside_them(self):
        config = self.write('listen "127.0.0.1:0" { handler = echo }')
        with Server("greeting", options=("-c", config)) as server:
            said = server.stderr()
            self.assertEqual(len(server.addresses), 2)
            self.assertIn(f"{server.addresses[0]} (echo)", said)
            self.assertIn(f"{server.addresses[1]} (greeting)", said)

    def test_wherever_the_option_stands(self):
        config = self.write("log-level = warning")
        with Server("greeting", "--config=" + config) as server:
            self.assertEqual(server.stop(), 0)
            self.assertEqual(server.stderr(), "")

    def test_a_word_and_words_that_repeat(self):
        log = self.path("log")
        config = self.write(f"""
listen "127.0.0.1:0" {{
    handler = "{plugin('lifecycle')}"
    with {{ log = "{log}"; tag = a
           tag = b }}
    with {{ tag = c }}
}}
""")
        with Server(options=("-c", config), listen=()) as server:
            self.assertEqual(server.stop(), 0)
        with open(log) as file:
            self.assertEqual(file.read().count("config tag\n"), 3)


class Dumps(InFolder):
    def dump(self, *words):
        status, stdout, stderr = run("-T", *words)
        self.assertEqual((status, stderr), (0, ""))
        return stdout

    def test_the_defaults(self):
        dump = self.dump()
        for line in ("workers = 1", "drain-timeout = 30s", "pin = auto",
                     "reload-canary = \"off\"", "# user =",
                     'listen "0.0.0.0:6000" {', '\thandler = "greeting"'):
            self.assertIn(line, dump.splitlines())

    def test_a_dump_is_a_file_that_dumps_the_same(self):
        first = self.dump("-w", "auto", "-p", "7001", "print", 'a "b"\\',
                          "x=${HOME}\n", "x=ä", "-l", "unix:/tmp/x", "echo",
                          "--reload-canary=5%,1m", "-v")
        self.assertIn("log-level = info", first)
        self.assertIn('listen "0.0.0.0:7001" {', first)
        self.assertEqual(self.dump("-c", self.write(first)), first)

    def test_the_command_line_overrides_the_file(self):
        config = self.write("workers = 3\nuser = nobody\nlog-level = info\n"
                            "listen :1 { handler = echo }")
        dump = self.dump("--workers=2", "-c", config, "-v")
        self.assertIn("workers = 2", dump)
        self.assertIn('user = "nobody"', dump)
        self.assertIn("log-level = debug", dump)
        self.assertNotIn("greeting", dump)

    def test_whatever_a_start_needs_besides(self):
        config = self.write("listen :1 { handler = none }")
        self.assertIn('"none"', self.dump("-c", config, "--run=false"))


class Refuses(InFolder):
    def assert_refused(self, status, text, config, *words):
        path = self.write(config)
        for more in ((), ("-T",)) if not words else (words,):
            actual, stdout, stderr = run("-c", path, *more)
            self.assertEqual((actual, stdout), (status, ""), stderr)
            self.assertEqual(stderr, f"bevhost: {text}\n")

    def test_each_kind_of_error_with_file_and_line(self):
        path = self.path("bevhost.conf")
        for text, config in {
                "2: unknown option 'drian-timeout', did you mean "
                "'drain-timeout'?": "\ndrian-timeout = 5s",
                "1: drain-timeout = '5x': it is not a duration with its "
                "unit, such as 250ms, 30s or 5m": "drain-timeout = 5x",
                f"3: pin is given twice, the first time in {path}:1":
                    "pin = on\n\npin = on",
                "2: cannot listen on 'x': the port is missing (HOST:PORT)":
                    "\nlisten x { handler = echo }",
                "1: listen ':1' has no handler: give it handler = \"NAME\"":
                    "listen :1 { }",
                "1: unknown option 'handlr', did you mean 'handler'?":
                    "listen :1 { handlr = echo }",
                "1: this '{' is never closed": "listen :1 {\n",
                "2: this string is never closed": "\nuser = \"x\n",
                "1: there is '=' where an option's name should be": "= x",
        }.items():
            with self.subTest(text):
                self.assert_refused(78, f"{path}:{text}", config)

    def test_the_status_says_where_it_stands(self):
        """What is wrong is 64 on the command line and 78 in a file, and a
        file that cannot be read is 66 either way."""
        good = 'listen "127.0.0.1:0" { handler = greeting\n%s }\n'
        for status, option, text, value in (
                (0, "lifetime", "lifetime", "1s"),
                (1, "lifetime", "lifetime", "1"),
                (1, "proxy", "proxy", "required"),
                (1, "tls-client", "tls-client", "required"),
                (1, "tls-min-version", "tls-min-version", "1.3"),
                (66, "tls-cert", "tls-cert", "/no/such/file"),
                (66, "plugin-dir", "", "/no/such/folder"),
                (67, "user", "", "no-such-user"),
                (1, None, "with { txt", "a }")):
            line = f"{text} = {value}" if text else ""
            path = self.write(f"{option} = {value}\n{good % ''}"
                              if not text else good % line)
            words = ([f"--{option}={value}", "greeting"] if option
                     else ["greeting", "txt=a"])
            for test in ("-t",), ():
                if status == 0 and not test:
                    continue
                if option == "tls-cert" and "built without" in run(
                        "-t", "--tls-cert=x")[2]:
                    continue
                with self.subTest(option=option, test=test):
                    self.assertEqual(run(*test, "-c", path)[0],
                                     78 if status == 1 else status)
                    self.assertEqual(run(*test, "-p", "0", *words)[0],
                                     64 if status == 1 else status)

    def test_an_included_file(self):
        path = self.path("bevhost.conf")
        self.write("\nworkerz = 1", "other.conf")
        self.assert_refused(
            78, f"{self.path('other.conf')}:2: unknown option 'workerz', did "
            "you mean 'workers'?", "include('oth*.conf')")
        self.assert_refused(
            66, f"{path}:2: include '{self.path('none')}': No such file or "
            "directory", "\ninclude(none)")

    def test_a_file_that_cannot_be_read(self):
        none = self.path("none")
        for path, why in ((none, "No such file or directory"),
                          (self.folder, "Is a directory")):
            self.assertEqual(run("-c", path),
                             (66, "", f"bevhost: {path}: {why}\n"))

    def test_what_a_plugin_refuses_with_its_line(self):
        path = self.path("bevhost.conf")
        status, _, stderr = run("-c", self.write(
            "listen '127.0.0.1:0' {\n  handler = greeting\n"
            "  with {\n    text = a\n    txt = b\n  }\n}"))
        self.assertEqual(status, 78)
        self.assertIn(f"bevhost: {path}:5: greeting: unknown parameter "
                      "'txt', did you mean 'text'?", stderr)
        status, _, stderr = run("-c", self.write(
            "listen '127.0.0.1:0' {\n  handler = none-such }"))
        self.assertEqual(status, 78)
        self.assertIn(f"bevhost: {path}:2: there is no plugin 'none-such'",
                      stderr)
        status, _, stderr = run("-c", self.write(
            "\nlisten '127.0.0.1:0' { handler = '%s' }"
            % plugin("lifecycle")))
        self.assertEqual(status, 78)
        self.assertIn(f"bevhost: {path}:2: lifecycle: parameter 'log' is "
                      "missing", stderr)

    def test_an_address_with_its_line(self):
        with Server() as server:
            address = server.addresses[0]
            status, _, stderr = run("-c", self.write(
                f"\nlisten '{address}' {{ handler = echo }}"))
        self.assertEqual(status, 69)
        self.assertIn(f"{self.path('bevhost.conf')}:2: ", stderr)
        self.assertIn(address, stderr)

    def test_help_and_version_need_no_file(self):
        for word in ("--help", "--version"):
            status, stdout, stderr = run("-c", self.path("none"), word)
            self.assertEqual((status, stderr), (0, ""))
            self.assertIn("bevhost", stdout)
        status, _, stderr = run("-c", self.path("none"), "--list-plugins")
        self.assertEqual(status, 66, stderr)

    def test_a_mistake_of_the_command_line_comes_first(self):
        status, _, stderr = run("-c", self.path("none"), "--nonsense")
        self.assertEqual(status, 64)
        self.assertIn("unknown option '--nonsense'", stderr)


if __name__ == "__main__":
    harness.main()
