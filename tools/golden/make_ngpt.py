"""ngpt.safetensors: a small nGPT trained for 12 steps in fp64, written from the paper's equations.

Packages: torch==2.11.0 numpy safetensors. Run: python tools/golden/make_ngpt.py
Loshchilov et al. 2024, arXiv:2410.01131. The config is tests/golden/ngpt.yaml. Where the paper and Ingot place a factor at
different sides of an equation, the paper's place is taken here: s_qk stands on queries and keys, sqrt(d) on the gate alone,
every scale has its stored value and the factor that makes it effective, and the weights are normalised row by row. As in Ingot the
embedding is normalised once more where it enters the stream: its rows are unit vectors, so that this takes away nothing but the
radial part of their gradient (without it the losses of the last steps differ by 1e-4).
Names as in hybrid.safetensors: weights/NAME (F32, before the first step and before they are normalised), tokens, targets,
documents (I32 [12,3,21]), plain/logits [3,21,40] of the first batch before the first step, plain/loss [12], plain/norm [12]
(gradient norm, nothing is clipped), plain/final/NAME after the last step.
"""

import torch
import torch.nn.functional as F

from common import random_stream, save

STEPS, ROWS, LENGTH, VOCABULARY = 12, 3, 21, 40
WIDTH, HEADS, INNER, BLOCKS = 16, 2, 48, 2
HEAD = WIDTH // HEADS
RATE_START = 0.05  # alpha_init of the paper
STORED = WIDTH ** -0.5
LEARNING_RATE, BETAS = 1e-2, (0.9, 0.95)


def unit(x, dim=-1):
    return x / x.norm(dim=dim, keepdim=True)


def rotate(x):
    """Half-split rotary positions of x [B,T,H,K], base 10000."""
    half = HEAD // 2
    angle = torch.arange(x.shape[1])[:, None, None] * 10000.0 ** (-torch.arange(half, dtype=torch.float64) / half)
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()], -1)


def attention(h, w):
    """Eqs. 15-16: unit queries and keys times s_qk, scores times sqrt(K)."""
    q, k, v = [(h @ w[f"{part}.weight"].T).unflatten(-1, (HEADS, HEAD)) for part in "qkv"]
    s_qk = w["score.s_qk"] * (1 / STORED)
    q, k = unit(rotate(q)) * s_qk, unit(rotate(k)) * s_qk
    scores = torch.einsum("bihk,bjhk->bhij", q, k) * HEAD ** 0.5
    future = torch.ones(h.shape[1], h.shape[1], dtype=torch.bool).triu(1)
    mixed = torch.einsum("bhij,bjhk->bihk", scores.masked_fill(future, -torch.inf).softmax(-1), v)
    return mixed.flatten(-2) @ w["o.weight"].T


def feed_forward(h, w):
    """Eqs. 20-21: u s_u and v s_v sqrt(d), SwiGLU of both."""
    u = (h @ w["up.weight"].T) * w["up.scale"]
    v = (h @ w["gate.weight"].T) * w["gate.scale"] * WIDTH ** 0.5
    return (u * F.silu(v)) @ w["down.weight"].T


def logits(params, tokens):
    h = unit(params["embedding.weight"][tokens])
    for depth in range(2 * BLOCKS):
        section, branch = ("mixer", attention) if depth % 2 == 0 else ("ffn", feed_forward)
        prefix = f"layers.{depth}.{section}."
        below = {name.removeprefix(prefix): value for name, value in params.items() if name.startswith(prefix)}
        rate = params[f"layers.{depth}.residual.rate"].abs() * (RATE_START / STORED)
        h = unit(h + rate * (unit(branch(h, below)) - h))
    return (h @ params["head.weight"].T) * (params["head.scale"] * (1 / STORED))


def normalise(params):
    """Vectors along the model dimension have length 1: rows of what reads the stream, columns of what writes it."""
    with torch.no_grad():
        for name, value in params.items():
            if name.endswith((".o.weight", ".down.weight")):
                value.copy_(unit(value, 0))
            elif name.endswith(".weight"):
                value.copy_(unit(value, 1))


def make_weights(normal):
    """Every scale away from where it starts; one eigen learning rate is negative, whose absolute value counts."""
    def around(start, *shape):
        return start * (1 + 0.3 * normal(*shape))

    weights = {"embedding.weight": normal(VOCABULARY, WIDTH), "head.weight": normal(VOCABULARY, WIDTH),
               "head.scale": around(STORED, VOCABULARY)}
    for depth in range(2 * BLOCKS):
        prefix = f"layers.{depth}."
        weights[f"{prefix}residual.rate"] = around(STORED, WIDTH)
        if depth % 2 == 0:
            weights |= {f"{prefix}mixer.{part}.weight": normal(WIDTH, WIDTH) for part in "qkvo"}
            weights[f"{prefix}mixer.score.s_qk"] = around(STORED, HEADS, HEAD)
        else:
            weights |= {f"{prefix}ffn.{part}.weight": normal(INNER, WIDTH) for part in ("gate", "up")}
            weights |= {f"{prefix}ffn.{part}.scale": around(1, INNER) for part in ("gate", "up")}
            weights[f"{prefix}ffn.down.weight"] = normal(WIDTH, INNER)
    weights["layers.1.residual.rate"][3] *= -1
    return {name: value.float() for name, value in weights.items()}


def main():
    normal = random_stream(70)
    weights = make_weights(normal)
    stream = torch.randint(VOCABULARY, (STEPS, ROWS, LENGTH + 1), generator=torch.Generator().manual_seed(71))
    stream[..., 2::3] = stream[..., 1::3][..., :stream[..., 2::3].shape[-1]]
    tokens, targets = stream[..., :-1], stream[..., 1:]
    tensors = {f"weights/{name}": value for name, value in weights.items()}
    tensors |= {"tokens": tokens.int(), "targets": targets.int(), "documents": torch.zeros_like(tokens).int()}

    params = {name: value.double() for name, value in weights.items()}
    normalise(params)
    with torch.no_grad():
        tensors["plain/logits"] = logits(params, tokens[0])
    for value in params.values():
        value.requires_grad_()
    adam = torch.optim.Adam(params.values(), lr=LEARNING_RATE, betas=BETAS, eps=1e-8)
    losses, norms = [], []
    for step in range(STEPS):
        adam.zero_grad()
        loss = F.cross_entropy(logits(params, tokens[step]).flatten(0, 1), targets[step].flatten())
        loss.backward()
        losses.append(loss.item())
        norms.append(torch.cat([value.grad.flatten() for value in params.values()]).norm().item())
        adam.step()
        normalise(params)
    tensors["plain/loss"] = torch.tensor(losses, dtype=torch.float64)
    tensors["plain/norm"] = torch.tensor(norms, dtype=torch.float64)
    kept = ("embedding.weight", "head.scale", "layers.0.mixer.score.s_qk", "layers.1.residual.rate", "layers.1.ffn.up.scale",
            "layers.1.ffn.down.weight", "layers.2.mixer.q.weight", "layers.3.ffn.gate.scale")
    tensors |= {f"plain/final/{name}": params[name] for name in kept}
    print(losses)
    save("ngpt", tensors)


if __name__ == "__main__":
    main()
