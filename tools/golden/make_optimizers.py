"""adamw.safetensors and sgd.safetensors: trajectories of torch.optim with clip_grad_norm_, 20 steps each.

Packages: see common.py. Run: python tools/golden/make_optimizers.py
Names: CASE/w0/P initial value, CASE/grad/P [20,...] gradients before clipping, CASE/w/P [20,...] values after each step,
CASE/norm [20] global gradient norm before clipping (sums over all P), CASE/lr [20]; P is `matrix [5,4]` or `vector [6]`.
The numbers of a case have its dtype: torch runs in fp64 or in fp32.
"""

import torch

from common import prefixed, random_stream, save

STEPS = 20
SHAPES = {"matrix": (5, 4), "vector": (6,)}


def trajectory(make_optimizer, seed, dtype, max_norm):
    normal = random_stream(seed)
    start = {name: normal(*shape).to(dtype) for name, shape in SHAPES.items()}
    # Gradients of sizes 1e-4 to 3, so that eps counts for some entries and clipping acts on some steps only.
    sizes = 10 ** (normal(STEPS) - 0.5).clamp(-4, 0.5)
    gradients = {name: (normal(STEPS, *shape) * sizes.view(-1, *[1] * len(shape))).to(dtype)
                 for name, shape in SHAPES.items()}
    rates = (0.02 * torch.linspace(1, 0.1, STEPS, dtype=torch.float64))
    params = {name: torch.nn.Parameter(value.clone()) for name, value in start.items()}
    optimizer = make_optimizer(params.values())
    norms, values = [], {name: [] for name in SHAPES}
    for step in range(STEPS):
        for name, param in params.items():
            param.grad = gradients[name][step].clone()
        limit = max_norm if max_norm is not None else torch.inf
        norms.append(torch.nn.utils.clip_grad_norm_(params.values(), limit))
        optimizer.param_groups[0]["lr"] = rates[step].item()
        optimizer.step()
        for name, param in params.items():
            values[name].append(param.detach().clone())
    tensors = {"norm": torch.stack(norms), "lr": rates}
    for name in SHAPES:
        tensors |= {f"w0/{name}": start[name], f"grad/{name}": gradients[name], f"w/{name}": torch.stack(values[name])}
    if max_norm is not None:
        clipped = (tensors["norm"] > max_norm).sum()
        assert 0 < clipped < STEPS, "clipping should act on some steps and not on others"
    return tensors


def make(name, cases, factory):
    tensors, settings = {}, {}
    for seed, (case, options) in enumerate(cases.items(), start=50):
        max_norm = options.pop("max_norm", None)
        for label, dtype in {"fp64": torch.float64, "fp32": torch.float32}.items():
            full = f"{case}_{label}"
            tensors |= prefixed(full, trajectory(lambda p: factory(p, lr=0.0, foreach=False, **options), seed, dtype, max_norm))
            settings[full] = options | {"max_norm": max_norm}
    save(name, tensors, **settings)


if __name__ == "__main__":
    adam = {"betas": (0.9, 0.95), "eps": 1e-8}
    make("adamw", {"plain": adam | {"weight_decay": 0.0},
                   "decay": adam | {"weight_decay": 0.1},
                   "large_eps": {"betas": (0.8, 0.999), "eps": 1e-3, "weight_decay": 0.1},
                   "clip": adam | {"weight_decay": 0.1, "max_norm": 1.0}}, torch.optim.AdamW)
    make("sgd", {"plain": {"momentum": 0.0},
                 "momentum": {"momentum": 0.9},
                 "nesterov": {"momentum": 0.9, "nesterov": True},
                 "l2": {"momentum": 0.9, "weight_decay": 0.1},  # torch's SGD adds decay * w to the gradient
                 "clip": {"momentum": 0.9, "max_norm": 1.0}}, torch.optim.SGD)
