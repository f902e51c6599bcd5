#include "config/loader.h"

#include <algorithm>
#include <fstream>

#include "base/reading.h"
#include "base/text.h"
#include "config/yaml.h"

namespace ingot {
namespace {

constexpr std::size_t kDeepestPath = 64;
constexpr std::size_t kMostBytes = 4 << 20;  // of a file
constexpr std::size_t kMostFiles = 200;      // read for one config, each time counted

std::shared_ptr<Source> make_source(std::string name, fs::path folder, bool is_override) {
  auto source = std::make_shared<Source>();
  source->name = std::move(name);
  source->folder = std::move(folder);
  source->is_override = is_override;
  return source;
}

std::vector<std::string> keys_of(const Node& node) {
  std::vector<std::string> keys;
  for (const auto& member : node.members) keys.push_back(member.key);
  return keys;
}

/// A pipe or a device may never end, and what is very large is no config.
std::string read_config_file(const fs::path& file) {
  const auto status = fs::status(file);
  if (fs::is_directory(status)) throw ConfigError("'" + file.string() + "' is a folder, expected a YAML file");
  if (fs::exists(status) && !fs::is_regular_file(status))
    throw ConfigError("'" + file.string() + "' is a pipe or a device, expected a YAML file");
  // No more than that is read: some files of /proc have no size and no end.
  std::ifstream in(file, std::ios::binary);
  std::string text(kMostBytes + 1, '\0');
  if (!in.is_open()) return read_file(file, ExitCode::kConfig);  // says why
  if (in.read(text.data(), static_cast<std::streamsize>(text.size())).bad())
    throw ConfigError("cannot read '" + file.string() + "'");
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.size() <= kMostBytes) return text;
  throw ConfigError("'" + file.string() + "' holds more than " + format_bytes(kMostBytes) + ", expected a YAML file");
}

Node empty_map(const std::shared_ptr<const Source>& source) {
  Node node;
  node.kind = Node::Kind::kMap;
  node.source = source;
  node.line = node.column = 1;
  return node;
}

}  // namespace

Loader::Loader(fs::path working_folder) { document_.working_folder_ = fs::absolute(working_folder).lexically_normal(); }

Document Loader::take() { return std::move(document_); }

void Loader::complain(const std::shared_ptr<const Source>& source, const std::string& message) {
  document_.problems_.push_back(Misplaced{Location{source->name, 0, 0}, source, message});
}

void Loader::load_file(const fs::path& file) {
  document_.root_ = read(document_.working_folder_ / file, file.string(), {}, {});
}

void Loader::load_text(const std::string& text, const std::string& name) {
  const auto source = make_source(name, document_.working_folder_, false);
  Node own = parse_yaml(text, source, document_.problems_, nodes_left_);
  document_.root_ = with_bases(std::move(own), source, {});
}

Node Loader::read(const fs::path& file, const std::string& shown, const Location& named_at,
                  std::vector<std::string> chain) {
  const std::string identity = fs::weakly_canonical(file).string();
  chain.push_back(identity);
  const auto first = std::find(chain.begin(), chain.end(), identity);
  if (first + 1 != chain.end()) {
    std::string cycle;
    for (auto it = first; it != chain.end(); ++it)
      cycle += (it != first ? " -> " : "") + fs::path(*it).filename().string();
    throw ConfigError(named_at, "extends: the files extend one another: " + cycle);
  }
  if (++files_read_ > kMostFiles) {
    throw ConfigError(named_at, "extends: more than " + std::to_string(kMostFiles) +
                                    " files to read, some of them again and again; '" + file.filename().string() +
                                    "' was the next one");
  }
  std::string text;
  try {
    text = read_config_file(file);
  } catch (const Error& error) {
    throw ConfigError(named_at, error.what());
  }
  const auto source = make_source(shown, file.parent_path(), false);
  Node tree = with_bases(parse_yaml(text, source, document_.problems_, nodes_left_), source, chain);
  document_.files_.push_back(file.lexically_normal());
  return tree;
}

