#include "config/value_tree.h"

#include "base/text.h"
#include "config/path_value.h"
#include "config/scalar_text.h"

namespace ingot {

const ValueNode* ValueNode::member(const std::string& key) const {
  for (const auto& [name, value] : members) {
    if (name == key) return &value;
  }
  return nullptr;
}

std::string ValueNode::flow() const {
  if (kind == Kind::kLeaf) {
    if (json_type == "null") return "null";
    return scalar_text(scalar, scalar.quoted || json_type == "string");
  }
  std::vector<std::string> parts;
  for (const ValueNode& item : items) parts.push_back(item.flow());
  for (const auto& [key, value] : members) parts.push_back(scalar_text({key}, true) + ": " + value.flow());
  return kind == Kind::kList ? cat("[", join(parts, ", "), "]") : cat("{", join(parts, ", "), "}");
}

namespace {

/// Every `on_…` leaves its value in `result_`.
class Builder final : public Fields {
 public:
  explicit Builder(PathText paths) : paths_(paths) {}

  ValueNode build(const std::function<void(Fields&)>& describe) {
    on_struct(describe);
    return std::move(result_);
  }

  bool on_field(const FieldInfo& info) override {
    names_.push_back(info.name);
    const FieldClass own = info.rule.field_class;
    classes_.push_back(own != FieldClass::kInherit ? own : classes_.back());
    are_paths_.push_back(info.rule.is_path);
    is_omitted_ = false;
    return true;
  }
  void end_field() override {
    if (!is_omitted_) maps_.back().members.emplace_back(names_.back(), std::move(result_));
    is_omitted_ = false;
    names_.pop_back();
    classes_.pop_back();
    are_paths_.pop_back();
  }
  void on_leaf(LeafRef& leaf) override {
    Scalar scalar = leaf.format();
    if (paths_ == PathText::kAsRead && are_paths_.back()) scalar.text = written_path(scalar.text);
    set_leaf(std::move(scalar), leaf.json_type());
  }
  void on_struct(const std::function<void(Fields&)>& describe) override {
    open_map();
    describe(*this);
    close_map();
  }
  void on_short_form(LeafRef& leaf, const std::function<void(Fields&)>& describe) override {
    leaf.format().text.empty() ? on_struct(describe) : on_leaf(leaf);
  }
  void on_list(ListRef& list) override {
    ValueNode node = make(ValueNode::Kind::kList);
    for (std::size_t i = 0; i < list.size(); ++i) {
      list.visit(*this, i);
      if (!is_omitted_) node.items.push_back(std::move(result_));
      is_omitted_ = false;
    }
    result_ = std::move(node);
  }
  void on_optional(ListRef& value) override { value.size() != 0 ? value.visit(*this, 0) : set_leaf({"null"}, "null"); }
  void on_map(MapRef& map) override {
    open_map();
    for (const std::string& key : map.keys()) {
      map.visit(*this, key);
      maps_.back().members.emplace_back(key, std::move(result_));
    }
    close_map();
  }
  void on_variant(AnyVariant& variant) override {
    is_omitted_ = variant.name().empty();
    if (is_omitted_) return;
    set_leaf({variant.name(), true}, "string");
    if (!variant.bound()) return;
    ValueNode name = result_;
    open_map();
    maps_.back().members.emplace_back("type", name);
    variant.settings().clone()->describe_fields(*this);
    close_map();
    if (result_.members.size() == 1) result_ = std::move(name);
  }

 private:
  ValueNode make(ValueNode::Kind kind) const {
    ValueNode node;
    node.kind = kind;
    node.field_class = classes_.back();
    return node;
  }
  void set_leaf(Scalar scalar, const std::string& json_type) {
    result_ = make(ValueNode::Kind::kLeaf);
    result_.scalar = std::move(scalar);
    result_.json_type = json_type;
  }
  void open_map() { maps_.push_back(make(ValueNode::Kind::kMap)); }
  void close_map() {
    result_ = std::move(maps_.back());
    maps_.pop_back();
    is_omitted_ = false;
  }

  ValueNode result_;
  bool is_omitted_ = false;
  std::vector<ValueNode> maps_;
  std::vector<std::string> names_;
  std::vector<FieldClass> classes_ = {FieldClass::kNumeric};
  std::vector<bool> are_paths_ = {false};
  PathText paths_;
};

}  // namespace

ValueNode value_tree(const std::function<void(Fields&)>& describe, PathText paths) {
  return Builder(paths).build(describe);
}

}  // namespace ingot
