#pragma once
// Small text helpers. Numbers are written so that reading them back gives the same value.

#include <cstdint>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace ingot {

/// Concatenates its arguments, each written with operator<<.
template <class... Args>
std::string cat(const Args&... args) {
  std::ostringstream out;
  (out << ... << args);
  return out.str();
}

std::string join(const std::vector<std::string>& parts, std::string_view separator);
std::vector<std::string> split(std::string_view text, char separator);
std::string_view trim(std::string_view text);

/// What stands before the first end of line: exceptions of libraries go on with stack traces.
std::string first_line(std::string_view text);

/// Shortest decimal form that reads back to the same double, always recognisable as a float ("1.0",
/// "0.0003").
std::string format_double(double value);
/// 965389440 -> "965,389,440".
std::string format_grouped(std::int64_t value);
/// 965389440 -> "965.4M"; 0..999 unchanged.
std::string format_count(double value);
/// Bytes as "1.5 GiB".
std::string format_bytes(double bytes);
/// Seconds as "850 ms", "12.3 s", "4 min 05 s", "3 h 12 min".
std::string format_duration(double seconds);

/// The time now, "2024-06-11T09:30:00Z".
std::string utc_now();

/// The candidate with the smallest edit distance to `name` if it is close enough to be a likely
/// slip, else "".
std::string closest(std::string_view name, const std::vector<std::string>& candidates);
/// " (did you mean 'x'?)" or "" – to be put at the end of a message.
std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates);
/// Shell-style match of `*` (any run), `?` (one character) and `[a-z]` over the whole of `text`.
bool glob_match(std::string_view pattern, std::string_view text);

}  // namespace ingot
