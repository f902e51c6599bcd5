#include "data/shards/manifest.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "data/shards/path_json.h"

namespace ingot {
namespace {

using nlohmann::json;

constexpr const char* kFormat = "ingot token data";
constexpr int kVersion = 1;
constexpr std::int64_t kMostParts = 1 << 20;

json to_json(const FileRecord& r) {
  return {
      {"path", path_to_json(r.path)}, {"bytes", r.bytes}, {"modified_ns", r.modified_ns}, {"xxh3_64mib", r.checksums}};
}

/// A file beside the manifest is named by its path from there, another one by its whole path.
fs::path path_from(const JsonValue& value) {
  const fs::path path = path_from_json(value);
  const bool is_complete = path.has_filename() && path.native().find('\0') == std::string::npos;
  const bool climbs = path.is_relative() && std::find(path.begin(), path.end(), fs::path("..")) != path.end();
  if (!is_complete || climbs) value.fail(cat("'", path.string(), "' is no file in this folder"));
  return path;
}

FileRecord file_from(const JsonValue& j) {
  FileRecord r{path_from(j.at("path")), j.at("bytes").whole(0), j.at("modified_ns").whole(), {}};
  for (const JsonValue& sum : j.at("xxh3_64mib").items()) r.checksums.push_back(sum.text());
  return r;
}

json to_json(const ShardRecord& r) {
  json j{{"kind", r.kind == ShardKind::kMegatron ? "megatron" : "llm.c"},
         {"ids", to_json(r.ids)},
         {"tokens", r.tokens},
         {"documents", r.documents},
         {"largest_id", r.largest_id}};
  if (r.index) j["index"] = to_json(*r.index);
  return j;
}

ShardRecord shard_from(const JsonValue& j) {
  ShardRecord r;
  const JsonValue kind = j.at("kind");
  if (kind.text() != "megatron" && kind.text() != "llm.c") kind.expected("megatron or llm.c");
  r.kind = kind.text() == "megatron" ? ShardKind::kMegatron : ShardKind::kLlmc;
  r.ids = file_from(j.at("ids"));
  if (const auto index = j.find("index")) r.index = file_from(*index);
  r.tokens = j.at("tokens").whole(0, kMostTokens);
  r.documents = j.at("documents").whole(0, kMostTokens);
  r.largest_id = j.at("largest_id").whole(-1, INT32_MAX);
  return r;
}

json to_json(const SplitRecord& r) {
  json j{{"tokens", r.tokens()}, {"documents", r.documents()}, {"shards", json::array()}};
  if (r.text_bytes) j["text_bytes"] = *r.text_bytes;
  for (const ShardRecord& shard : r.shards) j["shards"].push_back(to_json(shard));
  return j;
}

SplitRecord split_from(const JsonValue& j) {
  SplitRecord r;
  if (const auto bytes = j.find("text_bytes")) r.text_bytes = bytes->whole(0, kMostTokens);
  for (const JsonValue& shard : j.at("shards").items()) r.shards.push_back(shard_from(shard));
  return r;
}

json to_json(const SourceRecord& r) {
  json j{{"path", path_to_json(r.file.path)}, {"bytes", r.file.bytes}, {"modified_ns", r.file.modified_ns}};
  if (!r.hash.empty()) j["xxh3"] = r.hash;
  return j;
}

SourceRecord source_from(const JsonValue& j) {
  const auto hash = j.find("xxh3");
  return {{path_from_json(j.at("path")), j.at("bytes").whole(0), j.at("modified_ns").whole()},
          hash ? hash->text() : ""};
}

std::int64_t whole_or(const JsonValue& j, const char* key, std::int64_t absent, std::int64_t most) {
  const auto value = j.find(key);
  return value ? value->whole(0, most) : absent;
}

}  // namespace

std::int64_t SplitRecord::tokens() const {
  std::int64_t sum = 0;
  for (const ShardRecord& shard : shards) sum += shard.tokens;
  return sum;
}

std::int64_t SplitRecord::documents() const {
  std::int64_t sum = 0;
  for (const ShardRecord& shard : shards) sum += shard.documents;
  return sum;
}

Manifest Manifest::load(const fs::path& folder, const std::string& name) {
  const fs::path path = folder / name;
  const JsonValue j = JsonValue::read(path, ExitCode::kData);
  const auto format = j.is_object() ? j.find("format") : std::nullopt;
  if (!format || format->raw() != kFormat) throw DataError(path.string() + ": not a manifest of token data");
  if (const auto version = whole_or(j, "version", 0, INT32_MAX); version != kVersion) {
    throw DataError(cat(path.string(), ": version ", version, ", expected ", kVersion));
  }
  Manifest m;
  m.tokenizer_hash = j.at("tokenizer_hash").text();
  m.vocab_size = j.at("vocab_size").whole(1, INT32_MAX);
  const JsonValue asked = j.at("settings");
  m.settings = asked.is_null() ? "" : asked.raw().dump();
  m.bad_records = whole_or(j, "bad_records", 0, kMostTokens);
  m.part = whole_or(j, "part", 0, kMostParts);
  m.parts = whole_or(j, "parts", 1, kMostParts);
  for (const JsonValue& source : j.at("sources").items()) m.sources.push_back(source_from(source));
  for (const auto& [split, record] : j.at("splits").members()) m.splits[split] = split_from(record);
  return m;
}

void Manifest::save(const fs::path& folder, const std::string& name) const {
  json j{{"format", kFormat},
         {"version", kVersion},
         {"tokenizer_hash", tokenizer_hash},
         {"vocab_size", vocab_size},
         {"settings", settings.empty() ? json() : json::parse(settings)},
         {"sources", json::array()},
         {"splits", json::object()}};
  if (bad_records > 0) j["bad_records"] = bad_records;
  if (parts > 1) {
    j["part"] = part;
    j["parts"] = parts;
  }
  for (const SourceRecord& source : sources) j["sources"].push_back(to_json(source));
  for (const auto& [split, record] : splits) j["splits"][split] = to_json(record);
  write_file_atomic(folder / name, j.dump(1) + "\n", ExitCode::kData);
}

}  // namespace ingot
