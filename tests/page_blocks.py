# SPDX-License-Identifier: BSD-2-Clause
"""The blocks of literal text in a manual (mdoc) or a page of the guide
(Markdown), for examples.py."""

import re

# What stands in a comment before a block: mdoc's or Markdown's.
REMARK = re.compile(r'(?:\.\\" |<!-- )'
                    r"(numbers vary|one script|warns|not run: .*?|after: .*?|part of \S+|text|conf|c|c\+\+)(?: -->)?$")
# A first line that is a comment with the name of a file.
NAMED = re.compile(r"(?:/\*|//|#|--|dnl) ([A-Za-z0-9_.-]+/)?"
                   r"([A-Za-z0-9_-]+\.[a-z]+)(?: \*/)?$")


class Block:
    """Some lines, and what is said of them."""

    def __init__(self, page, line, language, remarks):
        self.page, self.line, self.lines = page, line, []
        self.language, self.remarks = language, remarks

    @property
    def text(self):
        return "\n".join(self.lines) + "\n"

    @property
    def file(self):
        """The name of the file that it is, or None."""
        match = self.lines and NAMED.match(self.lines[0])
        return (match[1] or "") + match[2] if match else None

    def __str__(self):
        return f"{self.page}:{self.line}"


def from_markdown(page, lines):
    block, remarks = None, []
    for number, line in enumerate(lines, 1):
        if block is not None and line.startswith("```"):
            yield block
            block, remarks = None, []
        elif block is not None:
            block.lines.append(line)
        elif line.startswith("```"):
            block = Block(page, number, line[3:].strip(), remarks)
        elif REMARK.match(line):
            remarks.append(REMARK.match(line)[1])
        elif line:
            remarks = []


def language_of(block):
    """What a manual does not say."""
    lines = block.lines
    first = lines[0] if lines else ""
    for remark in block.remarks:
        if remark in ("text", "conf", "c", "c++"):
            return remark
    if first.startswith("$ "):
        return "console"
    if first.startswith("//"):
        return "c++"
    named = block.file
    for language in ("conv", "lua"):
        if named and named.endswith("." + language):
            return language
    if any(re.search(r"[;{]$|^#(define|include)", line) for line in lines):
        return "c"
    return "text"


def from_mdoc(page, lines):
    block, remarks = None, []
    for number, line in enumerate(lines, 1):
        if line.startswith(".Ed") and block is not None:
            block.language = language_of(block)
            yield block
            block, remarks = None, []
        elif block is not None:
            line = line.replace(r"\&", "").replace(r"\-", "-")
            block.lines.append(line.replace(r"\e", "\\"))
        elif line.startswith(".Bd -literal"):
            block = Block(page, number, "", remarks)
        elif REMARK.match(line):
            remarks.append(REMARK.match(line)[1])
        else:
            remarks = []


def blocks(page, path):
    lines = path.read_text(encoding="utf-8").splitlines()
    return list((from_markdown if path.suffix == ".md" else
                 from_mdoc)(page, lines))
