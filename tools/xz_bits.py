#!/usr/bin/env python3
"""What `xz -9e` needs for a held-out text, in bits per byte: alone, and given the training text.

Packages: none. Run:
    build/ingot data text RUN --out held_out.txt && build/ingot data text RUN --train --out train.txt
    python3 tools/xz_bits.py held_out.txt train.txt

Given the training text: the size of both together less that of the training text. The window of -9 is 64 MiB, so a training
text up to that size is remembered whole; both big files are compressed at once, each in about 700 MB of memory.
"""

import argparse
import concurrent.futures
import lzma
import pathlib

CHUNK = 1 << 20


def xz_bytes(files):
    """Size of the concatenated files as `xz -9e --threads=1` writes it."""
    compressor = lzma.LZMACompressor(preset=9 | lzma.PRESET_EXTREME)
    size = 0
    for file in files:
        with open(file, "rb") as stream:
            while chunk := stream.read(CHUNK):
                size += len(compressor.compress(chunk))
    return size + len(compressor.flush())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("held_out", type=pathlib.Path)
    parser.add_argument("train", type=pathlib.Path, nargs="?")
    options = parser.parse_args()
    inputs = [[options.held_out]]
    if options.train:
        inputs += [[options.train], [options.train, options.held_out]]
    with concurrent.futures.ProcessPoolExecutor(max_workers=2) as pool:
        sizes = list(pool.map(xz_bytes, reversed(inputs)))[::-1]
    held_out_bytes = options.held_out.stat().st_size
    print(f"xz -9e: {8 * sizes[0] / held_out_bytes:.3f} bits per byte over {held_out_bytes:,} bytes")
    if options.train:
        print(f"xz -9e given the training text: {8 * (sizes[2] - sizes[1]) / held_out_bytes:.3f} bits per byte")


if __name__ == "__main__":
    main()
