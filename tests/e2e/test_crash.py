# SPDX-License-Identifier: BSD-2-Clause
"""What is said of a worker that crashes, exits or hangs in a callback."""

import os
import re
import resource
import signal
import socket
import subprocess
import tempfile
import unittest

import harness
from harness import Server, plugin, receive_exactly, run, wait_for

# As crash.h says.
STALL = signal.SIGRTMIN + 5

INSTANCE = ("config", "ready", "start", "self_test")
CONNECTION = ("admit", "open", "read", "write", "event", "timer", "close")
TASK = ("run", "job", "child task")


def setup_core(size):
    def setup():
        resource.setrlimit(resource.RLIMIT_CORE, (size, size))
    return setup


# A sanitizer that takes no signal leaves them to the host.
ENV = {"ASAN_OPTIONS": "handle_segv=0:handle_sigbus=0:handle_abort=0:"
       "handle_sigill=0:handle_sigfpe=0:handle_sigtrap=0:"
       "detect_stack_use_after_return=0"}


def options():
    """For subprocess, without a core dump."""
    return {"preexec_fn": setup_core(0)}


def start_fails(name, *words, env=None):
    """Runs to the end that comes before it serves: (status, log)."""
    status, _, stderr = run(
        "--no-master", "-p", "0", plugin(name), *words,
        env={**os.environ, **ENV, **(env or {})}, **options())
    return status, stderr


