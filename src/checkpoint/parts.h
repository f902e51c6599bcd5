#pragma once
// How tensors, and parts of tensors that ranks share, lie in safetensors files. Private to src/checkpoint.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "checkpoint/safetensors.h"
#include "params/ownership.h"

namespace ingot::checkpoint_detail {

struct FileContents {
  NamedTensors tensors;
  TensorMetadata metadata;
};

/// What is owned of `tensors`: whole ones under their names, parts as "name@begin", flat, with the whole shapes in the
/// metadata.
FileContents to_file(const StateTensors& tensors);

/// Bytes of a file with all of `tensors`, whole. What others own is taken as fp32.
std::int64_t whole_size(const StateTensors& tensors);

/// The tensors of one group (model or optimizer) of a checkpoint, put together from its files.
class TensorGroup {
 public:
  /// Throws Damage if a tensor is there twice or in part.
  TensorGroup(const fs::path& dir, const std::vector<std::string>& files);

  std::map<std::string, std::vector<std::int64_t>> shapes() const;
  /// Adds to the lists of what is missing, extra and different.
  void compare(const StateTensors& wanted, std::vector<std::string>& missing, std::vector<std::string>& extra,
               std::vector<std::string>& different) const;
  /// Fills what is owned of the targets, which were compared.
  void copy_to(const StateTensors& targets) const;

 private:
  struct Part {
    at::Tensor tensor;  // mapped
    std::int64_t begin = 0;
  };
  struct Whole {
    std::vector<std::int64_t> shape;
    at::ScalarType dtype;
    std::vector<Part> parts;  // by rising begin
  };
  void add(const SafetensorsFile& file);
  std::map<std::string, Whole> tensors_;
};

}  // namespace ingot::checkpoint_detail
