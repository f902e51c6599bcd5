"""authors_norms.safetensors: norms and scores as their authors released them, run in fp64.

Cases and names as in norms.safetensors, for norms with running statistics as in running_norms.safetensors. `settings` of the
file says for each case which definitions of which file ran.

Packages and names: see common.py, authors.py. Run: python tools/golden/authors_norms.py --sources DIR
"""

import numpy
import torch
from torch import nn

from authors import checkouts
from common import evaluate, gain, matrix, prefixed, random_stream, save

WIDTH, BATCH, LENGTH, STEPS = 12, 2, 3, 5


# Norms of single rows. Each builder returns the module and Ingot's names of its parameters.

def rms_norm(code, width, **settings):
    module = code.take("bzhangGo/rmsnorm", "rmsnorm_torch.py", "RMSNorm")["RMSNorm"](width, **settings)
    return module, {"gain": "scale"} | ({"bias": "offset"} if settings.get("bias") else {})


def unscaled(code, width, name, eps):
    # torch.compile gives the same function.
    scope = code.take("ZixuanJiang/pre-rmsnorm-transformer", "torch/customized_layer.py", "layer_norm", "rms_norm",
                      "crms_norm", "CustomizedLayerNorm", "RMSNorm", "CRMSNorm", decorator=lambda f: f, Tensor=torch.Tensor)
    return scope[name](width, eps=eps, elementwise_affine=False), {}


def scale_norm(code, width, eps):
    scope = code.take("tnq177/transformers_without_tears", "layers.py", "ScaleNorm")
    return scope["ScaleNorm"](width**0.5, eps=eps), {"gain": "scale"}


def dyt(code, width):
    scope = code.take("jiachenzhu/DyT", "dynamic_tanh.py", "DynamicTanh")
    return scope["DynamicTanh"](width, channels_last=True), {"alpha": "alpha", "gain": "weight", "bias": "bias"}


def dyt_llama(code, width):
    scope = code.take("jiachenzhu/DyT", "other_tasks/LLaMA/fms_fsdp/models/llama.py", "LayerNormParameterized")
    return scope["LayerNormParameterized"](width, 1.0), {"alpha": "alpha", "gain": "weight"}


def derf(code, width):
    scope = code.take("zlab-princeton/Derf", "ViT/dynamic_erf.py", "Dynamic_erf")
    names = {"alpha": "alpha", "shift": "shift", "gain": "weight", "bias": "bias"}
    return scope["Dynamic_erf"](width, channels_last=True), names


def ada_rms_norm(code, width):
    scope = code.take("LiamMa/PPGT", "ppgt/act/norms/ada_rms_norm.py", "AdaRMSNorm",
                      register_act=lambda name: lambda kind: kind)
    return scope["AdaRMSNorm"](width), {"alpha": "alpha", "beta": "beta"}


def bhyt(code, width):
    scope = code.take("MLAI-Yonsei/BHyT", "models/hf_src/llama/modeling_llama.py", "BHyT_Star")
    return scope["BHyT_Star"](width, lam_init=2.0, learnable_lam=True), {"lambda": "lam", "gain": "weight"}


def gemma(code, width):
    from transformers.models.gemma3.modeling_gemma3 import Gemma3RMSNorm
    code.note("transformers 5.24", "Gemma3RMSNorm")
    return Gemma3RMSNorm(width), {"gain": "weight"}


ROWS = {
    "rms_norm_outside": (rms_norm, {}),
    "rms_norm_outside_bias": (rms_norm, {"bias": True}),
    "rms_norm_outside_large": (rms_norm, {"eps": 0.1}),
    "partial_rms_norm": (rms_norm, {"p": 0.25}),
    "rms_norm_zero_centred": (gemma, {}),
    "simple_rms_norm": (unscaled, {"name": "RMSNorm", "eps": 1e-6}),
    "crms_norm": (unscaled, {"name": "CRMSNorm", "eps": 1e-5}),
    "scale_norm": (scale_norm, {"eps": 1e-5}),
    "scale_norm_floor": (scale_norm, {"eps": 2.0}),
    "dyt_bias": (dyt, {}),
    "dyt": (dyt_llama, {}),
    "derf": (derf, {}),
    "ada_rms_norm": (ada_rms_norm, {}),
    "bhyt": (bhyt, {}),
}


