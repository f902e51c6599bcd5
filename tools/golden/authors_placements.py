"""authors_placements.safetensors: two blocks in every placement, in the authors' block code or, where none was released, in a
script of the paper's formula (`settings`: "formula"), run in fp64.

A case holds in/x [B, T, D], the embedding of each token, out/y, what the head reads, and param/, grad/ under Ingot's names.

Packages and names: see common.py, authors.py. Run: python tools/golden/authors_placements.py --sources DIR
"""

import math
from types import SimpleNamespace
from typing import cast

import torch
from torch import nn
from torch.nn import functional as F

from authors import checkouts
from authors_stacks import (BLOCKS, D, HEADS, HIDDEN, Attention, Mlp, Stack, affine, attend, attention_names, block_names,
                            fairseq_config, fairseq_scope, ffn_names, gain_only, in_turn, save_cases, time_first)


def each_block(names_of):
    return {ours: theirs for b in range(BLOCKS) for ours, theirs in names_of(b).items()}


# fairseq: Vaswani et al. 2017 and its pre-norm form; NormFormer; ResiDual on top of it. Its first layers have biases, held at 0.

FAIRSEQ = "fairseq/modules/transformer_layer.py"


def fairseq(code, repository="facebookresearch/fairseq", **options):
    scope = code.take(repository, FAIRSEQ, "TransformerDecoderLayerBase", **fairseq_scope())
    cfg = fairseq_config(**options)
    cfg.decoder.normalize_before = options.get("pre", False)
    return scope["TransformerDecoderLayerBase"], cfg


def fairseq_names(b, first_norm, second_norm):
    return block_names(b, "self_attn", "fc1", "fc2") | affine(first_norm, f"blocks.{b}.self_attn_layer_norm") | affine(
        second_norm, f"blocks.{b}.final_layer_norm")


def pre_norms(b):
    return fairseq_names(b, f"layers.{2 * b}.input_norm", f"layers.{2 * b + 1}.input_norm")


def stream_norms(b):
    return fairseq_names(b, f"layers.{2 * b}.stream_norm", f"layers.{2 * b + 1}.stream_norm")


def first_of(stack, x):
    for block in stack.blocks:
        x = block(x)[0]
    return stack.final(x) if hasattr(stack, "final") else x


def post(code):
    layer, cfg = fairseq(code)
    stack = Stack(time_first(first_of), blocks=[layer(cfg, no_encoder_attn=True) for _ in range(BLOCKS)])
    return stack, each_block(stream_norms), {"fc1.bias": 0, "fc2.bias": 0}


def pre(code):
    layer, cfg = fairseq(code, pre=True)
    stack = Stack(time_first(first_of), blocks=[layer(cfg, no_encoder_attn=True) for _ in range(BLOCKS)],
                  final=nn.LayerNorm(D))
    return stack, each_block(pre_norms) | affine("final_norm", "final"), {"fc1.bias": 0, "fc2.bias": 0}


def normformer(code, **options):
    """scale_heads: the release scales pieces of what W_o gives, the paper heads before W_o. Held at 1 here."""
    layer, cfg = fairseq(code, pre=True, scale_attn=True, scale_fc=True, scale_heads=True, **options)
    stack = Stack(time_first(first_of), blocks=[layer(cfg, no_encoder_attn=True) for _ in range(BLOCKS)],
                  final=nn.LayerNorm(D))
    names = each_block(pre_norms) | affine("final_norm", "final")
    names |= each_block(lambda b: affine(f"layers.{2 * b}.output_norm", f"blocks.{b}.attn_ln") | affine(
        f"layers.{2 * b + 1}.ffn.hidden_norm", f"blocks.{b}.ffn_layernorm"))
    if options.get("scale_resids"):
        names |= {f"layers.{2 * b + 1}.residual.gain": f"blocks.{b}.w_resid" for b in range(BLOCKS)}
    return stack, names, {"fc1.bias": 0, "fc2.bias": 0, "c_attn": 1}


def residual_dual(code):
    """The layers; how decoder and head begin and end (x + norm of the sum) is ours, as the release's decoder does it."""
    base, cfg = fairseq(code, dec_res_input_norm_scale=1.0)
    scope = code.take("microsoft/ResiDual", "resi_dual/resi_dual_layers.py", "ResiDualDecoderLayer",
                      TransformerDecoderLayerBase=base)

    def run(stack, x):
        state = (x, x)
        for block in stack.blocks:
            state = block(state)[0]
        return state[0] + stack.final(state[1])

    blocks = [scope["ResiDualDecoderLayer"](cfg, no_encoder_attn=True) for _ in range(BLOCKS)]
    names = each_block(stream_norms) | affine("final_norm", "final")
    return Stack(time_first(run), blocks=blocks, final=nn.LayerNorm(D)), names, {"fc1.bias": 0, "fc2.bias": 0}


