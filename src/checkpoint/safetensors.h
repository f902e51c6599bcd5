#pragma once
// The safetensors format: u64 length N (little-endian), N bytes of JSON, then the tensors' bytes, row-major, without
// holes. Entry: {"dtype": "F32", "shape": [..], "data_offsets": [begin, end]}, offsets relative to the end of the
// header.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/files.h"
#include "checkpoint/digest.h"

namespace ingot {

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;
using TensorMetadata = std::map<std::string, std::string>;

/// Size in bytes of the file that `write_safetensors` would write.
std::int64_t safetensors_size(const NamedTensors& tensors, const TensorMetadata& metadata = {});

/// Writes and fsyncs; returns the digest, computed while writing. Any device, stride and order of `tensors`: the file
/// holds them by falling element size, then name, so its bytes depend on the contents only. Throws CheckpointError on
/// any failure of the file system and on a name that occurs twice; a partial file may be left, so write under a
/// temporary name.
FileDigest write_safetensors(const fs::path& path, const NamedTensors& tensors, const TensorMetadata& metadata = {});

/// A mapped file whose header was checked in full: lengths, types, overlaps, holes, duplicate keys. Throws
/// CheckpointError naming the file and the tensor.
class SafetensorsFile {
 public:
  struct Entry {
    std::string name;
    at::ScalarType dtype;
    std::vector<std::int64_t> shape;
    std::int64_t begin = 0;  // offset in the file
    std::int64_t bytes = 0;
  };

  explicit SafetensorsFile(const fs::path& path);

  const fs::path& path() const;
  /// In the order of the data.
  const std::vector<Entry>& entries() const { return entries_; }
  const TensorMetadata& metadata() const { return metadata_; }
  /// Null if there is no tensor of this name.
  const Entry* find(const std::string& name) const;
  /// A CPU view that keeps the mapping alive; private to this process, so writing to it is allowed and changes no file.
  /// Throws CheckpointError if there is no such tensor.
  at::Tensor tensor(const std::string& name) const;
  /// All of them, in the order of the data.
  NamedTensors tensors() const;

 private:
  struct Mapping;
  std::shared_ptr<Mapping> mapping_;
  std::vector<Entry> entries_;
  std::unordered_map<std::string, std::size_t> index_;
  TensorMetadata metadata_;
};

}  // namespace ingot
