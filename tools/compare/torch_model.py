"""The model of an Ingot config as users of PyTorch write it: the peer that Ingot's speed is measured against.

Packages: torch==2.11.0; for DeltaNet and Mamba2 also fla-core (flash-linear-attention), transformers and what they import
(einops packaging regex tqdm huggingface_hub tokenizers typer).

Projections of the same input are one Linear, attention is scaled_dot_product_attention, the loss is cross_entropy on whole
logits; the cores of DeltaNet and Mamba2 are those packages' chunked forms in pure torch. `PARTS` of a module says of which of
Ingot's tensors its parameters are made, so that `load` can start from a checkpoint: equal losses then show that it is the same
model. hybrid.py has the layers once more, written for clearness instead of speed.
"""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F

from ingot_files import expand_pattern, variant


def resolve_width(width, d_model, multiple_of):
    """`2048`, `3x` or `8/3x` of the model's width, a ratio rounded up to a multiple."""
    text = str(width)
    if not text.endswith("x"):
        return int(text)
    numerator, _, denominator = text[:-1].partition("/")
    return math.ceil(float(numerator) * d_model / (float(denominator or 1) * multiple_of)) * multiple_of


def head_sizes(settings, d_model):
    """(number of heads, width of one)"""
    heads = settings["num_heads"] or d_model // settings["head_dim"]
    return heads, settings["head_dim"] or d_model // heads


def causal_conv(x, weight, bias=None):
    """silu of a depthwise convolution over x [B,T,C]; the last tap of weight [C,taps] meets the current token."""
    taps = weight.shape[1]
    y = F.conv1d(x.transpose(1, 2), weight.unsqueeze(1), bias, padding=taps - 1, groups=weight.shape[0])
    return F.silu(y[..., :x.shape[1]]).transpose(1, 2)


class Attention(nn.Module):
    PARTS = {"qkv.weight": ["q.weight", "k.weight", "v.weight"], "o.weight": ["o.weight"]}

    def __init__(self, d_model, seq_len, settings):
        super().__init__()
        self.heads, self.head_dim = head_sizes(settings, d_model)
        self.kv_heads = settings["num_kv_heads"] or self.heads
        self.qkv = nn.Linear(d_model, (self.heads + 2 * self.kv_heads) * self.head_dim, bias=False)
        self.o = nn.Linear(self.heads * self.head_dim, d_model, bias=False)
        kind, position = variant(settings["position"])
        self.rotates = kind == "rope"
        if self.rotates:
            half = self.head_dim // 2
            frequency = position["theta"] ** (-torch.arange(half, dtype=torch.float64) / half)
            angle = torch.outer(torch.arange(seq_len, dtype=torch.float64), frequency)
            self.register_buffer("cos", angle.cos().float(), persistent=False)
            self.register_buffer("sin", angle.sin().float(), persistent=False)

    def rotate(self, x):
        """Turns the pairs (i, i + K/2) of x [B,H,T,K]."""
        a, b = x.chunk(2, -1)
        cos, sin = self.cos.to(x.dtype), self.sin.to(x.dtype)
        return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)

    def forward(self, x):
        q, k, v = self.qkv(x).unflatten(-1, (-1, self.head_dim)).transpose(1, 2).split(
            [self.heads, self.kv_heads, self.kv_heads], 1)
        if self.rotates:
            q, k = self.rotate(q), self.rotate(k)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=self.heads != self.kv_heads)
        return self.o(y.transpose(1, 2).flatten(2))


