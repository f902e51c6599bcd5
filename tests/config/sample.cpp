#include "config/sample.h"

#include <map>
#include <memory>

namespace ingot::sample {

void describe(Fields& f, Norm& c) { f.field("eps", c.eps, "added to the mean square", Rule{}.above(0)); }
void describe(Fields& f, Rope& c) { f.field("theta", c.theta, "base of the wavelengths", Rule{}.above(1)); }
void describe(Fields&, Nothing&) {}
void describe(Fields& f, Attention& c) {
  f.field("num_heads", c.num_heads, "query heads", Rule{}.at_least(1));
  f.field("num_kv_heads", c.num_kv_heads, "key and value heads", Rule{}.at_least(1));
  f.field("window", c.window, "tokens that a query sees", Rule{}.at_least(1));
  f.field("position", c.position, "how positions enter");
}
void describe(Fields& f, Mamba& c) { f.field("state_dim", c.state_dim, "width of the state", Rule{}.at_least(1)); }
void describe(Fields& f, Adam& c) {
  f.field("lr", c.lr, "learning rate", Rule{}.above(0));
  f.field("betas", c.betas, "decay of the moments", Rule{}.at_least(0).below(1));
  f.field("weight_decay", c.weight_decay, "decoupled decay", Rule{}.at_least(0));
}
void describe(Fields& f, Sgd& c) {
  f.field("lr", c.lr, "learning rate", Rule{}.above(0));
  f.field("momentum", c.momentum, "heavy ball", Rule{}.at_least(0).below(1));
}
void describe(Fields& f, Match& c) {
  f.field("role", c.role, "roles");
  f.field("depth", c.depth, "sub-layers");
  f.field("name", c.name, "globs");
}
void describe(Fields& f, Group& c) {
  f.field("name", c.name, "how it is called", Rule{}.required());
  f.field("match", c.match, "which parameters");
  f.field("optimizer", c.optimizer, "another optimizer");
}
void describe(Fields& f, Operator& c) {
  f.field("mixer", c.mixer, "what mixes tokens");
  f.field("ffn_width", c.ffn_width, "width of the feed-forward");
}
void describe(Fields& f, Model& c) {
  f.field("d_model", c.d_model, "width of the stream", Rule{}.required().at_least(1));
  f.field("layers", c.layers, "pattern of operators", Rule{}.required());
  f.field("operators", c.operators, "operators by name");
  f.field("norm", c.norm, "the norm of every site");
  f.field("tie_embeddings", c.tie_embeddings, "the head is the embedding");
}
void describe(Fields& f, Documents& c) {
  f.field("separator", c.separator, "text between documents", Rule{}.required());
}
void describe(Fields& f, Validation& c) {
  f.field("fraction", c.fraction, "share of the text", Rule{}.above(0).below(1).excludes({"paths"}));
  f.field("paths", c.paths, "files", Rule{}.path().excludes({"fraction"}));
}
void describe(Fields& f, Data& c) {
  f.field("paths", c.paths, "files", Rule{}.path().free());
  f.field("documents", c.documents, "what a document is");
  f.field("validation", c.validation, "held-out text");
  f.field("cache", c.cache, "where shards go", Rule{}.path().free());
}
void describe(Fields& f, Train& c) {
  f.field("duration", c.duration, "length of the run", Rule{}.required().above(0));
  f.field("global_batch", c.global_batch, "sequences of a step", Rule{}.required());
  f.field("micro_batch", c.micro_batch, "sequences at once", Rule{}.layout().at_least(1));
  f.choice("precision", c.precision,
           {{"auto", Precision::kAuto}, {"fp32", Precision::kFp32}, {"bf16", Precision::kBf16}}, "of products");
  f.field("every", c.every, "cadence", Rule{}.free().above(0));
  f.field("timeout", c.timeout, "patience", Rule{}.layout());
  f.field("tokens", c.tokens, "of an evaluation", Rule{}.free());
  f.field("buffer", c.buffer, "read ahead", Rule{}.layout());
}
void describe(Fields& f, Optim& c) {
  f.field("optimizer", c.optimizer, "the optimizer", Rule{}.required());
  f.field("groups", c.groups, "first match wins");
}
void describe(Fields& f, Config& c) {
  f.field("name", c.name, "name of the run", Rule{}.free());
  f.field("dir", c.dir, "folder of the run", Rule{}.working_path().free());
  f.field("model", c.model, "the model");
  f.field("data", c.data, "the data");
  f.field("optim", c.optim, "the optimizer");
  f.field("train", c.train, "the loop");
}

namespace {

class Lookup final : public VariantLookup {
 public:
  Lookup() {
    add<NormEntry, Norm>("rms_norm", "Divides by the root mean square.");
    add<NormEntry, Norm>("layer_norm", "Standardises.");
    add<NormEntry, Nothing>("none", "Leaves the stream as it is.");
    add<PositionEntry, Nothing>("none", "No positions.");
    add<PositionEntry, Rope>("rope", "Rotates pairs.");
    add<MixerEntry, Attention>("attention", "Softmax attention.");
    add<MixerEntry, Mamba>("mamba2", "State space duality.");
    add<OptimizerEntry, Adam>("adamw", "Adam with decoupled decay.");
    add<OptimizerEntry, Sgd>("sgd", "Steepest descent.");
  }
  const Entry* find(const std::string& family, const std::string& name) const override {
    const auto it = entries_.find({family, name});
    return it != entries_.end() ? it->second.get() : nullptr;
  }
  std::vector<std::string> names(const std::string& family) const override {
    std::vector<std::string> out;
    for (const auto& [key, entry] : entries_) {
      if (key.first == family) out.push_back(key.second);
    }
    return out;
  }

 private:
  template <class E, class C>
  void add(const std::string& name, const std::string& summary) {
    auto entry = std::make_unique<E>();
    entry->name = name;
    entry->summary = summary;
    entry->defaults = std::make_shared<ConfigBox<C>>();
    entries_[{E::kFamily, name}] = std::move(entry);
  }
  std::map<std::pair<std::string, std::string>, std::unique_ptr<Entry>> entries_;
};

}  // namespace

const VariantLookup& lookup() {
  static const Lookup instance;
  return instance;
}

const char* const kGood = R"(name: test
model:
  d_model: 64
  layers: 2x(AF MF)
  operators:
    A: {mixer: {type: attention, num_heads: 8, position: {type: rope}}}
    M: {mixer: mamba2}
    F: {ffn_width: 8/3x}
  norm: {type: rms_norm, eps: 1e-5}
data:
  paths: [text/a.txt, /abs/b.txt]
  validation: {fraction: 0.01}
optim:
  optimizer: {type: adamw, lr: 3e-4}
  groups:
    - {name: gains, match: {role: gain}, optimizer: sgd}
    - name: early
      match: {role: [inner, bias], depth: "0%..25%", name: "layers.*"}
train:
  duration: 1.5B tokens
  global_batch: 512Ki tokens
)";

}  // namespace ingot::sample

namespace ingot {

using sample::Documents;

std::string Codec<Documents>::expected() { return "one of file, line, blank_line"; }
bool Codec<Documents>::parse(const Scalar& scalar, Documents& v) {
  if (scalar.text != "file" && scalar.text != "line" && scalar.text != "blank_line") return false;
  v = {scalar.text, ""};
  return true;
}
Scalar Codec<Documents>::format(const Documents& v) { return {v.separator.empty() ? v.name : ""}; }
const char* Codec<Documents>::json_type() { return "string"; }
std::optional<double> Codec<Documents>::number(const Documents&) { return std::nullopt; }

}  // namespace ingot
