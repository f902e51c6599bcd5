"""look_ahead.safetensors: trajectories of EMA-Nesterov around torch's AdamW, written from arXiv:2605.25395.

The parameters are the points at which gradients are taken; the weights to evaluate are those that the optimizer's updates
lead to. Packages: torch. Run: python tools/golden/make_look_ahead.py
"""

import torch

from trajectories import RATES, STEPS, save_cases


class LookAhead:
    def __init__(self, params, modifier, **settings):
        self.params = list(params)
        self.inner = torch.optim.AdamW(self.params, lr=0.0, foreach=False, **settings)
        self.param_groups = self.inner.param_groups
        self.strength, self.decay, self.start = modifier["strength"], modifier["decay"], int(modifier["start"].split()[0])
        self.moved = [torch.zeros_like(p) for p in self.params]
        self.x = [p.detach().clone() for p in self.params]
        self.steps = 0

    def scale(self, step):
        """Of the look-ahead before step 0, 1, …; the last rate stands for the one behind it."""
        if step < self.start:
            return 0.0
        return self.strength * (RATES[min(step, STEPS - 1)] / RATES[0]).item()

    @torch.no_grad()
    def step(self):
        self.inner.step()
        self.steps += 1
        for p, m, x in zip(self.params, self.moved, self.x):
            m.mul_(self.decay).add_(p - x, alpha=1 - self.decay)
            x.copy_(p)
            p.add_(m, alpha=self.scale(self.steps))

    def evaluation_weights(self):
        return self.x


if __name__ == "__main__":
    modifier = {"type": "look_ahead", "strength": 0.4, "decay": 0.9, "start": "3 steps"}
    save_cases("look_ahead", {"decay": {"betas": (0.9, 0.95), "eps": 1e-8, "weight_decay": 0.1, "modifier": modifier}},
               lambda params, settings: LookAhead(params, **settings))
