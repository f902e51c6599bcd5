#pragma once
// Which part of the masters this process stores and updates, where the ranks of a world share them out.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace ingot {

/// Elements. A part of a master begins at a multiple, so that sums over blocks of this size are the same however it is
/// cut.
inline constexpr std::int64_t kOwnedUnit = 1 << 14;

/// Elements [begin, end) of a master.
struct OwnedRange {
  std::size_t master = 0;  // index
  std::int64_t begin = 0, end = 0;
};

/// In the names of states of constraints and penalties, "layers.0.ffn.up.weight@initial_norm.norm". A run without the
/// constraint passes over them where it begins with a checkpoint.
inline constexpr char kConstraintMark = '@';

/// A tensor as checkpoints hold it. Of one that ranks share, `tensor` is the part that this process owns, if any.
struct StateTensor {
  StateTensor() = default;
  /// A whole one.
  StateTensor(std::string given_name, at::Tensor whole)  // NOLINT: {"name", tensor} in lists
      : name(std::move(given_name)), tensor(std::move(whole)), shape(tensor.sizes().vec()) {}
  StateTensor(std::string given_name, at::Tensor part, std::vector<std::int64_t> whole_shape, std::int64_t first)
      : name(std::move(given_name)), tensor(std::move(part)), shape(std::move(whole_shape)), begin(first) {}

  bool is_owned() const { return tensor.defined(); }
  bool is_whole() const { return is_owned() && tensor.sizes() == at::IntArrayRef(shape); }

  std::string name;
  at::Tensor tensor;                // a view; undefined where others own all of it
  std::vector<std::int64_t> shape;  // of the whole
  std::int64_t begin = 0;           // first element of `tensor` in the whole
};

using StateTensors = std::vector<StateTensor>;

}  // namespace ingot
