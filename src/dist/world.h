#pragma once
// The ranks that train together, and what they do in common. A world of one process does all of it at once, without any
// network, so that nobody has to ask.
//
// Two planes: small agreements between hosts (through the store and a Gloo group of their own), and tensors (Gloo on
// CPUs, NCCL on GPUs).
// A peer that fails makes every call here throw DistributedError that says which rank was last seen where.

#include <ATen/core/Tensor.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "dist/launch.h"

namespace ingot {

namespace dist_detail {
class Group;
}

struct WorldOptions {
  double timeout = 600;  // seconds: of the rendezvous, of a collective, of a silent peer
};

/// What another rank is: for the record of the attempt.
struct RankPlace {
  std::string host;
  std::int64_t pid = 0;
};

class World {
 public:
  /// One process.
  World();
  /// Meets the others. Values of `must_agree` (name, value) have to be equal on all ranks, else every rank gets a
  /// DistributedError that names rank and values.
  World(const LaunchPlace& place, const std::vector<std::pair<std::string, std::string>>& must_agree,
        const WorldOptions& options);
  /// Meets the others only to say why this rank cannot take part. Throws what they all get.
  [[noreturn]] static void decline(const LaunchPlace& place, const std::string& problem, const WorldOptions& options);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  int rank() const { return place_.rank; }
  int size() const { return place_.world_size; }
  bool is_first() const { return place_.rank == 0; }
  const LaunchPlace& place() const { return place_; }
  const std::vector<RankPlace>& ranks() const { return ranks_; }

  /// Where this rank is, for messages about hang-ups. `phase` is a literal.
  void set_phase(std::int64_t step, const char* phase);

  /// Which signal asked which rank to stop, as this rank has heard, sooner or later than others: "SIGTERM to rank 3";
  /// "" so far. For ending work early; what is done about it is agreed upon elsewhere.
  std::string stop_request() const;

  // -- Agreements. Each is called by all ranks in the same order, from one thread.

  /// Everyone's values, by rank. All give the same count.
  std::vector<std::vector<double>> all_gather(const std::vector<double>& values);
  /// Adds up a flat fp64 tensor over the ranks, in place. Exact where each element is zero on all ranks but one; else
  /// the order of additions is not defined.
  void sum(at::Tensor& values);
  /// Rank 0's text. Patient: waits as long as all ranks show signs of life, however long rank 0's work takes.
  std::string broadcast(const std::string& text);
  /// Everyone's texts, by rank; patient.
  std::vector<std::string> all_gather_text(const std::string& text);
  /// Returns when all have come; patient.
  void wait_for_all();

  /// From now on tensors may lie on this process's GPU, each rank having one of its own. Called by all ranks.
  void connect_gpus();

  // -- Tensors on the CPU, or on the GPU in the current stream: contiguous. From one thread at a time. Where they
  // return, the work is done.

  /// Rank 0's values, in place.
  void broadcast(at::Tensor tensor);
  /// The sum of all ranks' values, in place, the same bits on all ranks; the order of additions is not defined.
  void all_reduce(at::Tensor tensor);
  /// Sends `send_counts[r]` elements of the flat `send` to rank r, in rank order, and gets `receive_counts[r]` from it.
  void exchange(const at::Tensor& send, const std::vector<std::int64_t>& send_counts, at::Tensor& receive,
                const std::vector<std::int64_t>& receive_counts);

  /// Texts between the ranks for one background thread, beside the agreements of the main one.
  class Line {
   public:
    /// Each key is put once.
    void put(const std::string& key, const std::string& text);
    /// Patient: waits as long as all ranks show signs of life. Throws DistributedError.
    std::string take(const std::string& key);
    /// From another thread: `take` gives up after a few seconds.
    void hang_up() { hung_up_ = true; }

   private:
    friend class World;
    Line(dist_detail::Group& group, std::string name) : group_(group), name_(std::move(name)) {}
    dist_detail::Group& group_;
    std::string name_;
    std::atomic<bool> hung_up_ = false;
  };
  /// In a world of more than one; it outlives the line. All ranks use the same name.
  std::unique_ptr<Line> open_line(const std::string& name);

  /// Tells the others why this rank ends, before it does; they end with the same code.
  enum class Report { kFirst, kRepeated, kUnheard };  // kUnheard: the rendezvous is gone
  Report report_failure(const Error& error);
  /// The orderly end, for all ranks: nobody takes the store away from under the others.
  void leave();

 private:
  LaunchPlace place_;
  std::vector<RankPlace> ranks_;
  std::unique_ptr<dist_detail::Group> group_;  // null in a world of one
};

}  // namespace ingot
