#include "config/problems.h"

#include <algorithm>
#include <tuple>

#include "base/text.h"

namespace ingot {
namespace {

int rank_of(const Misplaced& problem) { return problem.source != nullptr ? problem.source->rank : 0; }

}  // namespace

Problems::Problems(const Document& document) : document_(&document), found_(document.problems()) {}

void Problems::add(std::string_view dotted_path, const std::string& message) {
  add(document_->nearest(dotted_path), dotted_path, message);
}

void Problems::add(const Node& node, std::string_view dotted_path, const std::string& message) {
  found_.push_back({node.where(), node.source, dotted_path.empty() ? message : cat(dotted_path, ": ", message)});
}

void Problems::add(const Node::Member& member, std::string_view dotted_path, const std::string& message) {
  found_.push_back({member.where(), member.source, cat(dotted_path, ": ", message)});
}

std::vector<std::string> Problems::lines() const {
  std::vector<Misplaced> sorted = found_;
  std::stable_sort(sorted.begin(), sorted.end(), [](const Misplaced& a, const Misplaced& b) {
    return std::tuple(rank_of(a), a.where.line, a.where.column) < std::tuple(rank_of(b), b.where.line, b.where.column);
  });
  std::vector<std::string> out;
  for (const Misplaced& problem : sorted) {
    const std::string line =
        problem.where.file.empty() ? problem.message : problem.where.text() + ": " + problem.message;
    // A file that is extended twice repeats its problems.
    if (std::find(out.begin(), out.end(), line) == out.end()) out.push_back(line);
  }
  return out;
}

void Problems::throw_if_any() const {
  if (found_.empty()) return;
  std::vector<std::string> all = lines();
  if (all.size() > 1) all.push_back(cat(all.size(), " problems"));
  throw ConfigError(join(all, "\n"));
}

}  // namespace ingot