@unittest.skipIf(harness.UNDER, "valgrind ends the process itself")
class Crash(unittest.TestCase):
    def serve(self, name, *words, talk=lambda server, connection: None):
        """One connection that says and hears all that it can, until the
        crash: (signal or status, log, address of the connection)."""
        with Server(plugin(name), *words, env=ENV, **options()) as server:
            with server.connect() as connection:
                peer = "%s:%d" % connection.getsockname()
                try:
                    talk(server, connection)
                except OSError:
                    pass
                status = server.process.wait(harness.PATIENCE)
            return status, server.stderr(), peer

    def check(self, log, line, function="crash_now"):
        """The line, then a backtrace with the plugin's function first."""
        lines = log.splitlines()
        pattern = re.compile("bevhost: " + line + "$")
        found = [i for i, text in enumerate(lines) if pattern.match(text)]
        self.assertEqual(len(found), 1, f"{line}\n{log}")
        frames = lines[found[0] + 1:]
        self.assertTrue(frames, log)
        number = 0
        for number, frame in enumerate(frames):
            self.assertRegex(frame, rf"^bevhost:   #{number} \S+ "
                             rf"\[0x[0-9a-f]+\]$|"
                             rf"^bevhost:   #{number} \? \[0x[0-9a-f]+\]$")
        self.assertTrue(
            any(re.search(rf"{harness.PLUGINS}/crash\w*\.so"
                          rf"\({function}(\.cold)?\+0x", frame)
                for frame in frames), log)
        return frames

    @staticmethod
    def talk(server, connection):
        """Brings about every callback of a connection."""
        connection.sendall(b"x")
        receive_exactly(connection, len("hello" + "timer" + "well"))
        connection.shutdown(socket.SHUT_WR)

    def test_each_callback_of_a_connection_is_named(self):
        for callback in CONNECTION:
            with self.subTest(callback=callback):
                status, log, peer = self.serve(
                    "crash", "in=" + callback, talk=self.talk)
                self.assertEqual(status, -signal.SIGSEGV, log)
                self.check(log, "SIGSEGV at 0x10 in plugin crash, callback "
                           f"{callback}, connection 1 from {peer}")

    def test_drain_is_named(self):
        def talk(server, connection):
            receive_exactly(connection, 5)
            server.kill()

        status, log, peer = self.serve("crash", "in=drain", talk=talk)
        self.assertEqual(status, -signal.SIGSEGV)
        self.check(log, "SIGSEGV at 0x10 in plugin crash, callback drain, "
                   f"connection 1 from {peer}")

    def test_each_callback_of_an_instance_is_named(self):
        for callback in INSTANCE:
            with self.subTest(callback=callback):
                status, log = start_fails("crash", "in=" + callback,
                                          "how=segv")
                self.assertEqual(status, -signal.SIGSEGV, log)
                self.check(log, "SIGSEGV at 0x10 in plugin crash, callback "
                           + callback)

    def test_the_last_callbacks_are_named(self):
        for callback in ("stop", "destroy"):
            with self.subTest(callback=callback):
                with Server(plugin("crash"), "in=" + callback, env=ENV,
                            **options()) as server:
                    self.assertEqual(server.stop(), -signal.SIGSEGV)
                    self.check(server.stderr(), "SIGSEGV at 0x10 in plugin "
                               "crash, callback " + callback)

    def test_a_file_that_is_being_loaded_is_named(self):
        status, log = start_fails("crash", env={"CRASH_LOAD": "segv"})
        self.assertEqual(status, -signal.SIGSEGV)
        self.check(log, "SIGSEGV at 0x10 in plugin "
                   + re.escape(plugin("crash")) + ", callback load")

    def test_create_is_named(self):
        status, log = start_fails("crash", env={"CRASH_CREATE": "segv"})
        self.assertEqual(status, -signal.SIGSEGV)
        self.check(log, "SIGSEGV at 0x10 in plugin crash, callback create")

    def test_tasks_and_jobs_are_named(self):
        for callback in TASK:
            with self.subTest(callback=callback):
                status, log, peer = self.serve(
                    "crash_run", "in=" + callback,
                    talk=lambda _, connection: connection.sendall(b"x"))
                self.assertEqual(status, -signal.SIGSEGV, log)
                self.check(log, "SIGSEGV at 0x10 in plugin crash-run, "
                           f"callback {callback}, connection 1 from {peer}")

    def test_a_task_of_no_connection_is_named(self):
        with Server(plugin("crash_run"), "in=task", env=ENV,
                    **options()) as server:
            self.assertEqual(server.process.wait(harness.PATIENCE),
                             -signal.SIGSEGV)
            self.check(server.stderr(), "SIGSEGV at 0x10 in plugin crash-run, "
                       "callback task")

    def test_a_generator_is_named(self):
        status, log, peer = self.serve(
            "crash_generate", "in=generate",
            talk=lambda _, connection: connection.sendall(b"x"))
        self.assertEqual(status, -signal.SIGSEGV)
        self.check(log, "SIGSEGV at 0x10 in plugin crash-generate, callback "
                   f"generate, connection 1 from {peer}")

    def test_each_way_ends_by_its_signal(self):
        where = r" at 0x[0-9a-f]+"
        ways = {
            "abort": ("ABRT", ""),
            "fpe": ("FPE", where),
            "bus": ("BUS", where),
            "ill": ("ILL", where),
            "sys": ("SYS", ""),
            "trap": ("TRAP", ""),
            "nowhere": ("SEGV", " at 0x0"),
        }
        if harness.SANITIZERS:
            del ways["fpe"]  # a sanitizer sees the division first
        for how, (name, place) in ways.items():
            for kind, callback in (("crash", "read"), ("crash_run", "run"),
                                   ("crash_run", "job")):
                with self.subTest(how=how, callback=callback):
                    status, log, peer = self.serve(
                        kind, "in=" + callback, "how=" + how, talk=self.talk)
                    self.assertEqual(
                        status, -getattr(signal, "SIG" + name), log)
                    line = (f"SIG{name}{place} in plugin "
                            f"{kind.replace('_', '-')}, callback {callback}, "
                            f"connection 1 from {peer}")
                    frames = self.check(log, line)
                    if how == "nowhere":
                        self.assertEqual(frames[0], "bevhost:   #0 ? [0x0]")
                        self.assertEqual(len(frames), 2)

    def test_the_peer_of_a_unix_socket_is_named(self):
        with tempfile.TemporaryDirectory() as folder:
            with Server(plugin("crash"), "in=read", "how=segv",
                        listen=[f"unix:{folder}/s"], env=ENV,
                        **options()) as server:
                with server.connect() as connection:
                    connection.sendall(b"x")
                    self.assertEqual(server.process.wait(harness.PATIENCE),
                                     -signal.SIGSEGV)
                self.check(server.stderr(), "SIGSEGV at 0x10 in plugin crash, "
                           "callback read, connection 1 from unix:")

    def test_a_signal_from_outside_names_its_sender(self):
        with Server("greeting", env=ENV, **options()) as server:
            self.assertEqual(server.stop(signal.SIGABRT), -signal.SIGABRT)
            self.assertIn(
                f"bevhost: SIGABRT sent by process {os.getpid()} in the "
                "host\n", server.stderr())

    def test_what_addr2line_is_given_is_the_line(self):
        status, log, _ = self.serve("crash", "in=read", talk=self.talk)
        self.assertEqual(status, -signal.SIGSEGV)
        frame = next(line for line in log.splitlines()
                     if "(crash_read+0x" in line)
        path, offset = re.search(r"#\d+ (\S+)\(.*\[(0x\w+)\]", frame).groups()
        try:
            done = subprocess.run(["addr2line", "-f", "-i", "-e", path, offset],
                                  capture_output=True, text=True)
        except FileNotFoundError:
            self.skipTest("there is no addr2line")
        self.assertIn("crash_read", done.stdout)

    @unittest.skipIf(harness.SANITIZERS, "a sanitizer allows no core dump")
    def test_core_dumps_still_happen(self):
        with open("/proc/sys/kernel/core_pattern") as file:
            pattern = file.read().strip()
        hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
        if pattern.startswith("|") or "/" in pattern or hard == 0:
            self.skipTest("core dumps do not go to the current folder")
        for how in ("segv", "abort"):
            with self.subTest(how=how), \
                    tempfile.TemporaryDirectory() as folder:
                with Server(os.path.abspath(plugin("crash")), "in=read",
                            "how=" + how, cwd=folder,
                            preexec_fn=setup_core(hard)) as server:
                    with server.connect() as connection:
                        connection.sendall(b"x")
                        info = os.waitid(os.P_PID, server.process.pid,
                                         os.WEXITED | os.WNOWAIT)
                        self.assertEqual(info.si_code, os.CLD_DUMPED)
                        server.process.wait()
                self.assertTrue(os.listdir(folder))

    @unittest.skipUnless(harness.SANITIZERS, "for builds with sanitizers")
    def test_a_sanitizer_has_its_report_too(self):
        server = Server(plugin("crash"), "in=read", **options())
        try:
            with server.connect() as connection:
                connection.sendall(b"x")
                self.assertGreater(server.process.wait(harness.PATIENCE), 0)
            self.assertRegex(server.stderr(),
                             "SIGSEGV at 0x10 in plugin crash, callback read, "
                             "connection 1 from 127.0.0.1:[0-9]+\\n(.*\\n)*"
                             ".*AddressSanitizer: SEGV on unknown address")
        finally:
            server.__exit__(AssertionError)

    def test_an_overflow_of_a_stack_has_its_advice(self):
        status, log, peer = self.serve(
            "crash_run", "in=run", "how=overflow", talk=self.talk)
        self.assertEqual(status, -signal.SIGSEGV)
        self.check(log, r"SIGSEGV at 0x[0-9a-f]+ in plugin crash-run, "
                   f"callback run, connection 1 from {peer}: its stack of "
                   r"65536 bytes overflowed: raise .stack_size or "
                   "--stack-size, or keep large objects elsewhere",
                   "crash_deep")


    def test_an_overflow_of_a_thread_has_its_line(self):
        status, log, peer = self.serve(
            "crash_run", "in=job", "how=overflow", talk=self.talk)
        self.assertEqual(status, -signal.SIGSEGV)
        self.check(log, r"SIGSEGV at 0x[0-9a-f]+ in plugin crash-run, "
                   f"callback job, connection 1 from {peer}", "crash_deep")


