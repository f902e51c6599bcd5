#include "config/dump.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>

#include "config/scalar_text.h"
#include "config/value_tree.h"

namespace ingot {
namespace {

constexpr std::size_t kWidth = 100;

class Writer {
 public:
  std::string take() { return std::move(out_); }

  /// Lines of a mapping; the first one goes on where the line stands now.
  void map(const ValueNode& node, std::size_t indent, bool is_root) {
    bool is_first = true;
    for (const auto& [key, value] : node.members) {
      if (!is_first || indent == 0) start_line(indent);
      is_first = false;
      out_ += scalar_text({key}, true) + ":";
      // Sections stay open, however small: they are what a reader looks for.
      this->value(value, indent, is_root && value.kind == ValueNode::Kind::kMap);
    }
  }

 private:
  void start_line(std::size_t indent) {
    if (!out_.empty()) out_ += "\n";
    out_.append(indent, ' ');
    line_ = out_.size() - indent;
  }

  /// What follows `key:` or `-`.
  void value(const ValueNode& node, std::size_t indent, bool is_section) {
    const std::string flow = node.flow();
    const bool is_empty = node.items.empty() && node.members.empty();
    const bool fits = out_.size() - line_ + 1 + flow.size() <= kWidth && !is_section;
    if (node.kind == ValueNode::Kind::kLeaf || is_empty || fits) {
      out_ += " " + flow;
    } else if (node.kind == ValueNode::Kind::kList) {
      list(node, indent + 2);
    } else {
      start_line(indent + 2);
      map(node, indent + 2, false);
    }
  }

  void list(const ValueNode& node, std::size_t indent) {
    for (const ValueNode& item : node.items) {
      start_line(indent);
      out_ += "-";
      const bool fits = indent + 2 + item.flow().size() <= kWidth;
      if (item.kind == ValueNode::Kind::kMap && !fits) {
        out_ += " ";
        map(item, indent + 2, false);
      } else {
        value(item, indent, false);
      }
    }
  }

  std::string out_;
  std::size_t line_ = 0;  // where the current line begins
};

void flatten_into(const ValueNode& node, const std::string& path, std::vector<FlatField>& out) {
  const auto below = [&path](const std::string& key) { return path.empty() ? key : path + "." + key; };
  if (node.kind == ValueNode::Kind::kLeaf || (node.items.empty() && node.members.empty())) {
    out.push_back({path, node.flow(), node.field_class});
    return;
  }
  for (std::size_t i = 0; i < node.items.size(); ++i) flatten_into(node.items[i], below(std::to_string(i)), out);
  for (const auto& [key, value] : node.members) flatten_into(value, below(key), out);
}

}  // namespace

std::string dump_fields(const std::function<void(Fields&)>& describe, PathText paths) {
  const ValueNode tree = value_tree(describe, paths);
  if (tree.members.empty()) return "{}\n";
  Writer writer;
  writer.map(tree, 0, true);
  return writer.take() + "\n";
}

std::vector<FlatField> flatten_fields(const std::function<void(Fields&)>& describe) {
  std::vector<FlatField> out;
  const ValueNode tree = value_tree(describe);
  if (!tree.members.empty()) flatten_into(tree, "", out);
  return out;
}

std::vector<Difference> diff(const std::vector<FlatField>& before, const std::vector<FlatField>& after) {
  std::map<std::string, const FlatField*> old_fields, new_fields;
  for (const FlatField& field : before) old_fields[field.path] = &field;
  for (const FlatField& field : after) new_fields[field.path] = &field;
  std::vector<Difference> out;
  for (const FlatField& field : before) {
    const auto it = new_fields.find(field.path);
    if (it == new_fields.end()) {
      out.push_back({field.path, field.value, std::nullopt, field.field_class});
    } else if (it->second->value != field.value) {
      out.push_back({field.path, field.value, it->second->value, it->second->field_class});
    }
  }
  for (const FlatField& field : after) {
    if (!old_fields.contains(field.path)) out.push_back({field.path, std::nullopt, field.value, field.field_class});
  }
  return out;
}

std::string numeric_hash(const std::vector<FlatField>& fields) {
  std::vector<std::string> lines;
  for (const FlatField& field : fields) {
    if (field.field_class == FieldClass::kNumeric) lines.push_back(field.path + ": " + field.value + "\n");
  }
  std::sort(lines.begin(), lines.end());
  std::string text;
  for (const std::string& line : lines) text += line;
  std::array<char, 24> digits;
  std::snprintf(digits.data(), digits.size(), "%016llx",
                static_cast<unsigned long long>(XXH3_64bits(text.data(), text.size())));
  return digits.data();
}

}  // namespace ingot
