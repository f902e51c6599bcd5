#!/usr/bin/env python3
"""Ingot against PyTorch on one GPU: models of like shapes on random tokens, in interleaved runs, ratios of medians.

Packages: those of tools/compare/gpu_hybrid.py, the peer, and an Ingot built with its GPU plugin. Run:
    python tools/compare_gpu.py                                    # every line, three rounds
    python tools/compare_gpu.py --lines 1b --peers eager --rounds 2

A round runs every contestant once, in an order that changes from round to round. A step is forward, backward, clipping and
AdamW. The peer has neither unit-norm constraints nor the normalised head of the Nemotron-Flash configs. A contestant that
fails or does not end in time is said to and left out. The table gives medians over rounds.
"""

import argparse
import json
import pathlib
import random
import statistics
import subprocess
import sys
from dataclasses import dataclass, field

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "compare"))
from ingot_runs import ROOT, Ingot  # noqa: E402

DENSE = ["model.operators.A.mixer.num_kv_heads=null", "model.tie_embeddings=true", "optim.optimizer.lr=1e-4"]


@dataclass
class Line:
    config: str
    vocab_size: int
    rows: int           # sequences of a micro-batch
    seq_len: int
    micro_batches: int  # of a step
    peer: list          # settings of the peer beside these
    model: list = field(default_factory=list)  # overrides of the config

    def overrides(self):
        return [*self.model, f"data.seq_len={self.seq_len}", "data.reset_at_document=false", f"train.micro_batch={self.rows}",
                f"train.global_batch={self.rows * self.micro_batches} sequences", "train.device=cuda", "train.precision=bf16"]

    def peer_arguments(self):
        sizes = {"--vocab": self.vocab_size, "--rows": self.rows, "--seq-len": self.seq_len, "--micro-steps": self.micro_batches}
        return [str(part) for part in [*self.peer, *(x for item in sizes.items() for x in item)]]


LINES = {
    "124m": Line("recipes/llama.yaml", 50304, 32, 1024, 2, ["--layers", "12x(AF)", "--d-model", 768, "--heads", 12, "--ffn", 2048],
                 DENSE),
    "0.9b": Line("recipes/llama.yaml", 50304, 4, 4096, 2, ["--layers", "16x(AF)", "--d-model", 2048, "--heads", 16, "--ffn", 5632],
                 [*DENSE, "model.d_model=2048", "model.layers=16x(AF)", "model.operators.A.mixer.num_heads=16",
                  "model.operators.F.ffn.width=5632"]),
    "1b": Line("nemotron_flash_1b.yaml", 131072, 4, 4096, 2,
               ["--layers", "2x(DFMF AFMF) 2x(DFMF)", "--d-model", 2048, "--heads", 16, "--kv-heads", 4, "--delta-heads", 16,
                "--meta", 256, "--timing-only"]),
    "3b": Line("nemotron_flash_3b.yaml", 131072, 4, 4096, 1,
               ["--layers", "3x(DFMF AFMF) 3x(DFMF)", "--d-model", 3072, "--heads", 24, "--kv-heads", 6, "--delta-heads", 24,
                "--meta", 256, "--timing-only"]),
}


def say(text):
    print(text, file=sys.stderr, flush=True)


def run_ingot(line, options):
    report = Ingot(options.ingot, ROOT / "configs" / line.config, line.overrides()).bench_step(line.vocab_size, options.steps, 3)
    facts = report["results"][0]
    return {"tokens_per_second": facts["tokens_per_second"]["median"], "mfu": facts["mfu"],
            "parameters": report["settings"]["parameters"]}


def run_peer(line, options, mode):
    """None if it fails: the reason goes to stderr."""
    command = [sys.executable, ROOT / "tools/compare/gpu_hybrid.py", *line.peer_arguments(), "--steps", str(2 * options.steps),
               *(["--compile"] if mode == "compile" else [])]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=options.timeout)
    except subprocess.TimeoutExpired:
        return say(f"PyTorch {mode}: not done after {options.timeout} s")
    if done.returncode != 0:
        return say(f"PyTorch {mode} failed: {done.stderr.strip().splitlines()[-1][:300]}")
    return json.loads(done.stdout)


def compare(name, options):
    line = LINES[name]
    runners = {"Ingot": lambda: run_ingot(line, options)}
    for mode in options.peers:
        runners[f"PyTorch {mode}"] = lambda mode=mode: run_peer(line, options, mode)
    runs = {who: [] for who in runners}
    for number in range(options.rounds):
        order = [who for who in runners if who in runs]
        random.Random(number).shuffle(order)
        for who in order:
            result = runners[who]()
            if result is None:
                del runs[who]
                continue
            runs[who].append(result)
            say(f"{name}, round {number + 1}: {who}: {result['tokens_per_second']:,.0f} tokens/s")
    medians = {who: statistics.median(run["tokens_per_second"] for run in values) for who, values in runs.items()}
    for who, median in medians.items():
        own = runs[who][0]
        mfu = f"{100 * statistics.median(run['mfu'] for run in runs[who]):.1f} %" if "mfu" in own else ""
        print(f"| {name} | {who} | {own['parameters']:,} | {median:,.0f} | {mfu} | {medians['Ingot'] / median:.2f} |", flush=True)
    return {"medians": medians, "runs": runs}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", nargs="+", default=list(LINES), choices=list(LINES))
    parser.add_argument("--peers", nargs="+", default=["eager", "compile"], choices=["eager", "compile"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=8, help="of a run, that count")
    parser.add_argument("--timeout", type=int, default=300, help="seconds for a run of the peer")
    parser.add_argument("--ingot", default=str(ROOT / "build/ingot"))
    parser.add_argument("--json", metavar="FILE", help="write all figures there")
    options = parser.parse_args()
    print("| line | program | parameters | tokens/s | MFU | Ingot / it |\n|---|---|---|---|---|---|", flush=True)
    result = {name: compare(name, options) for name in options.lines}
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
