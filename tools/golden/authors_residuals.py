"""authors_residuals.safetensors: two blocks with every residual rule and with QKNorm's score, as authors_placements.safetensors.

Packages and names: see common.py, authors.py; also einops. Run: python tools/golden/authors_residuals.py --sources DIR
"""

import math
from types import SimpleNamespace

import torch
from torch import nn
from torch.nn import functional as F

from authors import checkouts
from authors_placements import Rms, each_block, fairseq, first_of, llama, llama_pre_names, pre_norms
from authors_stacks import (BATCH, BLOCKS, D, HEADS, HIDDEN, LENGTH, Attention, Mlp, Stack, affine, attention_names,
                            block_names, ffn_names, gain_only, in_turn, save_cases, time_first)

DEPTHS = range(2 * BLOCKS)


def branches():
    return [Mlp() if depth % 2 else Attention() for depth in DEPTHS]


def branch_names():
    names = {}
    for depth in DEPTHS:
        branch = f"branches.{depth}"
        names |= ffn_names(depth, f"{branch}.up", f"{branch}.down") if depth % 2 else attention_names(depth, branch)
    return names


def add(code):
    layer, cfg = fairseq(code, pre=True)
    stack = Stack(time_first(first_of), blocks=[layer(cfg, no_encoder_attn=True) for _ in range(BLOCKS)],
                  final=nn.LayerNorm(D))
    return stack, each_block(pre_norms) | affine("final_norm", "final"), {"fc1.bias": 0, "fc2.bias": 0}


def rezero(code):
    scope = code.take("majumderb/rezero", "rezero/transformer/rztx.py", "RZTXEncoderLayer", Linear=nn.Linear,
                      Dropout=nn.Dropout, MultiheadAttention=lambda *_, **__: Attention(outputs=2))
    blocks = [scope["RZTXEncoderLayer"](D, HEADS, HIDDEN, dropout=0, activation="gelu") for _ in range(BLOCKS)]
    names = each_block(lambda b: block_names(b, "self_attn", "linear1", "linear2") | {
        f"layers.{2 * b}.residual.scale": f"blocks.{b}.resweight"})
    return Stack(in_turn, blocks=blocks), names, {"linear1.bias": 0, "linear2.bias": 0}


def layer_scale(code):
    scope = code.take("facebookresearch/deit", "cait_models.py", "LayerScale_Block", Attention_talking_head=None, Mlp=None)
    blocks = [scope["LayerScale_Block"](D, HEADS, Attention_block=lambda *_, **__: Attention(),
                                        Mlp_block=lambda **_: Mlp(), init_values=0.1) for _ in range(BLOCKS)]
    names = each_block(lambda b: block_names(b, "attn", "mlp.up", "mlp.down") | affine(
        f"layers.{2 * b}.input_norm", f"blocks.{b}.norm1") | affine(f"layers.{2 * b + 1}.input_norm", f"blocks.{b}.norm2") | {
            f"layers.{2 * b}.residual.gain": f"blocks.{b}.gamma_1",
            f"layers.{2 * b + 1}.residual.gain": f"blocks.{b}.gamma_2"})
    return Stack(in_turn, blocks=blocks, final=nn.LayerNorm(D)), names | affine("final_norm", "final"), {}


