#include <algorithm>
#include <system_error>

#include "base/error.h"
#include "base/own_folder.h"
#include "base/staged.h"
#include "base/text.h"
#include "data/data_module.h"
#include "data/module_parts.h"
#include "data/shards/checksum.h"
#include "data/shards/file_lock.h"
#include "data/shards/prepare.h"

namespace ingot {
namespace {

class Assembler {
 public:
  Assembler(const DataConfig& config, Preparer& preparer, const PrepareOptions& options)
      : config_(config), preparer_(preparer), options_(options), parts_(std::make_shared<DataModule::Parts>()) {}

  std::shared_ptr<const DataModule::Parts> assemble(const fs::path& cache) {
    parts_->tokenizer = preparer_.tokenizer();
    require_expected("tokenizer is", &ExpectedData::tokenizer, parts_->tokenizer->hash());
    parts_->seq_len = config_.seq_len;
    token_bytes_ = std::make_shared<const std::vector<std::int32_t>>(token_bytes(*parts_->tokenizer));
    parts_->folder = cache;
    identity_.field(parts_->tokenizer->hash());
    add_sources();
    add_validation();
    parts_->identity = identity_.digest();
    require_expected("training data is", &ExpectedData::identity, parts_->identity);
    parts_->folders = preparer_.folders();
    return parts_;
  }

 private:
  void require_expected(const char* what, std::string ExpectedData::*part, const std::string& found) const {
    if (!options_.expected || (*options_.expected).*part == found) return;
    throw OtherDataError(cat("the ", what, " not what ", options_.expected->whose, " was trained on (",
                             (*options_.expected).*part, ", now ", found,
                             "); bring the old one back or choose another run.name"));
  }

  void add_sources() {
    std::vector<SampleSource> order;
    if (config_.train.sources.empty()) {
      order.push_back(add_source("train", config_.train, std::nullopt));
    }
    for (const SourceConfig& source : config_.train.sources) {
      order.push_back(add_source(source.name, source.resolved(config_.train), source.weight));
    }
    parts_->order = std::make_unique<SampleOrder>(std::move(order), options_.seed);
  }

  SampleSource add_source(const std::string& name, const CorpusConfig& corpus, std::optional<double> weight) {
    const double fraction = config_.validation.fraction.value_or(0);
    Preparer::Opened opened = preparer_.open(name, corpus, fraction);
    Windows windows = windows_of(opened.train);
    if (windows.full() < 1) {
      throw DataError(cat("data.train: '", name, "' has ", windows.stream().tokens(), " tokens, expected at least ",
                          windows.fewest_tokens(), " for a row of seq_len (", parts_->seq_len, ")"));
    }
    const std::int64_t count = windows.full();
    identity_.field(name);
    identity_.field(weight ? format_double(*weight) : "");
    identity_.field(opened.train.identity);
    parts_->sources.push_back({name, std::move(windows), opened.train.text_bytes});
    if (fraction > 0) {
      // A mixture holds out a part of each source, scored on its own.
      add_set(config_.train.sources.empty() ? "validation" : name, opened.held_out);
    }
    return {name, count, weight.value_or(static_cast<double>(count))};
  }

  void add_validation() {
    const CorpusConfig& defaults = config_.train;
    if (!config_.validation.paths.empty()) {
      CorpusConfig corpus = defaults;
      corpus.paths = config_.validation.paths;
      add_set("validation", preparer_.open_held_out("validation", corpus));
    }
    for (const auto& [name, set] : config_.validation.sets) {
      add_set(name, preparer_.open_held_out("validation-" + name, set.resolved(defaults)));
    }
  }

  void add_set(const std::string& name, const OpenedData& data) {
    parts_->validation_sets.emplace_back(name, windows_of(data), token_bytes_, data.text_bytes);
  }

  Windows windows_of(const OpenedData& data) const {
    return {data.stream, parts_->seq_len, config_.reset_at_document, *parts_->tokenizer};
  }

  const DataConfig& config_;
  Preparer& preparer_;
  const PrepareOptions& options_;
  std::shared_ptr<DataModule::Parts> parts_;
  std::shared_ptr<const std::vector<std::int32_t>> token_bytes_;
  StreamHash identity_;
};

/// What killed builds left beside their files. Precondition: the cache is locked.
void remove_abandoned(const fs::path& cache) {
  std::error_code failure;
  for (const auto& entry : fs::directory_iterator(cache, failure)) {
    if (entry.is_directory()) remove_abandoned_files(entry.path(), is_side_file);
  }
}

}  // namespace

DataModule prepare_data(const DataConfig& config, const Family<TokenizerEntry>& tokenizers,
                        const PrepareOptions& options) {
  const fs::path cache =
      fs::absolute(config.cache.is_auto() ? options.run_dir / "data" : fs::path(config.cache.value()));
  const auto attempt = [&](bool may_build) {
    Preparer preparer(config, tokenizers, cache, options, may_build);
    return Assembler(config, preparer, options).assemble(cache);
  };
  std::shared_ptr<const DataModule::Parts> parts;
  try {
    parts = attempt(false);
  } catch (const NotPreparedError&) {
    if (!options.may_build) throw;
    const FolderClaim claim(cache, FolderKind::kCache, "data.cache");
    const FolderLock lock(cache, FolderLock::IfTaken::kWait, ".lock", [&options] {
      if (options.progress) options.progress({"waiting for another process that prepares the data", 0, 0, 0, 0});
    });
    remove_abandoned(cache);
    parts = attempt(true);
  }
  if (options.may_build && !options.run_dir.empty()) write_run_tokenizer(options.run_dir, *parts->tokenizer);
  return DataModule(std::move(parts));
}

bool data_is_there(const DataConfig& config) {
  const auto names_something = [](const std::string& path) {
    try {
      return !find_files({path}).empty();
    } catch (const DataError&) {
      return false;
    }
  };
  const auto all = [&](const std::vector<std::string>& paths) {
    return std::all_of(paths.begin(), paths.end(), names_something);
  };
  bool is_there = all(config.train.paths) && all(config.validation.paths);
  for (const SourceConfig& source : config.train.sources) is_there = is_there && all(source.paths);
  for (const auto& [name, set] : config.validation.sets) is_there = is_there && all(set.paths);
  return is_there;
}

fs::path run_tokenizer_path(const fs::path& run_dir) { return run_dir / "tokenizer.model"; }

void write_run_tokenizer(const fs::path& run_dir, const Tokenizer& tokenizer) {
  std::error_code failure;
  fs::create_directories(run_dir, failure);
  const fs::path file = run_tokenizer_path(run_dir);
  const std::string bytes = tokenizer.serialize();
  if (!fs::exists(file) || read_file(file, ExitCode::kData) != bytes) write_file_atomic(file, bytes, ExitCode::kData);
}

std::shared_ptr<const Tokenizer> open_run_tokenizer(const Family<TokenizerEntry>& tokenizers, const fs::path& run_dir) {
  const fs::path file = run_tokenizer_path(run_dir);
  if (!fs::exists(file)) throw DataError("no " + file.string() + ", expected the tokenizer of a run");
  return load_tokenizer(tokenizers, read_file(file, ExitCode::kData), file.string());
}

}  // namespace ingot