Node Loader::with_bases(Node own, const std::shared_ptr<Source>& source, const std::vector<std::string>& chain) {
  if (own.kind == Node::Kind::kNull) own = empty_map(source);
  if (own.kind != Node::Kind::kMap) {
    throw ConfigError(own.where(),
                      std::string("expected a mapping with sections such as 'model:', found ") + own.kind_name());
  }
  own.line = own.column = 1;
  std::vector<Node> names;
  if (const Node* extends = own.member("extends")) {
    names = extends->kind == Node::Kind::kList ? extends->items : std::vector<Node>{*extends};
    std::erase_if(own.members, [](const Node::Member& member) { return member.key == "extends"; });
  }
  Node tree = empty_map(source);
  for (const Node& name : names) {
    if (name.kind != Node::Kind::kScalar) {
      throw ConfigError(name.where(),
                        std::string("extends: expected a file or a list of files, found ") + name.kind_name());
    }
    const std::string shown = (fs::path(source->name).parent_path() / name.scalar.text).lexically_normal().string();
    merge(tree, read(source->folder / name.scalar.text, shown, name.where(), chain));
  }
  source->rank = next_rank_++;
  merge(tree, std::move(own));
  // Whatever came first, problems of the whole are shown at the file that was asked for.
  tree.source = source;
  return tree;
}

void Loader::apply_override(const std::string& text) {
  const auto source = make_source("command line: '" + text + "'", document_.working_folder_, true);
  source->rank = next_rank_++;
  const bool is_removal = text.starts_with("~");
  const std::size_t equals = text.find('=');
  if (!is_removal && (equals == std::string::npos || equals == 0)) {
    return complain(source, "expected path=value, path+=value or ~path");
  }
  const bool is_append = !is_removal && text[equals - 1] == '+';
  const std::string name = is_removal ? text.substr(1) : text.substr(0, is_append ? equals - 1 : equals);
  const std::vector<std::string> path = split(trim(name), '.');
  const bool has_gap = std::any_of(path.begin(), path.end(), [](const std::string& key) { return key.empty(); });
  if (has_gap || path.size() > kDeepestPath)
    return complain(source, "'" + name + "' is no path such as optim.optimizer.lr");
  if (path[0] == "extends") return complain(source, "extends: belongs into a file");
  if (is_removal) return remove(path, source);
  try {
    Node value = parse_yaml(text.substr(equals + 1), source, document_.problems_, nodes_left_);
    if (value.source == nullptr) value.source = source;
    is_append ? append(path, std::move(value), source) : assign(path, std::move(value), source);
  } catch (const Error& error) {
    document_.problems_.push_back(Misplaced{Location{}, source, error.what()});
  }
}

Node* Loader::reach(const std::vector<std::string>& path, const std::shared_ptr<const Source>& source) {
  Node* node = &document_.root_;
  for (const std::string& key : path) {
    if (node->kind == Node::Kind::kList) {
      node = const_cast<Node*>(node->child(key));
      if (node == nullptr) {
        complain(source, join(path, ".") + ": the list has no element '" + key + "', expected an index from 0");
        return nullptr;
      }
      continue;
    }
    // A mapping without keys turns what is there into a mapping by the rules of merging.
    if (node->kind != Node::Kind::kMap) merge(*node, empty_map(source));
    if (node->member(key) == nullptr) {
      Node empty;
      empty.source = source;
      node->members.push_back({key, std::move(empty), source, 0, 0});
    }
    node = node->member(key);
  }
  return node;
}

void Loader::assign(const std::vector<std::string>& path, Node value, const std::shared_ptr<const Source>& source) {
  if (Node* node = reach(path, source)) merge(*node, std::move(value));
}

void Loader::append(const std::vector<std::string>& path, Node value, const std::shared_ptr<const Source>& source) {
  Node* node = reach(path, source);
  if (node == nullptr) return;
  if (node->kind == Node::Kind::kMap)
    return complain(source, join(path, ".") + ": '+=' appends to a list, found a mapping");
  if (node->kind != Node::Kind::kList) {
    Node list;
    list.kind = Node::Kind::kList;
    list.source = source;
    if (node->kind == Node::Kind::kScalar) list.items.push_back(std::move(*node));
    *node = std::move(list);
  }
  if (value.kind == Node::Kind::kList) {
    for (Node& item : value.items) node->items.push_back(std::move(item));
  } else {
    node->items.push_back(std::move(value));
  }
}

void Loader::remove(const std::vector<std::string>& path, const std::shared_ptr<const Source>& source) {
  Node* parent = &document_.root_;
  for (std::size_t i = 0; i < path.size(); ++i) {
    const Node* child = parent->child(path[i]);
    if (child == nullptr) {
      return complain(source, "nothing is set at '" + join(path, ".") + "'" + did_you_mean(path[i], keys_of(*parent)));
    }
    if (i + 1 < path.size()) parent = const_cast<Node*>(child);
  }
  if (parent->kind == Node::Kind::kList) {
    parent->items.erase(parent->items.begin() + (parent->child(path.back()) - parent->items.data()));
  } else {
    std::erase_if(parent->members, [&](const Node::Member& member) { return member.key == path.back(); });
  }
}

}  // namespace ingot
