"""Runs classes of the authors' released code, unchanged, out of checkouts of their repositories.

`--sources DIR` holds a checkout of each repository at the commit named in SOURCES, as DIR/OWNER+NAME. Nothing of theirs is
in this repository: a maker reads the file, picks the definitions that it needs by name and executes them with the names that
they use from outside (`names`): torch, or a stand-in where the original needs a GPU kernel, a registry or a whole framework.
What a maker stands in for says so beside it.
"""

import argparse
import ast
import hashlib
import pathlib

import torch
from torch import nn
from torch.nn import functional as F

SOURCES = {
    "AGI-Arena/MARS": "4831e28eba863a4e69d7e9474ff8e73bc1b410fe",
    "BryceZhuo/HybridNorm": "f0dd60589c4cafcbd5496d60884d2745ff340805",
    "Cerebras/online-normalization": "fe08b9f8e288d628eee4f9991e562cdb4f9e997b",
    "KellerJordan/Muon": "857d1adc159e098212f828d927460782d3da59e9",
    "LIONS-EPFL/scion": "f58a393e010395a5913176be5673d8839caa6285",
    "CyndxAI/QKNorm": "c628cb5d21f1475ba95db779a175748ff9efe940",
    "LiamMa/PPGT": "62cafd3abbb8d72e9a8b3146f947a192cf0aacaf",
    "Liuhong99/Sophia": "a7e157229b71d58cf995d32854f1be15c265b350",
    "MLAI-Yonsei/BHyT": "e170c9bd2daf4f61cc1726652d7a3362a27cd0a8",
    "NVIDIA-NeMo/Emerging-Optimizers": "fd7729267109a8848709e9406bf19e53e970c3f4",
    "NVIDIA/NeMo": "8cfedd7203462cb251a914e700e5605444277561",
    "NVIDIA/ngpt": "ed19eb232380d41a9d71024b58d2403937d8f2c9",
    "OptimAI-Lab/Minimalist_LLM_Pretraining": "f5bd4e754eb9c0b43f2b01330adeebe2d9b28fd3",
    "Z-T-WANG/LaProp-Optimizer": "a419916505bfb5d6a55f6b7b0ae14eb401b3be12",
    "ZixuanJiang/pre-rmsnorm-transformer": "025d43a094a98ff681f12564b0ec567925c0232c",
    "apple/ml-ademamix": "c3d73c09f1287e5c33b95189bb0aa7de0a5a7667",
    "bzhangGo/rmsnorm": "2e726f1a3f106bb719056422f4f9b6aca03d3ce6",
    "bluorion-com/ZClip": "584ce4f5a4aabab59e7df1dbaffc26a44df39dc1",
    "dandingsky/ProRes": "5253e0dea6cff62f69c8f7fe1cc3151ec572fab6",
    "evanatyourservice/kron_torch": "884427c32bc45e8293e20c26c85e4ccc4f68c9d1",
    "facebookresearch/deit": "7e160fe43f0252d17191b71cbb5826254114ea5b",
    "facebookresearch/fairseq": "3d262bb25690e4eb2e7d3c1309b1e9c406ca4b99",
    "hikvision-research/Unified-Normalization": "0ce9bf26837f94c58ae5dd0d206ad3aa32d82d07",
    "hongyi-zhang/Fixup": "f3fa449fbb8906ccb7143cea822f8b964b3d9258",
    "iShohei220/adopt": "6468572b4b3688a2f056b796b071da540568520e",
    "jiachenzhu/DyT": "aab5dde0bc1bdd4410f687dad404c87b31808f90",
    "karpathy/nanochat": "92d63d4e8bb4df75c3b71618f31ddde2378b2bcd",
    "lmsdss/LayerNorm-Scaling": "3ac54dde961b04780b152bc8b38b71b2f8e1c16a",
    "lucidrains/hyper-connections": "47751035f6e92f73121f1da56603f0d410115799",
    "majumderb/rezero": "e2c94a825c5564217e8cf4d75a28d59cab1d7029",
    "microsoft/dion": "0a059a4542e5aa74b40dcd1dce363836c7afcd48",
    "microsoft/ResiDual": "8682f7510be105a0caf5b98a021e712f44f90ace",
    "microsoft/torchscale": "4d1e0e82e5adf86dd424f1463192635b73fc8efc",
    "nikhilvyas/SOAP": "a1e553530fde97d0e6b307d7c82ac6d38b072340",
    "phess2/lipschitz-transformers": "9173461c4a0fc8c78c0deb76c0b0a6d593b95eb2",
    "pixeli99/MixLN": "ff458269dff837f1900025fb7cc864b404b9c7e6",
    "ryyzn9/AuON": "bba2e82200825bbf8574462df32130af64a39f42",
    "sIncerass/powernorm": "9ea6226a3203d5d6fcee07a5c6dec38ec6bc5e9f",
    "takase/b2t_connection": "c8e2ad4ed0b137bf267272419dbf71771dff9f64",
    "tnq177/transformers_without_tears": "c2dfaaa93c2437a75f08b52de88b1132f78e7cad",
    "yorkerlin/KL-Methods": "a02e6221556301cf84f9607c73f327910afb2b95",
    "zhuhanqing/APOLLO": "76b34725abcbd45aa47d8fdf831c8b5ba6d34dde",
    "zlab-princeton/Derf": "8dd9ea3cc70370f423a80a80af6f72466bc621db",
}


class Checkouts:
    """Definitions out of the checkouts, and a record of where each case comes from."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.used = []

    def take(self, repository, file, *wanted, **names):
        """Executes the definitions `wanted` of a file, in its order, with `names` in scope; returns the scope."""
        text = (self.folder / repository.replace("/", "+") / file).read_bytes()
        tree = ast.parse(text)
        picked = [node for node in tree.body if getattr(node, "name", None) in wanted]
        assert {node.name for node in picked} == set(wanted), f"{repository}:{file} lacks some of {wanted}"
        scope = {"torch": torch, "nn": nn, "F": F, "Parameter": nn.Parameter, "Module": nn.Module} | names
        # Annotations name types of the whole framework: they are not evaluated.
        future = ast.parse("from __future__ import annotations").body
        exec(compile(ast.Module(future + picked, []), f"{repository}:{file}", "exec"), scope)
        blob = hashlib.sha1(b"blob %d\0" % len(text) + text).hexdigest()
        self.used.append({"repository": repository, "commit": SOURCES[repository], "file": file, "blob": blob,
                          "definitions": list(wanted)})
        return scope

    def note(self, package, *definitions):
        """Records definitions of an installed package."""
        self.used.append({"package": package, "definitions": list(definitions)})

    def origin(self, **more):
        """What was taken since the last call: the metadata of a case."""
        used, self.used = self.used, []
        return ({"sources": used} if used else {}) | more


def checkouts(doc):
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--sources", required=True, help="folder of checkouts, OWNER+NAME each")
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)  # starts that the releases draw
    return Checkouts(parser.parse_args().sources)
