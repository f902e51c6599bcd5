#include "base/log.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <mutex>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/printable.h"

namespace ingot::log {
namespace {

spdlog::level::level_enum level_of(Level level) {
  switch (level) {
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarning:
      return spdlog::level::warn;
    case Level::kError:
      return spdlog::level::err;
    case Level::kNone:
      return spdlog::level::off;
  }
  return spdlog::level::info;
}

/// The process has one terminal, so the log is the one piece of state that is global.
struct State {
  State() {
    terminal->set_pattern("%H:%M:%S %^%v%$");
    terminal->set_level(spdlog::level::info);
    for (const auto level : {spdlog::level::debug, spdlog::level::info}) terminal->set_color(level, terminal->reset);
  }

  std::mutex mutex;
  std::shared_ptr<spdlog::sinks::stderr_color_sink_mt> terminal =
      std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
  std::shared_ptr<spdlog::sinks::basic_file_sink_mt> file;
  std::string file_on_warning;  // opened by the first warning
  std::set<std::string> said;
};

State& state() {
  static State* instance = new State;  // never destroyed: destructors of others may still log
  return *instance;
}

std::shared_ptr<spdlog::sinks::basic_file_sink_mt> make_file(const std::string& path) {
  auto file = std::make_shared<spdlog::sinks::basic_file_sink_mt>(path);
  file->set_pattern("%Y-%m-%d %H:%M:%S.%e %v");
  return file;
}

void write(Level level, const char* prefix, const std::string& message) {
  State& s = state();
  const std::string line = prefix + printable(message);  // names and texts of others are quoted in messages
  const spdlog::details::log_msg record("", level_of(level), line);
  const std::scoped_lock lock(s.mutex);
  if (s.terminal->should_log(record.level)) s.terminal->log(record);
  try {
    const bool is_warning = level == Level::kWarning || level == Level::kError;
    if (s.file == nullptr && is_warning && !s.file_on_warning.empty()) {
      s.file = make_file(std::exchange(s.file_on_warning, ""));
    }
    if (s.file == nullptr) return;
    s.file->log(record);
    s.file->flush();
  } catch (const std::exception&) {
    // A log that cannot be written must not end a run that can go on.
  }
}

}  // namespace

void set_terminal_level(Level level) { state().terminal->set_level(level_of(level)); }

void open_file(const std::string& path) {
  std::shared_ptr<spdlog::sinks::basic_file_sink_mt> file;
  try {
    file = make_file(path);
  } catch (const std::exception&) {
    throw Error(ExitCode::kOther, "cannot open the log file '" + path + "'");
  }
  const std::scoped_lock lock(state().mutex);
  state().file = std::move(file);
}

void open_file_on_warning(const std::string& path) {
  const std::scoped_lock lock(state().mutex);
  state().file_on_warning = path;
}

void close_file() {
  const std::scoped_lock lock(state().mutex);
  state().file.reset();
}

void debug(const std::string& message) { write(Level::kDebug, "debug: ", message); }
void info(const std::string& message) { write(Level::kInfo, "", message); }
void warning(const std::string& message) { write(Level::kWarning, "warning: ", message); }
void error(const std::string& message) { write(Level::kError, "error: ", message); }

void warning_once(const std::string& key, const std::string& message) {
  {
    const std::scoped_lock lock(state().mutex);
    if (!state().said.insert(key).second) return;
  }
  warning(message);
}

}  // namespace ingot::log
