"""norms.safetensors: every norm that no installed package has, from the papers' formulas in fp64.

Each function below is a formula of a paper, not a port of Ingot's; autograd differentiates it. A case is named after the
norm and its settings; `settings` of the file holds these.

Packages and names: see common.py. Run: python tools/golden/make_norms.py
"""

import math

import torch

from common import evaluate, gain, matrix, prefixed, random_stream, save

WIDTH, BATCH, LENGTH = 16, 2, 3


def mean(x):
    return x.sum(-1, keepdim=True) / x.shape[-1]


def rms(x, eps=0.0):
    return torch.sqrt(mean(x * x) + eps)


def rms_norm_outside(x, p, eps):
    return p["gain"] * x / (rms(x) + eps)


def rms_norm_zero_centred(x, p, eps):
    return (1 + p["gain"]) * x / rms(x, eps)


def partial_rms_norm(x, p, fraction, eps):
    first = x[..., : int(fraction * x.shape[-1])]
    return p["gain"] * x / (torch.linalg.vector_norm(first, dim=-1, keepdim=True) / math.sqrt(first.shape[-1]) + eps)


def simple_rms_norm(x, p, eps):
    return x / rms(x, eps)


def crms_norm(z, p, eps):
    # LayerNorm of the centred vector whose last entry is left out.
    x = torch.cat([z, -z.sum(-1, keepdim=True)], -1)
    return torch.nn.functional.layer_norm(x, x.shape[-1:], eps=eps)[..., :-1]


def scale_norm(x, p, eps):
    return p["gain"] * x / torch.clamp(torch.linalg.vector_norm(x, dim=-1, keepdim=True), min=eps)


def lp_norm(x, p, p_norm, centre, match_std, eps):
    c = x - mean(x) if centre else x
    moment = {1: math.sqrt(2 / math.pi), 3: math.sqrt(8 / math.pi)}[p_norm] if match_std else 1.0  # E|z|^p, z normal
    y = p["gain"] * c / ((mean(c.abs() ** p_norm) / moment) ** (1 / p_norm) + eps)
    return y + p["bias"] if "bias" in p else y


def dyt(x, p):
    y = p["gain"] * torch.tanh(p["alpha"] * x)
    return y + p["bias"] if "bias" in p else y


def derf(x, p):
    return p["gain"] * torch.special.erf(p["alpha"] * x + p["shift"]) + p["bias"]


def elementwise_layer_norm(x, p):
    return p["gain"] * math.sqrt(x.shape[-1]) * x / torch.sqrt(torch.exp(p["log_beta"]) + x**2) + p["bias"]


def seed_norm(x, p, groups, eps):
    parts = []
    for channels in torch.arange(x.shape[-1]).chunk(groups):
        t = torch.tanh((x[..., channels] * p["beta"][channels]).sum(-1, keepdim=True))
        parts.append(p["gain"][channels] + t * p["alpha"][channels])
    return torch.cat(parts, -1) * x / rms(x, eps)


def ada_rms_norm(x, p, eps):
    return x / rms(x, eps) * rms(p["alpha"] * x + p["beta"], eps)


def pre_affine_rms_norm(x, p, eps):
    u = p["pre_gain"] * x
    return p["gain"] * u / rms(u, eps)


def bhyt(x, p, kappa, eps):
    return p["gain"] * torch.tanh(p["lambda"] * x / (kappa * rms(x, eps)))


def gated_norm(x, p, eps, two_sigma):
    u = p["gain"] * x / rms(x, eps)
    gate = torch.sigmoid(torch.nn.functional.silu(u @ p["down.weight"].T) @ p["up.weight"].T)
    return u * gate * (2 if two_sigma else 1)


def parameters(normal, names):
    """Parameters by their kind: random vectors about 1 or 0, random matrices, given numbers."""
    made = {}
    for name, kind in names.items():
        if kind == "one":
            made[name] = gain(normal, WIDTH)
        elif kind == "zero":
            made[name] = 0.3 * normal(WIDTH)
        elif isinstance(kind, tuple):
            made[name] = matrix(normal, *kind)
        else:
            made[name] = torch.tensor([kind], dtype=torch.float64)
    return made


