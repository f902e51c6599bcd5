#include "config/schema.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "config/value_tree.h"

namespace ingot {
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const ValueNode& node) {
  if (node.kind == ValueNode::Kind::kList) {
    Json list = Json::array();
    for (const ValueNode& item : node.items) list.push_back(to_json(item));
    return list;
  }
  if (node.kind == ValueNode::Kind::kMap) {
    Json map = Json::object();
    for (const auto& [key, value] : node.members) map[key] = to_json(value);
    return map;
  }
  if (node.json_type == "null") return nullptr;
  const bool is_text = node.scalar.quoted || node.json_type == "string";
  const Json parsed = is_text ? Json(Json::value_t::discarded) : Json::parse(node.scalar.text, nullptr, false);
  return parsed.is_number() || parsed.is_boolean() ? parsed : Json(node.scalar.text);
}

Json limit(double value) { return value == std::floor(value) ? Json(static_cast<std::int64_t>(value)) : Json(value); }

void add_range(Json& schema, const Rule& rule) {
  if (std::isfinite(rule.low)) schema[rule.low_open ? "exclusiveMinimum" : "minimum"] = limit(rule.low);
  if (std::isfinite(rule.high)) schema[rule.high_open ? "exclusiveMaximum" : "maximum"] = limit(rule.high);
}

/// Every `on_…` leaves the schema of its value in `result_`.
class SchemaBuilder final : public Fields {
 public:
  explicit SchemaBuilder(std::set<std::string>& families) : families_(families) {}

  Json build(const std::function<void(Fields&)>& describe) {
    const ValueNode defaults = value_tree(describe);
    values_.push_back(&defaults);
    on_struct(describe);
    values_.pop_back();
    return std::move(result_);
  }

  bool on_field(const FieldInfo& info) override {
    const ValueNode* parent = values_.back();
    values_.push_back(parent != nullptr ? parent->member(info.name) : nullptr);
    infos_.push_back(info);
    return true;
  }
  void end_field() override {
    const FieldInfo& info = infos_.back();
    const ValueNode* value = values_.back();
    // Older drafts ignore what stands beside a $ref.
    Json schema = result_.contains("$ref") ? Json{{"allOf", {result_}}} : std::move(result_);
    schema["description"] = info.doc + (info.rule.is_required ? " (required)" : "");
    const bool is_section = value != nullptr && value->kind == ValueNode::Kind::kMap && schema.contains("properties");
    if (value != nullptr && !info.rule.is_required && !is_section) schema["default"] = to_json(*value);
    properties_.back()[info.name] = std::move(schema);
    infos_.pop_back();
    values_.pop_back();
  }

  void on_leaf(LeafRef& leaf) override {
    const std::string type = leaf.json_type();
    result_ = Json::object();
    if (!leaf.choices().empty()) {
      result_["enum"] = leaf.choices();
      return;
    }
    result_["type"] = type.empty() ? Json({"number", "string"}) : Json(type);
    if (type == "number" || type == "integer") add_range(result_, infos_.back().rule);
    if (leaf.expected() != "text" && (type == "string" || type.empty())) result_["title"] = leaf.expected();
  }
  void on_struct(const std::function<void(Fields&)>& describe) override {
    properties_.push_back(Json::object());
    describe(*this);
    result_ = {{"type", {"object", "null"}}, {"properties", properties_.back()}, {"additionalProperties", false}};
    properties_.pop_back();
  }
  void on_short_form(LeafRef& leaf, const std::function<void(Fields&)>& describe) override {
    on_leaf(leaf);
    Json scalar = std::move(result_);
    without_values([&] { on_struct(describe); });
    result_ = {{"anyOf", {std::move(scalar), std::move(result_)}}};
  }
  void on_list(ListRef& list) override {
    const bool is_empty = list.size() == 0;
    if (is_empty) list.resize(1);
    without_values([&] { list.visit(*this, 0); });
    if (is_empty) list.resize(0);
    const Json element = std::move(result_);
    result_ = {{"type", "array"}, {"items", element}};
    if (list.accepts_one()) result_ = {{"anyOf", {element, result_}}};
  }
  void on_optional(ListRef& value) override {
    const bool is_empty = value.size() == 0;
    if (is_empty) value.resize(1);
    value.visit(*this, 0);
    if (is_empty) value.resize(0);
    // A condition lets editors name what is wrong inside the value; an anyOf would only say that nothing fits.
    result_ = {{"if", {{"type", "null"}}}, {"then", true}, {"else", std::move(result_)}};
  }
  void on_map(MapRef& map) override {
    without_values([&] { map.visit_sample(*this); });
    result_ = {{"type", {"object", "null"}}, {"additionalProperties", std::move(result_)}};
  }
  void on_variant(AnyVariant& variant) override {
    families_.insert(variant.family());
    result_ = {{"$ref", "#/definitions/" + variant.family()}};
  }

 private:
  /// Elements of lists and maps have no defaults of their own.
  template <class F>
  void without_values(F visit) {
    values_.push_back(nullptr);
    visit();
    values_.pop_back();
  }

  Json result_;
  std::set<std::string>& families_;  // that are referred to
  std::vector<Json> properties_;
  std::vector<FieldInfo> infos_;
  std::vector<const ValueNode*> values_;
};

/// A bare name, or a mapping whose `type` decides which keys it may have. A mapping without `type` changes keys of
/// whatever variant a base chose, so any key of the family passes.
Json family_schema(const std::string& family, const VariantLookup& lookup, std::set<std::string>& families) {
  Json names = Json::array(), cases = Json::array(), any_key = Json::object();
  for (const std::string& name : lookup.names(family)) {
    const Entry* entry = lookup.find(family, name);
    const auto settings = entry->defaults->clone();
    Json schema = SchemaBuilder(families).build([&settings](Fields& f) { settings->describe_fields(f); });
    for (const auto& [key, value] : schema["properties"].items()) any_key[key] = true;
    schema["type"] = "object";
    schema["properties"]["type"] = {{"const", name}, {"description", entry->summary}};
    const Json has_type = {{"required", {"type"}}, {"properties", {{"type", {{"const", name}}}}}};
    cases.push_back({{"if", has_type}, {"then", std::move(schema)}});
    names.push_back({{"const", name}, {"description", entry->summary}});
  }
  any_key["type"] = {{"anyOf", names}};
  const Json mapping = {{"type", "object"}, {"properties", any_key}, {"additionalProperties", false}, {"allOf", cases}};
  return {{"if", {{"type", "object"}}}, {"then", mapping}, {"else", {{"anyOf", names}}}};
}

}  // namespace

std::string schema_of_fields(const std::string& title, const VariantLookup& lookup,
                             const std::function<void(Fields&)>& describe) {
  std::set<std::string> families;
  Json root = {{"$schema", "http://json-schema.org/draft-07/schema#"}, {"title", title}};
  root.update(SchemaBuilder(families).build(describe));
  root["properties"]["extends"] = {
      {"description", "files that this one changes, relative to it; later ones win"},
      {"anyOf", {{{"type", "string"}}, {{"type", "array"}, {"items", {{"type", "string"}}}}}}};
  std::map<std::string, Json> definitions;
  // A family's variants may hold variants of other families.
  for (bool is_growing = true; is_growing;) {
    is_growing = false;
    for (const std::string& family : std::set<std::string>(families)) {
      if (definitions.contains(family)) continue;
      definitions[family] = family_schema(family, lookup, families);
      is_growing = true;
    }
  }
  for (auto& [family, schema] : definitions) root["definitions"][family] = std::move(schema);
  return root.dump(2) + "\n";
}

}  // namespace ingot
