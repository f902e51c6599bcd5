#!/usr/bin/env python3
"""Ingot against PyTorch on CPUs: the same models, batches and threads in interleaved runs, ratios of medians.

Packages: those of tools/compare/torch_model.py, numpy safetensors pyyaml, g++ for torch.compile, and a built Ingot. Run:
    python tools/compare_pytorch.py                                     # the usual lines of tools/compare/lines.py
    python tools/compare_pytorch.py --lines gpt2_124m hybrid_18m --precisions fp32 bf16 --rounds 5 --json table.json
    python tools/compare_pytorch.py --held-out TEXT --seeds 1 2 3        # held-out loss of full runs in place of speed

First it is checked that both are the same model: as many parameters, and from the same start weights the same losses over
three steps on the same random tokens in fp32. Then each round runs every contestant once, in a process of its own and in an
order that changes from round to round, so that slow moments of the machine meet everybody. Contestants: Ingot in every
precision, PyTorch eager and compiled, in fp32, and for bf16 both under autocast and with bf16 weights. A step is forward,
backward, clipping and AdamW on random tokens. A run's speed is that of its median step; the table gives the median over
rounds, the slowest and the fastest round, and Ingot's speed as a multiple of it.
"""

import argparse
import array
import itertools
import json
import os
import pathlib
import random
import statistics
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "compare"))
from ingot_runs import ROOT, Ingot, call  # noqa: E402
from lines import LINES  # noqa: E402

PYTORCH_PRECISIONS = {"fp32": ["fp32"], "bf16": ["autocast", "bf16"]}


def say(text):
    print(text, file=sys.stderr, flush=True)


def has_matrix_units():
    """Whether bf16 products are fast here (Linux, x86)."""
    return "amx_bf16" in pathlib.Path("/proc/cpuinfo").read_text().split()


def run_pytorch(config, threads, *more):
    """One run of compare/torch_train.py; returns its result."""
    return json.loads(call([sys.executable, ROOT / "tools/compare/torch_train.py", config, "--threads", threads, *more]))


def write_tokens(path, count, vocab_size):
    """Random tokens as a shard of llm.c: 256 int32, of which the first three count, and uint16 ids."""
    ids = random.Random(0)
    tokens = array.array("H", (ids.randrange(vocab_size) for _ in range(count)))
    path.write_bytes(array.array("i", [20240520, 1, count] + 253 * [0]).tobytes() + tokens.tobytes())


def check_same_model(ingot, line, threads, folder, steps=3, tolerance=1e-5):
    """Losses of both from the same start. Weights of twice the usual size: with small ones any model's first loss is ln V."""
    write_tokens(folder / "tokens.bin", 4 * steps * line.rows * (line.seq_len + 1), line.vocab_size)
    checked = Ingot(ingot.program, ingot.config, [
        *ingot.overrides, f"data.train={{paths: [{folder / 'tokens.bin'}]}}",
        f"data.validation={{paths: [{folder / 'tokens.bin'}]}}", f"data.cache={folder / 'data'}", "evaluation.tokens=1",
        f"data.tokenizer={{type: external, vocab_size: {line.vocab_size}}}", "weights.init={type: normal, std: 0.04}",
        "optim.schedule=constant", "optim.optimizer.lr=1e-3", "train.precision=fp32", "log.every=1 steps"])
    lines = checked.train(folder / "run", steps)
    theirs = [entry["loss"] for entry in lines if entry["kind"] == "train"]
    start = checked.start_weights(folder / "start")
    batches = checked.export_batches(folder / "run", steps)
    peer = run_pytorch(folder / "run/config.yaml", threads, "--checkpoint", start, "--batches", batches, "--steps", steps)
    difference = max(abs(a / b - 1) for a, b in zip(theirs, peer["losses"], strict=True))
    say(f"losses of Ingot {theirs}, of PyTorch {peer['losses']}: at most {difference:.1e} apart")
    if not difference <= tolerance:
        raise SystemExit(f"the two models are not the same: their losses differ by more than {tolerance}")


def contestants(options):
    """Name -> function of (ingot, config file, line) that runs it and returns parameters, tokens/s and peak memory."""
    def run_ingot(precision):
        def run(ingot, config, line, steps, warm_up):
            report = ingot.bench_step(line.vocab_size, steps, warm_up, f"train.precision={precision}")
            facts = report["results"][0]
            return {"parameters": report["settings"]["parameters"], "threads": report["machine"]["threads"],
                    "tokens_per_second": facts["tokens_per_second"]["median"],
                    "peak_resident_bytes": facts["peak_resident_bytes"], "program_bytes": facts["program_bytes"]}
        return run

    def run_torch(mode, precision):
        def run(ingot, config, line, steps, warm_up):
            return run_pytorch(config, options.threads, "--vocab-size", line.vocab_size, "--mode", mode,
                               "--precision", precision, "--steps", steps, "--warm-up", warm_up)
        return run

    out = {f"Ingot {precision}": run_ingot(precision) for precision in options.precisions}
    for precision, mode in itertools.product(options.precisions, options.modes):
        out |= {f"PyTorch {mode} {form}": run_torch(mode, form) for form in PYTORCH_PRECISIONS[precision]}
    return out


def summarise(runs):
    """Of the runs of each contestant: medians over rounds, and what Ingot reaches of the best PyTorch form."""
    table = {name: {"tokens_per_second": statistics.median(run["tokens_per_second"] for run in values),
                    "slowest": min(run["tokens_per_second"] for run in values),
                    "fastest": max(run["tokens_per_second"] for run in values),
                    "peak_resident_bytes": statistics.median(run["peak_resident_bytes"] for run in values)}
             for name, values in runs.items()}
    best = max((name for name in table if name.startswith("PyTorch")), key=lambda name: table[name]["tokens_per_second"])
    return {"parameters": next(iter(runs.values()))[0]["parameters"], "contestants": table, "best_pytorch": best,
            "ratio_to_best": {name: row["tokens_per_second"] / table[best]["tokens_per_second"]
                              for name, row in table.items() if name.startswith("Ingot")}}


