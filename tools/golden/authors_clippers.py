"""authors_clippers.json: factors of ZClip for a series of gradient norms, by its released code.

Packages: torch. Run: python tools/golden/authors_clippers.py --sources DIR (see authors.py)
One parameter has each norm in turn as its gradient; the factor is what is left of it. Norms spread around a mean that moves,
with spikes among them.
"""

import json
import math
import pathlib
import random

import torch

from authors import checkouts

CASES = {
    "adaptive": ("{type: zclip, warmup: 10, max_norm: null}", dict(max_grad_norm=None)),
    "bounded": ("{type: zclip, threshold: 2, alpha: 0.9, warmup: 10, max_norm: 1}",
                dict(z_thresh=2, alpha=0.9, max_grad_norm=1.0)),
    "mean": ("{type: zclip, to: mean, warmup: 10, max_norm: null}", dict(clip_option="mean", max_grad_norm=None)),
    "threshold": ("{type: zclip, to: threshold, warmup: 10, max_norm: null}", dict(mode="percentile", max_grad_norm=None)),
}


def series(count=60):
    draw = random.Random(7)
    norms = [0.95 * math.exp(0.1 * draw.gauss(0, 1)) * (1 - 0.005 * t) for t in range(count)]
    for t, factor in {15: 3, 16: 1.4, 30: 20, 31: 25, 45: 1.5, 50: 100}.items():
        norms[t] *= factor
    return norms


def factors(zclip, norms):
    model = torch.nn.Linear(1, 1, bias=False)
    out = []
    for norm in norms:
        model.weight.grad = torch.full((1, 1), norm)
        zclip.step(model)
        out.append(model.weight.grad.item() / norm)
    return out


def main():
    code = checkouts(__doc__)
    scope = code.take("bluorion-com/ZClip", "zclip/zclip.py", "ZClip", "is_fsdp_model", FSDP=type(None))
    norms = series()
    cases = {name: {"yaml": yaml, "factors": factors(scope["ZClip"](warmup_steps=10, **settings), norms)}
             for name, (yaml, settings) in CASES.items()}
    content = {"origin": code.origin(), "norms": norms, "cases": cases}
    path = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden" / "authors_clippers.json"
    path.write_text(json.dumps(content) + "\n")
    print(f"{path.name}: {path.stat().st_size} bytes, {len(cases)} cases, clipped",
          {name: sum(f < 1 for f in case["factors"]) for name, case in cases.items()})


if __name__ == "__main__":
    main()
