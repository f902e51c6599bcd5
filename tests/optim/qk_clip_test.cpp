#include "optim/qk_clip.h"

#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "optim/bench.h"
#include "support/tolerance.h"
#include "support/weights.h"

namespace ingot::testing {
namespace {

/// An attention of 2 heads of width 3 over a stream of 5.
void declare(ParameterStore& store, std::int64_t kv_heads) {
  const auto scope = ParamScope(store).sub("layers.0.mixer").at(0, "A");
  for (const auto& [name, rows] : {std::pair<const char*, std::int64_t>{"q.weight", 6}, {"k.weight", 3 * kv_heads}}) {
    ParamSpec spec;
    spec.name = name;
    spec.shape = {rows, 5};
    spec.roles = Role::kReadsStream;
    scope.declare(spec);
  }
}

at::Tensor heads_of(const ParameterStore& store, const char* name) {
  return master_of(store, std::string("layers.0.mixer.") + name + ".weight").value.view({-1, 3, 5});
}

TEST(QkClip, ScoresComeDownToTheThreshold) {
  ParameterStore store;
  declare(store, 2);
  make_weights(store, fp64_options());
  const at::Tensor q = heads_of(store, "q").clone(), k = heads_of(store, "k").clone();
  clip_scores({100, 0.25, 1}, {{"layers.0.mixer", {400, 60}}}, store);
  EXPECT_TRUE(close(heads_of(store, "q")[0], q[0] * std::pow(0.25, 0.25), Tolerance::of(at::kDouble)));
  EXPECT_TRUE(close(heads_of(store, "k")[0], k[0] * std::pow(0.25, 0.75), Tolerance::of(at::kDouble)));
  EXPECT_TRUE(same_bits(heads_of(store, "q")[1], q[1]));
  EXPECT_TRUE(same_bits(heads_of(store, "k")[1], k[1]));
}

TEST(QkClip, SharedKeysStay) {
  ParameterStore store;
  declare(store, 1);
  make_weights(store, fp64_options());
  const at::Tensor q = heads_of(store, "q").clone(), k = heads_of(store, "k").clone();
  clip_scores({}, {{"layers.0.mixer", {10, 150}}}, store);
  EXPECT_TRUE(same_bits(heads_of(store, "q")[0], q[0]));
  EXPECT_TRUE(close(heads_of(store, "q")[1], q[1] / 1.5, Tolerance::of(at::kDouble)));
  EXPECT_TRUE(same_bits(heads_of(store, "k"), k));
}

TEST(QkClip, RanksScaleWhatTheyOwn) {
  ParameterStore whole;
  declare(whole, 2);
  make_weights(whole, fp64_options());
  clip_scores({}, {{"layers.0.mixer", {150, 300}}}, whole);
  const at::Tensor all = heads_of(whole, "q").flatten();
  for (const auto& [begin, end] : {std::pair<std::int64_t, std::int64_t>{0, 7}, {7, 30}}) {
    ParameterStore part;  // cut within a row
    declare(part, 2);
    part.layout(weights_config(), 4, fp64_options());
    part.own({{0, begin, end}}, true);
    part.allocate();
    part.initialise(1);
    clip_scores({}, {{"layers.0.mixer", {150, 300}}}, part);
    EXPECT_TRUE(same_bits(part.owned()[0].value.flatten(), all.narrow(0, begin, end - begin)));
  }
}

TEST(QkClip, RefusesWhatItCannotScale) {
  ParameterStore store;
  declare(store, 2);
  make_weights(store, fp64_options(), weights_config("parametrization: weight_norm"));
  EXPECT_THROW(clip_scores({}, {}, store), ConfigError);
  EXPECT_THROW(clip_scores({}, {{"layers.0.mixer", {150, 300}}}, store), ConfigError);
  EXPECT_THROW(optim_config("{optimizer: adamw, qk_clip: {threshold: 0}}"), ConfigError);
}

}  // namespace
}  // namespace ingot::testing
