#!/usr/bin/env python3
"""What tools/optimizer_table.py says of losses, with a program that trains nothing."""

import argparse
import math
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
import optimizer_table as tool  # noqa: E402

PROGRAM = """#!/usr/bin/env python3
import json, pathlib, sys
words = dict(word.split("=", 1) for word in sys.argv[2:] if "=" in word)
if sys.argv[1] == "plan":
    print(json.dumps({"memory": {"optimizer": 800}, "parameters": {"total": 100}}))
    sys.exit()
run, rate = pathlib.Path(words["run.dir"]), float(words["optim.optimizer"].split("lr: ")[1].split(",")[0].rstrip("}"))
run.mkdir(parents=True)  # a second run of one name fails
if rate > 0.5:
    (run / "metrics.jsonl").write_text("")
    sys.exit(5)
loss = 2 + abs(rate - 0.1) + int(words["run.seed"]) / 100
lines = [{"kind": "train", "step_seconds": 0.5}, {"kind": "eval", "loss": loss}]
(run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\\n" for line in lines))
"""


class Statistics(unittest.TestCase):
    def test_interval(self):
        self.assertAlmostEqual(tool.half_width([1.0, 2.0, 3.0]), 4.303 / math.sqrt(3), places=3)
        self.assertEqual(tool.half_width([1.0]), math.inf)

    def test_grid(self):
        self.assertEqual(tool.rate_grid(1e-3, 3, 10), [1e-4, 1e-3, 1e-2])
        self.assertEqual(tool.rate_grid(1.0, 2, 2), [0.5, 1.0])

    def test_overlap(self):
        rows = [tool.Row(name, 0.1, False, losses, 0, 0.1, 8.0)
                for name, losses in [("a", [1.0, 1.1]), ("b", [1.2, 1.3]), ("c", [9.00, 9.01]), ("d", [])]]
        args = argparse.Namespace(seeds=2, steps=7, trials=3)
        lines = tool.table(rows, args).splitlines()
        self.assertIn("| 1.0500 ± 0.6353 |", lines[2])
        self.assertTrue(lines[2].endswith("| b |"))
        self.assertTrue(lines[4].endswith("| – |"))
        self.assertIn("diverged", lines[5])


class Table(unittest.TestCase):
    def test_picks_a_rate_and_trains_nothing_twice(self):
        with tempfile.TemporaryDirectory() as folder:
            program = pathlib.Path(folder) / "ingot"
            program.write_text(PROGRAM)
            program.chmod(0o755)
            args = argparse.Namespace(binary=str(program), config="c.yaml", steps=5, trials=3, factor=10.0, seeds=3, set=[],
                                      settings={"sgd": "momentum: 0"}, out=pathlib.Path(folder) / "out")
            for _ in range(2):  # the second time from what is known
                row = tool.make_row(tool.Runs(args), "sgd", 0.1)
                self.assertEqual((row.rate, row.at_edge, row.diverged), (0.1, False, 0))
                self.assertEqual([round(loss, 6) for loss in row.losses], [2.02, 2.03, 2.04])
                self.assertEqual((row.step_seconds, row.state_bytes), (0.5, 8.0))
            self.assertEqual(len((args.out / "results.jsonl").read_text().splitlines()), 6)
            self.assertTrue(tool.make_row(tool.Runs(args), "edge", 1.0).at_edge)  # 1 and 10 diverge


if __name__ == "__main__":
    unittest.main()
