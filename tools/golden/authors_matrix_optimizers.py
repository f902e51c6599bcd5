"""muon, normuon, auon, scale, scion, dion .safetensors: trajectories of optimizers as their authors released them, in fp64.

Requests for bf16 and fp32 within the code are read as ones for fp64 (common.InDouble); torch.compile is left out. Beside
authors' code: torch.optim.Muon for the learning rates of Adam, pytorch_optimizer.NorMuon for the paper's scale.

Packages and names: see common.py, authors.py, trajectories.py; pytorch_optimizer 4.1, torch 2.15.
Run: python tools/golden/authors_matrix_optimizers.py --sources DIR
"""

import math

import torch

from authors import checkouts
from common import InDouble, prefixed, save
from trajectories import trajectory

SHAPES = {"tall": (5, 3), "wide": (3, 5)}


class WithoutCompiling:
    """Stands in for the module torch: its compile gives the function itself."""

    def __getattr__(self, name):
        return getattr(torch, name)

    def compile(self, function=None, **_):
        return function if function is not None else lambda f: f


class Stepping:
    """An optimizer made of function(parameter, gradient, state, lr)."""

    def __init__(self, params, function, states=None):
        self.params, self.function = list(params), function
        self.states = states or [{} for _ in self.params]
        self.param_groups = [{"lr": 0.0}]

    @torch.no_grad()
    def step(self):
        for param, state in zip(self.params, self.states):
            self.function(param.data, param.grad.clone(), state, self.param_groups[0]["lr"])


def write(name, cases, seed, shapes=SHAPES):
    """`cases`: by name the settings under Ingot's names, the factory of the optimizer and where it comes from."""
    tensors, settings = {}, {}
    for offset, (case, (options, factory, origin)) in enumerate(cases.items()):
        with InDouble():
            numbers = trajectory(factory, seed + offset, torch.float64, None, shapes)
        del numbers["norm"]
        tensors |= prefixed(f"{case}_fp64", numbers)
        settings[f"{case}_fp64"] = options | {"max_norm": None} | origin
    save(name, tensors, **settings)


def make_muon(code):
    theirs = code.take("KellerJordan/Muon", "muon.py", "zeropower_via_newtonschulz5", "muon_update", "SingleDeviceMuon")
    origin = code.origin()
    package = {"sources": [{"package": "torch 2.15", "definitions": ["torch.optim.Muon"]}]}
    muon = {"momentum": 0.95, "weight_decay": 0.1}
    write("muon", {
        "original": (muon, lambda p: theirs["SingleDeviceMuon"](p, **muon), origin),
        # ε of its norm is a lower bound, not a summand: no difference at these sizes of gradients but where they are tiny
        "match_rms": (muon | {"scale": "match_rms", "nesterov": False, "eps": 1e-12},
                      lambda p: torch.optim.Muon(p, **muon, nesterov=False, eps=1e-12,
                                                 adjust_lr_fn="match_rms_adamw"), package),
    }, 70)


def make_normuon(code):
    import pytorch_optimizer

    def package(scale):
        def factory(params):
            group = {"params": list(params), "use_muon": True}
            return pytorch_optimizer.NorMuon([group], momentum=0.9, beta2=0.9, weight_decay=0.1, eps=1e-12,
                                             update_scale=scale)
        return factory

    code.note("pytorch_optimizer 4.1", "NorMuon")
    origin = code.origin()
    scope = code.take("karpathy/nanochat", "nanochat/optim.py", "muon_step_fused", torch=WithoutCompiling(),
                      COMPUTE_DTYPE=torch.float64, polar_express_coeffs=coefficients())

    def nanochat(param, grad, state, lr):
        rows, columns = param.shape
        axis = -1 if rows >= columns else -2
        if not state:
            state["m"] = torch.zeros_like(param)[None]
            state["v"] = torch.zeros(1, rows, 1) if axis == -1 else torch.zeros(1, 1, columns)
        number = lambda value: torch.tensor(value, dtype=torch.float64)
        scope["muon_step_fused"](grad[None].clone(), param[None], state["m"], state["v"], number(0.9),
                                 number(lr * max(1, rows / columns)**0.5), number(0.0), number(0.8), 5, axis)

    norm = {"momentum": 0.9, "beta": 0.9, "weight_decay": 0.1, "variance_eps": 1e-12,
            "eps": 1e-30}  # the package's is a lower bound
    write("normuon", {
        "original": (norm, package("preserve_norm"), origin),
        "match_rms": (norm | {"scale": "match_rms"}, package("match_rms"), origin),
        "nanochat": ({"momentum": 0.9, "beta": 0.8, "per": "longer_side", "method": "polar_express", "equal_rows": True,
                      "exact_norm": True, "margin": 1.01, "eps": 1e-6, "variance_eps": 1e-30},
                     lambda p: Stepping(p, nanochat), code.origin()),
    }, 80)


def coefficients():
    """Of nanochat's file, whose literal this is read from."""
    return [(8.156554524902461, -22.48329292557795, 15.878769915207462),
            (4.042929935166739, -2.808917465908714, 0.5000178451051316),
            (3.8916678022926607, -2.772484153217685, 0.5060648178503393),
            (3.285753657755655, -2.3681294933425376, 0.46449024233003106),
            (2.3465413258596377, -1.7097828382687081, 0.42323551169305323)]


