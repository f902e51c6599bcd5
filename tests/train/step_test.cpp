// What a step asks of LibTorch and of the system.

#include "train/step.h"

#include <ATen/record_function.h>
#include <gtest/gtest.h>

#include <set>

#include "device/machine.h"
#include "train/families.h"
#include "train/samples.h"

namespace ingot {
namespace {

using namespace testing;

constexpr std::int64_t kVocab = 50;

double counted = 0;

/// Adds 2 m k n for each product of two matrices.
std::unique_ptr<at::ObserverContext> count_product(const at::RecordFunction& call) {
  static const std::set<std::string> two{"aten::mm"}, three{"aten::addmm", "aten::addmm_"};
  const std::string name = call.name();
  const std::size_t first = two.count(name) != 0 ? 0 : three.count(name) != 0 ? 1 : 2;
  if (first == 2) return nullptr;
  const auto inputs = call.inputs();
  const auto a = inputs[first].toTensor(), b = inputs[first + 1].toTensor();
  counted += 2.0 * static_cast<double>(a.size(0) * a.size(1) * b.size(1));
  return nullptr;
}

TEST(Step, ProductsAreThoseThatThePlanNames) {
  const Families families = make_families();
  const auto config =
      tiny_config(families, {"model.meta_tokens=0", "data.reset_at_document=false", "train.blas=libtorch"});
  auto setup = allocated_setup(config, families, kVocab, at::kFloat);
  const std::set<std::string> products{"q", "k",  "v",   "o",    "beta", "z",    "x",     "b",
                                       "c", "dt", "out", "gate", "up",   "down", "logits"};
  double planned = 0;
  for (const auto& row : setup.model->flops(32).rows) {
    if (products.count(row.item) != 0) planned += 3 * row.flops;
  }
  TrainStep step(setup);
  const auto batch = random_batch(2, 32, kVocab, 5);
  const auto handle = at::addThreadLocalCallback(
      at::RecordFunctionCallback(count_product).needsInputs(true).scopes({at::RecordScope::FUNCTION}));
  counted = 0;
  step.accumulate(batch);
  at::removeCallback(handle);
  EXPECT_DOUBLE_EQ(counted, planned * 64);
}

TEST(Step, ReusesItsMemory) {
  keep_freed_memory();
  const Families families = make_families();
  const auto config =
      tiny_config(families, {"model.d_model=128", "data.seq_len=192", "train.global_batch=4 sequences"});
  auto setup = allocated_setup(config, families, kVocab, at::kFloat);
  TrainStep step(setup);
  const auto batch = random_batch(4, 192, kVocab, 5);
  const auto run = [&](int steps) {
    for (int i = 0; i < steps; ++i) {
      step.accumulate(batch);
      step.finish(1);
    }
  };
  run(10);
  const auto before = memory_use().minor_faults;
  run(10);
  // Activations alone are 5000 pages a step.
  EXPECT_LT(memory_use().minor_faults - before, 10 * 50);
}

}  // namespace
}  // namespace ingot
