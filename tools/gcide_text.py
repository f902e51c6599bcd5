#!/usr/bin/env python3
"""Writes the entries of a dictd dictionary as plain text: usage: gcide_text.py FILE.dict.dz FILE.index OUT

One entry after the other in the dictionary's order, two blank lines between them (entries hold single blank lines).
The .dz format is gzip with an index, so gzip reads it. An index line is `headword TAB offset TAB length`, both numbers
in base 64; several headwords may share an entry. OUT appears complete or not at all.
"""
import gzip
import os
import re
import sys

DIGITS = {c: i for i, c in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")}


def number(text):
    value = 0
    for digit in text:
        value = value * 64 + DIGITS[digit]
    return value


def entry_places(index_path):
    """Sorted (offset, length) of every entry; those of headwords starting with 00- describe the dictionary itself."""
    places, about = set(), set()
    with open(index_path, encoding="utf-8") as index:
        for line in index:
            headword, offset, length = line.rstrip("\n").split("\t")[:3]
            place = number(offset), number(length)
            (about if headword.startswith("00-") else places).add(place)
    return sorted(places - about)


def entry_text(raw):
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:  # three entries of GCIDE 0.48 hold a Latin-1 byte
        text = raw.decode("latin-1")
    text = "\n".join(line.rstrip() for line in text.strip("\n").splitlines())
    return re.sub(r"\n{3,}", "\n\n", text)


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    dictionary_path, index_path, out_path = sys.argv[1:]
    with gzip.open(dictionary_path) as file:
        dictionary = file.read()
    places = entry_places(index_path)
    if not places:
        sys.exit(f"{index_path}: no entries")
    partial = f"{out_path}.tmp"
    with open(partial, "w", encoding="utf-8", newline="\n") as out:
        written = set()
        for offset, length in places:
            if offset + length > len(dictionary):
                sys.exit(f"{index_path}: an entry ends at byte {offset + length}, {dictionary_path} has {len(dictionary)}")
            text = entry_text(dictionary[offset : offset + length])
            if text not in written:  # a few entries are there twice
                out.write("\n\n\n" if written else "")
                out.write(text)
                written.add(text)
        out.write("\n")
    os.replace(partial, out_path)
    print(f"    {len(written)} entries, {os.path.getsize(out_path)} bytes in {out_path}")


if __name__ == "__main__":
    main()
