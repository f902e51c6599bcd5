"""shampoo.safetensors: trajectories of Shampoo, 20 steps each.

Case `sums` is pytorch_optimizer's Shampoo, the algorithm of the paper; `grafted` and `average` are formulas of
src/optim/optimizers/shampoo.cpp in plain PyTorch: averaged factors, floors of eigenvalues, Adam's norm.

Packages: see common.py, and pytorch-optimizer. Run: python tools/golden/make_shampoo.py
"""

import torch

from pytorch_optimizer import Shampoo

from trajectories import SHAPES, save_cases


class Averaged(torch.optim.Optimizer):
    """Averaged factors, by the singular values of their symmetric roots."""

    def __init__(self, params, settings):
        super().__init__(params, {"lr": 0.0})
        self.settings = settings

    @torch.no_grad()
    def step(self):
        s = self.settings
        beta1, beta2 = s["betas"]
        beta = s["shampoo_beta"]
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                t = state["t"] = state.get("t", 0) + 1
                g = p.grad
                m = state["m"] = beta1 * state.get("m", 0) + (1 - beta1) * g
                v = state["v"] = beta2 * state.get("v", 0) + (1 - beta2) * g**2
                mean = m / (1 - beta1**t)
                adam = mean / ((v / (1 - beta2**t)).sqrt() + s["eps"])
                d = adam
                if p.dim() == 2:
                    d = mean
                    for axis in (0, 1):
                        moved = g.movedim(axis, 0)
                        start = s["start"] * torch.eye(p.shape[axis], dtype=p.dtype)
                        state[axis] = beta * state.get(axis, start) + (1 - beta) * moved @ moved.T
                        if t == 1 or t % s["precondition_frequency"] == 0:
                            u, values, _ = torch.linalg.svd(state[axis] / (1 - beta**t))
                            values = values.clamp_min(s["floor"] * values.max())
                            state[f"root{axis}"] = u @ torch.diag(values**-s["power"]) @ u.T
                    d = state["root0"] @ d @ state["root1"]
                    if s["graft"] == "adam":
                        d = d * adam.norm() / d.norm()
                p.copy_((1 - group["lr"] * s["weight_decay"]) * p - group["lr"] * d)


def original(params, settings):
    return Shampoo(params, momentum=0.0, weight_decay=settings["weight_decay"], weight_decouple=True,
                   preconditioning_compute_steps=settings["precondition_frequency"], matrix_eps=settings["start"])


def factory(params, settings):
    return original(params, settings) if settings["shampoo_beta"] == 1 else Averaged(params, settings)


if __name__ == "__main__":
    plain = {"betas": (0.9, 0.95), "shampoo_beta": 0.95, "start": 1e-12, "floor": 1e-6, "eps": 1e-8, "weight_decay": 0.1,
             "precondition_frequency": 3, "power": 0.25, "graft": "adam"}
    save_cases("shampoo", {"grafted": plain | {"max_norm": 1.0},
                           "average": plain | {"betas": (0.5, 0.9), "power": 0.5, "graft": "none", "floor": 1e-2}}, factory)
    sums = plain | {"betas": (0.0, 0.95), "shampoo_beta": 1, "start": 1e-3, "floor": 0, "precondition_frequency": 1,
                    "graft": "none"}
    save_cases("shampoo_sums", {"sums": sums}, factory, shapes={"matrix": SHAPES["matrix"]})
