"""Trains the model of an Ingot config in PyTorch, in one form (eager or compiled, one precision), on random or given tokens.

Packages: those of torch_model.py, numpy safetensors pyyaml; --mode compile needs g++. Run:
    build/ingot config show configs/recipes/llama.yaml --set data.seq_len=256 'train.global_batch=4 sequences' > llama.yaml
    python tools/compare/torch_train.py llama.yaml --vocab-size 32000 [--mode compile] [--precision autocast]
    python tools/compare/torch_train.py RUN/config.yaml --checkpoint DIR --batches FILE     # Ingot's start and data

A step is forward, backward, clipping, the fused AdamW and reading the loss. Prints one JSON line: seconds of the steps after
the warm-up, tokens/s of their median, the peak of the resident memory (and that of Python and torch before the model), the
losses; with the validation windows of `ingot data export` in FILE also the loss over all of these.
"""

import argparse
import itertools
import json
import pathlib
import resource
import statistics
import sys
import time

import torch
import yaml

from ingot_files import rate_factor, read_batches, read_weights, variant
from torch_model import DeltaNet, LanguageModel, is_matrix


def make_optimizer(model, optim):
    _, settings = variant(optim["optimizer"])
    groups = [{"params": [value for name, value in model.named_parameters() if is_matrix(name, value)],
               "weight_decay": settings["weight_decay"]},
              {"params": [value for name, value in model.named_parameters() if not is_matrix(name, value)],
               "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=settings["lr"], betas=tuple(settings["betas"]), eps=settings["eps"], fused=True)


def exclude_delta_cores(model):
    for module in model.modules():
        if isinstance(module, DeltaNet):
            module.core = torch.compiler.disable(module.core)


def random_batches(rows, seq_len, vocab_size):
    """Four batches in turns, as in `ingot bench step`."""
    batches = [torch.randint(vocab_size, (2, rows, seq_len)) for _ in range(4)]
    return itertools.cycle([(batch[0], batch[1]) for batch in batches])


def autocast(precision):
    return torch.autocast("cpu", torch.bfloat16, enabled=precision == "autocast")


def train(model, parameters, config, batches, steps, total, precision):
    """Returns the loss and the seconds of each step."""
    optimizer = make_optimizer(parameters, config["optim"])
    _, clip = variant(config["optim"]["clip"])
    peak = optimizer.param_groups[0]["lr"]
    losses, seconds = [], []
    for step in range(steps):
        start = time.perf_counter()
        tokens, targets = next(batches)
        for group in optimizer.param_groups:
            group["lr"] = peak * rate_factor(config["optim"]["schedule"], min(step, total - 1), total)
        with autocast(precision):
            loss = model(tokens, targets)
        loss.backward()
        if clip:
            torch.nn.utils.clip_grad_norm_(parameters.parameters(), clip["max_norm"])
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
        seconds.append(time.perf_counter() - start)
        print(f"step {step + 1}: loss {losses[-1]:.4f}, {seconds[-1]:.3f} s", file=sys.stderr)
    return losses, seconds


def peak_resident_bytes():
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@torch.no_grad()
def held_out_loss(model, tokens, targets, rows=256):
    """Mean loss over all targets of windows [N,T]."""
    total = 0.0
    for part in (slice(start, start + rows) for start in range(0, len(tokens), rows)):
        total += model(tokens[part], targets[part]).item() * (targets[part] >= 0).sum().item()
    return total / (targets >= 0).sum().item()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", help="a resolved config: `ingot config show`, or config.yaml of a run")
    parser.add_argument("--vocab-size", type=int, help="needed without --checkpoint")
    parser.add_argument("--mode", default="eager", choices=["eager", "compile", "compile_whole"],
                        help="compile leaves out DeltaNet's core, whose unrolled loop takes torch.compile minutes")
    parser.add_argument("--precision", default="fp32", choices=["fp32", "autocast", "bf16"],
                        help="bf16: weights, gradients and moments too")
    parser.add_argument("--steps", type=int, default=10, help="steps that count")
    parser.add_argument("--warm-up", type=int, default=0, help="steps before, in which torch.compile compiles")
    parser.add_argument("--total-steps", type=int, default=1000, help="length of the schedule")
    parser.add_argument("--threads", type=int, help="default: torch's choice")
    parser.add_argument("--checkpoint", help="checkpoint directory of an Ingot run with the start weights")
    parser.add_argument("--batches", help="file of `ingot data export`: data order and held-out windows")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(1)

    config = yaml.safe_load(pathlib.Path(options.config).read_text())
    rows, seq_len = int(config["train"]["global_batch"].removesuffix(" sequences")), config["data"]["seq_len"]
    weights = read_weights(options.checkpoint) if options.checkpoint else None
    vocab_size = weights["embedding.weight"].shape[0] if weights else options.vocab_size
    batches, held_out = random_batches(rows, seq_len, vocab_size), None
    if options.batches:
        given = read_batches(options.batches)
        batches = zip(given["tokens"], given["targets"])
        held_out = [value for part in ("/tokens", "/targets") for name, value in given.items()
                    if name.startswith("validation/") and name.endswith(part)]
    program_bytes = peak_resident_bytes()
    model = LanguageModel(config, vocab_size)
    if weights:
        model.load(weights)
    if options.precision == "bf16":
        model = model.bfloat16()
    if options.mode == "compile":
        exclude_delta_cores(model)
    run = model if options.mode == "eager" else torch.compile(model)
    losses, seconds = train(run, model, config, batches, options.warm_up + options.steps, options.total_steps,
                            options.precision)
    seconds = seconds[options.warm_up:]
    result = {"mode": options.mode, "precision": options.precision, "threads": torch.get_num_threads(),
              "parameters": sum(value.numel() for value in model.parameters()), "seconds": seconds,
              "tokens_per_second": rows * seq_len / statistics.median(seconds),
              "peak_resident_bytes": peak_resident_bytes(), "program_bytes": program_bytes, "losses": losses}
    if held_out:
        with autocast(options.precision):
            result["held_out_loss"] = held_out_loss(model.eval(), *held_out)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
