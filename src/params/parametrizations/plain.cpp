// The weight itself is trained.
//
//   W = w        dw = dW

#include "config/fields.h"
#include "params/families.h"

namespace ingot {
namespace plain {
namespace {

struct PlainConfig {};

void describe(Fields&, PlainConfig&) {}

class Plain final : public Parametrization {
 public:
  bool applies(const ParamInfo&) const override { return true; }
  std::vector<MasterSpec> masters(const ParamInfo& info) const override { return {{"", info.shape}}; }
  Granularity granularity() const override { return Granularity::kElement; }

  void materialise(const std::vector<at::Tensor>& masters, at::Tensor& weight) const override {
    weight.copy_(masters.at(0));
  }
  void pull_back(const std::vector<at::Tensor>&, const at::Tensor& weight_grad,
                 std::vector<at::Tensor>& master_grads) const override {
    master_grads.at(0).copy_(weight_grad);
  }
  void assign(const at::Tensor& weight, std::vector<at::Tensor>& masters) const override {
    masters.at(0).copy_(weight);
  }
  bool is_identity() const override { return true; }
};

}  // namespace
}  // namespace plain

void register_plain(Family<ParametrizationEntry>& family) {
  auto& entry = family.add<plain::PlainConfig>("plain", "The weight itself is trained.", "");
  entry.make = [](const ConfigObject&) { return std::make_unique<plain::Plain>(); };
}

}  // namespace ingot
