#pragma once
// What `ingot data show` and `ingot data verify` print.

#include <cstdint>
#include <string>
#include <vector>

#include "data/data_module.h"

namespace ingot {

struct ShownRow {
  std::int64_t sample = 0;
  SampleOrigin origin;
  struct Document {
    std::int64_t first = 0;  // position in the row
    std::int64_t tokens = 0;
    std::int64_t targets = 0;
    std::string text;  // decoded; "" if the tokenizer has no text
    std::vector<TokenId> ids;
  };
  std::vector<Document> documents;
};

/// The rows of samples first..first+count-1, decoded, document by document.
std::vector<ShownRow> show_samples(const DataModule& data, std::int64_t first, std::int64_t count);
/// The same as text for a terminal.
std::string format_rows(const std::vector<ShownRow>& rows);

struct VerifyReport {
  std::int64_t files = 0;
  std::int64_t bytes = 0;
  std::int64_t tokens = 0;
  std::int64_t documents = 0;
  std::vector<std::string> problems;  // each names file, offset and what was expected
  double seconds = 0;
};

/// Reads every byte of a prepared folder (with manifest.json): checksums, headers, counts, token
/// range, document bounds. Goes on after a problem. Throws DataError only if there is nothing to
/// verify.
VerifyReport verify_data(const fs::path& folder, const ProgressCallback& progress = {});

}  // namespace ingot
