# SPDX-License-Identifier: BSD-2-Clause
"""What bash offers for command lines of bevhost and bevhost-dev, against what
the programs say of themselves."""

import os
import pty
import re
import select
import shutil
import subprocess
import tempfile
import unittest

import harness
from harness import BEVHOST, PATIENCE, plugin, run

SCRIPTS = os.path.join(os.environ.get("BEVHOST_SRCDIR", "."), "src",
                       "completion")
DEV = os.environ.get("BEVHOST_DEV", "bevhost-dev")

# What compopt is asked for stands before a line that is empty, the words after
# it.
DRIVER = r"""
compopt() { echo "${*:2}"; }
. "$1"
COMP_LINE=$2 COMP_POINT=${#2}
COMP_WORDS=("${@:3}")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
"$FUNCTION" "${COMP_WORDS[0]}"
echo
((${#COMPREPLY[@]} == 0)) || printf '%s\n' "${COMPREPLY[@]}"
"""


def ask(line, program=BEVHOST):
    """(options of compopt, words) for the text after the program's name."""
    line = program + " " + line
    # As bash takes a line apart.
    words = re.findall(r"[=:]+|[^\s=:]+", line)
    if line[-1].isspace():
        words.append("")
    name = os.path.basename(program)
    done = subprocess.run(
        ["bash", "-c", DRIVER, "bash", os.path.join(SCRIPTS, name), line,
         *words],
        env={**os.environ, "FUNCTION": "_" + name.replace("-", "_"),
             "BEVHOST": BEVHOST},
        stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=PATIENCE, check=True)
    if done.stderr:
        raise AssertionError(done.stderr)
    options, _, offered = ("\n" + done.stdout).partition("\n\n")
    return options.split(), offered.splitlines()


def offered(line, program=BEVHOST):
    return sorted(ask(line, program)[1])


def dumped(*words):
    """{(name, key): [value, ...]} of the lines KIND_NAME_KEY=VALUE."""
    found = {}
    for line in run(*words)[1].splitlines():
        match = re.match(r"(?:option|param)_(.*?)_(\w+)=(.*)", line)
        if match:
            found.setdefault(match.group(1, 2), []).append(match.group(3))
    return found


@unittest.skipIf(shutil.which("bash") is None, "there is no bash")
class Completion(unittest.TestCase):
    pass


class Options(Completion):
    def help(self):
        """{--name: has it an argument} and the letters, of --help."""
        names, letters = {}, set()
        for line in run("--help")[1].splitlines():
            match = re.match(r" +(?:(-[a-zA-Z]), )?(--[a-z0-9-]+)(\[?=)?", line)
            if match:
                names[match.group(2)] = match.group(3) == "="
                letters.add(match.group(1))
        return names, letters - {None}

    def test_each_one_of_the_help(self):
        names, letters = self.help()
        self.assertGreater(len(names), 50)
        self.assertEqual(
            offered("-"),
            sorted([*letters, *(name + "=" * has
                                for name, has in names.items())]))

    def test_the_listing_is_that_of_the_help(self):
        names, letters = self.help()
        said = dumped("--dump-options")
        self.assertEqual({"--" + name: values == ["required"]
                          for (name, key), values in said.items()
                          if key == "argument"}, names)
        self.assertEqual({"-" + values[0]
                          for (_, key), values in said.items()
                          if key == "short"}, letters)

    def test_each_choice_is_a_value(self):
        for (name, key), values in dumped("--dump-options").items():
            if key != "choice":
                continue
            with self.subTest(name):
                self.assertEqual(offered(f"--{name}="), sorted(values))
                self.assertEqual(offered(f"--{name} "), sorted(values))
            for value in values:
                with self.subTest(name, value=value):
                    status, _, stderr = run(f"--{name}={value}", "-T")
                    self.assertEqual((status, stderr), (0, ""))

    def test_a_beginning(self):
        self.assertEqual(offered("--tls-client"),
                         ["--tls-client-ca=", "--tls-client="])
        self.assertEqual(offered("--tls-client=o"), ["off", "optional"])
        self.assertEqual(offered("--log-level w"), ["warning"])
        self.assertEqual(offered("-vw "), ["auto"])
        self.assertEqual(offered("--no-such"), [])
        self.assertEqual(offered("--no-such="), [])

    def test_no_space_before_an_argument(self):
        self.assertEqual(ask("--pidf"), (["nospace"], ["--pidfile="]))
        self.assertEqual(ask("--no-m"), ([], ["--no-master"]))

    def test_users_folders_and_files(self):
        self.assertIn("root", offered("--user=ro"))
        self.assertIn("root", offered("-u ro"))
        with tempfile.TemporaryDirectory() as folder:
            os.mkdir(folder + "/inside")
            with open(folder + "/info", "w"):
                pass
            self.assertEqual(ask(f"--plugin-dir={folder}/in"),
                             (["filenames", "nospace"], [f"{folder}/inside/"]))
        # Which readline knows.
        self.assertEqual(ask("--tls-cert="), (["default"], []))
        self.assertEqual(ask("--config x"), (["default"], []))
        self.assertEqual(ask("--idle-timeout="), ([], []))
        self.assertEqual(ask("--listen=127.0.0.1:"), ([], []))

    def test_of_a_program_that_has_another_one(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "bevhost")
            with open(path, "w") as file:
                file.write("#!/bin/sh\n"
                           "echo option_of-tomorrow_argument=required\n"
                           "echo option_of-tomorrow_choice=noon\n"
                           "echo option_of-tomorrow_choice=night\n")
            os.chmod(path, 0o755)
            self.assertEqual(offered("--", path), ["--of-tomorrow="])
            self.assertEqual(offered("--of-tomorrow=ni", path), ["night"])


