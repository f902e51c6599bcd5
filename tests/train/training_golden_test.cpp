// Training steps of small models against independent implementations in fp64.

#include <ATen/core/TensorBody.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <map>

#include "eval/batch_tensors.h"
#include "objective/objective.h"
#include "recipe/load.h"
#include "support/golden.h"
#include "support/tolerance.h"
#include "train/families.h"
#include "train/samples.h"
#include "train/step.h"

namespace ingot {
namespace {

using namespace testing;

struct Case {
  const char* golden;  // tests/golden/NAME.{safetensors,yaml}
  const char* which;   // prefix of the results
};

class TrainingGolden : public ::testing::TestWithParam<Case> {};

Batch batch_of(const Golden& golden, std::int64_t step) {
  const auto read = [&](const char* name) {
    const auto rows = golden.at(name)[step].contiguous();
    return std::vector<std::int32_t>(rows.const_data_ptr<std::int32_t>(),
                                     rows.const_data_ptr<std::int32_t>() + rows.numel());
  };
  Batch batch;
  batch.rows = golden.at("tokens").size(1);
  batch.seq_len = golden.at("tokens").size(2);
  batch.tokens = read("tokens");
  batch.targets = read("targets");
  batch.documents = read("documents");
  for (const auto target : batch.targets) batch.target_count += target >= 0 ? 1 : 0;
  return batch;
}

TEST_P(TrainingGolden, LossesNormsAndWeightsAgree) {
  const std::string name_of_golden = GetParam().golden, which = GetParam().which;
  const Golden golden(name_of_golden);
  const auto families = make_families();
  const bool documents = which == "documents";
  const auto config = load_config(source_path("tests/golden/" + name_of_golden + ".yaml"),
                                  {std::string("data.reset_at_document=") + (documents ? "true" : "false")}, families);
  auto setup = allocated_setup(config, families, 40);
  std::map<std::string, at::Tensor> state;
  for (const auto& part : setup.store->state()) state.emplace(part.name, part.tensor);
  for (const auto& [name, tensor] : golden.below("weights/")) {
    ASSERT_EQ(state.count(name), 1u) << name;
    state.at(name).copy_(tensor);
  }
  ASSERT_EQ(golden.below("weights/").size(), state.size());
  setup.store->begin_constraints();
  setup.store->materialise();
  {
    c10::NoGradGuard no_grad;
    const auto tensors = to_tensors(batch_of(golden, 0), documents);
    const auto hidden = setup.model->forward(tensors.tokens, tensors.documents, false);
    EXPECT_LT(relative_error(logits(hidden, setup.model->head()), golden.at(which + "/logits")), 1e-9);
  }
  TrainStep step(setup);
  for (std::int64_t i = 0; i < golden.at("tokens").size(0); ++i) {
    step.accumulate(batch_of(golden, i));
    const auto result = step.finish(i + 1);
    const double loss = golden.at(which + "/loss")[i].item<double>();
    const double norm = golden.at(which + "/norm")[i].item<double>();
    EXPECT_NEAR(result.loss, loss, 1e-9 * loss) << "step " << i;
    EXPECT_NEAR(result.grad_norm, norm, 1e-7 * norm) << "step " << i;
  }
  for (const auto& [name, tensor] : golden.below(which + "/final/")) {
    EXPECT_LT(relative_error(state.at(name), tensor), 1e-6) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, TrainingGolden,
                         ::testing::Values(Case{"hybrid", "plain"}, Case{"hybrid", "documents"}, Case{"ngpt", "plain"}),
                         [](const auto& test) { return std::string(test.param.golden) + "_" + test.param.which; });

}  // namespace
}  // namespace ingot
