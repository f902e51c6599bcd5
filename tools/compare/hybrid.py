"""The hybrid model in plain PyTorch: an independent check of Ingot's losses.

Packages: torch==2.11.0 numpy safetensors pyyaml (CPU). Run:
    python tools/compare/hybrid.py CHECKPOINT BATCHES.safetensors [--against RUN/metrics.jsonl]

CHECKPOINT is a checkpoint directory of an Ingot run, whose weights start the training and whose config.yaml gives model,
optimizer, schedule, clipping and constraints. BATCHES comes from `ingot data export RUN --steps N --out FILE`. Prints {"step", "loss", "grad_norm", "lr"} for every step; with --against it then compares the losses and
exits with 1 if they differ by more than --tolerance (relative).

Written for clearness: every document is run as a sequence of its own behind the meta tokens, and mixers use forms that are
quadratic in its length, without chunks and without states.
"""

import argparse
import json

import torch
import torch.nn.functional as F

from ingot_files import (compare_losses, constrain_to_unit_norm, duration_in_steps, expand_pattern, make_adamw,
                         rate_factor, read_batches, read_config, read_losses, read_weights, variant)


def rms_norm(x, gain, eps):
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps) * gain


def causal_conv(x, weight, bias=None):
    """Depthwise over x [B,T,C]; the last tap of weight [C,4] meets the current token."""
    taps = weight.shape[1]
    padded = F.pad(x, (0, 0, taps - 1, 0))
    y = sum(padded[:, tap:tap + x.shape[1]] * weight[:, tap] for tap in range(taps))
    return y if bias is None else y + bias


def rope(x, theta):
    """Rotates the pairs (i, i + D/2) of x [B,T,H,D]; the first token stands at position 0."""
    half = x.shape[-1] // 2
    frequency = theta ** (-torch.arange(half, dtype=torch.float64) / half)
    angle = torch.arange(x.shape[1], dtype=torch.float64)[:, None, None] * frequency
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def attention(x, w, settings):
    head_dim = settings.get("head_dim") or w["q.weight"].shape[0] // settings["num_heads"]
    q, k, v = [(x @ w[f"{part}.weight"].T).unflatten(-1, (-1, head_dim)) for part in "qkv"]
    kind, position = variant(settings.get("position", "none"))
    if kind == "rope":
        theta = rope_theta(position, q.shape[-1])
        q, k = rope(q, theta), rope(k, theta)
    elif kind != "none":
        raise SystemExit(f"position '{kind}': expected rope or none")
    group = q.shape[-2] // k.shape[-2]
    k, v = k.repeat_interleave(group, -2), v.repeat_interleave(group, -2)
    scores = torch.einsum("bihd,bjhd->bhij", q, k) / q.shape[-1] ** 0.5
    distance = torch.arange(x.shape[1])[:, None] - torch.arange(x.shape[1])
    hidden = (distance < 0) | (distance >= (settings.get("window") or x.shape[1]))
    weights = scores.masked_fill(hidden, -torch.inf).softmax(-1)
    return torch.einsum("bhij,bjhd->bihd", weights, v).flatten(-2) @ w["o.weight"].T


def rope_theta(position, head_dim):
    """The base, rescaled as Nemotron-Flash does where the config asks for the NTK form."""
    theta = position.get("theta", 10000)
    ntk = position.get("ntk")
    if ntk:
        factor = 2 * ntk["max_length"] / ntk["original_length"] - 1
        theta = theta * factor ** (head_dim / (head_dim - 2))
    return theta


