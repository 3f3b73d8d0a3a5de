# SPDX-License-Identifier: BSD-2-Clause
"""bevhost-dev: what it says, new projects, and compiling."""

import os
import re
import shutil
import subprocess

import harness
from dev import PLAIN, SOURCE, Case
from harness import SANITIZERS

MODELS = ("callbacks", "generator", "async")


class Says(Case):
    def test_help_and_version(self):
        for words in (("--help",), ("-h",), ("help",)):
            status, stdout, stderr = self.dev(*words)
            self.assertEqual((status, stderr), (0, ""))
            self.assertTrue(stdout.startswith("Usage: bevhost-dev [-q] WORD"))
            self.assertLessEqual(max(map(len, stdout.splitlines())), 80)
        status, stdout, stderr = self.dev("--version")
        self.assertEqual((status, stderr), (0, ""))
        self.assertRegex(stdout, r"^bevhost-dev \d+\.\d+\.\d+\n$")

    def test_each_word_has_a_help(self):
        words = re.findall(r"(?m)^  ([a-z]+) [A-Z]", self.dev("--help")[1])
        self.assertEqual(len(words), 6)
        for word in words:
            for call in ((word, "--help"), ("--help", word), ("help", word)):
                status, stdout, stderr = self.dev(*call)
                self.assertEqual((status, stderr), (0, ""))
                self.assertTrue(
                    stdout.startswith(f"Usage: bevhost-dev {word} "))
                self.assertLessEqual(max(map(len, stdout.splitlines())), 80)

    def test_misuse_of_words(self):
        self.refused(64, "say what is to be done")
        self.refused(64, "unknown word 'biuld', did you mean 'build'", "biuld")
        self.refused(64, "unknown word 'dance': there are new build", "dance")
        self.refused(64, "unknown option '--verson', did you mean '--version'",
                     "--verson")
        self.refused(64, "did you mean '--sanitizers'", "build", "--sanitizer",
                     "x.c")


