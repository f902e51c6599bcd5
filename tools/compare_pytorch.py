#!/usr/bin/env python3
"""Ingot against PyTorch on nanoGPT's CPU setting: interleaved runs, ratio of medians.

Packages: torch==2.11.0 numpy safetensors pyyaml (CPU), and a built Ingot. Run from anywhere:
    python tools/compare_pytorch.py TEXT --rounds 5 --steps 300 --threads 2            # speed
    python tools/compare_pytorch.py TEXT --loss --seeds 1 2 3                          # held-out loss of full runs

Speed: each round runs Ingot once and PyTorch once per mode (eager, compile) and precision (fp32, autocast, bf16), in an order
that changes from round to round, so that slow moments of the machine meet everybody. A run's speed is that of its median step;
the table gives the median over rounds and its ratio to Ingot's. Loss: the same start weights and data order.
Tables go to stderr, one JSON document to stdout.
"""

import argparse
import itertools
import json
import pathlib
import random
import statistics
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "compare"))
from ingot_runs import ROOT, Ingot, call  # noqa: E402

TOKENS_PER_STEP = 12 * 64


def make_ingot(options, *overrides):
    threads = [f"train.threads={options.threads}"] if options.threads else []
    return Ingot(options.ingot, options.config, [f"data.train.paths=[{json.dumps(options.text)}]", *threads, *overrides])


def run_pytorch(options, steps, seed, mode, precision, *more):
    """One run of compare/nanogpt_char.py; returns its result."""
    command = [sys.executable, str(ROOT / "tools/compare/nanogpt_char.py"), options.text, "--steps", str(steps),
               "--total-steps", str(options.total_steps), "--seed", str(seed), "--mode", mode, "--precision", precision, *more]
    if options.threads:
        command += ["--threads", str(options.threads)]
    return json.loads(call(command).splitlines()[0])


def ingot_speed(options, seed):
    with tempfile.TemporaryDirectory() as folder:
        lines = make_ingot(options, "log.every=1 steps", f"evaluation.every={options.steps} steps").train(
            f"{folder}/run", options.steps, f"run.seed={seed}")
    seconds = [line["step_seconds"] for line in lines if line["kind"] == "train"]
    return TOKENS_PER_STEP / statistics.median(seconds[len(seconds) // 5:])


def compare_speed(options):
    contestants = {f"pytorch {mode} {precision}": (mode, precision)
                   for mode, precision in itertools.product(options.modes, options.precisions)}
    speeds = {name: [] for name in ["ingot", *contestants]}
    for round_number in range(options.rounds):
        order = list(speeds)
        random.Random(round_number).shuffle(order)
        for name in order:
            if name == "ingot":
                speed = ingot_speed(options, round_number + 1)
            else:
                result = run_pytorch(options, options.steps, round_number + 1, *contestants[name], "--no-evaluation")
                speed = result["tokens_per_second"]
            speeds[name].append(speed)
            print(f"round {round_number + 1}: {name}: {speed:,.0f} tokens/s", file=sys.stderr)
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    best = max(contestants, key=lambda name: medians[name])
    print(f"\n{'':28}{'tokens/s':>10}{'ingot / it':>12}{'spread':>18}", file=sys.stderr)
    for name, median in sorted(medians.items(), key=lambda item: -item[1]):
        spread = f"{min(speeds[name]):,.0f}..{max(speeds[name]):,.0f}"
        print(f"{name:28}{median:>10,.0f}{medians['ingot'] / median:>12.2f}{spread:>18}", file=sys.stderr)
    print(f"\nIngot reaches {medians['ingot'] / medians[best]:.2f} times the speed of {best}.", file=sys.stderr)
    return {"tokens_per_second": medians, "runs": speeds, "best_pytorch": best,
            "ratio_to_best": medians["ingot"] / medians[best]}


def compare_loss(options):
    """Full runs from the same start weights in the same data order; the whole last tenth is scored after the last step."""
    losses = {"ingot": [], "pytorch": []}
    for seed in options.seeds:
        with tempfile.TemporaryDirectory() as folder:
            ingot = make_ingot(options, f"run.seed={seed}", f"data.cache={folder}/data")
            lines = ingot.train(f"{folder}/run", options.steps)
            start = ingot.start_weights(f"{folder}/start")
            batches = ingot.export_batches(f"{folder}/run", options.steps)
            losses["ingot"].append([line for line in lines if line["kind"] == "eval"][-1]["loss"])
            result = run_pytorch(options, options.steps, seed, "eager", "fp32", "--checkpoint", str(start),
                                 "--batches", str(batches))
        losses["pytorch"].append(result["held_out_loss"])
        print(f"seed {seed}: ingot {losses['ingot'][-1]:.4f}, pytorch {losses['pytorch'][-1]:.4f}", file=sys.stderr)
    means = {name: statistics.fmean(values) for name, values in losses.items()}
    print(f"mean: ingot {means['ingot']:.4f}, pytorch {means['pytorch']:.4f}, "
          f"difference {means['ingot'] - means['pytorch']:+.4f}", file=sys.stderr)
    return {"held_out_loss": losses, "mean": means, "difference": means["ingot"] - means["pytorch"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=lambda path: str(pathlib.Path(path).resolve()))
    parser.add_argument("--ingot", default=str(ROOT / "build/ingot"))
    parser.add_argument("--config", default=str(ROOT / "configs/recipes/shakespeare_char.yaml"))
    parser.add_argument("--threads", type=int)
    parser.add_argument("--steps", type=int, help="per run (default: 300 for speed, 2000 for loss)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--modes", nargs="+", default=["eager", "compile"])
    parser.add_argument("--precisions", nargs="+", default=["fp32", "autocast", "bf16"])
    parser.add_argument("--loss", action="store_true", help="compare held-out losses instead of speed")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    options = parser.parse_args()
    options.steps = options.steps or (2000 if options.loss else 300)
    options.total_steps = options.steps
    print(json.dumps(compare_loss(options) if options.loss else compare_speed(options)))


if __name__ == "__main__":
    main()
