"""muon_pp, swan, sinkgd, aro, auon_paper .safetensors: trajectories of optimizers without released code, in fp64.

Written from the papers' formulas; polar factors and inverse roots by decompositions, in place of the iterations of Ingot.

Packages and names: see common.py, trajectories.py. Run: python tools/golden/make_matrix_optimizers.py
"""

import math

import torch

from trajectories import save_cases

SHAPES = {"tall": (5, 3), "wide": (3, 5)}


class Rule:
    """function(gradient, state) gives the direction; decoupled decay."""

    def __init__(self, params, function, decay=0.0):
        self.params, self.function, self.decay = list(params), function, decay
        self.states = [{} for _ in self.params]
        self.param_groups = [{"lr": 0.0}]

    @torch.no_grad()
    def step(self):
        lr = self.param_groups[0]["lr"]
        for param, state in zip(self.params, self.states):
            direction = self.function(param.grad, state)
            param.mul_(1 - lr * self.decay).sub_(lr * direction)


def average(grad, state, beta, nesterov):
    state["m"] = beta * state.get("m", torch.zeros_like(grad)) + (1 - beta) * grad
    return (1 - beta) * grad + beta * state["m"] if nesterov else state["m"]


def polar(x):
    u, _, vt = torch.linalg.svd(x, full_matrices=False)
    return u @ vt


def muon_pp(params, settings):
    def direction(grad, state):
        factor = polar(average(grad, state, settings["momentum"], True))
        rows, columns = grad.shape
        return math.sqrt(rows / columns) * factor / torch.linalg.matrix_norm(factor, 2)

    return Rule(params, direction, settings["weight_decay"])


def auon(params, settings):
    def direction(grad, state):
        u = average(grad, state, settings["momentum"], True)
        x = u / (u.norm() + 1e-7)
        return x / (settings["gamma"] * x).cosh().square().mean().sqrt()

    return Rule(params, direction, settings["weight_decay"])


def swan(params, settings):
    def direction(grad, _):
        standard = (grad - grad.mean(1, keepdim=True)) / (grad.std(1, correction=0, keepdim=True) + 1e-8)
        left, values, _ = torch.linalg.svd(standard @ standard.T)
        keep = values > 1e-9 * values[0]  # the means are gone, so rows are dependent where they are many
        white = (left[:, keep] / values[keep].sqrt()) @ left[:, keep].T @ standard
        return white * standard.norm() / white.norm() if settings["rescale"] else white

    return Rule(params, direction, settings["weight_decay"])


def equal_norms(x, iterations):
    rows, columns = x.shape
    for _ in range(iterations):
        x = torch.stack([row * math.sqrt(columns) / max(row.norm(), 1e-8) for row in x])
        x = torch.stack([column * math.sqrt(rows) / max(column.norm(), 1e-8) for column in x.T]).T
    return x


def sinkgd(params, settings):
    return Rule(params, lambda grad, _: equal_norms(grad, settings["iterations"]), settings["weight_decay"])


def aro(params, settings):
    bases = {"sinkhorn": lambda x: equal_norms(x, settings["iterations"]),
             "rows": lambda x: x / x.norm(dim=1, keepdim=True) * math.sqrt(x.shape[1]), "sign": torch.sign}
    base = bases[settings["base"]]

    def direction(grad, state):
        m = average(grad, state, settings["momentum"], False)
        columns = settings["side"] == "smaller" and m.shape[1] < m.shape[0]
        m = m.T if columns else m
        r = state.get("r", torch.eye(m.shape[0], dtype=m.dtype))
        # Gram and Schmidt, row by row of the transpose.
        rows = []
        for vector in (m @ base(r.T @ m).T).T:
            for known in rows:
                vector = vector - (vector @ known) * known
            rows.append(vector / vector.norm())
        state["r"] = torch.stack(rows).T
        turned = settings["rms"] * state["r"] @ base(state["r"].T @ m)
        return turned.T if columns else turned

    return Rule(params, direction, settings["weight_decay"])


if __name__ == "__main__":
    save_cases("muon_pp", {"exact": {"momentum": 0.95, "weight_decay": 0.1, "method": "exact"}}, muon_pp, shapes=SHAPES)
    save_cases("auon_paper", {"paper": {"momentum": 0.9, "weight_decay": 0.1, "gamma": 2.0, "form": "paper"}}, auon,
               shapes=SHAPES)
    exact = {"weight_decay": 0.1, "method": "exact"}
    save_cases("swan", {"plain": exact | {"rescale": False}, "rescaled": exact | {"rescale": True}}, swan, shapes=SHAPES)
    save_cases("sinkgd", {"paper": {"weight_decay": 0.1, "iterations": 5}, "short": {"weight_decay": 0.0, "iterations": 1}},
               sinkgd, shapes=SHAPES)
    turning = {"momentum": 0.9, "weight_decay": 0.1, "iterations": 3, "rms": 0.2}
    # Three rows each: a momentum of rank 3 among 5 rows would leave a part of the basis to chance.
    save_cases("aro", {"sinkhorn": turning | {"base": "sinkhorn", "side": "smaller"},
                       "rows": turning | {"base": "rows", "side": "smaller"}}, aro, shapes=SHAPES)
