# SPDX-License-Identifier: BSD-2-Clause
"""What a plugin may do beside its connections: what its manifest says."""

import os
import signal
import tempfile
import time
import unittest

import harness
from harness import Server, plugin, receive_all, wait_for
from test_master import no_core

# What each command is stopped for, if no manifest allows it.
STOPPED = {
    "write {folder}/new": r"openat\(2\)",
    "execute": r"(clone|fork)\(2\)",
    "fork": r"(clone|fork)\(2\)",
    "connect {port}": r"socket\(2\)",
    "listen": r"socket\(2\)",
    "ptrace": r"ptrace\(2\)",
    "code": r"mmap\(2\)",
    "kill 1": r"kill\(2\)",
    "mount": r"mount\(2\)",
}


def can_filter():
    """Does a worker get a filter here?"""
    if harness.UNDER or harness.SANITIZERS:
        return False
    with Server(plugin("sandbox")) as server:
        with open(f"/proc/{server.pid}/status") as status:
            return "Seccomp:\t2" in status.read()


class Sandboxed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.filters = can_filter()

    def setUp(self):
        if not self.filters:
            self.skipTest("no seccomp filter here")
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.there = os.path.join(self.folder.name, "there")
        with open(self.there, "w") as file:
            file.write("x")

    def tell(self, server, line):
        """A command, and its answer without the end of its line."""
        with server.connect() as connection:
            connection.sendall(line.encode() + b"\n")
            connection.shutdown(1)
            try:
                return receive_all(connection).decode().strip()
            except ConnectionResetError:
                return ""

    def command(self, command, server):
        return command.format(folder=self.folder.name,
                              port=server.addresses[0].rsplit(":", 1)[1])


class On(Sandboxed):
    def test_each_break_out_is_stopped_and_named(self):
        for command, call in STOPPED.items():
            with self.subTest(command=command):
                with Server(plugin("sandbox"), preexec_fn=no_core) as server:
                    answer = self.tell(server, self.command(command, server))
                    self.assertEqual(answer, "")
                    self.assertEqual(server.process.wait(harness.PATIENCE),
                                     -signal.SIGSYS)
                    self.assertRegex(
                        server.stderr(),
                        rf"SIGSYS: the sandbox stopped {call} in plugin "
                        r"sandbox, callback run, connection 1 from "
                        r"127.0.0.1:\d+: no ")
        self.assertEqual(os.listdir(self.folder.name), ["there"])

    def test_the_worker_of_a_master_is_replaced(self):
        with Server(plugin("sandbox"), master=True,
                    options=["--workers=1"], preexec_fn=no_core) as server:
            self.assertEqual(self.tell(server, "connect 1"), "")
            log = server.wait_log("was killed by SIGSYS: starting another")
            self.assertRegex(log, r"worker 1 \(generation 1, pid \d+\): "
                             r"SIGSYS: the sandbox stopped socket\(2\) in "
                             "plugin sandbox, callback run")
            wait_for(lambda: self.tell(server, "thread") == "OK",
                     "another worker")

    def test_removing_is_stopped_where_the_host_removes_nothing(self):
        with Server(plugin("sandbox"), master=True, preexec_fn=no_core
                    ) as server:
            self.assertEqual(self.tell(server, f"remove {self.there}"), "")
            server.wait_log("the sandbox stopped unlink")
        with Server(plugin("sandbox")) as server:
            self.assertEqual(self.tell(server, f"remove {self.there}"),
                             "EACCES")

    def test_a_job_is_named(self):
        with Server(plugin("sandbox"), preexec_fn=no_core) as server:
            self.tell(server, f"job {self.folder.name}/new")
            self.assertEqual(server.process.wait(harness.PATIENCE),
                             -signal.SIGSYS)
            self.assertIn("openat(2) in plugin sandbox, callback job",
                          server.stderr())

    def test_what_all_may_do(self):
        with Server(plugin("sandbox")) as server:
            for line in ("thread", f"kill {server.pid}", "read /dev/null",
                         "read /etc/hosts", "read /proc/self/maps"):
                self.assertEqual(self.tell(server, line), "OK", line)

    def test_what_libraries_try_fails_as_on_an_older_kernel(self):
        with Server(plugin("sandbox")) as server:
            self.assertEqual(self.tell(server, "ring"), "ENOSYS")
            self.assertEqual(self.tell(server, "unknown"), "ENOSYS")
            self.assertEqual(self.tell(server, "ioctl"), "ENOTTY")

    def test_files_that_are_not_declared_cannot_be_read(self):
        with Server(plugin("sandbox")) as server:
            if "Landlock" in server.stderr():
                self.skipTest("no Landlock here")
            self.assertEqual(self.tell(server, f"read {self.there}"),
                             "EACCES")

    def test_a_manifest_allows_it(self):
        with Server(plugin("sandbox_flags"), f"reads={self.there}",
                    f"writes={self.folder.name}") as server:
            port = server.addresses[0].rsplit(":", 1)[1]
            for line in (f"read {self.there}", f"write {self.folder.name}/new",
                         f"job {self.folder.name}/job", "listen", "names",
                         f"connect {port}", "code",
                         f"remove {self.folder.name}/new"):
                self.assertEqual(self.tell(server, line), "OK", line)
            for line in ("write /var/tmp/bevhost-test-no",
                         "remove /etc/passwd"):
                self.assertEqual(self.tell(server, line), "EACCES", line)

    def test_programs_are_held_to_the_manifest(self):
        with Server(plugin("sandbox_exec"), f"writes={self.folder.name}"
                    ) as server:
            for line in ("execute", "fork"):
                self.assertEqual(self.tell(server, line), "OK", line)
            self.assertEqual(self.tell(server, "ptrace"), "EPERM")

    def test_log_is_opened_anew_and_files_are_removed(self):
        pidfile = os.path.join(self.folder.name, "pid")
        log = os.path.join(self.folder.name, "log")
        with Server(plugin("sandbox"), listen=[
                "127.0.0.1:0", f"unix:{self.folder.name}/socket"],
                options=[f"--pidfile={pidfile}", f"--log-file={log}"],
                env={"TMPDIR": self.folder.name}) as server:
            os.rename(log, log + ".1")
            server.kill(signal.SIGUSR1)
            wait_for(lambda: os.path.exists(log), "a new log")
            self.assertEqual(server.stop(), 0)
        self.assertEqual(sorted(os.listdir(self.folder.name)),
                         ["log", "log.1", "there"])

    def test_command_of_run_is_free(self):
        status, stdout, stderr = harness.run(
            "--no-master", "-p", "0", f"--run=echo x >{self.folder.name}/out; "
            "grep ^Seccomp: /proc/self/status", plugin("sandbox"))
        self.assertEqual((status, stdout), (0, "Seccomp:\t0\n"), stderr)

    def test_as_another_user(self):
        harness.need_nobody()
        with Server(plugin("sandbox"), options=["--user=nobody"],
                    master=True) as server:
            self.assertEqual(self.tell(server, "read /etc/group"), "OK")

    def test_reload_with_a_plugin_that_needs_more(self):
        harness.need_config()
        path = os.path.join(self.folder.name, "bevhost.conf")

        def write(name):
            with open(path, "w") as file:
                file.write(f'workers = 1\nlisten "127.0.0.1:0" {{ handler = '
                           f'"{plugin(name)}" }}\n')

        write("sandbox")
        with Server(listen=(), options=["-c", path], master=True,
                    preexec_fn=no_core) as server:
            write("sandbox_flags")
            self.assertEqual(server.reload()[0], 0, server.stderr())
            self.assertEqual(self.tell(server, "code"), "OK")


