"""schedules.json: factors of the learning-rate schedules, from definitions that share no code with Ingot.

Packages: none. Run: python tools/golden/make_schedules.py
Conventions, with 0-based update t, total T, warmup N, final ratio r and decay length D:
    warmup   (t + 1) / N for t < N: never 0, and 1 at t = N - 1
    cosine   r + (1 - r) (1 + cos(pi x)) / 2        linear   r + (1 - r) (1 - x)
             x = (t + 1 - N) / (T - N) where r > 0, else (t - N) / (T - N), so that no update has the rate 0
    wsd      1 until T - D, then r + (1 - r) f(y) with y = (t - (T - D)) / D; f = 1 - y (linear) or 1 - sqrt(y) (sqrt)
"""

import json
import math
import pathlib

SHAPES = {
    "linear": lambda y: 1 - y,
    "sqrt": lambda y: 1 - math.sqrt(y),
    "cosine": lambda y: (1 + math.cos(math.pi * y)) / 2,
}


def factor(step, total, kind, warmup=0, final_ratio=0.0, decay=0, shape="linear"):
    """The multiplier of the peak learning rate at the 0-based update `step`."""
    if step < warmup:
        return (step + 1) / warmup
    if kind == "constant":
        return 1.0
    if kind == "wsd":
        start = total - decay
        if step < start:
            return 1.0
        return final_ratio + (1 - final_ratio) * SHAPES[shape]((step - start) / decay)
    shift = 1 if final_ratio > 0 else 0
    progress = min((step + shift - warmup) / (total - warmup), 1.0)
    return final_ratio + (1 - final_ratio) * SHAPES[kind](progress)


CASES = {
    "constant": {"kind": "constant"},
    "constant_warmup": {"kind": "constant", "warmup": 7},
    "linear": {"kind": "linear"},
    "linear_warmup_ratio": {"kind": "linear", "warmup": 5, "final_ratio": 0.1},
    "cosine": {"kind": "cosine"},
    "cosine_warmup": {"kind": "cosine", "warmup": 10},
    "cosine_warmup_ratio": {"kind": "cosine", "warmup": 1, "final_ratio": 0.1},
    "wsd": {"kind": "wsd", "decay": 10},
    "wsd_sqrt": {"kind": "wsd", "warmup": 4, "decay": 8, "shape": "sqrt"},
    "wsd_sqrt_ratio": {"kind": "wsd", "warmup": 4, "final_ratio": 0.2, "decay": 8, "shape": "sqrt"},
    "wsd_cosine": {"kind": "wsd", "warmup": 4, "decay": 12, "shape": "cosine"},
}


def main(total=40):
    cases = {}
    for name, case in CASES.items():
        values = [factor(step, total, **case) for step in range(total)]
        assert all(0 < value <= 1 for value in values), name
        cases[name] = {"total": total, **case, "factors": values}
    path = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden" / "schedules.json"
    lines = [f"{json.dumps(name)}: {json.dumps(case)}" for name, case in cases.items()]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(f"{path.name}: {path.stat().st_size} bytes, {len(cases)} schedules")


if __name__ == "__main__":
    main()
