#include "dist/heartbeat.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/stop_signals.h"
#include "base/text.h"
#include "dist/rendezvous.h"

namespace ingot::dist_detail {
namespace {

// Of the heartbeats' client, and as the others see it.
std::string key_of(int rank) { return cat("heartbeat/", rank); }
constexpr const char* kStopKey = "stop";

std::string to_text(const LastSeen& seen) {
  return nlohmann::json{{"beat", seen.beat}, {"step", seen.step}, {"phase", seen.phase}, {"time", seen.time}}.dump();
}

std::optional<LastSeen> from_text(const std::optional<std::string>& text) {
  if (!text) return std::nullopt;
  const auto value = parse_message(*text, "a rank's sign of life");
  return LastSeen{value.at("beat").whole(), value.at("step").whole(), value.at("phase").text(),
                  value.at("time").number()};
}

}  // namespace

std::string LastSeen::text() const {
  char age[32];
  std::snprintf(age, sizeof age, "%.1f", std::max(0.0, unix_seconds() - time));
  return cat("step ", step, ", ", phase, ", ", age, " s ago");
}

Heartbeat::Heartbeat(c10::intrusive_ptr<StoreClient> store, int rank) : store_(std::move(store)), rank_(rank) {
  now_.phase = "start";
  thread_ = std::thread([this] { beat_until_closed(); });
}

Heartbeat::~Heartbeat() {
  {
    const std::scoped_lock lock(mutex_);
    closing_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void Heartbeat::set_phase(std::int64_t step, const char* phase) {
  const std::scoped_lock lock(mutex_);
  now_.step = step;
  now_.phase = phase;
}

std::optional<LastSeen> Heartbeat::first_rank() const {
  const std::scoped_lock lock(mutex_);
  return first_rank_;
}

double Heartbeat::silence() const {
  const std::scoped_lock lock(mutex_);
  return seconds_since(answered_);
}

std::string Heartbeat::stop_request() const {
  const std::scoped_lock lock(mutex_);
  return stop_request_;
}

void Heartbeat::beat_until_closed() {
  std::unique_lock lock(mutex_);
  while (!closing_) {
    ++now_.beat;
    now_.time = unix_seconds();
    const auto now = now_;
    lock.unlock();
    try {
      beat(now);
    } catch (const std::exception&) {
      return;  // the rendezvous is gone: who uses it next will say so
    }
    lock.lock();
    wake_.wait_for(lock, std::chrono::duration<double>(kHeartbeatSeconds), [this] { return closing_; });
  }
}

void Heartbeat::beat(const LastSeen& now) {
  store_->put(key_of(rank_), to_text(now));
  const auto heard = store_->look({key_of(0), kStopKey});
  auto stop = heard[1].value_or("");
  if (const auto signal = StopSignals::received(); stop.empty() && !signal.empty()) {
    stop = cat(signal, rank_ == 0 ? "" : cat(" to rank ", rank_));
    store_->put(kStopKey, stop);
  }
  const std::scoped_lock lock(mutex_);
  first_rank_ = from_text(heard[0]);
  answered_ = Clock::now();
  stop_request_ = stop;
}

std::vector<std::optional<LastSeen>> last_seen(StoreClient& store, int world_size) {
  std::vector<std::string> keys;
  for (int rank = 0; rank < world_size; ++rank) keys.push_back(key_of(rank));
  std::vector<std::optional<LastSeen>> out;
  for (const auto& text : store.look(keys)) out.push_back(from_text(text));
  return out;
}

}  // namespace ingot::dist_detail
