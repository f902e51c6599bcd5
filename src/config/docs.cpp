#include "config/docs.h"

#include "base/text.h"
#include "config/value_tree.h"

namespace ingot {
namespace {

/// "an integer" -> "integer", "a duration such as '2%'" -> "duration", "one of a, b" -> "a | b".
std::string short_type(const LeafRef& leaf) {
  if (!leaf.choices().empty()) return join(leaf.choices(), " | ");
  std::string text = leaf.expected();
  text = text.substr(0, text.find(" such as"));
  text = text.substr(0, text.find(','));
  for (const std::string article : {"a ", "an "}) {
    if (text.starts_with(article)) return text.substr(article.size());
    const std::size_t at = text.find("or " + article);
    if (at != std::string::npos) return text.erase(at + 3, article.size());
  }
  return text;
}

class DocsBuilder final : public Fields {
 public:
  explicit DocsBuilder(const ValueNode& defaults) { values_.push_back(&defaults); }
  std::vector<FieldDoc> take() { return std::move(docs_); }

  bool on_field(const FieldInfo& info) override {
    const ValueNode* parent = values_.back();
    values_.push_back(parent != nullptr ? parent->member(info.name) : nullptr);
    path_.push_back(info.name);
    rows_.push_back(docs_.size());
    docs_.push_back({join(path_, "."), "", "", range_text(info.rule), info.doc, info.rule.is_required});
    return true;
  }
  void end_field() override {
    values_.pop_back();
    path_.pop_back();
    rows_.pop_back();
  }
  void on_leaf(LeafRef& leaf) override { set_type(short_type(leaf), true); }
  void on_struct(const std::function<void(Fields&)>& describe) override {
    if (!rows_.empty()) set_type("mapping", false);
    describe(*this);
  }
  void on_short_form(LeafRef& leaf, const std::function<void(Fields&)>& describe) override {
    set_type(short_type(leaf) + " or mapping", true);
    const std::size_t row = rows_.back();
    const FieldDoc own = docs_[row];
    describe(*this);
    docs_[row] = own;
  }
  void on_list(ListRef& list) override {
    inside(list.accepts_one() ? "one or a list of " : "list of ", "*", [&list](Fields& f) {
      const bool is_empty = list.size() == 0;
      if (is_empty) list.resize(1);
      list.visit(f, 0);
      if (is_empty) list.resize(0);
    });
  }
  void on_optional(ListRef& value) override {
    const bool is_empty = value.size() == 0;
    if (is_empty) value.resize(1);
    value.visit(*this, 0);
    if (!is_empty) return;
    value.resize(0);
    docs_[rows_.back()].default_value = "null";
  }
  void on_map(MapRef& map) override {
    inside("names of ", "<name>", [&map](Fields& f) { map.visit_sample(f); });
  }
  void on_variant(AnyVariant& variant) override { set_type("one of " + variant.family(), true); }

 private:
  void set_type(const std::string& type, bool has_value) {
    FieldDoc& row = docs_[rows_.back()];
    row.type = type;
    const ValueNode* value = values_.back();
    if (has_value && !row.is_required && value != nullptr) row.default_value = value->flow();
  }

  /// The elements of a list or map: their type goes into this row, their fields below `element`.
  void inside(const std::string& prefix, const std::string& element, const std::function<void(Fields&)>& visit) {
    const std::size_t row = rows_.back();
    const ValueNode* value = values_.back();
    values_.push_back(nullptr);
    path_.push_back(element);
    visit(*this);
    path_.pop_back();
    values_.pop_back();
    docs_[row].type = prefix + docs_[row].type;
    docs_[row].default_value = value != nullptr && !docs_[row].is_required ? value->flow() : "";
  }

  std::vector<FieldDoc> docs_;
  std::vector<const ValueNode*> values_;  // defaults of the structs and fields that are being visited
  std::vector<std::string> path_;
  std::vector<std::size_t> rows_;
};

}  // namespace

std::vector<FieldDoc> docs_of_fields(const std::function<void(Fields&)>& describe) {
  const ValueNode defaults = value_tree(describe);
  DocsBuilder builder(defaults);
  describe(builder);
  return builder.take();
}

std::vector<FieldDoc> field_docs(const Entry& entry) {
  const std::unique_ptr<ConfigObject> settings = entry.defaults->clone();
  return docs_of_fields([&settings](Fields& f) { settings->describe_fields(f); });
}

}  // namespace ingot
