#!/usr/bin/env python3
"""Compares optimizers, each at a learning rate of its own, and prints a table with intervals. Standard library only.

Run: python3 tools/optimizer_table.py --config configs/recipes/shakespeare_char.yaml --set data.train.paths=text.txt adamw lion sgd
         [--steps 300] [--trials 5] [--factor 3.2] [--seeds 3] [--out runs/optimizers] [--binary build/ingot] [--table table.md]
         [--rate NAME=1e-3 ...] [--settings NAME='weight_decay: 0.1, ...' ...] [--set path=value ...]
Of every optimizer the same number of learning rates is tried with one seed: the published rate (or --rate) in the middle and
steps of --factor around it. The one of the lowest held-out loss is trained with other seeds; these alone are in the table, so
that a lucky trial counts for nothing. The interval is Student's, 95 % for the mean over seeds. Rows whose intervals overlap say
nothing about which is better, hence the order of the alphabet. A rate at the end of its grid is marked: a better one may lie
beyond. Runs that are finished are not trained again: what came out lies in --out/results.jsonl, by command line.
"""

import argparse
import dataclasses
import json
import math
import pathlib
import statistics
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "compare"))
from ingot_runs import call  # noqa: E402

DIVERGED = 5  # exit status
QUIET = ["evaluation.prompts=[]", "log.every=1 steps", "log.tensorboard=false", "checkpoint.keep_last=1"]
TRIAL_SEED = 1
# Two-sided 95 % quantiles of Student's t by degrees of freedom.
STUDENT = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
           2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042]


def half_width(values):
    """Of the 95 % interval of the mean; infinite for a single value."""
    if len(values) < 2:
        return math.inf
    freedom = len(values) - 1
    quantile = STUDENT[freedom - 1] if freedom <= len(STUDENT) else 1.96
    return quantile * statistics.stdev(values) / math.sqrt(len(values))


def rate_grid(middle, trials, factor):
    """Learning rates around `middle`; with an even number one more lies below it."""
    return [float(f"{middle * factor ** (i - trials // 2):.3g}") for i in range(trials)]


@dataclasses.dataclass
class Row:
    name: str
    rate: float
    at_edge: bool
    losses: list  # of the seeds that did not diverge
    diverged: int
    step_seconds: float
    state_bytes: float  # for each parameter

    @property
    def mean(self):
        return statistics.fmean(self.losses)

    def overlaps(self, other):
        return bool(self.losses and other.losses) and \
            abs(self.mean - other.mean) <= half_width(self.losses) + half_width(other.losses)


class Runs:
    """Trains, and remembers by command line what came out."""

    def __init__(self, args):
        self.args = args
        self.file = args.out / "results.jsonl"
        args.out.mkdir(parents=True, exist_ok=True)
        lines = self.file.read_text().splitlines() if self.file.exists() else []
        self.known = {line["command"]: line for line in map(json.loads, lines)}

    def optimizer(self, name, rate):
        settings = ", ".join(filter(None, [f"type: {name}", f"lr: {rate:g}", self.args.settings.get(name)]))
        return f"optim.optimizer={{{settings}}}"

    def train(self, name, rate, seed):
        """{"loss": held-out loss or None where it diverged, "step_seconds": …}."""
        args = self.args
        run = args.out / f"{name}_{rate:g}_{seed}"
        command = [args.binary, "train", args.config, *QUIET, f"train.duration={args.steps} steps",
                   f"checkpoint.every={args.steps} steps", f"evaluation.every={args.steps} steps", *args.set,
                   self.optimizer(name, rate), f"run.seed={seed}", f"run.dir={run}", f"run.name={run.name}"]
        key = " ".join(command)
        if key in self.known:
            return self.known[key]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
        if done.returncode not in (0, DIVERGED):
            sys.exit(f"{run}: exit {done.returncode}: {done.stderr.strip().splitlines()[-1]}")
        result = {"command": key, **self.outcome(run, done.returncode)}
        with self.file.open("a") as file:
            file.write(json.dumps(result) + "\n")
        self.known[key] = result
        loss = result["loss"]
        print(f"{run.name}: {'diverged' if loss is None else format(loss, '.4f')}", file=sys.stderr, flush=True)
        return result

    @staticmethod
    def outcome(run, exit_status):
        lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        seconds = [line["step_seconds"] for line in lines if line["kind"] == "train"]
        held_out = [line["loss"] for line in lines if line["kind"] == "eval"]
        # A loss that is not finite is null in the file.
        loss = held_out[-1] if exit_status == 0 and held_out else None
        return {"loss": loss, "step_seconds": statistics.median(seconds) if seconds else math.nan}

    def state_bytes(self, name, rate):
        plan = json.loads(call([self.args.binary, "plan", self.args.config, *self.args.set, self.optimizer(name, rate),
                                "--no-measure", "--json"]))
        return plan["memory"]["optimizer"] / plan["parameters"]["total"]


