"""nanoGPT's CPU setting on characters in PyTorch: speed and held-out loss to measure Ingot's recipe against.

Packages: torch==2.11.0 numpy safetensors pyyaml (CPU; --mode compile needs g++). Run:
    python tools/compare/nanogpt_char.py TEXT [--mode compile] [--precision autocast] [--steps 2000] [--seed 1]
    python tools/compare/nanogpt_char.py TEXT --checkpoint DIR --batches FILE     # Ingot's start weights and data order

4 layers, width 128, 4 heads, context 64, batch 12, learned positions, LayerNorm and Linear without bias, gelu MLP of 4 times
the width, tied embeddings; AdamW (0.9, 0.99), rate 1e-3 with 100 steps of warm-up and a cosine to 1e-4, decay 0.1 on
matrices, clip 1. Progress goes to stderr; the result is one JSON line: tokens/s of the median step, and the loss in nats per
character over the whole last tenth of the text in consecutive windows (every character but the first scored once).
"""

import argparse
import json
import math
import pathlib
import statistics
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

from ingot_files import rate_factor, read_batches, read_losses, read_weights, compare_losses

LAYERS, WIDTH, HEADS, CONTEXT, BATCH = 4, 128, 4, 64, 12
PEAK, BETAS, DECAY, CLIP = 1e-3, (0.9, 0.99), 0.1, 1.0
SCHEDULE = {"type": "cosine", "warmup": "100 steps", "final_ratio": 0.1, "alignment": "nanogpt"}


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1 = nn.LayerNorm(WIDTH, bias=False)
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.o = nn.Linear(WIDTH, WIDTH, bias=False)
        self.norm2 = nn.LayerNorm(WIDTH, bias=False)
        self.up = nn.Linear(WIDTH, 4 * WIDTH, bias=False)
        self.down = nn.Linear(4 * WIDTH, WIDTH, bias=False)

    def forward(self, x):
        q, k, v = [part.unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in self.qkv(self.norm1(x)).split(WIDTH, -1)]
        x = x + self.o(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(-2))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class CharModel(nn.Module):
    """Returns the mean loss over targets [B,T] (-1: none) if they are given, else the logits."""

    def __init__(self, vocab_size):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, WIDTH)
        self.position = nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.norm = nn.LayerNorm(WIDTH, bias=False)
        for name, value in self.named_parameters():
            if value.dim() == 2:
                std = 0.02 / math.sqrt(2 * LAYERS) if name.endswith(("o.weight", "down.weight")) else 0.02
                nn.init.normal_(value, std=std)

    def forward(self, tokens, targets):
        x = self.embedding(tokens) + self.position.weight[:tokens.shape[1]]
        for block in self.blocks:
            x = block(x)
        logits = F.linear(self.norm(x), self.embedding.weight)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1)

    @torch.no_grad()
    def load_ingot(self, weights):
        """Copies the tensors of an Ingot checkpoint; sub-layers 2i and 2i+1 are attention and MLP of block i."""
        state = {"embedding.weight": weights["embedding.weight"], "norm.weight": weights["final_norm.gain"],
                 "position.weight": next(value for name, value in weights.items() if name.startswith("position"))}
        for i in range(LAYERS):
            mixer, ffn = f"layers.{2 * i}.", f"layers.{2 * i + 1}."
            state |= {f"blocks.{i}.norm1.weight": weights[f"{mixer}input_norm.gain"],
                      f"blocks.{i}.qkv.weight": torch.cat([weights[f"{mixer}mixer.{part}.weight"] for part in "qkv"]),
                      f"blocks.{i}.o.weight": weights[f"{mixer}mixer.o.weight"],
                      f"blocks.{i}.norm2.weight": weights[f"{ffn}input_norm.gain"],
                      f"blocks.{i}.up.weight": weights[f"{ffn}ffn.up.weight"],
                      f"blocks.{i}.down.weight": weights[f"{ffn}ffn.down.weight"]}
        self.load_state_dict(state)


