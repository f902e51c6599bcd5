#include "train/constraint_checks.h"

#include <set>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "train/places.h"

namespace ingot {
namespace {

/// What is wrong with two constraints of a parameter, or "".
std::string fight(const ParamChoice& choice, std::size_t first, std::size_t second) {
  const Constraint &a = *choice.chosen[first].constraint, &b = *choice.chosen[second].constraint;
  const auto& info = *choice.info;
  const auto names = cat(choice.constraints[second], " and ", choice.constraints[first]);
  if (fixes_scale(a, info) && fixes_scale(b, info)) {
    return cat(names, " both set the scale of '", info.name, "', expected one of the two there");
  }
  if (!undoes(b, a, info)) return "";
  return cat(names, " fight on '", info.name,
             "': the first undoes what the second does, expected one of the two there");
}

}  // namespace

void check_constraints(const RunConfig& config, const std::vector<ParamChoice>& choices) {
  std::set<std::pair<std::string, std::string>> told;  // paths
  std::vector<std::string> problems;
  for (const auto& choice : choices) {
    for (std::size_t second = 1; second < choice.chosen.size(); ++second) {
      for (std::size_t first = 0; first < second; ++first) {
        const auto &a = choice.chosen[first].path, &b = choice.chosen[second].path;
        if (told.count({a, b}) != 0) continue;
        const auto problem = fight(choice, first, second);
        if (problem.empty()) continue;
        told.insert({a, b});
        problems.push_back(placed(config, b, problem));
      }
    }
  }
  if (!problems.empty()) throw ConfigError(join(problems, "\n"));
}

}  // namespace ingot
