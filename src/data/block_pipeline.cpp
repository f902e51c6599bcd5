#include "data/block_pipeline.h"

#include <condition_variable>
#include <deque>
#include <exception>
#include <map>
#include <mutex>
#include <thread>

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
        changed_.wait(lock, [&] { return results_.contains(written_) || (is_read_ && written_ == blocks_); });
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
  std::int64_t written_ = 0;  // blocks that are through
  std::int64_t blocks_ = 0;   // in all, once is_read_
  bool is_read_ = false;
  bool stop_ = false;
};

}  // namespace

void run_block_pipeline(BlockReader& reader, std::int64_t workers,
                        const std::function<std::unique_ptr<TextEncoder>()>& make_encoder,
                        const std::function<void(const TextBlock&, TextEncoder&, EncodedBlock&)>& encode,
                        const std::function<void(EncodedBlock&)>& write) {
  std::vector<std::unique_ptr<TextEncoder>> encoders;
  for (std::int64_t i = 0; i < workers; ++i) encoders.push_back(make_encoder());
  Pipeline pipeline(reader, workers);
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
  threads.emplace_back([&pipeline] { pipeline.read(); });
  for (const auto& encoder : encoders) {
    threads.emplace_back([&pipeline, &encoder, &encode] { pipeline.work(*encoder, encode); });
  }
  pipeline.write(write);
}

}  // namespace ingot
