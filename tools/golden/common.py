"""Helpers shared by the golden makers in this folder.

Packages (CPU builds are enough; make_published_hybrid.py alone needs triton):
    torch==2.11.0 numpy safetensors einops transformers==5.24.0
    pip install --no-deps fla-core==0.6.0 flash-linear-attention==0.6.0

Run every maker from anywhere: `python tools/golden/make_all.py`. The files go to tests/golden/ and are committed;
neither building, testing nor running Ingot needs Python.

Names inside a file, `<case>/` in front where a file holds several cases:
    in/<name>     inputs                       param/<name>  parameters under Ingot's names
    out/<name>    outputs                      dout/<name>   random upstream gradients of the outputs
    grad/<name>   gradients of sum(out * dout) with respect to every input and parameter
"""

import importlib.util
import json
import pathlib

import torch
from safetensors.torch import save_file
from torch.overrides import TorchFunctionMode

GOLDEN_DIR = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden"
MAX_BYTES = 200_000


class InDouble(TorchFunctionMode):
    """Reads every request for float32 or bfloat16 as one for float64.

    The published implementations cast inside (`.float()`, `softmax(dtype=torch.float32)`). Under this mode
    the same code runs in float64 throughout, so its result is the formula's value rather than one rounding of it.
    """

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is torch.Tensor.float or func is torch.Tensor.bfloat16:
            return args[0].double()

        def widen(value):
            return torch.float64 if value is torch.float32 or value is torch.bfloat16 else value

        kwargs = {key: widen(value) for key, value in (kwargs or {}).items()}
        return func(*[widen(value) for value in args], **kwargs)


def random_stream(seed):
    """A function `normal(*shape)` that draws float64 numbers from its own stream."""
    generator = torch.Generator().manual_seed(seed)
    return lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)


def matrix(normal, rows, columns):
    """A weight [rows, columns] that keeps the scale of its input."""
    return normal(rows, columns) / columns**0.5


def gain(normal, width):
    """A norm's gain away from its initial value 1."""
    return 1 + 0.3 * normal(width)


def evaluate(function, inputs, params, normal):
    """Runs `function(inputs, params) -> outputs` (all of them dicts) and its backward; returns the named tensors."""
    inputs = {name: value.clone() for name, value in inputs.items()}
    params = {name: value.clone() for name, value in params.items()}
    leaves = [t.requires_grad_() for t in [*inputs.values(), *params.values()] if t.is_floating_point()]
    with InDouble():
        outputs = function(inputs, params)
        upstream = {name: normal(*value.shape) for name, value in outputs.items()}
        sum((outputs[name] * upstream[name]).sum() for name in outputs).backward()
    assert all(leaf.grad is not None and leaf.grad.abs().sum() > 0 for leaf in leaves), "a leaf takes no part"
    tensors = {f"in/{name}": value for name, value in inputs.items()}
    tensors |= {f"param/{name}": value for name, value in params.items()}
    tensors |= {f"out/{name}": value for name, value in outputs.items()}
    tensors |= {f"dout/{name}": value for name, value in upstream.items()}
    for name, value in [*inputs.items(), *params.items()]:
        if value.grad is not None:
            tensors[f"grad/{name}"] = value.grad
    return tensors


def check_in_float32(function, tensors, tolerance=2e-5):
    """The unmodified float32 path of the published code gives the same outputs up to rounding."""
    def part(prefix):
        return {name[len(prefix):]: value.detach().float() if value.is_floating_point() else value
                for name, value in tensors.items() if name.startswith(prefix)}

    with torch.no_grad():
        outputs = function(part("in/"), part("param/"))
    for name, value in outputs.items():
        want = tensors[f"out/{name}"]
        error = (value - want).abs().max() / want.abs().max()
        assert error < tolerance, f"{name}: float32 and float64 differ by {error:.1e}"


def prefixed(case, tensors):
    return {f"{case}/{name}": value for name, value in tensors.items()}


def save(name, tensors, **settings):
    """Writes tests/golden/<name>.safetensors with the settings of the run as its metadata."""
    GOLDEN_DIR.mkdir(parents=True, exist_ok=True)
    path = GOLDEN_DIR / f"{name}.safetensors"
    contiguous = {key: value.detach().contiguous().clone() for key, value in tensors.items()}
    assert all(value.isfinite().all() for value in contiguous.values())
    save_file(contiguous, path, metadata={"settings": json.dumps(settings)})
    size = path.stat().st_size
    assert size < MAX_BYTES, f"{path.name} has {size} bytes, more than {MAX_BYTES}"
    print(f"{path.name}: {size} bytes, {len(tensors)} tensors")


def load_by_path(package, relative):
    """Imports one file of an installed package without running the package's __init__ (which may need triton)."""
    root = pathlib.Path(importlib.util.find_spec(package).submodule_search_locations[0])
    spec = importlib.util.spec_from_file_location(f"{package}_{root.name}_{pathlib.Path(relative).stem}",
                                                  root / relative)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
