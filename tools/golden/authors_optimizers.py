"""Trajectories of optimizers as their authors released them: 20 steps each, in the layout of trajectories.py.

adamp, sgdp, prodigy and adam_mini are the authors' packages (pip install adamp==0.3.0 prodigyopt==1.1.2 adam-mini==1.1.1);
the others are taken out of checkouts. Packages: see common.py. Run: python tools/golden/authors_optimizers.py --sources DIR
"""

import math
from typing import cast

import torch
from adam_mini import Adam_mini
from adamp import SGDP, AdamP
from prodigyopt import Prodigy
from torch.optim.optimizer import Optimizer, _get_value, _use_grad_for_differentiable

from authors import checkouts
from common import random_stream, save
from trajectories import SHAPES, STEPS, save_cases


def renamed(settings, names):
    """The settings under the authors' names for them."""
    return {names.get(key, key): value for key, value in settings.items()}


def packages(source):
    source.note("adamp 0.3.0", "AdamP")
    # Gradients of a delta this large always pass the test, row by row; of one between, some and the whole tensor do.
    save_cases("adamp", {"plain": {"weight_decay": 0.1}, "rows": {"delta": 50.0, "weight_decay": 0.1, "nesterov": True},
                         "some": {"delta": 0.8, "weight_decay": 0.1}},
               lambda params, s: AdamP(params, lr=0.0, **s), origin=source.origin())
    source.note("adamp 0.3.0", "SGDP")
    # Without nesterov the released code projects the momentum buffer itself, which is its direction: held at no projection.
    save_cases("sgdp", {"plain": {"momentum": 0.9, "delta": 0.0, "weight_decay": 0.1},
                        "nesterov": {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
                        "some": {"momentum": 0.9, "delta": 0.8, "nesterov": True, "weight_decay": 0.1}},
               lambda params, s: SGDP(params, lr=0.0, **s), origin=source.origin())
    source.note("prodigyopt 1.1.2", "Prodigy")
    names = {"bias_correction": "use_bias_correction"}
    save_cases("prodigy", {"plain": {"weight_decay": 0.1, "d0": 1e-2},
                           "options": {"betas": (0.8, 0.99), "beta3": 0.9, "bias_correction": True, "d0": 1e-2,
                                       "safeguard_warmup": True, "growth_rate": 1.2, "d_coef": 2.0}},
               lambda params, s: Prodigy(params, lr=1.0, **renamed(s, names)), origin=source.origin())
    source.note("adam-mini 1.1.1", "Adam_mini")
    # By these names the matrix has a block for each row and the vector is one block.
    released = {"matrix": "mlp", "vector": "gain"}
    save_cases("adam_mini", {"plain": {"betas": (0.9, 0.95)}, "decay": {"betas": (0.8, 0.99), "weight_decay": 0.1}},
               lambda params, s: Adam_mini([(released[name], p) for name, p in zip(SHAPES, params)], lr=0.0,
                                           verbose=False, **s), origin=source.origin())


def steps(value):
    """A duration as the number of its steps, None if there are none; other settings as they are."""
    if not isinstance(value, str):
        return value
    return int(value.removesuffix(" steps")) or None


class ConstantRate(torch.optim.Optimizer):
    """Steps of an optimizer that averages the rate along with its directions, as directions at rate 1 times the rate.

    The gradients are given, so directions do not depend on where the weights are.
    """

    def __init__(self, params, make):
        super().__init__(params, {"lr": 0.0})
        self.shadows = [torch.nn.Parameter(torch.zeros_like(p)) for p in self.param_groups[0]["params"]]
        self.inner = make(self.shadows)

    @torch.no_grad()
    def step(self):
        params = self.param_groups[0]["params"]
        for p, shadow in zip(params, self.shadows):
            shadow.zero_()
            shadow.grad = p.grad.clone()
        self.inner.step()
        for p, shadow in zip(params, self.shadows):
            p.add_(shadow, alpha=self.param_groups[0]["lr"])


def releases(source):
    base = {"Optimizer": Optimizer, "math": math}
    novograd = source.take("NVIDIA/NeMo", "nemo/core/optim/novograd.py", "_check_valid_opt_params", "Novograd", **base)
    save_cases("novograd", {"plain": {"weight_decay": 0.1},
                            "averaging": {"betas": (0.9, 0.5), "averaging": True, "weight_decay": 0.1}},
               lambda params, s: novograd["Novograd"](params, lr=0.0, **renamed(s, {"averaging": "grad_averaging"})),
               origin=source.origin())

    adopt = source.take("iShohei220/adopt", "src/adopt/adopt.py", "ADOPT", "_single_tensor_adopt", "adopt", **base,
                        cast=cast, Tensor=torch.Tensor, _get_value=_get_value, _use_grad_for_differentiable=_use_grad_for_differentiable,
                        _disable_dynamo_if_unsupported=lambda **_: lambda f: f, _fused_doc="", _foreach_doc="",
                        _maximize_doc="", _capturable_doc="", _differentiable_doc="",
                        _get_scalar_dtype=lambda is_fused=None: torch.float64)

    def make_adopt(params, s):
        options = dict(s)
        clip = {} if options.pop("clip", True) else {"clip_lambda": None}
        optimizer = adopt["ADOPT"](params, lr=0.0, foreach=False, decouple=options.pop("decoupled", True), **options,
                                   **clip)
        optimizer._cuda_graph_capture_health_check = lambda: None
        return optimizer

    save_cases("adopt", {"plain": {"betas": (0.9, 0.99), "weight_decay": 0.1},
                         "coupled": {"clip": False, "weight_decay": 0.1, "decoupled": False}},
               make_adopt, origin=source.origin())

    laprop = source.take("Z-T-WANG/LaProp-Optimizer", "laprop.py", "LaProp", **base)
    save_cases("laprop", {"plain": {"betas": (0.9, 0.95)}, "large_eps": {"betas": (0.8, 0.999), "eps": 1e-3}},
               lambda params, s: ConstantRate(params, lambda p: laprop["LaProp"](p, lr=1.0, **s)),
               origin=source.origin())

    ademamix = source.take("apple/ml-ademamix", "pytorch/ademamix.py", "linear_warmup_scheduler",
                           "linear_hl_warmup_scheduler", "AdEMAMix", **base)
    save_cases("ademamix", {"plain": {"betas": (0.9, 0.95, 0.999), "alpha": 8.0, "alpha_warmup": "0 steps",
                                      "beta3_warmup": "0 steps",
                                      "weight_decay": 0.1},
                            "ramps": {"betas": (0.8, 0.95, 0.99), "alpha": 4.0, "alpha_warmup": "15 steps",
                                      "beta3_warmup": "30 steps"}},
               lambda params, s: ademamix["AdEMAMix"](params, lr=0.0, **{k: steps(v) for k, v in s.items()}),
               origin=source.origin())

    mars = source.take("AGI-Arena/MARS", "MARS/optimizers/mars.py", "exists", "update_fn", "MARS", **base)

    def make_mars(params, s):
        options = renamed(s, {"vectors": "optimize_1d", "vector_betas": "betas_1d"})
        return mars["MARS"](params, lr=1.0, lr_1d=1.0, weight_decay_1d=s.get("weight_decay", 0), **options)

    save_cases("mars", {"plain": {"weight_decay": 0.1}, "vectors": {"gamma": 0.1, "vectors": True, "weight_decay": 0.1}},
               make_mars, origin=source.origin())

    adafactor = source.take("facebookresearch/fairseq", "fairseq/optim/adafactor.py", "Adafactor", **base)

    def make_adafactor(params, s):
        options = renamed(s, {"clip": "clip_threshold", "relative": "scale_parameter", "momentum": "beta1"})

        def make(p):
            # One group each: in a group the release hands a tensor's scaled rate on to the next.
            return adafactor["Adafactor"]([{"params": [one]} for one in p], lr=1.0, relative_step=False, **options)

        return ConstantRate(params, make) if "momentum" in s else make(params)

    save_cases("adafactor", {"plain": {"relative": True, "weight_decay": 0.1},
                             "absolute": {"relative": False, "clip": 0.5},
                             "momentum": {"relative": False, "momentum": 0.9}},
               make_adafactor, origin=source.origin())


def sophia(source):
    """Updates of one matrix with an estimate of the curvature after every third, under names of its own."""
    taken = source.take("Liuhong99/Sophia", "sophia.py", "SophiaG", "sophiag", "_single_tensor_sophiag",
                        Optimizer=Optimizer, Tensor=torch.Tensor, List=list)
    labels = 100
    normal = random_stream(70)
    start, gradients, sampled = normal(5, 4), normal(STEPS, 5, 4), 0.3 * normal(STEPS, 5, 4)
    rates = 0.02 * torch.linspace(1, 0.1, STEPS, dtype=torch.float64)
    w = torch.nn.Parameter(start.clone())
    optimizer = taken["SophiaG"]([w], lr=0.0, betas=(0.9, 0.95), rho=0.04, weight_decay=0.1)
    values = []
    for t in range(STEPS):
        optimizer.param_groups[0]["lr"] = rates[t].item()
        w.grad = gradients[t].clone()
        optimizer.step(bs=labels)
        w.grad = sampled[t].clone()
        if (t + 1) % 3 == 0:
            optimizer.update_hessian()
        values.append(w.detach().clone())
    save("sophia_g", {"w0": start, "grad": gradients, "sampled": sampled, "lr": rates, "w": torch.stack(values),
                      "labels": torch.tensor(float(labels), dtype=torch.float64)}, **source.origin())


if __name__ == "__main__":
    authors = checkouts(__doc__)
    packages(authors)
    releases(authors)
    sophia(authors)