CASES = {
    "rms_norm_outside": (rms_norm_outside, {"gain": "one"}, {"eps": 1e-8}),
    "rms_norm_outside_large": (rms_norm_outside, {"gain": "one"}, {"eps": 0.1}),
    "rms_norm_zero_centred": (rms_norm_zero_centred, {"gain": "zero"}, {"eps": 1e-6}),
    "partial_rms_norm": (partial_rms_norm, {"gain": "one"}, {"fraction": 0.25, "eps": 1e-8}),
    "simple_rms_norm": (simple_rms_norm, {}, {"eps": 1e-6}),
    "crms_norm": (crms_norm, {}, {"eps": 1e-5}),
    "scale_norm": (scale_norm, {"gain": 4.3}, {"eps": 1e-5}),
    "scale_norm_floor": (scale_norm, {"gain": 4.3}, {"eps": 2.0}),
    "lp_norm": (lp_norm, {"gain": "one"}, {"p_norm": 1, "centre": False, "match_std": False, "eps": 1e-6}),
    "lp_norm_l1_centred": (lp_norm, {"gain": "one", "bias": "zero"},
                           {"p_norm": 1, "centre": True, "match_std": True, "eps": 1e-6}),
    "lp_norm_p3": (lp_norm, {"gain": "one"}, {"p_norm": 3, "centre": True, "match_std": True, "eps": 1e-2}),
    "dyt": (dyt, {"gain": "one", "alpha": 0.8}, {}),
    "dyt_bias": (dyt, {"gain": "one", "bias": "zero", "alpha": 0.5}, {}),
    "derf": (derf, {"gain": "one", "bias": "zero", "alpha": 0.7, "shift": 0.1}, {}),
    "elementwise_layer_norm": (elementwise_layer_norm, {"gain": "one", "bias": "zero", "log_beta": 2.1}, {}),
    "seed_norm": (seed_norm, {"gain": "one", "beta": "zero", "alpha": "one"}, {"groups": 1, "eps": 1e-5}),
    "seed_norm_groups": (seed_norm, {"gain": "one", "beta": "zero", "alpha": "one"}, {"groups": 4, "eps": 1e-5}),
    "ada_rms_norm": (ada_rms_norm, {"alpha": "zero", "beta": "one"}, {"eps": 1e-6}),
    "pre_affine_rms_norm": (pre_affine_rms_norm, {"pre_gain": "one", "gain": "one"}, {"eps": 1e-6}),
    "bhyt": (bhyt, {"gain": "one", "lambda": 2.2}, {"kappa": 10, "eps": 1e-6}),
    "gated_norm": (gated_norm, {"gain": "one", "down.weight": (5, WIDTH), "up.weight": (WIDTH, 5)},
                   {"eps": 1e-6, "two_sigma": False}),
    "gated_norm_two_sigma": (gated_norm, {"gain": "one", "down.weight": (5, WIDTH), "up.weight": (WIDTH, 5)},
                             {"eps": 1e-6, "two_sigma": True}),
}


def main():
    tensors = {}
    for seed, (name, (function, names, settings)) in enumerate(CASES.items(), start=300):
        normal = random_stream(seed)
        # Rows from 0.1 to 10, so that eps and saturation count in some of them.
        x = normal(BATCH, LENGTH, WIDTH) * torch.logspace(-1, 1, LENGTH, dtype=torch.float64)[:, None]
        params = parameters(normal, names)
        run = lambda inputs, p: {"y": function(inputs["x"], p, **settings)}
        tensors |= prefixed(name, evaluate(run, {"x": x}, params, random_stream(seed + 1000)))
    save("norms", tensors, **{name: settings for name, (_, _, settings) in CASES.items()})


if __name__ == "__main__":
    main()
