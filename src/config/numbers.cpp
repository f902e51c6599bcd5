#include "config/numbers.h"

#include <stdexcept>

#include "base/text.h"
#include "config/fields.h"
#include "config/scalar_text.h"

namespace ingot {
namespace {

/// Calls `on_number(path, leaf)` for each.
class NumberFields final : public Fields {
 public:
  using OnNumber = std::function<void(const std::string& path, LeafRef& leaf)>;
  explicit NumberFields(OnNumber on_number) : on_number_(std::move(on_number)) {}

  bool on_field(const FieldInfo& info) override {
    path_.push_back(info.name);
    return true;
  }
  void end_field() override { path_.pop_back(); }
  void on_leaf(LeafRef& leaf) override {
    if (leaf.json_type() == "number" && leaf.number()) on_number_(join(path_, "."), leaf);
  }
  void on_struct(const std::function<void(Fields&)>& describe) override { describe(*this); }
  void on_short_form(LeafRef& /*leaf*/, const std::function<void(Fields&)>& /*describe*/) override {}
  void on_list(ListRef& list) override {
    for (std::size_t i = 0; i < list.size(); ++i) {
      path_.push_back(std::to_string(i));
      list.visit(*this, i);
      path_.pop_back();
    }
  }
  void on_optional(ListRef& list) override {
    if (list.size() != 0) list.visit(*this, 0);
  }
  void on_map(MapRef& /*map*/) override {}
  void on_variant(AnyVariant& /*variant*/) override {}

 private:
  OnNumber on_number_;
  std::vector<std::string> path_;
};

}  // namespace

std::vector<std::pair<std::string, double>> numbers_of(const ConfigObject& settings) {
  std::vector<std::pair<std::string, double>> out;
  NumberFields fields([&](const std::string& path, LeafRef& leaf) { out.emplace_back(path, *leaf.number()); });
  settings.clone()->describe_fields(fields);
  return out;
}

void set_number(ConfigObject& settings, const std::string& path, double value) {
  bool found = false;
  NumberFields fields([&](const std::string& at, LeafRef& leaf) {
    if (at == path) found = leaf.parse(Codec<double>::format(value));
  });
  settings.describe_fields(fields);
  if (!found) throw std::logic_error("no number '" + path + "' among the settings");
}

}  // namespace ingot