def make_row(runs, name, middle):
    args = runs.args
    rates = rate_grid(middle, args.trials, args.factor)
    tried = {rate: runs.train(name, rate, TRIAL_SEED)["loss"] for rate in rates}
    finite = {rate: loss for rate, loss in tried.items() if loss is not None}
    if not finite:
        return Row(name, rates[0], True, [], args.trials, math.nan, runs.state_bytes(name, middle))
    best = min(finite, key=finite.get)
    results = [runs.train(name, best, TRIAL_SEED + 1 + i) for i in range(args.seeds)]
    losses = [result["loss"] for result in results if result["loss"] is not None]
    return Row(name, best, len(rates) > 1 and best in (rates[0], rates[-1]), losses, len(results) - len(losses),
               statistics.median(result["step_seconds"] for result in results), runs.state_bytes(name, best))


def loss_text(row):
    if not row.losses:
        return f"diverged ({row.diverged} of {row.diverged})"
    width = half_width(row.losses)
    text = f"{row.mean:.4f}" + ("" if math.isinf(width) else f" ± {width:.4f}")
    return text + (f" ({row.diverged} diverged)" if row.diverged else "")


def table(rows, args):
    count = f"{args.seeds} seed{'s' if args.seeds > 1 else ''}"
    header = ["optimizer", f"learning rate, best of {args.trials}", f"held-out loss after {args.steps} steps, {count}",
              "seconds a step", "state bytes a parameter", "cannot be told from"]
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    for row in rows:
        others = [other.name for other in rows if other is not row and row.overlaps(other)]
        cells = [row.name, f"{row.rate:g}" + (" (end of its grid)" if row.at_edge else ""), loss_text(row),
                 f"{row.step_seconds:.4f}", f"{row.state_bytes:.2f}", ", ".join(others) or "–"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def published_rates(binary):
    listed = json.loads(call([binary, "list", "optimizers", "--json"]))["optimizers"]
    fields = {entry["name"]: {field["name"]: field for field in entry["fields"]} for entry in listed}
    return {name: float(own["lr"]["default"]) for name, own in fields.items() if own.get("lr", {}).get("default")}


def pairs(given, what):
    """["a=1"] as {"a": "1"}."""
    out = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            sys.exit(f"{what} {text}: expected NAME=VALUE")
        out[name] = value
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("optimizers", nargs="*", help="default: all")
    parser.add_argument("--config", default="configs/recipes/shakespeare_char.yaml")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--trials", type=int, default=5)
    parser.add_argument("--factor", type=float, default=3.2)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/optimizers"))
    parser.add_argument("--binary", default="build/ingot")
    parser.add_argument("--table", type=pathlib.Path, help="a file for the table too")
    parser.add_argument("--rate", action="append", default=[], metavar="NAME=VALUE", help="middle of an optimizer's grid")
    parser.add_argument("--settings", action="append", default=[], metavar="NAME=YAML", help="settings of an optimizer")
    parser.add_argument("--set", action="append", default=[], metavar="path=value", help="further overrides")
    args = parser.parse_args()
    args.settings = pairs(args.settings, "--settings")
    published = published_rates(args.binary)
    middles = {**published, **{name: float(value) for name, value in pairs(args.rate, "--rate").items()}}
    names = sorted(args.optimizers or published)
    for name in names:
        if name not in middles:
            sys.exit(f"'{name}' has no published learning rate, expected --rate {name}=VALUE or one of {', '.join(published)}")
    runs = Runs(args)
    text = table([make_row(runs, name, middles[name]) for name in names], args)
    print(text, end="")
    if args.table:
        args.table.write_text(text)


if __name__ == "__main__":
    main()
