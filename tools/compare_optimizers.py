#!/usr/bin/env python3
"""Updates of Ingot's optimizers against PyTorch's and pytorch_optimizer's: the same matrices and gains, in turns.

Packages: torch pytorch-optimizer, and a built Ingot. Run:
    python tools/compare_optimizers.py                                  # all that both sides have
    python tools/compare_optimizers.py --names adamw soap --parameters 30000000 --d-model 512 --rounds 5 --json table.json

Each round runs every contestant once, in a process of its own and in an order that changes from round to round, so that
slow moments of the machine meet everybody. A contestant's time is that of its median update; an update of those that do
more in some updates than in others is averaged over a period. The table gives medians over the rounds, the fastest and the
slowest round, bytes of state for each parameter, and Ingot's time as a multiple of the peer's.
"""

import argparse
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "compare"))
from ingot_runs import ROOT, call  # noqa: E402

RATE = 1e-3


def torch_peer(name, **settings):
    def make(params):
        import torch
        return getattr(torch.optim, name)(params, lr=RATE, **settings)
    return make


def package_peer(name, **settings):
    def make(params):
        import pytorch_optimizer
        return getattr(pytorch_optimizer, name)(params, lr=RATE, **settings)
    return make


def apollo_peer(rank):
    def make(params):
        import pytorch_optimizer
        params = list(params)
        low = {"params": [p for p in params if p.dim() == 2], "rank": rank, "update_proj_gap": 200, "scale": 1,
               "projection_type": "std"}
        return pytorch_optimizer.APOLLO([low, {"params": [p for p in params if p.dim() < 2]}], lr=RATE, scale_type="channel")
    return make


# Ingot's name and settings, the peer's name, how to make it, and the updates of a period.
PAIRS = [
    ("adamw", "{}", "torch AdamW fused", torch_peer("AdamW", fused=True), 1),
    ("adamw", "{}", "torch AdamW foreach", torch_peer("AdamW", foreach=True), 1),
    ("sgd", "{momentum: 0.9}", "torch SGD fused", torch_peer("SGD", momentum=0.9, fused=True), 1),
    ("lion", "{}", "pytorch_optimizer Lion", package_peer("Lion"), 1),
    ("signum", "{}", "pytorch_optimizer SignSGD", package_peer("SignSGD", momentum=0.9), 1),
    ("adafactor", "{}", "torch Adafactor", torch_peer("Adafactor"), 1),
    ("adamp", "{}", "pytorch_optimizer AdamP", package_peer("AdamP"), 1),
    ("sgdp", "{}", "pytorch_optimizer SGDP", package_peer("SGDP", momentum=0.9), 1),
    ("ademamix", "{}", "pytorch_optimizer AdEMAMix", package_peer("AdEMAMix"), 1),
    ("adopt", "{}", "pytorch_optimizer ADOPT", package_peer("ADOPT"), 1),
    ("laprop", "{}", "pytorch_optimizer LaProp", package_peer("LaProp"), 1),
    ("novograd", "{}", "pytorch_optimizer NovoGrad", package_peer("NovoGrad"), 1),
    ("mars", "{}", "pytorch_optimizer MARS", package_peer("MARS"), 1),
    ("prodigy", "{}", "pytorch_optimizer Prodigy", package_peer("Prodigy"), 1),
    ("schedule_free_adamw", "{}", "pytorch_optimizer ScheduleFreeAdamW", package_peer("ScheduleFreeAdamW"), 1),
    ("muon", "{}", "pytorch_optimizer Muon", package_peer("Muon"), 1),
    ("scion", "{}", "pytorch_optimizer Scion", package_peer("SCION"), 1),
    ("soap", "{precondition_frequency: 10}", "pytorch_optimizer SOAP", package_peer("SOAP", precondition_frequency=10), 10),
    ("shampoo", "{graft: none, precondition_frequency: 10}", "pytorch_optimizer Shampoo",
     package_peer("Shampoo", preconditioning_compute_steps=10), 10),
    ("psgd_kron", "{}", "pytorch_optimizer Kron", package_peer("Kron"), 1),
    ("apollo", "{rank: 128}", "pytorch_optimizer APOLLO", apollo_peer(128), 1),
]


