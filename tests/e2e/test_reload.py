# SPDX-License-Identifier: BSD-2-Clause
"""Reloads: what changes, what is refused, and who notices."""

import contextlib
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import unittest

import harness
from harness import (BEVHOST, Server, plugin, receive_all,
                     receive_exactly, run, wait_for)
from test_master import ENV, Config, greet, no_core, status_of


class Clients:
    """Asks for greetings, one connection after the other, until the end of
    the `with`: nothing may go wrong."""

    def __init__(self, server, index=0, expected=(b"Hello World!",)):
        self.server, self.index, self.expected = server, index, expected
        self.served, self.failures = 0, []
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.stop.is_set():
            try:
                answer = greet(self.server, self.index)
            except OSError as error:
                answer = repr(error)
            if answer in self.expected:
                self.served += 1
            else:
                self.failures.append(answer)

    def __enter__(self):
        self.thread.start()
        wait_for(lambda: self.served > 0 or self.failures, "a first answer")
        return self

    def __exit__(self, kind=None, *_unused):
        before = self.served
        if kind is None:
            wait_for(lambda: self.served > before or self.failures,
                     "an answer afterwards")
        self.stop.set()
        self.thread.join()
        if kind is None and self.failures:
            raise AssertionError(f"{len(self.failures)} of "
                                 f"{self.served + len(self.failures)} failed: "
                                 f"{self.failures[:5]}")


class Reload(unittest.TestCase):
    def serve(self, config, **more):
        return Server(options=("-c", config.path, *more.pop("options", ())),
                      listen=(), master=True, **more)


