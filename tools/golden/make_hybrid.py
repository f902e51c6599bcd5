"""hybrid.safetensors: losses of a small hybrid trained for 20 steps in fp64 by tools/compare/hybrid.py.

Packages: torch==2.11.0 numpy safetensors pyyaml. Run: python tools/golden/make_hybrid.py
The config is tests/golden/hybrid.yaml. Every document starts behind the meta tokens, positions count from there.
Names: weights/NAME (F32, before the first step), tokens, targets, documents (I32 [20,3,21], target -1 means none),
plain/loss [20], plain/norm [20] and plain/logits [3,21,40] with each row one document (targets as they are), documents/loss,
documents/norm and documents/logits with the documents apart; norm is the gradient norm before clipping, logits are those of
the first batch before the first step; plain/final/NAME and documents/final/NAME are some weights after the last step.
"""

import pathlib
import sys

import torch
import yaml

from common import GOLDEN_DIR, gain, matrix, random_stream, save

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "compare"))
from hybrid import Hybrid, train  # noqa: E402
from ingot_files import constrain_to_unit_norm, expand_pattern  # noqa: E402

STEPS, ROWS, LENGTH, VOCABULARY, WIDTH, PREFIX = 20, 3, 21, 40, 16, 5
KEPT = ("embedding.weight", "meta.weight", "layers.0.mixer.k_conv.weight", "layers.2.mixer.a_log",
        "layers.4.mixer.o.weight")


def make_weights(config, normal):
    """Weights that fit hybrid.yaml, all parts at work: no gain is 1, no bias 0."""
    heads, kv_width, inner, state, head_dim, ffn = 2, 8, 32, 8, 8, 48
    weights = {"embedding.weight": normal(VOCABULARY, WIDTH), "meta.weight": normal(PREFIX, WIDTH),
               "final_norm.gain": gain(normal, WIDTH)}
    for depth, operator in enumerate(expand_pattern(config["model"]["layers"], config["model"]["operators"])):
        weights[f"layers.{depth}.input_norm.gain"] = gain(normal, WIDTH)
        mixer = f"layers.{depth}.mixer."
        if operator == "F":
            rows = {"gate": (ffn, WIDTH), "up": (ffn, WIDTH), "down": (WIDTH, ffn)}
            weights |= {f"layers.{depth}.ffn.{part}.weight": matrix(normal, *shape) for part, shape in rows.items()}
        elif operator == "D":
            weights |= {f"{mixer}{part}.weight": matrix(normal, WIDTH, WIDTH) for part in "qkvo"}
            weights |= {f"{mixer}{part}_conv.weight": normal(WIDTH, 4) / 2 for part in "qkv"}
            weights |= {f"{mixer}beta.weight": matrix(normal, heads, WIDTH),
                        f"{mixer}output_norm.gain": gain(normal, WIDTH // heads)}
        elif operator == "A":
            rows = {"q": WIDTH, "k": kv_width, "v": kv_width, "o": WIDTH}
            weights |= {f"{mixer}{part}.weight": matrix(normal, n, WIDTH) for part, n in rows.items()}
        else:
            rows, mamba_heads = {"z": inner, "x": inner, "b": state, "c": state, "dt": inner // head_dim}, inner // head_dim
            weights |= {f"{mixer}{part}.weight": matrix(normal, n, WIDTH) for part, n in rows.items()}
            weights |= {f"{mixer}out.weight": matrix(normal, WIDTH, inner),
                        f"{mixer}conv.weight": normal(inner + 2 * state, 4) / 2,
                        f"{mixer}conv.bias": 0.3 * normal(inner + 2 * state),
                        f"{mixer}a_log": 0.5 + 0.7 * normal(mamba_heads), f"{mixer}d": 1 + 0.3 * normal(mamba_heads),
                        f"{mixer}dt_bias": -1 + normal(mamba_heads), f"{mixer}gated_norm.gain": gain(normal, inner)}
    return {name: value.float() for name, value in weights.items()}


def make_batches():
    """Tokens in which every third token repeats the one before, and documents of 1 to 13 tokens."""
    generator = torch.Generator().manual_seed(60)
    stream = torch.randint(VOCABULARY, (STEPS, ROWS, LENGTH + 1), generator=generator)
    stream[..., 2::3] = stream[..., 1::3][..., :stream[..., 2::3].shape[-1]]
    lengths = torch.tensor([[8, 1, 12], [13, 4, 4], [1, 7, 13]])
    documents = torch.stack([torch.repeat_interleave(torch.arange(3), row) for row in lengths])
    ends = torch.cat([documents[:, 1:] != documents[:, :-1], torch.zeros(ROWS, 1, dtype=torch.bool)], 1)
    targets = stream[..., 1:].masked_fill(ends, -1)
    return {"tokens": stream[..., :-1], "targets": targets, "documents": documents.expand(STEPS, -1, -1)}


def first_logits(config, weights, batch, documents):
    """Logits of the first batch; with documents each is run by itself behind the meta tokens."""
    constrain_to_unit_norm(weights)
    model = Hybrid(config["model"])
    if not documents:
        return model.logits(weights, batch["tokens"])
    rows = []
    for tokens, document in zip(batch["tokens"], batch["documents"]):
        lengths = torch.unique_consecutive(document, return_counts=True)[1].tolist()
        rows.append(torch.cat([model.logits(weights, part[None])[0] for part in tokens.split(lengths)]))
    return torch.stack(rows)


def main():
    config = yaml.safe_load((GOLDEN_DIR / "hybrid.yaml").read_text())
    weights = make_weights(config, random_stream(61))
    batches = make_batches()
    tensors = {f"weights/{name}": value for name, value in weights.items()}
    tensors |= {name: value.int() for name, value in batches.items()}
    for case in ("plain", "documents"):
        used = {name: value for name, value in batches.items() if name != "documents" or case == "documents"}
        with torch.no_grad():
            copy = {name: value.double() for name, value in weights.items()}
            first = {name: value[0] for name, value in batches.items()}
            tensors[f"{case}/logits"] = first_logits(config, copy, first, case == "documents")
        params = {name: value.double() for name, value in weights.items()}
        steps = list(train(config, params, used, STEPS, STEPS))
        tensors[f"{case}/loss"] = torch.tensor([loss for loss, _, _ in steps], dtype=torch.float64)
        tensors[f"{case}/norm"] = torch.tensor([norm for _, norm, _ in steps], dtype=torch.float64)
        tensors |= {f"{case}/final/{name}": params[name] for name in KEPT}
        print(case, tensors[f"{case}/loss"].tolist())
    save("hybrid", tensors)


if __name__ == "__main__":
    main()
