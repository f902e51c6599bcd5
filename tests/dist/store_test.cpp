// The ranks' rendezvous, and who may not come in.

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <thread>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "base/error.h"
#include "base/text.h"
#include "dist/agent_store.h"
#include "dist/store_client.h"
#include "dist/store_place.h"
#include "dist/store_server.h"
#include "dist/threads.h"

namespace ingot::dist_detail {
namespace {

using namespace std::chrono_literals;

const std::string kSecret = "what only these ranks know";

Endpoint loopback(int port = 0) {
  std::string problem;
  return resolve("127.0.0.1", port, &problem).front();
}

class StoreTest : public ::testing::Test {
 protected:
  void open(StoreServerOptions options = {}) {
    std::vector<Socket> listeners;
    listeners.push_back(listen_at(loopback()));
    place = local_end(listeners.front());
    server = std::make_unique<StoreServer>(std::move(listeners), kSecret, options);
  }
  c10::intrusive_ptr<StoreClient> client(const std::string& prefix = "", const std::string& secret = kSecret) const {
    return c10::make_intrusive<StoreClient>(StoreConnection(place, secret, Clock::now() + 5s), secret, prefix, 5);
  }
  Socket stranger() const {
    std::string problem;
    auto out = connect_to(place, Clock::now() + 5s, &problem);
    EXPECT_EQ(problem, "");
    return out;
  }
  /// Whether the server ends the connection within a few seconds.
  static bool is_sent_away(const Socket& socket) {
    char byte = 0;
    while (wait_ready(socket.fd(), POLLIN, Clock::now() + 5s)) {
      if (::recv(socket.fd(), &byte, 1, 0) <= 0) return true;
    }
    return false;
  }

