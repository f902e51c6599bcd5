#include "recipe/options.h"

#include "base/error.h"
#include "base/text.h"
#include "data/tokenizer.h"

namespace ingot {
namespace {

ScalingContext scaling_context(const ModelConfig& model) {
  std::vector<std::string> names;
  for (const auto& [name, op] : model.operators) names.push_back(name);
  return {model.d_model, static_cast<int>(expand_pattern(model.layers, names).size())};
}

}  // namespace

ModelOptions model_options(const RunConfig& config, std::int64_t vocab_size, at::ScalarType float_type) {
  const auto stream = config.train.stream == StreamType::kBfloat16 ? at::kBFloat16 : float_type;
  const auto& scaling = config.weights.scaling;
  const auto logits = scaling.entry().make(scaling.settings(), scaling_context(config.model))->logits();
  return {vocab_size, config.data.seq_len, stream, config.train.recompute, {}, logits};
}

StoreOptions store_options(const RunConfig& config, at::ScalarType float_type) {
  StoreOptions options;
  options.compute_dtype = config.train.precision == Precision::kBfloat16 ? at::kBFloat16 : float_type;
  options.master_dtype = float_type;
  options.device = torch_device(config.train.device);
  return options;
}

at::Device torch_device(DeviceKind device) {
  return device == DeviceKind::kCuda ? at::Device(at::kCUDA, 0) : at::Device(at::kCPU);
}

std::string precision_name(Precision precision) {
  switch (precision) {
    case Precision::kFloat32:
      return "fp32";
    case Precision::kBfloat16:
      return "bf16";
    case Precision::kAuto:
      break;
  }
  return "auto";
}

std::int64_t planned_vocab_size(const RunConfig& config) {
  const auto& tokenizer = config.data.tokenizer;
  std::optional<std::int64_t> size;
  if (tokenizer.entry().planned_vocab_size) size = tokenizer.entry().planned_vocab_size(tokenizer.settings());
  if (size) return *size;
  throw ConfigError(cat("data.tokenizer: the vocabulary of '", tokenizer.name(),
                        "' is known only once the text was read; give --vocab-size N"));
}

}  // namespace ingot
