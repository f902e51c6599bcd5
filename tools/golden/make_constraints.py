"""constraints.safetensors: constraints and rules for updates, from the formulas of their papers, in fp64.

Own formula: singular values by torch.linalg.svd, roots by bisection. `tall` and `wide` share their start and directions.
Names: SHAPE/w0 [m,n], SHAPE/direction [steps,m,n] what an optimizer gives, lr [steps], decay [steps] the share of the weight
that decay takes; CASE/w [steps,m,n] the weights after each step. `settings` of a case: its shape and the constraint as a
config writes it.

Packages: see common.py. Run: python tools/golden/make_constraints.py
"""

import math

import torch

from common import random_stream, save

STEPS = 12
SHAPES = {"tall": (5, 4), "wide": (4, 6)}


def norm(x):
    return x.square().sum().sqrt()


def rows(x):
    return x.square().sum(1, keepdim=True).sqrt()


def unit(weight):
    return math.sqrt(weight.shape[0] / weight.shape[1])


def mapped(weight, function):
    """Singular values mapped by a function of all of them, in units of sqrt(out/in)."""
    u, s, vh = torch.linalg.svd(weight, full_matrices=False)
    return u @ torch.diag(function(s / unit(weight)) * unit(weight)) @ vh


# Each is a class with start(w0) -> w0 as the constraint leaves it, and step(w, d, lr, decay) -> next w.

class KeptNorm:
    def __init__(self, size=norm):
        self.size = size

    def start(self, w):
        self.kept = self.size(w)
        return w

    def step(self, w, d, lr, decay):
        w = (1 - decay) * w - lr * d
        return w / self.size(w) * self.kept


class Lawn(KeptNorm):
    def step(self, w, d, lr, decay):
        total = (lambda x: x.sum()) if self.size is norm else (lambda x: x.sum(1, keepdim=True))
        return super().step(w, d - w * total(d * w) / total(w * w), lr, decay)


class RadialBrake:
    def __init__(self, outward, inward):
        self.outward, self.inward = outward, inward

    def start(self, w):
        self.length = norm(w)
        return w

    def step(self, w, d, lr, decay):
        along = w / norm(w)
        radial = -(d * along).sum()  # outward if positive
        kept = self.outward if radial > 0 else self.inward
        tangent = -d - radial * along
        self.length = (1 - decay) * self.length + lr * kept * radial
        w = (1 - decay) * w + lr * (tangent + kept * radial * along)
        return w / norm(w) * self.length


class Rpgd:
    def __init__(self, scale_lr):
        self.scale_lr = scale_lr

    def start(self, w):
        self.g, self.u = rows(w), w / rows(w)
        return w

    def step(self, w, d, lr, decay):
        inner = (d * self.u).sum(1, keepdim=True)
        u = self.u - lr * self.g * d
        self.g = (1 - decay) * self.g - lr * self.scale_lr * inner
        self.u = u / rows(u)
        return self.g * self.u


class Floor:
    def __init__(self, floor, size):
        self.floor, self.size = floor, size

    def start(self, w):
        return w

    def step(self, w, d, lr, decay):
        ratio = self.floor * self.size(w) / self.size(d)
        return (1 - decay) * w - lr * d * torch.maximum(ratio, torch.ones_like(ratio))


class Spectral:
    """function(s in units of sqrt(out/in)) -> s."""

    def __init__(self, function):
        self.function = function

    def start(self, w):
        return mapped(w, self.function)

    def step(self, w, d, lr, decay):
        return mapped((1 - decay) * w - lr * d, self.function)


def hammer(bound):
    def function(s):
        s = s.clone()
        s[0] = bound
        return s.clamp(max=bound)
    return function


def soft_cap(bound):
    def function(s):
        x = s / bound
        k = float(x.max())
        if k <= 1:
            return s
        x, k = (x * 1.25 / k, 1.25) if k > 1.25 else (x, k)
        low, high = 0.0, 1 / k**2  # a with softcap(k) = 1
        for _ in range(200):
            a = (low + high) / 2
            y = k - a * k**3
            low, high = (a, high) if y + a * y**3 > 1 else (low, a)
        y = x - a * x**3
        return (y + a * y**3) * bound
    return function


def normalize(bound):
    return lambda s: s / max(1, s[0] / bound)


def cases():
    return {
        "initial_norm_row": ("tall", "{type: initial_norm, per: row}", KeptNorm(rows)),
        "normalize_and_project": ("wide", "normalize_and_project", KeptNorm()),
        "lawn": ("tall", "lawn", Lawn()),
        "lawn_row": ("wide", "{type: lawn, per: row}", Lawn(rows)),
        "radial_brake": ("tall", "radial_brake", RadialBrake(0.5, 1)),
        "radial_brake_both": ("wide", "{type: radial_brake, outward: 0.2, inward: 0.7}", RadialBrake(0.2, 0.7)),
        "rpgd": ("tall", "rpgd", Rpgd(1)),
        "rpgd_slow": ("wide", "{type: rpgd, scale_lr: 0.25}", Rpgd(0.25)),
        "relative_update_floor": ("tall", "relative_update_floor", Floor(0.35, norm)),
        "relative_update_floor_row": ("wide", "{type: relative_update_floor, floor: 2, per: row}", Floor(2, rows)),
        "spectral_normalize": ("wide", "{type: spectral_normalize, bound: 0.9}", Spectral(normalize(0.9))),
        "spectral_hammer": ("tall", "{type: spectral_hammer, bound: 1.1}", Spectral(hammer(1.1))),
        "spectral_hard_cap": ("wide", "{type: spectral_hard_cap, bound: 0.8}", Spectral(lambda s: s.clamp(max=0.8))),
        "spectral_soft_cap": ("tall", "{type: spectral_soft_cap, bound: 0.9}", Spectral(soft_cap(0.9))),
    }


def main():
    normal = random_stream(70)
    tensors = {"lr": 0.1 * torch.linspace(1, 0.3, STEPS, dtype=torch.float64)}
    tensors["decay"] = 0.5 * tensors["lr"] * (torch.arange(STEPS) % 3 == 0)
    for name, shape in SHAPES.items():
        tensors[f"{name}/w0"] = normal(*shape)
        sizes = 10 ** normal(STEPS).clamp(-1, 0.5)
        tensors[f"{name}/direction"] = normal(STEPS, *shape) * sizes.view(-1, 1, 1)
    settings = {}
    for case, (shape, text, rule) in cases().items():
        w = rule.start(tensors[f"{shape}/w0"])
        steps = []
        for t in range(STEPS):
            w = rule.step(w, tensors[f"{shape}/direction"][t], tensors["lr"][t], tensors["decay"][t])
            steps.append(w)
        tensors[f"{case}/w"] = torch.stack(steps)
        settings[case] = {"shape": shape, "constraint": text}
    save("constraints", tensors, **settings)


main()