class Report(Sandboxed):
    def serve(self, name, *words):
        return Server(plugin(name), *words, options=["--sandbox=report"])

    def test_each_is_said_once_and_allowed(self):
        with self.serve("sandbox") as server:
            if "no calls on" in server.stderr():
                self.skipTest("this kernel passes no calls on")
            self.assertEqual(self.tell(server, "execute"), "OK")
            self.assertEqual(self.tell(server, "listen"), "OK")
            self.assertEqual(self.tell(server, "listen"), "OK")
            self.assertEqual(self.tell(server, f"read {self.there}"), "OK")
            log = server.stderr()
            for text in ("execve(2)", "socket(2) in plugin sandbox, callback "
                         "run, connection 2 from 127.0.0.1:",
                         f"openat(2) of '{self.there}' in plugin sandbox"):
                self.assertEqual(
                    log.count("the sandbox would stop " + text), 1, log)
            self.assertEqual(server.stop(), 0)

    def test_files_that_a_client_thinks_of_do_not_fill_the_log(self):
        with self.serve("sandbox") as server:
            if "no calls on" in server.stderr():
                self.skipTest("this kernel passes no calls on")
            begun = time.monotonic()
            for number in range(600):
                path = os.path.join(self.folder.name, str(number))
                with open(path, "wb"):
                    self.tell(server, "read " + path)
            lines = server.stderr().count("the sandbox would stop openat(2)")
            self.assertGreaterEqual(lines, 200)
            # 256, and then one in a tenth of a second.
            self.assertLess(
                lines, 260 + 10 * (time.monotonic() - begun))

    def test_what_is_declared_is_not_said(self):
        with self.serve("sandbox_flags", f"reads={self.there}",
                        f"writes={self.folder.name}") as server:
            for line in (f"read {self.there}", f"write {self.folder.name}/new",
                         "names", "listen"):
                self.assertEqual(self.tell(server, line), "OK")
            self.assertNotIn("would stop", server.stderr())


class Off(Sandboxed):
    def test_nothing_is_stopped(self):
        with Server(plugin("sandbox"), options=["--sandbox=off"]) as server:
            for line in ("execute", "listen", f"read {self.there}"):
                self.assertEqual(self.tell(server, line), "OK")


if __name__ == "__main__":
    harness.main()