class Plugins(Completion):
    def test_names(self):
        names = sorted(
            line.split()[0] for line in run("--list-plugins")[1].splitlines()
            if not line.startswith(" "))
        self.assertIn("greeting", names)
        for line in ("", "-v -l 127.0.0.1:0 ", "-- ", "--dump-plugin=",
                     "--dump-plugin ", "--help ", "echo -l :1 ",
                     "echo --port=1 "):
            with self.subTest(line):
                self.assertEqual(offered(line), names)
        self.assertEqual(offered("fing"), ["finger"])

    def test_parameters(self):
        for name in ("echo", "finger", "greeting", "socks"):
            with self.subTest(name):
                said = dumped("--dump-plugin=" + name)
                self.assertEqual(
                    offered(name + " "),
                    sorted(param + "=" for param, key in said
                           if key == "type"))
        self.assertEqual(offered("echo -l 127.0.0.1:7 greeting "), ["text="])

    def test_those_that_were_given(self):
        path = plugin("lifecycle")
        self.assertEqual(offered(path + " log=x number=5 a"), ["act="])
        self.assertEqual(offered(path + " number=5 n"), [])
        # This one may be repeated.
        self.assertEqual(offered(path + " tag=a t"), ["tag="])

    def test_values(self):
        self.assertEqual(offered("socks private="), ["off", "on"])
        path = plugin("abi_v1_callbacks")
        self.assertEqual(offered(path + " text choice="), ["green", "red"])
        self.assertEqual(offered(path + " choice=r"), ["red"])
        self.assertEqual(offered(path + " flag="), ["off", "on"])
        self.assertEqual(ask(path + " number="), ([], []))
        self.assertEqual(ask(path + " text="), (["default"], []))

    def test_a_path(self):
        with tempfile.TemporaryDirectory() as folder:
            os.mkdir(folder + "/mine")
            shutil.copy(plugin("minimal"), folder + "/mine.so")
            with open(folder + "/mine.c", "w"):
                pass
            self.assertEqual(offered(folder + "/m"),
                             [folder + "/mine.so", folder + "/mine/"])

    def test_in_the_folder_that_is_named(self):
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(plugin("abi_v1_callbacks"), folder + "/elsewhere.so")
            for option in (f"--plugin-dir={folder}", f"--plugin-dir {folder}"):
                self.assertEqual(offered(option + " else"), ["elsewhere"])
                self.assertEqual(offered(option + " elsewhere choice=g"),
                                 ["green"])
            self.assertEqual(offered("else"), [])

    @unittest.skipIf(os.geteuid() != 0, "only root can give files away")
    def test_a_file_of_somebody_else_is_not_run(self):
        with tempfile.TemporaryDirectory() as folder:
            asked, program = folder + "/asked", folder + "/bevhost"
            with open(program, "w") as file:
                file.write(f"#!/bin/sh\necho \"$*\" >>'{asked}'\n")
            os.chmod(program, 0o755)
            path = shutil.copy(plugin("minimal"), folder)
            for owner, times in ((os.geteuid(), 1), (12345, 0)):
                os.chown(path, owner, -1)
                with open(asked, "w"):
                    pass
                self.assertEqual(offered(path + " ", program), [])
                with open(asked) as file:
                    self.assertEqual(
                        file.read().count("--dump-plugin=" + path), times)


