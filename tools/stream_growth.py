#!/usr/bin/env python3
"""Plots how the residual stream grows with the depth, before training and after. Standard library only.

Run: python3 tools/stream_growth.py [--steps 500] [--blocks 12] [--binary build/ingot] [--config configs/quickstart.yaml]
                                    [--out runs/stream] [--set path=value ...] [PLACEMENT...]
Trains a small transformer of attention and FFN sub-layers under each placement with `log.stream`, and writes the mean square
of the stream behind each sub-layer as OUT/stream_growth.svg and as a table of Markdown on standard output. Kim et al. 2025
(Peri-LN, arXiv:2502.02732, figure on hidden-state growth) report growth without bound under pre-norm, about linear growth
under peri-norm and a constant under post-norm.
"""

import argparse
import json
import math
import pathlib
import shutil
import subprocess
import sys

SMALL = ["model.d_model=128", "data.seq_len=128", "train.global_batch=8 sequences", "train.micro_batch=8",
         "model.meta_tokens=0", "weights.constraints=[]", "model.normalise_head=false", "optim.optimizer.lr=1e-3",
         "optim.optimizer.weight_decay=0.1", "evaluation.tokens=20k", "evaluation.prompts=[]", "log.tensorboard=false"]
COLOURS = ["#1b6ca8", "#c8553d", "#3a7d44", "#8f5aa8", "#c99700", "#5c6b73"]
WIDTH, HEIGHT, LEFT, TOP, GAP = 430, 320, 60, 40, 70


def train(args, placement):
    """Mean squares of the stream at the first and at the last step that were recorded."""
    overrides = SMALL + [f"model.layers={args.blocks}x(AF)", f"model.placement={placement}", f"run.dir={args.out / placement}",
                         f"train.duration={args.steps} steps", f"log.stream={args.steps} steps", *args.set]
    shutil.rmtree(args.out / placement, ignore_errors=True)
    subprocess.run([args.binary, "train", args.config, *overrides], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    lines = map(json.loads, (args.out / placement / "metrics.jsonl").read_text().splitlines())
    probes = {line["step"]: line["values"] for line in lines if line["kind"] == "probe" and line["name"] == "stream_mean_square"}
    return probes[0], probes[args.steps]


def panel(title, curves, left, low, high):
    """One plot of SVG: depth against the mean square, the latter by its logarithm."""
    def x(i, n):
        return left + WIDTH * i / (n - 1)

    def y(value):
        return TOP + HEIGHT * (1 - (math.log10(value) - low) / (high - low))

    out = [f'<text x="{left + WIDTH / 2}" y="{TOP - 14}" text-anchor="middle" font-weight="bold">{title}</text>',
           f'<rect x="{left}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#888"/>']
    for power in range(low, high + 1):
        out.append(f'<line x1="{left}" x2="{left + WIDTH}" y1="{y(10 ** power)}" y2="{y(10 ** power)}" stroke="#ddd"/>')
        out.append(f'<text x="{left - 6}" y="{y(10 ** power) + 4}" text-anchor="end">1e{power}</text>')
    count = len(next(iter(curves.values())))
    for depth in range(0, count, 4):
        out.append(f'<text x="{x(depth, count)}" y="{TOP + HEIGHT + 16}" text-anchor="middle">{depth}</text>')
    out.append(f'<text x="{left + WIDTH / 2}" y="{TOP + HEIGHT + 34}" text-anchor="middle">sub-layer</text>')
    for colour, (name, values) in zip(COLOURS, curves.items()):
        points = " ".join(f"{x(i, count):.1f},{y(value):.1f}" for i, value in enumerate(values))
        out.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"><title>{name}</title></polyline>')
    return out


def svg(results, steps):
    everything = [value for curves in results.values() for values in curves for value in values]
    low, high = math.floor(math.log10(min(everything))), math.ceil(math.log10(max(everything)))
    width = LEFT + 2 * WIDTH + GAP + 150
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{TOP + HEIGHT + 50}" font-family="sans-serif" '
           f'font-size="12"><rect width="100%" height="100%" fill="white"/>']
    for i, title in enumerate(["mean square of the stream before training", f"after {steps} steps"]):
        out += panel(title, {name: curves[i] for name, curves in results.items()}, LEFT + i * (WIDTH + GAP), low, high)
    for i, (colour, name) in enumerate(zip(COLOURS, results)):
        at = LEFT + 2 * WIDTH + GAP + 20
        out.append(f'<line x1="{at}" x2="{at + 24}" y1="{TOP + 10 + 20 * i}" y2="{TOP + 10 + 20 * i}" stroke="{colour}" '
                   f'stroke-width="2"/><text x="{at + 30}" y="{TOP + 14 + 20 * i}">{name}</text>')
    return "\n".join(out + ["</svg>"]) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("placements", nargs="*", default=["pre", "post", "peri", "sandwich"])
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--blocks", type=int, default=12, help="of two sub-layers")
    parser.add_argument("--binary", type=pathlib.Path, default=pathlib.Path("build/ingot"))
    parser.add_argument("--config", default="configs/quickstart.yaml")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/stream"))
    parser.add_argument("--set", action="append", default=[], metavar="path=value", help="further overrides")
    args = parser.parse_args()
    if len(args.placements) > len(COLOURS):
        sys.exit(f"at most {len(COLOURS)} placements fit one plot")
    args.out.mkdir(parents=True, exist_ok=True)
    results = {}
    for placement in args.placements:
        results[placement] = train(args, placement)
        print(f"{placement} done", file=sys.stderr)
    (args.out / "stream_growth.svg").write_text(svg(results, args.steps))
    depths = range(0, 2 * args.blocks + 1, 4)
    print(f"| placement | steps | {' | '.join(f'depth {depth}' for depth in depths)} |")
    print(f"|---|---|{'---|' * len(depths)}")
    for placement, curves in results.items():
        for steps, values in zip((0, args.steps), curves):
            print(f"| {placement} | {steps} | {' | '.join(f'{values[depth]:.3g}' for depth in depths)} |")


if __name__ == "__main__":
    main()
