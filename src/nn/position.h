#pragma once
// Position encodings. A variant acts at the embedding (`model.position`), on queries and keys (`position` of an
// attention operator), or at either; where it cannot act, making it is a ConfigError.

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <optional>

#include "nn/context.h"
#include "nn/norm.h"
#include "nn/sample.h"
#include "params/store.h"
#include "registry/family.h"

namespace ingot {

struct PositionContext {
  ParamScope scope;
  std::int64_t d_model = 0;
  std::int64_t head_dim = 0;    // 0 at the embedding
  std::int64_t max_length = 0;  // prefix + seq_len
  bool at_embedding = false;
};

class Position {
 public:
  virtual ~Position() = default;
  /// x [B, T, D] at context.position -> same shape and dtype. The base class returns x.
  virtual at::Tensor embed(const at::Tensor& x, const SequenceContext& context) const;
  /// q or k [B, T, H, K] at context.position -> same shape and dtype. Angles and products in fp32 or wider. The base
  /// class returns x.
  virtual at::Tensor rotate(const at::Tensor& x, const SequenceContext& context) const;
  /// Positions that it has, the prefix included; the base class: no bound.
  virtual std::optional<std::int64_t> max_length() const { return std::nullopt; }
};

struct PositionEntry : Entry {
  static constexpr const char* kFamily = "positions";
  /// A null position means identity (`none`).
  std::function<std::unique_ptr<Position>(const ConfigObject& settings, const PositionContext& context)> make;
  /// In plain ATen calls, any floating dtype: x [B, T, D] at the embedding or [B, T, H, K] inside attention.
  std::function<at::Tensor(const ConfigObject& settings, const at::Tensor& x, const at::Tensor& position,
                           const ParamMap& params)>
      reference;
  Samples samples;
};

void register_all_positions(Family<PositionEntry>& family);

}  // namespace ingot
