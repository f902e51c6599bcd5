#include "config/reader.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "base/text.h"
#include "config/key_names.h"
#include "config/number_text.h"
#include "config/path_value.h"

namespace ingot {
namespace {

std::string child_path(const std::string& path, const std::string& key) {
  return path.empty() ? key : path + "." + key;
}

std::string list_of(const std::vector<std::string>& names) {
  return names.empty() ? std::string("none") : join(names, ", ");
}

/// The rank of the source that set any part of a node last.
int latest_rank(const Node& node) {
  int rank = node.source != nullptr ? node.source->rank : 0;
  for (const Node& item : node.items) rank = std::max(rank, latest_rank(item));
  for (const auto& member : node.members) rank = std::max(rank, latest_rank(member.value));
  return rank;
}

/// null, [] and {} choose nothing, so they exclude nothing.
bool holds_something(const Node& node) {
  if (node.kind == Node::Kind::kList) return !node.items.empty();
  if (node.kind == Node::Kind::kMap) return !node.members.empty();
  return node.kind != Node::Kind::kNull;
}

/// Why a scalar that looks right to a person is refused.
std::string trap_hint(const Scalar& scalar, const std::string& json_type) {
  const std::string& text = scalar.text;
  const bool is_number = json_type == "integer" || json_type == "number";
  if (scalar.quoted && (is_number || json_type == "boolean")) return " (remove the quotes)";
  if (scalar.quoted) return "";
  if (reads_as_bool(text) && json_type == "boolean") {
    return std::string(" (write ") + (text[0] == 'y' || text[0] == 'Y' || text == "on" || text == "On" ||
                                              text == "ON" || text[0] == 't' || text[0] == 'T'
                                          ? "true)"
                                          : "false)");
  }
  if (reads_as_bool(text) && json_type == "string")
    return " (YAML reads it as a truth value; quote it if it is a name)";
  const bool is_digits = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
  if (is_digits && text[0] == '0' && json_type == "string") return " (YAML reads a leading 0 as octal; quote it)";
  if (is_digits && text[0] == '0')
    return " (YAML reads a leading 0 as octal; write " +
           text.substr(std::min(text.find_first_not_of('0'), text.size() - 1)) + ")";
  double value = 0;
  if (json_type == "integer" && Codec<double>::parse(scalar, value) &&
      plain_number(value).find_first_of(".e") == std::string::npos) {
    return " (write " + plain_number(value) + ")";
  }
  return "";
}

class Reader final : public Fields {
 public:
  Reader(const Document& document, const VariantLookup& lookup, Problems& problems, const ReadOptions& options)
      : document_(document), lookup_(lookup), problems_(problems), options_(options) {}

  void read(const std::function<void(Fields&)>& describe) {
    values_.push_back({&document_.root(), "", {}});
    read_struct(&document_.root(), {}, "", describe);
    values_.pop_back();
    report_unknown(describe);
  }

  bool on_field(const FieldInfo& info) override {
    Struct& parent = structs_.back();
    parent.known.push_back(info.name);
    const std::string path = child_path(parent.path, info.name);
    const Node* node = parent.node != nullptr ? parent.node->member(info.name) : nullptr;
    if (node != nullptr && is_replaced(*parent.node, *node, path, info)) node = nullptr;
    const auto is_set = [&parent](const std::string& key) { return parent.node->member(key) != nullptr; };
    const auto& others = info.rule.other_keys;
    const bool has_other = parent.node != nullptr && std::any_of(others.begin(), others.end(), is_set);
    if (node == nullptr && info.rule.is_required && !has_other) {
      problems_.add(path, "missing: " + info.doc);
      return false;
    }
    values_.push_back({node, path, info.rule});
    return true;
  }
  void end_field() override { values_.pop_back(); }

  void on_leaf(LeafRef& leaf) override {
    const Value& at = values_.back();
    if (at.node == nullptr) return;
    if (at.node->kind != Node::Kind::kScalar) return wrong_kind(leaf.expected());
    Scalar scalar = at.node->scalar;
    const bool has_brace = !scalar.quoted && scalar.text.find("${") != std::string::npos;
    if (has_brace) {
      return problem(at.rule.is_path ? "unquoted '${' is not expanded, write $NAME"
                                     : "'${' is not expanded here; quote the text if it is meant as it stands");
    }
    if (!leaf.parse(scalar)) return wrong_text(leaf, scalar);
    if (at.rule.is_path && !leaf.is_auto()) read_path(leaf, scalar);
    const auto number = leaf.number();
    if (!number) return;
    const std::string range = range_text(at.rule);
    if (!in_range(at.rule, *number)) return problem("out of range: '" + scalar.text + "', expected " + range);
    // What is computed is fp32 at most.
    if (!(std::abs(*number) <= std::numeric_limits<float>::max()))
      problem("out of range: '" + scalar.text + "', expected a number that fp32 holds" +
              (range.empty() ? "" : ", " + range));
  }

