#include "data/shards/block_pipeline.h"

#include <condition_variable>
#include <deque>
#include <exception>
#include <map>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>

#include "base/error.h"
#include "base/text.h"

namespace ingot {
namespace {

constexpr std::int64_t kBlocksPerWorker = 4;

struct Job {
  std::int64_t index = 0;
  TextBlock block;
  ReadPosition after;
  std::int64_t bytes_read = 0;
};

struct Result {
  EncodedBlock block;
  std::exception_ptr error;
};

class Pipeline {
 public:
  Pipeline(BlockReader& reader, std::int64_t workers) : reader_(reader), limit_(workers * kBlocksPerWorker) {}

  /// The body of a thread. What it cannot attach to a block, such as a lack of memory for its own notes, ends `write`.
  template <class F>
  void run(F body) noexcept {
    try {
      body();
    } catch (...) {
      const std::lock_guard lock(mutex_);
      broken_ = std::current_exception();
      changed_.notify_all();
    }
  }

  void read() {
    for (std::int64_t index = 0;; ++index) {
      Job job;
      job.index = index;
      Result failure;
      bool is_end = false;
      try {
        is_end = !reader_.next(job.block);
        job.after = reader_.position();
        job.bytes_read = reader_.bytes_read();
      } catch (...) {
        failure.error = std::current_exception();
      }
      std::unique_lock lock(mutex_);
      if (failure.error || is_end) {
        if (failure.error) results_.emplace(index, std::move(failure));
        blocks_ = index + (failure.error ? 1 : 0);
        is_read_ = true;
        changed_.notify_all();
        return;
      }
      changed_.wait(lock, [&] { return stop_ || index - written_ < limit_; });
      if (stop_) return;
      jobs_.push_back(std::move(job));
      changed_.notify_all();
    }
  }

  void work(TextEncoder& encoder, const std::function<void(const TextBlock&, TextEncoder&, EncodedBlock&)>& encode) {
    for (;;) {
      Job job;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return stop_ || is_read_ || !jobs_.empty(); });
        if (stop_ || jobs_.empty()) return;
        job = std::move(jobs_.front());
        jobs_.pop_front();
      }
      Result result;
      result.block.after = job.after;
      result.block.bytes_read = job.bytes_read;
      result.block.text_bytes = static_cast<std::int64_t>(job.block.bytes.size());
      try {
        encode(job.block, encoder, result.block);
      } catch (...) {
        result.error = std::current_exception();
      }
      const std::lock_guard lock(mutex_);
      results_.emplace(job.index, std::move(result));
      changed_.notify_all();
    }
  }

  void write(const std::function<void(EncodedBlock&)>& use) {
    for (;;) {
      Result result;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock,
                      [&] { return broken_ || results_.contains(written_) || (is_read_ && written_ == blocks_); });
        if (broken_) std::rethrow_exception(broken_);
        if (!results_.contains(written_)) return;
        result = std::move(results_.extract(written_).mapped());
      }
      if (result.error) std::rethrow_exception(result.error);
      use(result.block);
      const std::lock_guard lock(mutex_);
      ++written_;
      changed_.notify_all();
    }
  }

  void stop() {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    changed_.notify_all();
  }

 private:
  BlockReader& reader_;
  const std::int64_t limit_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  std::map<std::int64_t, Result> results_;
  std::exception_ptr broken_;
  std::int64_t written_ = 0;  // blocks that are through
  std::int64_t blocks_ = 0;   // in all, once is_read_
  bool is_read_ = false;
  bool stop_ = false;
};

[[noreturn]] void fail_memory(std::int64_t workers) {
  throw OutOfMemoryError(cat("out of memory while tokenising with ", workers, workers == 1 ? " thread" : " threads",
                             ": give it more (see ulimit -v and -u)",
                             workers == 1 ? "" : ", or fewer threads (--workers, data.workers)"));
}

}  // namespace

void run_block_pipeline(BlockReader& reader, std::int64_t workers,
                        const std::function<std::unique_ptr<TextEncoder>()>& make_encoder,
                        const std::function<void(const TextBlock&, TextEncoder&, EncodedBlock&)>& encode,
                        const std::function<void(EncodedBlock&)>& write) {
  Pipeline pipeline(reader, workers);
  std::vector<std::unique_ptr<TextEncoder>> encoders;
  std::vector<std::jthread> threads;
  // Stops and joins the threads on every way out.
  struct Stopper {
    Pipeline& pipeline;
    std::vector<std::jthread>& threads;
    ~Stopper() {
      pipeline.stop();
      threads.clear();
    }
  } const stopper{pipeline, threads};
  try {
    threads.emplace_back([&pipeline] { pipeline.run([&] { pipeline.read(); }); });
    for (std::int64_t i = 0; i < workers; ++i) {
      encoders.push_back(make_encoder());
      threads.emplace_back([&pipeline, &encode, encoder = encoders.back().get()] {
        pipeline.run([&] { pipeline.work(*encoder, encode); });
      });
    }
    pipeline.write(write);
  } catch (const std::bad_alloc&) {
    fail_memory(workers);
  } catch (const std::system_error& error) {
    // What a thread that cannot be started throws: its stack has no room, or the user has too many.
    if (error.code() != std::errc::resource_unavailable_try_again) throw;
    fail_memory(workers);
  }
}

}  // namespace ingot