class New(Case):
    def test_each_model_passes_its_own_test(self):
        for model in MODELS:
            name = "my-" + model
            status, stdout, stderr = self.dev("new", name, "--model=" + model)
            self.assertEqual((status, stderr), (0, ""))
            self.assertIn(f"    cd {name}\n", stdout)
            for folder, _, files in os.walk(self.path(name)):
                for file in files:
                    text = self.read(os.path.join(folder, file))
                    self.assertNotIn("skeleton", text.lower())
                    self.assertNotIn("skeleton", file)
            self.assertIn(".name = \"" + name, self.read(f"{name}/{name}.c"))
            status, stdout, stderr = self.dev("test", ".", *PLAIN, cwd=name)
            self.assertEqual(status, 0, stdout + stderr)
            self.assertRegex(stdout, r"(?m)^ok 1 - ")
            self.assertNotRegex(stdout, r"(?m)^not ok")
            self.assertEqual(stderr.count("warning"), 0, stderr)

    def test_names_that_are_none(self):
        for name, better in (("Hello", "hello"), ("9lives", "lives"),
                             ("two words", "two-words"), ("a_b", "a-b"),
                             ("a--b", "a-b"), ("x.c", "x-c")):
            self.refused(64, rf"'{name}' cannot be .*, such as '{better}'\n",
                         "new", name)
        for name in ("test", "tester", "test-x"):
            self.refused(64, "begin with test are tests: take another name, "
                         f"such as my-{name}\n", "new", name)
        self.refused(64, "the name has a line break in it", "new", "a\nb")
        self.refused(64, "'' cannot be the name", "new", "")
        self.refused(64, "too long", "new", "a" * 41)
        self.refused(64, "functions of libevent|of event's own", "new",
                     "event")
        self.refused(64, "wants a name", "new")
        self.refused(64, "what is 'other'", "new", "name", "other")
        self.assertEqual(os.listdir(self.folder), ["tmp"])

    def test_the_models_are_alike(self):
        silence = "> world\n< Hello, world! You are number 1.\n" \
                  "wait 59s\n> bob\n< Hello, bob! You are number 2.\n" \
                  "wait 61s\nclosed\n"
        for model in MODELS:
            self.assertEqual(
                self.dev("new", "-q", "my-" + model, "-m", model),
                (0, "", ""))
            self.write("silence.conv", silence)
            status, stdout, stderr = self.dev(
                "test", "--cut=whole", "-q", f"my-{model}", "silence.conv",
                *PLAIN)
            self.assertEqual((status, stderr), (0, ""), stdout)
            status, stdout, stderr = self.dev(
                "test", "-q", f"my-{model}", "greeting=" + 51 * "x", *PLAIN)
            self.assertEqual(status, 64, stdout)
            self.assertIn("'greeting'", stderr)

    def test_git_does_not_see_what_is_made(self):
        if shutil.which("git") is None:
            self.skipTest("there is no git")
        self.assertEqual(self.dev("new", "-q", "demo")[0], 0)
        for name in ("demo-0.1.0.tar.gz", "demo-crash-12ab", "demo.so"):
            self.write("demo/" + name, "")
        listed = subprocess.run(
            "git init -q . && git add . && git ls-files", shell=True,
            cwd=self.path("demo"), env=self.environment, check=True,
            stdout=subprocess.PIPE, text=True).stdout.split()
        self.assertEqual(sorted(listed), [
            ".gitignore", "Makefile.am", "README.md", "configure.ac",
            "demo.c", "demo.conv", "m4/bevhost.m4", "tests/test_demo.c"])

    def test_a_signal_leaves_nothing(self):
        os.mkdir(self.path("bin"))
        self.write("bin/cp", "#!/bin/sh\nkill \"-$NUMBER\" \"$PPID\"\n")
        os.chmod(self.path("bin/cp"), 0o755)
        for number, status in ((1, 129), (2, 130), (15, 143)):
            ended, stdout, _ = self.dev(
                "new", "demo", NUMBER=str(number),
                PATH=self.path("bin") + ":" + os.environ["PATH"])
            self.assertEqual((ended, stdout), (status, ""))
            self.assertEqual(sorted(os.listdir(self.folder)), ["bin", "tmp"])

    def test_a_folder_that_is_there_is_left_alone(self):
        self.write("hello", "mine")
        self.refused(73, "hello is there already: take another name", "new",
                     "hello")
        self.assertEqual(self.read("hello"), "mine")

    def test_a_folder_that_cannot_be_made(self):
        if os.geteuid() == 0:
            self.skipTest("root can make it anywhere")
        os.chmod(self.folder, 0o500)
        self.addCleanup(os.chmod, self.folder, 0o700)
        self.refused(73, "cannot be made here", "new", "hello")

    def test_models_that_are_none(self):
        self.refused(64, "unknown model 'asynch', did you mean 'async'",
                     "new", "--model=asynch", "hello")
        self.refused(64, "unknown model 'go': there are callbacks", "new",
                     "hello", "-m", "go")
        self.refused(64, "-m needs a value", "new", "hello", "-m")


