#include "dist/meeting.h"

#include <dlfcn.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <map>
#include <set>
#include <thread>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "base/clock.h"
#include "base/error.h"
#include "base/files.h"
#include "base/host.h"
#include "base/log.h"
#include "base/text.h"

/// c10d asks the DNS for the name of each address it connects to or accepts, only to log it, and does so on the one
/// thread that serves the store: a name server that does not answer would cost every connection 5 s or more, and whole
/// starts their timeout. In this program addresses have no names: this definition goes before the C library's.
extern "C" __attribute__((visibility("default"))) int getnameinfo(const sockaddr* address, socklen_t address_size,
                                                                  char* host, socklen_t host_size, char* service,
                                                                  socklen_t service_size, int flags) {
  static const auto original = reinterpret_cast<decltype(&getnameinfo)>(::dlsym(RTLD_NEXT, "getnameinfo"));
  return original(address, address_size, host, host_size, service, service_size,
                  flags | NI_NUMERICHOST | NI_NUMERICSERV);
}

namespace ingot::dist_detail {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Introduction, host, node, store_address, own_address, pid, world_size, problem,
                                   must_agree)

namespace {

using json = nlohmann::json;
using Store = c10d::Store;

constexpr auto kPoll = std::chrono::milliseconds(20);
constexpr double kFirstNotice = 10;  // seconds until it is said who is missing
constexpr double kNextNotice = 60;
constexpr std::size_t kMostDifferences = 5;
constexpr double kLastWord = 5;  // seconds more that the others wait for rank 0 to say why it gave up
constexpr double kLeastPatience = 10, kMostPatience = 60;

std::string place_text(const LaunchPlace& place) { return cat(place.store_host, ":", place.store_port); }

/// c10d waits for the store's answers without end: where the network falls silent, or rank 0 is stopped, so would we. Its
/// clients hide their sockets, so that these are found by the port they lead to.
void limit_waits(int port, double seconds) {
  timeval limit{};
  limit.tv_sec = static_cast<time_t>(std::ceil(seconds));
  const auto milliseconds = static_cast<unsigned int>(1000 * seconds);
  for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
    const int fd = std::atoi(entry.path().filename().c_str());
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) != 0) continue;
    int peer_port = -1;
    if (peer.ss_family == AF_INET) peer_port = ntohs(reinterpret_cast<const sockaddr_in&>(peer).sin_port);
    if (peer.ss_family == AF_INET6) peer_port = ntohs(reinterpret_cast<const sockaddr_in6&>(peer).sin6_port);
    if (peer_port != port) continue;
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &milliseconds, sizeof milliseconds);
  }
}

c10::intrusive_ptr<c10d::TCPStore> connect(const LaunchPlace& place, double timeout) {
  c10d::TCPStoreOptions options;
  options.port = static_cast<std::uint16_t>(place.store_port);
  options.isServer = place.rank == 0 && !place.agent_hosts_store;
  options.waitWorkers = false;
  options.timeout = std::chrono::milliseconds(static_cast<std::int64_t>(timeout * 1000));
  if (options.isServer && place.store_fd >= 0) options.masterListenFd = place.store_fd;
  try {
    return c10::make_intrusive<c10d::TCPStore>(place.store_host, options);
  } catch (const std::exception& error) {
    const std::string what = error.what();
    if (options.isServer) {
      throw DistributedError(cat("rank 0 cannot listen on port ", place.store_port, ": ", first_line(what),
                                 "; another rank 0, or another job with this port: set MASTER_PORT"));
    }
    throw DistributedError(cat("rank ", place.rank, " cannot reach the meeting place of rank 0 at ", place_text(place),
                               " within ", timeout,
                               " s (MASTER_ADDR and MASTER_PORT); has rank 0 started, on that host?"));
  }
}

std::string join_key(int rank, std::int64_t turn) { return cat("join/", rank, "/", turn); }

