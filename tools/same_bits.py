#!/usr/bin/env python3
"""Trains a set of short runs with two builds and compares the bits of their weights. Standard library only.

Run: python3 tools/same_bits.py OLD/ingot build/ingot [--only PATTERN] [--out FOLDER] [--list]
For changes that must change no number. The set: every sample in configs/variants of the families that training reads, every
recipe shortened and made small, the quickstart's model for 20 steps, two ranks and each way of sharding. Both builds read the
configs of this checkout; a run that the old build refuses (a new variant) is passed over and said. Exit 1 if any differs.
"""

import argparse
import hashlib
import json
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TEXT = ROOT / "configs/test/tiny.txt"
SMALL = ["train.device=cpu", "train.threads=1", "train.precision=fp32", "log.tensorboard=false", "evaluation.prompts=[]"]
TINY_DATA = ["data.tokenizer=bytes", "data.seq_len=64", f"data.train.paths={TEXT}", "data.train.documents=blank_line",
             "data.validation.fraction=0.1", "evaluation.tokens=1000"]
RECIPE = ["model.d_model=96", "train.duration=4 steps", "train.global_batch=4 sequences", "train.micro_batch=2",
          "optim.schedule=constant"]
FAMILIES = ["activations", "clippers", "constraints", "ffns", "inits", "linears", "mixers", "modifiers", "norms", "objectives",
            "optimizers", "parametrizations", "penalties", "placements", "positions", "residuals", "schedules", "scores"]


def heads(config):
    """A recipe's head counts as overrides that suit a small width."""
    found = re.findall(r"^    ([A-Z][a-z]*):(?:\n      mixer:|\s*\{mixer:)[^\n]*num_heads", config.read_text(), re.M)
    return [f"model.operators.{name}.mixer.num_heads=4" for name in found] + \
        [f"model.operators.{name}.mixer.num_kv_heads=2" for name in found
         if re.search(rf"^    {name}:(?:\n      mixer:|\s*\{{mixer:)[^\n]*num_kv_heads", config.read_text(), re.M)]


def jobs():
    tiny = ROOT / "configs/test/tiny.yaml"
    for family in FAMILIES:
        for sample in sorted((ROOT / "configs/variants" / family).glob("*.yaml")):
            yield f"{family}/{sample.stem}", sample, []
    for recipe in sorted((ROOT / "configs/recipes").glob("*.yaml")):
        if "$RUN" in recipe.read_text():
            continue  # goes on from a run of the user's
        yield f"recipes/{recipe.stem}", recipe, TINY_DATA + RECIPE + heads(recipe)
    quickstart = [*TINY_DATA, "data.cache=auto", "train.duration=20 steps", "train.global_batch=4 sequences", "train.micro_batch=2"]
    yield "quickstart", ROOT / "configs/quickstart.yaml", quickstart
    for shard in ["none", "optimizer", "gradients"]:
        yield f"ranks/{shard}", tiny, [f"distributed.shard={shard}", "--nproc", "2"]
    yield "precision/bf16", tiny, ["train.precision=bf16"]
    yield "recompute/full", tiny, ["train.recompute=full"]
    yield "losses/z_loss", tiny, ["train.z_loss=1e-3"]
    yield "losses/frozen_norm", tiny, ["model.norm={type: frozen_norm, freeze: {at: 3}, penalty: 0.1}"]


def tensors(file):
    """Hash of every tensor of a safetensors file, by name."""
    data = file.read_bytes()
    length = int.from_bytes(data[:8], "little")
    body = data[8 + length:]
    header = json.loads(data[8:8 + length])
    return {name: hashlib.sha256(f"{about['dtype']}{about['shape']}".encode() + body[slice(*about["data_offsets"])]).hexdigest()
            for name, about in header.items() if name != "__metadata__"}


def weights(binary, config, overrides, run):
    """Hashes of the last checkpoint's tensors, or the reason why there is none."""
    shutil.rmtree(run, ignore_errors=True)
    command = [binary, "train", config, *SMALL, *overrides, f"run.dir={run}", "run.name=bits"]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        return None, f"exit {done.returncode}: {(done.stderr.strip().splitlines() or [''])[-1][:160]}"
    found = {}
    for file in sorted(sorted((run / "checkpoints").iterdir())[-1].glob("model-*.safetensors")):
        found.update(tensors(file))
    shutil.rmtree(run, ignore_errors=True)
    return found, ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old")
    parser.add_argument("new")
    parser.add_argument("--only", default="", help="regular expression on a job's name")
    parser.add_argument("--without", default="", help="regular expression: tensors of these names are not compared")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/same_bits"))
    parser.add_argument("--list", action="store_true", help="only name the jobs")
    args = parser.parse_args()
    same, differing, passed_over = 0, [], []
    for name, config, overrides in jobs():
        if not re.search(args.only, name):
            continue
        if args.list:
            print(name)
            continue
        run = args.out / re.sub(r"\W", "_", name)
        old, why_old = weights(args.old, config, overrides, run)
        new, why_new = weights(args.new, config, overrides, run)
        if new is None:
            differing.append(name)
            print(f"{name}: new build: {why_new}", flush=True)
        elif old is None:
            passed_over.append(name)
            print(f"{name}: passed over, old build: {why_old}", flush=True)
        elif other := sorted(key for key in old.keys() | new.keys()
                             if old.get(key) != new.get(key) and not (args.without and re.search(args.without, key))):
            differing.append(name)
            print(f"{name}: {len(other)} tensors differ: {', '.join(other[:4])}", flush=True)
        else:
            same += 1
    if not args.list:
        print(f"{same} runs with the same bits, {len(differing)} differ or fail, {len(passed_over)} passed over")
    sys.exit(1 if differing else 0)


if __name__ == "__main__":
    main()
