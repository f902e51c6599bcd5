#include "dist/world.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <arpa/inet.h>
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <netdb.h>

#include <thread>

#include "dist/threads.h"

namespace ingot {
namespace {

using namespace testing;

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

void expect_each_has(const std::vector<std::string>& texts, const std::string& part) {
  for (const auto& text : texts) EXPECT_TRUE(has(text, part)) << "'" << text << "' lacks '" << part << "'";
}

TEST(World, OneProcessDoesEverythingAtOnce) {
  World world;
  EXPECT_EQ(world.all_gather({1, 2}), (std::vector<std::vector<double>>{{1, 2}}));
  EXPECT_EQ(world.broadcast("text"), "text");
  EXPECT_EQ(world.all_gather_text("text"), std::vector<std::string>{"text"});
  world.wait_for_all();
  world.leave();
}

TEST(World, AgreementsReachEveryRank) {
  const auto thrown = run_threads(3, [](World& world) {
    const double rank = world.rank();
    EXPECT_EQ(world.all_gather({rank, -rank}), (std::vector<std::vector<double>>{{0, -0.0}, {1, -1}, {2, -2}}));
    EXPECT_EQ(world.broadcast(world.is_first() ? "from the first" : ""), "from the first");
    EXPECT_EQ(world.all_gather_text(std::string(static_cast<std::size_t>(world.rank()), 'x')),
              (std::vector<std::string>{"", "x", "xx"}));
  });
  expect_no_error(thrown);
}

TEST(World, NoAddressIsLookedUpInTheDns) {
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  ASSERT_EQ(::inet_pton(AF_INET6, "::ffff:127.0.0.1", &address.sin6_addr), 1);
  char host[NI_MAXHOST];
  // As the store of c10d calls it.
  const auto resolve = reinterpret_cast<decltype(&::getnameinfo)>(::dlsym(RTLD_DEFAULT, "getnameinfo"));
  ASSERT_EQ(resolve(reinterpret_cast<sockaddr*>(&address), sizeof address, host, sizeof host, nullptr, 0, 0), 0);
  EXPECT_STREQ(host, "::ffff:127.0.0.1");
}

TEST(World, TensorsAreSentAndExchanged) {
  const auto thrown = run_threads(3, [](World& world) {
    auto tensor = at::full({5}, world.rank() + 7.0, at::kFloat);
    world.broadcast(tensor);
    EXPECT_TRUE(at::equal(tensor, at::full({5}, 7.0, at::kFloat)));
    // Rank r sends r+1 elements to each, all of value r.
    const std::int64_t mine = world.rank() + 1;
    const auto send = at::full({3 * mine}, world.rank(), at::kFloat);
    auto receive = at::empty({6}, at::kFloat);
    world.exchange(send, {mine, mine, mine}, receive, {1, 2, 3});
    EXPECT_TRUE(at::equal(receive, at::tensor({0, 1, 1, 2, 2, 2}, at::kFloat)));
  });
  expect_no_error(thrown);
}

std::vector<std::pair<std::string, std::string>> nothing(int) { return {}; }

TEST(World, WhoDiffersIsNamedToAll) {
  const auto thrown = run_threads(
      loopback_places(3),
      [](int rank) {
        return std::vector<std::pair<std::string, std::string>>{{"optim.optimizer.lr", rank == 2 ? "0.002" : "0.001"}};
      },
      [](World&) { FAIL() << "met"; }, 30);
  expect_each_has(thrown, "rank 2 (");
  expect_each_has(thrown, "optim.optimizer.lr is 0.002, on rank 0 0.001");
}

TEST(World, ARankThatComesTwiceIsNamed) {
  auto places = loopback_places(3);
  places[2].rank = 1;
  const auto thrown = run_threads(
      places, nothing, [](World&) { FAIL() << "met"; }, 5);
  expect_each_has({thrown[0]}, "rank 1 came twice");
}

TEST(World, WhoDoesNotComeIsNamed) {
  auto places = loopback_places(3);
  places.erase(places.begin() + 1);
  const auto thrown = run_threads(
      places, nothing, [](World&) { FAIL() << "met"; }, 2);
  expect_each_has(thrown, "of 3 ranks no sign of 1; here are 0");
}

TEST(World, AnotherWorldSizeIsRefused) {
  auto places = loopback_places(2);
  places[1].world_size = 3;
  const auto thrown = run_threads(
      places, nothing, [](World&) { FAIL() << "met"; }, 10);
  expect_each_has(thrown, "is of a world of 3, rank 0 of one of 2");
}

TEST(World, WhatOneRankReportsReachesThoseThatWait) {
  const auto thrown = run_threads(3, [](World& world) {
    if (world.rank() == 1) throw DataError("the disk is gone");
    world.wait_for_all();
  });
  EXPECT_EQ(thrown[1], "the disk is gone");
  expect_each_has({thrown[0], thrown[2]}, "rank 1 (");
  expect_each_has({thrown[0], thrown[2]}, "the disk is gone");
}

TEST(World, WaitingIsPatientWithARankThatWorks) {
  // Longer than the timeout of a collective.
  const auto thrown = run_threads(
      2,
      [](World& world) {
        if (world.is_first()) std::this_thread::sleep_for(std::chrono::seconds(4));
        world.wait_for_all();
      },
      2);
  expect_no_error(thrown);
}

}  // namespace
}  // namespace ingot
