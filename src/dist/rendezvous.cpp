#include "dist/rendezvous.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/stop_signals.h"
#include "base/text.h"
#include "dist/store_place.h"

namespace ingot::dist_detail {

namespace {

using json = nlohmann::json;

constexpr JsonLimits kMessage{std::int64_t{1} << 20, 8};
/// Of the introductions of all ranks.
constexpr JsonLimits kAllRanks{std::int64_t{64} << 20, 8};

json to_json(const Introduction& self) {
  return {{"host", self.host},
          {"node", self.node},
          {"store_address", self.store_address},
          {"own_address", self.own_address},
          {"pid", self.pid},
          {"world_size", self.world_size},
          {"problem", self.problem},
          {"must_agree", self.must_agree}};
}

Introduction introduction_from(const JsonValue& value) {
  Introduction out;
  out.host = value.at("host").text();
  out.node = value.at("node").text();
  out.store_address = value.at("store_address").text();
  out.own_address = value.at("own_address").text();
  out.pid = value.at("pid").whole();
  out.world_size = static_cast<int>(value.at("world_size").whole(1, INT32_MAX));
  out.problem = value.at("problem").text();
  for (const auto& pair : value.at("must_agree").items()) {
    const auto both = pair.items();
    if (both.size() != 2) pair.expected("a name and a value");
    out.must_agree.emplace_back(both[0].text(), both[1].text());
  }
  return out;
}

constexpr auto kPoll = std::chrono::milliseconds(20);
constexpr double kFirstNotice = 10;  // seconds until it is said who is missing
constexpr double kNextNotice = 60;
constexpr std::size_t kMostDifferences = 5;
constexpr double kLastWord = 5;       // seconds more that the others wait for rank 0 to say why it gave up
constexpr double kMostPatience = 60;  // seconds for an answer of the rendezvous, or the timeout if that is less

constexpr const char* kStopKey = "stop";

std::string join_key(int rank, std::int64_t turn) { return cat("join/", rank, "/", turn); }

/// Rank 0's side: who has come.
class Host {
 public:
  Host(const LaunchPlace& place, StoreClient& store, const Introduction& self)
      : place_(place), store_(store), ranks_(static_cast<std::size_t>(place.world_size)), turns_(ranks_.size(), 1) {
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
      if (waited > timeout) refuse(cat("gave up after ", timeout, " s: ", missing_text()));
      if (waited > next_notice) {
        log::info(cat("at ", place_text(place_.store_host, place_.store_port), ": ", missing_text()));
        next_notice += kNextNotice;
      }
      std::this_thread::sleep_for(kPoll);
    }
    check_agreement();
    auto all = json::array();
    for (const auto& rank : ranks_) all.push_back(to_json(rank));
    store_.put("ranks", all.dump());
    store_.put("verdict", "");
    return ranks_;
  }

 private:
  void look() {
    std::vector<std::string> keys;
    for (int rank = 1; rank < place_.world_size; ++rank) keys.push_back(join_key(rank, turns_[index(rank)]));
    keys.push_back(kStopKey);
    const auto found = store_.look(keys);
    const auto stop = found.back() ? *found.back() : StopSignals::received();
    if (!stop.empty()) end(ExitCode::kStopped, cat("stopped on ", stop, " ", kBeforeRendezvous));
    for (int rank = 1; rank < place_.world_size; ++rank) {
      const auto& text = found[index(rank) - 1];
      if (!text) continue;
      ++turns_[index(rank)];
      const auto came = introduction_from(parse_message(*text, cat("who joins as rank ", rank)));
      auto& known = ranks_[index(rank)];
      if (missing_.erase(rank) == 0) {
        refuse(cat("rank ", rank, " came twice: process ", known.pid, " on ", known.host, " and process ", came.pid,
                   " on ", came.host));
      }
      known = came;
    }
  }

  static std::size_t index(int rank) { return static_cast<std::size_t>(rank); }

  std::string missing_text() const {
    std::vector<std::string> absent, present;
    for (int rank = 0; rank < place_.world_size; ++rank) {
      if (missing_.count(rank) != 0) {
        absent.push_back(std::to_string(rank));
      } else {
        present.push_back(cat(rank, " (", ranks_[index(rank)].host, ")"));
      }
    }
    return cat("of ", place_.world_size, " ranks no sign of ", join(absent, ", "), "; here are ", join(present, ", "),
               place_.secret_hint);
  }

