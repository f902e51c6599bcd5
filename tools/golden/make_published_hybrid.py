"""published_hybrid.safetensors: a hybrid whose layers are all published packages' code, none of it ours.

Packages: see common.py, and triton==3.6.0 'numpy<2.4' (triton's interpreter fails with a newer one). Run:
    python tools/golden/make_published_hybrid.py
The config is tests/golden/published_hybrid.yaml. What comes from where:

    attention, rotation, ffn, norms   transformers: LlamaAttention, LlamaRotaryEmbedding, LlamaMLP, LlamaRMSNorm
    Mamba-2                           transformers: Mamba2Mixer, its path without CUDA kernels
    DeltaNet                          flash-linear-attention: fla.layers.delta_net.DeltaNet
    embedding, head, loss             PyTorch: F.embedding, F.linear with the same weight, F.cross_entropy
    residual sums                     x + f(norm(x))

DeltaNet calls triton's kernels, which compute in fp32. For fp64 its four kernel calls are replaced, and nothing else:

    delta rule               fla.ops.delta_rule.naive.delta_rule_recurrence
    unit queries and keys    transformers: l2norm of Qwen3-Next, written there to agree with fla's
    short convolution        torch.nn.Conv1d.forward, the class above fla's ShortConvolution, cut to the length; F.silu
    norm of the outputs      torch.nn.functional.rms_norm

`check_against_kernels` runs the same model in fp32 with the layer as it is released, its kernels in triton's
interpreter on the CPU, and compares logits, loss and every gradient: the replacements are not trusted but checked.

Names: weights/NAME (F32), tokens and targets (I32 [1,2,24], target -1 means none), logits [2,24,40] and loss [1] (F64),
grad/NAME (F32), the gradient of that mean loss. NAME is Ingot's.
"""

import contextlib
import os
from unittest import mock

os.environ["TRITON_INTERPRET"] = "1"  # before triton is imported

import fla.layers.delta_net as fla_delta_net  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from fla.modules import RMSNorm, ShortConvolution  # noqa: E402
from fla.ops.delta_rule.naive import delta_rule_recurrence  # noqa: E402
from torch.func import functional_call  # noqa: E402
from transformers import LlamaConfig, Mamba2Config  # noqa: E402
from transformers.models.llama.modeling_llama import (LlamaAttention, LlamaMLP, LlamaRMSNorm,  # noqa: E402
                                                      LlamaRotaryEmbedding)
from transformers.models.mamba2.modeling_mamba2 import Mamba2Mixer  # noqa: E402
from transformers.models.qwen3_next.modeling_qwen3_next import l2norm  # noqa: E402
from triton.runtime.autotuner import Autotuner  # noqa: E402

from common import InDouble, gain, matrix, random_stream, save  # noqa: E402

LAYERS = "DFMFAF"
ROWS, LENGTH, VOCABULARY, WIDTH, FFN = 2, 24, 40, 24, 32
DELTA_HEADS, HEADS, KV_HEADS, HEAD_DIM = 3, 4, 2, 6
INNER, MAMBA_HEADS, GROUPS, STATE = 48, 6, 2, 8

LLAMA = LlamaConfig(hidden_size=WIDTH, intermediate_size=FFN, num_attention_heads=HEADS, num_key_value_heads=KV_HEADS,
                    head_dim=HEAD_DIM, attention_bias=False, mlp_bias=False, hidden_act="silu",
                    rope_parameters={"rope_type": "default", "rope_theta": 10000.0})
LLAMA._attn_implementation = "eager"
MAMBA2 = Mamba2Config(hidden_size=WIDTH, expand=INNER // WIDTH, head_dim=INNER // MAMBA_HEADS, num_heads=MAMBA_HEADS,
                      state_size=STATE, n_groups=GROUPS, conv_kernel=4, chunk_size=8, use_conv_bias=True,
                      use_bias=False, layer_norm_epsilon=1e-5, num_hidden_layers=1)


def norm(x, weight):
    return functional_call(LlamaRMSNorm(WIDTH, eps=1e-6), {"weight": weight}, (x,))


