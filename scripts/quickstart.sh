#!/usr/bin/env bash
# From a fresh machine to a trained model: set-up, build, real text, training, a sample.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  cat <<'TEXT'
usage: scripts/quickstart.sh [path=value ...]

Installs what is missing, builds Ingot into build/, gets the English dictionary GCIDE (40 MB of text) into .data/,
trains configs/quickstart.yaml on it in about five minutes, compares it with xz on held-out text and prints a sample.
Called again it continues or, if the run is finished, samples. Settings such as train.duration=100steps go to the run.
TEXT
}
case ${1:-} in -h | --help) usage; exit 0 ;; esac

scripts/setup.sh
. scripts/common.sh

# Debian's package of the dictionary, unpacked here: that needs no root rights.
get_dictionary() {
  local fresh
  mkdir -p .data
  rm -rf .data/tmp.*
  fresh=$(mktemp -d .data/tmp.XXXXXX)
  (
    cd "$fresh"
    if ! apt-get download dict-gcide >apt.log 2>&1 </dev/null; then
      # No package lists, as in a fresh container: fetch lists into a folder of our own.
      mkdir -p lists/partial cache
      own=(-o "Dir::State::lists=$PWD/lists" -o "Dir::Cache=$PWD/cache" -o APT::Sandbox::User="$(id -un)")
      { apt-get "${own[@]}" update && apt-get "${own[@]}" download dict-gcide; } >apt.log 2>&1 </dev/null ||
        { tail -n 5 apt.log >&2; die "cannot get the package dict-gcide"; }
    fi
    dpkg-deb -x dict-gcide_*.deb unpacked
  )
  python3 -B tools/gcide_text.py "$fresh"/unpacked/usr/share/dictd/gcide.{dict.dz,index} .data/gcide.txt
  rm -rf "$fresh"
}

phase "text"
if [ -e .data/gcide.txt ]; then
  phase_end "there already"
else
  get_dictionary
  phase_end "English dictionary in .data/gcide.txt"
fi

# Settings of this call, for commands that only read the config.
settings=()
for argument in "$@"; do
  case $argument in -*) ;; *=*) settings+=(--set "$argument") ;; esac
done
run=$(build/ingot config show configs/quickstart.yaml --field run.dir "${settings[@]}")

say "==> training"
build/ingot train configs/quickstart.yaml "$@"
if [ ! -e "$run/compression.txt" ]; then
  phase "held-out text: the model and xz"
  if tools/compare_xz.sh "$run" --quick >"$run/compression.tmp"; then mv "$run/compression.tmp" "$run/compression.txt"; fi
  phase_end "given the training text as well, in minutes: tools/compare_xz.sh $run"
fi
if [ -e "$run/compression.txt" ]; then sed 's/^/    /' "$run/compression.txt"; fi
say "==> a sample"
build/ingot sample "$run" --prompt "Language"
