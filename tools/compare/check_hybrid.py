"""Checks the layers of hybrid.py against the committed golden files, in fp64: the checker is checked first.

Packages: torch==2.11.0 numpy safetensors pyyaml. Run: python tools/compare/check_hybrid.py
"""

import json
import pathlib

import torch
from safetensors import safe_open

from hybrid import BRANCHES

GOLDEN = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden"
NAMES = {"attention": "attention", "attention_window": "attention", "attention_ntk": "attention", "mamba2": "mamba2",
         "delta_net": "delta_net", "swiglu": "swiglu"}


def main():
    for file, branch in NAMES.items():
        with safe_open(GOLDEN / f"{file}.safetensors", "pt") as golden:
            settings = json.loads(golden.metadata()["settings"])
            tensors = {name: golden.get_tensor(name) for name in golden.keys()}
        if branch == "attention":
            settings["position"] = {"type": "rope", "theta": settings["theta"]}
            if file == "attention_ntk":
                ntk = {key: settings[key] for key in ("max_length", "original_length")}
                settings["position"] = {"type": "rope", "theta": settings["base_theta"], "ntk": ntk}
        params = {name.removeprefix("param/"): value.requires_grad_() for name, value in tensors.items()
                  if name.startswith("param/")}
        x = tensors["in/x"].requires_grad_()
        y = BRANCHES[branch](x, params, settings)
        (y * tensors["dout/y"]).sum().backward()
        errors = {"y": (y - tensors["out/y"]).abs().max().item()}
        for name, value in {"x": x, **params}.items():
            errors[name] = (value.grad - tensors[f"grad/{name}"]).abs().max().item()
        worst = max(errors, key=errors.get)
        print(f"{file}: largest difference {errors[worst]:.1e} ({worst})")
        assert errors[worst] < 1e-12, errors


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
