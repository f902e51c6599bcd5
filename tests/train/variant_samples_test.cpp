// Every sample config of configs/variants selects its variant and takes a step.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/files.h"
#include "config/dump.h"
#include "train/samples.h"
#include "train/step.h"

namespace ingot {
namespace {

using namespace testing;

std::vector<std::string> sample_files() {
  std::vector<std::string> out;
  for (const auto& entry : fs::recursive_directory_iterator(source_path("configs/variants"))) {
    if (entry.path().extension() == ".yaml")
      out.push_back(fs::relative(entry.path(), source_path("configs/variants")).string());
  }
  std::sort(out.begin(), out.end());
  return out;
}

class VariantSample : public ::testing::TestWithParam<std::string> {};

TEST_P(VariantSample, SelectsItsVariantAndTakesAStep) {
  const auto families = make_families();
  const auto config = load_config(source_path("configs/variants/" + GetParam()), {}, families, UnsetNames::kAccept);
  const auto variant = fs::path(GetParam()).stem().string();
  const auto resolved = dump_config(config);
  EXPECT_NE(resolved.find(variant), std::string::npos) << resolved;
  // Tokenizers other than `bytes` need text; the step itself runs on any ids.
  auto experiment = allocated_experiment(config, families, 257, at::kFloat);
  TrainStep step(experiment);
  step.accumulate(random_batch(2, config.data.seq_len, 257, 3));
  const auto result = step.finish(1);
  EXPECT_TRUE(result.applied);
  EXPECT_TRUE(std::isfinite(result.loss));
}

INSTANTIATE_TEST_SUITE_P(All, VariantSample, ::testing::ValuesIn(sample_files()), [](const auto& test) {
  auto name = test.param.substr(0, test.param.size() - 5);
  for (auto& c : name) c = c == '/' ? '_' : c;
  return name;
});

}  // namespace
}  // namespace ingot