/// Rank 0's side: who has come, and with what nonce.
class Host {
 public:
  Host(const LaunchPlace& place, Store& store, std::string generation, const Introduction& self)
      : place_(place), store_(store), generation_(std::move(generation)), ranks_(place.world_size) {
    ranks_[0] = self;
    for (int rank = 1; rank < place.world_size; ++rank) missing_.insert(rank);
  }

  std::vector<Introduction> wait(double timeout) {
    const auto start = Clock::now();
    double next_notice = kFirstNotice;
    while (!missing_.empty()) {
      look();
      if (missing_.empty()) break;
      const double waited = seconds_since(start);
      if (waited > timeout) fail(cat("gave up after ", timeout, " s: ", missing_text()));
      if (waited > next_notice) {
        log::info(cat("at ", place_text(place_), ": ", missing_text()));
        next_notice += kNextNotice;
      }
      std::this_thread::sleep_for(kPoll);
    }
    check_agreement();
    verdict("");
    return ranks_;
  }

 private:
  void look() {
    for (int rank = 1; rank < place_.world_size; ++rank) {
      auto& seen = seen_[rank];
      while (has_key(store_, join_key(rank, seen + 1))) {
        const auto value = json::parse(get_text(store_, join_key(rank, ++seen)));
        set_text(store_, cat("accept/", value.at("nonce").get<std::string>()), generation_);
        waiting_.emplace(rank, value);
      }
    }
    for (auto it = waiting_.begin(); it != waiting_.end();) {
      const auto& [rank, value] = *it;
      if (!has_key(store_, cat("here/", value.at("nonce").get<std::string>()))) {
        ++it;
        continue;
      }
      const auto found = value.at("introduction").get<Introduction>();
      if (missing_.erase(rank) == 0) {
        fail(cat("rank ", rank, " came twice: process ", ranks_[rank].pid, " on ", ranks_[rank].host, " and process ",
                 found.pid, " on ", found.host));
      }
      ranks_[rank] = found;
      it = waiting_.erase(it);
    }
  }

  std::string missing_text() const {
    std::vector<std::string> absent, present;
    for (int rank = 0; rank < place_.world_size; ++rank) {
      if (missing_.count(rank) != 0) {
        absent.push_back(std::to_string(rank));
      } else {
        present.push_back(cat(rank, " (", ranks_[rank].host, ")"));
      }
    }
    return cat("of ", place_.world_size, " ranks no sign of ", join(absent, ", "), "; here are ", join(present, ", "));
  }

  void check_agreement() {
    std::vector<std::string> problems;
    const auto& ours = ranks_[0];
    const bool one_problem = std::all_of(ranks_.begin(), ranks_.end(),
                                         [&](const Introduction& rank) { return rank.problem == ours.problem; });
    if (!ours.problem.empty()) {
      if (one_problem) fail(ours.problem);
      problems.push_back(cat(ours.text(0), ": ", ours.problem));
    }
    for (int rank = 1; rank < place_.world_size; ++rank) {
      const auto& theirs = ranks_[rank];
      if (!theirs.problem.empty()) {
        problems.push_back(cat(theirs.text(rank), ": ", theirs.problem));
        continue;
      }
      if (!ours.problem.empty()) continue;
      if (theirs.world_size != place_.world_size) {
        problems.push_back(
            cat(theirs.text(rank), " is of a world of ", theirs.world_size, ", rank 0 of one of ", place_.world_size));
        continue;
      }
      const auto differences = compare(theirs.must_agree, ours.must_agree);
      if (!differences.empty()) problems.push_back(cat(theirs.text(rank), ": ", join(differences, "; ")));
    }
    if (!problems.empty()) fail(cat("the ranks do not fit together:\n  ", join(problems, "\n  ")));
  }

  static std::vector<std::string> compare(const std::vector<std::pair<std::string, std::string>>& theirs,
                                          const std::vector<std::pair<std::string, std::string>>& ours) {
    std::vector<std::string> out;
    std::map<std::string, std::string> left(theirs.begin(), theirs.end());
    for (const auto& [name, value] : ours) {
      const auto found = left.find(name);
      const auto other = found == left.end() ? "absent" : found->second;
      if (other != value) out.push_back(cat(name, " is ", other, ", on rank 0 ", value));
      if (found != left.end()) left.erase(found);
    }
    for (const auto& [name, value] : left) out.push_back(cat(name, " is ", value, ", on rank 0 absent"));
    if (out.size() > kMostDifferences) {
      const auto more = out.size() - kMostDifferences;
      out.resize(kMostDifferences);
      out.push_back(cat("and ", more, " more"));
    }
    return out;
  }

