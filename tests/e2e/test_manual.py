#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Each option's default, its range and its words, as the program takes them,
are those of --help, bevhost(8) and bevhost.conf(5)."""

import os
import re
import unittest

import harness
from harness import run

# Beyond these nobody has a use for more, and no manual says so.
WITHOUT_END = ("2147483647", "1T")
# Those that take a text of a form of their own say it in words.
OWN_FORM = {"workers", "reload-canary", "connection-rate",
            "connection-rate-per-client"}


def manual(name):
    with open(os.path.join(os.environ.get("BEVHOST_SRCDIR", "."), "src",
                           name)) as file:
        return file.read()


def plain(lines):
    """The words of a manual's lines, without its macros."""
    text = " ".join(re.sub(r"^\.[A-Z][a-z] ", "", line) for line in lines)
    text = re.sub(r"\\[&e]", "", text).replace('"', "")
    return re.sub(r" ([,.;:)])", r"\1", re.sub(r"\s+", " ", text))


def items(text, is_option):
    """{name: (title, words)} of the .It of a manual for which is_option
    returns a name."""
    found, name, lines = {}, None, []
    for line in text.splitlines():
        if line.startswith(".It "):
            name = is_option(line) or name
            if is_option(line):
                found[name] = (line, lines := [])
                continue
        elif line.startswith((".Sh", ".Ss", ".El")):
            name = None
        if name:
            lines.append(line)
    return {name: (title, plain(lines))
            for name, (title, lines) in found.items()}


def help_entries():
    """{name: words} of --help."""
    entries, name = {}, None
    for line in run("--help")[1].splitlines():
        option = re.match(r" +(?:-\w, )?--([a-z0-9-]+)(?:=\S+|\[=\S+)?(.*)", line)
        if option:
            name = option[1]
            entries[name] = option[2]
        elif name and line.startswith(" " * 20):
            entries[name] += " " + line
        else:
            name = None
    return {name: re.sub(r"\s+", " ", text)
            for name, text in entries.items()}


def refusal(name):
    """What it says of a value that nothing can be."""
    for value in ("99999999999", "99999999d", "9999999T"):
        said = run("-T", f"--{name}={value}")[2]
        if "is out of range" in said or "is not one of" in said:
            break
    return said


class Options(unittest.TestCase):
    def setUp(self):
        dump = run("-T")[1]
        self.defaults = dict(re.findall(r'(?m)^([a-z0-9-]+) = "?([^"\n]*)"?$',
                                        dump))
        self.names = [*self.defaults,
                      *re.findall(r"(?m)^# ([a-z0-9-]+) =$", dump)]
        self.assertIn("tls-cert", self.names)
        self.assertGreater(len(self.names), 45)
        self.help = help_entries()
        self.page = items(manual("bevhost.8"), lambda line: (
            match := re.search(r"Fl -([a-z0-9-]+)", line)) and match[1])
        options = manual("bevhost.conf.5").split(".Sh LISTENERS")[0]
        self.file = items(options, lambda line: (
            match := re.match(r"\.It Ic ([a-z0-9-]+) =", line)) and match[1])

    def test_the_default(self):
        for name, value in self.defaults.items():
            word = re.escape(value)
            with self.subTest(name):
                self.assertRegex(
                    self.help[name], rf"\({word}[):,]| {word} \(the default")
                self.assertRegex(
                    self.page[name][1],
                    rf"it is {word}[.,;:]|\b{word}[ ,.]+\(?(which is |is )?"
                    r"the default")
                self.assertRegex(self.file[name][1], rf"Default: {word}\.")

    def test_without_a_default_none_is_named(self):
        for name in set(self.names) - set(self.defaults):
            with self.subTest(name):
                self.assertIn("Default: none.", self.file[name][1])

    def test_the_range(self):
        checked = 0
        for name in self.names:
            said = refusal(name)
            bounds = re.search(r"it may be (?:at least (\S+)|(\S+) to (\S+))$",
                               said.strip())
            if not bounds or name in OWN_FORM:
                continue
            low, high = bounds[1] or bounds[2], bounds[3]
            if high in WITHOUT_END:
                high = None
            if high and low in ("0", "0s"):
                words = f"at most {high}"
            elif high:
                words = f"from {low} to {high}"
            elif low not in ("0", "1"):
                words = f"at least {low}"
            else:
                continue
            checked += 1
            for page in self.page, self.file:
                with self.subTest(name):
                    self.assertIn(words, page[name][1])
        self.assertGreater(checked, 18)

    def test_the_words(self):
        checked = 0
        for name in self.names:
            choices = re.search(r"is not one of ([^\n]*)", refusal(name))
            if not choices:
                continue
            for word in choices[1].split(", "):
                checked += 1
                with self.subTest(name, word=word):
                    self.assertRegex(self.help[name] + " ",
                                     rf"\b{re.escape(word)}\b")
                    self.assertRegex(self.page[name][1],
                                     rf"\b{re.escape(word)}\b")
                    self.assertRegex(self.file[name][0],
                                     rf"(= Cm|\|) {re.escape(word)}\b")
        self.assertGreater(checked, 18)


if __name__ == "__main__":
    harness.main()
