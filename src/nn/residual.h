#pragma once
// A residual rule owns the stream: what a branch reads and how its output joins.

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <vector>

#include "params/store.h"
#include "registry/family.h"

namespace ingot {

/// One tensor for most rules; several for hyper-connections or rules that keep earlier outputs.
struct Stream {
  std::vector<at::Tensor> tensors;
};

struct ResidualContext {
  ParamScope scope;  // "residual"
  std::int64_t d_model = 0;
  int num_sublayers = 0;
  std::function<double(int depth)> branch_scale;  // depth factor of the placement; 1 unless it sets one
  std::function<double(int depth)> skip_scale;
};

class Residual {
 public:
  virtual ~Residual() = default;
  /// The stream's first state from the embedding x [B, T, D].
  virtual Stream begin(const at::Tensor& x) const = 0;
  /// What sub-layer `depth` reads, [B, T, D].
  virtual at::Tensor read(int depth, const Stream& stream) const = 0;
  virtual Stream join(int depth, const Stream& stream, const at::Tensor& branch) const = 0;
  /// What the head reads, [B, T, D].
  virtual at::Tensor end(const Stream& stream) const = 0;
  /// Applies the `stream` site's norm to what the sub-layers read from now on.
  virtual Stream map(Stream stream, const std::function<at::Tensor(const at::Tensor&)>& norm) const;
};

struct ResidualEntry : Entry {
  static constexpr const char* kFamily = "residuals";
  std::function<std::unique_ptr<Residual>(const ConfigObject& settings, const ResidualContext& context)> make;
};

void register_all_residuals(Family<ResidualEntry>& family);

}  // namespace ingot
