#pragma once
// `ingot tune lr`: finds the peak learning rate of a config.

#include <cstdint>
#include <string>
#include <vector>

#include "registry/family.h"

namespace ingot {

struct TuneLrOptions {
  std::string config;                  // file
  std::vector<std::string> overrides;  // that every trial has
  std::string dir;                     // empty: runs/tune_<run.name>
  std::string key = "optim.optimizer.lr";
  std::int64_t trials = 9;  // complete runs at most, each for every seed
  std::int64_t seeds = 1;
  std::int64_t range_steps = 100;  // of the run in which the rate rises
};

/// A range test, in which the rate rises from a thousandth of the config's value to a hundred times it, tells where to
/// begin; then complete runs are made until the best rate has a worse one on either side (study/rate_search.h). Returns
/// the curve as text; writes curve.svg, range_test.svg, trials.json and override.txt into the folder, which an
/// interrupted call goes on with. Throws ConfigError if `key` is no number of the config, or the folder is of another
/// study.
std::string tune_lr(const TuneLrOptions& options, const Families& families);

}  // namespace ingot