def b2t(code):
    scope = code.take("takase/b2t_connection", FAIRSEQ, "TransformerDecoderLayer", "rescaling_init", **fairseq_scope())
    args = SimpleNamespace(decoder_embed_dim=D, decoder_ffn_embed_dim=HIDDEN, decoder_attention_heads=HEADS, dropout=0,
                           attention_dropout=0, decoder_normalize_before=False, residual_bottom_to_top=True,
                           no_layer_norm=False, decoder_layers=BLOCKS)
    stack = Stack(time_first(first_of),
                  blocks=[scope["TransformerDecoderLayer"](args, no_encoder_attn=True) for _ in range(BLOCKS)])
    return stack, each_block(stream_norms), {"fc1.bias": 0, "fc2.bias": 0}


def deepnorm(code):
    scope = code.take("microsoft/torchscale", "torchscale/architecture/decoder.py", "DecoderLayer", math=math,
                      LayerNorm=nn.LayerNorm, MultiheadAttention=lambda *_, **__: Attention(outputs=2),
                      FeedForwardNetwork=lambda *_: Mlp())
    args = SimpleNamespace(decoder_embed_dim=D, decoder_ffn_embed_dim=HIDDEN, decoder_attention_heads=HEADS, dropout=0,
                           attention_dropout=0, activation_dropout=0, activation_fn="gelu", drop_path_rate=0, subln=False,
                           layernorm_eps=1e-5, decoder_normalize_before=False, deepnorm=True, decoder_layers=BLOCKS)
    stack = Stack(first_of, blocks=[scope["DecoderLayer"](args, depth) for depth in range(BLOCKS)])
    names = each_block(lambda b: block_names(b, "self_attn", "ffn.up", "ffn.down") | affine(
        f"layers.{2 * b}.stream_norm", f"blocks.{b}.self_attn_layer_norm") | affine(
            f"layers.{2 * b + 1}.stream_norm", f"blocks.{b}.final_layer_norm"))
    return stack, names, {}


# LLaMA blocks of Mix-LN and of LayerNorm Scaling, which read their kind from the environment.

class Unlowered(str):
    """The release compares the lower-cased name with 'LNS', which so can never be: lower() gives the name as it is."""

    def lower(self):
        return str(self)


def llama(code, repository, norm_type, post_blocks=0):
    environment = {"NORM_TYPE": Unlowered(norm_type), "POST_NUM": str(post_blocks)}
    scope = code.take(repository, "peft_pretraining/modeling_llama.py", "LlamaRMSNorm", "LlamaDecoderLayer", math=math,
                      os=SimpleNamespace(getenv=lambda name, default=None: environment.get(name, default)),
                      LlamaAttention=lambda **_: Attention(outputs=3), LlamaMLP=lambda **_: Mlp(), print=lambda *_: None)
    config = SimpleNamespace(hidden_size=D, num_hidden_layers=BLOCKS, rms_norm_eps=1e-6, intermediate_size=HIDDEN,
                             hidden_act="gelu")
    blocks = [scope["LlamaDecoderLayer"](config, b) for b in range(BLOCKS)]
    return Stack(first_of, blocks=blocks, final=scope["LlamaRMSNorm"](D, eps=1e-6))


def llama_names(b, first_norm, first, second_norm, second):
    return block_names(b, "self_attn", "mlp.up", "mlp.down") | gain_only(
        f"layers.{2 * b}.{first_norm}", f"blocks.{b}.{first}") | gain_only(
            f"layers.{2 * b + 1}.{second_norm}", f"blocks.{b}.{second}")


def llama_pre_names(b):
    return llama_names(b, "input_norm", "input_layernorm", "input_norm", "post_attention_layernorm")


def layernorm_scaling(code):
    stack = llama(code, "lmsdss/LayerNorm-Scaling", "LNS")
    return stack, each_block(llama_pre_names) | gain_only("final_norm", "final"), {}


def mix_ln(code):
    stack = llama(code, "pixeli99/MixLN", "post_pre", post_blocks=1)
    names = llama_names(0, "stream_norm", "post_attention_layernorm", "stream_norm", "post_feedforward_layernorm")
    return stack, names | llama_pre_names(1) | gain_only("final_norm", "final"), {}


# Blocks that the labs themselves keep in transformers.

