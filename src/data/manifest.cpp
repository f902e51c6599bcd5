#include "data/manifest.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "data/path_json.h"

namespace ingot {
namespace {

using nlohmann::json;

constexpr const char* kFormat = "ingot token data";
constexpr int kVersion = 1;

json to_json(const FileRecord& r) {
  return {
      {"path", path_to_json(r.path)}, {"bytes", r.bytes}, {"modified_ns", r.modified_ns}, {"xxh3_64mib", r.checksums}};
}

FileRecord file_from(const json& j) {
  return {path_from_json(j.at("path")), j.at("bytes"), j.at("modified_ns"), j.at("xxh3_64mib")};
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

ShardRecord shard_from(const json& j) {
  ShardRecord r;
  r.kind = j.at("kind") == "megatron" ? ShardKind::kMegatron : ShardKind::kLlmc;
  r.ids = file_from(j.at("ids"));
  if (j.contains("index")) r.index = file_from(j.at("index"));
  r.tokens = j.at("tokens");
  r.documents = j.at("documents");
  r.largest_id = j.at("largest_id");
  return r;
}

json to_json(const SplitRecord& r) {
  json j{{"tokens", r.tokens()}, {"documents", r.documents()}, {"shards", json::array()}};
  if (r.text_bytes) j["text_bytes"] = *r.text_bytes;
  for (const ShardRecord& shard : r.shards) j["shards"].push_back(to_json(shard));
  return j;
}

SplitRecord split_from(const json& j) {
  SplitRecord r;
  if (j.contains("text_bytes")) r.text_bytes = j.at("text_bytes");
  for (const json& shard : j.at("shards")) r.shards.push_back(shard_from(shard));
  return r;
}

json to_json(const SourceRecord& r) {
  json j{{"path", path_to_json(r.file.path)}, {"bytes", r.file.bytes}, {"modified_ns", r.file.modified_ns}};
  if (!r.hash.empty()) j["xxh3"] = r.hash;
  return j;
}

SourceRecord source_from(const json& j) {
  return {{path_from_json(j.at("path")), j.at("bytes"), j.at("modified_ns")}, j.value("xxh3", "")};
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
  const json j = json::parse(read_file(path, ExitCode::kData), nullptr, false);
  if (!j.is_object() || j.value("format", "") != kFormat) {
    throw DataError(path.string() + ": not a manifest of token data");
  }
  if (j.value("version", 0) != kVersion) {
    throw DataError(cat(path.string(), ": version ", j.value("version", 0), ", expected ", kVersion));
  }
  try {
    Manifest m;
    m.tokenizer_hash = j.at("tokenizer_hash");
    m.vocab_size = j.at("vocab_size");
    m.settings = j.at("settings").is_null() ? "" : j.at("settings").dump();
    m.bad_records = j.value("bad_records", std::int64_t{0});
    m.part = j.value("part", std::int64_t{0});
    m.parts = j.value("parts", std::int64_t{1});
    for (const json& source : j.at("sources")) m.sources.push_back(source_from(source));
    for (const auto& [split, record] : j.at("splits").items()) m.splits[split] = split_from(record);
    return m;
  } catch (const json::exception& error) {
    throw DataError(path.string() + ": a damaged manifest (" + error.what() + ")");
  }
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
