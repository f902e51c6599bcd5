"""schedule_free_adamw.safetensors: trajectories of the authors' AdamWScheduleFree, with the weights to evaluate.

Packages: schedulefree==1.4.1, torch. Run: python tools/golden/make_schedule_free.py
"""

import torch
from schedulefree import AdamWScheduleFree

from trajectories import RATES, STEPS, save_cases


class Evaluated(AdamWScheduleFree):
    """The package moves the parameters to the weights to evaluate and back again; here they are looked at alone."""

    def __init__(self, params, **settings):
        super().__init__(params, **settings)
        self.train()

    @torch.no_grad()
    def evaluation_weights(self):
        params = self.param_groups[0]["params"]
        trained = [p.clone() for p in params]
        self.eval()
        evaluated = [p.clone() for p in params]
        for p, value in zip(params, trained):
            p.copy_(value)
        self.param_groups[0]["train_mode"] = True
        return evaluated


def factory(params, settings):
    return Evaluated(list(params), lr=0.0, foreach=False, **settings)


if __name__ == "__main__":
    warmup = 0.02 * (torch.arange(1, STEPS + 1, dtype=torch.float64) / 8).clamp(max=1)
    save_cases("schedule_free_adamw",
               {"decay": {"betas": (0.9, 0.95), "eps": 1e-8, "weight_decay": 0.1},
                "warmup": {"betas": (0.95, 0.99), "eps": 1e-6, "weight_decay": 0.1, "r": 1.0, "weight_lr_power": 2.0,
                           "rates": warmup}}, factory)