class Done(Reload):
    def test_the_answer_names_the_generation(self):
        with Server("greeting", master=True) as server:
            self.assertEqual(server.reload(),
                             (0, "generation 2 serves\n", ""))
            self.assertEqual(server.reload()[1], "generation 3 serves\n")

    def test_without_a_process_id_the_one_that_runs_is_asked(self):
        with tempfile.TemporaryDirectory() as folder:
            env = {"RUNTIME_DIRECTORY": folder}
            with Server("greeting", master=True, env=env) as server:
                done = run("--reload", env={**os.environ, **env})
                self.assertEqual(done, (0, "generation 2 serves\n", ""))
                with Server("greeting", master=True, env=env) as second:
                    status, _, stderr = run("--reload",
                                            env={**os.environ, **env})
                    self.assertEqual(status, 64)
                    self.assertIn(str(server.pid), stderr)
                    self.assertIn(str(second.pid), stderr)
            self.assertEqual(os.listdir(folder), [])

    def test_root_may_ask_the_master_of_another_user(self):
        harness.need_nobody()
        env = {name: value for name, value in os.environ.items()
               if name not in ("XDG_RUNTIME_DIR", "RUNTIME_DIRECTORY")}
        with tempfile.TemporaryFile() as log:
            process = subprocess.Popen(
                [*harness.UNDER, BEVHOST, "-l", "127.0.0.1:0", "greeting"],
                stderr=log, env=env, **harness.NOBODY)
            try:
                wait_for(lambda: b"listening on" in
                         os.pread(log.fileno(), 4096, 0), "a listener")
                self.assertEqual(run(f"--reload={process.pid}", env=env),
                                 (0, "generation 2 serves\n", ""))
            finally:
                process.terminate()
                process.wait()
                with contextlib.suppress(OSError):
                    os.rmdir(f"/tmp/bevhost-{pwd.getpwnam('nobody').pw_uid}")

    def test_with_none_that_runs(self):
        status, _, stderr = run("--reload=4000000")
        self.assertEqual(status, 69)
        self.assertIn("there is no process 4000000: ", stderr)
        status, _, stderr = run(f"--reload={os.getpid()}")
        self.assertEqual(status, 69)
        self.assertIn(f"process {os.getpid()} is no bevhost that can be asked "
                      "to reload: there is no socket of it in '", stderr)

    def test_hup_reloads_and_nobody_notices(self):
        with Server("greeting", options=("-w", "2"), master=True) as server:
            with Clients(server):
                for generation in range(2, 7):
                    server.kill(signal.SIGHUP)
                    server.wait_log(f"reload: generation {generation} serves")
            server.wait_workers(2)

    def test_hups_in_a_heap_are_few_reloads(self):
        with Server("greeting", master=True) as server:
            for _ in range(200):
                server.kill(signal.SIGHUP)
            self.assertEqual(server.reload()[0], 0)
            self.assertEqual(greet(server), b"Hello World!")
            server.wait_workers(1)

    def test_parameters_change_for_new_connections(self):
        text = 'listen "127.0.0.1:0" {{ handler = "greeting" ' \
               'with {{ text = "{}" }} }}'
        with Config(text.format("one")) as config:
            with self.serve(config) as server:
                with server.connect() as old:
                    old.sendall(b"x")
                    self.assertEqual(receive_exactly(old, 3), b"one")
                    config.write(text.format("two"))
                    self.assertEqual(server.reload()[0], 0)
                    with server.connect() as new:
                        new.sendall(b"x")
                        self.assertEqual(receive_exactly(new, 3), b"two")
                    old.sendall(b"x")
                    self.assertEqual(receive_exactly(old, 3), b"one")
                    self.assertEqual(len(server.workers(1)), 1)
                wait_for(lambda: not server.workers(1), "its end")

    def test_listeners_come_and_go(self):
        listener = 'listen "{}" {{ handler = "greeting" }}\n'
        with tempfile.TemporaryDirectory() as folder:
            paths = [f"unix:{folder}/{name}" for name in "abc"]
            with Config(listener.format(paths[0]) +
                        listener.format(paths[1])) as config:
                with self.serve(config) as server, Clients(server, 1):
                    config.write(listener.format(paths[1]) +
                                 listener.format(paths[2]))
                    self.assertEqual(server.reload()[0], 0)
                    self.assertFalse(os.path.exists(f"{folder}/a"))
                    server.addresses.append(paths[2])
                    self.assertEqual(greet(server, 2), b"Hello World!")
                    self.assertIn(f"listening on {paths[2]} (greeting)",
                                  server.stderr())
                    # And back again.
                    config.write(listener.format(paths[0]) +
                                 listener.format(paths[1]))
                    self.assertEqual(server.reload()[0], 0)
                    self.assertEqual(greet(server, 0), b"Hello World!")

    def test_a_unix_socket_whose_file_was_removed_is_bound_anew(self):
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/s"
            with Server("greeting", listen=(f"unix:{path}",),
                        master=True) as server:
                os.unlink(path)
                self.assertEqual(server.reload()[0], 0)
                self.assertEqual(greet(server), b"Hello World!")
            self.assertFalse(os.path.exists(path))

    def test_who_waits_at_a_listener_that_goes_is_served(self):
        text = 'listen "127.0.0.1:0" { handler = "greeting" }\n'
        with tempfile.TemporaryDirectory() as folder:
            more = f'listen "unix:{folder}/s" {{ handler = "greeting" }}\n'
            with Config(text + more) as config:
                with self.serve(config) as server:
                    pid, = server.wait_workers(1)
                    os.kill(pid, signal.SIGSTOP)
                    waiting = [server.connect(1) for _ in range(10)]
                    config.write(text)
                    self.assertEqual(server.reload()[0], 0)
                    os.kill(pid, signal.SIGCONT)
                    for connection in waiting:
                        connection.sendall(b"x")
                        self.assertEqual(receive_exactly(connection, 12),
                                         b"Hello World!")
                        connection.close()

    def test_fewer_workers_reset_nobody_who_waits(self):
        text = 'workers = {}\nlisten "127.0.0.1:0" {{ handler = "greeting" }}'
        with Config(text.format(4)) as config:
            with self.serve(config) as server:
                pids = server.wait_workers(4)
                for pid in pids:
                    os.kill(pid, signal.SIGSTOP)
                waiting = [server.connect() for _ in range(100)]
                for connection in waiting:
                    connection.sendall(b"x")
                config.write(text.format(1))
                self.assertEqual(server.reload()[0], 0)
                for connection in waiting:
                    self.assertEqual(receive_exactly(connection, 12),
                                     b"Hello World!")
                    connection.close()
                for pid in pids:
                    os.kill(pid, signal.SIGCONT)
                server.wait_workers(1)
                # And more again.
                config.write(text.format(3))
                with Clients(server):
                    self.assertEqual(server.reload()[0], 0)
                server.wait_workers(3)

    def test_another_spelling_of_an_address_keeps_those_who_wait(self):
        with Config("") as config:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            config.write(f'listen "127.0.0.1:{port}" '
                         '{ handler = "greeting" }')
            with self.serve(config) as server:
                pid, = server.wait_workers(1)
                os.kill(pid, signal.SIGSTOP)
                with server.connect() as connection:
                    config.write(f'listen "localhost:{port}" '
                                 '{ handler = "greeting" }')
                    self.assertEqual(server.reload()[0], 0)
                    connection.sendall(b"x")
                    self.assertEqual(receive_exactly(connection, 12),
                                     b"Hello World!")
                os.kill(pid, signal.SIGCONT)
                server.wait_workers(1)

    def test_old_generations_are_bounded_in_number(self):
        with Server("greeting", options=("--reload-drain-max=2",),
                    master=True) as server:
            connections = []
            for _ in range(5):
                connections.append(server.connect())
                connections[-1].sendall(b"x")
                receive_exactly(connections[-1], 12)
                self.assertEqual(server.reload()[0], 0)
            # The oldest are closed, the latest two are not.
            for connection in connections[:3]:
                self.assertEqual(receive_all(connection), b"")
            wait_for(lambda: len(server.workers()) == 3, "three generations")
            for connection in connections[3:]:
                connection.sendall(b"x")
                self.assertEqual(receive_exactly(connection, 12),
                                 b"Hello World!")
            for connection in connections:
                connection.close()

    def test_old_generations_are_bounded_in_time(self):
        with Server("greeting", options=("--reload-drain-timeout=300ms",),
                    master=True) as server:
            with server.connect() as connection:
                connection.sendall(b"x")
                receive_exactly(connection, 12)
                self.assertEqual(server.reload()[0], 0)
                self.assertEqual(receive_all(connection), b"")
            wait_for(lambda: not server.workers(1), "its end")