def delta_net(x, w, settings):
    """S_t = S_{t-1} + beta_t k_t (v_t - S_{t-1}' k_t)', o_t = S_t' q_t / sqrt(dk), from a zero state.

    With A = strict_lower(diag(beta) K K'), the corrected values are U = (I + A)^-1 diag(beta) V, and O = lower(Q K') U.
    """
    heads = w["beta.weight"].shape[0]
    q, k, v = [F.silu(causal_conv(x @ w[f"{part}.weight"].T, w[f"{part}_conv.weight"]))
               .unflatten(-1, (heads, -1)).transpose(1, 2) for part in "qkv"]
    q, k = [u * torch.rsqrt(u.square().sum(-1, keepdim=True) + 1e-6) for u in (q, k)]
    beta = torch.sigmoid(x @ w["beta.weight"].T).transpose(1, 2).unsqueeze(-1)
    a = (beta * (k @ k.mT)).tril(-1)
    corrected = torch.linalg.solve_triangular(a, beta * v, upper=False, unitriangular=True)
    o = ((q @ k.mT).tril() @ corrected) / q.shape[-1] ** 0.5
    o = rms_norm(o.transpose(1, 2), w["output_norm.gain"], settings.get("norm_eps", 1e-5))
    return o.flatten(-2) @ w["o.weight"].T


def mamba2(x, w, settings):
    """y_t = sum_{s<=t} exp(sum_{s<u<=t} dt_u A) (C_t . B_s) dt_s x_s + D x_t per head, then norm(y silu(z))."""
    heads, state = w["a_log"].shape[0], w["b.weight"].shape[0]
    joined = torch.cat([x @ w[f"{part}.weight"].T for part in "xbc"], -1)
    joined = F.silu(causal_conv(joined, w["conv.weight"], w["conv.bias"]))
    u, b, c = joined.split([joined.shape[-1] - 2 * state, state, state], -1)
    u = u.unflatten(-1, (heads, -1))
    dt = F.softplus(x @ w["dt.weight"].T + w["dt_bias"])
    g = -(dt * w["a_log"].exp()).transpose(1, 2)
    # sum_{s<u<=t} g_u, summed directly: differences of long cumulative sums would lose digits.
    length = x.shape[1]
    lower = torch.ones(length, length, dtype=torch.bool).tril(-1)
    decay = g.unsqueeze(-1).expand(*g.shape, length).masked_fill(~lower, 0).cumsum(-2)
    decay = decay.masked_fill(~lower.logical_or(torch.eye(length, dtype=torch.bool)), -torch.inf).exp()
    scores = (c @ b.mT).unsqueeze(1) * decay
    y = torch.einsum("bhts,bshp->bthp", scores, dt.unsqueeze(-1) * u) + w["d"][:, None] * u
    y = y.flatten(-2) * F.silu(x @ w["z.weight"].T)
    return rms_norm(y, w["gated_norm.gain"], settings.get("norm_eps", 1e-5)) @ w["out.weight"].T


def swiglu(x, w, settings):
    return (F.silu(x @ w["gate.weight"].T) * (x @ w["up.weight"].T)) @ w["down.weight"].T


BRANCHES = {"attention": attention, "delta_net": delta_net, "mamba2": mamba2, "swiglu": swiglu}


class Hybrid:
    def __init__(self, model):
        self.operators = [model["operators"][name] for name in expand_pattern(model["layers"], model["operators"])]
        for key, expected in [("norm", "rms_norm"), ("placement", "pre"), ("residual", "add"), ("position", "none"),
                              ("vocab_multiple", 1)]:
            if variant(model.get(key) or expected)[0] != expected:
                raise SystemExit(f"model.{key}: this program knows {expected} only")
        self.eps = variant(model.get("norm", "rms_norm"))[1].get("eps", 1e-6)
        self.normalise_head = model.get("normalise_head", False)

    def logits(self, w, tokens):
        """tokens [B,T] -> [B,T,V]; the meta tokens run in front and are cut off again."""
        x = w["embedding.weight"][tokens]
        meta = w.get("meta.weight")
        if meta is not None:
            x = torch.cat([meta.expand(x.shape[0], -1, -1), x], 1)
        for depth, operator in enumerate(self.operators):
            prefix = f"layers.{depth}."
            section = "mixer" if operator.get("mixer") else "ffn"
            name, settings = variant(operator[section])
            below = {key.removeprefix(f"{prefix}{section}."): value for key, value in w.items()
                     if key.startswith(f"{prefix}{section}.")}
            x = x + BRANCHES[name](rms_norm(x, w[f"{prefix}input_norm.gain"], self.eps), below, settings)
        x = rms_norm(x[:, x.shape[1] - tokens.shape[1]:], w["final_norm.gain"], self.eps)
        head = w.get("head.weight", w["embedding.weight"])
        if self.normalise_head:
            head = head / head.norm(dim=1, keepdim=True)
        return x @ head.T


