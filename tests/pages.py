# SPDX-License-Identifier: BSD-2-Clause
"""The HTML of manuals and guide: it is made, whole, and no link in it is dead.

CMARK and MANDOC are the programs that make it.
"""

import html.parser
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.parse

TOP = pathlib.Path(os.environ.get("BEVHOST_SRCDIR", "."))
MANDOC = os.environ.get("MANDOC") or "mandoc"
CMARK = os.environ.get("CMARK") or "cmark-gfm"
VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta"}
# May stay open, as HTML has it.
OPTIONAL = {"p", "li", "dt", "dd", "tr", "td", "th", "tbody", "thead"}


class Page(html.parser.HTMLParser):
    """What a page has, and points to."""

    def __init__(self, path):
        super().__init__()
        self.ids, self.links, self.loads, self.wrong = [], [], [], []
        self.open, self.title, self.language, self.viewport = [], "", None, None
        self.feed(path.read_text(encoding="utf-8"))
        self.close()
        if self.open:
            self.wrong.append(f"{self.open} stay open")

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if "id" in attrs:
            self.ids.append(attrs["id"])
        if tag == "a" and "href" in attrs:
            self.links.append(attrs["href"])
        if tag == "html":
            self.language = attrs.get("lang")
        if tag == "meta" and attrs.get("name") == "viewport":
            self.viewport = attrs.get("content")
        self.loads += [attrs[key] for key in ("src",) if key in attrs]
        if tag == "link":
            self.loads.append(attrs["href"])

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        while self.open and self.open[-1] != tag and self.open[-1] in OPTIONAL:
            self.open.pop()
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> ends nothing (line {self.getpos()[0]})")

    def handle_data(self, data):
        if self.open and self.open[-1] == "title":
            self.title += data


class Tests:
    """TAP."""

    def __init__(self):
        self.number, self.failed = 0, False

    def check(self, name, violations):
        self.number += 1
        violations = list(violations)
        self.failed |= bool(violations)
        print(f"{'not ok' if violations else 'ok'} {self.number} - {name}")
        for violation in violations:
            print(f"# {violation}")


def dead_links(pages):
    for name, page in pages.items():
        for link in page.links:
            parts = urllib.parse.urlsplit(link)
            if parts.scheme in ("https", "http"):
                if "manpages" in parts.netloc and "/bevhost" in parts.path:
                    yield f"{name}: there is no manual {link}"
                continue
            path, anchor = urllib.parse.unquote(parts.path), parts.fragment
            target = pages.get(path or name)
            if parts.scheme or target is None:
                yield f"{name}: there is no page {link}"
            elif anchor and urllib.parse.unquote(anchor) not in target.ids:
                yield f"{name}: there is no anchor {link}"


def reached(pages):
    seen, queue = set(), ["index.html"]
    while queue:
        name = queue.pop()
        if name in seen or name not in pages:
            continue
        seen.add(name)
        queue += [link.partition("#")[0] for link in pages[name].links]
    return seen


def sources():
    """The pages that there must be."""
    for path in TOP.glob("src/**/*.[1-8]"):
        yield path.name + ".html"
    for path in TOP.glob("plugins/*/*.1"):
        yield path.name + ".html"
    for path in TOP.glob("doc/*.md"):
        yield path.stem + ".html"


def main():
    for program in (MANDOC, CMARK):
        if shutil.which(program) is None:
            print(f"1..0 # SKIP there is no {program}")
            return 0
    tests = Tests()
    tests.check("what README.md, NEWS.md and HACKING.md link to is there", [
        f"{page.name}: {link}"
        for page in (TOP / name for name in ("README.md", "NEWS.md",
                                             "HACKING.md"))
        for link in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8"))
        if "://" not in link and not (TOP / link).exists()])
    with tempfile.TemporaryDirectory() as folder:
        made = subprocess.run(
            ["sh", TOP / "doc/html/build", folder], check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=dict(os.environ, MANDOC=MANDOC, CMARK=CMARK))
        tests.check("the pages are made without a word", [
            line for line in [*made.stdout.splitlines(),
                              f"exit status {made.returncode}"]
            if line != "exit status 0"])
        pages = {path.name: Page(path)
                 for path in sorted(pathlib.Path(folder).glob("*.html"))}
        files = {path.name for path in pathlib.Path(folder).iterdir()}

        tests.check("each manual and each page of the guide is there", [
            name for name in sources() if name not in pages])
        tests.check("each page is reached from the index",
                    sorted(set(pages) - reached(pages)))
        tests.check("no link is dead", dead_links(pages))
        tests.check("tags are closed", [
            f"{name}: {wrong}" for name, page in pages.items()
            for wrong in page.wrong])
        tests.check("an anchor is there once", [
            f"{name}: {anchor}" for name, page in pages.items()
            for anchor in sorted(set(page.ids))
            if page.ids.count(anchor) > 1])
        tests.check("each page has a title, a language, and fits a phone", [
            name for name, page in pages.items()
            if not page.title or page.language != "en" or
            page.viewport != "width=device-width, initial-scale=1"])
        tests.check("nothing is loaded from elsewhere", [
            f"{name}: {load}" for name, page in pages.items()
            for load in page.loads if load not in files])
        tests.check("each page of the guide says what one can do after it", [
            path.name for path in sorted(TOP.glob("doc/*.md"))
            if path.name != "index.md" and not path.read_text(
                encoding="utf-8").split("\n")[2].startswith("After this page")])
        titles = [page.title for page in pages.values()]
        tests.check("no two pages have the same title", [
            title for title in sorted(set(titles)) if titles.count(title) > 1])
        tests.check("functions that the guide names exist, and are linked", [
            f"{path.name}: {name}"
            for path in sorted(pathlib.Path(folder).glob("*.html"))
            for name in re.findall(r"<code>((?:bevhost_|BEVHOST_)\w+\(\))</code>",
                                   path.read_text(encoding="utf-8"))
            if not path.name.startswith(("HACKING", "include-"))
            and not re.search(r"\.\d\.html$", path.name)])
        style = (pathlib.Path(folder) / "style.css").stat().st_size
        tests.check("the style sheet is small",
                    [f"{style} bytes"] if style > 4096 else [])
    print(f"1..{tests.number}")
    return int(tests.failed)


sys.exit(main())