class Code(Reload):
    """A plugin's file changes while it is in use."""

    def replace(self, how):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "handler.so")
            shutil.copy(plugin("answer_v1"), path)
            with Server(path, options=("-w", "2"), master=True) as server:
                old = [server.connect() for _ in range(20)]
                for connection in old:
                    connection.sendall(b"x")
                    self.assertEqual(receive_exactly(connection, 5), b"v1: x")
                how(path)
                for connection in old:
                    connection.sendall(b"x")
                    self.assertEqual(receive_exactly(connection, 5), b"v1: x")
                shutil.copy(plugin("answer_v2"), path + ".new")
                os.rename(path + ".new", path)
                self.assertEqual(server.reload()[0], 0)
                for _ in range(10):
                    with server.connect() as connection:
                        connection.sendall(b"x")
                        self.assertEqual(receive_exactly(connection, 5), b"v2: x")
                for connection in old:
                    connection.sendall(b"x")
                    self.assertEqual(receive_exactly(connection, 5), b"v1: x")
                    connection.close()
                server.wait_workers(2)

    def test_replaced(self):
        self.replace(lambda path: None)

    def test_overwritten_in_place(self):
        def overwrite(path):
            with open(plugin("answer_v2"), "rb") as file, \
                    open(path, "r+b") as target:
                target.write(file.read())
        self.replace(overwrite)

    def test_truncated(self):
        self.replace(lambda path: os.truncate(path, 100))

    def test_removed(self):
        self.replace(os.unlink)