def fixup(code):
    """gelu in place of relu. The shifts inside the ffn are held at 0, as Ingot has them in the ffn's own biases. The release
    subtracts its shifts: Ingot's are theirs with the other sign, at the end scale · (x - shift) with shift 0."""
    scope = code.take("hongyi-zhang/Fixup", "fairseq/fairseq/models/transformer_zero.py", "LayerShift", "LayerScale",
                      "TransformerZeroEncoderLayer", "Linear", math=math, F=SimpleNamespace(relu=F.gelu, dropout=F.dropout),
                      MultiheadAttentionZero=lambda *_, **__: Attention(time_first=True, outputs=2))
    args = SimpleNamespace(encoder_embed_dim=D, encoder_ffn_embed_dim=HIDDEN, encoder_attention_heads=HEADS, dropout=0.0,
                           attention_dropout=0, relu_dropout=0.0, encoder_normalize_before=True, encoder_layers=BLOCKS,
                           decoder_layers=0)

    def run(stack, x):
        for block in stack.blocks:
            x = block(x, None)
        return stack.end_scale(stack.end_shift(x))

    blocks = [scope["TransformerZeroEncoderLayer"](args) for _ in range(BLOCKS)]
    minus = lambda t: -t
    names = each_block(lambda b: block_names(b, "self_attn", "fc1", "fc2") | {
        f"layers.{2 * b}.residual.shift_in": (f"blocks.{b}.shift0.bias", minus),
        f"layers.{2 * b + 1}.residual.shift_in": (f"blocks.{b}.shift1.bias", minus),
        f"layers.{2 * b}.residual.scale": f"blocks.{b}.scale0.weight",
        f"layers.{2 * b + 1}.residual.scale": f"blocks.{b}.scale1.weight"})
    stack = Stack(time_first(run), blocks=blocks, end_scale=scope["LayerScale"](), end_shift=scope["LayerShift"]())
    return stack, names | {"residual.scale": "end_scale.weight"}, {"shift2.bias": 0, "shift3.bias": 0, "end_shift.bias": 0}


