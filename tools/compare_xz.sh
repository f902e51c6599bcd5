#!/usr/bin/env bash
# Held-out bits per byte of a run beside those of `xz -9e`. usage: tools/compare_xz.sh RUN [--quick]
# With --quick without what xz needs given the training text, which takes minutes for the 40 MB of the quickstart.
set -euo pipefail
ingot=$(cd "$(dirname "$0")/.." && pwd)/build/ingot
run=${1:?usage: tools/compare_xz.sh RUN [--quick]}
folder=$(mktemp -d "$run/compression.XXXXXX")
trap 'rm -rf "$folder"' EXIT
texts=("$folder/held_out.txt")
"$ingot" data text "$run" --out "$folder/held_out.txt" >/dev/null
if [ "${2:-}" != --quick ]; then
  texts+=("$folder/train.txt")
  "$ingot" data text "$run" --train --out "$folder/train.txt" >/dev/null
fi
"$ingot" eval "$run" --held-out
python3 -B "$(dirname "$0")/xz_bits.py" "${texts[@]}"