def of_transformers(code, kind, file, name, norm, layer_names):
    module = __import__(f"transformers.models.{file}.modeling_{file}", fromlist=[name])
    code.note("transformers 5.24", name, norm)
    layer, norm = getattr(module, name), getattr(module, norm)
    blocks = []
    for b in range(BLOCKS):
        block = layer.__new__(layer)
        nn.Module.__init__(block)  # without the attention and ffn that the constructor would make from a whole config
        block.self_attn, block.mlp = Attention(outputs=2), Mlp()
        for part in layer_names:
            setattr(block, part, norm(D, eps=1e-6))
        blocks.append(block)
    stack = Stack(in_turn, blocks=blocks, final=norm(D, eps=1e-6))
    names = each_block(lambda b: block_names(b, "self_attn", "mlp.up", "mlp.down") | {
        ours.format(2 * b, 2 * b + 1): f"blocks.{b}.{theirs}.weight" for theirs, ours in layer_names.items()})
    return stack, names | gain_only("final_norm", "final"), {}


def output_only(code):
    return of_transformers(code, "output_only", "olmo2", "Olmo2DecoderLayer", "Olmo2RMSNorm",
                           {"post_attention_layernorm": "layers.{0}.output_norm.gain",
                            "post_feedforward_layernorm": "layers.{1}.output_norm.gain"})


def sandwich(code):
    return of_transformers(code, "sandwich", "gemma2", "Gemma2DecoderLayer", "Gemma2RMSNorm",
                           {"input_layernorm": "layers.{0}.input_norm.gain",
                            "post_attention_layernorm": "layers.{0}.output_norm.gain",
                            "pre_feedforward_layernorm": "layers.{1}.input_norm.gain",
                            "post_feedforward_layernorm": "layers.{1}.output_norm.gain"})


def hybrid_norm(code, special=""):
    """The release's whole block, attention with norms of q, k and v included; without positions."""
    kinds = SimpleNamespace(default="default", low_precision="low_precision", rms="rms")
    activations = SimpleNamespace(gelu="gelu", relu="relu", swiglu="swiglu")
    scope = code.take("BryceZhuo/HybridNorm", "dense_model/olmo/model.py", "Dropout", "LayerNormBase", "LayerNorm",
                      "RMSLayerNorm", "Activation", "GELU", "OLMoBlock", "OLMoSequentialBlock", LayerNormType=kinds,
                      ActivationType=activations, abstractmethod=lambda f: f, cast=cast, math=math,
                      os=SimpleNamespace(environ={"RANK": "1"}))
    config = SimpleNamespace(
        d_model=D, n_heads=HEADS, effective_n_kv_heads=HEADS, n_layers=BLOCKS, mlp_hidden_size=HIDDEN, mlp_ratio=2,
        residual_dropout=0.0, attention_dropout=0.0, attention_layer_norm=False, attention_layer_norm_with_affine=True,
        use_query_norm=True, use_key_norm=True, use_value_norm=True, use_context_norm=False, attn_norm=False, ffn_norm=True,
        attn_residual_after_norm=False, ffn_residual_after_norm=True, norm_pos_special_config=special, clip_qkv=None,
        rope=False, flash_attention=False, include_bias=False, bias_for_layer_norm=False, layer_norm_type="rms",
        layer_norm_with_affine=True, layer_norm_eps=1e-5, activation_type="gelu", init_device="cpu")
    blocks = [scope["OLMoSequentialBlock"](b, config, {}) for b in range(BLOCKS)]
    stack = Stack(first_of, blocks=blocks, final=scope["RMSLayerNorm"](config))

    def names_of(b):
        part = lambda i: (f"blocks.{b}.att_proj.weight", lambda t: t[i * D:(i + 1) * D])
        first = int(bool(special) and b == 0)
        names = {f"layers.{2 * b}.mixer.{name}.weight": part(i) for i, name in enumerate("qkv")}
        names |= {f"layers.{2 * b}.mixer.{name}_norm.gain": f"blocks.{b}.{name}_norm.weight" for name in "qkv"}
        names |= {f"layers.{2 * b}.mixer.o.weight": f"blocks.{b}.attn_out.weight"}
        names |= ffn_names(2 * b + 1, f"blocks.{b}.ff_proj", f"blocks.{b}.ff_out")
        if first:
            names |= gain_only("layers.0.input_norm", "blocks.0.attn_norm")
        return names | gain_only(f"layers.{2 * b + first}.{'input' if first else 'stream'}_norm", f"blocks.{b}.ff_norm")

    return stack, each_block(names_of) | gain_only("final_norm", "final"), {}


def hybrid_norm_star(code):
    return hybrid_norm(code, special="_{0:{'attn_norm':True,'ffn_residual':False}}_")


