#pragma once
// What a config asks of a model and its weights.

#include <cstdint>
#include <string>

#include "model/language_model.h"
#include "recipe/run_config.h"

namespace ingot {

/// What the config's types mean for a model and its weights; `float_type` stands for fp32.
ModelOptions model_options(const RunConfig& config, std::int64_t vocab_size, at::ScalarType float_type = at::kFloat);
StoreOptions store_options(const RunConfig& config, at::ScalarType float_type = at::kFloat);
/// The CPU for `auto`, which the set-up of a run replaces.
at::Device torch_device(DeviceKind device);
/// "auto", "fp32", "bf16".
std::string precision_name(Precision precision);

/// Vocabulary size that the tokenizer's settings tell; throws ConfigError if only the data can tell it.
std::int64_t planned_vocab_size(const RunConfig& config);

}  // namespace ingot