def attention(x, w):
    layer = LlamaAttention(LLAMA, 0)
    future = torch.full((LENGTH, LENGTH), -torch.inf, dtype=x.dtype).triu(1)
    position = torch.arange(LENGTH).expand(ROWS, LENGTH)
    weights = {f"{part}_proj.weight": w[f"{part}.weight"] for part in "qkvo"}
    return functional_call(layer, weights, (x, LlamaRotaryEmbedding(LLAMA)(x, position), future[None, None]))[0]


def mamba2(x, w):
    weights = {"in_proj.weight": torch.cat([w[f"{part}.weight"] for part in ("z", "x", "b", "c", "dt")]),
               "conv1d.weight": w["conv.weight"][:, None, :], "conv1d.bias": w["conv.bias"], "A_log": w["a_log"],
               "D": w["d"], "dt_bias": w["dt_bias"], "norm.weight": w["gated_norm.gain"],
               "out_proj.weight": w["out.weight"]}
    return functional_call(Mamba2Mixer(MAMBA2, 0), weights, (x,))


def delta_net(x, w):
    layer = fla_delta_net.DeltaNet(hidden_size=WIDTH, num_heads=DELTA_HEADS)  # else as released
    weights = {f"{part}_proj.weight": w[f"{part}.weight"] for part in "qkvo"}
    weights |= {f"{part}_conv1d.weight": w[f"{part}_conv.weight"][:, None, :] for part in "qkv"}
    weights |= {"b_proj.weight": w["beta.weight"], "o_norm.weight": w["output_norm.gain"]}
    assert set(weights) == set(dict(layer.named_parameters()))
    return functional_call(layer, weights, (x,))[0]


def swiglu(x, w):
    weights = {f"{part}_proj.weight": w[f"{part}.weight"] for part in ("gate", "up", "down")}
    return functional_call(LlamaMLP(LLAMA), weights, (x,))


BRANCHES = {"D": ("mixer", delta_net), "M": ("mixer", mamba2), "A": ("mixer", attention), "F": ("ffn", swiglu)}