class Build(Case):
    def setUp(self):
        super().setUp()
        self.write("hello.c", SOURCE)
        self.write("answer.h", '#define ANSWER "one\\n"\n')

    def test_one_file_to_a_plugin(self):
        status, stdout, stderr = self.dev("build", "hello.c")
        self.assertEqual((status, stdout), (0, ""))
        self.assertEqual(stderr, "bevhost-dev: compiling hello.c\n"
                         "bevhost-dev: ./hello.so is the plugin hello "
                         "(async)\n")
        self.assertTrue(os.path.exists(self.path("hello.so")))
        status, stdout, stderr = self.dev("-q", "build", "-v", "hello.c",
                                          "-o", "other.so")
        self.assertEqual((status, stdout), (0, ""))
        self.assertRegex(stderr, r"(?m)^\+ .* -c .* hello\.c$")
        self.assertTrue(os.path.exists(self.path("other.so")))

    def test_several_files_to_a_plugin(self):
        self.write("answer.c", "const char answer[5] = \"two\\n\";\n")
        self.write("answer.h", "extern const char answer[5];\n"
                   "#define ANSWER answer\n")
        self.assertEqual(self.dev("build", "hello.c", "answer.c")[0], 0)
        self.refused(78, "needs the function 'answer'|undefined symbol",
                     "build", "hello.c")

    def test_cxx_is_the_one_beside_the_c_compiler(self):
        self.write("hello.cc", "#include <string>\n" + SOURCE.replace(
            "char line[64];",
            "char line[64];\n\tstd::string said(ANSWER);"))
        self.write("other.cc", """
#include <bevhost/plugin.h>
static void read_it(struct bufferevent *, void *) {}
static struct bevhost_plugin other = { .name = "other", .read = read_it };
BEVHOST_PLUGIN(other)
""")
        status, _, stderr = self.dev("build", "-q", "other.cc", CXX="")
        self.assertEqual((status, stderr), (0, ""))
        # Whichever is the last: the linker wants the library of C++.
        self.write("other.c", "int hello_other;\n")
        compilers = [name for name in ("gcc", "clang")
                     if shutil.which(name) and
                     shutil.which(name.replace("cc", "++").replace(
                         "clang", "clang++"))]
        for compiler in compilers:
            for option in ((),) if SANITIZERS else ((), ("-s",)):
                status, _, stderr = self.dev(
                    "build", "-v", *option, "hello.cc", "other.c",
                    CC=compiler, CXX="")
                self.assertEqual(status, 0, stderr)
                self.assertRegex(
                    stderr, r"(?m)^\+ (g|clang)\+\+ -shared ")
                self.assertRegex(stderr, rf"(?m)^\+ {compiler} .*other.c$")
                self.assertNotIn("warning", stderr)
        self.refused(69, r"no C\+\+ compiler \(no-such-cxx\).* package g\+\+",
                     "build", "hello.cc", CXX="no-such-cxx")
        # What is no C++ does not want it.
        self.assertEqual(self.dev("build", "hello.c", CXX="no-such-cxx")[0],
                         0)

    def test_warnings_are_on(self):
        self.write("hello.c", SOURCE.replace("(void)self", "int unused"))
        status, _, stderr = self.dev("build", "hello.c")
        self.assertEqual(status, 0)
        self.assertRegex(stderr, "unused variable")

    def test_what_the_environment_gives_the_compiler(self):
        self.write("hello.c", SOURCE.replace('#include "answer.h"', ""))
        self.assertEqual(self.dev("build", "hello.c",
                                  CPPFLAGS='-DANSWER="x"')[0], 0)

    def test_source_that_does_not_compile(self):
        self.write("hello.c", SOURCE.replace("[64]", "[64"))
        stderr = self.refused(65, "hello.c cannot be compiled", "build",
                              "hello.c")
        self.assertIn("error:", stderr)
        self.assertFalse(os.path.exists(self.path("hello.so")))

    def test_plugin_that_does_not_load(self):
        self.write("hello.c", "int nothing;\n")
        self.refused(78, "no bevhost_plugin_init", "build", "hello.c")
        self.write("hello.c", SOURCE.replace('"hello"', '"Hel lo"'))
        self.refused(78, "has no proper name", "build", "hello.c")

    def test_files_that_are_not_there(self):
        self.refused(66, "other.c: there is no such file", "build", "other.c")
        self.refused(64, "did you mean 'hello.c'", "build", "hello")
        self.refused(73, "no such folder", "build", "hello.c", "-o", "a/b.so")
        self.refused(66, "no C file in this folder", "build", "tmp")
        self.refused(64, "which plugin", "build")

    def test_no_room_is_no_error_of_the_source(self):
        under = ("sh", "-c", "trap '' XFSZ; ulimit -f 8; exec \"$@\"", "sh")
        for words in (("build", "hello.c"), ("build", "-s", "hello.c"),
                      ("fuzz", "-t", "1", "hello.c"),
                      ("run", "hello.c", *PLAIN)):
            stderr = self.refused(
                73, "tmp/bevhost-dev.* is full, or may not be written to: "
                "set TMPDIR", *words, under=under)
            self.assertNotIn("no sanitizers", stderr)
        # Where even root may not.
        self.refused(73, "/proc is full, or may not|/proc: nothing may be",
                     "build", "hello.c", "-o", "/proc/hello.so")
        self.refused(73, "tmp is a folder: name a file", "build", "hello.c",
                     "-o", "tmp")

    def test_a_folder_that_may_not_be_written_to(self):
        if os.geteuid() == 0:
            self.skipTest("root may write anywhere")
        os.mkdir(self.path("out"), 0o500)
        self.refused(73, "out: nothing may be written", "build", "hello.c",
                     "-o", "out/hello.so")

    def test_folders_with_a_space(self):
        os.mkdir(self.path("a b"))
        os.rename(self.path("hello.c"), self.path("a b/c d.c"))
        os.mkdir(self.path("t t"))
        for words in ((),) if SANITIZERS else ((), ("-s",)):
            status, _, stderr = self.dev(
                "build", *words, "a b/c d.c", TMPDIR=self.path("t t"),
                CPPFLAGS="-I.")
            self.assertEqual(status, 0, stderr)
            self.assertIn("./c d.so is the plugin hello", stderr)
        self.assertEqual(os.listdir(self.path("t t")), [])

    def test_a_folder_with_several_plugins(self):
        self.write("other.c", SOURCE.replace("hello", "other"))
        self.refused(64, "several plugins in this folder: name the files of "
                     "one, such as hello.c", "build", ".")

    def test_tools_that_are_not_there(self):
        self.refused(69, "no C compiler .*install the package gcc", "build",
                     "hello.c", CC="no-such-cc")
        self.refused(69, "no no-such-tool here: install the package pkg-config",
                     "build", "hello.c", PKG_CONFIG="no-such-tool")
        # As it would be without libevent's file.
        self.refused(69, "set PKG_CONFIG_PATH", "build", "hello.c",
                     PKG_CONFIG="false")
        self.refused(69, "no-such-host is no program", "build", "hello.c",
                     BEVHOST="/no-such-host")


