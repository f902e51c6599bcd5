// Who is not of the job: at the rendezvous, at its port instead of rank 0, with another secret.

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <chrono>
#include <thread>

#include "base/text.h"
#include "cli/ranks.h"
#include "dist/loopback.h"
#include "dist/socket.h"

namespace ingot {
namespace {

using namespace testing;
using dist_detail::Endpoint;
using dist_detail::Socket;

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

class Strangers : public Ranks {
 protected:
  /// A connection to the port as soon as somebody listens there.
  static Socket visit(int port) {
    std::string problem;
    for (int i = 0; i < 1000; ++i) {
      const auto place = dist_detail::resolve("127.0.0.1", port, &problem).front();
      auto out = dist_detail::connect_to(place, Clock::now() + std::chrono::seconds(1), &problem);
      if (out.fd() >= 0) return out;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    ADD_FAILURE() << problem;
    return {};
  }
};

TEST_F(Strangers, DoNotKeepTheRanksFromMeeting) {
  const int port = free_port();
  const auto line = train("crowd", {"train.duration=3 steps"});
  auto first = start_rank(0, 2, port, line);
  std::vector<Socket> crowd;
  crowd.push_back(visit(port));
  struct stat secret {};
  ASSERT_EQ(::stat((run_dir("crowd") / ".meeting-secret").c_str(), &secret), 0);
  EXPECT_EQ(secret.st_mode & 0777, 0600u);
  for (int i = 0; i < 400; ++i) crowd.push_back(visit(port));
  const std::string garbage(4096, '\n');
  for (std::size_t i = 0; i < crowd.size(); i += 2) {
    ::send(crowd[i].fd(), garbage.data(), garbage.size(), MSG_NOSIGNAL);
  }
  auto second = start_rank(1, 2, port, line);
  const auto result = first->wait();
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(second->wait().exit_code, 0);
  EXPECT_TRUE(has(result.err, "dropped a stranger at the ranks' rendezvous: 127.0.0.1:")) << result.err;
  EXPECT_FALSE(has(result.err, "Exception")) << result.err;
  EXPECT_FALSE(fs::exists(run_dir("crowd") / ".meeting-secret"));
}

TEST_F(Strangers, ARankWithAnotherSecretIsOne) {
  const int port = free_port();
  const auto line = train("secrets", {"distributed.timeout=2 s"});
  const auto with = [](const char* secret) { return std::map<std::string, std::string>{{"INGOT_SECRET", secret}}; };
  auto first = start_rank(0, 2, port, line, with("the secret of rank 0"));
  auto second = start_rank(1, 2, port, line, with("the secret of rank 1"));
  const auto result = first->wait();
  EXPECT_EQ(result.exit_code, 6);
  EXPECT_TRUE(has(result.err, "does not know this job's secret")) << result.err;
  EXPECT_TRUE(has(result.err, "no sign of 1")) << result.err;
  const auto other = second->wait();
  EXPECT_EQ(other.exit_code, 6);
  EXPECT_TRUE(has(other.err, cat("found no rendezvous of rank 0 at 127.0.0.1:", port))) << other.err;
}

TEST_F(Strangers, WhoTakesRank0sPortAndSaysNothingIsNamedAfterTheTimeout) {
  const auto listener = listen_on_loopback();
  auto rank = start_rank(1, 2, listener.port, train("mute", {"distributed.timeout=2 s"}),
                         {{"INGOT_SECRET", "a secret of both ranks"}});
  EXPECT_TRUE(rank->ended_within(10));
  const auto result = rank->wait();
  EXPECT_EQ(result.exit_code, 6);
  EXPECT_TRUE(has(result.err, cat("127.0.0.1:", listener.port, " takes the connection and says nothing")))
      << result.err;
}

TEST_F(Strangers, TheSecretIsNotWrittenDown) {
  const std::string secret = "keep this to yourselves";
  const int port = free_port();
  const auto line = train("quiet", {"train.duration=2 steps"});
  auto first = start_rank(0, 2, port, line, {{"INGOT_SECRET", secret}});
  auto second = start_rank(1, 2, port, line, {{"INGOT_SECRET", secret}});
  ASSERT_EQ(first->wait().exit_code, 0);
  ASSERT_EQ(second->wait().exit_code, 0);
  for (const auto& entry : fs::recursive_directory_iterator(run_dir("quiet"))) {
    if (!entry.is_regular_file()) continue;
    EXPECT_FALSE(has(read_file(entry.path()), secret)) << entry.path();
  }
}

}  // namespace
}  // namespace ingot
