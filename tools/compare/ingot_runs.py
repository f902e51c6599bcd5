"""Runs the ingot program for the comparison drivers. Packages: none."""

import json
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def call(command):
    """Standard output of a command; ends the program with its last error lines if it fails."""
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace")
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}\nended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout


class Ingot:
    """A program, a config, and overrides that every run gets."""

    def __init__(self, program, config, overrides):
        self.program, self.config, self.overrides = program, config, overrides

    def train(self, run_dir, steps, *overrides):
        """Trains from scratch into `run_dir` and returns the lines of its metrics.jsonl."""
        call([self.program, "train", self.config, *self.overrides, f"train.duration={steps} steps", f"run.dir={run_dir}",
              *overrides, "--resume", "never"])
        return [json.loads(line) for line in (pathlib.Path(run_dir) / "metrics.jsonl").read_text().splitlines()]

    def start_weights(self, run_dir, *overrides):
        """A checkpoint with the weights before the first step: one step of a run whose learning rate is 0."""
        self.train(run_dir, 1, *overrides, "optim.optimizer.lr=0")
        return sorted((pathlib.Path(run_dir) / "checkpoints").glob("step-*"))[-1]

    def export_batches(self, run_dir, steps):
        """The file of `ingot data export`: batches in the run's order and its validation windows."""
        file = pathlib.Path(run_dir) / "batches.safetensors"
        call([self.program, "data", "export", run_dir, "--steps", steps, "--out", file])
        return file

    def resolved_config(self):
        """The text of the config with every default."""
        return call([self.program, "config", "show", self.config, *(["--set", *self.overrides] if self.overrides else [])])

    def bench_step(self, vocab_size, steps, warm_up, *overrides):
        """The report of `ingot bench step`: random tokens, no tables."""
        return json.loads(call([self.program, "bench", "step", self.config, *self.overrides, *overrides, "--vocab-size", vocab_size,
                                "--steps", steps, "--warm-up", warm_up, "--profiled", 0, "--json"]))
