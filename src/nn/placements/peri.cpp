// Peri-norm: x_0 = norm(embedding); x_{n+1} = x_n + norm_out(f_n(norm_in(x_n))); a final norm.
//
//   Kim et al. 2025, "Peri-LN: Revisiting Normalization Layer in the Transformer Architecture", arXiv:2502.02732. The
//   output norm takes away any scale of f's last matrix: depth factors in its init have no effect.

#include "config/fields.h"
#include "nn/placement.h"
#include "registry/add_entry.h"

namespace ingot {
namespace peri {

struct Config {
  bool embedding_norm = true;
};

void describe(Fields& f, Config& c) {
  f.field("embedding_norm", c.embedding_norm, "whether the embedding has a norm, as in the paper; OLMo-core has none");
}

class Peri final : public Placement {
 public:
  explicit Peri(const Config& config) : embedding_norm_(config.embedding_norm) {}

  bool has_norm(Site site, int depth) const override {
    if (depth >= 0) return site == Site::kInput || site == Site::kOutput;
    return site == Site::kFinal || (site == Site::kEmbedding && embedding_norm_);
  }
  std::string formula(int /*depth*/) const override { return "x + norm(f(norm(x)))"; }

 private:
  bool embedding_norm_;
};

}  // namespace peri

void register_peri(Family<PlacementEntry>& family) {
  add_entry<peri::Config, peri::Peri>(family, "peri",
                                      "A norm before and after every sub-layer, of the embedding and before the head.",
                                      "Kim et al. 2025, arXiv:2502.02732")
      .samples = {"{embedding_norm: false}"};
}

}  // namespace ingot
