#include "dist/store_place.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <system_error>
#include <thread>

#include "base/error.h"
#include "base/log.h"
#include "base/stop_signals.h"
#include "base/text.h"
#include "dist/agent_store.h"

namespace ingot::dist_detail {
namespace {

constexpr double kOneTry = 15;  // seconds: of a connection, of an answer of torchrun's agent
constexpr double kShortestTry = 0.5;
constexpr auto kBetweenTries = std::chrono::milliseconds(100);
constexpr double kFirstNotice = 10;
constexpr double kNextNotice = 60;

std::string own_place_text(const LaunchPlace& place) { return place_text(place.store_host, place.store_port); }

Clock::time_point in_seconds(double seconds) {
  return Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

std::vector<Endpoint> every_address(int port) {
  std::string ignored;
  auto out = resolve("0.0.0.0", port, &ignored);
  for (const auto& newer : resolve("::", port, &ignored)) out.push_back(newer);
  return out;
}

/// Listens at those of the addresses that are this machine's, all with one port.
std::vector<Socket> listen_at_own(std::vector<Endpoint> endpoints) {
  std::vector<Socket> out;
  for (auto& endpoint : endpoints) {
    if (!out.empty()) endpoint.set_port(local_end(out.front()).port());
    try {
      out.push_back(listen_at(endpoint));
    } catch (const std::system_error& error) {
      const int reason = error.code().value();
      if (reason == EADDRNOTAVAIL || reason == EAFNOSUPPORT) continue;
      // A name may stand for one address twice, in both of its forms.
      if (!out.empty() && reason == EADDRINUSE) continue;
      throw DistributedError(cat("rank 0 cannot listen at ", error.what(),
                                 "; another rank 0, or another job with this port: set MASTER_PORT"));
    }
  }
  return out;
}

bool is_named_loopback(const std::string& host) {
  return host == "localhost" || host == "::1" || host.rfind("127.", 0) == 0;
}

std::vector<Socket> listeners_of(const LaunchPlace& place) {
  if (place.store_fd >= 0) {
    std::vector<Socket> out;
    out.emplace_back(place.store_fd);
    ::fcntl(place.store_fd, F_SETFL, O_NONBLOCK);
    ::fcntl(place.store_fd, F_SETFD, FD_CLOEXEC);
    return out;
  }
  const int port = place.agent_hosts_store ? 0 : place.store_port;
  std::string problem;
  const auto endpoints = resolve(place.store_host, port, &problem);
  if (endpoints.empty()) throw DistributedError(cat("MASTER_ADDR: ", problem));
  // A machine's own name often stands for a loopback address on that machine alone.
  const bool others_see_another =
      place.local_world_size < place.world_size && !is_named_loopback(place.store_host) &&
      std::all_of(endpoints.begin(), endpoints.end(), [](const Endpoint& endpoint) { return endpoint.is_loopback(); });
  if (!others_see_another) {
    auto out = listen_at_own(endpoints);
    if (!out.empty()) return out;
  }
  log::info(cat("the ranks meet at every address of this machine: ", place.store_host,
                others_see_another ? " is a loopback address here" : " is none of its addresses"));
  return listen_at_own(every_address(port));
}

/// Under which address the ranks reach a rendezvous that torchrun did not choose.
std::string public_address(const LaunchPlace& place, int port) {
  std::string problem;
  const auto agent = resolve(place.store_host, place.store_port, &problem);
  // Of a machine that runs the agent, MASTER_ADDR is what the others know.
  const auto own = agent.empty() ? "" : own_host_towards(agent.front());
  const bool is_here =
      std::any_of(agent.begin(), agent.end(), [&](const Endpoint& endpoint) { return endpoint.host() == own; }) ||
      (!agent.empty() && agent.front().is_loopback());
  return place_text(is_here || own.empty() ? place.store_host : own, port);
}

std::vector<Endpoint> candidates(const LaunchPlace& place, double seconds_left, std::string* problem) {
  if (!place.agent_hosts_store) return resolve(place.store_host, place.store_port, problem);
  std::optional<std::string> published;
  try {
    published = published_meeting_place(place, std::min(kOneTry, seconds_left));
  } catch (const std::runtime_error& error) {
    *problem = error.what();
    return {};
  }
  *problem = cat("rank 0 has told no address to torchrun's agent at ", own_place_text(place));
  if (!published) return {};
  const auto colon = published->rfind(':');
  int port = 0;
  if (colon != std::string::npos)
    std::from_chars(published->data() + colon + 1, published->data() + published->size(), port);
  auto host = published->substr(0, colon);
  if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  return resolve(host, port, problem);
}

}  // namespace

OpenPlace open_place(const LaunchPlace& place, double timeout) {
  auto listeners = listeners_of(place);
  if (listeners.empty()) throw DistributedError(cat("rank 0 cannot listen at ", own_place_text(place)));
  OpenPlace out;
  out.at = local_end(listeners.front());
  out.server = std::make_unique<StoreServer>(std::move(listeners), place.secret);
  if (place.agent_hosts_store) {
    try {
      publish_meeting_place(place, public_address(place, out.at.port()), timeout);
    } catch (const std::runtime_error& error) {
      throw DistributedError(cat("rank 0: ", error.what()));
    }
  }
  return out;
}

StoreConnection find_place(const LaunchPlace& place, double timeout) {
  const auto start = Clock::now();
  double next_notice = kFirstNotice;
  while (true) {
    std::string problem;
    const double left = timeout - seconds_since(start);
    for (const auto& endpoint : candidates(place, left, &problem)) {
      try {
        return StoreConnection(endpoint, place.secret, in_seconds(std::clamp(left, kShortestTry, kOneTry)));
      } catch (const std::runtime_error& error) {
        problem = error.what();
      }
    }
    StopSignals::end_if_received(kBeforeRendezvous);
    const double waited = seconds_since(start);
    if (waited >= timeout) {
      throw DistributedError(cat("found no rendezvous of rank 0 at ", own_place_text(place),
                                 " (MASTER_ADDR, MASTER_PORT) within ", timeout, " s: ", problem,
                                 "; has rank 0 started, on that host?"));
    }
    if (waited > next_notice) {
      log::warning(cat("rank ", place.rank, " still looks for rank 0: ", problem));
      next_notice = waited + kNextNotice;
    }
    std::this_thread::sleep_for(kBetweenTries);
  }
}

}  // namespace ingot::dist_detail
