#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_matrix_rank.h>
#include <ATen/ops/linalg_svdvals.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "device/numerics.h"
#include "optim/bench.h"
#include "support/golden.h"

namespace ingot::testing {
namespace {

/// The bases that the authors' code drew stand in place of Ingot's, which begin with update 1.
TEST(Dion, FollowsTheAuthors) {
  const Golden golden("dion");
  for (const std::string name : {"full_fp64", "low_fp64"}) {
    SCOPED_TRACE(name);
    auto settings = nlohmann::json::parse(golden.metadata("settings")).at(name);
    settings.erase("max_norm");
    settings.erase("sources");
    settings["type"] = "dion";
    const auto tensor = [&](const std::string& what) { return golden.at(name + "/" + what); };
    OptimizerBench::Options options;
    options.weight_decay = settings.at("weight_decay").get<double>();
    const std::vector<std::string> names = {"tall", "wide"};
    OptimizerBench bench(read_optimizer(settings.dump()), {{"tall", {5, 3}}, {"wide", {3, 5}}}, options);
    const auto tensors = bench.tensors();  // value, momentum, basis of each
    for (std::size_t i = 0; i < names.size(); ++i) {
      bench.value(names[i]).copy_(tensor("w0/" + names[i]));
      tensors[3 * i + 2].copy_(tensor("basis/" + names[i]));
    }
    const auto rates = tensor("lr");
    for (std::int64_t t = 0; t < rates.size(0); ++t) {
      for (const auto& p : names) bench.grad(p).copy_(tensor("grad/" + p)[t]);
      bench.step(t + 2, rates[t].item<double>());
      for (const auto& p : names)
        EXPECT_LT(relative_error(bench.value(p), tensor("w/" + p)[t]), 1e-10) << p << " " << t;
    }
  }
}

TEST(Dion, UpdatesHaveTheRankThatIsAskedFor) {
  for (const auto& [fraction, rank] : std::vector<std::pair<std::string, std::int64_t>>{{"0.25", 2}, {"0.3", 4}}) {
    OptimizerBench bench(read_optimizer("{type: dion, rank_multiple: 2, rank_fraction: " + fraction + "}"),
                         {{"w", {8, 12}}}, {});
    bench.randomise_grads(1);
    bench.step(1, 1);
    EXPECT_EQ(at::linalg_matrix_rank(bench.value("w"), 1e-9).item<std::int64_t>(), rank);
  }
}

/// A gradient of rank 1 is met by the first update; what is left of it in the sum is momentum's share.
TEST(Dion, FeedsBackWhatUpdatesLeave) {
  OptimizerBench bench(read_optimizer("{type: dion, rank_fraction: 0.25, momentum: 0.75}"), {{"w", {4, 6}}}, {});
  const auto g = random_normal({4, 1}, 1).mm(random_normal({1, 6}, 2));
  bench.grad("w").copy_(g);
  bench.step(1, 1);
  EXPECT_LT(relative_error(bench.tensors()[1], g * 0.75), 1e-12);
  EXPECT_LT(relative_error(-bench.value("w"), g / g.norm() * std::sqrt(4.0 / 6.0)), 1e-7);  // ε of the norms
}

TEST(Dion, ZeroGradientsKeepTheBasis) {
  OptimizerBench bench(read_optimizer("dion"), {{"w", {3, 4}}}, {});
  bench.step(1, 1);
  EXPECT_EQ(bench.value("w").abs().max().item<double>(), 0);
  bench.randomise_grads(1);
  bench.step(2, 1);
  EXPECT_GT(at::linalg_svdvals(bench.value("w")).min().item<double>(), 0.1);
}

}  // namespace
}  // namespace ingot::testing
