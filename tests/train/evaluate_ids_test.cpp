#include <ATen/core/TensorBody.h>
#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "eval/evaluate.h"
#include "objective/objective.h"
#include "train/families.h"
#include "train/samples.h"

namespace ingot {
namespace {

using namespace testing;

class EvaluateIds : public ::testing::Test {
 protected:
  /// Sum over the targets of one window, from logits and their logarithms.
  double window_nats(std::vector<std::int64_t> ids) {
    const c10::AutoGradMode no_grad(false);
    const auto all = at::tensor(ids, at::kLong).unsqueeze(0);
    const auto scores =
        logits(setup.model->forward(all.slice(1, 0, std::ssize(ids) - 1), {}, false)[0], setup.model->head());
    const auto right = scores.gather(1, all[0].slice(0, 1).unsqueeze(1)).squeeze(1);
    return (scores.logsumexp(1) - right).sum().item<double>();
  }

  Families families = make_families();
  TrainSetup setup = allocated_setup(tiny_config(families), families, 257, at::kFloat);
  std::shared_ptr<const Tokenizer> tokenizer = [this] {
    const auto bytes = make_variant<TokenizerEntry>(families, "bytes");
    return bytes.entry().make(bytes.settings(), {});
  }();
};

TEST_F(EvaluateIds, ScoresEachTokenButTheFirstOnceInConsecutiveWindows) {
  RandomStream random(3, "ids");
  std::vector<TokenId> ids;
  for (int i = 0; i < 20; ++i) ids.push_back(static_cast<TokenId>(random.below(256)));
  const std::vector<std::int64_t> wide(ids.begin(), ids.end());
  const auto part = [&](int begin, int end) {
    return std::vector<std::int64_t>(wide.begin() + begin, wide.begin() + end);
  };
  // Windows of 8 inputs: targets 1..8, 9..16, 17..19. The last input of a window is the first of the next one.
  const double nats = window_nats(part(0, 9)) + window_nats(part(8, 17)) + window_nats(part(16, 20));
  const auto result = evaluate_ids(*setup.model, ids, 8, *tokenizer);
  EXPECT_EQ(result.tokens, 19);
  EXPECT_EQ(result.bytes, 19);  // a token of this tokenizer is a byte
  EXPECT_NEAR(result.loss, nats / 19, 1e-5);
}

TEST_F(EvaluateIds, NothingIsScoredOfOneToken) {
  const auto result = evaluate_ids(*setup.model, {65}, 8, *tokenizer);
  EXPECT_EQ(result.tokens, 0);
  EXPECT_EQ(result.loss, 0);
}

}  // namespace
}  // namespace ingot
