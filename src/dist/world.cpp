#include "dist/world.h"

#include <ATen/ops/empty.h>
#include <c10/util/Logging.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "base/error.h"
#include "base/stop_signals.h"
#include "base/text.h"
#include "dist/group.h"

namespace ingot {

using namespace dist_detail;

World::World() = default;

World::World(const LaunchPlace& place, const std::vector<std::pair<std::string, std::string>>& must_agree,
             const WorldOptions& options)
    : place_(place) {
  if (!place.distributed()) return;
  // c10d logs every lost connection with a stack trace, as an error at times; what matters is in our own messages.
  ::setenv("TORCH_CPP_LOG_LEVEL", "FATAL", /*overwrite=*/0);
  c10::initLogging();
  group_ = std::make_unique<Group>(place, must_agree, options);
  for (const auto& rank : group_->rendezvous.ranks) ranks_.push_back({rank.host, rank.pid});
}

void World::decline(const LaunchPlace& place, const std::string& problem, const WorldOptions& options) {
  auto self = introduce(place, {});
  self.problem = problem;
  meet(place, self, options.timeout);
  throw DistributedError(problem);
}

World::~World() = default;

std::string World::stop_request() const { return group_ ? group_->heartbeat->stop_request() : StopSignals::received(); }

void World::set_phase(std::int64_t step, const char* phase) {
  if (group_) group_->heartbeat->set_phase(step, phase);
}

std::vector<std::vector<double>> World::all_gather(const std::vector<double>& values) {
  if (!group_) return {values};
  const auto count = static_cast<std::int64_t>(values.size());
  auto mine = at::empty({count}, at::kDouble), all = at::empty({size() * count}, at::kDouble);
  std::copy(values.begin(), values.end(), mine.mutable_data_ptr<double>());
  group_->attempt("agreeing", [&] { group_->control->_allgather_base(all, mine)->wait(); });
  std::vector<std::vector<double>> out;
  const auto* data = all.const_data_ptr<double>();
  for (int rank = 0; rank < size(); ++rank) out.emplace_back(data + rank * count, data + (rank + 1) * count);
  return out;
}

void World::sum(at::Tensor& values) {
  if (!group_ || values.numel() == 0) return;
  std::vector<at::Tensor> tensors{values};
  group_->attempt("agreeing", [&] { group_->control->allreduce(tensors)->wait(); });
}

std::string World::broadcast(const std::string& text) {
  if (!group_) return text;
  auto& store = *group_->store;
  const auto key = cat("text/", group_->next_text++);
  if (is_first()) {
    group_->attempt("broadcasting", [&] { store.put(key, text); });
    return text;
  }
  group_->wait_patiently({key});
  return group_->attempt("broadcasting", [&] { return store.text(key); });
}

std::vector<std::string> World::all_gather_text(const std::string& text) {
  if (!group_) return {text};
  auto& store = *group_->store;
  const auto base = cat("text/", group_->next_text++, "/");
  group_->attempt("gathering", [&] { store.put(base + std::to_string(rank()), text); });
  std::vector<std::string> keys, out;
  for (int rank = 0; rank < size(); ++rank) keys.push_back(base + std::to_string(rank));
  group_->wait_patiently(keys);
  for (auto& text_of_rank : group_->attempt("gathering", [&] { return store.look(keys); })) {
    out.push_back(std::move(text_of_rank).value());
  }
  return out;
}

void World::wait_for_all() { all_gather_text(""); }

void World::connect_gpus() {
  if (group_) group_->connect_gpus();
}

void World::broadcast(at::Tensor tensor) {
  if (!group_ || tensor.numel() == 0) return;
  const auto device = tensor.device();
  std::vector<at::Tensor> tensors{std::move(tensor)};
  group_->attempt("sending weights", [&] { group_->complete(group_->carrier(device).broadcast(tensors), device); });
}

void World::all_reduce(at::Tensor tensor) {
  if (!group_ || tensor.numel() == 0) return;
  const auto device = tensor.device();
  std::vector<at::Tensor> tensors{std::move(tensor)};
  group_->attempt("adding up gradients", [&] { group_->complete(group_->carrier(device).allreduce(tensors), device); });
}

void World::exchange(const at::Tensor& send, const std::vector<std::int64_t>& send_counts, at::Tensor& receive,
                     const std::vector<std::int64_t>& receive_counts) {
  auto from = send;
  if (!group_) {
    receive.copy_(from);
    return;
  }
  auto counts_in = send_counts, counts_out = receive_counts;
  const auto device = send.device();
  group_->attempt("adding up gradients", [&] {
    group_->complete(group_->carrier(device).alltoall_base(receive, from, counts_out, counts_in), device);
  });
}

std::unique_ptr<World::Line> World::open_line(const std::string& name) {
  if (!group_) throw std::logic_error("a world of one has no lines");
  return std::unique_ptr<Line>(new Line(*group_, cat("line/", name, "/")));
}

void World::Line::put(const std::string& key, const std::string& text) {
  group_.attempt("telling", [&] { group_.store->put(name_ + key, text); });
}

std::string World::Line::take(const std::string& key) {
  group_.wait_patiently({name_ + key}, &hung_up_);
  return group_.attempt("hearing", [&] { return group_.store->text(name_ + key); });
}

World::Report World::report_failure(const Error& error) {
  if (!group_) return Report::kFirst;
  if (group_->store_lost) return Report::kUnheard;
  try {
    auto& store = *group_->store;
    const bool is_first_to = store.add("failures", 1) == 1;
    if (is_first_to) {
      // What one rank says of others, or of all, needs no name before it.
      const bool of_others = error.code() == ExitCode::kDistributed || error.code() == ExitCode::kStopped || is_first();
      const auto text = of_others ? std::string(error.what()) : cat(group_->name_of(rank()), ": ", error.what());
      store.put("failure", nlohmann::json{{"code", static_cast<int>(error.code())}, {"text", text}}.dump());
    }
    if (is_first()) {
      group_->linger();
    } else {
      store.add("left", 1);
    }
    return is_first_to ? Report::kFirst : Report::kRepeated;
  } catch (const std::exception&) {
    return Report::kUnheard;
  }
}

void World::leave() {
  if (!group_) return;
  wait_for_all();
  group_->left = true;
  try {
    if (is_first()) {
      group_->linger();
    } else {
      group_->store->add("left", 1);
    }
  } catch (const std::exception&) {
    // All have done their work.
  }
}

}  // namespace ingot
