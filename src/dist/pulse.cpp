#include "dist/pulse.h"

#include <chrono>
#include <nlohmann/json.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include "base/clock.h"
#include "base/text.h"
#include "dist/meeting.h"

namespace ingot::dist_detail {
namespace {

std::string key_of(int rank) { return cat("pulse/", rank); }

}  // namespace

std::string LastSeen::text() const {
  char age[32];
  std::snprintf(age, sizeof age, "%.1f", std::max(0.0, unix_seconds() - time));
  return cat("step ", step, ", ", phase, ", ", age, " s ago");
}

Pulse::Pulse(c10::intrusive_ptr<c10d::Store> store, int rank) : store_(std::move(store)), rank_(rank) {
  now_.phase = "start";
  thread_ = std::thread([this] { beat_until_closed(); });
}

Pulse::~Pulse() {
  {
    const std::scoped_lock lock(mutex_);
    closing_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void Pulse::set_phase(std::int64_t step, const char* phase) {
  const std::scoped_lock lock(mutex_);
  now_.step = step;
  now_.phase = phase;
}

void Pulse::beat_until_closed() {
  std::unique_lock lock(mutex_);
  while (!closing_) {
    ++now_.beat;
    now_.time = unix_seconds();
    const nlohmann::json text = {{"beat", now_.beat}, {"step", now_.step}, {"phase", now_.phase}, {"time", now_.time}};
    lock.unlock();
    try {
      set_text(*store_, key_of(rank_), text.dump());
    } catch (const std::exception&) {
      return;  // the store is gone: who uses it next will say so
    }
    lock.lock();
    wake_.wait_for(lock, std::chrono::duration<double>(kPulseSeconds), [this] { return closing_; });
  }
}

std::optional<LastSeen> last_seen(c10d::Store& store, int rank) {
  if (!has_key(store, key_of(rank))) return std::nullopt;
  const auto value = nlohmann::json::parse(get_text(store, key_of(rank)));
  return LastSeen{value.at("beat"), value.at("step"), value.at("phase"), value.at("time")};
}

}  // namespace ingot::dist_detail
