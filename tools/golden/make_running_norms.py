"""running_norms.safetensors: norms with running statistics, step by step, from the papers' recursions in fp64.

Every step is one micro-batch. Where the published code and the paper differ the code is followed (the batch's statistic
in PowerNorm's backward). Names, for each norm:
    in/x, dout/y, out/y [S,B,T,d]   grad/x [S,B,T,d]   grad/gain, grad/bias [S,d]   param/gain, param/bias [d]
    before/BUFFER [...]             after/BUFFER [S,...]

Packages and names: see common.py. Run: python tools/golden/make_running_norms.py
"""

import torch

from common import gain, prefixed, random_stream, save

WIDTH, BATCH, LENGTH, STEPS = 8, 2, 3, 5


class PowerNorm:
    """Shen et al. 2020, algorithm 2, with scaling of groups of channels first."""

    def __init__(self, normal, groups, warmup, momentum, eps):
        self.groups, self.warmup, self.momentum, self.eps = groups, warmup, momentum, eps
        self.t, self.phi, self.nu = 0, torch.ones(WIDTH, dtype=torch.float64), 0.01 * normal(WIDTH)

    def buffers(self):
        return {"steps": self.t, "mean_square": self.phi, "gradient": self.nu}

    def step(self, x, dy, weight, bias):
        self.t += 1
        x = x.clone().requires_grad_()
        u = torch.cat([part / (part.square().mean(-1, keepdim=True) + self.eps).sqrt()
                       for part in x.chunk(self.groups, -1)], -1)
        b = u.detach().square().mean((0, 1))
        s = b if self.t <= self.warmup else self.phi
        z = u.detach() / (s + self.eps).sqrt()
        if self.t < self.warmup:
            self.phi = self.phi * (self.t - 1) / self.t + b / self.t
        self.phi = self.momentum * self.phi + (1 - self.momentum) * b
        g = weight * dy
        corrected = g - (1 - self.momentum) * self.nu * z
        self.nu = self.nu + (corrected * z).mean((0, 1))
        u.backward(corrected / (b + self.eps).sqrt())
        return weight * z + bias, x.grad, (dy * z).sum((0, 1))


class UnifiedNorm:
    """Yang et al. 2022: the ring of statistics is indexed by the iteration, as in their release."""

    def __init__(self, normal, window, warmup, momentum, eps, steps_before):
        self.window, self.warmup, self.momentum, self.eps = window, warmup, momentum, eps
        self.t = steps_before
        self.run, self.ema = 1 + 0.3 * normal(WIDTH).abs(), 0.1 * normal(WIDTH)
        self.squares = {(self.t - i) % window: 1 + 0.3 * normal(WIDTH).abs() for i in range(window)}
        self.products = {(self.t - i) % window: 0.1 * normal(WIDTH) for i in range(window)}

    def buffers(self):
        oldest_first = [(self.t + 1 + i) % self.window for i in range(self.window)]
        return {"steps": self.t, "mean_square": self.run, "gradient": self.ema,
                "window": torch.stack([self.squares[i] for i in oldest_first]),
                "gradient_window": torch.stack([self.products[i] for i in oldest_first])}

    def step(self, x, dy, weight, bias):
        self.t += 1
        b = x.square().mean((0, 1))
        self.squares[self.t % self.window] = b
        warm = self.t <= self.window or self.t < self.warmup
        product = torch.stack(list(self.squares.values())).prod(0)
        v = b if warm else product ** (1 / self.window)
        r = torch.ones_like(v)
        if self.t > max(1000, self.warmup):
            r = torch.sqrt((v + self.eps) / (self.run + self.eps)).clamp(0.2, 5)
        z = x / torch.sqrt(v + self.eps)
        self.run = self.momentum * self.run + (1 - self.momentum) * v
        g = dy * weight * r
        q = (g * z).mean((0, 1))
        self.products[self.t % self.window] = q
        mean = q if warm else sum(self.products.values()) / self.window
        self.ema = self.momentum * self.ema + (1 - self.momentum) * mean
        return weight * z + bias, (g - self.ema * z) / torch.sqrt(v + self.eps), (dy * r * z).sum((0, 1))


class OnlineNorm:
    """Chiley et al. 2019, a step's tokens being one sample; then layer scaling, differentiated by autograd."""

    def __init__(self, normal, forward_decay, backward_decay, eps):
        self.a, self.b, self.eps = forward_decay, backward_decay, eps
        self.mu, self.var = 0.3 * normal(WIDTH), 1 + 0.3 * normal(WIDTH).abs()
        self.v, self.u = 0.1 * normal(WIDTH), 0.1 * normal(WIDTH)

    def buffers(self):
        return {"mean": self.mu, "variance": self.var, "gradient_product": self.v, "gradient": self.u}

    def step(self, x, dy, weight, bias):
        a, b, sigma = self.a, self.b, torch.sqrt(self.var + self.eps)
        z = (x - self.mu) / sigma
        scaled = (weight * z + bias).requires_grad_()
        y = scaled / torch.sqrt(scaled.square().mean(-1, keepdim=True) + self.eps)
        y.backward(dy)
        dy = scaled.grad
        self.dbias = dy.sum((0, 1))
        corrected = weight * dy - (1 - b) * self.v * z
        dx = corrected / sigma - (1 - b) * self.u
        self.v, self.u = self.v + (corrected * z).mean((0, 1)), self.u + dx.mean((0, 1))
        m, w = x.mean((0, 1)), x.var((0, 1), unbiased=False)
        self.var = a * self.var + (1 - a) * w + a * (1 - a) * (m - self.mu) ** 2
        self.mu = a * self.mu + (1 - a) * m
        return y.detach(), dx, (dy * z).sum((0, 1))