def start(normal, name, parameter):
    """A random value: scalars and gains about 1, others about 0."""
    shape = tuple(parameter.shape)
    near_one = name in ("gain", "scale", "alpha", "lambda", "beta")
    return (near_one + 0.3 * normal(*(shape or (1,)))).reshape(shape)


def rows(code, seed, builder, settings):
    normal = random_stream(seed)
    module, names = builder(code, WIDTH, **settings)
    module = module.double()
    # Rows from 0.1 to 10, so that eps and saturation count in some of them.
    x = normal(BATCH, LENGTH, WIDTH) * torch.logspace(-1, 1, LENGTH, dtype=torch.float64)[:, None]
    parameters = dict(module.named_parameters())
    assert set(parameters) == set(names.values())
    params = {ours: start(normal, ours, parameters[theirs]).reshape(-1) for ours, theirs in names.items()}

    def run(inputs, p):
        values = {theirs: p[ours].reshape(parameters[theirs].shape) for ours, theirs in names.items()}
        return {"y": torch.func.functional_call(module, values, (inputs["x"],))}

    return evaluate(run, {"x": x}, params, random_stream(seed + 1000))


# Norms with running statistics: a step is one micro-batch [B, T, d] of which every token counts.

class Running:
    """A torch module with buffers; `names`: Ingot's buffer -> (the module's, how Ingot lays it out)."""

    def __init__(self, module, names, normal):
        self.module, self.names = module.double().train(), names
        with torch.no_grad():
            module.weight.copy_(gain(normal, WIDTH))
            module.bias.copy_(0.3 * normal(WIDTH))
            for name, buffer in module.named_buffers():
                if buffer.is_floating_point():
                    mean_square = "running" in name or "x2" in name
                    noise = normal(*buffer.shape)
                    buffer.copy_(1 + 0.3 * noise.abs() if mean_square else 0.1 * noise)

    def buffers(self):
        state = dict(self.module.named_buffers())
        return {ours: layout(state[theirs]).to(torch.float64).clone() for ours, (theirs, layout) in self.names.items()}

    def params(self):
        return self.module.weight.detach().clone(), self.module.bias.detach().clone()

    def step(self, x, dy):
        x = x.clone().requires_grad_()
        self.module.zero_grad()
        y = self.module(x)
        (y * dy).sum().backward()
        return y.detach(), x.grad, self.module.weight.grad.clone(), self.module.bias.grad.clone()


def power_norm(code, normal, groups, warmup):
    scope = code.take("sIncerass/powernorm", "fairseq/modules/norms/mask_powernorm.py", "GroupScaling1D", "PowerFunction",
                      "MaskPowerNorm")
    module = scope["MaskPowerNorm"](WIDTH, group_num=groups, warmup_iters=warmup)
    flat = lambda t: t.reshape(-1)
    return Running(module, {"steps": ("iters", flat), "mean_square": ("running_phi", flat), "gradient": ("ema_gz", flat)},
                   normal)


def unified_norm(code, normal, window, warmup, steps_before):
    scope = code.take("hikvision-research/Unified-Normalization",
                      "neural_machine_translation/fairseq/modules/unified_normalization/unified_normalization.py",
                      "UN2dFunction", "UN1d")
    module = scope["UN1d"](WIDTH, window_size=window, warmup_iters=warmup)
    module.iters.fill_(steps_before)
    # The release's ring is indexed by the iteration; Ingot's window has the oldest row first.
    oldest_first = lambda ring: torch.stack([ring[(int(module.iters) + 1 + i) % window] for i in range(window)])
    flat = lambda t: t.reshape(-1)
    return Running(module, {"steps": ("iters", flat), "mean_square": ("running_var", flat), "gradient": ("ema_gz", flat),
                            "window": ("buffer_x2", oldest_first), "gradient_window": ("buffer_gz", oldest_first)}, normal)


