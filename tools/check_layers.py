#!/usr/bin/env python3
"""Checks every #include against the module table of CMakeLists.txt and the owners of third-party headers.

usage: check_layers.py [ROOT]

A module in src/ may include headers of itself, of the modules in its DEPS and of whatever those use; its tests may
include the same and tests/support. Prints one `file:line: problem` per offence and exits 1 if there is any.
"""
import pathlib
import re
import sys

# Header prefix -> files that may include it, as path prefixes below src/.
OWNERS = {
    "yaml-cpp/": ("config/",),
    "spdlog/": ("base/log.cpp",),
    "fmt/": ("base/log.cpp",),
    "sentencepiece": ("data/",),
    "zstd": ("data/",),
    "zlib": ("data/",),
    "torch/csrc/distributed/": ("dist/",),
    "gloo/": ("dist/",),
    "CLI/": ("cli/",),
    "CLI11": ("cli/",),
}
TORCH_HEADERS = ("ATen/", "c10/", "torch/", "caffe2/")
# These pull in all of LibTorch: 20 s for a file instead of 6.
BANNED = ("torch/torch.h", "torch/extension.h", "torch/all.h", "ATen/ATen.h", "ATen/Functions.h", "torch/types.h")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def module_table(text):
    """{module: {"deps": everything it may use, itself included, "torch": whether it links LibTorch}}, in file order."""
    table = {}
    for call in re.findall(r"^ingot_module\(([^)]*)\)", text, re.M):
        words = call.split()
        name, deps, keyword = words[0], [], None
        for word in words[1:]:
            if word in ("DEPS", "LIBS", "TEST_LIBS", "TORCH"):
                keyword = word
            elif keyword == "DEPS":
                deps.append(word)
        allowed = {name}
        for dep in deps:
            if dep not in table:
                raise SystemExit(f"CMakeLists.txt: module {name} depends on {dep}, which is not declared above it")
            allowed |= table[dep]["deps"]
        torch = "TORCH" in words or any(table[dep]["torch"] for dep in deps)
        table[name] = {"deps": allowed, "torch": torch}
    return table


def source_files(folder):
    return sorted(p for p in folder.rglob("*") if p.suffix in (".h", ".cpp", ".cu", ".cuh"))


def problem_of(header, quoted, module, relative, table, in_tests):
    """What is wrong with this include, or None."""
    if header in BANNED:
        return f"{header} includes all of LibTorch; include ATen/core/Tensor.h and the ATen/ops headers that are used"
    row = table.get(module)
    for prefix, owners in OWNERS.items():
        if header.startswith(prefix) and not in_tests and not relative.startswith(owners):
            return f"{header} may be included by src/{' and src/'.join(owners)} only"
    if header.startswith("gtest/") and not in_tests:
        return f"{header} belongs to tests"
    if row and not row["torch"] and not in_tests and header.startswith(TORCH_HEADERS):
        return f"module {module} does not use LibTorch, so it may not include {header}"
    first = header.split("/")[0]
    if quoted and row and "/" in header and first in table and first not in row["deps"]:
        return f"module {module} may not use module {first} (its row: {' '.join(sorted(row['deps']))})"
    return None


def check(root):
    table = module_table((root / "CMakeLists.txt").read_text())
    problems = []
    for top in ("src", "tests"):
        for path in source_files(root / top):
            relative = path.relative_to(root / top).as_posix()
            module = relative.split("/")[0]
            if top == "src" and module not in table:
                problems.append(f"{top}/{relative}:1: folder src/{module} is no module of CMakeLists.txt")
                continue
            for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
                match = INCLUDE.match(line)
                if not match:
                    continue
                what = problem_of(match[2], match[1] == '"', module, relative, table, top == "tests")
                if what:
                    problems.append(f"{top}/{relative}:{number}: {what}")
    return problems


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent).resolve()
    problems = check(root)
    print("\n".join(problems) if problems else "layers: every include stays within its row")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