  void on_struct(const std::function<void(Fields&)>& describe) override {
    const Value at = values_.back();
    const bool is_map = at.node != nullptr && at.node->kind == Node::Kind::kMap;
    // A section whose keys are all commented out is empty.
    const bool is_absent = at.node == nullptr || at.node->kind == Node::Kind::kNull;
    if (!is_map && !is_absent) return wrong_kind("a mapping with the keys " + list_of(key_names(describe)));
    read_struct(is_map ? at.node : nullptr, {}, at.path, describe);
  }

  void on_short_form(LeafRef& leaf, const std::function<void(Fields&)>& describe) override {
    const Value at = values_.back();
    if (at.node == nullptr) {
      if (leaf.format().text.empty()) read_struct(nullptr, {}, at.path, describe);
    } else if (at.node->kind == Node::Kind::kScalar) {
      on_leaf(leaf);
    } else if (at.node->kind == Node::Kind::kMap) {
      read_struct(at.node, {}, at.path, describe);
    } else {
      wrong_kind(leaf.expected() + ", or a mapping with the keys " + list_of(key_names(describe)));
    }
  }

  void on_list(ListRef& list) override {
    const Value at = values_.back();
    if (at.node == nullptr) {
      for (std::size_t i = 0; i < list.size(); ++i)
        visit_item(list, i, nullptr, child_path(at.path, std::to_string(i)));
      return;
    }
    if (at.node->kind == Node::Kind::kList) {
      list.resize(0);
      list.resize(at.node->items.size());
      for (std::size_t i = 0; i < list.size(); ++i) {
        visit_item(list, i, &at.node->items[i], child_path(at.path, std::to_string(i)));
      }
      return;
    }
    if (!list.accepts_one() || at.node->kind == Node::Kind::kNull) {
      const bool is_text = at.node->kind == Node::Kind::kScalar;
      return wrong_kind(is_text ? "a list such as [" + at.node->scalar.text + "]"
                                : std::string("a list, [] if it is empty"));
    }
    list.resize(0);
    list.resize(1);
    visit_item(list, 0, at.node, at.path);
  }

  void on_optional(ListRef& value) override {
    const Value at = values_.back();
    if (at.node != nullptr && at.node->kind == Node::Kind::kNull) return value.resize(0);
    if (at.node != nullptr) value.resize(1);
    if (value.size() != 0) value.visit(*this, 0);
  }

  void on_map(MapRef& map) override {
    const Value at = values_.back();
    const bool is_map = at.node != nullptr && at.node->kind == Node::Kind::kMap;
    if (at.node != nullptr && !is_map && at.node->kind != Node::Kind::kNull) return wrong_kind("a mapping of names");
    std::vector<std::string> keys = map.keys();
    for (std::size_t i = 0; is_map && i < at.node->members.size(); ++i) {
      const std::string& key = at.node->members[i].key;
      if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
    }
    for (const std::string& key : keys) {
      values_.push_back({is_map ? at.node->member(key) : nullptr, child_path(at.path, key), at.rule});
      map.visit(*this, key);
      values_.pop_back();
    }
  }

  void on_variant(AnyVariant& variant) override {
    const Value at = values_.back();
    const Node* keys = nullptr;
    const Node* name_node = at.node;
    std::string name = variant.name();
    const std::vector<std::string> names = lookup_.names(variant.family());
    if (at.node != nullptr && at.node->kind == Node::Kind::kMap) {
      keys = at.node;
      name_node = keys->member("type");
      if (name_node == nullptr && name.empty())
        return problem("missing key 'type', expected one of: " + list_of(names));
    }
    if (name_node != nullptr && name_node->kind != Node::Kind::kScalar) {
      return problem(std::string("found ") + name_node->kind_name() + ", expected one of: " + list_of(names));
    }
    if (name_node != nullptr) name = name_node->scalar.text;
    if (name_node == nullptr && name.empty()) return;  // no default and nothing chosen
    const Entry* entry = lookup_.find(variant.family(), name);
    if (entry == nullptr) return unknown_variant(variant.family(), name, names, name_node);
    const bool keeps = variant.bound() && variant.name() == name;
    std::shared_ptr<ConfigObject> settings = keeps ? variant.settings().clone() : entry->defaults->clone();
    read_struct(keys, variant.family(), at.path, [&settings](Fields& f) { settings->describe_fields(f); });
    variant.bind(*entry, std::move(settings));
  }

 private:
  struct Value {
    const Node* node;  // nullptr: absent
    std::string path;
    Rule rule;
  };
  struct Struct {
    const Node* node;  // a mapping, or nullptr: absent
    std::string path;
    std::vector<std::string> known;
  };
  struct Unknown {
    const Node::Member* member;
    std::string path;    // of the mapping
    std::string family;  // if the mapping is a variant
    std::vector<std::string> known;
  };

