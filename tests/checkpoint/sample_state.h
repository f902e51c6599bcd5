#pragma once
// A small checkpoint whose contents follow from its step.

#include <ATen/ops/full.h>
#include <unistd.h>

#include <algorithm>

#include "checkpoint/checkpoint.h"
#include "support/tolerance.h"

namespace ingot::testing {

inline CheckpointState sample_state(std::int64_t step) {
  CheckpointState state;
  state.step = step;
  state.state = {{"samples_consumed", 32 * step}, {"updates", step}};
  const auto value = static_cast<double>(step);
  state.model = {{"embedding.weight", at::full({16, 8}, value)}, {"final_norm.gain", at::full({8}, value + 1)}};
  state.optimizer = {{"adamw/embedding.weight/m", at::full({16, 8}, value + 2, at::kBFloat16)},
                     {"adamw/updates", at::full({}, step, at::kLong)}};
  state.config_yaml = "model: {d_model: 8}\n";
  return state;
}

/// Loads into fresh tensors and compares all of it with `sample_state` of the step in state.json.
inline ::testing::AssertionResult holds_sample(const fs::path& dir) {
  const CheckpointState expected = sample_state(read_state(dir).at("step"));
  const CheckpointState actual = sample_state(-1);
  load_checkpoint(dir, LoadWhat::kAll, actual.model, actual.optimizer);
  for (std::size_t i = 0; i < expected.model.size(); ++i) {
    if (auto same = same_bits(actual.model[i].tensor, expected.model[i].tensor); !same) return same;
  }
  for (std::size_t i = 0; i < expected.optimizer.size(); ++i) {
    if (auto same = same_bits(actual.optimizer[i].tensor, expected.optimizer[i].tensor); !same) return same;
  }
  if (read_state(dir).at("samples_consumed") != 32 * expected.step) return ::testing::AssertionFailure() << "state";
  if (read_checkpoint_config(dir) != expected.config_yaml) return ::testing::AssertionFailure() << "config";
  return ::testing::AssertionSuccess();
}

/// Where to put folders that are written thousands of times: memory, if there is such a file system.
inline fs::path fast_folder() {
  const fs::path memory = "/dev/shm";
  return ::access(memory.c_str(), W_OK) == 0 ? memory : fs::temp_directory_path();
}

/// Names in a folder, sorted.
inline std::vector<std::string> names_in(const fs::path& dir) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(dir)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

using Names = std::vector<std::string>;

}  // namespace ingot::testing
