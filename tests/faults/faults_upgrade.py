# SPDX-License-Identifier: BSD-2-Clause
"""SIGUSR2: another program in the place of the one that runs."""

import os
import shutil
import signal
import stat
import tempfile

from host import BUILD, FaultTest, Host, Load, descriptors, read, wait_for


class Upgrades(FaultTest):

    def host(self, folder):
        """One whose program is a copy that can be replaced."""
        self.program = os.path.join(folder, "bevhost-own")
        shutil.copy(os.path.join(BUILD, "src", "bevhost"), self.program)
        return Host(program=self.program, env={
            "BEVHOST_PLUGIN_PATH": os.path.join(BUILD, "plugins", ".libs")})

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="bevhost-upgrade-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def replace(self, write):
        write(self.program + ".new")
        os.rename(self.program + ".new", self.program)

    def good(self, path):
        shutil.copy(os.path.join(BUILD, "src", "bevhost"), path)
        with open(path, "ab") as file:
            file.write(b"\0another one")

    def test_a_new_program_takes_over_and_loses_no_request(self):
        with self.host(self.folder).take_base() as host, \
                Load(host) as load, Load(host, "--keepalive") as kept:
            base = descriptors(host.pid)
            for number in range(1, 6):
                before = os.stat(f"/proc/{host.pid}/exe").st_ino
                self.replace(self.good)
                mark = host.mark()
                host.kill(signal.SIGUSR2)
                host.wait_since(mark, "reload: generation")
                after = os.stat(f"/proc/{host.pid}/exe").st_ino
                self.assertNotEqual(before, after)
                self.assertEqual(after, os.stat(self.program).st_ino)
                load.run_for(0.3)
            host.reload()
            total = self.check_load(load, 300)
            others = self.check_load(kept, 300)
            host.check_house()
            wait_for(lambda: descriptors(host.pid) == base,
                     f"{base}, there are {descriptors(host.pid)}")
        self.figure = (f"{number} upgrades with the same pid, 0 of "
                       f"{total['requests']} and 0 of {others['requests']} "
                       "kept failed")

    def broken(self):
        def true(path):
            shutil.copy("/bin/true", path)

        def garbage(path):
            with open(path, "wb") as file:
                file.write(os.urandom(100000))
            os.chmod(path, 0o755)

        def not_executable(path):
            self.good(path)
            os.chmod(path, stat.S_IRUSR)

        def crashing(path):
            with open(path, "w", encoding="utf-8") as file:
                file.write("#!/bin/sh\nkill -SEGV $$\n")
            os.chmod(path, 0o755)

        def empty(path):
            with open(path, "wb"):
                os.chmod(path, 0o755)

        return [true, garbage, not_executable, crashing, empty]

    def test_broken_programs_change_nothing(self):
        with self.host(self.folder).take_base() as host, \
                Load(host) as load, Load(host, "--keepalive") as kept:
            workers = host.generation()
            inode = os.stat(f"/proc/{host.pid}/exe").st_ino
            for program in self.broken():
                with self.subTest(program.__name__):
                    self.replace(program)
                    mark = host.mark()
                    host.kill(signal.SIGUSR2)
                    host.wait_since(mark, "upgrade refused", 20)
                    self.assertEqual(host.generation(), workers)
                    self.assertEqual(
                        os.stat(f"/proc/{host.pid}/exe").st_ino, inode)
                    # It starts workers of its own program still.
                    host.reload()
                    self.assertNotEqual(host.generation(), workers)
                    workers = host.generation()
                    load.run_for(0.3)
            os.unlink(self.program)
            mark = host.mark()
            host.kill(signal.SIGUSR2)
            host.wait_since(mark, "upgrade refused", 20)
            total = self.check_load(load, 300)
            others = self.check_load(kept, 300)
            host.check_house()
            self.replace(self.good)
            mark = host.mark()
            host.kill(signal.SIGUSR2)
            host.wait_since(mark, "reload: generation")
            host.check_house()
            self.assertIn("bevhost", read(f"/proc/{host.pid}/cmdline"))
        self.figure = (f"6 refused, 0 of {total['requests']} and 0 of "
                       f"{others['requests']} kept failed")
