#include "config/document.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "config/loader.h"

namespace ingot {
namespace {

Location place_of(const std::shared_ptr<const Source>& source, int line, int column) {
  if (source == nullptr) return {};
  if (source->is_override) return {source->name, 0, 0};
  return {source->name, line, column};
}

}  // namespace

Location Node::where() const { return place_of(source, line, column); }
Location Node::Member::where() const { return place_of(source, line, column); }

const Node::Member* Node::find_member(std::string_view key) const {
  const auto it = std::find_if(members.begin(), members.end(), [&](const Member& m) { return m.key == key; });
  return it != members.end() ? &*it : nullptr;
}

const Node* Node::member(std::string_view key) const {
  const Member* found = find_member(key);
  return found != nullptr ? &found->value : nullptr;
}

Node* Node::member(std::string_view key) { return const_cast<Node*>(std::as_const(*this).member(key)); }

const char* Node::kind_name() const {
  switch (kind) {
    case Kind::kNull:
      return "nothing";
    case Kind::kScalar:
      return "a single value";
    case Kind::kList:
      return "a list";
    case Kind::kMap:
      return "a mapping";
  }
  return "";
}

const Node* Node::child(std::string_view key) const {
  if (kind != Kind::kList) return member(key);
  std::size_t index = 0;
  const auto result = std::from_chars(key.data(), key.data() + key.size(), index);
  const bool is_index = result.ec == std::errc() && result.ptr == key.data() + key.size();
  return is_index && index < items.size() ? &items[index] : nullptr;
}

void merge(Node& base, Node over) {
  const bool is_partial = over.kind == Node::Kind::kMap && over.member("type") == nullptr;
  if (is_partial && base.kind == Node::Kind::kScalar) {
    Node name = base;
    base.kind = Node::Kind::kMap;
    base.members.push_back({"type", std::move(name), base.source, base.line, base.column});
  }
  if (!is_partial || base.kind != Node::Kind::kMap) {
    base = std::move(over);
    return;
  }
  for (Node::Member& member : over.members) {
    if (Node* value = base.member(member.key)) {
      merge(*value, std::move(member.value));
    } else {
      base.members.push_back(std::move(member));
    }
  }
}

const Node* Document::find(std::string_view dotted_path) const {
  const Node* node = &root_;
  for (const std::string& key : split(dotted_path, '.')) {
    node = node->child(key);
    if (node == nullptr) return nullptr;
  }
  return node;
}

const Node& Document::nearest(std::string_view dotted_path) const {
  const Node* node = &root_;
  for (const std::string& key : split(dotted_path, '.')) {
    const Node* next = node->child(key);
    if (next == nullptr) break;
    node = next;
  }
  return *node;
}

Document Document::load(const fs::path& file, const std::vector<std::string>& overrides,
                        const fs::path& working_folder) {
  Loader loader(working_folder.empty() ? fs::current_path() : working_folder);
  loader.load_file(file);
  for (const std::string& text : overrides) loader.apply_override(text);
  return loader.take();
}

Document Document::parse(const std::string& text, const std::string& name, const std::vector<std::string>& overrides,
                         const fs::path& folder) {
  Loader loader(folder.empty() ? fs::current_path() : folder);
  loader.load_text(text, name);
  for (const std::string& override_text : overrides) loader.apply_override(override_text);
  return loader.take();
}

}  // namespace ingot