class Package(Case):
    def test_a_new_project_is_configured_and_passes_its_tests(self):
        """tests/installcheck does it with what is installed, and more."""
        if SANITIZERS:
            self.skipTest("the library for tests has sanitizers")
        for tool in ("autoreconf", "libtoolize", "make"):
            if shutil.which(tool) is None:
                self.skipTest("there is no " + tool)
        if subprocess.run([os.environ.get("PKG_CONFIG", "pkg-config"),
                           "--exists", "check"]).returncode:
            self.skipTest("there is no Check")
        status, stdout, _ = self.dev("new", "my-demo", "--model=callbacks")
        self.assertEqual(status, 0)
        # As it is said there, and as a shell does it.
        commands = re.findall(r"(?m)^    ((?:export|cd|autoreconf) .*)$",
                              stdout)
        self.assertIn("autoreconf -fi && ./configure && make check", commands)
        done = subprocess.run(
            "set -e; " + "; ".join(commands), shell=True, cwd=self.folder,
            env={**self.environment, "VERBOSE": "1"}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("\n# PASS:  1\n", done.stdout)
        self.assertIn("Checks: 3, Failures: 0", self.read(
            "my-demo/tests/test_my-demo.log"))
        # Its test fails when the handler does.
        source = self.read("my-demo/my-demo.c")
        self.write("my-demo/my-demo.c", source.replace("++", ""))
        done = subprocess.run(
            "make check", shell=True, cwd=self.path("my-demo"),
            env=self.environment, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)
        self.assertNotEqual(done.returncode, 0, done.stdout)
        self.assertIn("You are number 0.", self.read(
            "my-demo/tests/test_my-demo.log"))


if __name__ == "__main__":
    harness.main()
