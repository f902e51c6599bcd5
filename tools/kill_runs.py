#!/usr/bin/env python3
"""Kills ranks of short runs at random moments until each run is done, and checks what is left. Standard library only.

Run: python3 tools/kill_runs.py [--kills 200] [--worlds 2 4] [--shards none optimizer gradients] [--seed 1] [--binary build/ingot]
     [--out DIR]
Every run must end with the bits of an undisturbed run of the same world and sharding, and each sample up to its end must have been used
exactly once by the attempts that count: of each step the last. Prints one line per run; exits with 1 if any differs.
"""

import argparse
import collections
import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
STEPS, ROWS = 60, 4
SETTINGS = ["train.micro_batch=1", f"train.global_batch={ROWS} sequences", f"train.duration={STEPS} steps",
            "optim.optimizer.lr=1e-3", "checkpoint.every=1 steps", "checkpoint.keep_last=3", "log.every=1 steps",
            "log.samples=true", "log.tensorboard=false", "distributed.timeout=30 s", "data.cache=cache"]


def start(args, name, case):
    world, shard = case
    command = [args.binary, "train", ROOT / "configs/test/tiny.yaml", f"run.name={name}", *SETTINGS,
               f"distributed.shard={shard}", "--nproc", world]
    return subprocess.Popen([str(word) for word in command], cwd=args.out, stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, text=True, errors="replace")


def ranks_of(launcher):
    """Process numbers of the ranks that the launcher started."""
    try:
        children = pathlib.Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
    except OSError:
        return []
    return [int(child) for child in children]


def phase_of(run):
    checkpoints = run / "checkpoints"
    if not (run / "metrics.jsonl").exists():
        return "start"
    if checkpoints.exists() and any(not path.name.startswith("step-") for path in checkpoints.iterdir()):
        return "saving"
    return "training"


def weights(run):
    checkpoint = run / f"checkpoints/step-{STEPS:08d}"
    digest = hashlib.sha256()
    for path in sorted(checkpoint.glob("*.safetensors")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def samples_once(run):
    """Whether samples 0, 1, 2, ... were used in order by the last attempt at each step."""
    attempts, used = {}, {}
    for path in (run / "samples").iterdir():
        for text in path.read_text(errors="replace").splitlines():
            try:
                line = json.loads(text)
            except ValueError:
                continue  # the end of a killed rank's file
            step, attempt = line["step"], line["attempt"]
            if attempt > attempts.get(step, -1):
                attempts[step], used[step] = attempt, {}
            if attempt == attempts[step]:
                used[step][path.name] = line["samples"]
    flat = [sample for step in sorted(used) for sample in sorted(sum(used[step].values(), []))]
    return flat == list(range(STEPS * ROWS))


def survive(args, name, case, rng, phases):
    """Runs to the end through kills. Returns how many there were, and codes of attempts that were not killed by us."""
    run, kills, odd = args.out / "runs" / name, 0, []
    while True:
        process = start(args, name, case)
        while process.poll() is None and not ranks_of(process.pid):
            time.sleep(0.005)
        deadline = time.monotonic() + rng.uniform(0, args.longest)
        while time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.005)
        ranks = ranks_of(process.pid)
        killed = process.poll() is None and bool(ranks)
        if killed:
            phases[phase_of(run)] += 1
            try:
                os.kill(rng.choice(ranks), signal.SIGKILL)
            except ProcessLookupError:
                killed = False
        _, error = process.communicate()
        kills += killed
        if process.returncode == 0:
            return kills, odd
        if not killed or process.returncode not in (6, 137):
            odd.append((process.returncode, error.strip().splitlines()[-1] if error.strip() else ""))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--worlds", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--shards", nargs="+", default=["none", "optimizer", "gradients"])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--longest", type=float, default=3, help="seconds that the ranks of an attempt live at most")
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "build/ingot")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/kills"))
    args = parser.parse_args()
    args.binary, args.out = args.binary.resolve(), args.out.resolve()
    shutil.rmtree(args.out, ignore_errors=True)
    args.out.mkdir(parents=True)
    rng, phases = random.Random(args.seed), collections.Counter()
    cases = [(world, shard) for shard in args.shards for world in args.worlds]
    undisturbed = {}
    for case in cases:
        name = f"whole-{case[0]}-{case[1]}"
        if start(args, name, case).wait() != 0:
            sys.exit(f"the undisturbed run of {case[0]} ranks failed; see {args.out}/runs/{name}/log.txt")
        undisturbed[case] = weights(args.out / f"runs/{name}")
    total = failures = number = 0
    while total < args.kills:
        case, number = cases[number % len(cases)], number + 1
        name = f"run{number}"
        kills, odd = survive(args, name, case, rng, phases)
        run = args.out / "runs" / name
        same, once = weights(run) == undisturbed[case], samples_once(run)
        total += kills
        failures += not (same and once) or bool(odd)
        print(f"{name}: {case[0]} ranks, shard {case[1]}, {kills} kills, weights {'the same' if same else 'DIFFER'}, samples "
              f"{'once each' if once else 'NOT ONCE'}{''.join(f', ended by itself with {code}: {text}' for code, text in odd)}",
              flush=True)
        if same and once and not odd:
            shutil.rmtree(run)
    print(f"{total} kills ({', '.join(f'{count} in {phase}' for phase, count in sorted(phases.items()))}), {number} runs, "
          f"{failures} failures")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
