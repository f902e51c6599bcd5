#pragma once
// The committed states of a shard build.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/files.h"
#include "data/shards/megatron.h"
#include "data/text/block_reader.h"

namespace ingot {

struct BuildState {
  ReadPosition position;
  std::array<MegatronProgress, 2> splits;
  std::array<std::int64_t, 2> text_bytes = {0, 0};
  std::int64_t open_split = 0;       // of the document that goes on
  std::int64_t open_text_bytes = 0;  // of it, not counted above yet
  bool is_dropping = false;          // the document that goes on is bad: what was written of it is gone
  std::int64_t bad_records = 0;      // left out
  std::int64_t bytes_consumed = 0;   // of text, for progress
  bool is_finished = false;          // the files have their final form
};

class Journal {
 public:
  static constexpr const char* kFileName = "journal";
  /// Reads the last whole line of the folder's journal if it was made with `settings`; else starts a new one.
  Journal(const fs::path& folder, const std::string& settings);

  const std::optional<BuildState>& last() const { return last_; }
  /// Durable on return. The state's files must be on disk before.
  void commit(const BuildState& state);

 private:
  std::optional<BuildState> last_;
  std::unique_ptr<FileWriter> file_;
};

}  // namespace ingot
