#pragma once
// Files, `extends` and overrides into one document; internal to config.

#include <memory>
#include <string>
#include <vector>

#include "config/document.h"

namespace ingot {

class Loader {
 public:
  explicit Loader(fs::path working_folder);

  void load_file(const fs::path& file);
  void load_text(const std::string& text, const std::string& name);
  /// A malformed override is added to the document's problems.
  void apply_override(const std::string& text);
  Document take();

 private:
  /// The tree of a file with its bases below it. `shown` is the path in messages, `chain` the files that lead here.
  Node read(const fs::path& file, const std::string& shown, const Location& named_at, std::vector<std::string> chain);
  Node with_bases(Node own, const std::shared_ptr<Source>& source, const std::vector<std::string>& chain);
  void set_root(Node tree, const std::shared_ptr<Source>& source);
  void assign(const std::vector<std::string>& path, Node value, const std::shared_ptr<const Source>& source);
  void append(const std::vector<std::string>& path, Node value, const std::shared_ptr<const Source>& source);
  void remove(const std::vector<std::string>& path, const std::shared_ptr<const Source>& source);
  /// The node at `path`, made on the way where it is missing. nullptr, with a problem, if the path is impossible.
  Node* reach(const std::vector<std::string>& path, const std::shared_ptr<const Source>& source);
  void complain(const std::shared_ptr<const Source>& source, const std::string& message);

  Document document_;
  int next_rank_ = 0;
  std::size_t files_read_ = 0;
  std::size_t nodes_left_ = 200'000;
};

}  // namespace ingot
