#!/usr/bin/env python3
"""The same start weights and batches in Ingot and in plain PyTorch: do the losses agree?

Packages: torch==2.11.0 numpy safetensors pyyaml (CPU), and a built Ingot. Run from anywhere:
    python tools/compare_hybrid.py configs/quickstart.yaml --steps 100 [KEY=VALUE ...]

Trains Ingot in fp32 for --steps, takes its start weights and its batches, trains tools/compare/hybrid.py on them, prints both
losses of every step and the largest relative difference, and exits with 1 if that is above --tolerance.
"""

import argparse
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "compare"))
from hybrid import train  # noqa: E402
from ingot_files import compare_losses, read_batches, read_config, read_weights  # noqa: E402
from ingot_runs import ROOT, Ingot  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("overrides", nargs="*", help="overrides for Ingot's config, such as data.seq_len=64")
    parser.add_argument("--ingot", default=str(ROOT / "build/ingot"))
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rows", type=int, default=8, help="sequences that PyTorch runs at once")
    parser.add_argument("--tolerance", type=float, default=1e-5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        cache = f"data.cache={folder / 'data'}"
        ingot = Ingot(options.ingot, options.config, [*options.overrides, "train.precision=fp32", "log.every=1 steps", cache])
        lines = ingot.train(folder / "run", options.steps)
        theirs = {line["step"]: line["loss"] for line in lines if line["kind"] == "train"}
        params = read_weights(ingot.start_weights(folder / "start"))
        batches = read_batches(ingot.export_batches(folder / "run", options.steps))
        batches = {name: value for name, value in batches.items() if "/" not in name}
        config = read_config(folder / "run")
    mine = {}
    for step, (loss, _, _) in enumerate(train(config, params, batches, options.steps, options.steps, options.rows), 1):
        mine[step] = loss
        print(f"step {step}: pytorch {loss:.7f}  ingot {theirs[step]:.7f}  {theirs[step] / loss - 1:+.1e}", flush=True)
    raise SystemExit(0 if compare_losses(mine, theirs, options.tolerance) else 1)


if __name__ == "__main__":
    main()
