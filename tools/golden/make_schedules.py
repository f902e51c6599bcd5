"""schedules.json: factors of the learning-rate schedules, from definitions that share no code with Ingot.

Packages: none. Run: python tools/golden/make_schedules.py
Conventions, with 0-based update t, total T, warmup N, final ratio r and decay length D:
    warmup   (t + 1) / N for t < N: never 0, and 1 at t = N - 1
    cosine   r + (1 - r) (1 + cos(pi x)) / 2        linear   r + (1 - r) (1 - x)
             x = (t + 1 - N) / (T - N) where r > 0, else (t - N) / (T - N), so that no update has the rate 0
    wsd      1 until T - D, then r + (1 - r) f(y) with y = (t - (T - D)) / D; f by name in SHAPES, or r^y (exponential)
    power    1 until t + 1 = K, then ((t + 1) / K)^b, and from T - D on the way of wsd from that value to r
    power_cool  1 until T - D, then min(1, c (T - t)^p) scaled to r + (1 - r) of it, with c so that it is 1 at T - D
    stages, override_decay  written out value by value in PIECES and BROKEN
"""

import json
import math
import pathlib

SHAPES = {
    "linear": lambda y: 1 - y,
    "sqrt": lambda y: 1 - math.sqrt(y),
    "cosine": lambda y: (1 + math.cos(math.pi * y)) / 2,
    "mirror_cosine": lambda y: 2 * (1 - y) - 0.5 * (1 + math.cos(math.pi * y)),
    "square": lambda y: (1 - y) * (1 + y),
    "halving": lambda y: 2 * 0.5**y - 1,
}


def way(shape, y, start, end):
    """Along a way from one value to another."""
    if shape == "exponential":
        return math.exp((1 - y) * math.log(start) + y * math.log(end))
    return end + (start - end) * SHAPES[shape](y)


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
        return way(shape, (step - start) / decay, 1, final_ratio)
    shift = 1 if final_ratio > 0 else 0
    progress = min((step + shift - warmup) / (total - warmup), 1.0)
    return final_ratio + (1 - final_ratio) * SHAPES[kind](progress)


def power(step, total, warmup, knee, exponent, decay, final_ratio, shape):
    if step < warmup:
        return (step + 1) / warmup
    value = lambda t: 1.0 if t + 1 <= knee else math.exp(exponent * math.log((t + 1) / knee))
    start = total - decay
    return value(step) if step < start else way(shape, (step - start) / decay, value(start), final_ratio)


def power_cool(step, total, warmup, decay, exponent, final_ratio):
    if step < warmup:
        return (step + 1) / warmup
    flat = min(1.0, decay**-exponent * (total - step) ** exponent)
    return final_ratio + (1 - final_ratio) * flat


# Up in 4, flat for 6, half a cosine to 0.5 in 10, flat for 5, by a constant factor to 0.05 in 10, straight to 0 in 5.
PIECES = (
    [(t + 1) / 4 for t in range(4)]
    + [1.0] * 6
    + [0.5 + 0.25 * (1 + math.cos(math.pi * t / 10)) for t in range(1, 11)]
    + [0.5] * 5
    + [0.5 * 0.1 ** (t / 10) for t in range(1, 11)]
    + [0.05 * (5 - t) / 5 for t in range(5)]
)
PIECES_YAML = (
    "{type: stages, start: 0, stages: [{length: 4 steps, to: 1}, {length: 15%, to: 1}, {length: 25%, to: 0.5, "
    "shape: cosine}, {length: 5 steps, to: 0.5}, {length: 10 steps, to: 0.05, shape: exponential}, "
    "{length: 5 steps, to: 0}]}"
)
# The cosine of a run of 100 updates, broken off after 20: 1 - sqrt down to a tenth of the peak within 15, then that.
BROKEN = [0.5 * (1 + math.cos(math.pi * t / 100)) for t in range(20)]
BROKEN += [0.1 + (0.5 * (1 + math.cos(math.pi * 0.2)) - 0.1) * (1 - math.sqrt(t / 15)) for t in range(15)]
BROKEN += [0.1] * 5
BROKEN_YAML = (
    "{type: override_decay, before: cosine, planned: 100 steps, from: 20 steps, length: 15 steps, shape: sqrt, "
    "final_ratio: 0.1}"
)


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
    "wsd_mirror_cosine": {"kind": "wsd", "warmup": 4, "decay": 12, "shape": "mirror_cosine"},
    "wsd_square": {"kind": "wsd", "decay": 12, "shape": "square", "final_ratio": 0.1},
    "wsd_halving": {"kind": "wsd", "decay": 12, "shape": "halving"},
    "wsd_exponential": {"kind": "wsd", "decay": 12, "shape": "exponential", "final_ratio": 0.01},
}


def written_cases(total):
    """Cases with the YAML that they are settings of."""
    tail = dict(warmup=4, knee=8, exponent=-0.51, decay=10, final_ratio=0.0, shape="linear")
    fall = dict(warmup=0, knee=5, exponent=-0.6, decay=20, final_ratio=0.01, shape="exponential")
    yield "power", "power", "{type: power, warmup: 4 steps, knee: 8 steps, decay: 25%}", [
        power(t, total, **tail) for t in range(total)
    ]
    yield "power_exponential", "power", (
        "{type: power, knee: 5 steps, exponent: -0.6, decay: 50%, final_ratio: 0.01, shape: exponential}"
    ), [power(t, total, **fall) for t in range(total)]
    yield "power_cool", "power_cool", "{type: power_cool, warmup: 4 steps, decay: 50%, final_ratio: 0.1}", [
        power_cool(t, total, 4, 20, 1.2, 0.1) for t in range(total)
    ]
    yield "stages", "stages", PIECES_YAML, PIECES
    yield "override_decay", "override_decay", BROKEN_YAML, BROKEN


def main(total=40):
    cases = {}
    for name, case in CASES.items():
        values = [factor(step, total, **case) for step in range(total)]
        assert all(0 < value <= 1 for value in values), name
        cases[name] = {"total": total, **case, "factors": values}
    for name, kind, settings, values in written_cases(total):
        assert len(values) == total and all(0 < value <= 1 for value in values), name
        cases[name] = {"total": total, "kind": kind, "yaml": settings, "factors": values}
    path = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden" / "schedules.json"
    lines = [f"{json.dumps(name)}: {json.dumps(case)}" for name, case in cases.items()]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(f"{path.name}: {path.stat().st_size} bytes, {len(cases)} schedules")


if __name__ == "__main__":
    main()
