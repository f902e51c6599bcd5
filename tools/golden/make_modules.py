"""rms_norm, layer_norm, swiglu and mlp: transformers' and torch's position-wise modules.

Packages and names: see common.py. Run: python tools/golden/make_modules.py
"""

import torch
import torch.nn.functional as F
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaMLP, LlamaRMSNorm

from common import check_in_float32, evaluate, gain, matrix, random_stream, save

WIDTH, INNER, BATCH, LENGTH = 32, 48, 2, 7


def rows(normal):
    """x [2,7,32] with rows of sizes 1e-3 to 100, so that eps counts in some of them."""
    return normal(BATCH, LENGTH, WIDTH) * torch.logspace(-3, 2, LENGTH, dtype=torch.float64)[:, None]


def make(name, seed, function, inputs, params, **settings):
    tensors = evaluate(function, inputs, params, random_stream(100 + seed))
    check_in_float32(function, tensors)
    save(name, tensors, **settings)


def make_norms():
    def rms_norm(inputs, params):
        norm = LlamaRMSNorm(WIDTH, eps=1e-6).to(inputs["x"].dtype)
        return {"y": torch.func.functional_call(norm, {"weight": params["gain"]}, (inputs["x"],))}

    def layer_norm(inputs, params):
        return {"y": F.layer_norm(inputs["x"], (WIDTH,), params["gain"], params["bias"], eps=1e-5)}

    normal = random_stream(30)
    make("rms_norm", 30, rms_norm, {"x": rows(normal)}, {"gain": gain(normal, WIDTH)}, eps=1e-6)
    normal = random_stream(31)
    make("layer_norm", 31, layer_norm, {"x": 0.5 + rows(normal)},
         {"gain": gain(normal, WIDTH), "bias": 0.3 * normal(WIDTH)}, eps=1e-5)


def make_ffns():
    def swiglu(inputs, params):
        layer = LlamaMLP(LlamaConfig(hidden_size=WIDTH, intermediate_size=INNER)).to(inputs["x"].dtype)
        weights = {f"{part}_proj.weight": params[f"{part}.weight"] for part in ("gate", "up", "down")}
        return {"y": torch.func.functional_call(layer, weights, (inputs["x"],))}

    def mlp(inputs, params):
        return {"y": F.gelu(inputs["x"] @ params["up.weight"].T) @ params["down.weight"].T}

    for seed, (name, function) in enumerate({"swiglu": swiglu, "mlp": mlp}.items(), start=40):
        normal = random_stream(seed)
        params = {"gate.weight": matrix(normal, INNER, WIDTH)} if name == "swiglu" else {}
        params |= {"up.weight": matrix(normal, INNER, WIDTH), "down.weight": matrix(normal, WIDTH, INNER)}
        make(name, seed, function, {"x": normal(BATCH, LENGTH, WIDTH)}, params,
             activation="silu" if name == "swiglu" else "gelu (erf)")


if __name__ == "__main__":
    make_norms()
    make_ffns()
