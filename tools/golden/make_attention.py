"""attention*.safetensors and rope.safetensors: transformers' Llama attention and rotary embedding.

Packages and names: see common.py. Run: python tools/golden/make_attention.py
"""

import torch
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaAttention, LlamaRotaryEmbedding, apply_rotary_pos_emb

from common import check_in_float32, evaluate, matrix, prefixed, random_stream, save

WIDTH, HEADS, KV_HEADS, BATCH, LENGTH = 32, 4, 2, 2, 13
HEAD_DIM = WIDTH // HEADS
THETA = 10000.0
NTK = {"max_length": 256, "original_length": 64}


def ntk_theta(theta, head_dim, max_length, original_length):
    """Nemotron-Flash's rescaled base: theta * (2 L_max / L_orig - 1)^(dh / (dh - 2))."""
    return theta * (2 * max_length / original_length - 1) ** (head_dim / (head_dim - 2))


def llama_config(theta):
    config = LlamaConfig(hidden_size=WIDTH, num_attention_heads=HEADS, num_key_value_heads=KV_HEADS,
                         max_position_embeddings=4096, attention_bias=False,
                         rope_parameters={"rope_type": "default", "rope_theta": theta})
    config._attn_implementation = "eager"
    return config


def mask(length, window, documents=None):
    """Query i sees key j iff 0 <= i - j < window (and both are of one document)."""
    distance = torch.arange(length)[:, None] - torch.arange(length)[None, :]
    visible = ((distance >= 0) & (distance < (window or length)))[None]
    if documents is not None:
        visible = visible & (documents[:, :, None] == documents[:, None, :])
    return visible[:, None]


def attention(theta, window):
    def function(inputs, params):
        layer = LlamaAttention(llama_config(theta), 0).to(inputs["x"].dtype)
        rotary = LlamaRotaryEmbedding(layer.config)
        documents = inputs.get("document")
        position = inputs.get("position", torch.arange(LENGTH).expand(BATCH, LENGTH))
        additive = torch.zeros(BATCH, 1, LENGTH, LENGTH, dtype=inputs["x"].dtype)
        additive = additive.masked_fill(~mask(LENGTH, window, documents), -torch.inf)
        weights = {f"{part}_proj.weight": params[f"{part}.weight"] for part in "qkvo"}
        arguments = (inputs["x"], rotary(inputs["x"], position), additive)
        return {"y": torch.func.functional_call(layer, weights, arguments)[0]}

    return function


def make_layer(name, seed, theta, window=None, documents=False, **settings):
    normal = random_stream(seed)
    inputs = {"x": normal(BATCH, LENGTH, WIDTH)}
    if documents:
        lengths = torch.tensor([[5, 1, 7], [8, 4, 1]])
        inputs["document"] = torch.stack([torch.repeat_interleave(torch.arange(3), row) for row in lengths])
        inputs["position"] = torch.stack([torch.cat([torch.arange(n) for n in row]) for row in lengths])
    kv_width = KV_HEADS * HEAD_DIM
    params = {"q.weight": matrix(normal, WIDTH, WIDTH), "k.weight": matrix(normal, kv_width, WIDTH),
              "v.weight": matrix(normal, kv_width, WIDTH), "o.weight": matrix(normal, WIDTH, WIDTH)}
    function = attention(theta, window)
    tensors = evaluate(function, inputs, params, normal)
    check_in_float32(function, tensors)
    save(name, tensors, d_model=WIDTH, num_heads=HEADS, num_kv_heads=KV_HEADS, theta=theta, window=window, **settings)


def make_rope():
    """Rotation of x [B,T,H,D] at positions [B,T]; the half-split layout pairs entry i with entry i + D/2."""
    cases = {}
    for seed, (case, theta) in enumerate({"default": THETA, "ntk": ntk_theta(THETA, HEAD_DIM, **NTK)}.items()):
        normal = random_stream(20 + seed)

        def function(inputs, params, theta=theta):
            rotary = LlamaRotaryEmbedding(llama_config(theta))
            cos, sin = rotary(inputs["x"], inputs["position"])
            return {"y": apply_rotary_pos_emb(inputs["x"], inputs["x"], cos, sin, unsqueeze_dim=2)[0]}

        position = torch.stack([torch.arange(5), torch.tensor([7, 8, 0, 1, 300])])
        tensors = evaluate(function, {"x": normal(2, 5, 3, HEAD_DIM), "position": position}, {}, normal)
        check_in_float32(function, tensors, 2e-4)  # float32 rounds the angle of position 300
        tensors["theta"] = torch.tensor([theta], dtype=torch.float64)
        cases |= prefixed(case, tensors)
    save("rope", cases, theta=THETA, head_dim=HEAD_DIM, **NTK)


if __name__ == "__main__":
    make_layer("attention", 1, THETA)
    make_layer("attention_window", 2, THETA, window=5)
    make_layer("attention_ntk", 3, ntk_theta(THETA, HEAD_DIM, **NTK), base_theta=THETA, **NTK)
    make_layer("attention_documents", 4, THETA, documents=True)
    make_rope()
