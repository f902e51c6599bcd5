// Independent normal values of one standard deviation.
//
//   W ~ N(0, std^2)

#include "base/text.h"
#include "config/fields.h"
#include "config/units.h"
#include "params/families.h"

namespace ingot {
namespace normal {
namespace {

struct NormalConfig {
  double std = 0.02;
};

void describe(Fields& f, NormalConfig& c) { f.field("std", c.std, "standard deviation", Rule{}.at_least(0)); }

class Normal final : public Init {
 public:
  explicit Normal(const NormalConfig& config) : std_(config.std) {}
  void fill(at::Tensor& weight, const ParamInfo& info, RandomStream& random) const override {
    normal_init(std_)(weight, info, random);
  }
  std::string text(const ParamInfo&) const override { return cat("normal(0, ", format_double(std_), ")"); }

 private:
  double std_;
};

}  // namespace
}  // namespace normal

void register_normal(Family<InitEntry>& family) {
  using normal::NormalConfig;
  auto& entry = family.add<NormalConfig>("normal", "Normal values with the same standard deviation everywhere.", "");
  entry.make = with_settings<NormalConfig>([](const NormalConfig& config, const InitContext&) -> std::unique_ptr<Init> {
    return std::make_unique<normal::Normal>(config);
  });
}

}  // namespace ingot
