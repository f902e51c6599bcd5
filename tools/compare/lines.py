"""The models on which compare_pytorch.py runs, as recipes with overrides. Packages: none."""

from dataclasses import dataclass, field

from ingot_runs import ROOT


@dataclass
class Line:
    """A model at a batch of `rows` sequences of `seq_len` tokens; `steps` take half a minute on two cores with AVX2."""
    recipe: str
    vocab_size: int
    rows: int
    seq_len: int
    steps: int
    warm_up: int = 2
    model: list[str] = field(default_factory=list)  # overrides
    usual: bool = True  # runs if no line is named

    @property
    def config(self):
        return ROOT / "configs" / self.recipe

    @property
    def overrides(self):
        batch = [f"data.seq_len={self.seq_len}", "data.reset_at_document=false", f"train.global_batch={self.rows} sequences",
                 f"train.micro_batch={self.rows}", "train.device=cpu"]
        return [*self.model, *batch]


HYBRID = ["model.d_model=512", "model.meta_tokens=0", "model.normalise_head=false", "weights.constraints=[]",
          "optim.optimizer.weight_decay=0.1"]
GPT2 = ["model.operators.A.mixer.num_kv_heads=12", "model.tie_embeddings=true"]
CHAR = ["optim.groups=[]"]  # the PyTorch model's positions do not decay
LINES = {
    "gpt2_124m": Line("recipes/llama.yaml", 50304, 4, 256, 8, model=GPT2),
    "dense_29m": Line("recipes/llama.yaml", 8192, 8, 256, 15,
                      model=["model.d_model=512", "model.layers=8x(AF)", "model.operators.A.mixer.num_heads=8",
                             "model.operators.A.mixer.num_kv_heads=8", "model.operators.F.ffn.width=1344",
                             "model.tie_embeddings=true"]),
    "char_10m": Line("recipes/shakespeare_char.yaml", 65, 16, 256, 15,
                     model=["model.d_model=384", "model.layers=6x(AF)", "model.operators.A.mixer.num_heads=6", *CHAR]),
    "char_0.8m": Line("recipes/shakespeare_char.yaml", 65, 12, 64, 300, warm_up=30, model=CHAR),
    "hybrid_18m": Line("quickstart.yaml", 8192, 8, 256, 15, model=HYBRID),
    "hybrid_18m_1024": Line("quickstart.yaml", 8192, 2, 1024, 15, model=HYBRID),
    # For their memory: minutes a run.
    "gpt2_124m_1024": Line("recipes/llama.yaml", 50304, 4, 1024, 2, warm_up=1, model=GPT2, usual=False),
    "hybrid_124m_1024": Line("quickstart.yaml", 50304, 4, 1024, 2, warm_up=1, usual=False,
                             model=[*HYBRID, "model.d_model=768", "model.layers=DFMFAFMF DFMFAFMF DFMF",
                                    "model.operators.D.mixer.num_heads=12", "model.operators.A.mixer.num_heads=12",
                                    "model.operators.A.mixer.num_kv_heads=6"]),
}