def ngpt(code):
    """The release's block. Left out: its rotary positions, which multiply pairs by one table and are no rotation. The kernel of
    attention is the plain one. The embedding is brought to length 1 first, as the release does after every step."""
    scope = code.take("NVIDIA/ngpt", "model.py", "Block",
                      flash_attn_func=lambda q, k, v, softmax_scale, **_: attend(q * softmax_scale * q.shape[-1] ** 0.5, k, v),
                      get_sinusoidal_embeddings=lambda *_: torch.zeros(1),
                      apply_rotary_position_embeddings=lambda _, q, k: (q, k))
    config = SimpleNamespace(n_embd=D, n_head=HEADS, bias=False, use_nGPT=1, base_scale=D**-0.5)
    blocks = [scope["Block"](config, b) for b in range(BLOCKS)]

    def run(stack, x):
        x = stack.blocks[0].justnorm(x)
        for block in stack.blocks:
            x = block(x)
        return x

    def names_of(b):
        theirs = {"q": "query", "k": "key", "v": "value", "o": "att_c_proj"}
        names = {f"layers.{2 * b}.mixer.{ours}.weight": f"blocks.{b}.{name}.weight" for ours, name in theirs.items()}
        names |= {f"layers.{2 * b}.mixer.score.s_qk": (f"blocks.{b}.sqk", lambda t: t.reshape(HEADS, -1))}
        # Ingot's gate is what goes through silu: the release's second half.
        half = {"up": slice(None, 4 * D), "gate": slice(4 * D, None)}
        for ours, piece in half.items():
            names[f"layers.{2 * b + 1}.ffn.{ours}.weight"] = (f"blocks.{b}.c_fc.weight", lambda t, piece=piece: t[piece])
            names[f"layers.{2 * b + 1}.ffn.{ours}.scale"] = (f"blocks.{b}.suv", lambda t, piece=piece: t[piece])
        names[f"layers.{2 * b + 1}.ffn.down.weight"] = f"blocks.{b}.mlp_c_proj.weight"
        for depth, name in ((2 * b, "attn_alpha"), (2 * b + 1, "mlp_alpha")):
            names[f"layers.{depth}.residual.rate"] = f"blocks.{b}.{name}"
        return names

    return Stack(run, blocks=blocks), each_block(names_of), {}


# Without released code: the formulas. Norms are RMSNorms of the definition with eps 1e-6.

class Rms(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(D))

    def forward(self, x):
        return self.weight * x / torch.sqrt((x * x).sum(-1, keepdim=True) / D + 1e-6)


def formula(step, sites, final=True):
    """`step(x, f, norms, depth)` is one sub-layer; `sites`: names of the norms of a sub-layer's depth."""
    def run(stack, x):
        x = stack.embedding(x) if hasattr(stack, "embedding") else x
        for depth, branch in enumerate(stack.branches):
            x = step(x, branch, {site: norm for site, norm in stack.norms[depth].items()}, depth)
        return stack.final(x) if final else x

    depths = range(2 * BLOCKS)
    parts = {"branches": [Mlp() if depth % 2 else Attention() for depth in depths],
             "norms": [nn.ModuleDict({site: Rms() for site in sites(depth)}) for depth in depths]}
    names = {}
    for depth in depths:
        branch = f"branches.{depth}"
        names |= ffn_names(depth, f"{branch}.up", f"{branch}.down") if depth % 2 else attention_names(depth, branch)
        for site in sites(depth):
            names |= gain_only(f"layers.{depth}.{site}_norm", f"norms.{depth}.{site}")
    if final:
        parts["final"] = Rms()
        names |= gain_only("final_norm", "final")
    return Stack(run, **parts), names, {}


def peri(_):
    stack, names, fixed = formula(lambda x, f, n, _: x + n["output"](f(n["input"](x))), lambda _: ("input", "output"))
    stack.embedding = Rms()
    return stack, names | gain_only("embedding_norm", "embedding"), fixed


def depth_scaled_sandwich(_):
    return formula(lambda x, f, n, _: x + n["output"](f(n["input"](x))), lambda _: ("input", "output"))


def keel(_):
    def step(x, f, n, depth):
        if depth == 0:
            return x + f(n["input"](x))
        return n["stream"]((1 if depth == 1 else 2 * BLOCKS) * x + f(n["input"](x)))

    return formula(step, lambda depth: ("input", "stream") if depth else ("input",), final=False)


def none(_):
    return formula(lambda x, f, n, _: x + f(x), lambda _: (), final=False)


CASES = {
    "pre": pre, "post": post, "deepnorm": deepnorm, "sandwich": sandwich, "output_only": output_only, "mix_ln": mix_ln,
    "layernorm_scaling": layernorm_scaling, "hybrid_norm": hybrid_norm, "hybrid_norm_star": hybrid_norm_star,
    "normformer": normformer, "normformer_residual_scale": lambda code: normformer(code, scale_resids=True),
    "residual_dual": residual_dual, "b2t": b2t, "ngpt": ngpt, "peri": peri,
    "depth_scaled_sandwich": depth_scaled_sandwich, "keel": keel, "none": none,
}


if __name__ == "__main__":
    save_cases("authors_placements", CASES, checkouts(__doc__), first_seed=700)
