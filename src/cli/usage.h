#pragma once
// What is said of a command line that makes no sense, in place of CLI11's words.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/text.h"

namespace ingot {

/// Checks of an option's value. `high` is what no machine can mean, unless there is a better reason for a limit.
CLI::Validator whole_number(std::int64_t low, std::int64_t high = 1'000'000'000);
/// With `low_open` the number must be above `low`.
CLI::Validator real_number(double low, double high, bool low_open = false);

/// An enumeration by name.
template <class E>
CLI::Validator choice(const std::map<std::string, E>& names) {
  std::vector<std::string> all;
  for (const auto& [name, value] : names) all.push_back(name);
  const auto put_value = [names, all](std::string& text) -> std::string {
    const auto found = names.find(text);
    if (found == names.end())
      return cat("found '", text, "', expected one of ", join(all, ", "), did_you_mean(text, all));
    text = std::to_string(static_cast<int>(found->second));
    return "";
  };
  return CLI::Validator(put_value, join(all, "|"));
}

/// Why no command would run: none is named, or one that does not exist; "" if all is well. `arguments` without the
/// program's name.
std::string command_problem(const CLI::App& app, const std::vector<std::string>& arguments);

/// What is wrong with the arguments of a command.
std::string usage_problem(const CLI::App& app, const CLI::ParseError& error);

}  // namespace ingot
