#include "cli/family_words.h"

namespace ingot {

std::map<std::string, std::string> family_words() {
  return {
      {"activations", "The function between the two matrix products of the ffn `mlp` (`activation` there)."},
      {"averages",
       "Averages of the weights over updates, which evaluation uses in place of those that are trained "
       "(`optim.average`)."},
      {"clippers", "What happens to large gradients before the optimizer sees them (`optim.clip`)."},
      {"constraints",
       "Rules that weights obey, such as rows of length 1; every update ends by restoring them (`weights.constraints`, "
       "a "
       "list)."},
      {"ffns",
       "Feed-forward sub-layers, which work on each token by itself (`ffn` of an operator in `model.operators`)."},
      {"inits", "How start values are drawn, where a module does not fix them (`weights.init`)."},
      {"linears",
       "The matrix product inside mixers and ffns (`model.linear`, or `linear` of an operator in `model.operators`)."},
      {"mixers",
       "Sub-layers through which tokens see earlier tokens: attention and recurrences (`mixer` of an operator in "
       "`model.operators`)."},
      {"modifiers", "Changes to any optimizer's step before it is taken (`optim.modifiers`, a list)."},
      {"norms",
       "Normalisation layers. `model.norm` is the norm of every site at which the placement asks for one; "
       "`model.sites`, "
       "`sites` of an operator and `model.overrides` choose for single sites."},
      {"objectives", "The loss of a target token, which training minimises (`train.objective`)."},
      {"optimizers", "How a gradient becomes a change of the weight (`optim.optimizer`, or `optimizer` of a group)."},
      {"parametrizations",
       "What is trained in place of a weight that the model multiplies with, such as its length and direction apart "
       "(`weights.parametrization`)."},
      {"penalties", "Terms of the loss that depend on the weights alone (`weights.penalties`, a list)."},
      {"placements",
       "Which sites of the model have a norm, with the residual rule and start values that the paper of the placement "
       "brings (`model.placement`)."},
      {"positions",
       "How the order of tokens enters the model (`model.position` at the embedding, `position` of an attention)."},
      {"probes", "Measurements of the model while it trains, written to metrics.jsonl (`log.probes`, a list)."},
      {"residuals", "How the output of a sub-layer joins the residual stream (`model.residual`)."},
      {"scalings", "How learning rates, start values and forward factors follow width and depth (`weights.scaling`)."},
      {"schedules",
       "How the learning rate, or another number of the optimizer, moves over the run (`optim.schedule`, "
       "`optim.schedules`)."},
      {"scores", "By what number attention compares a query with a key (`score` of an attention)."},
      {"tokenizers", "How text becomes token ids (`data.tokenizer`)."},
  };
}

}  // namespace ingot
