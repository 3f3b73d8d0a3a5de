# SPDX-License-Identifier: BSD-2-Clause
"""Every example in the manuals and in the guide, straight from the page.

C compiles without a warning: as the file that its first line names, or else
as a piece of one. Commands are run in the order of the page, in a folder and a
network of its own, and print what stands there; a server that a block starts
serves to the end of the page, or until another takes its place. Configuration
is taken by the program.

In what is printed `...` stands for any lines, or for any part of one. A comment before a block says
what is otherwise: `numbers vary`, or `not run: WHY`.

examples.py [PAGE]...
"""

import ast
import ctypes
import fcntl
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

import page_blocks

TOP = pathlib.Path(os.environ.get("BEVHOST_SRCDIR", ".")).resolve()
BUILD = pathlib.Path(os.environ["BEVHOST"]).resolve().parent
WARNINGS = ["-Wall", "-Wextra", "-Werror"]
PIECE = """
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <event2/buffer.h>
#include <event2/listener.h>
#include <bevhost/connect.h>
#include <bevhost/manifest.h>
#include <bevhost/peer.h>
#include <bevhost/generator.h>
#include <bevhost/task.h>
"""
IN_FUNCTION = """
int in_function(struct bevhost_conn *, struct bufferevent *,
    struct bevhost_stream *, struct bevhost_generator *, void *, void *);
int in_function(struct bevhost_conn *conn, struct bufferevent *bev,
    struct bevhost_stream *stream, struct bevhost_generator *g, void *state,
    void *self)
{
	(void)conn, (void)bev, (void)stream, (void)g, (void)state, (void)self;
#line 1
%s
	return 0;
}
"""
SERVER = re.compile(r"(\S*/)?(bevhost|bevhost-dev run|systemd-socket-activate)( |$)")
NO_SERVER = re.compile(r" (-t|-T|-h|-V|--run\S*|--help|--version|--reload\S*"
                       r"|--list-plugins|--dump\S*|--test|build|check)( |$)")


def own_network():
    """A network with a loopback interface alone, and an empty /run. False if
    there is none to be had."""
    libc = ctypes.CDLL(None, use_errno=True)
    new_user, new = 0x10000000, 0x40000000 | 0x00020000  # network and mounts
    user, group = os.getuid(), os.getgid()
    if libc.unshare(new) != 0:
        if libc.unshare(new_user | new) != 0:
            return False
        pathlib.Path("/proc/self/setgroups").write_text("deny")
        pathlib.Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        pathlib.Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    recursive, private = 0x4000, 0x40000
    if (libc.mount(None, b"/", None, recursive | private, None) != 0 or
            libc.mount(b"tmpfs", b"/run", b"tmpfs", 0, None) != 0):
        return False
    os.mkdir("/run/bevhost")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh22x", b"lo", 0x1 | 0x40)  # up and running
        fcntl.ioctl(control, 0x8914, request)  # SIOCSIFFLAGS
    return True


class Failed(Exception):
    """What is wrong with a block."""


class Skipped(Exception):
    """Why it cannot be tried here."""


def write_program(path, text):
    path.write_text(text)
    path.chmod(0o755)