class OnlineNorm:
    """The numpy release: a step's tokens are one sample, a feature map of B x T places; layer scaling is that of rows."""

    def __init__(self, code, normal, alpha_fwd, alpha_bkw):
        folder = "online-norm/numpy_on/"
        scope = code.take("Cerebras/online-normalization", folder + "online_norm_2d.py", "norm_forward", "norm_backward",
                          "mult_scale_forward", "mult_scale_backward", "add_bias_forward", "add_bias_backward", "Norm2d",
                          "WeightScale", "AddBias", np=numpy)
        rows_scope = code.take("Cerebras/online-normalization", folder + "online_norm_1d.py", "layer_scaling_forward",
                               "layer_scaling_backward", np=numpy)
        self.rows = rows_scope["layer_scaling_forward"], rows_scope["layer_scaling_backward"]
        self.norm = scope["Norm2d"](WIDTH, alpha_fwd, alpha_bkw)
        self.weight, self.bias = scope["WeightScale"](WIDTH), scope["AddBias"](WIDTH)
        self.norm.m, self.norm.var = 0.3 * normal(WIDTH).numpy(), 1 + 0.3 * normal(WIDTH).abs().numpy()
        self.norm.v, self.norm.u = 0.1 * normal(WIDTH).numpy(), 0.1 * normal(WIDTH).numpy()
        self.weight.weight, self.bias.bias = gain(normal, WIDTH).numpy(), 0.3 * normal(WIDTH).numpy()

    def buffers(self):
        n = self.norm
        named = {"mean": n.m, "variance": n.var, "gradient_product": n.v, "gradient": n.u}
        return {name: torch.tensor(value.copy()) for name, value in named.items()}

    def params(self):
        return torch.tensor(self.weight.weight), torch.tensor(self.bias.bias)

    def step(self, x, dy):
        place = lambda t: t.reshape(1, -1, WIDTH).transpose(1, 2).unsqueeze(-1).numpy()  # [1, d, B T, 1]
        tokens = lambda a: torch.tensor(a)[0, :, :, 0].T.reshape(BATCH, LENGTH, WIDTH)
        scaled = self.bias(self.weight(self.norm(place(x))))
        forward, backward = self.rows
        y, cache = forward(tokens(scaled).reshape(-1, WIDTH).numpy(), 1e-5)
        ds, _ = backward(dy.reshape(-1, WIDTH).numpy(), cache)
        dx = self.norm.backward(self.weight.backward(self.bias.backward(place(torch.tensor(ds)))))
        dgain, dbias = self.weight.opt_params[1], self.bias.opt_params[1]
        return torch.tensor(y).reshape(x.shape), tokens(dx), torch.tensor(dgain), torch.tensor(dbias)


RUNNING = {
    "power_norm": (power_norm, {"groups": 2, "warmup": 3}),
    "power_norm_ungrouped": (power_norm, {"groups": 1, "warmup": 2}),
    "unified_norm": (unified_norm, {"window": 3, "warmup": 1003, "steps_before": 1000}),
    "online_norm": (OnlineNorm, {"alpha_fwd": 0.9, "alpha_bkw": 0.8}),
}


def running(code, seed, builder, settings):
    normal = random_stream(seed)
    norm = builder(code, normal, **settings)
    spread = torch.linspace(0.5, 2, STEPS, dtype=torch.float64).view(-1, 1, 1, 1)
    x, dy = 0.5 + normal(STEPS, BATCH, LENGTH, WIDTH) * spread, normal(STEPS, BATCH, LENGTH, WIDTH)
    weight, bias = norm.params()
    tensors = {"in/x": x, "dout/y": dy, "param/gain": weight, "param/bias": bias}
    tensors |= {f"before/{name}": value for name, value in norm.buffers().items()}
    steps = []
    for s in range(STEPS):
        y, dx, dgain, dbias = norm.step(x[s], dy[s])
        after = {f"after/{name}": value for name, value in norm.buffers().items()}
        steps.append({"out/y": y, "grad/x": dx, "grad/gain": dgain, "grad/bias": dbias} | after)
    return tensors | {name: torch.stack([step[name] for step in steps]) for name in steps[0]}


def main():
    code = checkouts(__doc__)
    tensors, settings = {}, {}
    for kind, cases, first_seed in ((rows, ROWS, 500), (running, RUNNING, 600)):
        for seed, (name, (builder, options)) in enumerate(cases.items(), start=first_seed):
            tensors |= prefixed(name, kind(code, seed, builder, options))
            settings[name] = code.origin(**options)
    save("authors_norms", tensors, **settings)


if __name__ == "__main__":
    main()