class Replaced(Reload):
    """A worker that is started later runs what its generation runs."""

    def kill_all(self, server):
        for pid in server.wait_workers(2):
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda: pid not in server.workers() and
                     len(server.workers()) == 2, "another worker")

    def answer(self, server):
        with server.connect() as connection:
            connection.sendall(b"x")
            return receive_exactly(connection, 5)

    def keeps(self, change):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "handler.so")
            shutil.copy(plugin("answer_v1"), path)
            with Server(path, options=("-w", "2"), master=True) as server:
                change(path)
                self.kill_all(server)
                for _ in range(10):
                    self.assertEqual(self.answer(server), b"v1: x")
                return server.reload(), self.answer(server)

    def test_though_the_file_was_replaced(self):
        def replace(path):
            shutil.copy(plugin("answer_v2"), path + ".new")
            os.rename(path + ".new", path)
        reload, answer = self.keeps(replace)
        self.assertEqual(reload[0], 0)
        self.assertEqual(answer, b"v2: x")

    def test_though_the_file_was_truncated(self):
        reload, answer = self.keeps(lambda path: os.truncate(path, 100))
        self.assertEqual(reload[0], 78)
        self.assertEqual(answer, b"v1: x")

    def test_though_the_file_was_removed(self):
        reload, answer = self.keeps(os.unlink)
        self.assertEqual(reload[0], 78)
        self.assertEqual(answer, b"v1: x")

    def test_however_many_handlers_it_has(self):
        harness.need_config()
        listen = 'listen "127.0.0.1:0" { handler = "greeting" }\n'
        with Config("workers = 2\n" + 400 * listen) as config:
            with Server(options=("-c", config.path), listen=(),
                        master=True) as server:
                self.kill_all(server)
                self.assertEqual(greet(server), b"Hello World!")

    @unittest.skipUnless(os.geteuid() == 0, "only root can become others")
    def test_as_another_user(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "handler.so")
            shutil.copy(plugin("answer_v1"), path)
            with Server(path, options=("-w", "2", "-u", "nobody"),
                        master=True) as server:
                os.unlink(path)
                self.kill_all(server)
                self.assertEqual(self.answer(server), b"v1: x")


