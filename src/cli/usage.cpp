#include "cli/usage.h"

#include <charconv>
#include <cmath>

#include "config/number_text.h"

namespace ingot {
namespace {

template <class T>
bool parse_whole(const std::string& text, T& value) {
  const char* const end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value);
  return result.ec == std::errc() && result.ptr == end;
}

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

/// The command that the parser got to.
const CLI::App& reached(const CLI::App& app) {
  const auto below = app.get_subcommands();
  return below.empty() ? app : reached(*below.front());
}

/// "config check", "" for the program itself.
std::string full_name(const CLI::App& command) {
  if (command.get_parent() == nullptr) return "";
  const auto above = full_name(*command.get_parent());
  return above.empty() ? command.get_name() : above + " " + command.get_name();
}

/// Such as "'--nprok' (did you mean '--nproc'?)".
std::string with_suggestion(const CLI::App& command, const std::string& argument) {
  std::vector<std::string> options;
  for (const auto* option : command.get_options()) {
    for (const auto& name : option->get_lnames()) options.push_back("--" + name);
  }
  return cat("'", argument, "'", did_you_mean(argument.substr(0, argument.find('=')), options));
}

std::string not_expected(const CLI::App& command) {
  std::vector<std::string> parts;
  for (const auto& argument : command.remaining()) parts.push_back(with_suggestion(command, argument));
  const bool is_option = !command.remaining().empty() && command.remaining().front().starts_with("-");
  return cat(is_option ? "unknown option " : "not expected: ", join(parts, ", "));
}

}  // namespace

CLI::Validator whole_number(std::int64_t low, std::int64_t high) {
  const auto check = [low, high](std::string& text) -> std::string {
    std::int64_t value = 0;
    const auto range = cat("expected a whole number from ", low, " to ", high);
    if (!parse_whole(text, value)) return cat("found '", text, "', ", range);
    return value < low || value > high ? cat("out of range: '", text, "', ", range) : "";
  };
  return CLI::Validator(check, cat(">= ", low));
}

CLI::Validator real_number(double low, double high, bool low_open) {
  const auto check = [=](std::string& text) -> std::string {
    const auto range = cat("expected a number ", low_open ? "above " : "from ", plain_number(low),
                           low_open ? ", at most " : " to ", plain_number(high));
    double value = 0;
    const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool is_number = result.ec == std::errc() && result.ptr == text.data() + text.size();
    if (!is_number || !std::isfinite(value)) return cat("found '", text, "', ", range);
    const bool is_high_enough = low_open ? value > low : value >= low;
    return is_high_enough && value <= high ? "" : cat("out of range: '", text, "', ", range);
  };
  return CLI::Validator(check, cat(plain_number(low), "..", plain_number(high)));
}

std::string command_problem(const CLI::App& app, const std::vector<std::string>& arguments) {
  const CLI::App* parent = &app;
  for (const auto& argument : arguments) {
    const auto commands = commands_of(*parent);
    if (commands.empty()) return "";
    if (argument.starts_with("-")) {
      const bool is_known = parent->get_option_no_throw(argument) != nullptr;  // such as --help
      return is_known ? "" : cat("unknown option ", with_suggestion(*parent, argument));
    }
    std::vector<std::string> names;
    for (const auto* command : commands) names.push_back(command->get_name());
    const auto found = std::find(names.begin(), names.end(), argument);
    if (found == names.end()) {
      const auto above = full_name(*parent);
      return cat("no command '", above, above.empty() ? "" : " ", argument, "'", did_you_mean(argument, names),
                 ", expected one of ", join(names, ", "));
    }
    parent = commands[static_cast<std::size_t>(found - names.begin())];
  }
  const auto commands = commands_of(*parent);
  if (commands.empty()) return "";
  std::vector<std::string> names;
  for (const auto* command : commands) names.push_back(command->get_name());
  const auto above = full_name(*parent);
  return cat(above, above.empty() ? "" : ": ", "no command given, expected one of ", join(names, ", "));
}

std::string usage_problem(const CLI::App& app, const CLI::ParseError& error) {
  const auto& command = reached(app);
  std::string problem = error.what();
  if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr) {
    problem = not_expected(command);
  } else if (problem.ends_with(" missing")) {  // "--prompt: 1 required TEXT missing"
    problem = cat(problem.substr(0, problem.find(':')), ": its value is missing");
  }
  return cat(full_name(command), ": ", problem);
}

}  // namespace ingot
