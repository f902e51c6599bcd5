#!/usr/bin/env python3
"""Trains a small hybrid under some placements at several peak learning rates and draws the held-out losses. Standard
library only.

Run: python3 tools/learning_rate_picture.py [--placements pre post peri none] [--rates 5e-4 2e-3 8e-3 3.2e-2] [--seeds 1 2]
                                            [--steps 250] [--svg docs/images/learning_rates.svg] [--set path=value ...]
The model and the text are those of configs/quickstart.yaml, made smaller as tools/placement_table.py does it. A run that is
finished is not trained again, so the picture can be drawn anew from the runs in --out. A point is the mean over the seeds,
the bar behind it reaches from the best to the worst. Where every seed diverged a cross stands at the upper edge.
"""

import argparse
import json
import math
import pathlib
import subprocess
import sys

from placement_table import SMALL

COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"]
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 340, 62, 20, 52, 48


def held_out(args, placement, rate, seed):
    """The held-out loss of one run after its last step, None if it diverged."""
    run = args.out / f"{placement}_{rate:g}_{seed}"
    command = [args.binary, "train", args.config, *SMALL, f"model.placement={placement}", f"optim.optimizer.lr={rate:g}",
               f"run.seed={seed}", f"train.duration={args.steps} steps", f"checkpoint.every={args.steps} steps",
               "checkpoint.keep_last=1", f"evaluation.every={args.steps} steps", f"run.dir={run}", f"run.name={run.name}",
               *args.set]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if done.returncode == 5:
        return None
    if done.returncode != 0:
        sys.exit(f"{run}: exit {done.returncode}: {done.stderr.strip().splitlines()[-1]}")
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if line["kind"] == "eval"][-1]


def mark(index, x, y, colour):
    shapes = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5"', f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8"',
              f'<path d="M{x:.1f} {y - 5.5:.1f}l5.5 9.5h-11z"', f'<path d="M{x:.1f} {y - 6:.1f}l6 6l-6 6l-6 -6z"']
    return f'{shapes[index % 4]} fill="{colour}"/>'


def text(x, y, words, anchor="middle", more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{words}</text>'


def draw(args, losses):
    """losses: {placement: {rate: [loss of each seed]}}."""
    values = [loss for row in losses.values() for seeds in row.values() for loss in seeds]
    low, high = math.floor(min(values) * 5) / 5, math.ceil(max(values) * 5 + 1) / 5
    first, last = math.log(min(args.rates)), math.log(max(args.rates))
    x = lambda rate: LEFT + 24 + (math.log(rate) - first) / ((last - first) or 1) * (WIDTH - LEFT - RIGHT - 48)
    y = lambda loss: TOP + (high - loss) / (high - low) * (HEIGHT - TOP - BOTTOM)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="13" '
           f'fill="#333"><rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
           text(WIDTH / 2, HEIGHT - 8, "peak learning rate"),
           text(0, 0, f"held-out loss after {args.steps} steps", more=f' transform="translate(16 {HEIGHT / 2}) rotate(-90)"')]
    tick = 0.2 if high - low <= 2 else 0.5
    for number in range(math.ceil(low / tick - 1e-9), math.floor(high / tick + 1e-9) + 1):
        at = y(number * tick)
        out.append(f'<path d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>' +
                   text(LEFT - 8, at + 4.5, f"{number * tick:.1f}", "end"))
    out += [text(x(rate), HEIGHT - BOTTOM + 20, f"{rate:g}") for rate in args.rates]
    for index, (placement, row) in enumerate(losses.items()):
        colour = COLOURS[index % len(COLOURS)]
        points = [(x(rate), y(sum(seeds) / len(seeds)), y(min(seeds)), y(max(seeds))) for rate, seeds in row.items() if seeds]
        out.append(f'<path d="M{" L".join(f"{px:.1f} {py:.1f}" for px, py, _, _ in points)}" fill="none" '
                   f'stroke="{colour}" stroke-width="2"/>')
        for px, py, best, worst in points:
            out.append(f'<path d="M{px:.1f} {best:.1f}V{worst:.1f}" stroke="{colour}" stroke-width="6" opacity=".35"/>')
            out.append(mark(index, px, py, colour))
        for rate in (rate for rate, seeds in row.items() if not seeds):
            out.append(f'<path d="M{x(rate) - 5:.1f} {TOP - 5}l10 10m0 -10l-10 10" stroke="{colour}" stroke-width="2.5"/>' +
                       text(x(rate) - 12, TOP + 4.5, "diverged", "end", f' fill="{colour}"'))
        key = LEFT + 24 + index * 120
        out.append(mark(index, key, 24, colour) + text(key + 12, 28.5, placement, "start"))
    args.svg.parent.mkdir(parents=True, exist_ok=True)
    args.svg.write_text("\n".join(out) + "\n</svg>\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--placements", nargs="+", default=["pre", "post", "peri", "none"])
    parser.add_argument("--rates", nargs="+", type=float, default=[5e-4, 2e-3, 8e-3, 3.2e-2])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--binary", default="build/ingot")
    parser.add_argument("--config", default="configs/quickstart.yaml")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/learning_rates"))
    parser.add_argument("--svg", type=pathlib.Path, default=pathlib.Path("runs/learning_rates.svg"))
    parser.add_argument("--set", action="append", default=[], metavar="path=value", help="further overrides")
    args = parser.parse_args()
    losses = {}
    for placement in args.placements:
        row = losses[placement] = {}
        for rate in args.rates:
            found = [held_out(args, placement, rate, seed) for seed in args.seeds]
            row[rate] = [loss for loss in found if loss is not None]
            words = ", ".join("diverged" if loss is None else f"{loss:.3f}" for loss in found)
            print(f"{placement:12} {rate:<8g} {words}", flush=True)
    draw(args, losses)
    print(f"{args.svg} is written")


if __name__ == "__main__":
    main()
