#!/usr/bin/env bash
# Sets up what is missing, builds everything into build/ and runs the tests.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  cat <<'TEXT'
usage: scripts/test.sh [--full] [--label LABEL] [--no-setup]

Sets up what is missing, builds program and tests into build/ and runs the tests, two at a time.

  --label L   only tests with this label: unit (under a minute), slow, dist, gpu
  --full      then also clang-tidy, and all tests under AddressSanitizer and UndefinedBehaviorSanitizer
  --no-setup  only build and test
  --help      this text
TEXT
}

FULL=0 SETUP=1 LABEL=()
while [ $# -gt 0 ]; do
  case $1 in
    --full) FULL=1 ;;
    --label) LABEL=(--label-regex "^${2:?--label needs a name}\$"); shift ;;
    --no-setup) SETUP=0 ;;
    --help | -h) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
  shift
done

if [ $SETUP -eq 1 ]; then scripts/setup.sh --tests; fi
. scripts/common.sh

run_tests() { # FOLDER
  ctest --test-dir "$1" --output-on-failure --no-tests=error -j 2 "${LABEL[@]}" </dev/null
}

if [ $SETUP -eq 0 ]; then ninja -C build -j "$(build_jobs)"; fi

if [ $FULL -eq 1 ]; then
  scripts/tidy.sh
  for preset in asan ubsan; do
    phase "$preset"
    cmake --preset $preset -DINGOT_TORCH="${INGOT_TORCH:-}" >"$ROOT/.cache/configure.log" 2>&1 ||
      { cat "$ROOT/.cache/configure.log" >&2; die "cmake failed"; }
    ninja -C build-$preset -j "$(build_jobs)"
    run_tests build-$preset
    phase_end
  done
fi

run_tests build