class Exit(unittest.TestCase):
    def test_a_plugin_that_exits_is_named(self):
        for kind, callback in (("crash", "read"), ("crash_generate",
                                                   "generate")):
            with self.subTest(callback=callback):
                with Server(plugin(kind), "in=" + callback,
                            "how=exit") as server:
                    with server.connect() as connection:
                        peer = "%s:%d" % connection.getsockname()
                        connection.sendall(b"x")
                        self.assertEqual(
                            server.process.wait(harness.PATIENCE), 3)
                    self.assertIn(
                        f"bevhost: plugin {kind.replace('_', '-')} called "
                        f"exit(3) in callback {callback}, connection 1 from "
                        f"{peer}: a plugin must not end the process\n",
                        server.stderr())

    def test_one_that_exits_while_it_is_loaded_is_named(self):
        status, log = start_fails("crash", env={"CRASH_LOAD": "exit"})
        self.assertEqual(status, 3)
        self.assertIn(f"bevhost: plugin {plugin('crash')} called exit(3) in "
                      "callback load: ", log)

    def test_an_end_of_the_host_is_no_plugins(self):
        with Server("greeting") as server:
            self.assertEqual(server.stop(), 0)
            self.assertNotIn("called exit", server.stderr())


class Stall(unittest.TestCase):
    def stall(self, kind, callback):
        """Lets it loop, asks what it does until it says so, and sees it go
        on."""
        with Server(plugin(kind), "in=" + callback, "how=loop",
                    "ms=1000") as server:
            with server.connect() as connection:
                peer = "%s:%d" % connection.getsockname()
                connection.sendall(b"x")
                server.wait_log("looping")
                server.kill(STALL)
                line = (f"bevhost: stalled in plugin "
                        f"{kind.replace('_', '-')}, callback {callback}, "
                        f"connection 1 from {peer}\n")
                log = server.wait_log(line)
                self.assertNotIn("looped", log)
                self.assertEqual(
                    receive_exactly(connection, 4)[:4],
                    b"hell" if kind == "crash" else b"well")
            self.assertEqual(server.stop(), 0)
            return server.stderr()

    def test_a_busy_callback_is_named_and_goes_on(self):
        log = self.stall("crash", "read")
        self.assertIn("(crash_now+0x", log)
        self.assertIn("(crash_read+0x", log)

    def test_a_busy_task_is_named_and_goes_on(self):
        self.assertIn("(crash_now+0x", self.stall("crash_run", "run"))

    def test_a_busy_generator_is_named_and_goes_on(self):
        self.assertIn("(crash_now+0x",
                      self.stall("crash_generate", "generate"))

    def test_a_job_stalls_nobody(self):
        with Server(plugin("crash_run"), "in=job", "how=loop",
                    "ms=300") as server:
            with server.connect() as connection:
                connection.sendall(b"x")
                server.wait_log("looping")
                server.kill(STALL)
                server.wait_log("bevhost: stalled in the host\n")
                self.assertEqual(receive_exactly(connection, 4), b"well")
            self.assertEqual(server.stop(), 0)

    def test_a_worker_that_rests_says_so_many_times(self):
        with Server("greeting") as server:
            for count in range(1, 21):
                server.kill(STALL)
                wait_for(lambda: server.stderr().count(
                    "bevhost: stalled in the host\n") == count, "the line")
            with server.connect() as connection:
                connection.sendall(b"x")
                self.assertEqual(receive_exactly(connection, 12),
                                 b"Hello World!")
            self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    harness.main()
