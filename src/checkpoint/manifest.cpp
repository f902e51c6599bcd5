#include "checkpoint/manifest.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "base/reading.h"
#include "base/text.h"

namespace ingot {

void to_json(nlohmann::json& out, const FileDigest& digest) { out = {{"size", digest.size}, {"xxh3", digest.xxh3}}; }

std::map<std::string, FileDigest> digests_from(const JsonValue& files) {
  std::map<std::string, FileDigest> out;
  for (const auto& [name, value] : files.members()) {
    const bool is_plain = !name.empty() && name.find_first_of(std::string_view("/\0", 2)) == name.npos;
    if (!is_plain || name == "." || name == "..") files.fail(cat("'", name, "' is no name of a file in this folder"));
    out[name] = {value.at("size").whole(0), value.at("xxh3").text()};
  }
  return out;
}

}  // namespace ingot

namespace ingot::checkpoint_detail {
namespace {

using nlohmann::json;

constexpr const char* kFormat = "ingot checkpoint";
constexpr const char* kChecksumKey = "checksum";

/// Of the document without the checksum. Keys are sorted and all values are strings and whole numbers, so equal
/// contents give equal text.
std::string checksum_of(json document) {
  document.erase(kChecksumKey);
  return digest_bytes(document.dump()).xxh3;
}

JsonValue parse_manifest(const fs::path& dir) {
  if (!fs::exists(dir / kManifestFile)) throw Damage{cat(kManifestFile, " is missing")};
  const std::string text = read_file(dir / kManifestFile, ExitCode::kCheckpoint, ReadRule{JsonLimits{}.bytes});
  return JsonValue::parse(text, {kManifestFile, ExitCode::kCheckpoint});
}

Manifest manifest_from(const JsonValue& document) {
  const auto version = document.at("version").whole();
  if (version > kCheckpointVersion) {
    // Said before the checksum is looked at: a newer program may form it in another way.
    throw Damage{cat("it was written by a newer program (format version ", version, ", this one reads up to ",
                     kCheckpointVersion, ")")};
  }
  if (document.at(kChecksumKey).text() != checksum_of(document.raw())) {
    throw Damage{cat(kManifestFile, " is damaged (its checksum does not match)")};
  }
  if (document.at("format").text() != kFormat) throw Damage{cat(kManifestFile, " is of another format")};
  Manifest manifest;
  manifest.step = document.at("step").whole(0);
  manifest.files = digests_from(document.at("files"));
  return manifest;
}

}  // namespace

std::vector<std::string> Manifest::files_with(const std::string& prefix) const {
  std::vector<std::string> names;
  for (const auto& entry : files) {
    if (entry.first.rfind(prefix, 0) == 0) names.push_back(entry.first);
  }
  return names;
}

std::string manifest_text(const Manifest& manifest, std::int64_t model_tensors, std::int64_t optimizer_tensors) {
  json document = {{"format", kFormat},
                   {"version", kCheckpointVersion},
                   {"step", manifest.step},
                   {"tensors", {{"model", model_tensors}, {"optimizer", optimizer_tensors}}},
                   {"files", manifest.files}};
  document[kChecksumKey] = checksum_of(document);
  return document.dump(2) + "\n";
}

Manifest read_manifest(const fs::path& dir) {
  const Manifest manifest = as_damage([&] { return manifest_from(parse_manifest(dir)); });
  for (const std::string required : {kStateFile, kConfigFile}) {
    if (manifest.files.count(required) == 0) throw Damage{cat(kManifestFile, " does not list ", required)};
  }
  const std::int64_t named = step_of(dir.filename().string());
  if (named >= 0 && named != manifest.step) {
    throw Damage{cat("the folder is named after another step than it holds (", manifest.step, ")")};
  }
  return manifest;
}

void check_file(const fs::path& dir, const Manifest& manifest, const std::string& name, Verify depth) {
  const auto entry = manifest.files.find(name);
  if (entry == manifest.files.end()) throw Damage{cat(kManifestFile, " does not list ", name)};
  const FileDigest& expected = entry->second;
  std::error_code error;
  const auto size = fs::file_size(dir / name, error);
  if (error == std::errc::no_such_file_or_directory) throw Damage{cat(name, " is missing")};
  if (error) throw Damage{cat(name, " cannot be read: ", error.message())};
  if (static_cast<std::int64_t>(size) != expected.size) {
    throw Damage{cat(name, " has ", size, " bytes instead of ", expected.size,
                     static_cast<std::int64_t>(size) < expected.size ? " (truncated)" : "")};
  }
  if (depth == Verify::kSizes) return;
  if (as_damage([&] { return digest_file(dir / name); }) == expected) return;
  throw Damage{cat(name, " is damaged (its checksum is not that of ", kManifestFile, ")")};
}

void check_files(const fs::path& dir, const Manifest& manifest, Verify depth) {
  // Sizes first: they find most damage without reading gigabytes.
  for (const auto& entry : manifest.files) check_file(dir, manifest, entry.first, Verify::kSizes);
  if (depth == Verify::kSizes) return;
  for (const auto& entry : manifest.files) check_file(dir, manifest, entry.first, depth);
}

std::string read_checked(const fs::path& dir, const Manifest& manifest, const std::string& name) {
  check_file(dir, manifest, name, Verify::kSizes);
  const auto text =
      as_damage([&] { return read_file(dir / name, ExitCode::kCheckpoint, ReadRule{JsonLimits{}.bytes}); });
  if (digest_bytes(text) != manifest.files.at(name)) {
    throw Damage{cat(name, " is damaged (its checksum is not that of ", kManifestFile, ")")};
  }
  return text;
}

std::string step_name(std::int64_t step) {
  std::string digits = std::to_string(step);
  if (digits.size() < 8) digits.insert(0, 8 - digits.size(), '0');
  return "step-" + digits;
}

std::int64_t step_of(const std::string& name) {
  constexpr std::string_view kPrefix = "step-";
  if (name.rfind(kPrefix, 0) != 0) return -1;
  std::int64_t step = -1;
  const char* end = name.data() + name.size();
  const auto [rest, error] = std::from_chars(name.data() + kPrefix.size(), end, step);
  return error == std::errc{} && rest == end && step_name(step) == name ? step : -1;
}

}  // namespace ingot::checkpoint_detail