class DeltaNet(nn.Module):
    PARTS = {"qkv.weight": ["q.weight", "k.weight", "v.weight"], "beta.weight": ["beta.weight"], "o.weight": ["o.weight"],
             "conv": ["q_conv.weight", "k_conv.weight", "v_conv.weight"], "gain": ["output_norm.gain"]}

    def __init__(self, d_model, seq_len, settings):
        super().__init__()
        from fla.ops.delta_rule.naive import delta_rule_chunkwise
        self.core, self.chunk = delta_rule_chunkwise, min(32, seq_len)  # 32: the package's default
        self.heads, self.head_dim = head_sizes(settings, d_model)
        self.qk_eps, self.eps = settings["qk_norm_eps"], settings["output_norm_eps"]
        width = self.heads * self.head_dim
        self.qkv, self.beta = nn.Linear(d_model, 3 * width, bias=False), nn.Linear(d_model, self.heads, bias=False)
        self.o = nn.Linear(width, d_model, bias=False)
        self.conv = nn.Parameter(torch.randn(3 * width, settings["conv_kernel"]) * 0.5)
        self.gain = nn.Parameter(torch.ones(self.head_dim))

    def forward(self, x):
        # The core adds an identity in fp32, so it wants no other type.
        qkv = causal_conv(self.qkv(x), self.conv).unflatten(-1, (-1, self.head_dim)).transpose(1, 2).float()
        q, k, v = qkv.split(self.heads, 1)
        q, k = [u * torch.rsqrt(u.square().sum(-1, keepdim=True) + self.qk_eps) for u in (q, k)]
        y, _ = self.core(q, k, v, self.beta(x).float().sigmoid().transpose(1, 2), self.chunk)
        y = F.rms_norm(y.transpose(1, 2).to(x.dtype), (self.head_dim,), self.gain, self.eps)
        return self.o(y.flatten(2))


class Mamba2(nn.Module):
    PARTS = {"joined.weight": [f"{part}.weight" for part in ("z", "x", "b", "c", "dt")], "conv": ["conv.weight"],
             "conv_bias": ["conv.bias"], "a_log": ["a_log"], "skip": ["d"], "dt_bias": ["dt_bias"],
             "gain": ["gated_norm.gain"], "out.weight": ["out.weight"]}

    def __init__(self, d_model, seq_len, settings):
        super().__init__()
        from transformers.models.mamba2.modeling_mamba2 import mamba2_chunk_scan
        self.core, self.chunk, self.eps = mamba2_chunk_scan, min(settings["chunk"], seq_len), settings["norm_eps"]
        self.inner, self.state = settings["expand"] * d_model, settings["num_groups"] * settings["state_dim"]
        self.heads, self.groups = self.inner // settings["head_dim"], settings["num_groups"]
        self.joined = nn.Linear(d_model, 2 * self.inner + 2 * self.state + self.heads, bias=False)
        self.conv = nn.Parameter(torch.randn(self.inner + 2 * self.state, settings["conv_kernel"]) * 0.5)
        self.conv_bias = nn.Parameter(torch.zeros(self.inner + 2 * self.state))
        self.a_log, self.dt_bias = [nn.Parameter(torch.zeros(self.heads)) for _ in range(2)]
        self.skip, self.gain = nn.Parameter(torch.ones(self.heads)), nn.Parameter(torch.ones(self.inner))
        self.out = nn.Linear(self.inner, d_model, bias=False)

    def forward(self, x):
        z, ubc, dt = self.joined(x).split([self.inner, self.inner + 2 * self.state, self.heads], -1)
        ubc = causal_conv(ubc, self.conv, self.conv_bias)
        u, b, c = [part.unflatten(-1, (count, -1)) for part, count in zip(
            ubc.split([self.inner, self.state, self.state], -1), (self.heads, self.groups, self.groups))]
        y = self.core(u, dt.float(), -self.a_log.float().exp(), b, c, chunk_size=self.chunk, D=self.skip,
                      dt_bias=self.dt_bias, dt_softplus=True)
        y = y.flatten(2).to(x.dtype) * F.silu(z)
        return self.out(F.rms_norm(y, (self.inner,), self.gain, self.eps))


class SwiGlu(nn.Module):
    PARTS = {"gate_up.weight": ["gate.weight", "up.weight"], "down.weight": ["down.weight"]}

    def __init__(self, d_model, seq_len, settings):
        super().__init__()
        width = resolve_width(settings["width"], d_model, settings["multiple_of"])
        self.gate_up, self.down = nn.Linear(d_model, 2 * width, bias=False), nn.Linear(width, d_model, bias=False)

    def forward(self, x):
        gate, up = self.gate_up(x).chunk(2, -1)
        return self.down(F.silu(gate) * up)


