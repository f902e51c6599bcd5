#pragma once
// JSON that others wrote: files and messages of other processes. None of it is trusted: size and depth have limits,
// every value is checked where it is asked for, and what is wrong is said with the file and the dotted key, in one
// line.

#include <cstdint>
#include <limits>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/files.h"

namespace ingot {

/// What an error names and which exit code it carries.
struct JsonSource {
  std::string name;  // a file, or who sent the text
  ExitCode code = ExitCode::kOther;
  int line = 1;  // of the file, where the text begins
};

struct JsonLimits {
  std::int64_t bytes = std::int64_t{256} << 20;
  /// Copying, comparing and writing a value call themselves for each level: without a limit they overrun the stack.
  int depth = 64;
};

/// A value of a JSON text and its place there, such as `splits.train.shards[0].tokens`. Keeps the whole text's values
/// alive.
class JsonValue {
 public:
  /// Throws Error(source.code) for what is no JSON (with line and column), is nested too deep or too long, or has a key
  /// twice.
  static JsonValue parse(std::string_view text, JsonSource source, const JsonLimits& limits = {});
  /// The same of a file. Throws also what `read_file` throws.
  static JsonValue read(const fs::path& path, ExitCode code, const JsonLimits& limits = {});
  /// For values that were parsed before.
  static JsonValue of(nlohmann::json value, JsonSource source);

  const nlohmann::json& raw() const { return *value_; }

  // All of these throw Error(source.code) naming key, what was expected and what was found.
  bool is_null() const;
  bool is_object() const;
  bool has(const std::string& key) const;
  JsonValue at(const std::string& key) const;
  std::optional<JsonValue> find(const std::string& key) const;
  std::vector<JsonValue> items() const;                            // of a list
  std::vector<std::pair<std::string, JsonValue>> members() const;  // of an object, by name
  bool flag() const;
  std::int64_t whole(std::int64_t least = std::numeric_limits<std::int64_t>::min(),
                     std::int64_t most = std::numeric_limits<std::int64_t>::max()) const;
  double number() const;
  const std::string& text() const;

  /// Throws "NAME: KEY: expected WHAT, found …".
  [[noreturn]] void expected(const std::string& what) const;
  /// Throws "NAME: KEY: WHAT".
  [[noreturn]] void fail(const std::string& what) const;

 private:
  struct Document;
  JsonValue(std::shared_ptr<const Document> document, const nlohmann::json* value, std::string place)
      : document_(std::move(document)), value_(value), place_(std::move(place)) {}
  JsonValue member(const std::string& key, const nlohmann::json& value) const;
  void require_object() const;

  std::shared_ptr<const Document> document_;
  const nlohmann::json* value_;
  std::string place_;
};

}  // namespace ingot
