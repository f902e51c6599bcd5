#include "checkpoint/safetensors_header.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "base/json.h"
#include "base/text.h"

namespace ingot::safetensors {
namespace {

using nlohmann::json;

struct DtypeName {
  const char* name;
  at::ScalarType dtype;
};

constexpr std::array<DtypeName, 15> kDtypes{{
    {"BOOL", at::ScalarType::Bool},
    {"U8", at::ScalarType::Byte},
    {"I8", at::ScalarType::Char},
    {"F8_E4M3", at::ScalarType::Float8_e4m3fn},
    {"F8_E5M2", at::ScalarType::Float8_e5m2},
    {"I16", at::ScalarType::Short},
    {"U16", at::ScalarType::UInt16},
    {"F16", at::ScalarType::Half},
    {"BF16", at::ScalarType::BFloat16},
    {"I32", at::ScalarType::Int},
    {"U32", at::ScalarType::UInt32},
    {"F32", at::ScalarType::Float},
    {"F64", at::ScalarType::Double},
    {"I64", at::ScalarType::Long},
    {"U64", at::ScalarType::UInt64},
}};

const char* dtype_name(const HeaderItem& item) {
  for (const DtypeName& known : kDtypes) {
    if (known.dtype == item.dtype) return known.name;
  }
  throw CheckpointError(
      cat("tensor '", item.name, "' is of type ", c10::toString(item.dtype), ", which a safetensors file cannot hold"));
}

/// Product of the sizes times the element size; -1 if that does not fit.
std::int64_t byte_count(const std::vector<std::int64_t>& shape, at::ScalarType dtype) {
  auto bytes = static_cast<std::int64_t>(at::elementSize(dtype));
  for (const std::int64_t size : shape) {
    if (__builtin_mul_overflow(bytes, size, &bytes)) return -1;
  }
  return bytes;
}

/// Turns one entry of the JSON into an `Entry`, with offsets still relative to the data.
class EntryReader {
 public:
  EntryReader(const fs::path& path, std::string name) : path_(path), name_(std::move(name)) {}

  SafetensorsFile::Entry read(const json& value) const {
    if (!value.is_object()) fail("is not described by an object");
    for (const auto& [key, unused] : value.items()) {
      if (key != "dtype" && key != "shape" && key != "data_offsets") fail(cat("has an unknown key '", key, "'"));
    }
    SafetensorsFile::Entry entry;
    entry.name = name_;
    entry.dtype = read_dtype(value);
    entry.shape = read_numbers(value, "shape");
    const std::vector<std::int64_t> offsets = read_numbers(value, "data_offsets");
    if (offsets.size() != 2 || offsets[1] < offsets[0]) {
      fail("has data_offsets that are not a rising pair of numbers");
    }
    entry.begin = offsets[0];
    entry.bytes = offsets[1] - offsets[0];
    const std::int64_t expected = byte_count(entry.shape, entry.dtype);
    if (expected != entry.bytes) {
      fail(cat("has ", entry.bytes, " bytes of data, but shape [", shape_text(entry.shape), "] of ",
               value["dtype"].get<std::string>(), " needs ",
               expected < 0 ? "more than can be counted" : std::to_string(expected)));
    }
    return entry;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw CheckpointError(cat("'", path_.string(), "': tensor '", name_, "' ", what));
  }

  const json& require(const json& value, const char* key) const {
    const auto it = value.find(key);
    if (it == value.end()) fail(cat("lacks '", key, "'"));
    return *it;
  }

  at::ScalarType read_dtype(const json& value) const {
    const json& dtype = require(value, "dtype");
    if (!dtype.is_string()) fail("has a dtype that is not a string");
    const auto& text = dtype.get_ref<const std::string&>();
    for (const DtypeName& known : kDtypes) {
      if (text == known.name) return known.dtype;
    }
    fail(cat("is of unknown dtype '", text, "'"));
  }

  std::vector<std::int64_t> read_numbers(const json& value, const char* key) const {
    const json& list = require(value, key);
    if (!list.is_array()) fail(cat("has a ", key, " that is not a list"));
    std::vector<std::int64_t> out;
    for (const json& number : list) {
      if (!number.is_number_unsigned() || number.get<std::uint64_t>() > std::uint64_t{INT64_MAX}) {
        fail(cat("has a ", key, " with ", number.dump(), ", expected whole numbers from 0"));
      }
      out.push_back(number.get<std::int64_t>());
    }
    return out;
  }

  static std::string shape_text(const std::vector<std::int64_t>& shape) {
    std::vector<std::string> parts;
    for (const std::int64_t size : shape) parts.push_back(std::to_string(size));
    return join(parts, ", ");
  }

