#include "config/key_names.h"

#include "base/text.h"

namespace ingot {
namespace {

class Collector final : public Fields {
 public:
  explicit Collector(std::size_t depth) : depth_(depth) {}
  std::vector<std::string> take() { return std::move(found_); }

  bool on_field(const FieldInfo& info) override {
    path_.push_back(info.name);
    found_.push_back(join(path_, "."));
    if (path_.size() < depth_) return true;
    path_.pop_back();
    return false;
  }
  void end_field() override { path_.pop_back(); }
  void on_leaf(LeafRef&) override {}
  void on_struct(const std::function<void(Fields&)>& describe) override { describe(*this); }
  void on_short_form(LeafRef&, const std::function<void(Fields&)>& describe) override { describe(*this); }
  void on_list(ListRef& list) override { visit_any(list); }
  void on_optional(ListRef& list) override { visit_any(list); }
  void on_map(MapRef& map) override {
    for (const std::string& key : map.keys()) {
      path_.push_back(key);
      map.visit(*this, key);
      path_.pop_back();
    }
  }
  void on_variant(AnyVariant& variant) override {
    if (variant.bound()) variant.settings().clone()->describe_fields(*this);
  }

 private:
  void visit_any(ListRef& list) {
    const std::size_t size = list.size();
    if (size == 0) list.resize(1);
    list.visit(*this, 0);
    if (size == 0) list.resize(0);
  }

  std::size_t depth_;
  std::vector<std::string> path_;
  std::vector<std::string> found_;
};

}  // namespace

std::vector<std::string> key_names(const std::function<void(Fields&)>& describe) {
  Collector collector(1);
  describe(collector);
  return collector.take();
}

std::vector<std::string> all_key_paths(const std::function<void(Fields&)>& describe) {
  constexpr std::size_t kDepth = 8;  // structs may hold lists of themselves
  Collector collector(kDepth);
  describe(collector);
  return collector.take();
}

}  // namespace ingot
