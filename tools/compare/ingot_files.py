"""What the comparison programs read of an Ingot run: resolved config, weights, batches, losses.

Packages: torch==2.11.0 numpy safetensors pyyaml
"""

import json
import math
import pathlib
import re

import torch
import yaml
from safetensors.torch import load_file


def read_config(checkpoint):
    """The resolved config.yaml of a checkpoint directory."""
    return yaml.safe_load((pathlib.Path(checkpoint) / "config.yaml").read_text())


def read_weights(checkpoint, dtype=torch.float32):
    """All tensors of model-*.safetensors under Ingot's names."""
    files = sorted(pathlib.Path(checkpoint).glob("model-*.safetensors"))
    if not files:
        raise SystemExit(f"{checkpoint}: no model-*.safetensors here; expected a checkpoint directory")
    weights = {}
    for file in files:
        weights |= {name: value.to(dtype) for name, value in load_file(file).items()}
    return weights


def read_batches(path):
    """What `ingot data export` writes: `tokens`, `targets` and, if rows hold several documents, `documents`, each
    [steps, B, T] int32, target -1 meaning none; `validation/SET/tokens` and `.../targets` [windows, T]."""
    return {name: value.long() for name, value in load_file(path).items()}


def read_losses(metrics):
    """Step -> loss of the train lines of a metrics.jsonl (log.every must be 1 for one line a step)."""
    lines = [json.loads(line) for line in pathlib.Path(metrics).read_text().splitlines()]
    return {line["step"]: line["loss"] for line in lines if line["kind"] == "train"}


def variant(value):
    """`name` and `{type: name, …}` alike as (name, settings)."""
    if isinstance(value, dict):
        return value["type"], {key: item for key, item in value.items() if key != "type"}
    return value, {}


def duration_in_steps(value, total=None):
    """`40 steps`, `2%` of `total`, or a bare number."""
    text = str(value if value is not None else 0).replace("_", "")
    match = re.fullmatch(r"([\d.]+(?:e\d+)?)\s*([kM]?)\s*(steps?|%|)", text.strip())
    if not match:
        raise SystemExit(f"duration '{value}': expected steps or a percentage")
    number = float(match[1]) * {"": 1, "k": 1e3, "M": 1e6}[match[2]]
    return round(number * total / 100 if match[3] == "%" else number)


def expand_pattern(pattern, names):
    """'2x(DFMF AF) F' -> ['D', 'F', 'M', 'F', 'A', 'F', …]. Names are [A-Z][a-z]*."""
    tokens = re.findall(r"\d+|x|\(|\)|[A-Z][a-z]*", pattern.replace(" ", ""))

    def sequence(position):
        operators = []
        while position < len(tokens) and tokens[position] != ")":
            count = 1
            if tokens[position].isdigit():
                count, position = int(tokens[position]), position + 2
            if tokens[position] == "(":
                inner, position = sequence(position + 1)
            else:
                inner = [tokens[position]]
            operators += count * inner
            position += 1
        return operators, position

    operators, _ = sequence(0)
    unknown = set(operators) - set(names)
    if unknown:
        raise SystemExit(f"layers '{pattern}': no operator {sorted(unknown)}; the config has {sorted(names)}")
    return operators


def rate_factor(schedule, step, total):
    """Factor of the peak learning rate at the 0-based `step`; conventions as in tests/golden/schedules.json."""
    kind, options = variant(schedule or "constant")
    warmup = duration_in_steps(options.get("warmup"), total)
    ratio = options.get("final_ratio", 0)
    nanogpt = options.get("alignment", "standard") == "nanogpt"  # the peak at step `warmup`, the last rate at `total`
    if step < warmup:
        return (step + 1) / (warmup + nanogpt)
    if kind == "constant":
        return 1.0
    if kind not in ("cosine", "linear"):
        raise SystemExit(f"schedule '{kind}': expected constant, cosine or linear")
    progress = min((step + (ratio > 0 and not nanogpt) - warmup) / (total - warmup), 1)
    fall = (1 + math.cos(math.pi * progress)) / 2 if kind == "cosine" else 1 - progress
    return ratio + (1 - ratio) * fall


READS = re.compile(r"layers\.\d+\.(mixer\.(q|k|v|beta|z|x|b|c|dt)|ffn\.(gate|up))\.weight")
WRITES = re.compile(r"layers\.\d+\.(mixer\.(o|out)|ffn\.down)\.weight")


def is_matrix(name):
    """Takes weight decay: reads the stream, writes it, embedding or head."""
    return bool(READS.fullmatch(name) or WRITES.fullmatch(name) or name in ("embedding.weight", "head.weight"))


@torch.no_grad()
def constrain_to_unit_norm(params):
    """Unit rows where the stream is read (embedding and head too), unit columns where it is written."""
    for name, weight in params.items():
        if is_matrix(name):
            axis = 0 if WRITES.fullmatch(name) else 1
            weight.div_(weight.norm(dim=axis, keepdim=True).clamp_min(1e-12))


def make_adamw(params, optimizer):
    """torch.optim.AdamW over Ingot's parameters: decay on matrices only."""
    kind, options = variant(optimizer)
    if kind != "adamw":
        raise SystemExit(f"optimizer '{kind}': expected adamw")
    groups = [{"params": [value for name, value in params.items() if is_matrix(name)],
               "weight_decay": options.get("weight_decay", 0)},
              {"params": [value for name, value in params.items() if not is_matrix(name)], "weight_decay": 0}]
    return torch.optim.AdamW(groups, lr=options["lr"], betas=tuple(options.get("betas", (0.9, 0.95))),
                             eps=options.get("eps", 1e-8)), options["lr"]


def compare_losses(mine, theirs, tolerance):
    """Prints the largest relative difference of two {step: loss}; True if it is within the tolerance."""
    steps = sorted(set(mine) & set(theirs))
    if not steps:
        raise SystemExit("the two runs have no step in common")
    worst = max(steps, key=lambda step: abs(mine[step] / theirs[step] - 1))
    difference = abs(mine[worst] / theirs[worst] - 1)
    print(json.dumps({"steps": len(steps), "worst_step": worst, "relative_difference": difference,
                      "tolerance": tolerance, "agrees": difference <= tolerance}))
    return difference <= tolerance