  void check_agreement() {
    std::vector<std::string> problems;
    const auto& ours = ranks_[0];
    const bool one_problem = std::all_of(ranks_.begin(), ranks_.end(),
                                         [&](const Introduction& rank) { return rank.problem == ours.problem; });
    if (!ours.problem.empty()) {
      if (one_problem) refuse(ours.problem);
      problems.push_back(cat(ours.text(0), ": ", ours.problem));
    }
    for (int rank = 1; rank < place_.world_size; ++rank) {
      const auto& theirs = ranks_[index(rank)];
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
    if (!problems.empty()) refuse(cat("the ranks do not fit together:\n  ", join(problems, "\n  ")));
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

  [[noreturn]] void refuse(const std::string& problem) { end(ExitCode::kDistributed, problem); }

  /// Of all ranks that are here.
  [[noreturn]] void end(ExitCode code, const std::string& problem) {
    store_.put("verdict code", std::to_string(static_cast<int>(code)));
    store_.put("verdict", problem);
    // The others read it at a place that ends with this process.
    const auto start = Clock::now();
    // Where all are asked to stop, more may come yet.
    auto present = std::int64_t{place_.world_size} - 1;
    if (code != ExitCode::kStopped) present -= static_cast<std::int64_t>(missing_.size());
    while (store_.add("verdicts read", 0) < present && seconds_since(start) < 1) std::this_thread::sleep_for(kPoll);
    throw Error(code, problem);
  }

  const LaunchPlace& place_;
  StoreClient& store_;
  std::vector<Introduction> ranks_;
  std::vector<std::int64_t> turns_;  // by rank: which of those that say to be it is awaited
  std::set<int> missing_;
};

/// Rank r's side.
std::vector<Introduction> join_host(const LaunchPlace& place, StoreClient& store, const Introduction& self,
                                    double timeout) {
  const auto turn = store.add(cat("joins/", place.rank), 1);
  store.put(join_key(place.rank, turn), to_json(self).dump());
  const auto start = Clock::now();
  bool told = false;
  std::optional<std::string> problem;
  while (!(problem = store.look("verdict"))) {
    // Rank 0 tells all of them, and this one too.
    if (const auto signal = StopSignals::received(); !signal.empty() && !told) {
      store.put(kStopKey, cat(signal, " to rank ", place.rank));
      told = true;
    }
    // Rank 0 gives up first and says why.
    if (seconds_since(start) > timeout + kLastWord) {
      throw DistributedError(
          cat("no answer from rank 0 at ", place_text(place.store_host, place.store_port), " within ", timeout, " s"));
    }
    std::this_thread::sleep_for(kPoll);
  }
  if (!problem->empty()) {
    const auto code = std::stoi(store.text("verdict code"));
    store.add("verdicts read", 1);
    throw Error(static_cast<ExitCode>(code), *problem);
  }
  std::vector<Introduction> ranks;
  for (const auto& rank :
       JsonValue::parse(store.text("ranks"), {"rank 0's list", ExitCode::kDistributed}, kAllRanks).items()) {
    ranks.push_back(introduction_from(rank));
  }
  return ranks;
}

}  // namespace

JsonValue parse_message(const std::string& text, const std::string& what) {
  return JsonValue::parse(text, {what, ExitCode::kDistributed}, kMessage);
}

Rendezvous meet(const LaunchPlace& place, Introduction self, double timeout) {
  if (place.secret.empty()) throw std::logic_error("a launch of several ranks without a secret");
  Rendezvous out;
  const double patience = std::min(timeout, kMostPatience);
  const auto enter = [&](StoreConnection connection) {
    self.own_address = connection.own_end().host();
    self.store_address = connection.place().host();
    out.connection = c10::make_intrusive<StoreClient>(std::move(connection), place.secret, "", patience);
  };
  try {
    if (place.rank == 0) {
      auto open = open_place(place, timeout);
      out.server = std::move(open.server);
      enter(StoreConnection(open.at, place.secret, Clock::now() + std::chrono::seconds(60)));
      out.ranks = Host(place, *out.connection, self).wait(timeout);
    } else {
      enter(find_place(place, timeout));
      out.ranks = join_host(place, *out.connection, self, timeout);
    }
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    StopSignals::end_if_received(kBeforeRendezvous);  // rank 0 got it as well
    throw DistributedError(
        cat("lost the rendezvous at ", place_text(place.store_host, place.store_port), ": ", first_line(error.what())));
  }
  return out;
}

}  // namespace ingot::dist_detail