class GeluMlp(nn.Module):
    PARTS = {"up.weight": ["up.weight"], "down.weight": ["down.weight"]}

    def __init__(self, d_model, seq_len, settings):
        super().__init__()
        width = resolve_width(settings["width"], d_model, settings["multiple_of"])
        self.up, self.down = nn.Linear(d_model, width, bias=False), nn.Linear(width, d_model, bias=False)

    def forward(self, x):
        return self.down(F.gelu(self.up(x)))


BRANCHES = {"attention": Attention, "delta_net": DeltaNet, "mamba2": Mamba2, "swiglu": SwiGlu, "mlp": GeluMlp}
NORMS = {"rms_norm": lambda d_model, settings: nn.RMSNorm(d_model, eps=settings["eps"]),
         "layer_norm": lambda d_model, settings: nn.LayerNorm(d_model, eps=settings["eps"], bias=settings["bias"])}


def lookup(table, name):
    if name not in table:
        raise SystemExit(f"'{name}': expected one of {', '.join(table)}")
    return table[name]


class SubLayer(nn.Module):
    """x + branch(norm(x))"""

    def __init__(self, model, seq_len, operator):
        super().__init__()
        self.section = "mixer" if operator["mixer"] else "ffn"
        kind, settings = variant(operator[self.section])
        norm, norm_settings = variant(model["norm"])
        self.norm = lookup(NORMS, norm)(model["d_model"], norm_settings)
        self.branch = lookup(BRANCHES, kind)(model["d_model"], seq_len, settings)

    def forward(self, x):
        return x + self.branch(self.norm(x))


class LanguageModel(nn.Module):
    """Takes tokens and targets [B,T] (target -1: none) and returns the mean loss over the targets."""

    def __init__(self, config, vocab_size):
        super().__init__()
        model, seq_len = config["model"], config["data"]["seq_len"]
        self.embedding = nn.Embedding(vocab_size, model["d_model"])
        learned = variant(model["position"])[0] == "learned"
        self.position = nn.Parameter(torch.randn(seq_len, model["d_model"]) * 0.02) if learned else None
        names = expand_pattern(model["layers"], model["operators"])
        self.layers = nn.ModuleList(SubLayer(model, seq_len, model["operators"][name]) for name in names)
        norm, settings = variant(model["norm"])
        self.norm = lookup(NORMS, norm)(model["d_model"], settings)
        self.head = nn.Linear(model["d_model"], vocab_size, bias=False)
        if model["tie_embeddings"]:
            self.head.weight = self.embedding.weight
        for name, value in self.named_parameters():
            if is_matrix(name, value):
                nn.init.normal_(value, std=0.02)

    def forward(self, tokens, targets):
        x = self.embedding(tokens)
        if self.position is not None:
            x = x + self.position[:tokens.shape[1]]
        for layer in self.layers:
            x = layer(x)
        return F.cross_entropy(self.head(self.norm(x)).flatten(0, 1).float(), targets.flatten(), ignore_index=-1)

    def parts(self, name):
        """Names of the tensors of Ingot that one after the other make up this parameter."""
        if name == "position":
            return ["position.weight"]
        if name.startswith("norm."):
            return ["final_norm." + ("gain" if name.endswith("weight") else "bias")]
        if not name.startswith("layers."):
            return [name]
        _, depth, section, inner = name.split(".", 3)
        if section == "norm":
            return [f"layers.{depth}.input_norm." + ("gain" if inner == "weight" else "bias")]
        layer = self.layers[int(depth)]
        return [f"layers.{depth}.{layer.section}.{part}" for part in layer.branch.PARTS[inner]]

    @torch.no_grad()
    def load(self, weights):
        """Copies the tensors of an Ingot checkpoint, every one of them."""
        left = dict(weights)
        for name, value in self.named_parameters():
            value.copy_(torch.cat([left.pop(part) for part in self.parts(name)]))
        if left:
            raise SystemExit(f"tensors that this model lacks: {', '.join(left)}")


def is_matrix(name, value):
    """Whether weight decay acts on it."""
    return value.dim() == 2 and name != "position" and not name.endswith("conv")
