#!/usr/bin/env bash
# Runs clang-tidy. usage: scripts/tidy.sh [--changed | FILE...]; without arguments on all of src/, with --changed on what
# differs from the last commit.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

case ${1:-} in
  --changed) mapfile -t files < <({ git diff --name-only HEAD; git ls-files -o --exclude-standard; } |
    grep -E '^(src|tests)/.*\.cpp$' | sort -u) ;;
  -*) sed -n '2,3s/^# //p' "$0" >&2; exit 2 ;;
  '') mapfile -t files < <(find src -name '*.cpp' | sort) ;;
  *) files=("$@") ;;
esac
if [ ${#files[@]} -eq 0 ]; then
  say "clang-tidy: no files to check"
  exit 0
fi
system_packages clang-tidy:clang-tidy
phase "clang-tidy"

# clang cannot read g++'s precompiled headers.
cmake --preset dev -B build-tidy -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON -DINGOT_CCACHE=OFF -DINGOT_TORCH="${INGOT_TORCH:-}" \
  >"$ROOT/.cache/configure.log" 2>&1 || { cat "$ROOT/.cache/configure.log" >&2; die "cmake failed"; }
printf '%s\0' "${files[@]}" | xargs -0 -n 1 -P "$(build_jobs)" clang-tidy -p build-tidy --quiet
phase_end "${#files[@]} files"
