"""Trains random tokens through a hybrid language model in PyTorch on a GPU and prints its speed: the peer of `ingot train`.

Packages: torch==2.11.0, for D and M operators also fla-core (flash-linear-attention's Triton kernels). Run:
    python tools/compare/gpu_hybrid.py --layers "AF AF" --d-model 768 --heads 12 --vocab 50304 --rows 16 --seq-len 1024

Operators: A attention (SDPA, grouped heads, RoPE), D DeltaNet, M Mamba2, F SwiGLU, in the sizes of Nemotron-Flash. Weights are
fp32 under bf16 autocast, AdamW is the fused one, the loss is flash-linear-attention's chunked one where it is installed.
--compile compiles the whole model with torch.compile. Prints one JSON line: median tokens/s, step seconds, peak memory.
"""

import argparse
import json
import re
import statistics
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F


def expand(layers):
    """'2x(DF MF) AF' -> list of operator letters."""
    while "(" in layers:
        layers = re.sub(r"(\d+)\s*x\s*\(([^()]*)\)", lambda m: m[2] * int(m[1]), layers)
    return [c for c in layers if not c.isspace()]


def rope(x, cos, sin):
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


class Attention(nn.Module):
    def __init__(self, args):
        super().__init__()
        self.heads, self.kv_heads, self.width = args.heads, args.kv_heads, args.d_model // args.heads
        self.qkv = nn.Linear(args.d_model, (self.heads + 2 * self.kv_heads) * self.width, bias=False)
        self.o = nn.Linear(args.d_model, args.d_model, bias=False)
        angle = torch.outer(torch.arange(args.seq_len + args.meta, dtype=torch.float32), 1e4 ** (-torch.arange(0, self.width, 2) / self.width))
        self.register_buffer("cos", angle.cos().to(torch.bfloat16), persistent=False)
        self.register_buffer("sin", angle.sin().to(torch.bfloat16), persistent=False)

    def forward(self, x):
        q, k, v = self.qkv(x).unflatten(-1, (-1, self.width)).transpose(1, 2).split(
            [self.heads, self.kv_heads, self.kv_heads], 1)
        q, k = rope(q, self.cos, self.sin), rope(k, self.cos, self.sin)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=self.heads != self.kv_heads)
        return self.o(y.transpose(1, 2).flatten(2))


