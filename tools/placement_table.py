#!/usr/bin/env python3
"""Trains a small hybrid under every placement and prints a table. Standard library only.

Run: python3 tools/placement_table.py [--steps 200] [--binary build/ingot] [--config configs/quickstart.yaml] [PLACEMENT...]
                                      [--set path=value ...]
No constraints and ordinary decay: unit vectors would erase the start values that tell placements apart. Beside the placements
there are two controls, `pre` with a norm of the embedding and `pre` with norms of q and k. The rows are in the order of the
alphabet: one learning rate and one seed for all say nothing about rank. Runs lie in --out, made anew each time.
"""

import argparse
import json
import pathlib
import re
import shutil
import subprocess
import sys

SMALL = ["model.d_model=128", "data.seq_len=128", "train.global_batch=8 sequences", "train.micro_batch=8",
         "weights.constraints=[]", "model.normalise_head=false", "optim.optimizer.lr=2e-3", "optim.optimizer.weight_decay=0.1",
         "evaluation.tokens=20k", "evaluation.prompts=[]", "log.every=1 steps", "log.tensorboard=false"]
CONTROLS = {"pre + embedding norm": ["model.placement=pre", "model.sites.embedding=rms_norm"],
            "pre + qk norm": ["model.placement=pre", "model.operators.A.sites={q: rms_norm, k: rms_norm}"]}


def placements(binary):
    found = json.loads(subprocess.run([binary, "list", "placements", "--json"], check=True, capture_output=True).stdout)
    return sorted(entry["name"] for entry in found["placements"])


def resolved(run, section, key):
    """The variant's name behind `key:` of a section of the resolved config, and `add` for no residual rule of its own."""
    text = (run / "config.yaml").read_text()
    inside = re.search(rf"^{section}:\n((?:[ #].*\n|\n)*)", text, re.M)
    found = re.search(rf"^  {key}:\s*(?:{{type: (\w+)|\n    type: (\w+)|(\w+))", inside.group(1), re.M) if inside else None
    name = next((group for group in found.groups() if group), "null") if found else "null"
    return "add" if key == "residual" and name == "null" else name


def train(args, name, overrides):
    run = args.out / re.sub(r"\W+", "_", name)
    shutil.rmtree(run, ignore_errors=True)
    command = [args.binary, "train", args.config, *SMALL, f"train.duration={args.steps} steps",
               f"checkpoint.every={args.steps} steps", f"evaluation.every={args.steps} steps", f"run.dir={run}",
               f"run.name={run.name}", *overrides, *args.set]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        return [name, "-", "-", f"exit {done.returncode}: {done.stderr.strip().splitlines()[-1]}", "", ""]
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    steps = [line for line in lines if line["kind"] == "train"]
    held_out = [line["loss"] for line in lines if line["kind"] == "eval"]
    grads = [line["grad_norm"] for line in steps if line["grad_norm"] is not None]
    return [name, resolved(run, "model", "residual"), resolved(run, "weights", "init"), f"{held_out[-1]:.3f}",
            f"{steps[0]['loss']:.2f}", f"{max(grads):.2f}"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("placements", nargs="*", help="default: all, and the controls")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--binary", default="build/ingot")
    parser.add_argument("--config", default="configs/quickstart.yaml")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/placements"))
    parser.add_argument("--set", action="append", default=[], metavar="path=value", help="further overrides")
    args = parser.parse_args()
    jobs = {name: [f"model.placement={name}"] for name in args.placements or placements(args.binary)}
    if not args.placements:
        jobs.update(CONTROLS)
    header = ["placement", "residual", "init", f"held-out loss after {args.steps} steps", "first loss", "largest gradient"]
    print("| " + " | ".join(header) + " |\n|" + "---|" * len(header), flush=True)
    failed = False
    for name, overrides in jobs.items():
        row = train(args, name, overrides)
        failed = failed or row[3].startswith("exit")
        print("| " + " | ".join(row) + " |", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