def make_optimizer(model):
    """Decay on the matrices (embedding included, positions and gains not); the fused kernel is torch's fastest on CPUs."""
    matrices = [value for name, value in model.named_parameters() if value.dim() == 2 and "position" not in name]
    others = [value for name, value in model.named_parameters() if value.dim() < 2 or "position" in name]
    groups = [{"params": matrices, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=PEAK, betas=BETAS, fused=True)


def read_text(path):
    """Character ids (in code point order) of the first nine tenths and of the rest."""
    text = pathlib.Path(path).read_text(encoding="utf-8")
    index = {character: i for i, character in enumerate(sorted(set(text)))}
    ids = torch.tensor([index[character] for character in text])
    cut = len(ids) * 9 // 10
    return ids[:cut], ids[cut:], len(index)


def random_batches(ids, steps, seed):
    """BATCH windows at random places, as nanoGPT draws them."""
    generator = torch.Generator().manual_seed(seed)
    offsets = torch.arange(CONTEXT + 1)
    for _ in range(steps):
        windows = ids[torch.randint(len(ids) - CONTEXT, (BATCH, 1), generator=generator) + offsets]
        yield windows[:, :-1], windows[:, 1:]


def windows_of(ids):
    """tokens and targets [windows, CONTEXT] in which each id but the first is the target of one window."""
    count = len(ids) - 1
    padding = -count % CONTEXT
    return (F.pad(ids[:-1], (0, padding)).view(-1, CONTEXT), F.pad(ids[1:], (0, padding), value=-1).view(-1, CONTEXT))


@torch.no_grad()
def held_out_loss(model, tokens, targets, rows=256):
    """Mean loss over all targets."""
    total = 0.0
    for start in range(0, len(tokens), rows):
        part = slice(start, start + rows)
        total += model(tokens[part], targets[part]).item() * (targets[part] >= 0).sum().item()
    return total / (targets >= 0).sum().item()


def train(model, batches, steps, total, precision):
    """Trains and returns (losses by step, seconds of each step), fetching the batch included."""
    optimizer = make_optimizer(model)
    losses, seconds = {}, []
    for step in range(steps):
        start = time.perf_counter()
        tokens, targets = next(batches)
        for group in optimizer.param_groups:
            group["lr"] = PEAK * rate_factor(SCHEDULE, step, total)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "autocast"):
            loss = model(tokens, targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        losses[step + 1] = loss.item()
        seconds.append(time.perf_counter() - start)
        if (step + 1) % 100 == 0:
            print(f"step {step + 1}: loss {losses[step + 1]:.4f}, {1e3 * seconds[-1]:.1f} ms", file=sys.stderr)
    return losses, seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text")
    parser.add_argument("--mode", default="eager", choices=["eager", "compile"])
    parser.add_argument("--precision", default="fp32", choices=["fp32", "autocast", "bf16"],
                        help="bf16: weights, gradients and moments too")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--total-steps", type=int, help="length of the schedule (default: --steps)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, help="default: torch's choice")
    parser.add_argument("--checkpoint", help="checkpoint directory of an Ingot run with the start weights")
    parser.add_argument("--batches", help="file of `ingot data export`: data order and held-out windows")
    parser.add_argument("--against", help="metrics.jsonl of the Ingot run (log.every 1): compare the losses")
    parser.add_argument("--tolerance", type=float, default=1e-5)
    parser.add_argument("--no-evaluation", action="store_true")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)

    train_ids, valid_ids, vocab_size = read_text(options.text)
    batches, held_out = random_batches(train_ids, options.steps, options.seed), windows_of(valid_ids)
    if options.batches:
        given = read_batches(options.batches)
        batches = zip(given["tokens"], given["targets"])
        held_out = [next(value for name, value in given.items() if name.startswith("validation/") and name.endswith(part))
                    for part in ("/tokens", "/targets")]
    weights = read_weights(options.checkpoint) if options.checkpoint else None
    model = CharModel(weights["embedding.weight"].shape[0] if weights else vocab_size)
    if weights:
        model.load_ingot(weights)
    if options.precision == "bf16":
        model = model.bfloat16()
    run = torch.compile(model) if options.mode == "compile" else model
    losses, seconds = train(run, batches, options.steps, options.total_steps or options.steps, options.precision)
    median = statistics.median(seconds[len(seconds) // 5:])  # the first fifth warms up (and compiles)
    result = {"mode": options.mode, "precision": options.precision, "seed": options.seed, "steps": options.steps,
              "threads": torch.get_num_threads(), "parameters": sum(value.numel() for value in model.parameters()),
              "step_seconds": median, "tokens_per_second": BATCH * CONTEXT / median,
              "train_loss": statistics.fmean(list(losses.values())[-100:])}
    if not options.no_evaluation:
        with torch.autocast("cpu", torch.bfloat16, enabled=options.precision == "autocast"):
            result["held_out_loss"] = held_out_loss(model.eval(), *held_out)
    print(json.dumps(result))
    if options.against and not compare_losses(losses, read_losses(options.against), options.tolerance):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