class DeltaNet(nn.Module):
    def __init__(self, args):
        super().__init__()
        from fla.modules import RMSNorm, ShortConvolution
        self.heads, d = args.delta_heads, args.d_model
        self.qkv, self.beta = nn.Linear(d, 3 * d, bias=False), nn.Linear(d, self.heads, bias=False)
        self.conv = ShortConvolution(3 * d, 4, activation="silu")
        self.norm = RMSNorm(d // self.heads, eps=1e-5)
        self.o = nn.Linear(d, d, bias=False)

    def forward(self, x):
        from fla.ops.delta_rule import chunk_delta_rule
        qkv, _ = self.conv(self.qkv(x))
        q, k, v = qkv.unflatten(-1, (3 * self.heads, -1)).split(self.heads, 2)
        y, _ = chunk_delta_rule(q, k, v, self.beta(x).sigmoid(), use_qk_l2norm_in_kernel=True)
        return self.o(self.norm(y).flatten(2))


class Mamba2(nn.Module):
    def __init__(self, args):
        super().__init__()
        from fla.modules import FusedRMSNormGated, ShortConvolution
        d = args.d_model
        self.inner, self.state, self.width = 2 * d, 128, 64
        self.heads = self.inner // self.width
        self.proj = nn.Linear(d, 2 * self.inner + 2 * self.state + self.heads, bias=False)
        self.conv = ShortConvolution(self.inner + 2 * self.state, 4, bias=True, activation="silu")
        self.dt_bias, self.a_log = nn.Parameter(torch.zeros(self.heads)), nn.Parameter(torch.zeros(self.heads))
        self.skip = nn.Parameter(torch.ones(self.heads))
        self.norm = FusedRMSNormGated(self.inner, eps=1e-5)
        self.out = nn.Linear(self.inner, d, bias=False)

    def forward(self, x):
        from fla.ops.simple_gla import chunk_simple_gla
        z, xbc, dt = self.proj(x).split([self.inner, self.inner + 2 * self.state, self.heads], -1)
        xbc, _ = self.conv(xbc.contiguous())
        u, b, c = xbc.split([self.inner, self.state, self.state], -1)
        u = u.unflatten(-1, (self.heads, self.width))
        dt = F.softplus(dt.float() + self.dt_bias)
        shape = (*b.shape[:2], self.heads, self.state)
        y, _ = chunk_simple_gla(c.unsqueeze(2).expand(shape), b.unsqueeze(2).expand(shape),
                                (u * dt.unsqueeze(-1)).to(u.dtype), g=-dt * self.a_log.exp(), scale=1.0)
        y = (y + u * self.skip.unsqueeze(-1)).to(u.dtype).flatten(2)
        return self.out(self.norm(y, z.contiguous()))


class SwiGlu(nn.Module):
    def __init__(self, args):
        super().__init__()
        self.up, self.down = nn.Linear(args.d_model, 2 * args.ffn, bias=False), nn.Linear(args.ffn, args.d_model, bias=False)

    def forward(self, x):
        gate, up = self.up(x).chunk(2, -1)
        return self.down(F.silu(gate) * up)


class Model(nn.Module):
    def __init__(self, args):
        super().__init__()
        kinds = {"A": Attention, "D": DeltaNet, "M": Mamba2, "F": SwiGlu}
        self.embedding = nn.Embedding(args.vocab, args.d_model)
        self.meta = nn.Parameter(torch.randn(args.meta, args.d_model) * 0.02) if args.meta else None
        letters = expand(args.layers)
        self.branches = nn.ModuleList(kinds[c](args) for c in letters)
        self.norms = nn.ModuleList(nn.RMSNorm(args.d_model, eps=1e-6) for _ in letters)
        self.final = nn.RMSNorm(args.d_model, eps=1e-6)
        nn.init.normal_(self.embedding.weight, std=0.02)
        self.prefix = args.meta

    def forward(self, tokens):
        x = self.embedding(tokens)
        if self.meta is not None:
            x = torch.cat([self.meta.expand(len(x), -1, -1), x], 1)
        for norm, branch in zip(self.norms, self.branches):
            x = x + branch(norm(x))
        return self.final(x)[:, self.prefix:]


def make_loss(model):
    try:
        from fla.modules import FusedLinearCrossEntropyLoss
        fused = FusedLinearCrossEntropyLoss()
        weight = model.embedding.weight
        return lambda h, y: fused(h.flatten(0, 1).to(torch.bfloat16), y.flatten(), weight.to(torch.bfloat16))
    except ImportError:
        return lambda h, y: F.cross_entropy((h @ model.embedding.weight.T).flatten(0, 1).float(), y.flatten())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", default="12x(AF)")
    for name, value in {"d_model": 768, "heads": 12, "kv_heads": 0, "delta_heads": 16, "ffn": 0, "vocab": 50304,
                        "meta": 0, "rows": 16, "seq_len": 1024, "steps": 12, "micro_steps": 1}.items():
        parser.add_argument("--" + name.replace("_", "-"), type=int, default=value)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--timing-only", action="store_true",
                        help="run Mamba2's kernel where fla refuses it (Hopper, Triton 3.4 to 3.7.0: wrong gradients)")
    args = parser.parse_args()
    if args.timing_only:
        import fla.ops.common.chunk_o
        fla.ops.common.chunk_o.IS_NVIDIA_HOPPER = False
    args.kv_heads = args.kv_heads or args.heads
    args.ffn = args.ffn or 3 * args.d_model
    torch.manual_seed(0)
    torch.set_float32_matmul_precision("high")
    with torch.device("cuda"):
        model = Model(args)
    loss_of = make_loss(model)
    run = torch.compile(model) if args.compile else model
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    seconds, loss = [], None
    for _ in range(args.steps):
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(args.micro_steps):
            tokens = torch.randint(args.vocab, (args.rows, args.seq_len + 1), device="cuda")
            with torch.autocast("cuda", torch.bfloat16):
                loss = loss_of(run(tokens[:, :-1]), tokens[:, 1:]) / args.micro_steps
            loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
        print(f"step {len(seconds)}: {seconds[-1]:.3f} s", file=sys.stderr, flush=True)
    step = statistics.median(seconds[len(seconds) // 2:])
    count = args.rows * args.seq_len * args.micro_steps
    print(json.dumps({"program": "pytorch" + (" compiled" if args.compile else ""), "layers": args.layers,
                      "parameters": sum(p.numel() for p in model.parameters()), "tokens_per_second": round(count / step),
                      "step_seconds": step, "memory_bytes": torch.cuda.max_memory_allocated(),
                      "loss": loss.item() * args.micro_steps}))


if __name__ == "__main__":
    main()
