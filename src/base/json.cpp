#include "base/json.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/raise.h"
#include "base/reading.h"
#include "base/text.h"

namespace ingot {
namespace {

using nlohmann::json;

constexpr std::size_t kShownBytes = 40;

/// Throws with the line and column of a byte of the text.
[[noreturn]] void fail_at(std::string_view text, std::size_t byte, const JsonSource& source, const std::string& what) {
  const std::string_view before = text.substr(0, std::min(byte, text.size()));
  const auto lines = static_cast<int>(std::count(before.begin(), before.end(), '\n'));
  const std::size_t line_start = before.rfind('\n') == before.npos ? 0 : before.rfind('\n') + 1;
  const auto column = static_cast<int>(before.size() - line_start) + 1;
  raise_error(source.code, Location{source.name, source.line + lines, column}, what);
}

/// Stops the parser at values too deep and at keys that occur twice, which it would let pass.
class Watch {
 public:
  Watch(const JsonSource& source, int depth) : source_(source), depth_(depth) {}

  bool operator()(json::parse_event_t event, const json& value) {
    switch (event) {
      case json::parse_event_t::object_start:
      case json::parse_event_t::array_start:
        keys_.emplace_back();
        if (static_cast<int>(keys_.size()) > depth_) fail(cat("is nested deeper than ", depth_, " levels"));
        break;
      case json::parse_event_t::object_end:
      case json::parse_event_t::array_end:
        keys_.pop_back();
        break;
      case json::parse_event_t::key: {
        const auto& key = value.get_ref<const std::string&>();
        if (!keys_.back().insert(key).second) fail(cat("has the key '", key, "' twice"));
        break;
      }
      case json::parse_event_t::value:
        break;
    }
    return true;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    raise_error(source_.code, Location{source_.name, 0, 0}, cat("the JSON ", what));
  }

  const JsonSource& source_;
  int depth_;
  std::vector<std::set<std::string>> keys_;  // of the objects that are open
};

json parse_checked(std::string_view text, const JsonSource& source, const JsonLimits& limits) {
  const auto size = static_cast<std::int64_t>(text.size());
  if (size > limits.bytes) {
    raise_error(source.code, Location{source.name, 0, 0},
                cat("the JSON has ", size, " bytes, expected at most ", limits.bytes));
  }
  Watch watch(source, limits.depth);
  try {
    return json::parse(text.begin(), text.end(),
                       [&](int, json::parse_event_t event, json& value) { return watch(event, value); });
  } catch (const json::parse_error& error) {
    const bool at_end = error.byte > text.size();
    fail_at(text, error.byte == 0 ? 0 : error.byte - 1, source,
            text.empty() ? "an empty text, expected JSON"
            : at_end     ? "the JSON ends too early"
                         : "not valid JSON");
  } catch (const json::exception&) {
    raise_error(source.code, Location{source.name, 0, 0}, "the JSON has a number that cannot be represented");
  }
}

std::string found(const json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return "a list";
  // As JSON in ASCII: no control character gets to a terminal.
  std::string text = value.dump(-1, ' ', true, json::error_handler_t::replace);
  if (text.size() > kShownBytes) text = text.substr(0, kShownBytes) + "…";
  return text;
}

}  // namespace

struct JsonValue::Document {
  json root;
  JsonSource source;
};

JsonValue JsonValue::parse(std::string_view text, JsonSource source, const JsonLimits& limits) {
  json value = parse_checked(text, source, limits);
  return of(std::move(value), std::move(source));
}

JsonValue JsonValue::read(const fs::path& path, ExitCode code, const JsonLimits& limits) {
  return parse(read_file(path, code, ReadRule{limits.bytes}), {path.string(), code}, limits);
}

JsonValue JsonValue::of(json value, JsonSource source) {
  auto document = std::make_shared<const Document>(Document{std::move(value), std::move(source)});
  const json* root = &document->root;
  return {std::move(document), root, ""};
}

void JsonValue::fail(const std::string& what) const {
  raise_error(document_->source.code, Location{document_->source.name, 0, 0},
              place_.empty() ? what : place_ + ": " + what);
}

void JsonValue::expected(const std::string& what) const { fail(cat("expected ", what, ", found ", found(*value_))); }

bool JsonValue::is_null() const { return value_->is_null(); }

bool JsonValue::is_object() const { return value_->is_object(); }

void JsonValue::require_object() const {
  if (!value_->is_object()) expected("an object");
}

JsonValue JsonValue::member(const std::string& key, const json& value) const {
  return {document_, &value, place_.empty() ? key : place_ + "." + key};
}

bool JsonValue::has(const std::string& key) const {
  require_object();
  return value_->contains(key);
}

std::optional<JsonValue> JsonValue::find(const std::string& key) const {
  require_object();
  const auto at = value_->find(key);
  if (at == value_->end()) return std::nullopt;
  return member(key, *at);
}

JsonValue JsonValue::at(const std::string& key) const {
  if (auto value = find(key)) return *std::move(value);
  fail(cat("the key '", key, "' is missing"));
}

std::vector<JsonValue> JsonValue::items() const {
  if (!value_->is_array()) expected("a list");
  std::vector<JsonValue> out;
  out.reserve(value_->size());
  for (const json& item : *value_) out.push_back({document_, &item, cat(place_, "[", out.size(), "]")});
  return out;
}

std::vector<std::pair<std::string, JsonValue>> JsonValue::members() const {
  require_object();
  std::vector<std::pair<std::string, JsonValue>> out;
  out.reserve(value_->size());
  for (const auto& [key, value] : value_->items()) out.emplace_back(key, member(key, value));
  return out;
}

bool JsonValue::flag() const {
  if (!value_->is_boolean()) expected("true or false");
  return value_->get<bool>();
}

std::int64_t JsonValue::whole(std::int64_t least, std::int64_t most) const {
  using Range = std::numeric_limits<std::int64_t>;
  const bool fits = value_->is_number_integer() &&
                    (!value_->is_number_unsigned() || value_->get<std::uint64_t>() <= std::uint64_t{INT64_MAX});
  const std::int64_t value = fits ? value_->get<std::int64_t>() : 0;
  if (fits && value >= least && value <= most) return value;
  std::string what = "a whole number";
  if (least != Range::min() && most != Range::max()) what += cat(" in ", least, "..", most);
  if (least != Range::min() && most == Range::max()) what += cat(" from ", least);
  if (least == Range::min() && most != Range::max()) what += cat(" up to ", most);
  expected(what);
}

double JsonValue::number() const {
  if (!value_->is_number()) expected("a number");
  return value_->get<double>();
}

const std::string& JsonValue::text() const {
  if (!value_->is_string()) expected("a text");
  return value_->get_ref<const std::string&>();
}

}  // namespace ingot
