#!/usr/bin/env bash
# Sets up what is missing, builds everything into build/ and runs the tests.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  cat <<'TEXT'
usage: scripts/test.sh [--sanitize] [--full] [--label LABEL] [--no-setup]

Sets up what is missing, builds program and tests into build/ and runs the tests, two at a time.

  --label L   only tests with this label: unit (under a minute), slow, dist, gpu
  --sanitize  first also the tests of modules without LibTorch under both sanitizers (three minutes), a short run of their
              fuzz targets included (longer by hand: build-sanitize/tests/fuzz_data_index --runs 1000000 --seed 2)
  --full      first also clang-tidy, and all tests under AddressSanitizer and UndefinedBehaviorSanitizer
  --no-setup  only build and test
  --help      this text
TEXT
}

FULL=0 SANITIZE=0 SETUP=1 LABEL=()
while [ $# -gt 0 ]; do
  case $1 in
    --full) FULL=1 ;;
    --sanitize) SANITIZE=1 ;;
    --label) LABEL=(--label-regex "^${2:?--label needs a name}\$"); shift ;;
    --no-setup) SETUP=0 ;;
    --help | -h) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
  shift
done

. scripts/common.sh
if [ $SETUP -eq 1 ]; then
  phase "set-up and build"
  scripts/setup.sh --tests
  phase_end
fi

run_tests() { # FOLDER [CTEST OPTION...]
  local folder=$1
  shift
  ctest --test-dir "$folder" --output-on-failure --no-tests=error -j 2 "$@" </dev/null
}

sanitized() { # PRESET TARGET [CTEST OPTION...]
  local preset=$1 target=$2
  shift 2
  phase "$preset"
  cmake --preset "$preset" -DINGOT_TORCH="${INGOT_TORCH:-}" >"$ROOT/.cache/configure.log" 2>&1 ||
    { cat "$ROOT/.cache/configure.log" >&2; die "cmake failed"; }
  ninja -C "build-$preset" -j "$(build_jobs)" "$target"
  run_tests "build-$preset" "$@"
  phase_end
}

if [ $SETUP -eq 0 ]; then ninja -C build -j "$(build_jobs)"; fi

if [ $SANITIZE -eq 1 ]; then sanitized sanitize plain_tests --label-regex '^plain$'; fi
if [ $FULL -eq 1 ]; then
  scripts/tidy.sh
  for preset in asan ubsan; do sanitized $preset all "${LABEL[@]}"; done
fi

phase "tests"
run_tests build "${LABEL[@]}"
phase_end
say "==> all tests passed"
phase_summary
