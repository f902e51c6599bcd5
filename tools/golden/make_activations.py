"""activations, gated_ffns: PyTorch's activations, and feed-forwards with a gate made of them.

Packages and names: see common.py (torch and safetensors are enough). Run: python tools/golden/make_activations.py
"""

import torch
import torch.nn.functional as F

from common import check_in_float32, evaluate, matrix, prefixed, random_stream, save

WIDTH, INNER, BATCH, LENGTH, CLAMP = 32, 4, 1, 3, 0.5

ACTIVATIONS = {
    "silu": F.silu,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "relu": F.relu,
    "relu2": lambda x: F.relu(x) ** 2,
    "elu": F.elu,
    "elu_half": lambda x: F.elu(x, alpha=0.5),
    "selu": F.selu,
}

PRODUCTS = {
    "swiglu_clamped": lambda gate, up: F.silu(gate.clamp(max=CLAMP)) * up.clamp(min=-CLAMP, max=CLAMP),
    "geglu": lambda gate, up: F.gelu(gate) * up,
    "reglu": lambda gate, up: F.relu(gate) * up,
    "sglu": lambda gate, up: gate * up,
}


def make_activations():
    tensors = {}
    for seed, (name, activation) in enumerate(ACTIVATIONS.items(), start=500):
        def function(inputs, params, activation=activation):
            return {"y": activation(inputs["x"])}

        normal = random_stream(seed)
        case = evaluate(function, {"x": 3 * normal(4, 10)}, {}, random_stream(100 + seed))
        check_in_float32(function, case)
        tensors |= prefixed(name, case)
    # What alpha dropout makes of what it keeps and of what it replaces.
    torch.manual_seed(1)
    x = torch.linspace(-1, 3, 64, dtype=torch.float64)
    tensors |= {"alpha_dropout/x": x, "alpha_dropout/y": F.alpha_dropout(x, p=0.25, training=True)}
    save("activations", tensors, alpha_dropout={"p": 0.25})


def make_gated_ffns():
    tensors = {}
    for seed, (name, product) in enumerate(PRODUCTS.items(), start=520):
        def function(inputs, params, product=product):
            gated = product(inputs["x"] @ params["gate.weight"].T, inputs["x"] @ params["up.weight"].T)
            return {"y": gated @ params["down.weight"].T}

        normal = random_stream(seed)
        params = {"gate.weight": matrix(normal, INNER, WIDTH), "up.weight": matrix(normal, INNER, WIDTH),
                  "down.weight": matrix(normal, WIDTH, INNER)}
        case = evaluate(function, {"x": normal(BATCH, LENGTH, WIDTH)}, params, random_stream(100 + seed))
        check_in_float32(function, case)
        tensors |= prefixed(name, case)
    save("gated_ffns", tensors, clamp=CLAMP)


if __name__ == "__main__":
    make_activations()
    make_gated_ffns()
