// A run on a GPU follows the same run on the CPU.

#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/files.h"
#include "cli/program.h"
#include "support/gpu.h"

namespace ingot {
namespace {

using namespace testing;

class TrainOnGpu : public Program {
 protected:
  /// Losses of twelve steps in fp32.
  std::vector<double> losses(const std::string& device) const {
    const auto dir = folder / device;
    const auto result = ingot({"train", tiny(), "run.dir=" + dir.string(), "train.device=" + device,
                               "train.precision=fp32", "train.duration=12steps", "log.every=1steps"});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    std::vector<double> out;
    std::istringstream lines(read_file(dir / "metrics.jsonl"));
    for (std::string line; std::getline(lines, line);) {
      const auto metrics = nlohmann::json::parse(line);
      if (metrics.at("kind") == "train") out.push_back(metrics.at("loss"));
    }
    return out;
  }
};

TEST_F(TrainOnGpu, LossesAreThoseOfTheCpu) {
  INGOT_NEEDS_GPU();
  const auto cpu = losses("cpu"), gpu = losses("cuda");
  ASSERT_EQ(cpu.size(), 12u);
  ASSERT_EQ(gpu.size(), cpu.size());
  // Sums of another order, in fp32, carried through twelve updates.
  for (std::size_t i = 0; i < cpu.size(); ++i) EXPECT_NEAR(gpu[i], cpu[i], 1e-5 * std::abs(cpu[i])) << "step " << i + 1;
}

}  // namespace
}  // namespace ingot