def layer_shapes(width, parameters):
    """The shapes of src/bench/optimizers.cpp."""
    layer = [(width, width)] * 4 + [(4 * width, width), (width, 4 * width), (width,), (width,)]
    size = 12 * width * width + 2 * width
    return layer * max(1, (parameters + size // 2) // size)


def state_bytes(value):
    """Bytes of all tensors in an optimizer's state, however nested."""
    import torch
    if isinstance(value, torch.Tensor):
        return value.numel() * value.element_size()
    if isinstance(value, dict):
        return sum(map(state_bytes, value.values()))
    if isinstance(value, (list, tuple)):
        return sum(map(state_bytes, value))
    return 0


def run_peer(options):
    """Times one peer in this process and prints JSON."""
    os.environ["TORCHDYNAMO_DISABLE"] = "1"  # eager throughout: a few updates do not pay for compiling
    import torch
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    _, _, _, make, period = PAIRS[options.peer]
    params = [torch.nn.Parameter(torch.randn(shape)) for shape in layer_shapes(options.d_model, options.parameters)]
    for p in params:
        p.grad = torch.randn_like(p)
    optimizer = make(params)
    if hasattr(optimizer, "train"):
        optimizer.train()
    for _ in range(2):  # the first may only start the states
        optimizer.step()
    times, end = [], time.perf_counter() + options.seconds
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        for _ in range(period):
            optimizer.step()
        times.append((time.perf_counter() - start) / period)
    size = sum(p.numel() for p in params)
    print(json.dumps({"seconds": statistics.median(times), "state": state_bytes(dict(optimizer.state)) / size}))


def run_ingot(options, name, settings):
    report = json.loads(call([options.program, "bench", "op", f"{name} {settings}", "--d-model", options.d_model,
                              "--parameters", options.parameters, "--threads", options.threads, "--seconds", options.seconds,
                              "--dtype", "fp32", "--json"]))
    if not report["results"]:
        raise SystemExit(f"{name}: {report.get('failures')}")
    result = report["results"][0]
    return {"seconds": result["seconds"]["median"], "state": result["state_bytes_per_parameter"],
            "bandwidth": result["share_of_bandwidth"]}


def compare(options):
    listed = subprocess.run([options.program, "list", "optimizers"], stdout=subprocess.PIPE, text=True, check=True).stdout
    registered = {line.split()[0] for line in listed.splitlines() if line.strip()}
    pairs = [i for i, pair in enumerate(PAIRS) if pair[0] in (options.names or registered)]
    same = ["--d-model", options.d_model, "--parameters", options.parameters, "--threads", options.threads, "--seconds",
            options.seconds]
    runs = {}
    for i in pairs:
        name, settings, peer, _, _ = PAIRS[i]
        runs[f"{name} {settings}"] = lambda name=name, settings=settings: run_ingot(options, name, settings)
        runs[peer] = lambda i=i: json.loads(call([sys.executable, __file__, "--peer", i, *same]))
    found = {contestant: [] for contestant in runs}
    for turn in range(options.rounds):
        order = list(runs)
        random.Random(turn).shuffle(order)
        for contestant in order:
            found[contestant].append(runs[contestant]())
            print(f"round {turn + 1}: {contestant}: {1e3 * found[contestant][-1]['seconds']:.1f} ms", file=sys.stderr, flush=True)
    rows = []
    for i in pairs:
        name, settings, peer, _, _ = PAIRS[i]
        ours, theirs = found[f"{name} {settings}"], found[peer]
        seconds = [[run["seconds"] for run in side] for side in (ours, theirs)]
        rows.append({"ingot": f"{name} {settings}", "peer": peer, "seconds": seconds[0], "peer_seconds": seconds[1],
                     "ratio": statistics.median(seconds[0]) / statistics.median(seconds[1]), "state": ours[0]["state"],
                     "peer_state": theirs[0]["state"],
                     "bandwidth": statistics.median(run["bandwidth"] for run in ours)})
    print_table(rows)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps({"settings": vars(options), "rows": rows}, indent=1, default=str) + "\n")


def print_table(rows):
    def of(seconds):
        return f"{1e3 * statistics.median(seconds):.1f} ({1e3 * min(seconds):.1f} to {1e3 * max(seconds):.1f})"

    print("| Ingot | ms an update | of bandwidth | state B/parameter | peer | ms an update | state | times the peer's |")
    print("|---|---|---|---|---|---|---|---|")
    for row in rows:
        print(f"| `{row['ingot']}` | {of(row['seconds'])} | {100 * row['bandwidth']:.0f} % | {row['state']:.2f} | {row['peer']} "
              f"| {of(row['peer_seconds'])} | {row['peer_state']:.2f} | {row['ratio']:.2f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default=ROOT / "build/ingot", help="the ingot program")
    parser.add_argument("--names", nargs="+", help="Ingot's names; absent: all that both sides have")
    parser.add_argument("--parameters", type=int, default=30_000_000, help="about as many are updated")
    parser.add_argument("--d-model", type=int, default=512, help="width of the layers")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--seconds", type=float, default=1.0, help="of each run, one period at least")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", help="write all figures there")
    parser.add_argument("--peer", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peer is not None:
        run_peer(options)
    else:
        compare(options)


if __name__ == "__main__":
    main()