def environment(folder):
    """The commands that an author has, of the build tree."""
    tools = folder / ".tools"
    tools.mkdir()
    run = folder / ".run"
    run.mkdir(mode=0o700)
    (folder / "include").symlink_to(TOP / "include")
    (folder / "build").symlink_to(tools)
    cc, cxx = os.environ.get("CC", "cc"), os.environ.get("CXX", "c++")
    write_program(tools / "bevhost-dev",
                  f'#!/bin/sh\nexec {BUILD}/bevhost-dev "$@"\n')
    (tools / "bevhost").symlink_to(BUILD / "src/bevhost")  # for debuggers
    for name, program in (("cc", cc), ("c++", cxx)):
        word, _, rest = program.partition(" ")
        program = f"{shutil.which(word) or word} {rest}"  # not itself
        write_program(tools / name, f'#!/bin/sh\nexec {program} "$@"\n')
    for name in ("bevhost.pc", "bevhost-test.pc"):
        text = (BUILD / "src" / name).read_text()
        text = re.sub(r"^libdir=.*", f"libdir={BUILD}/src", text, flags=re.M)
        text = re.sub(r"^includedir=.*", f"includedir={TOP}/include", text,
                      flags=re.M)
        (tools / name).write_text(text)
    found = os.environ.get("PKG_CONFIG_PATH")
    inherited = {name: value for name, value in os.environ.items()
                 if name not in ("RUNTIME_DIRECTORY", "MAKEFLAGS", "MFLAGS",
                                 "MAKELEVEL", "MAKEOVERRIDES")}
    return dict(
        inherited, BEVHOST_PLUGIN_PATH=str(BUILD / "plugins/.libs"), PATH=f"{tools}:{os.environ['PATH']}", LC_ALL="C",
        HOME=str(folder), TMPDIR=str(folder), XDG_RUNTIME_DIR=str(run),
        PKG_CONFIG_PATH=f"{tools}:{found}" if found else str(tools))


def compile_c(compiler, source, *words):
    done = subprocess.run(
        [*compiler.split(), *WARNINGS, *words, f"-I{TOP}/include",
         *os.environ.get("EVENT_CFLAGS", "").split(), "-xc" if
         not source.name.endswith(".cc") else "-xc++", str(source)],
        check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, env=dict(os.environ, LC_ALL="C"))
    return done.stdout if done.returncode else ""


class Server:
    """A command that goes on: what it prints, and its end."""

    def __init__(self, command, folder, log, env):
        self.log, self.command = log, command
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                ["sh", "-c", "exec " + command], cwd=folder, env=env,
                stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True)

    def says(self, text):
        end = time.monotonic() + 60
        while text not in self.log.read_text(errors="replace"):
            if time.monotonic() > end:
                raise Failed(f"it does not say {text}")
            time.sleep(0.02)

    def expect(self, expected, numbers):
        end = time.monotonic() + 60
        while True:
            ended = self.process.poll() is not None
            said = self.log.read_text(errors="replace").rstrip("\n")
            if matches(expected, said.splitlines(), numbers):
                return
            if ended or time.monotonic() > end:
                raise Failed("\n".join([f"$ {self.command}", said,
                                        "instead of:", *expected]))
            time.sleep(0.02)

    def stop(self):
        """The first signal drains, the second cuts short."""
        for attempt in range(3):
            if self.process.poll() is None:
                os.killpg(self.process.pid,
                          signal.SIGTERM if attempt < 2 else signal.SIGKILL)
            try:
                self.process.wait(5)
                return
            except subprocess.TimeoutExpired:
                pass


def matches(expected, got, numbers):
    """Whether lines are as expected, where ... is any number of them."""
    pattern = ""
    for line in expected:
        if line.strip() == "...":
            pattern += r"(?:.*\n)*?"
            continue
        if numbers:
            # And so do the blanks of a column of them.
            line = re.sub(r"   +", "\1", line)
            line = re.sub(r"0x[0-9a-fA-F]+|\d+", "\0", line)
        line = re.escape(line).replace(r"\.\.\.", ".*")
        line = line.replace("\0", "(?:0x[0-9a-fA-F]+|\\d+)")
        pattern += line.replace("\1", " +") + r"\n"
    return re.fullmatch(pattern, "".join(line + "\n" for line in got))