  const fs::path& path_;
  std::string name_;
};

[[noreturn]] void fail(const fs::path& path, const std::string& what) {
  throw CheckpointError(cat("'", path.string(), "' is not a valid safetensors file: ", what));
}

json parse_json(const fs::path& path, std::string_view text) {
  try {
    return JsonValue::parse(text, {"header", ExitCode::kCheckpoint}, {kMaxHeaderBytes}).raw();
  } catch (const Error& error) {
    fail(path, error.what());
  }
}

TensorMetadata parse_metadata(const fs::path& path, const json& value) {
  if (!value.is_object()) fail(path, "__metadata__ is not an object");
  TensorMetadata metadata;
  for (const auto& [key, text] : value.items()) {
    if (!text.is_string()) fail(path, cat("__metadata__ has '", key, "' that is not a string"));
    metadata[key] = text.get<std::string>();
  }
  return metadata;
}

/// Data must follow each other and end with the file.
void check_coverage(const fs::path& path, const std::vector<SafetensorsFile::Entry>& entries, std::int64_t data_bytes) {
  std::int64_t end = 0;
  const SafetensorsFile::Entry* previous = nullptr;
  for (const auto& entry : entries) {
    if (entry.begin < end) fail(path, cat("tensors '", previous->name, "' and '", entry.name, "' overlap"));
    if (entry.begin > end) fail(path, cat(entry.begin - end, " unused bytes before tensor '", entry.name, "'"));
    end = entry.begin + entry.bytes;
    previous = &entry;
    if (end > data_bytes) {
      fail(path, cat("tensor '", entry.name, "' ends at byte ", end, " of the data, but the file has only ", data_bytes,
                     " (truncated?)"));
    }
  }
  if (end != data_bytes) fail(path, cat(data_bytes - end, " unused bytes after the last tensor"));
}

}  // namespace

std::string make_header(const std::vector<HeaderItem>& items, const TensorMetadata& metadata) {
  std::set<std::string> names;
  std::string text = "{";
  if (!metadata.empty()) text += "\"__metadata__\":" + json(metadata).dump();
  std::int64_t offset = 0;
  for (const HeaderItem& item : items) {
    if (item.name == "__metadata__" || !names.insert(item.name).second) {
      throw CheckpointError(cat("cannot save two tensors of the name '", item.name, "'"));
    }
    const std::int64_t end = offset + byte_count(item.shape, item.dtype);
    if (text.size() > 1) text += ',';
    text += json(item.name).dump() + ":{\"dtype\":\"" + dtype_name(item) + "\",\"shape\":" + json(item.shape).dump() +
            ",\"data_offsets\":" + json({offset, end}).dump() + "}";
    offset = end;
  }
  text += '}';
  text.append((8 - (kLengthBytes + text.size()) % 8) % 8, ' ');
  const std::uint64_t length = text.size();
  std::string bytes(kLengthBytes, '\0');
  std::memcpy(bytes.data(), &length, kLengthBytes);
  return bytes + text;
}

Header parse_header(const fs::path& path, std::string_view file) {
  if (file.size() < kLengthBytes) fail(path, cat("it has only ", file.size(), " bytes (truncated?)"));
  std::uint64_t length = 0;
  std::memcpy(&length, file.data(), kLengthBytes);
  if (length > kMaxHeaderBytes) fail(path, cat("its header claims ", length, " bytes, the limit is ", kMaxHeaderBytes));
  if (length > file.size() - kLengthBytes) {
    fail(path, cat("its header claims ", length, " bytes, but the file has only ", file.size(), " (truncated?)"));
  }
  const std::string_view text = file.substr(kLengthBytes, length);
  if (text.empty() || text.front() != '{') fail(path, "its header does not begin with '{'");
  const json parsed = parse_json(path, text);

  Header header;
  for (const auto& [name, value] : parsed.items()) {
    if (name == "__metadata__") {
      header.metadata = parse_metadata(path, value);
    } else {
      header.entries.push_back(EntryReader(path, name).read(value));
    }
  }
  // Empty tensors come before the one that starts where they do.
  std::sort(header.entries.begin(), header.entries.end(),
            [](const auto& a, const auto& b) { return a.begin != b.begin ? a.begin < b.begin : a.bytes < b.bytes; });
  check_coverage(path, header.entries, static_cast<std::int64_t>(file.size() - kLengthBytes - length));
  for (auto& entry : header.entries) entry.begin += static_cast<std::int64_t>(kLengthBytes + length);
  return header;
}

}  // namespace ingot::safetensors