  /// A non-empty family marks a variant, whose mapping may hold `type`.
  void read_struct(const Node* node, const std::string& family, const std::string& path,
                   const std::function<void(Fields&)>& describe) {
    structs_.push_back({node, path, {}});
    describe(*this);
    const Struct done = std::move(structs_.back());
    structs_.pop_back();
    if (node == nullptr) return;
    for (const auto& member : node->members) {
      const bool is_known = std::find(done.known.begin(), done.known.end(), member.key) != done.known.end();
      if (is_known || (member.key == "type" && !family.empty())) continue;
      unknown_.push_back({&member, path, family, done.known});
    }
  }

  void visit_item(ListRef& list, std::size_t index, const Node* node, const std::string& path) {
    values_.push_back({node, path, values_.back().rule});
    list.visit(*this, index);
    values_.pop_back();
  }

  /// Of keys that exclude each other the one set later counts; set in one place they are a mistake.
  bool is_replaced(const Node& parent, const Node& node, const std::string& path, const FieldInfo& info) {
    bool replaced = false;
    for (const std::string& key : info.rule.other_keys) {
      const Node* other = parent.member(key);
      if (other == nullptr || !holds_something(*other) || !holds_something(node)) continue;
      const int mine = latest_rank(node), theirs = latest_rank(*other);
      if (mine == theirs && info.name < key) {
        problems_.add(node, path, cat("excludes '", key, "', which is set as well"));
      }
      replaced |= mine < theirs;
    }
    return replaced;
  }

  void problem(const std::string& message) {
    const Value& at = values_.back();
    at.node != nullptr ? problems_.add(*at.node, at.path, message) : problems_.add(at.path, message);
  }

  void wrong_kind(const std::string& expected) {
    const Node& node = *values_.back().node;
    const bool is_scalar = node.kind == Node::Kind::kScalar;
    problem("found " + (is_scalar ? "'" + node.scalar.text + "'" : std::string(node.kind_name())) + ", expected " +
            expected);
  }

  void wrong_text(const LeafRef& leaf, const Scalar& scalar) {
    std::string hint = trap_hint(scalar, leaf.choices().empty() ? leaf.json_type() : "choice");
    if (hint.empty()) hint = did_you_mean(scalar.text, leaf.choices());
    problem("found '" + scalar.text + "', expected " + leaf.expected() + hint);
  }

  void read_path(LeafRef& leaf, const Scalar& scalar) {
    const Value& at = values_.back();
    const fs::path& folder = at.rule.is_working_path ? document_.working_folder() : at.node->source->folder;
    const ExpandedPath path = expand_path(scalar, folder);
    if (!path.problem.empty()) return problem(path.problem);
    if (!path.unset.empty() && !options_.accept_unset_names) {
      return problem("'" + scalar.text + "' uses $" + path.unset + ", which is not set in the environment");
    }
    leaf.parse({path.text, true});
  }

  void unknown_variant(const std::string& family, const std::string& name, const std::vector<std::string>& names,
                       const Node* node) {
    std::string hint = did_you_mean(name, names);
    if (hint.empty()) hint = ", expected one of: " + list_of(names);
    const std::string message = "no variant '" + name + "' in " + family + hint;
    node != nullptr ? problems_.add(*node, values_.back().path, message) : problem(message);
  }

  void report_unknown(const std::function<void(Fields&)>& describe) {
    if (unknown_.empty()) return;
    const std::vector<std::string> all = all_key_paths(describe);
    for (const Unknown& unknown : unknown_) {
      const std::string& key = unknown.member->key;
      problems_.add(*unknown.member, child_path(unknown.path, key), "unknown key" + unknown_hint(unknown, all));
    }
  }

  std::string unknown_hint(const Unknown& unknown, const std::vector<std::string>& all) const {
    const std::string& key = unknown.member->key;
    const std::string near = closest(key, unknown.known);
    const bool is_slip = !near.empty();
    std::vector<std::string> elsewhere, owners;
    for (const std::string& path : all) {
      if (path == key || path.ends_with("." + key)) elsewhere.push_back(path);
    }
    for (const std::string& name : lookup_.names(unknown.family)) {
      const Entry* entry = lookup_.find(unknown.family, name);
      const auto names = key_names([entry](Fields& f) { entry->defaults->clone()->describe_fields(f); });
      if (std::find(names.begin(), names.end(), key) != names.end()) owners.push_back("'" + name + "'");
    }
    if (!owners.empty())
      return "; it is a key of " + join(owners, ", ") + (is_slip ? did_you_mean(key, unknown.known) : "");
    if (is_slip) return " (did you mean '" + near + "'?)";
    if (!elsewhere.empty()) return " here (did you mean '" + elsewhere.front() + "'?)";
    return ", expected one of: " + list_of(unknown.known);
  }

  const Document& document_;
  const VariantLookup& lookup_;
  Problems& problems_;
  const ReadOptions& options_;
  std::vector<Value> values_;
  std::vector<Struct> structs_;
  std::vector<Unknown> unknown_;
};

}  // namespace

void read_fields(const Document& document, const VariantLookup& lookup, const std::function<void(Fields&)>& describe,
                 Problems& problems, const ReadOptions& options) {
  Reader(document, lookup, problems, options).read(describe);
}

}  // namespace ingot
