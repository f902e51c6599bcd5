#include "dist/threads.h"

#include <gtest/gtest.h>

#include <thread>

#include "dist/loopback.h"

namespace ingot::testing {

std::vector<LaunchPlace> loopback_places(int world_size) {
  const auto listener = listen_on_loopback();
  std::vector<LaunchPlace> out;
  for (int rank = 0; rank < world_size; ++rank) {
    LaunchPlace place;
    place.launcher = Launcher::kNproc;
    place.rank = place.local_rank = rank;
    place.world_size = place.local_world_size = world_size;
    place.store_host = "127.0.0.1";
    place.store_port = listener.port;
    place.store_fd = rank == 0 ? listener.fd : -1;
    place.secret = "the secret of these threads";
    out.push_back(place);
  }
  return out;
}

std::vector<std::string> run_threads(const std::vector<LaunchPlace>& places,
                                     const std::function<std::vector<std::pair<std::string, std::string>>(int)>& agree,
                                     const std::function<void(World&)>& body, double timeout) {
  std::vector<std::string> thrown(places.size());
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < places.size(); ++i) {
    threads.emplace_back([&, i] {
      try {
        World world(places[i], agree(static_cast<int>(i)), {timeout});
        try {
          body(world);
          world.leave();
        } catch (const Error& error) {
          world.report_failure(error);
          throw;
        }
      } catch (const std::exception& error) {
        thrown[i] = error.what();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  return thrown;
}

std::vector<std::string> run_threads(int world_size, const std::function<void(World&)>& body, double timeout) {
  return run_threads(
      loopback_places(world_size), [](int) { return std::vector<std::pair<std::string, std::string>>{}; }, body,
      timeout);
}

void expect_no_error(const std::vector<std::string>& thrown) {
  for (const auto& text : thrown) EXPECT_EQ(text, "");
}

}  // namespace ingot::testing
