"""Trajectories of optimizers: what tests/optim compares with (`check_golden_trajectories`).

Names: CASE/w0/P initial value, CASE/grad/P [20,...] gradients before clipping, CASE/w/P [20,...] values after each step,
CASE/norm [20] global gradient norm before clipping (sums over all P), CASE/lr [20]; the P's are those of `shapes`.
Optimizers with a method `evaluation_weights`, which gives a tensor for each parameter, also CASE/x/P [20,...] after each step.
The numbers of a case have its dtype: fp64 or fp32, as the end of its name says.
"""

import torch

from common import prefixed, random_stream, save

STEPS = 20
SHAPES = {"matrix": (5, 4), "vector": (6,)}


RATES = 0.02 * torch.linspace(1, 0.1, STEPS, dtype=torch.float64)


def trajectory(make_optimizer, seed, dtype, max_norm=None, shapes=SHAPES, rates=RATES):
    """make_optimizer(parameters) gives a torch optimizer; its rate is set before every step."""
    normal = random_stream(seed)
    start = {name: normal(*shape).to(dtype) for name, shape in shapes.items()}
    # Gradients of sizes 1e-4 to 3, so that eps counts for some entries and clipping acts on some steps only.
    sizes = 10 ** (normal(STEPS) - 0.5).clamp(-4, 0.5)
    gradients = {name: (normal(STEPS, *shape) * sizes.view(-1, *[1] * len(shape))).to(dtype)
                 for name, shape in shapes.items()}
    params = {name: torch.nn.Parameter(value.clone()) for name, value in start.items()}
    optimizer = make_optimizer(params.values())
    norms, values, evaluated = [], {name: [] for name in shapes}, {name: [] for name in shapes}
    for step in range(STEPS):
        for name, param in params.items():
            param.grad = gradients[name][step].clone()
        limit = max_norm if max_norm is not None else torch.inf
        norms.append(torch.nn.utils.clip_grad_norm_(params.values(), limit))
        for group in optimizer.param_groups:
            group["lr"] = rates[step].item()
        optimizer.step()
        for name, param in params.items():
            values[name].append(param.detach().clone())
        if hasattr(optimizer, "evaluation_weights"):
            for name, weights in zip(params, optimizer.evaluation_weights()):
                evaluated[name].append(weights.clone())
    tensors = {"norm": torch.stack(norms), "lr": rates}
    for name in shapes:
        tensors |= {f"w0/{name}": start[name], f"grad/{name}": gradients[name], f"w/{name}": torch.stack(values[name])}
        if evaluated[name]:
            tensors[f"x/{name}"] = torch.stack(evaluated[name])
    if max_norm is not None:
        clipped = (tensors["norm"] > max_norm).sum()
        assert 0 < clipped < STEPS, "clipping should act on some steps and not on others"
    return tensors


def save_cases(name, cases, factory, dtypes=("fp64",), shapes=SHAPES, seed=50, origin=None):
    """`cases`: settings by case, under Ingot's names, with `max_norm` where gradients are clipped and `rates` in place of
    RATES; factory(parameters, settings) makes the optimizer; origin: of its code. Writes
    tests/golden/<name>.safetensors."""
    tensors, settings = {}, {}
    for offset, (case, options) in enumerate(cases.items()):
        options = dict(options)
        max_norm, rates = options.pop("max_norm", None), options.pop("rates", RATES)
        for label in dtypes:
            dtype = {"fp64": torch.float64, "fp32": torch.float32}[label]
            full = f"{case}_{label}"
            tensors |= prefixed(full, trajectory(lambda p: factory(p, options), seed + offset, dtype, max_norm, shapes,
                                                 rates))
            settings[full] = options | {"max_norm": max_norm} | (origin or {})
    save(name, tensors, **settings)
