#include "data/sampling/prefetch.h"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>

namespace ingot {

struct Prefetcher::State {
  std::function<std::optional<Batch>()> make;
  std::size_t depth;
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Batch> ready;
  std::exception_ptr error;
  bool is_done = false;  // nothing follows `ready` but the error, if there is one
  bool stop = false;
  double waited = 0;
  std::thread thread;

  void run() {
    for (;;) {
      {
        std::unique_lock lock(mutex);
        changed.wait(lock, [this] { return stop || ready.size() < depth; });
        if (stop) return;
      }
      std::optional<Batch> batch;
      std::exception_ptr failure;
      try {
        batch = make();
      } catch (...) {
        failure = std::current_exception();
      }
      const std::lock_guard lock(mutex);
      if (batch) ready.push_back(std::move(*batch));
      error = failure;
      is_done = !batch;
      changed.notify_all();
      if (is_done) return;
    }
  }
};

Prefetcher::Prefetcher(std::function<std::optional<Batch>()> make, std::size_t depth)
    : state_(std::make_unique<State>()) {
  state_->make = std::move(make);
  state_->depth = depth > 0 ? depth : 1;
  state_->thread = std::thread([state = state_.get()] { state->run(); });
}

Prefetcher::~Prefetcher() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stop = true;
    state_->changed.notify_all();
  }
  state_->thread.join();
}

std::optional<Batch> Prefetcher::next() {
  const auto began = std::chrono::steady_clock::now();
  std::unique_lock lock(state_->mutex);
  state_->changed.wait(lock, [this] { return !state_->ready.empty() || state_->is_done; });
  state_->waited += std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  if (state_->ready.empty()) {
    if (state_->error) std::rethrow_exception(state_->error);
    return std::nullopt;
  }
  Batch batch = std::move(state_->ready.front());
  state_->ready.pop_front();
  state_->changed.notify_all();
  return batch;
}

double Prefetcher::seconds_waited() const {
  const std::lock_guard lock(state_->mutex);
  return state_->waited;
}

}  // namespace ingot
