#!/usr/bin/env bash
# Checks the layout of all C++ files, comments included, or corrects it. usage: scripts/format.sh [--fix] [FILE...]
set -euo pipefail
cd "$(dirname "$0")/.."

FIX=0
if [ "${1:-}" = --fix ]; then FIX=1; shift; fi
case ${1:-} in -*) sed -n '2s/^# //p' "$0" >&2; exit 2 ;; esac

# Versions disagree about details, so exactly the one that the project uses will do.
formatter=""
for candidate in .deps/bin/clang-format clang-format-14 clang-format; do
  if command -v "$candidate" >/dev/null && "$candidate" --version | grep -q 'version 14\.'; then
    formatter=$candidate
    break
  fi
done
if [ -z "$formatter" ]; then
  echo "format: skipped, clang-format 14 is not installed (scripts/setup.sh --tests gets it)"
  exit 77
fi

files=("$@")
if [ ${#files[@]} -eq 0 ]; then
  mapfile -t files < <(find src tests tools -name '*.cpp' -o -name '*.h' -o -name '*.cu' -o -name '*.cuh' | sort)
fi
if [ $FIX -eq 1 ]; then
  python3 -B tools/wrap_comments.py --fix "${files[@]}"
  "$formatter" -i "${files[@]}"
else
  { "$formatter" --dry-run --Werror "${files[@]}" && python3 -B tools/wrap_comments.py "${files[@]}"; } || { echo "format: run scripts/format.sh --fix" >&2; exit 1; }
  echo "format: ${#files[@]} files are well laid out"
fi
