#!/usr/bin/env python3
"""What each norm costs: time of a whole training step with it at every site, relative to rms_norm. Standard library only.

Run: python3 tools/norm_cost.py [--rounds 5] [--binary build/ingot] [--config configs/recipes/gpt2.yaml] [--set path=value ...] [NORM...]

`ingot bench step` on random tokens, in rounds: each runs every norm once, in an order that changes from round to round, so
that slow moments of the machine meet all. The table has the median over rounds of the step time and of its ratio to
rms_norm's in the same round, with the smallest and the largest ratio.
"""

import argparse
import json
import pathlib
import random
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "compare"))
from ingot_runs import Ingot, call  # noqa: E402

BASE = "rms_norm"
VOCAB = 8192
SIZE = ["model.d_model=256", "model.layers=8x(AF)", "data.seq_len=256", "train.micro_batch=4", "train.global_batch=4 sequences",
        "model.operators.A.mixer.num_heads=4"]
# What some need beside their name.
SETTINGS = {"power_norm": "allow_leak: true", "unified_norm": "allow_leak: true", "online_norm": "allow_leak: true"}
LEFT_OUT = {"none", "frozen_norm"}  # no norm, and one that a trained model turns into


def norms(binary):
    found = json.loads(call([binary, "list", "norms", "--json"]))
    return sorted(entry["name"] for entry in found["norms"] if entry["name"] not in LEFT_OUT)


def step_seconds(ingot, norm, args):
    setting = f"model.norm={{type: {', '.join(filter(None, [norm, SETTINGS.get(norm)]))}}}"
    report = ingot.bench_step(VOCAB, args.steps, args.warm_up, setting)
    return report["results"][0]["seconds"]["median"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("norms", nargs="*", help="default: all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=8, help="of a run, that count")
    parser.add_argument("--warm-up", type=int, default=2)
    parser.add_argument("--binary", default="build/ingot")
    parser.add_argument("--config", default="configs/recipes/gpt2.yaml")
    parser.add_argument("--set", action="append", default=[], metavar="path=value", help="further overrides")
    args = parser.parse_args()
    ingot = Ingot(args.binary, args.config, SIZE + args.set)
    names = [BASE, *(name for name in args.norms or norms(args.binary) if name != BASE)]
    seconds = {name: [] for name in names}
    shuffled = random.Random(0)
    for number in range(args.rounds):
        for name in shuffled.sample(names, len(names)):
            seconds[name].append(step_seconds(ingot, name, args))
        print(f"round {number + 1} of {args.rounds}", file=sys.stderr, flush=True)
    print("| norm | step | times rms_norm | over rounds |\n|---|---|---|---|")
    for name in names:
        ratios = [mine / base for mine, base in zip(seconds[name], seconds[BASE])]
        print(f"| {name} | {1e3 * statistics.median(seconds[name]):.1f} ms | {statistics.median(ratios):.3f} | "
              f"{min(ratios):.2f} to {max(ratios):.2f} |")


if __name__ == "__main__":
    main()
