#pragma once
// Reading and writing of the header of a safetensors file, without the data.

#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/safetensors.h"

namespace ingot::safetensors {

constexpr std::size_t kLengthBytes = 8;
/// The reference implementation refuses longer ones.
constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;

struct HeaderItem {
  std::string name;
  at::ScalarType dtype;
  std::vector<std::int64_t> shape;
};

/// Length and JSON, padded with blanks to a multiple of 8 bytes; the data follow in the order of `items`. Throws
/// CheckpointError naming a tensor whose name occurs twice or is reserved, or whose type the format lacks.
std::string make_header(const std::vector<HeaderItem>& items, const TensorMetadata& metadata);

struct Header {
  std::vector<SafetensorsFile::Entry> entries;  // by rising offset
  TensorMetadata metadata;
};

/// Checks everything that can be wrong; `path` is for messages. Throws CheckpointError.
Header parse_header(const fs::path& path, std::string_view file);

}  // namespace ingot::safetensors