  void verdict(const std::string& problem) { set_text(store_, cat("verdict/", generation_), problem); }

  [[noreturn]] void fail(const std::string& problem) {
    verdict(problem);
    std::this_thread::sleep_for(
        std::chrono::seconds(1));  // the others read it from the store that ends with this process
    throw DistributedError(problem);
  }

  const LaunchPlace& place_;
  Store& store_;
  std::string generation_;
  std::vector<Introduction> ranks_;
  std::set<int> missing_;
  std::map<int, std::int64_t> seen_;  // how many came as a rank
  std::multimap<int, json> waiting_;  // accepted, not confirmed: may be left over from an earlier start
};

/// Rank r's side. Returns the generation.
std::string join_host(const LaunchPlace& place, Store& store, const Introduction& self, double timeout) {
  const auto nonce = random_hex();
  const auto turn = store.add(cat("joins/", place.rank), 1);
  set_text(store, join_key(place.rank, turn), json{{"nonce", nonce}, {"introduction", self}}.dump());
  const auto start = Clock::now();
  const auto wait_for = [&](const std::string& key) {
    // Rank 0 gives up first and says why.
    while (!has_key(store, key)) {
      if (seconds_since(start) > timeout + kLastWord) {
        throw DistributedError(
            cat("rank ", place.rank, ": no answer from rank 0 at ", place_text(place), " within ", timeout, " s"));
      }
      std::this_thread::sleep_for(kPoll);
    }
    return get_text(store, key);
  };
  const auto generation = wait_for("accept/" + nonce);
  set_text(store, "here/" + nonce, "1");
  const auto problem = wait_for("verdict/" + generation);
  if (!problem.empty()) throw DistributedError(problem);
  return generation;
}

}  // namespace

std::string Introduction::text(int rank) const { return cat("rank ", rank, " (process ", pid, " on ", host, ")"); }

void set_text(Store& store, const std::string& key, const std::string& value) {
  // An empty value would be no value to some stores.
  const auto text = "=" + value;
  store.set(key, std::vector<std::uint8_t>(text.begin(), text.end()));
}

std::string get_text(Store& store, const std::string& key) {
  const auto bytes = store.get(key);
  return {bytes.begin() + (bytes.empty() ? 0 : 1), bytes.end()};
}

bool has_key(Store& store, const std::string& key) { return store.check({key}); }

c10::intrusive_ptr<Store> Meeting::client(const std::string& name) const {
  auto own = connection->clone();
  limit_waits(port, patience);
  return c10::make_intrusive<c10d::PrefixStore>(cat(prefix, "/", name), std::move(own));
}

Meeting meet(const LaunchPlace& place, const Introduction& self, double timeout) {
  Meeting out;
  out.port = place.store_port;
  out.patience = std::clamp(timeout, kLeastPatience, kMostPatience);
  out.connection = connect(place, timeout);
  limit_waits(out.port, timeout + kLastWord);
  const auto prefix = cat("ingot/", place.generation);
  c10d::PrefixStore store(prefix, out.connection);
  try {
    std::string generation;
    if (place.rank == 0) {
      generation = random_hex();
      out.ranks = Host(place, store, generation, self).wait(timeout);
      set_text(store, cat("ranks/", generation), json(out.ranks).dump());
    } else {
      generation = join_host(place, store, self, timeout);
      json::parse(get_text(store, cat("ranks/", generation))).get_to(out.ranks);
    }
    out.prefix = cat(prefix, "/", generation);
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw DistributedError(
        cat("rank ", place.rank, ": lost the meeting place at ", place_text(place), ": ", first_line(error.what())));
  }
  return out;
}

}  // namespace ingot::dist_detail
