#!/usr/bin/env python3
"""Checks that comments of C++ files keep within the line length, which clang-format leaves alone, or wraps them.

usage: wrap_comments.py [--fix] FILE...

A line that is too long gives its last words to the next line of its paragraph, or to a new one. Bullets and columns keep their
indentation; a comment behind code moves to a line of its own above it. Code and strings are not touched. Exits 1 if a line is
too long (without --fix).
"""
import pathlib
import re
import sys

LIMIT = 120
COMMENT = re.compile(r"^(\s*)(///?<?)( *)(\S.*)$")
TRAILING = re.compile(r"^(\s*)((?:[^\"/]|\"(?:[^\"\\]|\\.)*\"|/(?!/))*\S)  (// .*)$")
BULLET = re.compile(r"^(?:[-*]|\d+\.) +")
COLUMNS = re.compile(r"\S {2,}(?=\S)")
# A label or a citation, which a sentence that ends on the line before does not run into.
NEW_PARAGRAPH = re.compile(r"^(?:[a-z_]+(?: [a-z_]+)?: |[^\W\d_][^ ]+ (?:et al\.|& |\d{4},))")


def parts(line):
    """(indent, slashes, lead, text) of a line that is all comment, else None."""
    match = COMMENT.match(line)
    return match.groups() if match else None


def hanging(text, lead):
    """Where the second line of a paragraph that begins with `text` is indented to."""
    bullet = BULLET.match(text)
    if bullet:
        return lead + " " * bullet.end()
    columns = list(COLUMNS.finditer(text))
    if not columns:
        return lead
    return lead + " " * columns[-1].end() if columns[-1].end() < LIMIT / 2 else lead + "  "


def continues(following, rest, indent, slashes, lead):
    """Whether the paragraph that `rest` belongs to goes on in the line `following`."""
    found = parts(following) if following is not None else None
    if found is None or found[:3] != (indent, slashes, lead):
        return False
    ended = rest.endswith((".", ":"))
    return not (BULLET.match(found[3]) or COLUMNS.search(found[3]) or (ended and NEW_PARAGRAPH.match(found[3])))


def moved_above(lines, at):
    """The comment behind the code of line `at`, with its further lines, as lines of their own; [] if there is none."""
    match = TRAILING.match(lines[at])
    if not match:
        return []
    indent, code, comment = match.groups()
    column = len(lines[at]) - len(comment)
    words = [comment[2:].strip()]
    while at + 1 < len(lines) and lines[at + 1].startswith(" " * column + "// "):
        words.append(lines.pop(at + 1).strip()[2:].strip())
    lines[at] = indent + code
    return [indent + "// " + " ".join(words)]


def wrapped(text):
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        line = lines[at]
        if len(line) <= LIMIT:
            at += 1
            continue
        found = parts(line)
        if found is None:
            above = moved_above(lines, at)
            lines[at:at] = above
            at += 0 if above else 1
            continue
        indent, slashes, lead, words = found
        cut = line.rfind(" ", 0, LIMIT + 1)
        if cut <= len(indent + slashes + lead):
            at += 1  # one word, such as an address
            continue
        rest = line[cut + 1:].lstrip()
        lines[at] = line[:cut].rstrip()
        lead = hanging(words, lead)
        following = lines[at + 1] if at + 1 < len(lines) else None
        if continues(following, rest, indent, slashes, lead):
            lines[at + 1] = indent + slashes + lead + rest + " " + parts(following)[3]
        else:
            lines.insert(at + 1, indent + slashes + lead + rest)
        at += 1
    return "\n".join(lines)


def too_long(path):
    for number, line in enumerate(path.read_text().split("\n"), 1):
        if len(line) > LIMIT and (TRAILING.match(line) or (parts(line) and " " in parts(line)[3][:LIMIT])):
            yield f"{path}:{number}: a comment of {len(line)} characters, {LIMIT} fit"


def main():
    fix = sys.argv[1:2] == ["--fix"]
    paths = [pathlib.Path(name) for name in sys.argv[1 + fix:]]
    if fix:
        for path in paths:
            text = path.read_text()
            if (new := wrapped(text)) != text:
                path.write_text(new)
    problems = [] if fix else [problem for path in paths for problem in too_long(path)]
    print("\n".join(problems), end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
