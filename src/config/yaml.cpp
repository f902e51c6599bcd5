#include "config/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <sstream>

#include "base/text.h"
#include "config/number_text.h"

namespace ingot {
namespace {

constexpr const char* kMergeKey = "<<";
constexpr std::size_t kDeepest = 64;      // mappings and lists inside one another; readers recurse
constexpr std::size_t kMostKeys = 2'000;  // of one mapping; finding one is a walk over all

struct Extent {
  std::size_t nodes = 1, depth = 1;
};

Extent extent_of(const Node& node) {
  Extent all;
  const auto add = [&all](const Node& child) {
    const Extent part = extent_of(child);
    all.nodes += part.nodes;
    all.depth = std::max(all.depth, part.depth + 1);
  };
  for (const Node& item : node.items) add(item);
  for (const auto& member : node.members) add(member.value);
  return all;
}

/// YAML takes a '#' behind a blank for the start of a comment, which the command line does not have. While the text is
/// parsed a character that it does not hold stands in for '#'.
class PlainHashes {
 public:
  PlainHashes(std::string& text, bool wanted) {
    if (!wanted || text.find('#') == std::string::npos) return;
    // U+E000 and its neighbours are nobody's characters.
    for (char last = '\x80'; stand_in_.empty() || text.find(stand_in_) != std::string::npos; ++last) {
      stand_in_ = std::string("\xEE\x80") + last;
    }
    replace(text, "#", stand_in_);
  }

  std::string restored(std::string text) const {
    if (!stand_in_.empty()) replace(text, stand_in_, "#");
    return text;
  }

 private:
  static void replace(std::string& text, const std::string& what, const std::string& by) {
    for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size()) {
      text.replace(at, what.size(), by);
    }
  }

  std::string stand_in_;
};

/// Builds nodes from the events of the parser.
class Builder final : public YAML::EventHandler {
 public:
  Builder(std::shared_ptr<const Source> source, std::vector<Misplaced>& problems, std::size_t& nodes_left,
          const PlainHashes& hashes)
      : source_(std::move(source)), problems_(problems), nodes_left_(nodes_left), hashes_(hashes) {}

  Node take_root() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { add(make(mark, Node::Kind::kNull), anchor); }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto it = anchors_.find(anchor);
    if (it == anchors_.end()) fail(mark, "an alias to a value that is not complete yet");
    take(at(mark).where(), extent_of(it->second));
    Node copy = it->second;
    add(std::move(copy), YAML::NullAnchor);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    const bool is_string_tag = tag == "!" || tag == "tag:yaml.org,2002:str";
    if (!is_string_tag && tag != "?" && !tag.empty()) fail(mark, "the tag '" + tag + "' has no meaning here");
    Node node = make(mark, Node::Kind::kScalar);
    node.scalar = {hashes_.restored(value), is_string_tag};
    const bool is_null =
        !is_string_tag && (value.empty() || value == "~" || value == "null" || value == "Null" || value == "NULL");
    if (is_null) node.kind = Node::Kind::kNull;
    add(std::move(node), anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, Node::Kind::kList);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, Node::Kind::kMap);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Level {
    Node node;
    YAML::anchor_t anchor;
    std::optional<Node> key;  // of a mapping, while its value is not there yet
  };

  [[noreturn]] void fail(const YAML::Mark& mark, const std::string& message) const {
    throw YAML::ParserException(mark, message);
  }

  /// Room for what is about to be stored below the open levels, copies behind anchors included.
  void take(const Location& where, const Extent& extent) {
    if (levels_.size() + extent.depth > kDeepest) {
      throw ConfigError(where, "mappings and lists nested more than " + std::to_string(kDeepest) + " deep");
    }
    if (extent.nodes > nodes_left_) {
      throw ConfigError(where, "too many values; do aliases or files expand without end?");
    }
    nodes_left_ -= extent.nodes;
  }

  Node at(const YAML::Mark& mark) const {
    Node node;
    node.source = source_;
    node.line = mark.line + 1;
    node.column = mark.column + 1;
    return node;
  }

