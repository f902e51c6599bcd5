"""adam, adamw and sgd.safetensors: trajectories of torch.optim with clip_grad_norm_, 20 steps each.

Packages: see common.py. Run: python tools/golden/make_optimizers.py
"""

import torch

from trajectories import save_cases


def make(name, cases, optimizer, dtypes=("fp64", "fp32")):
    def factory(params, settings):
        return optimizer(params, lr=0.0, foreach=False, **settings)

    save_cases(name, cases, factory, dtypes)


if __name__ == "__main__":
    adam = {"betas": (0.9, 0.95), "eps": 1e-8}
    make("adamw", {"plain": adam | {"weight_decay": 0.0},
                   "decay": adam | {"weight_decay": 0.1},
                   "large_eps": {"betas": (0.8, 0.999), "eps": 1e-3, "weight_decay": 0.1},
                   "clip": adam | {"weight_decay": 0.1, "max_norm": 1.0}}, torch.optim.AdamW)
    make("adam", {"l2": adam | {"weight_decay": 0.1}}, torch.optim.Adam, ("fp64",))
    make("sgd", {"plain": {"momentum": 0.0},
                 "momentum": {"momentum": 0.9},
                 "nesterov": {"momentum": 0.9, "nesterov": True},
                 "l2": {"momentum": 0.9, "weight_decay": 0.1},  # torch's SGD adds decay * w to the gradient
                 "clip": {"momentum": 0.9, "max_norm": 1.0}}, torch.optim.SGD)
