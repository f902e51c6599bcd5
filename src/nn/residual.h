#pragma once
// A residual rule owns the stream: what a branch reads and how its output joins.

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "nn/pass.h"
#include "params/store.h"
#include "registry/add_entry.h"

namespace ingot {

/// One tensor for most rules; several for hyper-connections or rules that keep earlier outputs.
struct Stream {
  std::vector<at::Tensor> tensors;
};

struct ResidualContext {
  std::function<ParamScope(int depth)> scope;  // "layers.N.residual", or "residual" for depth -1
  std::int64_t d_model = 0;
  int num_sublayers = 0;
  std::function<double(int depth)> branch_scale;  // depth factor of the placement; 1 unless it sets one
  std::function<double(int depth)> skip_scale;
  std::function<bool(int depth)> is_ffn;
};

class Residual {
 public:
  using NormFunction = std::function<at::Tensor(const at::Tensor&)>;

  virtual ~Residual() = default;
  /// The stream's first state from the embedding x [B, T, D].
  virtual Stream begin(const at::Tensor& x) const = 0;
  /// What sub-layer `depth` reads, [B, T, D].
  virtual at::Tensor read(int depth, const Stream& stream) const = 0;
  virtual Stream join(int depth, const Stream& stream, const at::Tensor& branch, const Pass& pass) const = 0;
  /// Before the first update.
  Stream join(int depth, const Stream& stream, const at::Tensor& branch) const {
    return join(depth, stream, branch, {});
  }
  /// What the head reads, [B, T, D].
  virtual at::Tensor end(const Stream& stream) const = 0;

  /// Applies the `stream` site's norm to what the sub-layers read from now on: every tensor, unless the rule keeps
  /// others.
  virtual Stream map(Stream stream, const NormFunction& norm) const;
  /// `end` with the norm of the `final` site, which is the identity where that site has none.
  virtual at::Tensor finish(const Stream& stream, const NormFunction& norm) const { return norm(end(stream)); }
  /// A stream like the one that sub-layer `depth` meets, made of x alone: what a part of a model is measured with.
  /// Rules whose stream grows along the depth have their own.
  virtual Stream begin_at(int depth, const at::Tensor& x) const {
    (void)depth;
    return begin(x);
  }
  /// Sub-layers with equal numbers read and join by the same operations, whatever their factors: what is measured of
  /// one holds for the other.
  virtual int kind_of_work(int depth) const {
    (void)depth;
    return 0;
  }
  /// What `plan` says of sub-layer `depth` beside the rule's settings ("scale starts at 0.1"); empty for nothing.
  virtual std::string text(int depth) const {
    (void)depth;
    return {};
  }
};

struct ResidualEntry : Entry {
  static constexpr const char* kFamily = "residuals";
  std::function<std::unique_ptr<Residual>(const ConfigObject& settings, const ResidualContext& context)> make;
  /// Of what a branch gives only the direction counts.
  bool drops_branch_scale = false;
  /// weights.output_init_factor of its paper, which it brings where the config sets none; null for 1.
  std::function<double(const ConfigObject& settings)> output_init_factor;
  /// The stream is the embedding plus branches, each times one number: all of mean zero, so is the stream.
  bool sums_branches = false;
  SettingsSamples samples;
};

void register_all_residuals(Family<ResidualEntry>& family);

}  // namespace ingot