class Refused(Reload):
    """Whatever is wrong, the old generation serves on."""

    GOOD = 'listen "127.0.0.1:0" { handler = "greeting" }\n'

    def refuse(self, bad, reason, status=78, env=None, timeout=None):
        with Config(self.GOOD) as config:
            with self.serve(config, env=env, preexec_fn=no_core) as server:
                workers = server.wait_workers(1)
                with Clients(server):
                    config.write(bad.replace("HERE", config.folder.name))
                    answer, stdout, stderr = server.reload()
                    self.assertEqual(stdout, "")
                    self.assertRegex(stderr, reason)
                    self.assertEqual(answer, status)
                self.assertEqual(server.wait_workers(1), workers)
                # Once, with what has become of it.
                said = re.search(
                    "^bevhost: reload refused: (.*); generation 1 serves on$",
                    server.stderr(), re.MULTILINE)
                self.assertRegex(said[1], reason)
                self.assertEqual(server.stderr().count(said[1]), 1,
                                 server.stderr())
                self.assertIn("generation 1 serves on", server.stderr())
                config.write(self.GOOD)
                self.assertEqual(server.reload()[0], 0)
                return server.stderr()

    def handler(self, name, words="", more=""):
        return f'{more}\nlisten "127.0.0.1:0" {{ handler = "{name}"\n' \
               f'with {{ {words} }} }}\n'

    def test_syntax(self):
        self.refuse("listen {", r"bevhost\.conf:1: ")

    def test_unknown_option(self):
        self.refuse("workerz = 2\n" + self.GOOD,
                    r"bevhost\.conf:1: .*'workerz'.*workers")

    def test_missing_include(self):
        self.refuse('include("HERE/nothing.conf")\n' + self.GOOD,
                    r"bevhost\.conf:1: .*nothing\.conf", status=66)

    def test_missing_plugin(self):
        self.refuse(self.handler("greetin"),
                    r"bevhost\.conf:2: .*greetin.*greeting")

    def test_plugin_of_another_abi(self):
        self.refuse(self.handler(plugin("refused_api")),
                    r"bevhost\.conf:2: .*refused_api")

    def test_parameter(self):
        self.refuse(self.handler("greeting", "texd = \"x\""),
                    r"bevhost\.conf:3: .*'texd'.*text")

    def test_ready_says_no(self):
        self.refuse(self.handler(plugin("lifecycle"), 'log = "HERE/log" fail = "ready"'),
                    r"bevhost\.conf:2: lifecycle: ")

    @unittest.skipIf(harness.UNDER, "valgrind ends the process itself")
    def test_crash_while_it_starts(self):
        harness.need_config()
        for callback in "config", "ready", "start", "self_test":
            with self.subTest(callback):
                self.refuse(
                    self.handler(plugin("crash"),
                                 f'in = "{callback}" how = "segv"'),
                    r"killed by SIGSEGV.* before it was ready", 70, env=ENV)

    @unittest.skipIf(harness.UNDER, "valgrind ends the process itself")
    def test_exit_while_it_starts(self):
        self.refuse(self.handler(plugin("crash"), 'in = "start" how = "exit"'),
                    r"exit\(\)|ended with status", 70, env=ENV)

    def test_start_timeout(self):
        self.refuse(self.handler(plugin("crash"),
                                 'in = "start" how = "loop" ms = 0',
                                 "start-timeout = 300ms"),
                    r"start-timeout \(0\.3 s\)", 70)

    def test_port_in_use(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            self.refuse('listen "127.0.0.1:%d" { handler = "greeting" }\n'
                        % other.getsockname()[1],
                        r"cannot listen on .*Address already in use", 69)

    def test_a_pipe_that_nobody_writes_to(self):
        with Config(self.GOOD) as config:
            with self.serve(config) as server:
                os.unlink(config.path)
                os.mkfifo(config.path)
                with Clients(server):
                    status, _, stderr = server.reload()
                    self.assertEqual(status, 66)
                    self.assertIn("bevhost.conf: No data", stderr)
                self.assertEqual(server.stop(), 0)

    def test_given_twice(self):
        self.refuse('listen "unix:HERE/s" { handler = "greeting" }\n' * 2,
                    r"bevhost\.conf:2: .*twice", 78)

    @unittest.skipUnless(os.geteuid() == 0, "only root can become others")
    def test_another_user_of_a_refused_reload_is_nobody(self):
        nobody = 'user = "nobody"\n' + self.GOOD
        with Config(nobody) as config:
            with self.serve(config) as server:
                # Without a user, and with a plugin that is not there.
                config.write(self.handler("no-such-plugin"))
                self.assertEqual(server.reload()[0], 78)
                pid, = server.wait_workers(1)
                os.kill(pid, signal.SIGKILL)
                server.wait_log("starting another")
                pid, = server.wait_workers(1)
                self.assertEqual(greet(server), b"Hello World!")
                self.assertEqual(status_of(pid)["NoNewPrivs"], "1")
                self.assertNotEqual(status_of(pid)["Uid"].split()[0], "0")

    def test_unknown_user(self):
        self.refuse('user = "no-such-user"\n' + self.GOOD,
                    "no user 'no-such-user'", 67)


class Test(Reload):
    """-t"""

    def test_what_is_right_is_ok(self):
        with Config(Refused.GOOD) as config:
            self.assertEqual(run("-t", "-c", config.path), (0, "OK\n", ""))

    def test_what_is_wrong_is_said_with_its_line(self):
        with Config('listen "127.0.0.1:0" { handler = "greeting"\n'
                    'with { every = 1 } }') as config:
            status, stdout, stderr = run("-t", "-c", config.path)
            self.assertEqual((status, stdout), (78, ""))
            self.assertRegex(stderr, r"bevhost\.conf:2: .*'every'")

    def test_a_port_in_use_is_no_matter(self):
        with Server("greeting", master=True) as server:
            self.assertEqual(run("-t", "-l", server.addresses[0])[:2],
                             (0, "OK\n"))

    @unittest.skipIf(harness.UNDER, "valgrind ends the process itself")
    def test_a_plugin_that_crashes_does_not_crash_it(self):
        status, stdout, stderr = run(
            "-t", plugin("crash"), "in=ready", "how=abort",
            env={**os.environ, **ENV}, preexec_fn=no_core)
        self.assertEqual((status, stdout), (70, ""))
        self.assertIn("SIGABRT", stderr)


class Upgrade(Reload):
    """SIGUSR2 with another program at the same path."""

    def setUp(self):
        if harness.UNDER:
            self.skipTest("the program would not be under valgrind")
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.program = os.path.join(self.folder.name, "bevhost")
        # build/bevhost is a script; what it execs is what is replaced.
        real = os.path.join(os.path.dirname(BEVHOST), "src", "bevhost")
        self.real = real if os.path.exists(real) else BEVHOST
        shutil.copy(self.real, self.program)

    def put(self, path=None, content=None, mode=0o755):
        new = self.program + ".new"
        if path is not None:
            shutil.copy(path, new)
        else:
            with open(new, "wb") as file:
                file.write(content)
        os.chmod(new, mode)
        os.rename(new, self.program)

    def serve(self, **more):
        env = {"BEVHOST_PLUGIN_PATH": os.environ.get(
            "BEVHOST_PLUGIN_PATH", os.path.join(
                os.path.dirname(BEVHOST), "plugins", ".libs"))}
        return Server("greeting", master=True, env=env,
                      program=self.program, **more)

    def inode(self, pid):
        return os.stat(f"/proc/{pid}/exe").st_ino

    def test_a_new_program_takes_over_in_place(self):
        with tempfile.TemporaryDirectory() as folder:
            with self.serve(options=("-w", "2", f"--pidfile={folder}/pid")) \
                    as server:
                with server.connect() as old, Clients(server):
                    old.sendall(b"x")
                    receive_exactly(old, 12)
                    for generation in range(2, 5):
                        self.put(self.real)
                        server.kill(signal.SIGUSR2)
                        server.wait_log(
                            f"reload: generation {generation} serves")
                        self.assertEqual(self.inode(server.pid),
                                         os.stat(self.program).st_ino)
                    old.sendall(b"x")
                    self.assertEqual(receive_exactly(old, 12),
                                     b"Hello World!")
                server.wait_workers(2)
                with open(f"{folder}/pid") as file:
                    self.assertEqual(file.read(), f"{server.pid}\n")
                self.assertEqual(run(f"--pidfile={folder}/pid", "-p", "0")[0],
                                 69)
                self.assertEqual(server.reload()[0], 0)
                self.assertEqual(server.stop(), 0)
            self.assertEqual(os.listdir(folder), [])

    def test_an_old_worker_that_hangs_is_killed_by_the_new_program_too(self):
        with self.serve(options=("--reload-drain-timeout=500ms",)) as server:
            old, = server.wait_workers(1)
            with server.connect() as connection:
                connection.sendall(b"x")
                receive_exactly(connection, 12)
                os.kill(old, signal.SIGSTOP)
                self.assertEqual(server.reload()[0], 0)
                server.kill(signal.SIGUSR2)
                server.wait_log("generation 3 serves")
                server.wait_log(f"process {old} has not ended: killing it")
            self.assertEqual(greet(server), b"Hello World!")

    def refuse(self, **what):
        with self.serve() as server:
            workers = server.wait_workers(1)
            inode = self.inode(server.pid)
            with Clients(server):
                self.put(**what)
                server.kill(signal.SIGUSR2)
                server.wait_log("upgrade refused")
            self.assertEqual(self.inode(server.pid), inode)
            self.assertEqual(server.wait_workers(1), workers)
            # Its workers still are of the program that runs.
            os.kill(workers[0], signal.SIGKILL)
            wait_for(lambda: server.workers() and
                     workers[0] not in server.workers(), "another worker")
            self.assertEqual(self.inode(server.wait_workers(1)[0]), inode)
            self.assertEqual(greet(server), b"Hello World!")
            self.put(self.real)
            server.kill(signal.SIGUSR2)
            server.wait_log("generation 2 serves")
            self.assertEqual(server.stop(), 0)

    def test_a_program_that_is_another(self):
        self.refuse(path="/bin/true")

    def test_garbage(self):
        self.refuse(content=b"no program at all\n")

    def test_one_that_may_not_be_run(self):
        self.refuse(path=self.real, mode=0o644)

    def test_one_that_crashes(self):
        self.refuse(content=b"#!/bin/sh\nkill -SEGV $$\n")

    def test_a_later_stop_and_the_descriptors(self):
        with self.serve() as server:
            count = len(os.listdir(f"/proc/{server.pid}/fd"))
            for generation in range(2, 8):
                server.kill(signal.SIGUSR2)
                server.wait_log(f"reload: generation {generation} serves")
                server.wait_workers(1)
            wait_for(lambda: len(os.listdir(f"/proc/{server.pid}/fd")) <=
                     count, "no more descriptors than before")


class Canary(Reload):
    GOOD = 'listen "127.0.0.1:0" { handler = "PLUGIN" }\n' \
           'workers = 2\nreload-canary = "50%, 1s, 20%"\n'

    def config(self, name):
        return self.GOOD.replace("PLUGIN", plugin(name))

    def ask(self, server):
        with server.connect() as connection:
            connection.sendall(b"x")
            return receive_exactly(connection, 5)

    def test_a_good_one_gets_its_share_and_then_all(self):
        with Config(self.config("answer_v1")) as config:
            with self.serve(config) as server:
                config.write(self.config("answer_v2"))
                reload = subprocess.Popen(
                    [*harness.UNDER, BEVHOST, f"--reload={server.pid}"],
                    stdout=subprocess.PIPE, text=True)
                server.wait_log("tried with 50 %")
                answers = [self.ask(server) for _ in range(40)]
                self.assertIsNone(reload.poll())
                self.assertIn(b"v1: x", answers)
                self.assertIn(b"v2: x", answers)
                self.assertEqual(reload.communicate(timeout=60)[0],
                                 "generation 2 serves\n")
                self.assertEqual(self.ask(server), b"v2: x")
                server.wait_workers(2)

    @unittest.skipIf(harness.UNDER, "valgrind ends the process itself")
    def test_one_that_crashes_is_taken_back(self):
        with Config(self.config("answer_v1")) as config:
            with self.serve(config, env=ENV, preexec_fn=no_core) as server:
                workers = server.wait_workers(2)
                config.write(self.config("crash").replace(
                    "}", 'with { in = "read" how = "abort" } }', 1))
                with subprocess.Popen(
                        [BEVHOST, f"--reload={server.pid}"],
                        stderr=subprocess.PIPE, text=True) as reload:
                    server.wait_log("tried with 50 %")
                    while reload.poll() is None:
                        try:
                            self.ask(server)
                        except OSError:
                            pass  # it was the canary's
                    self.assertEqual(reload.returncode, 70)
                    self.assertIn("SIGABRT", reload.stderr.read())
                self.assertEqual(server.wait_workers(2), workers)
                for _ in range(20):
                    self.assertEqual(self.ask(server), b"v1: x")

    def test_nobody_waits_for_workers_that_only_a_canary_has(self):
        with Config(self.config("answer_v1").replace("1s", "2s")) as config:
            with self.serve(config) as server:
                config.write(self.config("answer_v2").replace(
                    "workers = 2", "workers = 6").replace("1s", "2s"))
                server.kill(signal.SIGHUP)
                server.wait_log("tried with 50 %")
                answers = [self.ask(server) for _ in range(100)]
                self.assertLessEqual(set(answers), {b"v1: x", b"v2: x"})
                self.assertIn(b"v1: x", answers)
                server.wait_log("generation 2 serves")
                server.wait_workers(6)

    def test_a_later_reload_takes_its_place(self):
        with Config(self.config("answer_v1").replace("1s", "10m")) as config:
            with self.serve(config) as server:
                config.write(self.config("answer_v2").replace("1s", "10m"))
                server.kill(signal.SIGHUP)
                server.wait_log("tried with 50 %")
                config.write(self.config("answer_v1").split("workers")[0])
                self.assertEqual(server.reload()[0], 0)
                self.assertEqual(self.ask(server), b"v1: x")
                server.wait_workers(1)


if __name__ == "__main__":
    harness.main()