def logits_of(weights, tokens):
    """tokens [B,T] -> [B,T,V]."""
    x = F.embedding(tokens, weights["embedding.weight"])
    for depth, operator in enumerate(LAYERS):
        section, branch = BRANCHES[operator]
        prefix = f"layers.{depth}.{section}."
        below = {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
        x = x + branch(norm(x, weights[f"layers.{depth}.input_norm.gain"]), below)
    return F.linear(norm(x, weights["final_norm.gain"]), weights["embedding.weight"])


def run(weights, batch):
    """Logits, mean loss over the targets, and its gradient by name, in the type of the weights."""
    leaves = {name: value.clone().requires_grad_() for name, value in weights.items()}
    logits = logits_of(leaves, batch["tokens"])
    loss = F.cross_entropy(logits.flatten(0, 1), batch["targets"].flatten(), ignore_index=-1)
    loss.backward()
    return logits.detach(), loss.detach(), {name: leaf.grad for name, leaf in leaves.items()}


def plain_delta_rule(q, k, v, beta, initial_state, output_final_state, cu_seqlens, use_qk_l2norm_in_kernel):
    """In place of fla.ops.delta_rule.fused_recurrent_delta_rule. Tensors are [B,T,H,D], beta [B,T,H]."""
    assert initial_state is None and cu_seqlens is None and use_qk_l2norm_in_kernel and not output_final_state
    q, k = l2norm(q, dim=-1, eps=1e-6), l2norm(k, dim=-1, eps=1e-6)
    o, _ = delta_rule_recurrence(*[part.transpose(1, 2) for part in (q, k, v, beta)])
    return o.transpose(1, 2), None


def plain_convolution(self, x, **_):
    """In place of ShortConvolution.forward. x is [B,T,C]; the class pads by 3 on both sides."""
    assert self.activation == "silu"
    return F.silu(torch.nn.Conv1d.forward(self, x.mT)[..., :x.shape[1]]).mT, None


def plain_rms_norm(self, x):
    return F.rms_norm(x, x.shape[-1:], self.weight, self.eps)


@contextlib.contextmanager
def without_kernels():
    with mock.patch.object(fla_delta_net, "fused_recurrent_delta_rule", plain_delta_rule), \
            mock.patch.object(ShortConvolution, "forward", plain_convolution), \
            mock.patch.object(RMSNorm, "forward", plain_rms_norm):
        yield


def check_against_kernels(weights, batch, expected, tolerance=2e-5):
    """The released layers in fp32 give the same up to rounding; the largest difference is printed."""
    def difference(actual, value):
        return ((actual - value).abs().max() / value.abs().max()).item()

    # The tuner would time each setting of a kernel; interpreted, all give the same.
    with mock.patch.object(Autotuner, "do_bench", lambda self, call, quantiles: (0.0, 0.0, 0.0)):
        logits, loss, grads = run({name: value.float() for name, value in weights.items()}, batch)
    differences = {"logits": difference(logits, expected[0]), "loss": difference(loss, expected[1])}
    differences |= {name: difference(grads[name], value) for name, value in expected[2].items()}
    worst = max(differences, key=differences.get)
    print(f"released layers in fp32: logits {differences['logits']:.1e}, loss {differences['loss']:.1e}, "
          f"at most {differences[worst]:.1e} ({worst})")
    assert differences[worst] < tolerance, differences


def make_weights(normal):
    """All parts at work: no gain is 1, no bias 0. Rounded to fp32, in which they are stored."""
    kv_width, channels = KV_HEADS * HEAD_DIM, INNER + 2 * GROUPS * STATE
    matrices = {
        "D": {"q": (WIDTH, WIDTH), "k": (WIDTH, WIDTH), "v": (WIDTH, WIDTH), "o": (WIDTH, WIDTH),
              "beta": (DELTA_HEADS, WIDTH)},
        "M": {"z": (INNER, WIDTH), "x": (INNER, WIDTH), "b": (GROUPS * STATE, WIDTH), "c": (GROUPS * STATE, WIDTH),
              "dt": (MAMBA_HEADS, WIDTH), "out": (WIDTH, INNER)},
        "A": {"q": (WIDTH, WIDTH), "k": (kv_width, WIDTH), "v": (kv_width, WIDTH), "o": (WIDTH, WIDTH)},
        "F": {"gate": (FFN, WIDTH), "up": (FFN, WIDTH), "down": (WIDTH, FFN)},
    }
    others = {
        "D": lambda: {f"{part}_conv.weight": normal(WIDTH, 4) / 2 for part in "qkv"}
        | {"output_norm.gain": gain(normal, WIDTH // DELTA_HEADS)},
        "M": lambda: {"conv.weight": normal(channels, 4) / 2, "conv.bias": 0.3 * normal(channels),
                      "a_log": 0.5 + 0.7 * normal(MAMBA_HEADS), "d": 1 + 0.3 * normal(MAMBA_HEADS),
                      "dt_bias": -1 + normal(MAMBA_HEADS), "gated_norm.gain": gain(normal, INNER)},
        "A": dict,
        "F": dict,
    }
    weights = {"embedding.weight": matrix(normal, VOCABULARY, WIDTH), "final_norm.gain": gain(normal, WIDTH)}
    for depth, operator in enumerate(LAYERS):
        parts = {f"{part}.weight": matrix(normal, *shape) for part, shape in matrices[operator].items()}
        parts |= others[operator]()
        weights[f"layers.{depth}.input_norm.gain"] = gain(normal, WIDTH)
        weights |= {f"layers.{depth}.{BRANCHES[operator][0]}.{part}": value for part, value in parts.items()}
    return {name: value.float().double() for name, value in weights.items()}


def main():
    weights = make_weights(random_stream(70))
    stream = torch.randint(VOCABULARY, (ROWS, LENGTH + 1), generator=torch.Generator().manual_seed(71))
    batch = {"tokens": stream[:, :-1], "targets": stream[:, 1:].clone()}
    batch["targets"][1, -5:] = -1  # the mean is over targets, not over positions or rows
    with InDouble(), without_kernels():
        logits, loss, grads = run(weights, batch)
    assert logits.dtype == torch.float64 and all(value.abs().max() > 0 for value in grads.values())
    check_against_kernels(weights, batch, (logits, loss, grads))
    tensors = {name: value[None].int() for name, value in batch.items()} | {"logits": logits, "loss": loss[None]}
    tensors |= {f"weights/{name}": value.float() for name, value in weights.items()}
    tensors |= {f"grad/{name}": value.float() for name, value in grads.items()}
    save("published_hybrid", tensors, layers=LAYERS)


if __name__ == "__main__":
    main()