class Page:
    """What the blocks of one page share."""

    def __init__(self, folder, network, report):
        self.folder, self.network, self.report = folder, network, report
        self.env = environment(folder)
        self.server = self.awaited = None
        self.cwd = folder
        self.lacks_lua = False

    def try_c(self, block, compiler="cc", words=()):
        compiler = self.env["PATH"].split(":")[0] + "/" + compiler
        name = block.file
        for remark in block.remarks:
            if remark.startswith("part of "):
                self.need_commands()
                whole = self.cwd / remark[len("part of "):]
                if block.text not in whole.read_text():
                    raise Failed(f"it is no part of {whole}")
                return
        if name is not None:
            path = self.cwd / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(block.text)
            if "warns" in block.remarks:
                return
            said = compile_c(compiler, path, "-O", "-fPIC", "-shared", *words,
                             "-o", str(path.with_suffix(".so")))
            if said:
                raise Failed(said)
            return
        path = self.folder / ".piece.c"
        words = ["-fsyntax-only", "-Wno-unused", "-Wno-missing-declarations"]
        path.write_text(PIECE + "#line 1\n" + block.text)
        said = compile_c(compiler, path, *words)
        if said:
            path.write_text(PIECE + IN_FUNCTION % block.text)
            if compile_c(compiler, path, *words):
                raise Failed(said)

    def try_conf(self, block):
        path = self.cwd / (block.file or ".piece.conf")
        path.write_text(block.text)
        done = self.run(f"bevhost -T -c {path}")
        if "was built without libConfuse" in done.stdout:
            raise Skipped("this bevhost reads no configuration file")
        if done.returncode:
            raise Failed(done.stdout)

    def try_file(self, block):
        if block.file is None:
            raise Failed("its first line does not name it")
        path = self.cwd / block.file
        path.parent.mkdir(exist_ok=True)
        path.write_text(block.text)

    def run(self, command):
        try:
            return subprocess.run(
                ["sh", "-c", command], cwd=self.cwd, env=self.env,
                check=False, stdin=subprocess.DEVNULL, timeout=600,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        except subprocess.TimeoutExpired as expired:
            raise Failed(f"$ {command}\ndoes not end") from expired

    def command(self, block, command, expected):
        numbers = "numbers vary" in block.remarks
        while expected and not expected[-1]:
            expected.pop()
        if command.startswith("cd "):
            self.cwd /= command[3:]
            return
        if command.endswith("&") or "\n" not in command and (SERVER.match(command) and
                                                              not NO_SERVER.search(command)):
            self.serve(block, command.rstrip(" &"), expected, numbers)
            return
        if "--run=" in command:
            self.stop()  # it serves in its place
        got = self.run(command).stdout.rstrip("\n").splitlines()
        # What ... stands for is no failure of a test.
        failures = [line for line in got if line.startswith("not ok") and
                    not any(known.startswith("not ok") for known in expected)]
        if failures or not matches(expected, got, numbers):
            raise Failed("\n".join([f"$ {command}", *got, "instead of:",
                                    *expected]))

    def serve(self, block, command, expected, numbers):
        """Until it listens, or has ended since it refuses to serve. What else
        it prints comes by what the blocks after it do."""
        self.stop()
        self.server = Server(command, self.cwd, self.folder / ".server",
                             self.env)
        listens = [
            number for number, line in enumerate(expected, 1)
            if re.match("bevhost: listening on|bevhost-dev: .* serves on 127", line)]
        if listens and listens[-1] < len(expected):
            self.awaited = (block, expected, numbers)
            expected = expected[:listens[-1]] + ["..."]
        self.server.expect(expected, numbers)

    def stop(self):
        """Stops the server, when it has said all that the page shows."""
        server, self.server = self.server, None
        awaited, self.awaited = self.awaited, None
        if server is None:
            return
        try:
            if awaited is not None:
                self.report(f"{awaited[0]}: what it prints then",
                            lambda: server.expect(*awaited[1:]))
        finally:
            server.stop()

    def need_commands(self):
        if os.environ.get("BEVHOST_SANITIZERS"):
            raise Skipped("sanitizers report in words of their own")
        if not self.network:
            raise Skipped("there is no network of its own for it")

    def try_console(self, block):
        self.need_commands()
        if re.search(r"(?m)^\$ bevhost .*\blua ", block.text):
            self.lacks_lua = not (BUILD / "plugins/.libs/lua.so").exists()
        elif re.search(r"(?m)^\$ bevhost ", block.text):
            self.lacks_lua = False
        if self.lacks_lua:
            raise Skipped("this bevhost was built without Lua")
        commands = []
        for line in block.lines:
            if line.startswith("$ "):
                commands.append([line[2:], []])
            elif commands and not commands[-1][1] and commands[-1][0].endswith(
                    "\\"):
                commands[-1][0] = (commands[-1][0][:-1] + " " +
                                   line.strip().removeprefix("> "))
            elif commands:
                commands[-1][1].append(line)
            else:
                raise Failed(f"what is {line}?")
        if "$ valgrind" in block.text and "clang" in os.environ.get("CC", ""):
            raise Skipped("valgrind does not read all that clang writes")
        for command, _ in commands:
            for word in re.findall(r"(?:^|[|;&] *)([a-z][a-z0-9+-]*)",
                                   command):
                if word in OPTIONAL and shutil.which(
                        word, path=self.env["PATH"]) is None:
                    raise Skipped(f"there is no {word}")
        for remark in block.remarks:
            if remark.startswith("after: "):
                if self.server is None:
                    raise Failed("there is no server")
                self.server.says(remark[len("after: "):])
        if "one script" in block.remarks:
            commands = [["\n".join(command for command, _ in commands),
                         [line for _, said in commands for line in said]]]
        for command, expected in commands:
            self.command(block, command, expected)

    def try_block(self, block):
        if any(remark.startswith("not run") for remark in block.remarks):
            return
        if block.language == "c":
            self.try_c(block)
        elif block.language == "c++":
            self.try_c(block, "c++", ["-std=c++11"])
        elif block.language == "console":
            self.try_console(block)
        elif block.language == "conf":
            self.try_conf(block)
        elif block.language == "python":
            ast.parse(block.text)
        elif block.language in ("conv", "lua", "makefile", "autoconf"):
            self.try_file(block)
        elif block.language != "text":
            raise Failed(f"it is of no known language: '{block.language}'")


OPTIONAL = {"gcc", "gdb", "valgrind", "nc", "socat", "openssl", "autoreconf",
            "bevhost-dev", "systemd-socket-activate", "man", "strace", "addr2line", "pkg-config"}


def what(block):
    """A few words on a block."""
    if block.file:
        return f"{block.file} is as good as it looks"
    if block.language == "console":
        return (block.lines[0] if block.lines else "$")[:60].replace("#", "")
    return f"a piece of {block.language or 'unknown text'}"


def pages(names):
    every = [*sorted(TOP.glob("src/*.[1-8]")), *sorted(TOP.glob("src/*/*.[1-8]")),
             *sorted(TOP.glob("plugins/*/*.1")), *sorted(TOP.glob("doc/*.md")),
             TOP / "README.md"]
    for path in every:
        if not names or path.name in names:
            yield str(path.relative_to(TOP)), path


class Tests:
    """TAP."""

    def __init__(self):
        self.number, self.failed = 0, False

    def report(self, name, test):
        result, note, said = "ok", "", ""
        try:
            test()
        except Skipped as skipped:
            note = f" # SKIP {skipped}"
        except (Failed, OSError, SyntaxError) as failure:
            result, said, self.failed = "not ok", str(failure), True
        self.number += 1  # the test may have reported others
        print(f"{result} {self.number} - {name}{note}")
        for line in said.splitlines():
            print(f"# {line}")
        sys.stdout.flush()


def main():
    network = own_network()
    tests = Tests()
    for page, path in pages(sys.argv[1:]):
        with tempfile.TemporaryDirectory() as folder:
            state = Page(pathlib.Path(folder), network, tests.report)
            for block in page_blocks.blocks(page, path):
                tests.report(f"{block}: {what(block)}",
                             lambda: state.try_block(block))
            state.stop()
    print(f"1..{tests.number}")
    return int(tests.failed)


if __name__ == "__main__":
    sys.exit(main())