  Node make(const YAML::Mark& mark, Node::Kind kind) {
    Node node = at(mark);
    node.kind = kind;
    take(node.where(), {});
    return node;
  }

  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, Node::Kind kind) {
    if (tag != "?" && tag != "!" && !tag.empty()) fail(mark, "the tag '" + tag + "' has no meaning here");
    levels_.push_back({make(mark, kind), anchor, std::nullopt});
  }

  void close() {
    Level level = std::move(levels_.back());
    levels_.pop_back();
    if (level.node.kind == Node::Kind::kMap) apply_merge_key(level.node);
    add(std::move(level.node), level.anchor);
  }

  void add(Node node, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor) {
      take(node.where(), extent_of(node));
      anchors_[anchor] = node;
    }
    if (levels_.empty()) {
      root_ = std::move(node);
      return;
    }
    Level& level = levels_.back();
    if (level.node.kind == Node::Kind::kList) {
      level.node.items.push_back(std::move(node));
    } else if (!level.key) {
      level.key = std::move(node);
    } else {
      add_member(level.node, std::move(*level.key), std::move(node));
      level.key.reset();
    }
  }

  void add_member(Node& map, Node key, Node value) {
    if (key.kind != Node::Kind::kScalar) {
      problems_.push_back({key.where(), source_, std::string("a key must be a name, found ") + key.kind_name()});
      return;
    }
    if (const Node::Member* first = map.find_member(key.scalar.text)) {
      problems_.push_back(
          {key.where(), source_,
           "duplicate key '" + key.scalar.text + "', first set in line " + std::to_string(first->line)});
      return;
    }
    if (map.members.size() == kMostKeys) {
      throw ConfigError(key.where(), "a mapping of more than " + format_grouped(kMostKeys) + " keys");
    }
    // A problem of a whole section is shown at the name of the section.
    if (value.kind != Node::Kind::kScalar) {
      value.line = key.line;
      value.column = key.column;
    }
    map.members.push_back({key.scalar.text, std::move(value), source_, key.line, key.column});
  }

  /// `<<: *base` or `<<: [*a, *b]`: keys that are not set here; of several mappings the first wins.
  void apply_merge_key(Node& map) {
    std::vector<Node::Member> members;
    std::vector<Node> bases;
    for (Node::Member& member : map.members) {
      if (member.key != kMergeKey) {
        members.push_back(std::move(member));
      } else if (member.value.kind == Node::Kind::kList) {
        bases = std::move(member.value.items);
      } else {
        bases.push_back(std::move(member.value));
      }
    }
    map.members = std::move(members);
    for (Node& base : bases) {
      if (base.kind != Node::Kind::kMap) {
        problems_.push_back(
            {base.where(), source_, std::string("'<<' takes a mapping or a list of them, found ") + base.kind_name()});
        continue;
      }
      for (Node::Member& member : base.members) {
        if (map.member(member.key) == nullptr) map.members.push_back(std::move(member));
      }
    }
  }

  std::shared_ptr<const Source> source_;
  std::vector<Misplaced>& problems_;
  std::map<YAML::anchor_t, Node> anchors_;
  std::vector<Level> levels_;
  Node root_;
  std::size_t& nodes_left_;
  const PlainHashes& hashes_;
};

/// What a user most likely meant where YAML stopped understanding.
std::string syntax_hint(const std::string& text, const YAML::Mark& mark) {
  const std::vector<std::string> lines = split(text, '\n');
  if (mark.line < 0 || mark.line >= static_cast<int>(lines.size())) return "";
  const std::string& line = lines[static_cast<std::size_t>(mark.line)];
  const std::string_view indent = std::string_view(line).substr(0, line.find_first_not_of(" \t"));
  if (indent.find('\t') != std::string_view::npos) return "; indent with blanks, YAML allows no tabs";
  if (line.find("${") != std::string::npos) return "; write $NAME, or quote text that holds '${'";
  const std::size_t column = std::min(static_cast<std::size_t>(std::max(mark.column, 0)), line.size());
  const char at = column < line.size() ? line[column] : '\0';
  const char before = column > 0 ? line[column - 1] : '\0';
  if (at == '*' || before == '*') return "; quote text that starts with '*'";
  if (at == '&' || before == '&') return "; quote text that starts with '&'";
  if (at == '%' || at == '@' || at == '`') return std::string("; quote text that starts with '") + at + "'";
  if (at == '\t') return "; YAML allows no tabs here";
  return "";
}

}  // namespace

Node parse_yaml(const std::string& given, const std::shared_ptr<const Source>& source, std::vector<Misplaced>& problems,
                std::size_t& nodes_left) {
  std::string text = given;
  const PlainHashes hashes(text, source->is_override);
  std::istringstream stream(text);
  const auto place = [&](const YAML::Mark& mark) {
    const bool has_lines = !source->is_override && !mark.is_null();
    return Location{source->name, has_lines ? mark.line + 1 : 0, has_lines ? mark.column + 1 : 0};
  };
  try {
    YAML::Parser parser(stream);
    Builder builder(source, problems, nodes_left, hashes);
    if (!parser.HandleNextDocument(builder)) return {};
    Builder rest(source, problems, nodes_left, hashes);
    if (parser.HandleNextDocument(rest)) {
      const Node second = rest.take_root();
      throw ConfigError({source->name, second.line, second.column}, "a second YAML document, expected one");
    }
    return builder.take_root();
  } catch (const YAML::Exception& error) {
    throw ConfigError(place(error.mark),
                      "no valid YAML: " + hashes.restored(error.msg) + syntax_hint(text, error.mark));
  }
}

}  // namespace ingot