def prores(code):
    """After 3 updates of a warm-up of 4 for the first block and twice as many for the second, as its training script has it."""
    stack = llama(code, "dandingsky/ProRes", "pre_prores")
    for block, steps in zip(stack.blocks, torch.linspace(8 // BLOCKS, 8, BLOCKS)):
        block.alpha = min(3 / float(steps), 1.0)
    return stack, each_block(llama_pre_names) | gain_only("final_norm", "final"), {}


def input_scalars(code):
    """The release's whole forward pass but for its attention. What else it does to the stream is held at 0: smear, backout;
    its attention alone reads the value embeddings. Behind the head, an identity, stands a soft cap, which is undone."""
    flat = lambda x: F.rms_norm(x, (x.size(-1),), eps=1e-6)
    scope = code.take("karpathy/nanochat", "nanochat/gpt.py", "Linear", "has_ve", "MLP", "Block", "GPT", norm=flat,
                      COMPUTE_DTYPE=torch.float64, print0=print, CausalSelfAttention=lambda *_: Attention())
    config = SimpleNamespace(sequence_len=LENGTH, vocab_size=D, n_layer=BLOCKS, n_head=HEADS, n_kv_head=HEADS, n_embd=D,
                             window_pattern="L")
    model = scope["GPT"](config, pad_vocab_size_to=1)
    model.transformer.wte = nn.Identity()
    model.lm_head, model.smear_gate = nn.Identity(), scope["Linear"](D, 1, bias=False)  # its width of 24 is more than D
    model.value_embeds = nn.ModuleDict()

    def run(stack, x):
        stack.model.transformer.wte.forward = lambda _: x
        return 15 * torch.atanh(stack.model(torch.zeros(x.shape[:2], dtype=torch.long)) / 15)

    names = {}
    for b in range(BLOCKS):
        theirs = f"model.transformer.h.{b}"
        names |= attention_names(2 * b, f"{theirs}.attn") | ffn_names(2 * b + 1, f"{theirs}.mlp.c_fc", f"{theirs}.mlp.c_proj")
        entry = lambda t, b=b: t[b:b + 1]
        names |= {f"layers.{2 * b}.residual.stream_scale": ("model.resid_lambdas", entry),
                  f"layers.{2 * b}.residual.embedding_scale": ("model.x0_lambdas", entry)}
    return Stack(run, model=model), names, {"smear_gate.weight": 0, "smear_lambda": 0, "backout_lambda": 0}


def hyper_connections(code):
    """Not the paper's authors' code, of which there is none but the paper's listing: lucidrains's, which follows that listing. Its
    norm divides by the length alone and has a gain: it gets Ingot's eps, the gain is held at 1."""
    from einops import einsum, rearrange
    from einops.layers.torch import Rearrange
    from functools import partial
    from random import randrange
    from torch.utils._pytree import tree_flatten, tree_unflatten
    length = lambda x, dim: x / torch.sqrt((x * x).sum(dim, keepdim=True) + D * 1e-6)
    scope = code.take("lucidrains/hyper-connections", "hyper_connections/hyper_connections.py", "exists", "divisible_by",
                      "default", "add", "RMSNorm", "HyperConnections", einsum=einsum, rearrange=rearrange, cat=torch.cat,
                      F=SimpleNamespace(normalize=length), Rearrange=Rearrange, partial=partial, randrange=randrange,
                      tree_flatten=tree_flatten, tree_unflatten=tree_unflatten)
    streams = 3

    def run(stack, x):
        h = x.repeat_interleave(streams, 0)
        for depth, branch in enumerate(stack.branches):
            read, join = stack.connections[depth](h)
            h = join(branch(read))
        return h.unflatten(0, (-1, streams)).sum(1)

    connections = [scope["HyperConnections"](streams, dim=D, layer_index=depth) for depth in DEPTHS]
    names = branch_names()
    for depth in DEPTHS:
        theirs, ours = f"connections.{depth}", f"layers.{depth}.residual"
        names |= {f"{ours}.read": (f"{theirs}.static_alpha", lambda t: t[:, 0]),
                  f"{ours}.mix": (f"{theirs}.static_alpha", lambda t: t[:, 1:]),
                  f"{ours}.write": f"{theirs}.static_beta",
                  f"{ours}.dynamic.weight": ((f"{theirs}.dynamic_alpha_fn", f"{theirs}.dynamic_beta_fn"),
                                             lambda a, b: torch.cat([a[:, 1:], a[:, :1], b[:, None]], 1).T),
                  f"{ours}.read_size": (f"{theirs}.dynamic_alpha_scale", lambda t: t.reshape(1)),
                  f"{ours}.write_size": (f"{theirs}.dynamic_beta_scale", lambda t: t.reshape(1))}
    return Stack(run, branches=branches(), connections=connections), names, {"norm.gamma": 0}


def mhc(code):
    """The authors' model in transformers. Its eps inside the weights (hc_eps) is 0 here, which the paper does not have; its learned
    sum of the streams before the head is not Ingot's: their mean stands there."""
    from transformers.models.deepseek_v4.modeling_deepseek_v4 import DeepseekV4DecoderLayer, DeepseekV4HyperConnection
    code.note("transformers 5.24", "DeepseekV4DecoderLayer", "DeepseekV4HyperConnection")
    n = 3
    config = SimpleNamespace(hc_mult=n, hc_sinkhorn_iters=3, hc_eps=0.0, rms_norm_eps=1e-6, hidden_size=D)
    blocks = []
    for _ in range(BLOCKS):
        block = DeepseekV4DecoderLayer.__new__(DeepseekV4DecoderLayer)
        nn.Module.__init__(block)  # without the attention and experts that the constructor would make
        block.attn_hc, block.ffn_hc = DeepseekV4HyperConnection(config), DeepseekV4HyperConnection(config)
        for connection in (block.attn_hc, block.ffn_hc):
            for start, parameter in ((0, connection.fn), (0, connection.base), (1, connection.scale)):
                parameter.data.fill_(start)
        block.self_attn, block.mlp = Attention(outputs=2), Mlp()
        block.input_layernorm, block.post_attention_layernorm = Rms(), Rms()
        blocks.append(block)

    def run(stack, x):
        h = x.unsqueeze(2).expand(-1, -1, n, -1).contiguous()
        for block in stack.blocks:
            h = block(h)
        return stack.final(h.mean(2))

    def turned(t):
        """Rows of the mixing matrix: the release applies its transpose."""
        mix = t[2 * n:].unflatten(0, (n, n)).transpose(0, 1).flatten(0, 1)
        return torch.cat([t[:2 * n], mix])

    names = {}
    for b in range(BLOCKS):
        names |= block_names(b, "self_attn", "mlp.up", "mlp.down")
        for depth, part, norm in ((2 * b, "attn_hc", "input_layernorm"), (2 * b + 1, "ffn_hc", "post_attention_layernorm")):
            theirs, ours = f"blocks.{b}.{part}", f"layers.{depth}.residual"
            names |= gain_only(f"layers.{depth}.input_norm", f"blocks.{b}.{norm}")
            names |= {f"{ours}.dynamic.weight": (f"{theirs}.fn", turned), f"{ours}.dynamic.bias": (f"{theirs}.base", turned),
                      f"{ours}.size": f"{theirs}.scale"}
    return Stack(run, blocks=blocks, final=Rms()), names | gain_only("final_norm", "final"), {}


def qk_cosine(code):
    import numpy
    scope = code.take("CyndxAI/QKNorm", "QKNorm/layers.py", "ScaleUp", "MultiheadAttention", np=numpy)
    args = SimpleNamespace(embed_dim=D, num_heads=HEADS, att_dropout=0, use_bias=False, seq_len_threshold=LENGTH, mha_sup=True)
    later = torch.ones(LENGTH, LENGTH, dtype=torch.bool).triu(1)

    def run(stack, x):
        for attention, mlp in zip(stack.attention, stack.mlp):
            x = x + attention(x, x, x, later)[0]
            x = x + mlp(x)
        return x

    def names_of(b):
        names = {f"layers.{2 * b}.mixer.{part}.weight": (f"attention.{b}.weights", lambda t, i=i: t[i * D:(i + 1) * D])
                 for i, part in enumerate("qkvo")}
        names |= {f"layers.{2 * b}.mixer.score.g": (f"attention.{b}.mha_scale.scale", lambda t: t.reshape(1))}
        return names | ffn_names(2 * b + 1, f"mlp.{b}.up", f"mlp.{b}.down")

    parts = {"attention": [scope["MultiheadAttention"](args) for _ in range(BLOCKS)], "mlp": [Mlp() for _ in range(BLOCKS)]}
    return Stack(run, **parts), each_block(names_of), {}


# Without released code: the formulas, with a norm before each branch.

def formula(run, **parts):
    names = branch_names() | gain_only("final_norm", "final")
    for depth in DEPTHS:
        names |= gain_only(f"layers.{depth}.input_norm", f"norms.{depth}")
    return Stack(run, branches=branches(), norms=[Rms() for _ in DEPTHS], final=Rms(), **parts), names


def attention_residuals(_):
    """arXiv:2603.15031, without blocks: every sub-layer, and the head, reads a softmax average of what came before."""
    def average(values, query):
        scores = [(v * query).sum(-1) / torch.sqrt((v * v).sum(-1) / D + 1e-6) for v in values]
        weights = [torch.exp(s) for s in scores]
        return sum(w.unsqueeze(-1) * v for w, v in zip(weights, values)) / sum(weights).unsqueeze(-1)

    def run(stack, x):
        values = [x]
        for depth, branch in enumerate(stack.branches):
            read = average(values, stack.queries[depth]) if depth else x
            values.append(branch(stack.norms[depth](read)))
        return stack.final(average(values, stack.queries[0]))

    stack, names = formula(run, queries=nn.ParameterList([nn.Parameter(torch.zeros(D)) for _ in DEPTHS]))
    names |= {f"layers.{depth}.residual.query": f"queries.{depth}" for depth in DEPTHS if depth}
    return stack, names | {"residual.query": "queries.0"}, {}


def scaled(_):
    """arXiv:2310.02244: branches over the root of their number."""
    def run(stack, x):
        for depth, branch in enumerate(stack.branches):
            x = x + branch(stack.norms[depth](x)) / math.sqrt(2 * BLOCKS)
        return stack.final(x)

    return *formula(run), {}


CASES = {"add": add, "rezero": rezero, "layer_scale": layer_scale, "fixup": fixup, "prores": prores,
         "input_scalars": input_scalars, "hyper_connections": hyper_connections, "mhc": mhc,
         "attention_residuals": attention_residuals, "scaled": scaled, "qk_cosine": qk_cosine}


if __name__ == "__main__":
    save_cases("authors_residuals", CASES, checkouts(__doc__), first_seed=800)
