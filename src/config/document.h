#pragma once
// The YAML tree of a config with the place of every node. Loading resolves `extends` and overrides;
// what keys mean is the business of reader.h.
//
// Merging. A bare name or a mapping with `type` replaces what was there; a mapping without `type`
// merges into it; merged onto a bare name it becomes a mapping of that type. Lists replace.

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "config/fields.h"

namespace ingot {

/// A file or a command-line override.
struct Source {
  std::string name;          // as it is shown
  fs::path folder;           // what relative paths resolve against
  int rank = 0;              // a source of higher rank was applied later
  bool is_override = false;  // on the command line: no lines and columns
};

struct Node {
  enum class Kind { kNull, kScalar, kList, kMap };
  struct Member;

  Kind kind = Kind::kNull;
  std::shared_ptr<const Source> source;
  int line = 0;
  int column = 0;
  Scalar scalar;
  std::vector<Node> items;      // of a list
  std::vector<Member> members;  // of a mapping, in written order

  Location where() const;
  /// The member of a mapping or, by its index, the item of a list; nullptr if there is none.
  const Node* child(std::string_view key) const;
  /// nullptr if there is none, or if this is no mapping.
  const Node* member(std::string_view key) const;
  Node* member(std::string_view key);
  const Member* find_member(std::string_view key) const;
  /// "a single value", "a list", "a mapping", "nothing".
  const char* kind_name() const;
};

struct Node::Member {
  std::string key;
  Node value;
  // Place of the key.
  std::shared_ptr<const Source> source;
  int line = 0;
  int column = 0;
  Location where() const;
};

/// A mistake that does not keep the rest from being read.
struct Misplaced {
  Location where;
  std::shared_ptr<const Source> source;
  std::string message;
};

class Document {
 public:
  /// Loads a file, what it extends, and the overrides `path=value`, `path+=value`, `~path`; paths
  /// on the command line resolve against `working_folder` (default: the current one). Throws
  /// ConfigError.
  static Document load(const fs::path& file, const std::vector<std::string>& overrides = {},
                       const fs::path& working_folder = {});
  /// The same for text that is not in a file; `name` stands for it in messages.
  static Document parse(const std::string& text, const std::string& name,
                        const std::vector<std::string>& overrides = {}, const fs::path& folder = {});

  const Node& root() const { return root_; }
  /// For rewriting what a section means before it is read (`like` of operators).
  Node& root() { return root_; }
  /// The node at `optim.groups.0.lr`, or nullptr.
  const Node* find(std::string_view dotted_path) const;
  /// The nearest node that exists on the way to `dotted_path`.
  const Node& nearest(std::string_view dotted_path) const;
  /// Duplicate keys and the like; the reader reports them along with its own.
  const std::vector<Misplaced>& problems() const { return problems_; }
  /// The files that were read, bases first.
  const std::vector<fs::path>& files() const { return files_; }
  const fs::path& working_folder() const { return working_folder_; }

 private:
  friend class Loader;
  Node root_;
  std::vector<Misplaced> problems_;
  std::vector<fs::path> files_;
  fs::path working_folder_;
};

/// Puts `over` onto `base` by the rules above.
void merge(Node& base, Node over);

}  // namespace ingot
