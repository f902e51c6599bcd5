#pragma once
// The log. Progress and log lines go to stderr, results of commands to stdout. One torch-free file
// behind this header includes spdlog, since its fmt clashes with the one that LibTorch ships.

#include <string>

namespace ingot::log {

enum class Level { kDebug, kInfo, kWarning, kError, kNone };

/// Lines at `level` and above go to the terminal (stderr). The default is kInfo.
void set_terminal_level(Level level);
/// From now on lines also go to this file (appended, flushed on every line). Throws Error if it
/// cannot be opened.
void open_file(const std::string& path);
/// The same, but the file and its folder are made when the first warning or error is to be written; until then nothing
/// is.
void open_file_on_warning(const std::string& path);
void close_file();

void debug(const std::string& message);
void info(const std::string& message);
void warning(const std::string& message);
void error(const std::string& message);
/// A warning that is said once per process for each `key`.
void warning_once(const std::string& key, const std::string& message);

}  // namespace ingot::log
