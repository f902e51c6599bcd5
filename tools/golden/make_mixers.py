"""mamba2, delta_net, delta_rule_core and ssd_core: transformers' Mamba2 and flash-linear-attention's naive recurrences.

Packages and names: see common.py. Run: python tools/golden/make_mixers.py
"""

import torch
import torch.nn.functional as F
from transformers import Mamba2Config
from transformers.models.mamba2.modeling_mamba2 import Mamba2Mixer

from common import check_in_float32, evaluate, gain, load_by_path, matrix, random_stream, save

WIDTH = 32
delta_rule = load_by_path("fla", "ops/delta_rule/naive.py").delta_rule_recurrence
simple_gla = load_by_path("fla", "ops/simple_gla/naive.py").naive_recurrent_simple_gla


def make_mamba2():
    """The mixer with its projection split by rows into z, x, b, c, dt; B and C are shared by the 8 heads of one group."""
    expand, head_dim, state_dim, batch, length, chunk = 2, 8, 16, 2, 21, 8
    inner = expand * WIDTH
    heads, channels = inner // head_dim, inner + 2 * state_dim
    config = Mamba2Config(hidden_size=WIDTH, expand=expand, head_dim=head_dim, num_heads=heads, state_size=state_dim,
                          n_groups=1, conv_kernel=4, chunk_size=chunk, use_conv_bias=True, use_bias=False,
                          layer_norm_epsilon=1e-5, num_hidden_layers=1)

    def function(inputs, params):
        layer = Mamba2Mixer(config, 0).to(inputs["x"].dtype).eval()
        projections = [params[f"{part}.weight"] for part in ("z", "x", "b", "c", "dt")]
        weights = {"in_proj.weight": torch.cat(projections), "out_proj.weight": params["out.weight"],
                   "conv1d.weight": params["conv.weight"][:, None, :], "conv1d.bias": params["conv.bias"],
                   "A_log": params["a_log"], "D": params["d"], "dt_bias": params["dt_bias"],
                   "norm.weight": params["gated_norm.gain"]}
        return {"y": torch.func.functional_call(layer, weights, (inputs["x"],))}

    normal = random_stream(10)
    rows = {"z": inner, "x": inner, "b": state_dim, "c": state_dim, "dt": heads}
    params = {f"{part}.weight": matrix(normal, n, WIDTH) for part, n in rows.items()}
    params |= {"out.weight": matrix(normal, WIDTH, inner), "conv.weight": normal(channels, 4) / 2,
               "conv.bias": 0.3 * normal(channels), "a_log": 0.5 + 0.7 * normal(heads), "d": 1 + 0.3 * normal(heads),
               "dt_bias": -1 + normal(heads), "gated_norm.gain": gain(normal, inner)}
    tensors = evaluate(function, {"x": normal(batch, length, WIDTH)}, params, normal)
    check_in_float32(function, tensors)
    save("mamba2", tensors, d_model=WIDTH, expand=expand, head_dim=head_dim, state_dim=state_dim, n_groups=1,
         conv_kernel=4, eps=1e-5, reference_chunk=chunk)


def make_delta_net():
    """The layer as Nemotron-Flash releases it around the recurrence o_t = S_t' q_t, S_t = S_{t-1} + beta k (v - S'k)'."""
    heads, batch, length = 4, 2, 37
    head_dim = WIDTH // heads

    def convolve(x, weight):
        """Causal and depthwise: y_t = sum_j w[:, j] x_{t-3+j}, so the last tap meets the current token."""
        padded = F.pad(x.transpose(1, 2), (weight.shape[1] - 1, 0))
        return F.conv1d(padded, weight[:, None, :], groups=weight.shape[0]).transpose(1, 2)

    def unit(x):
        return x * torch.rsqrt((x * x).sum(-1, keepdim=True) + 1e-6)

    def function(inputs, params):
        x = inputs["x"]
        q, k, v = [F.silu(convolve(x @ params[f"{part}.weight"].T, params[f"{part}_conv.weight"]))
                   .unflatten(-1, (heads, head_dim)).transpose(1, 2) for part in "qkv"]
        beta = torch.sigmoid(x @ params["beta.weight"].T).transpose(1, 2)
        o, _ = delta_rule(unit(q), unit(k), v, beta)
        o = o.transpose(1, 2)
        o = o * torch.rsqrt(o.square().mean(-1, keepdim=True) + 1e-5) * params["output_norm.gain"]
        return {"y": o.flatten(-2) @ params["o.weight"].T}

    normal = random_stream(11)
    params = {f"{part}.weight": matrix(normal, WIDTH, WIDTH) for part in "qkvo"}
    params |= {f"{part}_conv.weight": normal(WIDTH, 4) / 2 for part in "qkv"}
    params |= {"beta.weight": matrix(normal, heads, WIDTH), "output_norm.gain": gain(normal, head_dim)}
    tensors = evaluate(function, {"x": normal(batch, length, WIDTH)}, params, normal)
    check_in_float32(function, tensors)
    save("delta_net", tensors, d_model=WIDTH, num_heads=heads, conv_kernel=4, l2_eps=1e-6, norm_eps=1e-5)


def core_inputs(normal, batch=2, length=75, heads=2, key_dim=8, value_dim=6):
    return {"q": normal(batch, length, heads, key_dim), "k": normal(batch, length, heads, key_dim),
            "v": normal(batch, length, heads, value_dim), "s0": normal(batch, heads, key_dim, value_dim)}


def make_delta_rule_core():
    """Unit q and k; the scale dk^-1/2 is inside. States are [B,H,dk,dv]; 75 rows cross a chunk of 64."""
    def function(inputs, params):
        q, k, v, beta = [inputs[name].transpose(1, 2) for name in ("q", "k", "v", "beta")]
        o, state = delta_rule(q, k, v, beta, initial_state=inputs["s0"])
        return {"o": o.transpose(1, 2), "s": state}

    normal = random_stream(12)
    inputs = core_inputs(normal)
    inputs["q"], inputs["k"] = F.normalize(inputs["q"], dim=-1), F.normalize(inputs["k"], dim=-1)
    inputs["beta"] = torch.sigmoid(normal(*inputs["q"].shape[:3]))
    tensors = evaluate(function, inputs, {}, normal)
    check_in_float32(function, tensors)
    save("delta_rule_core", tensors, scale="dk^-1/2")


def make_ssd_core():
    """S_t = exp(g_t) S_{t-1} + k_t v_t', o_t = S_t' q_t with scale 1 and g <= 0 per head, some of it strong."""
    def function(inputs, params):
        q, k, v, g, s0 = [inputs[name] for name in ("q", "k", "v", "g", "s0")]
        o, state = simple_gla(q, k, v, g, scale=1.0, initial_state=s0)
        return {"o": o, "s": state}

    normal = random_stream(13)
    inputs = core_inputs(normal)
    inputs["g"] = -F.softplus(2 * normal(*inputs["q"].shape[:3]) - 1)
    tensors = evaluate(function, inputs, {}, normal)
    check_in_float32(function, tensors)
    save("ssd_core", tensors, scale=1)


if __name__ == "__main__":
    make_mamba2()
    make_delta_net()
    make_delta_rule_core()
    make_ssd_core()
