#pragma once
// All mistakes of a config at once.

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "config/document.h"

namespace ingot {

/// Collects `file:line:column: dotted.path: what is wrong, what was expected`. Reader and
/// cross-field checks share it.
class Problems {
 public:
  /// The document gives each path its place and must outlive this.
  explicit Problems(const Document& document);

  /// At the nearest existing node of the path.
  void add(std::string_view dotted_path, const std::string& message);
  /// At a node or key that the caller knows.
  void add(const Node& node, std::string_view dotted_path, const std::string& message);
  void add(const Node::Member& member, std::string_view dotted_path, const std::string& message);

  bool empty() const { return found_.empty(); }
  std::size_t size() const { return found_.size(); }
  /// One line for each, sorted by place.
  std::vector<std::string> lines() const;
  /// Throws one ConfigError that lists all of them and, if there are several, how many.
  void throw_if_any() const;
  const Document& document() const { return *document_; }

 private:
  const Document* document_;
  std::vector<Misplaced> found_;
};

}  // namespace ingot
