#!/usr/bin/env python3
"""Reads an Ingot run with the packages its users have: safetensors, json, tensorboard.

Packages: numpy safetensors tensorboard. Run: python tools/check_run.py RUN [--checkpoint DIR]
Checks that every safetensors file of the checkpoint (default: the newest) loads and holds finite numbers, that metrics.jsonl
has the documented keys with each step once, and that the TensorBoard event files load with the same losses.
"""

import argparse
import json
import pathlib

import numpy as np
from safetensors import safe_open
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

COMMON = {"kind", "step", "tokens", "time", "attempt"}
KEYS = {"train": COMMON | {"loss", "lr", "grad_norm", "tokens_per_second", "step_seconds"},
        "eval": COMMON | {"name", "loss", "bits_per_byte"}, "event": COMMON, "probe": COMMON}


def check_checkpoint(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    files = sorted(folder.glob("*.safetensors"))
    assert any(file.name.startswith("model-") for file in files), f"{folder}: no model-*.safetensors"
    numbers = 0
    for file in files:
        with safe_open(file, "np") as tensors:
            for name in tensors.keys():
                value = tensors.get_tensor(name)
                assert np.isfinite(value).all(), f"{file.name}: {name} is not finite"
                numbers += value.size
        print(f"{file.name}: {len(list(safe_open(file, 'np').keys()))} tensors, {file.stat().st_size:,} bytes")
    listed = json.dumps(manifest)
    missing = [file.name for file in files if file.name not in listed]
    assert not missing, f"manifest.json does not name {missing}"
    print(f"{folder.name}: {numbers:,} numbers, all finite; manifest.json names every file")


def check_metrics(path):
    """Returns {step: loss} of the train lines."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for number, line in enumerate(lines, 1):
        absent = KEYS[line["kind"]] - line.keys()
        assert not absent, f"{path.name}:{number}: no {sorted(absent)}"
    steps = [line["step"] for line in lines if line["kind"] == "train"]
    assert steps == sorted(set(steps)), "train steps are not strictly increasing"
    counts = {kind: sum(line["kind"] == kind for line in lines) for kind in KEYS}
    print(f"{path.name}: {counts}")
    return {line["step"]: line["loss"] for line in lines if line["kind"] == "train"}


def check_tensorboard(folder, losses):
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    tags = events.Tags()["scalars"]
    loss_tags = [tag for tag in tags if tag.split("/")[-1] == "loss" and not tag.startswith("eval")]
    assert loss_tags, f"{folder}: no loss among the scalars {tags}"
    written = {event.step: event.value for event in events.Scalars(loss_tags[0])}
    assert written.keys() == losses.keys(), "the event file and metrics.jsonl have different steps"
    for step, loss in losses.items():
        assert loss is None or abs(written[step] - loss) <= 1e-6 * abs(loss), f"step {step}: {written[step]} and {loss}"
    print(f"tensorboard: {len(tags)} scalars ({', '.join(tags)}), {len(written)} losses as in metrics.jsonl")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=pathlib.Path)
    parser.add_argument("--checkpoint", type=pathlib.Path)
    options = parser.parse_args()
    folders = sorted((options.run / "checkpoints").glob("step-*"))
    assert options.checkpoint or folders, f"{options.run}: no checkpoint"
    check_checkpoint(options.checkpoint or folders[-1])
    check_tensorboard(options.run / "tensorboard", check_metrics(options.run / "metrics.jsonl"))


if __name__ == "__main__":
    main()
