// Post-norm: x_{n+1} = norm(x_n + f_n(x_n)). No final norm: the last sub-layer's is one already.
//
//   Vaswani et al. 2017, "Attention Is All You Need", arXiv:1706.03762, section 3.1. It needs a warm-up of the learning
//   rate (Xiong et al. 2020, arXiv:2002.04745).

#include "config/fields.h"
#include "nn/placement.h"
#include "registry/add_entry.h"

namespace ingot {
namespace post {

struct Config {};

void describe(Fields& /*f*/, Config& /*c*/) {}

class Post final : public Placement {
 public:
  bool has_norm(Site site, int depth) const override { return depth >= 0 && site == Site::kStream; }
  std::string formula(int /*depth*/) const override { return "norm(x + f(x))"; }
};

}  // namespace post

void register_post(Family<PlacementEntry>& family) {
  add_entry<post::Config, post::Post>(family, "post", "A norm of the stream after every sub-layer has joined it.",
                                      "Vaswani et al. 2017, arXiv:1706.03762");
}

}  // namespace ingot