  Endpoint place;
  std::unique_ptr<StoreServer> server;
};

TEST_F(StoreTest, WhatOneRankPutsAnotherFinds) {
  open();
  const auto a = client("x/"), b = client("x/");
  EXPECT_EQ(b->look("key"), std::nullopt);
  a->put("key", "");
  EXPECT_EQ(b->look("key"), "");
  a->put("key", std::string(300'000, 'v'));
  EXPECT_EQ(b->text("key").size(), 300'000u);
  EXPECT_EQ(client("y/")->look("key"), std::nullopt);
  EXPECT_EQ(b->with_prefix("x/")->look(std::vector<std::string>{"none", "key"})[1]->size(), 300'000u);
  EXPECT_EQ(a->add("sum", 2), 2);
  EXPECT_EQ(b->add("sum", -5), -3);
}

TEST_F(StoreTest, ServesC10d) {
  open();
  const auto store = client();
  const std::vector<std::uint8_t> one{1}, two{2}, none;
  EXPECT_EQ(store->compareSet("key", none, one), one);
  EXPECT_EQ(store->compareSet("key", two, two), one);
  EXPECT_EQ(store->compareSet("key", one, two), two);
  EXPECT_EQ(store->get("key"), two);
  EXPECT_EQ(store->getNumKeys(), 1);
  EXPECT_TRUE(store->deleteKey("key"));
  EXPECT_FALSE(store->deleteKey("key"));
  EXPECT_THROW(store->wait({"key"}, 50ms), std::exception);
  std::thread later([other = store->clone()] {
    std::this_thread::sleep_for(50ms);
    other->set("key", std::vector<std::uint8_t>{3});
  });
  EXPECT_EQ(store->get("key"), std::vector<std::uint8_t>{3});
  later.join();
}

TEST_F(StoreTest, StrangersAreSentAwayAndNamed) {
  open();
  ::testing::internal::CaptureStderr();
  EXPECT_THROW(client("", "another job's secret"), std::runtime_error);
  const auto web = stranger();
  const std::string request = "GET / HTTP/1.1\r\n\r\n";
  ASSERT_EQ(::send(web.fd(), request.data(), request.size(), 0), static_cast<ssize_t>(request.size()));
  EXPECT_TRUE(is_sent_away(web));
  // Whoever has no proof, but messages.
  const auto bold = stranger();
  const auto text = std::string(kHello) + std::string(kNonceBytes + 500, 's');
  ASSERT_EQ(::send(bold.fd(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  EXPECT_TRUE(is_sent_away(bold));
  const auto log = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(log.find("dropped a stranger at the ranks' rendezvous: 127.0.0.1:"), std::string::npos) << log;
  EXPECT_NE(log.find("does not know this job's secret"), std::string::npos) << log;
  EXPECT_EQ(client()->getNumKeys(), 0);
}

TEST_F(StoreTest, ACrowdOfIdleConnectionsKeepsNobodyOut) {
  open({.most_strangers = 8, .stranger_seconds = 60, .crowded_seconds = 0.05});
  std::vector<Socket> crowd;
  for (int i = 0; i < 40; ++i) crowd.push_back(stranger());
  const auto store = client();
  store->put("key", "value");
  EXPECT_EQ(store->look("key"), "value");
}

TEST_F(StoreTest, WhoProvesNothingInTimeHasToGo) {
  open({.stranger_seconds = 0.1});
  EXPECT_TRUE(is_sent_away(stranger()));
}

TEST_F(StoreTest, AnAnswerThatDoesNotComeIsAnError) {
  // The kernel takes connections for a process that does not.
  const auto listener = listen_at(loopback());
  const auto at = local_end(listener);
  try {
    StoreConnection(at, kSecret, Clock::now() + 100ms);
    FAIL() << "connected";
  } catch (const std::runtime_error& error) {
    EXPECT_EQ(std::string(error.what()), at.text() + " takes the connection and says nothing");
  }
}

TEST_F(StoreTest, AnImpostorIsFoundOut) {
  const auto listener = listen_at(loopback());
  const auto at = local_end(listener);
  std::thread impostor([&] {
    ASSERT_TRUE(wait_ready(listener.fd(), POLLIN, Clock::now() + 5s));
    const Socket victim(::accept(listener.fd(), nullptr, nullptr));
    const std::string lies(kNonceBytes + kProofBytes, 'x');
    ::send(victim.fd(), lies.data(), lies.size(), MSG_NOSIGNAL);
    wait_ready(victim.fd(), POLLHUP, Clock::now() + 1s);
  });
  try {
    StoreConnection(at, kSecret, Clock::now() + 5s);
    FAIL() << "believed";
  } catch (const std::runtime_error& error) {
    EXPECT_EQ(std::string(error.what()), at.text() + " does not know this job's secret");
  }
  impostor.join();
}

TEST_F(StoreTest, ALostMeetingPlaceIsToldFromASilentOne) {
  open();
  const auto store = client();
  server.reset();
  try {
    store->put("key", "value");
    FAIL() << "answered";
  } catch (const StoreLost& lost) {
    EXPECT_FALSE(lost.silent);
  }
}

TEST(StorePlace, IsOpenAtTheAddressGivenAlone) {
  LaunchPlace launch;
  launch.world_size = launch.local_world_size = 2;
  launch.store_host = "127.0.0.1";
  launch.secret = kSecret;
  const auto open = open_place(launch, 1);
  EXPECT_EQ(open.at.host(), "127.0.0.1");
  std::string problem;
  auto elsewhere = resolve("127.0.0.2", open.at.port(), &problem).front();
  connect_to(elsewhere, Clock::now() + 1s, &problem);
  EXPECT_NE(problem.find("refused"), std::string::npos) << problem;
}

TEST(StorePlace, WhatIsThereInsteadIsSaid) {
  const auto listener = listen_at(loopback());
  LaunchPlace launch;
  launch.rank = 1;
  launch.world_size = 2;
  launch.store_host = "127.0.0.1";
  launch.store_port = local_end(listener).port();
  launch.secret = kSecret;
  try {
    find_place(launch, 0.2);
    FAIL() << "found";
  } catch (const DistributedError& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find(local_end(listener).text() + " takes the connection and says nothing"), std::string::npos)
        << text;
  }
}

class Agent : public ::testing::Test {
 protected:
  static std::vector<LaunchPlace> places(int port) {
    std::vector<LaunchPlace> out(2);
    for (int rank = 0; rank < 2; ++rank) {
      auto& place = out[static_cast<std::size_t>(rank)];
      place.rank = place.local_rank = rank;
      place.world_size = place.local_world_size = 2;
      place.store_host = "127.0.0.1";
      place.store_port = port;
      place.agent_hosts_store = true;
      place.secret = kSecret;
    }
    return out;
  }
};

TEST_F(Agent, IsToldWhereRank0IsAndNothingElse) {
  c10d::TCPStoreOptions options;
  options.isServer = true;
  options.waitWorkers = false;
  options.port = 0;
  c10d::TCPStore agent("127.0.0.1", options);
  const auto launch = places(agent.getPort());
  publish_meeting_place(launch[1], "127.0.0.1:1", 5);  // of an earlier start, or of a stranger
  const auto keys = agent.getNumKeys();
  const auto thrown = ingot::testing::run_threads(
      launch, [](int) { return std::vector<std::pair<std::string, std::string>>{}; },
      [](World& world) { EXPECT_EQ(world.broadcast(world.is_first() ? "text" : ""), "text"); }, 20);
  ingot::testing::expect_no_error(thrown);
  EXPECT_EQ(agent.getNumKeys(), keys);
}

TEST_F(Agent, ThatSaysNothingIsNamed) {
  const auto listener = listen_at(loopback());
  const int port = local_end(listener).port();
  for (const auto& place : places(port)) {
    try {
      place.rank == 0 ? static_cast<void>(open_place(place, 0.3)) : static_cast<void>(find_place(place, 0.3));
      FAIL() << "met";
    } catch (const DistributedError& error) {
      const std::string text = error.what();
      EXPECT_NE(text.find(cat("torchrun's agent at 127.0.0.1:", port, " does not answer")), std::string::npos) << text;
    }
  }
}

TEST(FrameSeal, TakesNothingButWhatWasSealedInOrder) {
  const auto session = hmac_sha256("key", "session");
  const auto sealed = [&](int count, Direction direction) {
    FrameSeal seal(session, direction);
    std::vector<std::string> out;
    for (int i = 0; i < count; ++i) out.push_back(seal.seal("message " + std::to_string(i)));
    return out;
  };
  const auto open = [&](std::string bytes) {
    FrameSeal seal(session, Direction::kToPlace);
    std::vector<std::string> out;
    for (std::string payload; seal.open(bytes, payload);) out.push_back(payload);
    return out;
  };
  const auto frames = sealed(2, Direction::kToPlace);
  EXPECT_EQ(open(frames[0] + frames[1]), (std::vector<std::string>{"message 0", "message 1"}));
  EXPECT_TRUE(open(frames[0].substr(0, frames[0].size() - 1)).empty());
  EXPECT_THROW(open(frames[0] + frames[0]), FrameError);
  EXPECT_THROW(open(frames[1]), FrameError);
  EXPECT_THROW(open(sealed(1, Direction::kToVisitor)[0]), FrameError);
  for (const std::size_t byte : {std::size_t{4}, frames[0].size() - 1}) {
    auto changed = frames[0];
    changed[byte] = static_cast<char>(changed[byte] ^ 1);
    EXPECT_THROW(open(changed), FrameError) << byte;
  }
  std::string endless(4, '\xff');  // 4 GiB
  endless.append(40, 'x');
  EXPECT_THROW(open(endless), FrameError);
}

TEST(FrameSeal, WordsSurvivePacking) {
  const Words words{"", "one", std::string("\0two", 4)};
  EXPECT_EQ(unpack(pack(words)), words);
  EXPECT_THROW(unpack(pack(words) + "x"), FrameError);
  EXPECT_THROW(unpack(std::string("\x05\0\0\0abc", 7)), FrameError);
}

}  // namespace
}  // namespace ingot::dist_detail