class FrozenNorm:
    """Baroni et al. 2025: the norm itself, then c / s with a fixed s; autograd differentiates it, the penalty included."""

    def __init__(self, normal, centred, freeze, merge, momentum, penalty, eps):
        self.centred, self.freeze, self.merge = centred, freeze, merge
        self.momentum, self.penalty, self.eps = momentum, penalty, eps
        self.t, self.std, self.first_std = 0, 0.0, 0.0

    def buffers(self):
        first = {} if self.merge is None else {"first_std": torch.as_tensor(self.first_std, dtype=torch.float64).view(1)}
        return {"steps": self.t, "std": torch.as_tensor(self.std, dtype=torch.float64).view(1)} | first

    def moved(self, old, now):
        return now if self.t == 1 else self.momentum * old + (1 - self.momentum) * now

    def step(self, x, dy, weight, bias):
        x, weight, bias = (v.clone().requires_grad_() for v in (x, weight, bias))
        c = x - x.mean(-1, keepdim=True) if self.centred else x
        own = torch.sqrt(c.square().mean(-1) + self.eps)  # [B, T]
        if self.t < self.freeze:
            s = own
        else:
            s = torch.full_like(own, float(self.std))
            if self.merge is not None and self.t < self.merge:
                s[:, 0] = float(self.first_std)
        y = weight * c / s[..., None] + bias
        loss = (y * dy).sum()
        if self.t > 0:
            loss = loss + self.penalty * (own - float(self.std)).square().sum()
        loss.backward()
        self.dbias = bias.grad
        self.t += 1
        if self.t <= self.freeze:
            others = own.detach() if self.merge is None else own.detach()[:, 1:]
            self.std = self.moved(self.std, others.mean())
            self.first_std = self.moved(self.first_std, own.detach()[:, 0].mean())
        return y.detach(), x.grad, weight.grad


CASES = {
    "power_norm": (PowerNorm, {"groups": 2, "warmup": 3, "momentum": 0.9, "eps": 1e-5}),
    "unified_norm": (UnifiedNorm, {"window": 3, "warmup": 1003, "momentum": 0.9, "eps": 1e-5, "steps_before": 1000}),
    "online_norm": (OnlineNorm, {"forward_decay": 0.9, "backward_decay": 0.8, "eps": 1e-5}),
    "frozen_norm": (FrozenNorm, {"centred": True, "freeze": 2, "merge": 4, "momentum": 0.7, "penalty": 0.1, "eps": 1e-5}),
    "frozen_norm_rms": (FrozenNorm, {"centred": False, "freeze": 3, "merge": None, "momentum": 0.9, "penalty": 0,
                                     "eps": 1e-6}),
}


def as_tensor(value):
    return value if isinstance(value, torch.Tensor) else torch.tensor([value], dtype=torch.float64)


def run(kind, settings, normal):
    norm = kind(normal, **settings)
    weight, bias = gain(normal, WIDTH), 0.3 * normal(WIDTH)
    x = 0.5 + normal(STEPS, BATCH, LENGTH, WIDTH) * torch.linspace(0.5, 2, STEPS, dtype=torch.float64).view(-1, 1, 1, 1)
    dy = normal(STEPS, BATCH, LENGTH, WIDTH)
    tensors = {"in/x": x, "dout/y": dy, "param/gain": weight, "param/bias": bias}
    tensors |= {f"before/{name}": as_tensor(value) for name, value in norm.buffers().items()}
    rows = []
    for s in range(STEPS):
        y, dx, dgain = norm.step(x[s], dy[s], weight, bias)
        dbias = getattr(norm, "dbias", dy[s].sum((0, 1)))
        after = {f"after/{name}": as_tensor(value) for name, value in norm.buffers().items()}
        rows.append({"out/y": y, "grad/x": dx, "grad/gain": dgain, "grad/bias": dbias} | after)
    return tensors | {name: torch.stack([row[name] for row in rows]) for name in rows[0]}


def main():
    tensors = {}
    for seed, (name, (kind, settings)) in enumerate(CASES.items(), start=400):
        tensors |= prefixed(name, run(kind, settings, random_stream(seed)))
    save("running_norms", tensors, **{name: settings for name, (_, settings) in CASES.items()})


if __name__ == "__main__":
    main()
