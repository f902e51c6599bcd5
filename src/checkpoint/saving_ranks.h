#pragma once
// A save in which every rank writes what it owns, into files of its own in one folder that all of them see. Rank 0
// leads: it makes the folder, hears of all files, vouches for them in the manifest and commits. Nobody takes a save for
// done before.

#include <map>
#include <memory>
#include <string>

#include "checkpoint/digest.h"
#include "dist/world.h"

namespace ingot {

class SavingRanks {
 public:
  using Files = std::map<std::string, FileDigest>;

  /// For one thread at a time beside the world's own. The world outlives this.
  explicit SavingRanks(World& world);

  int rank() const { return world_.rank(); }
  bool leads() const { return world_.is_first(); }
  /// Before each save, on all ranks.
  void next();

  // -- Rank 0.
  /// Where the others write; "" if there is nothing to do.
  void announce(const std::string& folder);
  /// What the others wrote. Throws CheckpointError naming a rank that could not.
  Files gather();
  /// The end, well ("") or not. Afterwards nobody writes into the folder.
  void conclude(const std::string& problem);

  // -- The others.
  /// Waits for `announce`. Throws CheckpointError if rank 0 cannot save.
  std::string folder();
  void report(const Files& files, const std::string& problem);
  /// Waits for `conclude`. Throws CheckpointError with rank 0's reason.
  void wait_for_end();

  /// From another thread: a wait ends soon, with DistributedError.
  void hang_up();

 private:
  enum class Stage { kBegun, kAnnounced, kGathered };
  std::string key(const std::string& what) const;

  World& world_;
  std::unique_ptr<World::Line> line_;
  std::int64_t save_ = 0;
  Stage stage_ = Stage::kBegun;
};

}  // namespace ingot