def print_table(name, line, summary):
    print(f"\n{name}: {summary['parameters']:,} parameters, {line.rows} x {line.seq_len}, vocabulary {line.vocab_size}\n")
    ingots = list(summary["ratio_to_best"])
    ratio_heads = " | ".join(f"{ingot} / it" for ingot in ingots)
    print(f"| {'':24} | tokens/s | slowest to fastest round | peak RSS, MiB | {ratio_heads} |")
    print("|---" * (4 + len(ingots)) + "|")
    table = summary["contestants"]
    for who, row in sorted(table.items(), key=lambda item: -item[1]["tokens_per_second"]):
        ratios = " | ".join(f"{table[i]['tokens_per_second'] / row['tokens_per_second']:.2f}" for i in ingots)
        print(f"| {who:24} | {row['tokens_per_second']:,.0f} | {row['slowest']:,.0f} to {row['fastest']:,.0f} | "
              f"{row['peak_resident_bytes'] / 2**20:,.0f} | {ratios} |")
    for i in ingots:
        print(f"\n{i}: {summary['ratio_to_best'][i]:.2f} times the speed of {summary['best_pytorch']}", flush=True)


def compare_speed(name, options):
    line = LINES[name]
    ingot = Ingot(options.ingot, line.config, [*line.overrides, f"train.threads={options.threads}", *options.set])
    steps, warm_up = options.steps or line.steps, line.warm_up if options.warm_up is None else options.warm_up
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        if options.check:
            check_same_model(ingot, line, options.threads, folder)
        config = folder / "config.yaml"
        config.write_text(ingot.resolved_config())
        field = contestants(options)
        runs = {who: [] for who in field}
        for round_number in range(options.rounds):
            order = list(field)
            random.Random(round_number).shuffle(order)
            for who in order:
                runs[who].append(field[who](ingot, config, line, steps, warm_up))
                say(f"{name}, round {round_number + 1}: {who}: {runs[who][-1]['tokens_per_second']:,.0f} tokens/s")
    for what in ("parameters", "threads"):
        if len({run[what] for values in runs.values() for run in values}) != 1:
            raise SystemExit(f"{name}: not the same {what}: { {who: values[0][what] for who, values in runs.items()} }")
    summary = summarise(runs)
    print_table(name, line, summary)
    return summary | {"rows": line.rows, "seq_len": line.seq_len, "steps": steps, "runs": runs}


def compare_held_out(options):
    """Full runs of the character model from the same start weights in the same data order; the whole held-out part is
    scored after the last step."""
    losses = {"Ingot": [], "PyTorch": []}
    for seed in options.seeds:
        with tempfile.TemporaryDirectory() as folder:
            overrides = [f"data.train.paths=[{json.dumps(options.held_out)}]", f"train.threads={options.threads}",
                         f"run.seed={seed}", f"data.cache={folder}/data", "train.device=cpu", "optim.groups=[]", *options.set]
            ingot = Ingot(options.ingot, ROOT / "configs/recipes/shakespeare_char.yaml", overrides)
            steps = options.steps or 2000
            lines = ingot.train(f"{folder}/run", steps)
            start = ingot.start_weights(f"{folder}/start")
            batches = ingot.export_batches(f"{folder}/run", steps)
            result = run_pytorch(f"{folder}/run/config.yaml", options.threads, "--checkpoint", start,
                                 "--batches", batches, "--steps", steps, "--total-steps", steps)
        losses["Ingot"].append([entry for entry in lines if entry["kind"] == "eval"][-1]["loss"])
        losses["PyTorch"].append(result["held_out_loss"])
        print(f"seed {seed}: " + ", ".join(f"{name} {values[-1]:.4f}" for name, values in losses.items()), flush=True)
    means = {name: statistics.fmean(values) for name, values in losses.items()}
    print(f"mean: Ingot {means['Ingot']:.4f}, PyTorch {means['PyTorch']:.4f}, apart {means['Ingot'] - means['PyTorch']:+.4f}")
    return {"held_out_loss": losses, "mean": means}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", nargs="+", choices=list(LINES),
                        default=[name for name, line in LINES.items() if line.usual])
    parser.add_argument("--precisions", nargs="+", choices=list(PYTORCH_PRECISIONS),
                        help="default: fp32, and bf16 where the processor multiplies it fast (AMX)")
    parser.add_argument("--modes", nargs="+", default=["eager", "compile"], choices=["eager", "compile", "compile_whole"],
                        help="compile_whole: DeltaNet's core too, which takes minutes to compile")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, help="steps of a run that count (default: the line's)")
    parser.add_argument("--warm-up", type=int, help="steps before (default: the line's)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="more overrides of Ingot's config")
    parser.add_argument("--no-check", dest="check", action="store_false", help="do not compare losses before")
    parser.add_argument("--held-out", metavar="TEXT", type=lambda path: str(pathlib.Path(path).resolve()))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--ingot", default=str(ROOT / "build/ingot"))
    parser.add_argument("--json", metavar="FILE", help="write all figures there")
    options = parser.parse_args()
    options.precisions = options.precisions or (["fp32", "bf16"] if has_matrix_units() else ["fp32"])
    result = {}
    if options.held_out:
        result = compare_held_out(options)
    else:
        for name in options.lines:
            result[name] = compare_speed(name, options)
            if options.json:
                pathlib.Path(options.json).write_text(json.dumps(result, indent=1))
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
