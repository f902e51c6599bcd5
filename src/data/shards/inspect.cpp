#include "data/shards/inspect.h"

#include <algorithm>
#include <chrono>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "data/progress_meter.h"
#include "data/shards/manifest.h"

namespace ingot {
namespace {

/// The manifests in a folder and in the folders in it, with their names.
std::vector<std::pair<fs::path, std::string>> find_manifests(const fs::path& folder) {
  std::vector<std::pair<fs::path, std::string>> found;
  const auto look = [&found](const fs::path& place) {
    if (fs::exists(place / Manifest::kFileName)) return found.emplace_back(place, Manifest::kFileName), void();
    for (const auto& entry : fs::directory_iterator(place)) {
      const std::string name = entry.path().filename().string();
      if (glob_match("part-*-of-*.json", name)) found.emplace_back(place, name);
    }
  };
  look(folder);
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_directory()) look(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

class Verifier {
 public:
  Verifier(VerifyReport& report, ProgressMeter& meter) : report_(report), meter_(meter) {}

  void verify(const fs::path& folder, const std::string& name) {
    Manifest manifest;
    try {
      manifest = Manifest::load(folder, name);
    } catch (const Error& error) {
      report_.problems.push_back(error.what());
      return;
    }
    check_tokenizer(manifest, folder);
    for (const auto& [split, record] : manifest.splits) {
      for (const ShardRecord& shard : record.shards) check_shard(shard, manifest, folder);
    }
  }

 private:
  void check_tokenizer(const Manifest& manifest, const fs::path& folder) {
    const fs::path file = folder / "tokenizer.model";
    if (!fs::exists(file)) return;  // shards made elsewhere
    ++report_.files;
    if (hash_file(file) != manifest.tokenizer_hash) {
      report_.problems.push_back(file.string() + " has changed since it was made (its hash differs)");
    }
  }

  void check_file(const FileRecord& record, const fs::path& folder) {
    ++report_.files;
    const std::string problem = verify_file(record, folder, [this](std::int64_t bytes) {
      report_.bytes += bytes;
      meter_.add(bytes);
    });
    if (!problem.empty()) report_.problems.push_back(problem);
  }

  void check_shard(const ShardRecord& shard, const Manifest& manifest, const fs::path& folder) {
    const std::size_t before = report_.problems.size();
    check_file(shard.ids, folder);
    if (shard.index) check_file(*shard.index, folder);
    try {
      // Reads all ids and the index anew: finds what was wrong before checksums were taken.
      const fs::path path = shard.ids.path.is_absolute() ? shard.ids.path : folder / shard.ids.path;
      const ShardRecord now = scan_shard(path, shard.kind, manifest.vocab_size, std::nullopt);
      report_.tokens += now.tokens;
      report_.documents += shard.documents;
      if (now.tokens != shard.tokens) {
        report_.problems.push_back(cat(path.string(), " has ", now.tokens, " tokens, expected ", shard.tokens));
      }
      if (shard.kind == ShardKind::kMegatron && now.documents != shard.documents) {
        report_.problems.push_back(
            cat(path.string(), " has ", now.documents, " documents, expected ", shard.documents));
      }
    } catch (const Error& error) {
      // A changed file was named already.
      if (report_.problems.size() == before) report_.problems.push_back(error.what());
    }
  }

  VerifyReport& report_;
  ProgressMeter& meter_;
};

}  // namespace

std::vector<ShownRow> show_samples(const DataModule& data, std::int64_t first, std::int64_t count) {
  const Batch batch = data.make_batch(first, count);
  std::vector<ShownRow> rows;
  for (std::int64_t r = 0; r < batch.rows; ++r) {
    ShownRow row;
    row.sample = first + r;
    row.origin = data.origin(row.sample);
    for (std::int64_t i = 0; i < batch.seq_len; ++i) {
      const auto at = static_cast<std::size_t>(r * batch.seq_len + i);
      if (i == 0 || batch.documents[at] != batch.documents[at - 1]) {
        row.documents.emplace_back();
        row.documents.back().first = i;
      }
      ShownRow::Document& document = row.documents.back();
      ++document.tokens;
      document.targets += batch.targets[at] >= 0;
      document.ids.push_back(batch.tokens[at]);
    }
    if (data.tokenizer().has_text()) {
      for (ShownRow::Document& document : row.documents) document.text = data.tokenizer().decode(document.ids);
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

std::string format_rows(const std::vector<ShownRow>& rows) {
  std::string text;
  for (const ShownRow& row : rows) {
    text += cat("sample ", row.sample, ": ", row.origin.source, ", epoch ", row.origin.epoch, ", tokens ",
                row.origin.first_token, "..\n");
    for (std::size_t i = 0; i < row.documents.size(); ++i) {
      const ShownRow::Document& document = row.documents[i];
      text += cat("  document ", i, ": positions ", document.first, "..", document.first + document.tokens - 1, ", ",
                  document.targets, " targets\n");
      std::string shown = document.text;
      if (shown.empty()) {
        for (const TokenId id : document.ids) shown += cat(id, " ");
      }
      for (const std::string& line : split(shown, '\n')) text += "    " + line + "\n";
    }
  }
  return text;
}

VerifyReport verify_data(const fs::path& folder, const ProgressCallback& progress) {
  if (!fs::is_directory(folder)) throw DataError("there is no folder '" + folder.string() + "'");
  const auto manifests = find_manifests(folder);
  if (manifests.empty()) {
    throw DataError("'" + folder.string() + "' holds no prepared data, expected " + Manifest::kFileName);
  }
  const auto began = std::chrono::steady_clock::now();
  VerifyReport report;
  ProgressMeter meter(progress, "verifying", 0);
  Verifier verifier(report, meter);
  for (const auto& [place, name] : manifests) verifier.verify(place, name);
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  return report;
}

}  // namespace ingot