def split_documents(batch):
    """Rows of tokens and targets [B,T] -> one padded row for every document's run within a row."""
    if "documents" not in batch:
        return batch["tokens"], batch["targets"]
    rows = {"tokens": [], "targets": []}
    for row, document in enumerate(batch["documents"]):
        lengths = torch.unique_consecutive(document, return_counts=True)[1].tolist()
        for name, parts in rows.items():
            parts += batch[name][row].split(lengths)
    return [torch.nn.utils.rnn.pad_sequence(rows[name], batch_first=True, padding_value=padding)
            for name, padding in (("tokens", 0), ("targets", -1))]


def train_step(model, params, batch, rows_at_once):
    """Mean loss over the targets; leaves the gradients in the parameters."""
    tokens, targets = split_documents(batch)
    count = (targets >= 0).sum()
    total = 0.0
    for start in range(0, tokens.shape[0], rows_at_once):
        part = slice(start, start + rows_at_once)
        logits = model.logits(params, tokens[part])
        loss = F.cross_entropy(logits.flatten(0, 1), targets[part].flatten(), ignore_index=-1, reduction="sum")
        (loss / count).backward()
        total += loss.item()
    return total / count.item()


def train(config, params, batches, steps, total, rows_at_once=8):
    """Trains `params` in place and yields (loss, gradient norm before clipping, learning rate) of each step."""
    model = Hybrid(config["model"])
    optim = config["optim"]
    if optim.get("groups") or config["train"].get("z_loss"):
        raise SystemExit("this program knows neither optim.groups nor train.z_loss")
    clip = variant(optim.get("clip", "none"))[1].get("max_norm", torch.inf)
    unit = any(variant(item)[0] == "unit_norm" for item in config.get("weights", {}).get("constraints", []))
    if unit:
        constrain_to_unit_norm(params)
    for value in params.values():
        value.requires_grad_()
    adamw, peak = make_adamw(params, optim["optimizer"])
    for step in range(steps):
        rate = peak * rate_factor(optim.get("schedule"), step, total)
        for group in adamw.param_groups:
            group["lr"] = rate
        adamw.zero_grad()
        loss = train_step(model, params, {name: value[step] for name, value in batches.items()}, rows_at_once)
        norm = torch.nn.utils.clip_grad_norm_(params.values(), clip)
        adamw.step()
        if unit:
            constrain_to_unit_norm(params)
        yield loss, norm.item(), rate


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("batches")
    parser.add_argument("--steps", type=int, help="stop after so many steps (default: all batches)")
    parser.add_argument("--total-steps", type=int, help="length of the schedule (default: train.duration)")
    parser.add_argument("--rows", type=int, default=8, help="sequences at once")
    parser.add_argument("--dtype", default="float32", choices=["float32", "float64"])
    parser.add_argument("--against", help="metrics.jsonl of the Ingot run (log.every 1)")
    parser.add_argument("--tolerance", type=float, default=1e-5)
    options = parser.parse_args()

    config = read_config(options.checkpoint)
    params = read_weights(options.checkpoint, getattr(torch, options.dtype))
    batches = {name: value for name, value in read_batches(options.batches).items() if "/" not in name}
    total = options.total_steps or duration_in_steps(config["train"]["duration"])
    steps = min(options.steps or total, batches["tokens"].shape[0])
    losses = {}
    for step, (loss, norm, rate) in enumerate(train(config, params, batches, steps, total, options.rows), start=1):
        losses[step] = loss
        print(json.dumps({"step": step, "loss": loss, "grad_norm": norm, "lr": rate}), flush=True)
    if options.against and not compare_losses(losses, read_losses(options.against), options.tolerance):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
