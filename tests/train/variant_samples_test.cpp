// Every sample config of configs/variants selects its variant and takes a step.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/files.h"
#include "config/dump.h"
#include "recipe/load.h"
#include "train/families.h"
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

/// Where the variants of a family are chosen: paths of the dump, `*` for any one key.
const std::map<std::string, std::vector<std::string>>& places() {
  static const std::vector<std::string> kNorms = {"model.norm", "model.operators.*.sites.*", "model.sites.*"};
  static const std::map<std::string, std::vector<std::string>> kPlaces = {
      {"activations", {"model.operators.*.ffn.activation"}},
      {"averages", {"optim.average"}},
      {"clippers", {"optim.clip"}},
      {"constraints", {"weights.constraints.*"}},
      {"ffns", {"model.operators.*.ffn"}},
      {"inits", {"weights.init"}},
      {"linears", {"model.linear"}},
      {"mixers", {"model.operators.*.mixer"}},
      {"modifiers", {"optim.modifiers.*"}},
      {"norms", kNorms},
      {"objectives", {"train.objective"}},
      {"optimizers", {"optim.optimizer"}},
      {"parametrizations", {"weights.parametrization"}},
      {"penalties", {"weights.penalties.*"}},
      {"placements", {"model.placement"}},
      {"positions", {"model.position", "model.operators.*.mixer.position"}},
      {"probes", {"log.probes.*"}},
      {"residuals", {"model.residual"}},
      {"scalings", {"weights.scaling"}},
      {"schedules", {"optim.schedule"}},
      {"scores", {"model.operators.*.mixer.score"}},
      {"tokenizers", {"data.tokenizer"}}};
  return kPlaces;
}

bool matches(const std::string& pattern, const std::string& path) {
  const auto dot = pattern.find('.'), end = path.find('.');
  const auto key = pattern.substr(0, dot);
  if (key != "*" && key != path.substr(0, end)) return false;
  if (dot == std::string::npos || end == std::string::npos) return dot == end;
  return matches(pattern.substr(dot + 1), path.substr(end + 1));
}

/// Whether the config has the variant where its family is chosen, as a bare name or as the type of a mapping.
bool selects(const RunConfig& config, const std::string& family, const std::string& variant) {
  for (const auto& field : flatten(config)) {
    if (field.value != variant) continue;
    for (const auto& place : places().at(family)) {
      if (matches(place, field.path) || matches(place + ".type", field.path)) return true;
    }
  }
  return false;
}

TEST_P(VariantSample, SelectsItsVariantAndTakesAStep) {
  const auto families = make_families();
  const auto config = load_config(source_path("configs/variants/" + GetParam()), {}, families, UnsetNames::kAccept);
  const fs::path file(GetParam());
  EXPECT_TRUE(selects(config, file.parent_path().string(), file.stem().string())) << dump_config(config);
  // Tokenizers other than `bytes` need text; the step itself runs on any ids.
  auto setup = allocated_setup(config, families, 257, at::kFloat);
  TrainStep step(setup);
  step.accumulate(random_batch(2, config.data.seq_len, 257, 3));
  const auto result = step.finish(1);
  EXPECT_TRUE(result.applied);
  EXPECT_TRUE(std::isfinite(result.loss));
}

/// The check itself: a name elsewhere in the config is no choice.
TEST(VariantSamples, AVariantElsewhereIsNotSelected) {
  const auto families = make_families();
  const auto config = tiny_config(families, {"run.name=peri", "model.norm=layer_norm"});
  EXPECT_TRUE(selects(config, "norms", "layer_norm"));
  EXPECT_TRUE(selects(config, "mixers", "mamba2"));
  EXPECT_FALSE(selects(config, "placements", "peri"));
  EXPECT_FALSE(selects(config, "norms", "rms_norm"));
}

INSTANTIATE_TEST_SUITE_P(All, VariantSample, ::testing::ValuesIn(sample_files()), [](const auto& test) {
  auto name = test.param.substr(0, test.param.size() - 5);
  for (auto& c : name) c = c == '/' ? '_' : c;
  return name;
});

}  // namespace
}  // namespace ingot
