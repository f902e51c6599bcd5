"""What authors_placements.py and authors_residuals.py share: stand-ins for mixers and ffns, and the run of a small stack.

A stack is two blocks of attention and ffn, D = 4 wide, in the authors' own block code; where their attention or ffn is not what
a case is about, the plain ones below stand in for it, so that the same weights run in Ingot's `attention` and `mlp`.
"""

from types import SimpleNamespace

import torch
from torch import nn
from torch.nn import functional as F

from common import evaluate, prefixed, random_stream, save

D, HEADS, HIDDEN, BATCH, LENGTH, BLOCKS = 4, 2, 8, 2, 4, 2


def attend(q, k, v):
    """Causal attention [B, T, H, K] without positions."""
    q, k, v = (t.transpose(1, 2) for t in (q, k, v))
    hidden = torch.ones(q.shape[-2], q.shape[-2], dtype=torch.bool).triu(1)
    scores = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).masked_fill(hidden, -torch.inf)
    return (torch.softmax(scores, -1) @ v).transpose(1, 2)


class Attention(nn.Module):
    """Multi-head attention called in the ways in which the releases call theirs.

    time_first: x is [T, B, D]; outputs: how many values a call returns.
    """

    num_heads, head_dim = HEADS, D // HEADS

    def __init__(self, time_first=False, outputs=1):
        super().__init__()
        self.time_first, self.outputs = time_first, outputs
        self.q, self.k, self.v, self.o = (nn.Linear(D, D, bias=False) for _ in range(4))

    def forward(self, *args, query=None, hidden_states=None, **_):
        x = next(t for t in (*args, query, hidden_states) if t is not None)
        x = x.transpose(0, 1) if self.time_first else x
        heads = [part(x).unflatten(-1, (HEADS, -1)) for part in (self.q, self.k, self.v)]
        y = self.o(attend(*heads).flatten(-2))
        y = y.transpose(0, 1) if self.time_first else y
        return y if self.outputs == 1 else (y,) + (None,) * (self.outputs - 1)

    def _get_input_buffer(self, _):
        return None


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.up, self.down = nn.Linear(D, HIDDEN, bias=False), nn.Linear(HIDDEN, D, bias=False)

    def forward(self, x, **_):
        return self.down(F.gelu(self.up(x)))


class Stack(nn.Module):
    """Modules and parameters of the authors; `run(stack, x)` puts them together as their model does."""

    def __init__(self, run, **parts):
        super().__init__()
        self.run = run
        for name, part in parts.items():
            setattr(self, name, nn.ModuleList(part) if isinstance(part, list) else part)

    def forward(self, x):
        return self.run(self, x)


def in_turn(stack, x):
    for block in stack.blocks:
        x = block(x)
    return stack.final(x) if hasattr(stack, "final") else x


def time_first(call):
    """Runs `call(stack, x)` on [T, B, D]."""
    return lambda stack, x: call(stack, x.transpose(0, 1)).transpose(0, 1)


def affine(ours, theirs):
    return {f"{ours}.gain": f"{theirs}.weight", f"{ours}.bias": f"{theirs}.bias"}


def gain_only(ours, theirs):
    return {f"{ours}.gain": f"{theirs}.weight"}


def attention_names(depth, theirs):
    return {f"layers.{depth}.mixer.{part}.weight": f"{theirs}.{part}.weight" for part in "qkvo"}


def ffn_names(depth, up, down):
    return {f"layers.{depth}.ffn.up.weight": f"{up}.weight", f"layers.{depth}.ffn.down.weight": f"{down}.weight"}


def block_names(b, attention, up, down):
    return attention_names(2 * b, f"blocks.{b}.{attention}") | ffn_names(2 * b + 1, f"blocks.{b}.{up}", f"blocks.{b}.{down}")


def fairseq_scope(attention=Attention):
    """The names that fairseq's layers use; dropout and quantisation do nothing, attention is the stand-in."""
    options = lambda cfg, key, default=None: getattr(cfg, key, default)
    return {
        "MultiheadAttention": lambda *_, **__: attention(time_first=True, outputs=2),
        "LayerNorm": lambda width, export=False: nn.LayerNorm(width),
        "FairseqDropout": lambda *_, **__: nn.Identity(),
        "quant_noise": lambda module, *_, **__: module,
        "utils": SimpleNamespace(get_activation_fn=lambda activation: F.gelu, safe_getattr=options),
    }


def fairseq_config(**options):
    decoder = SimpleNamespace(embed_dim=D, ffn_embed_dim=HIDDEN, attention_heads=HEADS, normalize_before=False,
                              xformers_att_config=None)
    quant = SimpleNamespace(pq=0, pq_block_size=8)
    cfg = dict(decoder=decoder, quant_noise=quant, dropout=0, activation_fn="gelu", activation_dropout=0, relu_dropout=0,
               attention_dropout=0, cross_self_attention=False, export=False, char_inputs=False)
    return SimpleNamespace(**(cfg | options))


def run_stack(seed, stack, names, fixed=None):
    """The case's tensors. `names`: Ingot's name -> theirs, or (theirs, f) where f cuts, turns or joins values and gradients alike.

    fixed: their parameters that Ingot lacks -> the value at which they do nothing. The input x [B, T, D] is Ingot's embedding
    table, a row for each token.
    """
    normal, fixed = random_stream(seed), fixed or {}
    stack = stack.double()
    linear = {f"{name}.weight" for name, module in stack.named_modules() if isinstance(module, (nn.Linear, nn.Embedding))}
    exported = {ours: source if isinstance(source, tuple) else (source, lambda t: t) for ours, source in names.items()}
    exported = {ours: ((theirs,) if isinstance(theirs, str) else theirs, turn) for ours, (theirs, turn) in exported.items()}
    params, used = {}, {name for theirs, _ in exported.values() for name in theirs}
    for name, parameter in stack.named_parameters():
        if name in used:
            noise = normal(*(parameter.shape or (1,))).reshape(parameter.shape)
            params[name] = noise / parameter.shape[-1] ** 0.5 if name in linear else parameter.detach() + 0.3 * noise
        else:
            parameter.data.fill_(fixed[next(end for end in fixed if name.endswith(end))])
            parameter.requires_grad_(False)
    assert used == set(params), used - set(params)

    def run(inputs, p):
        return {"y": torch.func.functional_call(stack, p, (inputs["x"],))}

    made = evaluate(run, {"x": normal(BATCH, LENGTH, D)}, params, random_stream(seed + 1000))
    tensors = {name: value for name, value in made.items() if name.split("/")[1] in ("x", "y")}
    for ours, (theirs, turn) in exported.items():
        for kind in ("param", "grad"):
            tensors[f"{kind}/{ours}"] = turn(*(made[f"{kind}/{name}"].detach() for name in theirs))
    return tensors


def save_cases(file, cases, code, first_seed):
    """Writes the goldens of all cases: name -> builder of (stack, names, fixed) for `run_stack` out of the checkouts."""
    tensors, settings = {}, {}
    for seed, (name, builder) in enumerate(cases.items(), start=first_seed):
        stack, names, fixed = builder(code)
        tensors |= prefixed(name, run_stack(seed, stack, names, fixed))
        settings[name] = code.origin() or {"formula": True}
    save(file, tensors, **settings)
