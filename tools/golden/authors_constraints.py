"""authors_constraints.safetensors: constraints and rules for updates by code that others released, run in fp64.

Names as in constraints.safetensors (make_constraints.py), but that each case has its own w0 and direction, and there is no
decay; CASE/lr [steps]. `settings` says for each case which definitions of which file ran.

Packages and names: see common.py, authors.py; pytorch-optimizer==4.1.0. Run:
python tools/golden/authors_constraints.py --sources DIR
"""

import math

import torch
from pytorch_optimizer.optimizer import sso

from authors import checkouts
from common import InDouble, random_stream, save

STEPS = 8
HOOKS = "emerging_optimizers/weight_update_hooks"


class AllInDouble(InDouble):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is torch.Tensor.bfloat16:
            return args[0].double()
        return super().__torch_function__(func, types, args, kwargs)


def with_hook(hook, w, directions, rates):
    steps = []
    for d, lr in zip(directions, rates):
        update = d.clone()
        state = hook.pre_weight_update_inplace(w, update)
        w.add_(update, alpha=-lr)
        hook.post_weight_update_inplace(w, state)
        steps.append(w.clone())
    return steps


def hyperball(code, w, directions, rates):
    scope = code.take("NVIDIA-NeMo/Emerging-Optimizers", f"{HOOKS}/hyperball.py", "HyperballHook", math=math)
    return with_hook(scope["HyperballHook"](radius=w.norm().item()), w, directions, rates)


def relative_update(code, w, directions, rates):
    """Directions are shorter than the weight: equality is the floor."""
    scope = code.take("NVIDIA-NeMo/Emerging-Optimizers", f"{HOOKS}/relative_update.py", "RelativeUpdateHook", math=math)
    return with_hook(scope["RelativeUpdateHook"](), w, 0.05 * directions, rates)


def soft_cap(code, w, directions, rates):
    """What train_spectral_cap.py, which has the same functions, does after its orthogonalisation."""
    scope = code.take("phess2/lipschitz-transformers", "nanogpt/train_spectral_normalize.py", "soft_cap",
                      "soft_cap_coupling", Tensor=torch.Tensor)
    scale = (w.shape[0] / w.shape[1]) ** 0.5
    steps = []
    for d, lr in zip(directions, rates):
        w.add_(d, alpha=-lr)
        alpha = scope["soft_cap_coupling"](1.0, 0.0, lr * 1.14502 * 1.05)
        w.copy_(scale * scope["soft_cap"](w / scale, alpha))
        steps.append(w.clone())
    return steps


def sphere(w, directions, rates):
    """pytorch-optimizer's direction times the radius sqrt(out/in), then the retraction of the paper's algorithm."""
    radius = (w.shape[0] / w.shape[1]) ** 0.5
    w.mul_(radius / torch.linalg.matrix_norm(w, 2))
    steps = []
    for d, lr in zip(directions, rates):
        update = sso.compute_spectral_ball_update(w, d, power_iteration_steps=4000, msign_steps=60,
                                                  solver_tolerance_f=1e-15, solver_max_iterations=100)
        w.add_(update, alpha=-lr * radius)
        w.mul_(radius / torch.linalg.matrix_norm(w, 2))
        steps.append(w.clone())
    return steps


def main():
    code = checkouts(__doc__)
    torch.compile = lambda function: function  # gives the same
    normal = random_stream(90)
    cases = {
        "hyperball": ((5, 4), "hyperball", lambda *given: hyperball(code, *given)),
        "relative_update": ((5, 4), "{type: relative_update_floor, floor: 1}", lambda *given: relative_update(code, *given)),
        "spectral_soft_cap": ((4, 6), "{type: spectral_soft_cap, strength: update_bound, update_norm: 1.202271}",
                              lambda *given: soft_cap(code, *given)),
        "spectral_sphere": ((5, 4), "spectral_sphere", lambda *given: sphere(*given)),
        "spectral_sphere_wide": ((4, 6), "spectral_sphere", lambda *given: sphere(*given)),
    }
    tensors, settings = {}, {}
    for case, (shape, text, run) in cases.items():
        w0, directions = normal(*shape) / 4, normal(STEPS, *shape)
        if case == "spectral_soft_cap":  # within the bound sqrt(out/in) at first
            w0 *= (shape[0] / shape[1]) ** 0.5 / torch.linalg.matrix_norm(w0, 2)
        rates = 0.1 * torch.linspace(1, 0.3, STEPS, dtype=torch.float64)
        with AllInDouble():
            steps = run(w0.clone(), directions, rates.tolist())
        scale = 0.05 if case == "relative_update" else 1
        tensors |= {f"{case}/w0": w0, f"{case}/direction": scale * directions, f"{case}/lr": rates,
                    f"{case}/w": torch.stack(steps)}
        if case.startswith("spectral_sphere"):
            code.note("pytorch-optimizer 4.1.0", "compute_spectral_ball_update")
        settings[case] = code.origin(constraint=text)
    save("authors_constraints", tensors, **settings)


main()
