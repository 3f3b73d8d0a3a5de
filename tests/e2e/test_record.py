# SPDX-License-Identifier: BSD-2-Clause
"""Connections that are written down, and played again."""

import os
import shutil
import socket
import stat
import subprocess
import tempfile
import time
import unittest

import harness

UNITS = os.environ.get("BEVHOST_UNITS", "src")
CONVERSATION = os.path.join(UNITS, "conversation")
PLUGINS = os.path.join(UNITS, "..", "plugins", ".libs")


class Record(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def serve(self, *words, options=()):
        return harness.Server(*words, options=(
            f"--record={self.folder}", *options))

    def files(self):
        return sorted(os.path.join(self.folder, name)
                      for name in os.listdir(self.folder))

    def play(self, plugin, path):
        return subprocess.run([CONVERSATION, os.path.join(PLUGINS, f"{plugin}.so"),
                               path],
                              stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True,
                              timeout=harness.PATIENCE, check=False)

    def test_is_played_again(self):
        with self.serve("echo") as server:
            with server.connect() as client:
                client.sendall(b"hello\n\xff\x00 \\ \r\nand")
                self.assertEqual(harness.receive_exactly(client, 16),
                                 b"hello\n\xff\x00 \\ \r\nand")
                client.shutdown(socket.SHUT_WR)
                self.assertEqual(harness.receive_all(client), b"")
            harness.wait_for(self.files, "a file")
            server.stop()
        (path,) = self.files()
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        with open(path, encoding="ascii") as file:
            text = "".join(line for line in file
                           if not line.startswith("wait "))
        self.assertEqual(text, """# recorded of echo
> hello
> \\xff\\x00 \\\\ \\r
>- and
< hello
< \\xff\\x00 \\\\ \\r
<- and
end
closed
""")
        played = self.play("echo", path)
        self.assertEqual(played.returncode, 0, played.stdout)
        # Another handler does not say the same.
        other = self.play("discard", path)
        self.assertEqual(other.returncode, 1, other.stdout)
        self.assertIn("was to come, but nothing did", other.stdout)

    def test_has_the_parameters_and_what_ended_it(self):
        with self.serve("finger", "list=on", "timeout=1s") as server:
            with server.connect() as client:
                self.assertEqual(harness.receive_all(client),
                                 b"The query took too long.\r\n")
            server.stop()
        (path,) = self.files()
        with open(path, encoding="ascii") as file:
            lines = file.read().splitlines()
        self.assertIn("with list=on", lines)
        self.assertIn("with timeout=1s", lines)
        self.assertEqual(lines[-2:], ["< The query took too long.\\r", "closed"])

    def test_a_folder_that_is_none_is_said(self):
        status, _out, said = harness.run(f"--record={self.folder}/none", "-l",
                              "127.0.0.1:0", "--no-master", "echo")
        self.assertNotEqual(status, 0)
        self.assertIn(f"record '{self.folder}/none': No such file",
                      said)

    def test_a_folder_that_goes_costs_no_connection(self):
        with self.serve("echo") as server:
            shutil.rmtree(self.folder)
            begun = time.monotonic()
            for _ in range(40):
                with server.connect() as client:
                    client.sendall(b"hello")
                    client.shutdown(socket.SHUT_WR)
                    self.assertEqual(harness.receive_all(client), b"hello")
            log = server.wait_log("is not recorded further: No such file")
            self.assertLess(log.count("is not recorded further"),
                            3 + time.monotonic() - begun)
            os.mkdir(self.folder)


if __name__ == "__main__":
    harness.main()
