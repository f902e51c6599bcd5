#pragma once
// Operations that `bench op` times: every variant of the families that has a reference, and the fused operations that
// no family reaches. A new variant needs no line here.

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bench/stats.h"
#include "device/numerics.h"
#include "nn/norm.h"

namespace ingot {

/// What an operation is timed at. Tokens: rows · seq_len.
struct BenchSizes {
  std::int64_t rows = 8;
  std::int64_t seq_len = 256;
  std::int64_t d_model = 512;
  std::int64_t vocab_size = 8192;
  std::int64_t parameters = 30'000'000;  // about as many are updated by optimizers
  at::ScalarType dtype = at::kFloat;
  at::Device device = at::kCPU;

  std::int64_t tokens() const { return rows * seq_len; }
};

/// Seconds of one run, and what it has to do at least.
struct Workload {
  /// Once through; what it returns are the seconds of `parts`.
  std::function<std::vector<double>()> run;
  std::vector<std::string> parts;  // "forward", "backward"; or "update"
  double flops = 0;                // of all parts; 0: not known
  double bytes = 0;  // inputs, weights, outputs and their gradients, read or written once where they must be
  nlohmann::ordered_json facts = nlohmann::ordered_json::object();  // what else is known, for the report
  /// What to compare the bytes per second with: moves `yardstick_bytes`, returns its seconds. May be null.
  TimedRun yardstick;
  double yardstick_bytes = 0;
};

struct Operation {
  std::string family;  // "norms", …; "ops" for what belongs to none
  std::string name;    // "rms_norm", or "attention/plain" where settings come from a sample

  std::string key() const { return family + "/" + name; }
  /// Compares with the reference, few rows at full width. What disagrees, or "".
  std::function<std::string(const BenchSizes& sizes)> check;
  std::function<Workload(const BenchSizes& sizes)> workload;
  /// Needs so much memory that it is timed when nothing else is there, with its yardstick in turns.
  bool alone = false;
};

/// A tensor that an operation multiplies with, and where its gradient goes: a buffer that is added to, or, if
/// undefined, the tensor's own grad().
struct BenchWeight {
  std::string name;
  at::Tensor value;
  at::Tensor grad;
};

/// y = f(inputs; weights), with its exact counterpart.
struct DifferentiableOperation {
  std::vector<at::Tensor> inputs;  // leaves; floating ones require grad
  std::vector<BenchWeight> weights;
  std::function<at::Tensor(const std::vector<at::Tensor>& inputs)> forward;
  /// The same in plain ATen calls, differentiable: inputs and weights, by name, come in fp64.
  std::function<at::Tensor(const std::vector<at::Tensor>& inputs, const ParamMap& weights)> reference;
  Tolerance tolerance;  // of y
  /// As in `compare`, from inputs in fp64; may be null.
  std::function<at::Tensor(const std::vector<at::Tensor>& inputs)> terms;
  double flops = 0;             // forward
  double bytes = 0;             // forward and backward; 0: all tensors are gone through
  std::shared_ptr<void> owner;  // keeps what `forward` uses alive
};

/// An operation out of `make`, which builds it at given sizes. It is timed forward and backward; backward counts twice
/// the forward FLOPs.
Operation differentiable(std::string family, std::string name,
                         std::function<DifferentiableOperation(const BenchSizes& sizes)> make);

/// What disagrees, or "": y within its tolerance, gradients of inputs and weights by their norm.
std::string check_against_reference(DifferentiableOperation& operation);

/// N(0, 1) values in the sizes' type and place, requiring grad.
at::Tensor random_input(at::IntArrayRef shape, const BenchSizes& sizes, std::uint64_t seed);

/// Operations of the registry: for every entry its default settings, or its first sample where a setting has no default
/// or where the defaults do not suit d_model; with `all_samples` every sample that does.
std::vector<Operation> family_operations(const Families& families, std::int64_t d_model, bool all_samples);
/// The one that a text such as "attention {num_heads: 8, window: 128}" describes. Throws ConfigError.
Operation described_operation(const Families& families, const std::string& text);
/// Fused operations of src/ops, and the updates of the optimizers.
std::vector<Operation> core_operations();
std::vector<Operation> optimizer_operations(const Families& families);
/// The updates of the optimizer that `yaml` describes, under the name `text`. Throws ConfigError.
Operation optimizer_operation(const Families& families, const std::string& yaml, const std::string& text);

}  // namespace ingot
