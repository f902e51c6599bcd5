"""soap, kl_soap, psgd_kron and apollo.safetensors: trajectories of optimizers as their authors released them, 20 steps each.

The authors' classes run unchanged (see authors.py) but for three things: they compute in fp64; `torch.compile` leaves
functions as they are; what they draw by chance comes from the streams that Ingot draws it from (streams.py), by seed 1.

Packages: see common.py, and xxhash. Run: python tools/golden/authors_kronecker.py --sources DIR
"""

import math
import random
import string
import warnings
from itertools import chain
from typing import Callable, Iterable, Tuple

import numpy as np
import torch

from authors import checkouts
from common import InDouble
from streams import Stream
from trajectories import SHAPES, save_cases

SEED = 1  # OptimizerBench::kSeed
NAMES = list(SHAPES)


class Torch:
    """torch with some names replaced."""

    def __init__(self, **replaced):
        self.__dict__ |= replaced

    def __getattr__(self, name):
        return getattr(torch, name)


def in_double(optimizer):
    """The optimizer, whose steps run in fp64 throughout."""
    step = optimizer.step

    def wide_step(*args):
        with InDouble():
            return step(*args)

    optimizer.step = wide_step
    return optimizer


def soap(code):
    scope = code.take("nikhilvyas/SOAP", "soap.py", "SOAP", optim=torch.optim, chain=chain)

    def factory(params, settings):
        options = dict(settings, normalize_grads=settings.get("normalize", False))
        options.pop("normalize", None)
        return in_double(scope["SOAP"](params, lr=0.0, **options))

    plain = {"betas": (0.95, 0.95), "eps": 1e-8, "weight_decay": 0.01}
    save_cases("soap", {"plain": plain | {"precondition_frequency": 10},
                        "each_step": plain | {"precondition_frequency": 1},
                        "one_side": plain | {"precondition_frequency": 3, "max_precond_dim": 4, "max_norm": 1.0},
                        "normalised": plain | {"precondition_frequency": 2, "normalize": True, "shampoo_beta": 0.8,
                                               "betas": (0.9, 0.98)}}, factory)


def kl_soap(code):
    scope = code.take("yorkerlin/KL-Methods", "optim/kl_opt.py", "KLOpt", optim=torch.optim, chain=chain,
                      torch=Torch(compile=lambda f: f), print=lambda *_: None)

    def factory(params, settings):
        options = dict(settings, init_factor=settings["start_eigenvalue"])
        options.pop("start_eigenvalue")
        return in_double(scope["KLOpt"](params, lr=0.0, using_klsoap=True, cast_dtype=torch.float64, **options))

    plain = {"betas": (0.9, 0.98), "eps": 1e-8, "weight_decay": 0.01, "start_eigenvalue": 0.1}
    shapes = {"matrix": SHAPES["matrix"]}  # the release takes no vectors
    save_cases("kl_soap", {"plain": plain | {"precondition_frequency": 10},
                           "often": plain | {"precondition_frequency": 2, "start_eigenvalue": 0.5, "max_norm": 1.0}},
               factory, shapes=shapes)


def psgd_kron(code):
    update = 0

    def noise(like):
        return Stream(SEED, f"psgd_kron/{next(drawing)}/{update}").normal(*like.shape)

    drawing = iter(())
    functions = ("_init_Q_exprs", "_balance_Q", "_lb", "_solve_triangular_right", "_calc_A_and_conjB", "_update_precond",
                 "_precond_grad", "_clip_update_rms", "Kron", "ProbScheduler", "precond_update_prob_schedule")
    scope = code.take("evanatyourservice/kron_torch", "kron_torch/kron.py", *functions, string=string, random=random,
                      np=np, print=lambda *_: None, torch=Torch(compile=lambda f: f, randn_like=noise))

    def factory(params, settings):
        nonlocal update, drawing
        update = 0
        schedule = scope["precond_update_prob_schedule"](1.0, settings["least_probability"], settings["decay"],
                                                         settings["flat_updates"])
        made = scope["Kron"](params, b1=settings["beta"], weight_decay=settings["weight_decay"],
                             preconditioner_update_probability=schedule, precond_lr=settings["preconditioner_lr"],
                             max_size_triangular=settings["max_precond_dim"], precond_dtype=torch.float64)

        class Chance:
            def random(self):
                chance = Stream(SEED, f"psgd_kron/balance/{update}").uniform()
                return 0 if chance < settings["balance"] else 1  # the release compares with 0.01

        made.rng = Chance()
        step = in_double(made).step

        def next_step():
            nonlocal update, drawing
            update += 1
            drawing = iter(NAMES)
            return step()

        made.step = next_step
        return made

    # No decay: the release has it for matrices alone, Ingot where a group asks for it.
    plain = {"beta": 0.9, "weight_decay": 0.0, "preconditioner_lr": 0.1, "least_probability": 0.03, "decay": 1e-3,
             "flat_updates": 500, "balance": 0.3, "max_precond_dim": 8192}
    save_cases("psgd_kron", {"plain": plain,
                             "seldom": plain | {"least_probability": 0.4, "decay": 0.2, "flat_updates": 3, "max_norm": 1.0},
                             "diagonal": plain | {"max_precond_dim": 4, "balance": 0.0}}, factory)


def apollo(code):
    gap = 1

    def drawn(shape, seed, device, dtype):
        # Seeds: the number of the parameter, and a hundred for each time that it has drawn.
        return Stream(SEED, f"apollo/{NAMES[seed % 100 - 1]}/{seed // 100 * gap + 1}").normal(*shape)

    projector = code.take("zhuhanqing/APOLLO", "apollo_torch/random_projector.py", "GradientProjector", math=math,
                          stable_randn=drawn, next_seed=lambda seed: seed + 100)["GradientProjector"]
    scope = code.take("zhuhanqing/APOLLO", "apollo_torch/apollo.py", "AdamW", math=math, np=np, warnings=warnings,
                      Optimizer=torch.optim.Optimizer, require_version=lambda _: None, GradientProjector=projector,
                      Callable=Callable, Iterable=Iterable, Tuple=Tuple)

    def factory(params, settings):
        nonlocal gap
        gap = settings["projection_updates"]
        matrix, vector = params
        low = {"rank": settings["rank"], "update_proj_gap": gap, "scale": settings["scale"], "proj": "random",
               "proj_type": "std", "scale_type": settings["per"]}
        return in_double(scope["AdamW"]([{"params": [matrix]} | low, {"params": [vector]}], betas=settings["betas"],
                                        eps=settings["eps"], weight_decay=settings["weight_decay"],
                                        disable_nl=not settings["limit_growth"]))

    plain = {"betas": (0.9, 0.999), "eps": 1e-6, "weight_decay": 0.1, "rank": 2, "per": "channel", "scale": 1.0,
             "projection_updates": 200, "limit_growth": True}
    mini = plain | {"rank": 1, "per": "tensor", "scale": 128.0, "max_norm": 1.0}
    save_cases("apollo", {"plain": plain, "mini": mini,
                          "new_projections": plain | {"projection_updates": 7, "limit_growth": False}}, factory)


if __name__ == "__main__":
    released = checkouts(__doc__)
    for make in (soap, kl_soap, psgd_kron, apollo):
        make(released)
