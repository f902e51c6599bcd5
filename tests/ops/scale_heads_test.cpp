#include "ops/scale_heads/scale_heads.h"

#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "support/gradcheck.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

at::Tensor heads(const at::Tensor& x) { return x.narrow(2, 2, 60).unflatten(2, {3, 20}); }

TEST(ScaleHeads, AgreesWithThePlainForm) {
  const at::Tensor x = random_normal({2, 7, 64}, 1), added = random_normal({2, 7, 3, 20}, 3);
  for (const at::Tensor& scale : {random_normal({2, 7, 3}, 2), random_normal({3}, 2)}) {
    for (const at::ScalarType type : {at::kDouble, at::kFloat, at::kBFloat16}) {
      const at::ScalarType wide = type == at::kDouble ? at::kDouble : at::kFloat;
      const at::Tensor low = x.to(type), more = added.to(type), factor = scale.to(wide);
      const auto exact = [](const at::Tensor& t) { return t.to(at::kDouble); };
      const at::Tensor expected = ops::scale_heads_reference(heads(exact(low)), exact(factor), exact(more));
      const at::Tensor without = ops::scale_heads_reference(heads(exact(low)), exact(factor));
      EXPECT_TRUE(close(ops::scale_heads(heads(low), factor, more), expected, Tolerance::of(type)));
      EXPECT_TRUE(close(ops::scale_heads(heads(low), factor), without, Tolerance::of(type)));
    }
  }
}

TEST(ScaleHeads, GradientsMatchDifferences) {
  for (const at::Tensor& scale : {random_normal({2, 3, 3}, 2), random_normal({3}, 2)}) {
    const auto f = [](const std::vector<at::Tensor>& t) {
      return std::vector<at::Tensor>{ops::scale_heads(heads(t[0]), t[1], t[2])};
    };
    EXPECT_TRUE(gradcheck(f, {random_normal({2, 3, 64}, 1), scale, random_normal({2, 3, 3, 20}, 3)}));
  }
}

}  // namespace
}  // namespace ingot::testing
