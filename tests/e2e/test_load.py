# SPDX-License-Identifier: BSD-2-Clause
"""Plugin files: found, copied, loaded, or refused with the difference."""

import os
import shutil
import struct
import subprocess
import tempfile
import time

import unittest

import harness
from harness import (Server, plugin, receive_exactly, run)

HELLO = b"Hello World!"


def built(name):
    """The file of a plugin that comes with bevhost."""
    _, stdout, _ = run("--dump-plugin=" + name)
    return dict(line.split("=", 1)
                for line in stdout.splitlines())["path"]


class Refused(unittest.TestCase):
    def assert_refused(self, path, *texts, words=()):
        status, stdout, stderr = run("-p", "0", path, *words)
        self.assertEqual(status, 78, stderr)
        self.assertEqual(stdout, "")
        self.assertEqual(len(stderr.splitlines()), 1, stderr)
        self.assertNotIn("listening on", stderr)
        for text in (path, *texts):
            self.assertIn(text, stderr)

    def test_each_with_its_difference(self):
        for name, text in {
                "refused_api": "is written for API 99, and this host has "
                               "API 1",
                "refused_libevent": "is compiled for libevent 2.2, and this "
                                    "host runs libevent 2.1",
                "refused_longer": "that this host does not know (248 bytes, "
                                  "known are 240): it needs a later bevhost",
                "refused_longer_param": "uses fields of struct bevhost_param "
                                        "that this host does not know: it "
                                        "needs a later bevhost",
                "refused_longer_manifest": "declares in its manifest what "
                                           "this host does not know",
                "refused_short": "of 16 bytes, which makes no sense",
                "refused_name": "has no proper name",
                "refused_model": "has no handler: one of .read, .write and "
                                 ".event, or .generate, or .run must be set",
                "refused_two_models": "has more than one model",
                "refused_open": "sets .open or .state_size",
                "refused_frame": "has a .frame_size of 0",
                "refused_reserved": "sets reserved[1]",
                "refused_manifest": "has 'here' in the reads of its manifest, "
                                    "which is no whole path and no $PARAMETER",
                "refused_null": "returned no plugin",
                "refused_bare": "its .bare_param 'nothing' is no parameter",
                "refused_param_type": "'x' has the unknown type 77",
                "refused_param_default": "'x' has a default '7' that is out "
                                         "of range: it may be 1 to 5",
                "refused_param_field": "'x' has a field of 4 bytes: it must "
                                       "be int64_t",
                "refused_param_choices": "'x' is an enum without choices",
                "refused_param_size": "of 12 bytes, which makes no sense",
                "missing_function": "needs the function "
                                    "'bevhost_from_the_future'",
                "no_plugin": "it has no bevhost_plugin_init",
                "needs_libevent": "brings a second libevent (libevent-2.1",
        }.items():
            with self.subTest(name):
                self.assert_refused(plugin(name), text)

    def test_a_longer_struct_with_a_zero_tail_is_taken(self):
        for name in ("longer_zero", "longer_manifest_zero"):
            with self.subTest(name), Server(plugin(name)) as server:
                self.assertEqual(server.stop(), 0)

    def test_longer_parameters_with_zero_tails_are_taken(self):
        path = plugin("longer_param_zero")
        with Server(path, "one=1", "two=x") as server:
            self.assertEqual(server.stop(), 0)
        _, stdout, _ = run("--dump-plugin=" + path)
        self.assertIn("param_one_type=integer\n", stdout)
        self.assertIn("param_two_default=2\n", stdout)

    def test_of_a_shorter_struct_the_rest_is_zero(self):
        _, stdout, _ = run("--dump-plugin=" + plugin("shorter"))
        self.assertIn("model=callbacks\n", stdout)
        self.assertIn("has_run=no\n", stdout)
        with Server(plugin("shorter")) as server:
            self.assertEqual(server.stop(), 0)

    def with_file(self, content, *texts):
        with tempfile.NamedTemporaryFile(suffix=".so") as file:
            file.write(content)
            file.flush()
            os.chmod(file.name, 0o755)
            self.assert_refused(file.name, *texts)

    def test_no_elf_file(self):
        self.with_file(b"", "is no ELF file")
        self.with_file(b"#!/bin/sh\n", "is no ELF file")

    def test_truncated(self):
        with open(built("greeting"), "rb") as file:
            whole = file.read()
        for length in (10, 60, 100, 1000, len(whole) // 2, len(whole) - 1):
            self.with_file(whole[:length], "is truncated")

    def test_another_machine(self):
        with open(built("greeting"), "rb") as file:
            whole = bytearray(file.read())
        whole[18:20] = struct.pack("<H", 0xf3)
        self.with_file(whole, "is for another machine: RISC-V")

    def test_no_shared_object(self):
        with open(built("greeting"), "rb") as file:
            whole = bytearray(file.read())
        whole[16:18] = struct.pack("<H", 1)
        self.with_file(whole, "is no shared object")

    def test_no_regular_file(self):
        with tempfile.TemporaryDirectory() as folder:
            pipe = os.path.join(folder, "pipe.so")
            os.mkfifo(pipe)
            self.assert_refused(pipe, "is no regular file")
            self.assert_refused(folder, "is no regular file")
            missing = os.path.join(folder, "missing.so")
            self.assert_refused(missing, "No such file")

    @unittest.skipIf(os.geteuid() != 0, "only root distrusts")
    def test_untrusted_as_root(self):
        with tempfile.TemporaryDirectory() as folder:
            path = shutil.copy(built("greeting"), folder)
            os.chmod(path, 0o757)
            self.assert_refused(path, "is writable by everybody")
            os.chmod(path, 0o755)
            os.chown(path, 0, 12345)
            os.chmod(path, 0o775)
            self.assert_refused(path, "is writable by group 12345")
            os.chmod(path, 0o755)
            os.chown(path, 12345, 0)
            self.assert_refused(path, "is owned by user 12345")
            os.chown(path, 0, 0)
            os.chmod(folder, 0o777)
            self.assert_refused(path, f"is in the folder '{folder}', which is "
                                "writable by everybody")


class Found(unittest.TestCase):
    def test_unknown_with_the_nearest(self):
        status, _, stderr = run("-p", "0", "greting")
        self.assertEqual(status, 78)
        self.assertIn("no plugin 'greting', did you mean 'greeting'?",
                      stderr)

    def test_a_file_here_is_no_name(self):
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(built("greeting"), os.path.join(folder, "mine.so"))
            status, _, stderr = run("-p", "0", "mine.so", cwd=folder)
        self.assertEqual(status, 78)
        self.assertIn("did you mean the file './mine.so'?", stderr)

    def test_folders_in_order(self):
        with tempfile.TemporaryDirectory() as first, \
                tempfile.TemporaryDirectory() as second:
            shutil.copy(built("echo"), os.path.join(second, "thing.so"))
            env = {**os.environ, "BEVHOST_PLUGIN_PATH": "/none:" + second}
            _, stdout, _ = run("--dump-plugin=thing", env=env)
            self.assertIn("name=echo\n", stdout)
            shutil.copy(built("discard"), os.path.join(first, "thing.so"))
            _, stdout, _ = run("--plugin-dir=" + first,
                               "--dump-plugin=thing", env=env)
            self.assertIn("name=discard\n", stdout)
            self.assertIn("path=" + first, stdout)

    def test_folder_that_does_not_exist(self):
        for folder in ("/nowhere/at/all", __file__):
            status, _, stderr = run("--plugin-dir=" + folder, "-p", "0")
            self.assertEqual(status, 66)
            self.assertEqual(len(stderr.splitlines()), 1)
            self.assertIn(f"cannot look for plugins in '{folder}'", stderr)


class Copied(unittest.TestCase):
    def test_the_file_may_be_overwritten_truncated_and_removed(self):
        with tempfile.TemporaryDirectory() as folder:
            path = shutil.copy(built("greeting"), folder)
            with Server(path) as server, server.connect() as connection:
                def served():
                    connection.sendall(b"x")
                    self.assertEqual(receive_exactly(connection, 12), HELLO)
                    with server.connect() as other:
                        other.sendall(b"x")
                        self.assertEqual(receive_exactly(other, 12), HELLO)

                served()
                with open(path, "r+b") as file:
                    file.write(b"\0" * os.path.getsize(path))
                served()
                os.truncate(path, 0)
                served()
                os.unlink(path)
                served()
                self.assertEqual(server.stop(), 0)

    def copies(self, folder):
        return [name for name in os.listdir(folder)
                if name.startswith("bevhost-")]

    def test_copies_are_removed_at_the_end(self):
        with tempfile.TemporaryDirectory() as folder:
            env = {"TMPDIR": folder}
            with Server("greeting", env=env) as server:
                self.assertEqual(len(self.copies(folder)), 1)
                self.assertEqual(server.stop(), 0)
            self.assertEqual(self.copies(folder), [])

    def test_copies_of_the_dead_are_removed_by_a_start_an_hour_later(self):
        with tempfile.TemporaryDirectory() as folder:
            env = {"TMPDIR": folder}
            with Server("greeting", env=env) as server:
                server.stop(9)
            left = self.copies(folder)
            self.assertEqual(len(left), 1)
            # A core may want them first.
            with Server("greeting", env=env):
                self.assertEqual(len(self.copies(folder)), 2)
            ago = time.time() - 3601
            os.utime(os.path.join(folder, left[0]), (ago, ago))
            with Server("greeting", env=env):
                self.assertEqual(len(self.copies(folder)), 1)
                self.assertNotEqual(self.copies(folder), left)

    def test_works_without_a_folder_for_copies(self):
        with Server("greeting", env={"TMPDIR": "/nowhere"}) as server:
            with server.connect() as connection:
                connection.sendall(b"x")
                self.assertEqual(receive_exactly(connection, 12), HELLO)
            self.assertEqual(server.stop(), 0)


class TenLines(unittest.TestCase):
    SOURCE = r"""
#define BEVHOST_API_VERSION 1
#include <bevhost/plugin.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>

static void
hello_read(struct bufferevent *bev, void *state)
{
	struct evbuffer *input = bufferevent_get_input(bev);

	(void)state;
	evbuffer_drain(input, evbuffer_get_length(input));
	bufferevent_write(bev, "Hello World!", 12);
	bevhost_conn_close(bevhost_conn_of(bev), BEVHOST_CLOSE_FLUSH);
}

static struct bevhost_plugin plugin = { .name = "hello", .read = hello_read };
BEVHOST_PLUGIN(plugin)
"""

    def test_of_the_design(self):
        top = os.environ["BEVHOST_SRCDIR"]
        with tempfile.TemporaryDirectory() as folder:
            source = os.path.join(folder, "mine.c")
            with open(source, "w") as file:
                file.write(self.SOURCE)
            path = os.path.join(folder, "mine.so")
            subprocess.run(
                [*os.environ.get("CC", "cc").split(), "-Wall", "-Wextra",
                 "-Werror", "-shared", "-fPIC", source, "-o", path,
                 "-I" + os.path.join(top, "include"),
                 *os.environ.get("EVENT_CFLAGS", "").split()], check=True)
            with Server(path) as server:
                with server.connect() as connection:
                    connection.sendall(b"x")
                    self.assertEqual(harness.receive_all(connection), HELLO)


if __name__ == "__main__":
    harness.main()