def make_auon(code):
    scope = code.take("ryyzn9/AuON", "auon/optimizer.py", "AuON", "HybridAuON")
    origin = code.origin()
    settings = {"momentum": 0.9, "weight_decay": 0.1, "gamma": 1.5}
    write("auon", {
        "code": (settings | {"form": "code"}, lambda p: scope["AuON"](p, **settings), origin),
        "hybrid": (settings | {"form": "hybrid"}, lambda p: scope["HybridAuON"](p, **settings), origin),
    }, 90)


def make_scale(code):
    scope = code.take("OptimAI-Lab/Minimalist_LLM_Pretraining", "mem_eff_pt/pt_scale/scale_optimizer.py", "SCALE")
    origin = code.origin()

    def factory(params):
        inner, embedding, head = params
        names = {id(inner): "inner", id(embedding): "embed_tokens", id(head): "lm_head"}
        return scope["SCALE"](wd=0.1, main_params=[inner, embedding], secondary_params=[head], id_to_name=names)

    write("scale", {"plain": ({"weight_decay": 0.1, "momentum": 0.9}, factory, origin)}, 100,
          {"inner": (3, 5), "embedding": (7, 3), "head": (7, 3)})


def make_scion(code):
    names = ["Norm", "ColNorm", "BiasRMS", "Spectral", "Sign", "Scion", "zeropower_via_newtonschulz5"]
    scope = code.take("LIONS-EPFL/scion", "scion.py", *names, torch=WithoutCompiling(), math=math)
    scope["norm_dict"] = {name: scope[name] for name in names[1:5]}
    origin = code.origin()

    def factory(unconstrained):
        def make(params):
            inner, embedding, head, vector = params
            groups = [{"params": [inner], "norm": "Spectral", "norm_kwargs": {}, "scale": 50.0},
                      {"params": [head], "norm": "Sign", "norm_kwargs": {}, "scale": 3000.0},
                      {"params": [embedding], "norm": "ColNorm", "norm_kwargs": {"transpose": True}, "scale": 2.0},
                      {"params": [vector], "norm": "BiasRMS", "norm_kwargs": {}, "scale": 3.0}]
            made = scope["Scion"](groups, momentum=0.1, unconstrained=unconstrained)
            return AllGroups(made)
        return make

    settings = {"momentum": 0.9, "radius": {"matrices": 50, "head": 3000, "embedding": 2, "rest": 3}}
    shapes = {"inner": (3, 5), "embedding": (5, 3), "head": (5, 3), "vector": (4,)}
    write("scion", {"unconstrained": (settings | {"weight_decay": 0}, factory(True), origin),
                    "constrained": (settings | {"weight_decay": 1}, factory(False), origin)}, 110, shapes)


class AllGroups:
    """The rate that is set for the first group goes to all."""

    def __init__(self, optimizer):
        self.optimizer, self.param_groups = optimizer, [{"lr": 0.0}]

    @torch.no_grad()
    def step(self):
        for group in self.optimizer.param_groups:
            group["lr"] = self.param_groups[0]["lr"]
        self.optimizer.step()


def make_dion(code):
    names = ["dion_update", "power_iteration", "orthogonalize", "fix_all_zero_or_nan"]
    scope = code.take("microsoft/dion", "dion/dion_reference.py", *names, math=math, DTensor=type("DTensor", (), {}),
                      to_local=lambda tensor: tensor)
    origin = code.origin()
    normal = torch.Generator().manual_seed(3)
    bases = {}

    def factory(rank):
        def make(params):
            states = []
            for param in params:
                q = torch.randn(min(param.shape), rank, generator=normal, dtype=torch.float64)
                bases[len(states), rank] = q.clone()
                states.append({"M": torch.zeros_like(param), "Q": q})
            return Stepping(params, update, states)

        def update(param, grad, state, lr):
            rows, columns = param.shape
            state["Q"] = scope["dion_update"](param, grad, state["M"], state["Q"], lr, 0.9, 0.1, 1e-8, rows < columns, 1,
                                              "qr", compressed_all_reduce=False)
        return make

    cases = {}
    for case, rank in (("full", 3), ("low", 1)):
        options = {"momentum": 0.9, "weight_decay": 0.1, "rank_fraction": rank / 3}
        with InDouble():
            numbers = trajectory(lambda p: factory(rank)(list(p)), 120 + rank, torch.float64, None, SHAPES)
        for i, name in enumerate(SHAPES):
            numbers[f"basis/{name}"] = bases[i, rank]
        del numbers["norm"]
        cases |= {f"{case}_fp64": (options, numbers)}
    save("dion", {k: v for case, (_, numbers) in cases.items() for k, v in prefixed(case, numbers).items()},
         **{case: options | {"max_norm": None} | origin for case, (options, _) in cases.items()})


if __name__ == "__main__":
    code = checkouts(__doc__)
    for make in (make_muon, make_normuon, make_auon, make_scale, make_scion, make_dion):
        make(code)
