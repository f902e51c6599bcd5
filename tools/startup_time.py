#!/usr/bin/env python3
"""How long Ingot takes from the start of the process to the line of its first step, and where that goes.

Packages: none, and a built Ingot. Run:
    python tools/startup_time.py [configs/quickstart.yaml] [KEY=VALUE ...] --rounds 5

The first run, which does not count, makes the shards if they do not exist. Of the fastest run it prints when each line of the
log came; of all of them the median, with the first step and without it, and the processor's seconds of the whole process.
"""

import argparse
import os
import pathlib
import re
import statistics
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]


def start(program, config, overrides):
    """([(seconds since the start, line)] up to the first step, processor seconds of the whole process)"""
    with tempfile.TemporaryDirectory() as folder:
        command = [program, "train", config, *overrides, "train.duration=1 steps", "log.every=1 steps", "evaluation.tokens=1",
                   "evaluation.prompts=[]", f"run.dir={folder}/run", "--resume", "never"]
        before, begin = os.times(), time.time()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        after = os.times()
        lines = []
        for line in pathlib.Path(folder, "run/log.txt").read_text(errors="replace").splitlines():
            stamp = re.match(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\.(\d{3}) (.*)", line)
            if not stamp:
                continue
            seconds = time.mktime(time.strptime(stamp[1], "%Y-%m-%d %H:%M:%S")) + int(stamp[2]) / 1000 - begin
            lines.append((seconds, stamp[3].strip()))
            if stamp[3].startswith("step 1/"):
                cpu = after.children_user + after.children_system - before.children_user - before.children_system
                return lines, cpu
    raise SystemExit("the log has no line of a first step")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", nargs="?", default=str(ROOT / "configs/quickstart.yaml"))
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("--ingot", default=str(ROOT / "build/ingot"))
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    runs = [start(options.ingot, options.config, options.overrides) for _ in range(options.rounds + 1)][1:]
    fastest, _ = min(runs, key=lambda run: run[0][-1][0])
    for seconds, line in fastest:
        print(f"{seconds:8.3f} s  {line[:100]}")
    firsts, befores = [run[0][-1][0] for run in runs], [run[0][-2][0] for run in runs]
    print(f"first step after {statistics.median(firsts):.2f} s (median of {len(runs)}, {min(firsts):.2f} to {max(firsts):.2f}); "
          f"its start after {statistics.median(befores):.2f} s; "
          f"{statistics.median(run[1] for run in runs):.2f} processor seconds in all")


if __name__ == "__main__":
    main()
