#include "checkpoint/manifest.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "base/text.h"

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

json parse_manifest(const fs::path& dir) {
  if (!fs::exists(dir / kManifestFile)) throw Damage{cat(kManifestFile, " is missing")};
  std::string text;
  try {
    text = read_file(dir / kManifestFile, ExitCode::kCheckpoint);
  } catch (const Error& e) {
    throw Damage{e.what()};
  }
  json document = json::parse(text, nullptr, false);
  if (!document.is_object()) throw Damage{cat(kManifestFile, " is damaged (not valid JSON)")};
  return document;
}

Manifest from_json(const json& document) {
  Manifest manifest;
  manifest.step = document.at("step").get<std::int64_t>();
  document.at("files").get_to(manifest.files);
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
  const json document = parse_manifest(dir);
  const auto version = document.find("version");
  if (version != document.end() && version->is_number_integer() && version->get<std::int64_t>() > kCheckpointVersion) {
    // Said before the checksum is looked at: a newer program may form it in another way.
    throw Damage{cat("it was written by a newer program (format version ", version->dump(), ", this one reads up to ",
                     kCheckpointVersion, ")")};
  }
  if (!document.contains(kChecksumKey) || document[kChecksumKey] != checksum_of(document)) {
    throw Damage{cat(kManifestFile, " is damaged (its checksum does not match)")};
  }
  Manifest manifest;
  try {
    if (document.at("format") != kFormat) throw Damage{cat(kManifestFile, " is of another format")};
    manifest = from_json(document);
  } catch (const json::exception&) {
    throw Damage{cat(kManifestFile, " is damaged (entries are missing)")};
  }
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
  try {
    if (digest_file(dir / name) == expected) return;
  } catch (const Error& e) {
    throw Damage{e.what()};
  }
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
  std::string text;
  try {
    text = read_file(dir / name, ExitCode::kCheckpoint);
  } catch (const Error& e) {
    throw Damage{e.what()};
  }
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
