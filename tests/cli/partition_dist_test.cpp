// Two nodes with addresses of their own, in network namespaces, and the network between them.

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/ranks.h"

namespace ingot {
namespace {

using namespace testing;

class TwoNodes : public Ranks {
 protected:
  void SetUp() override {
    for (int node = 0; node < 2; ++node) names_.push_back(cat("ingot", ::getpid(), "n", node));
    if (!make_network()) GTEST_SKIP() << "no network namespaces can be made here (not root, or no iproute2)";
  }
  void TearDown() override {
    for (const auto& name : names_) ip({"netns", "del", name});
  }
  bool make_network() const {
    bool made =
        ip({"netns", "add", names_[0]}) && ip({"netns", "add", names_[1]}) &&
        ip({"link", "add", "eth0", "netns", names_[0], "type", "veth", "peer", "name", "eth0", "netns", names_[1]});
    for (std::size_t node = 0; made && node < 2; ++node) {
      made = ip({"-n", names_[node], "addr", "add", cat("10.99.0.", node + 1, "/24"), "dev", "eth0"}) &&
             ip({"-n", names_[node], "link", "set", "lo", "up"}) &&
             ip({"-n", names_[node], "link", "set", "eth0", "up"});
    }
    return made;
  }
  bool ip(const std::vector<std::string>& arguments) const {
    std::vector<std::string> line{"/usr/bin/env", "PATH=/usr/sbin:/sbin:/usr/bin:/bin", "ip"};
    line.insert(line.end(), arguments.begin(), arguments.end());
    return run_process(line, folder.path()).exit_code == 0;
  }
  /// The one rank of a node, as torchrun would start it there.
  std::unique_ptr<Process> start_on(int node, const std::vector<std::string>& train_line) const {
    std::vector<std::string> line{"/usr/bin/env",
                                  "PATH=/usr/sbin:/sbin:/usr/bin:/bin",
                                  "ip",
                                  "netns",
                                  "exec",
                                  names_[static_cast<std::size_t>(node)],
                                  "/usr/bin/env",
                                  cat("RANK=", node),
                                  "LOCAL_RANK=0",
                                  "WORLD_SIZE=2",
                                  "LOCAL_WORLD_SIZE=1",
                                  "MASTER_ADDR=10.99.0.1",
                                  "MASTER_PORT=29500"};
    line.insert(line.end(), train_line.begin(), train_line.end());
    return std::make_unique<Process>(line, folder.path());
  }
  std::vector<std::string> names_;
};

TEST_F(TwoNodes, ComputeWhatTwoRanksOfOneMachineDo) {
  ASSERT_EQ(run_process(train_on(2, "one", {"train.duration=30 steps"}), folder.path()).exit_code, 0);
  auto first = start_on(0, train("two", {"train.duration=30 steps"}));
  auto second = start_on(1, train("two", {"train.duration=30 steps"}));
  const auto result = first->wait();
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(second->wait().exit_code, 0);
  EXPECT_EQ(weights("two", 30), weights("one", 30));
}

TEST_F(TwoNodes, APartedNetworkEndsBothInTheOpen) {
  const std::vector<std::string> endless{"train.duration=100000 steps", "distributed.timeout=5 s"};
  auto first = start_on(0, train("parted", endless));
  auto second = start_on(1, train("parted", endless));
  ASSERT_TRUE(reached("parted", 20));
  ASSERT_TRUE(ip({"-n", names_[1], "link", "set", "eth0", "down"}));
  EXPECT_TRUE(first->ended_within(40));
  EXPECT_TRUE(second->ended_within(40));
  const auto here = first->wait(), there = second->wait();
  EXPECT_EQ(here.exit_code, 6) << here.err;
  EXPECT_NE(here.err.find("rank 1 (process "), std::string::npos) << here.err;
  EXPECT_NE(here.err.find("was last seen at step"), std::string::npos) << here.err;
  EXPECT_EQ(there.exit_code, 6) << there.err;
  EXPECT_NE(there.err.find("rank 0 (process "), std::string::npos) << there.err;
  EXPECT_NE(there.err.find("was last seen at step"), std::string::npos) << there.err;
  EXPECT_NE(there.err.find("does not answer"), std::string::npos) << there.err;
}

}  // namespace
}  // namespace ingot
