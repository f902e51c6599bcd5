#pragma once
// Ranks as threads of one process, over loopback.

#include <functional>
#include <string>
#include <vector>

#include "dist/world.h"

namespace ingot::testing {

/// The place of each rank of a fresh world on this machine.
std::vector<LaunchPlace> loopback_places(int world_size);

/// Runs `body` on a thread for each rank. Returns what each threw, "" if nothing.
std::vector<std::string> run_threads(int world_size, const std::function<void(World&)>& body, double timeout = 30);
/// The same for any places, each rank with its own `must_agree`.
std::vector<std::string> run_threads(const std::vector<LaunchPlace>& places,
                                     const std::function<std::vector<std::pair<std::string, std::string>>(int)>& agree,
                                     const std::function<void(World&)>& body, double timeout);

/// Of what `run_threads` returned.
void expect_no_error(const std::vector<std::string>& thrown);

}  // namespace ingot::testing
