"""decay.safetensors: 20 updates under each rule of `optim.decay`, fp64, learning rate 0.02 x (0.1 + 0.9 (1 - (t + 1)/20)).

`corrected` by pytorch-optimizer's AdamC with normalised layers (package); the others own formula. Names: w0, grad [20,...],
CASE/w [20,...]; the settings of a case are the section `optim:` of a config.

Packages: see common.py; pytorch-optimizer==4.1.0. Run: python tools/golden/make_decay.py
"""

import torch
from pytorch_optimizer import AdamC

from common import random_stream, save

STEPS, LR, DECAY = 20, 0.02, 0.5
ADAM = f"{{type: adamw, lr: {LR}, betas: [0.9, 0.95], weight_decay: {DECAY}}}"
SGD = f"{{type: sgd, lr: {LR}, momentum: 0.9, weight_decay: {DECAY}}}"
FACTORS = [0.1 + 0.9 * (1 - (t + 1) / STEPS) for t in range(STEPS)]


def adam_directions(gradients):
    m = v = 0
    for t, g in enumerate(gradients, 1):
        m = 0.9 * m + 0.1 * g
        v = 0.95 * v + 0.05 * g * g
        yield m / (1 - 0.9**t) / ((v / (1 - 0.95**t)).sqrt() + 1e-8)


def sgd_directions(gradients):
    buffer = 0
    for g in gradients:
        buffer = 0.9 * buffer + g
        yield buffer


def run(w, directions, taken):
    """taken(s, w, d): what decay takes from w at the schedule's factor s, beside s·LR·d."""
    out = []
    for s, d in zip(FACTORS, directions):
        w = w - taken(s, w, d) - s * LR * d
        out.append(w)
    return torch.stack(out)


def corrected(w, gradients):
    """Its eps is divided by the root of the bias correction, PyTorch's is not: one that does not count."""
    param = torch.nn.Parameter(w.clone())
    optimizer = AdamC([{"params": [param], "normalized": True}], lr=LR, betas=(0.9, 0.95), eps=1e-20, weight_decay=DECAY,
                      foreach=False)
    out = []
    for s, g in zip(FACTORS, gradients):
        param.grad = g.clone()
        optimizer.param_groups[0]["lr"] = s * LR
        optimizer.step()
        out.append(param.detach().clone())
    return torch.stack(out)


def main():
    normal = random_stream(60)
    w, gradients = normal(5, 4), normal(STEPS, 5, 4)
    decoupled = lambda s, w, d: s * LR * DECAY * w
    cases = {
        "decoupled_sgd": (f"{{optimizer: {SGD}, decay: decoupled", run(w, sgd_directions(gradients), decoupled)),
        "independent_adam": (f"{{optimizer: {ADAM}, decay: independent",
                             run(w, adam_directions(gradients), lambda s, w, d: s * DECAY * w)),
        "cautious_adam": (f"{{optimizer: {ADAM}, decay: cautious",
                          run(w, adam_directions(gradients), lambda s, w, d: s * LR * DECAY * w * (w * d >= 0))),
        "cautious_sgd": (f"{{optimizer: {SGD}, decay: cautious",
                         run(w, sgd_directions(gradients), lambda s, w, d: s * LR * DECAY * w * (w * d >= 0))),
        "corrected_adam": (f"{{optimizer: {ADAM[:-1]}, eps: 1e-20}}, decay: corrected", corrected(w, gradients)),
        # A schedule of the decay's own, s as well: to zero as the rate falls.
        "scheduled_adam": (f"{{optimizer: {ADAM}, schedules: {{weight_decay: {{schedule: {{type: linear, final_ratio: 0.1}}}}}}",
                           run(w, adam_directions(gradients), lambda s, w, d: s * s * LR * DECAY * w)),
    }
    tensors = {"w0": w, "grad": gradients} | {f"{case}/w": out for case, (_, out) in cases.items()}
    save("decay", tensors, **{case: f"{text}, schedule: {{type: linear, final_ratio: 0.1}}}}"
                              for case, (text, _) in cases.items()})


main()