class Dev(Completion):
    def dev(self, *words):
        return subprocess.run([DEV, *words], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True,
                              timeout=PATIENCE)

    def listed(self, *words):
        """Those that a message about an unknown one names."""
        match = re.search(r"there are (.*)", self.dev(*words).stderr)
        return sorted(match.group(1).split())

    def options(self, *words):
        found = []
        for line in self.dev("--help", *words).stdout.splitlines():
            match = re.match(r" +(?:(-[a-zA-Z]), )?(--[a-z-]+)(=?)", line)
            if match:
                found += filter(None, (match.group(1),
                                       match.group(2) + match.group(3)))
        return sorted(found)

    def test_words(self):
        words = self.listed("nothing-of-theirs")
        self.assertIn("new", words)
        self.assertEqual(offered("", DEV), words)
        self.assertEqual(offered("-q ", DEV), words)
        self.assertEqual(offered("--help n", DEV), ["new"])

    def test_each_option_of_the_help(self):
        self.assertEqual(offered("-", DEV), self.options())
        for word in offered("", DEV):
            with self.subTest(word):
                options = self.options(word)
                self.assertGreaterEqual(len(options), 2)
                self.assertEqual(offered(word + " -", DEV), options)

    def test_models(self):
        models = self.listed("new", "--model=nothing-of-theirs", "x")
        self.assertEqual(len(models), 3)
        self.assertEqual(offered("new --model=", DEV), models)
        self.assertEqual(offered("new -m ", DEV), models)

    def test_plugins_and_parameters(self):
        for word in ("run", "test", "fuzz", "bench"):
            with self.subTest(word):
                self.assertEqual(offered(word + " fing", DEV), ["finger"])
        self.assertEqual(offered("run socks priv", DEV), ["private="])
        self.assertEqual(offered("run -v socks private=", DEV), ["off", "on"])
        path = plugin("abi_v1_callbacks")
        self.assertEqual(offered(f"run {path} cho", DEV), ["choice="])

    def test_sources_and_conversations(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in ("my.c", "my.so", "my.conv", "my.h"):
                with open(os.path.join(folder, name), "w"):
                    pass
            os.mkdir(folder + "/mine")

            def those(line):
                return [os.path.relpath(path, folder)
                        for path in offered(line + folder + "/my", DEV)]

            self.assertEqual(those("build "), ["my.c"])
            self.assertEqual(those("run "), ["my.c", "my.so"])
            self.assertEqual(those(f"test {folder}/my.c "),
                             ["my.c", "my.conv"])
            self.assertEqual(offered(f"run {folder}/mi", DEV),
                             [folder + "/mine/"])

    def test_names_with_a_space(self):
        """As a shell with a terminal quotes them."""
        with tempfile.TemporaryDirectory() as folder:
            os.mkdir(folder + "/a b")
            with open(folder + "/a b/c d.c", "w"):
                pass
            for typed, words in (
                    (r"test a\t", ["test", "a b/"]),
                    (r"test a\tc\t", ["test", "a b/c d.c"]),
                    (r"test a\ b/\t", ["test", "a b/c d.c"]),
                    (r'test "a b/\t', ["test", "a b/c d.c"]),
                    (r"test echo a\tc\t", ["test", "echo", "a b/c d.c"]),
                    (r"run socks priv\ton", ["run", "socks", "private=on"])):
                with self.subTest(typed):
                    self.assertEqual(
                        self.typed(typed.replace(r"\t", "\t"), folder), words)

    def typed(self, keys, folder):
        """The words that bash makes of what is typed after bevhost-dev."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(folder)
            os.environ.update(TERM="dumb", PS1="ready> ", INPUTRC="/dev/null",
                              BEVHOST=BEVHOST, HISTFILE="")
            os.execvp("bash", ["bash", "--norc", "--noprofile", "-i"])
        heard = b""

        def hear(mark):
            nonlocal heard
            while mark not in heard:
                self.assertTrue(
                    select.select([terminal], [], [], PATIENCE)[0], heard)
                heard += os.read(terminal, 4096)
            found, _, heard = heard.partition(mark)
            return found

        try:
            hear(b"ready> ")
            script = os.path.abspath(os.path.join(SCRIPTS, "bevhost-dev"))
            # In front of what was completed, it prints the words.
            os.write(terminal, f". {script}; said() {{ printf '<%s>' "
                     "\"$@\"; echo ' done'; }\n".encode())
            hear(b"ready> ")
            line = f"{DEV} {keys}"
            os.write(terminal, line.encode() + b"\x01said \n")
            found = re.findall("<([^<>]*)>", hear(b" done").decode())
            return found[-found[::-1].index(DEV):]
        finally:
            os.close(terminal)
            os.waitpid(pid, 0)

    def test_options_of_the_server(self):
        self.assertEqual(offered("run echo -- --tls-client=o", DEV),
                         ["off", "optional"])
        self.assertEqual(offered("run echo -- --log-level w", DEV),
                         ["warning"])
        self.assertEqual(offered("bench echo -- --pid", DEV), ["--pidfile="])


if __name__ == "__main__":
    harness.main()
