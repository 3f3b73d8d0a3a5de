# SPDX-License-Identifier: BSD-2-Clause
"""bevhost-dev run: serves, and reloads on each save."""

import os
import re
import shutil
import signal
import socket

import harness
from dev import PLAIN, SOURCE, Case, Loop, ask
from harness import (PATIENCE, SANITIZERS, children, is_alive, receive_all,
                     wait_for)


def waiting_signals(pid):
    """How many a process has not been told of yet."""
    with open(f"/proc/{pid}/status") as file:
        pending = re.search(r"(?m)^ShdPnd:\s*(\w+)$", file.read())[1]
    return bin(int(pending, 16)).count("1")


class Run(Case):
    def setUp(self):
        super().setUp()
        self.write("hello.c", SOURCE)
        self.answer("one")

    def answer(self, word):
        self.write("answer.h", f'#define ANSWER "{word}\\n"\n')

    def test_a_save_reloads_and_old_connections_keep_their_code(self):
        with Loop(self, "hello.c", *PLAIN) as loop:
            port = loop.address.rsplit(":", 1)[1]
            self.assertRegex(loop.text(), rf"talk to it: .*\b{port}\n")
            with loop.connect() as old:
                self.assertEqual(ask(old, b"one\n"), b"one\n")
                self.answer("two")
                loop.wait("answer.h is in force")
                with loop.connect() as new:
                    self.assertEqual(ask(new, b"two\n"), b"two\n")
                    self.assertEqual(ask(old, b"one\n"), b"one\n")
                self.write("hello.c", SOURCE.replace("64", "65"))
                loop.wait("hello.c is in force")
                self.assertEqual(ask(old, b"one\n"), b"one\n")

    def test_what_does_not_compile_is_shown_and_changes_nothing(self):
        with Loop(self, "hello.c", *PLAIN) as loop:
            self.write("answer.h", "#define ANSWER nonsense\n")
            loop.wait("error:.*nonsense")
            loop.wait("hello.c cannot be compiled: .* serves on")
            with loop.connect() as connection:
                self.assertEqual(ask(connection, b"one\n"), b"one\n")
            self.answer("three")
            loop.wait("answer.h is in force")
            with loop.connect() as connection:
                self.assertEqual(ask(connection, b"three\n"), b"three\n")

    def test_what_does_not_load_is_said_and_changes_nothing(self):
        with Loop(self, "hello.c", *PLAIN) as loop:
            self.write("hello.c", "int nothing;\n")
            loop.wait("it cannot take over .*bevhost_plugin_init")
            with loop.connect() as connection:
                self.assertEqual(ask(connection, b"one\n"), b"one\n")

    def test_a_file_that_was_not_there(self):
        with Loop(self, ".", *PLAIN) as loop:
            self.write("hello.c", SOURCE.replace("answer.h", "word.h"))
            loop.wait("error: word.h|fatal error: .*word.h")
            loop.wait("serves on\n")
            self.write("word.h", 'extern const char word[6];\n'
                       '#define ANSWER word\n')
            # The word itself is in no file yet.
            loop.wait("it cannot take over .*'word'")
            self.write("word.c", 'const char word[6] = "four\\n";\n')
            loop.wait("word.c is in force")
            with loop.connect() as connection:
                self.assertEqual(ask(connection, b"four\n"), b"four\n")
            # Two plugins in one folder are none.
            self.write("other.c", SOURCE)
            loop.wait("several plugins in this folder")
            loop.wait("serves on\n", 3)
            os.remove(self.path("other.c"))
            self.write("word.c", 'const char word[6] = "five\\n";\n')
            loop.wait("word.c is in force", 2)
            with loop.connect() as connection:
                self.assertEqual(ask(connection, b"five\n"), b"five\n")

    def test_headers_in_other_folders(self):
        os.mkdir(self.path("a b"))
        os.mkdir(self.path("src"))
        self.write("a b/answer.h", '#define ANSWER "one\\n"\n')
        self.write("src/hello.c", SOURCE.replace("answer.h",
                                                 "../a b/answer.h"))
        with Loop(self, "src/hello.c", *PLAIN, CPPFLAGS="-Iinc") as loop:
            self.write("a b/answer.h", '#define ANSWER "two\\n"\n')
            loop.wait("a b/answer.h is in force")
            # Those that are not there yet: beside a header, and by a path.
            self.write("a b/answer.h", '#include "$more.h"\n')
            loop.wait("fatal error:.*more.h")
            loop.wait("serves on\n")
            self.write("a b/$more.h", '#include "its/word.h"\n')
            loop.wait("fatal error:.*its/word.h")
            loop.wait("serves on\n", 2)
            os.makedirs(self.path("inc/its"))
            # One with an error is known too.
            self.write("inc/its/word.h", "#define ANSWER nonsense\n")
            loop.wait("error:.*nonsense")
            loop.wait("serves on\n", 3)
            self.write("inc/its/word.h", '#define ANSWER "three\\n"\n')
            loop.wait("inc/its/word.h is in force")
            with loop.connect() as connection:
                self.assertEqual(ask(connection, b"three\n"), b"three\n")

    def test_a_folder_and_a_plugin_that_is_compiled_elsewhere(self):
        with Loop(self, ".", *PLAIN) as loop:
            self.answer("two")
            loop.wait("answer.h is in force")
        self.assertEqual(self.dev("build", "hello.c")[0], 0)
        with Loop(self, "hello.so") as loop:
            with loop.connect() as old:
                self.assertEqual(ask(old, b"two\n"), b"two\n")
                self.answer("three")
                self.assertEqual(self.dev("build", "hello.c")[0], 0)
                loop.wait("hello.so is in force")
                with loop.connect() as new:
                    self.assertEqual(ask(new, b"three\n"), b"three\n")
                self.assertEqual(ask(old, b"two\n"), b"two\n")

    def test_parameters_addresses_and_options_of_the_host(self):
        self.assertEqual(self.dev("new", "demo")[0], 0)
        path = self.path("socket")
        with Loop(self, "demo", "greeting=Hi", "-l", "unix:" + path, *PLAIN,
                  "--", "--idle-timeout=3s") as loop:
            self.assertEqual(loop.address, "unix:" + path)
            self.assertRegex(loop.text(), "talk to it: .*" + path)
            with loop.connect() as connection:
                connection.sendall(b"you\n")
                connection.shutdown(socket.SHUT_WR)
                self.assertEqual(receive_all(connection),
                                 b"Hi, you! You are number 1.\n")

    def test_sanitizers_say_the_line_and_a_new_worker_serves(self):
        if SANITIZERS:
            self.skipTest("this host has sanitizers itself")
        self.write("hello.c", SOURCE.replace("line, sizeof(line)",
                                             "line, 2 * sizeof(line)"))
        status, _, stderr = self.dev("build", "-s", "hello.c")
        if "has no sanitizers" in stderr:
            self.skipTest("this compiler has no sanitizers")
        self.assertEqual(status, 0, stderr)
        with Loop(self, "hello.c") as loop:
            with loop.connect() as connection:
                connection.sendall(b"x" * 100 + b"\n")
                self.assertEqual(connection.recv(10), b"")
            loop.wait("ERROR: AddressSanitizer")
            loop.wait(r"in hello_run .*hello\.c:11")
            loop.wait("starting another")
            self.assertNotIn("legend", loop.text())
            # Its successor takes the connection that waits meanwhile.
            with loop.connect() as connection:
                self.assertEqual(ask(connection, b"one\n"), b"one\n")

    def test_what_is_never_freed_is_said_with_its_line(self):
        if SANITIZERS:
            self.skipTest("this host has sanitizers itself")
        leak = SOURCE.replace("#include <bevhost/task.h>",
                              "#include <bevhost/task.h>\n#include <string.h>")
        leak = leak.replace("\t\tbevhost_stream_write(stream, ANSWER,",
                            "\t\tbevhost_stream_write(stream, strdup(ANSWER),")
        self.assertIn("strdup", leak)
        self.write("hello.c", leak)
        status, _, stderr = self.dev("build", "-s", "hello.c")
        if "has no sanitizers" in stderr:
            self.skipTest("this compiler has no sanitizers")
        self.assertEqual(status, 0, stderr)
        with Loop(self, "hello.c") as loop:
            with loop.connect() as connection:
                self.assertEqual(ask(connection, b"one\n"), b"one\n")
            # The worker with that code ends.
            self.write("hello.c", SOURCE)
            loop.wait("LeakSanitizer: detected memory leaks")
            loop.wait(r"in hello_run .*hello\.c:13")
            loop.wait("SUMMARY: AddressSanitizer: 5 byte")
            loop.wait("hello.c is in force")
            before = len(loop.text())
            # It has another one, and is in the middle of it at the end.
            with loop.connect() as connection:
                self.assertEqual(ask(connection, b"one\n"), b"one\n")
                loop.process.send_signal(signal.SIGTERM)
                self.assertEqual(loop.process.wait(PATIENCE), 143)
            self.assertNotIn("Sanitizer", loop.text()[before:])

    def test_in_each_model_nothing_of_the_host_is_left(self):
        if SANITIZERS:
            self.skipTest("this host has sanitizers itself")
        for model in ("callbacks", "generator", "async"):
            name = "my-" + model
            self.assertEqual(self.dev("new", name, "-m", model)[0], 0)
            with Loop(self, name, "greeting=Hi") as loop:
                with loop.connect() as connection:
                    connection.sendall(b"you\nwho")
                    self.assertEqual(connection.recv(10), b"Hi, you! Y")
                    loop.process.send_signal(signal.SIGTERM)
                    self.assertEqual(loop.process.wait(PATIENCE), 143)
                self.assertNotIn("Sanitizer", loop.text())
                self.assertIn("stopping", loop.text())

    def test_a_start_that_fails(self):
        self.refused(64, "unknown parameter 'colour'.*\n.*cannot be served",
                     "run", "hello.c", "colour=red", *PLAIN)
        self.refused(64, "did you mean '--idle-timeout'", "run", "hello.c",
                     *PLAIN, "--", "--idle-timout=3s")
        self.refused(69, "cannot be served", "run", "hello.c", *PLAIN, "-l",
                     "192.0.2.1:1")
        self.refused(78, "there is no plugin 'nowhere'", "run", "nowhere")
        self.refused(66, "nowhere.so: there is no such file", "run",
                     "nowhere.so")
        self.refused(64, "the port 'x' is no number", "run", "hello.c", "-p",
                     "x")
        self.refused(64, "--port needs a value", "run", "hello.c", "--port")
        self.refused(64, "did you mean '--once'", "run", "hello.c", "--onc")
        self.refused(64, "which plugin", "run")
        self.write("hello.c", "int x = ;\n")
        self.refused(65, "hello.c cannot be compiled", "run", "hello.c",
                     *PLAIN)

    def test_it_ends_with_all_that_it_started(self):
        for number, status in ((signal.SIGTERM, 143), (signal.SIGINT, 130),
                               (signal.SIGHUP, 129)):
            with Loop(self, "hello.c", *PLAIN) as loop, \
                    loop.connect() as connection:
                self.assertEqual(ask(connection, b"one\n"), b"one\n")
                started = self.started(loop)
                loop.process.send_signal(number)
                self.assertEqual(loop.process.wait(PATIENCE), status)
                wait_for(lambda: not any(map(is_alive, started)),
                         "the end of all processes")

    def test_it_ends_at_once_however_late_the_host_hears_of_it(self):
        with Loop(self, "hello.c", "--once", *PLAIN) as loop, \
                loop.connect() as connection:
            self.assertEqual(ask(connection, b"one\n"), b"one\n")
            host = self.host(loop)
            os.kill(host, signal.SIGSTOP)
            try:
                loop.process.terminate()
                wait_for(lambda: waiting_signals(host) == 2, "both signals")
            finally:
                os.kill(host, signal.SIGCONT)
            self.assertEqual(loop.process.wait(PATIENCE), 143)
            self.assertIn("stopping now", loop.text())

    def host(self, loop):
        """Beside it a shell may run for a moment."""
        found, = (pid for pid, title in children(loop.process.pid).items()
                  if os.path.basename(title) == "bevhost")
        return found

    def started(self, loop):
        """The host, its processes, and the watch."""
        wait_for(lambda: any(
            name.endswith("dev-watch") for name in
            children(loop.process.pid).values()), "the watch")
        found = list(children(loop.process.pid))
        self.assertGreaterEqual(len(found), 2)
        for child in list(found):
            found += children(child)
        return found

    def test_it_ends_when_nobody_reads_what_it_says(self):
        reader, writer = os.pipe()
        with open(reader, "rb") as said, Loop(self, "hello.c", *PLAIN,
                                              log=writer) as loop:
            os.close(writer)
            heard = b""
            while b"talk to it" not in heard:
                heard += os.read(reader, 1000)
            started = self.started(loop)
            said.close()
            self.answer("two")
            self.assertEqual(loop.process.wait(PATIENCE), 141)
            wait_for(lambda: not any(map(is_alive, started)),
                     "the end of all processes")

    def test_nothing_serves_on_when_it_is_killed(self):
        with Loop(self, "hello.c", *PLAIN) as loop:
            started = self.started(loop)
            loop.process.kill()
            wait_for(lambda: not any(map(is_alive, started)),
                     "the end of all processes")
        # It had no time for that.
        for name in os.listdir(self.work):
            shutil.rmtree(os.path.join(self.work, name))

    def test_it_ends_when_the_host_does(self):
        with Loop(self, "hello.c", *PLAIN) as loop:
            host = next(pid for pid, name in
                        children(loop.process.pid).items()
                        if name.endswith("bevhost"))
            os.kill(host, signal.SIGTERM)
            self.assertEqual(loop.process.wait(PATIENCE), 0)
        with Loop(self, "hello.c", "--once", *PLAIN) as loop:
            host = self.host(loop)
            os.kill(host, signal.SIGTERM)
            self.assertEqual(loop.process.wait(PATIENCE), 0)


if __name__ == "__main__":
    harness.main()
