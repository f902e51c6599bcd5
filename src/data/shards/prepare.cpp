#include "data/shards/prepare.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "data/shards/checksum.h"
#include "data/shards/path_json.h"
#include "data/shards/settings_json.h"
#include "data/shards/shard_builder.h"

namespace ingot {
namespace {

using nlohmann::json;

bool is_prepared(const fs::path& folder) { return fs::exists(folder / Manifest::kFileName); }

/// A folder's name from a name of the config and the hash of what was asked for.
std::string folder_name(std::string name, const std::string& settings) {
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '-' && c != '_') c = '_';
  }
  return name + "-" + hash64(settings);
}

/// The files that are there of those that corpora name.
std::vector<SourceFile> files_left(const std::vector<CorpusConfig>& corpora) {
  std::vector<SourceFile> files;
  for (const CorpusConfig& corpus : corpora) {
    for (const std::string& path : corpus.paths) {
      try {
        for (SourceFile& file : find_files({path})) files.push_back(std::move(file));
      } catch (const DataError&) {
        // Nothing there, or nothing that can be read: as good as gone.
      }
    }
  }
  return files;
}

std::vector<SourceFile> files_of(const Corpus& corpus) {
  std::vector<SourceFile> files;
  for (const Segment& segment : corpus.segments) files.push_back(segment.file);
  return files;
}

}  // namespace

Preparer::Preparer(const DataConfig& config, const Family<TokenizerEntry>& tokenizers, fs::path cache,
                   const PrepareOptions& options, bool may_build)
    : config_(config), tokenizers_(tokenizers), cache_(std::move(cache)), options_(options), may_build_(may_build) {}

void Preparer::require_building(const std::string& what) const {
  if (!may_build_) throw NotPreparedError(what + " is not prepared in '" + cache_.string() + "'");
}

std::vector<CorpusConfig> Preparer::train_corpora() const {
  const CorpusConfig& train = config_.train;
  if (config_.train.sources.empty()) return {train};
  std::vector<CorpusConfig> corpora;
  for (const SourceConfig& source : config_.train.sources) corpora.push_back(source.resolved(train));
  return corpora;
}

void Preparer::require_unchanged(PlacedManifest& placed, const std::vector<CorpusConfig>& corpora) const {
  if (options_.text == TextUse::kIgnore) return;
  const std::string remedy = "runs that used it cannot go on with another text; for new runs remove '" +
                             placed.folder.string() + "' or set data.cache";
  std::vector<SourceRecord>& recorded = placed.manifest.sources;
  for (const SourceFile& file : files_left(corpora)) {
    const bool is_known = std::any_of(recorded.begin(), recorded.end(),
                                      [&file](const SourceRecord& r) { return r.file.path == file.path; });
    if (!is_known) throw DataError(file.path.string() + " is new since the text was tokenised: " + remedy);
  }
  std::vector<fs::path> gone;
  const bool is_updated = check_sources(recorded, remedy, &gone);
  if (!gone.empty()) {
    const std::string more = gone.size() > 1 ? cat(" and ", gone.size() - 1, " other files") : "";
    const std::string message = cat("the text ", gone.front().string(), more, gone.size() > 1 ? " are" : " is",
                                    " gone: going on with the tokens that were made from it");
    log::warning_once(message, message);
  }
  if (is_updated) {
    try {
      placed.manifest.save(placed.folder);
    } catch (const Error& error) {
      log::warning(cat("cannot note the new times of files: ", error.what()));
    }
  }
}

/// One that needs no text. A run that exists has its own copy, which does where the file is gone.
std::shared_ptr<const Tokenizer> Preparer::given_tokenizer() const {
  const bool has_own =
      (options_.expected || options_.text == TextUse::kIgnore) && fs::exists(run_tokenizer_path(options_.run_dir));
  if (has_own && options_.text == TextUse::kIgnore) return open_run_tokenizer(tokenizers_, options_.run_dir);
  try {
    return make_tokenizer(config_.tokenizer, {}, 0, {});
  } catch (const Error& error) {
    if (!has_own) throw;
    const std::string message =
        cat(error.what(), "; going on with the run's own ", run_tokenizer_path(options_.run_dir).string());
    log::warning_once(message, message);
    return open_run_tokenizer(tokenizers_, options_.run_dir);
  }
}

std::shared_ptr<const Tokenizer> Preparer::tokenizer() {
  const double fraction = config_.validation.fraction.value_or(0);
  if (!config_.tokenizer.entry().trains) return tokenizer_ = given_tokenizer();

  json settings{{"tokenizer", json::parse(tokenizer_settings(config_.tokenizer))}, {"fraction", fraction}};
  const std::vector<CorpusConfig> configs = train_corpora();
  for (const CorpusConfig& corpus : configs)
    settings["corpora"].push_back(json::parse(corpus_settings(corpus, config_.on_bad_record)));
  PlacedManifest placed{{}, cache_ / folder_name("tokenizer", settings.dump())};
  const fs::path model = placed.folder / "tokenizer.model";
  if (is_prepared(placed.folder)) {
    placed.manifest = Manifest::load(placed.folder);
    require_unchanged(placed, configs);
    tokenizer_ = load_tokenizer(tokenizers_, read_file(model, ExitCode::kData), model.string());
    if (tokenizer_->hash() != placed.manifest.tokenizer_hash) {
      throw DataError(model.string() + " has changed since it was made (its hash differs)");
    }
    return tokenizer_;
  }

  std::vector<Corpus> corpora;
  std::vector<SourceFile> files;
  for (const CorpusConfig& corpus : configs) {
    for (const std::string& path : corpus.paths) {
      if (is_prepared(path)) {
        throw DataError("'" + path +
                        "' holds tokens, not text to train a tokenizer on: set data.tokenizer to {type: file, path: " +
                        (fs::path(path) / "tokenizer.model").string() + "}");
      }
    }
    corpora.push_back(Corpus::find(corpus, config_.on_bad_record));
    for (const SourceFile& file : files_of(corpora.back())) files.push_back(file);
  }
  if (const auto shards = shard_files(files); !shards.empty()) {
    throw DataError(shards.front().string() +
                    " holds tokens, not text to train a tokenizer on: set data.tokenizer to "
                    "{type: external, vocab_size: …, eos: …} or {type: file, path: …}");
  }
  require_building("the tokenizer");
  tokenizer_ = make_tokenizer(config_.tokenizer, corpora, fraction, options_.progress);
  placed.manifest.tokenizer_hash = tokenizer_->hash();
  placed.manifest.vocab_size = tokenizer_->vocab_size();
  placed.manifest.settings = settings.dump();
  for (const SourceFile& file : files) placed.manifest.sources.push_back({file, hash_file(file.path)});
  fs::create_directories(placed.folder);
  write_file_atomic(model, tokenizer_->serialize(), ExitCode::kData);
  placed.manifest.save(placed.folder);
  return tokenizer_;
}

PlacedManifest Preparer::from_folder(const fs::path& folder) {
  PlacedManifest placed{Manifest::load(folder), folder};
  if (tokenizer_->has_text() && placed.manifest.tokenizer_hash != tokenizer_->hash()) {
    throw DataError("the tokens in '" + folder.string() +
                    "' were made with another tokenizer: set data.tokenizer to {type: file, path: " +
                    (folder / "tokenizer.model").string() + "}");
  }
  if (placed.manifest.vocab_size > tokenizer_->vocab_size()) {
    throw DataError(cat("the tokens in '", folder.string(), "' are of a vocabulary of ", placed.manifest.vocab_size,
                        ", expected at most ", tokenizer_->vocab_size()));
  }
  return placed;
}

PlacedManifest Preparer::from_shards(const std::string& name, const std::vector<fs::path>& files) {
  json settings{{"shards", json::array()}, {"tokenizer", tokenizer_->hash()}};
  for (const fs::path& file : files) settings["shards"].push_back(path_to_json(file));
  PlacedManifest placed{{}, cache_ / folder_name(name, settings.dump())};
  if (is_prepared(placed.folder)) {
    placed.manifest = Manifest::load(placed.folder);
  } else {
    require_building("'" + name + "'");
    placed.manifest = register_shards(files, *tokenizer_, placed.folder, settings.dump(), options_.progress);
  }
  return placed;
}

/// What the tokens of a text are made from, as JSON; equal settings and text give equal tokens.
std::string Preparer::text_settings(const CorpusConfig& config, double fraction) const {
  return json{{"corpus", json::parse(corpus_settings(config, config_.on_bad_record))},
              {"tokenizer", tokenizer_->hash()},
              {"fraction", fraction}}
      .dump();
}

fs::path Preparer::text_folder(const std::string& name, const CorpusConfig& config, double fraction) const {
  return cache_ / folder_name(name, text_settings(config, fraction));
}

PlacedManifest Preparer::from_text(const std::string& name, const CorpusConfig& config, double fraction) {
  PlacedManifest placed{{}, text_folder(name, config, fraction)};
  if (is_prepared(placed.folder)) {
    placed.manifest = Manifest::load(placed.folder);
    require_unchanged(placed, {config});
    return placed;
  }
  const Corpus corpus = Corpus::find(config, config_.on_bad_record);
  require_building("'" + name + "'");
  if (!tokenizer_->has_text()) {
    throw DataError(corpus.segments.front().file.path.string() +
                    " is text, which the tokenizer 'external' cannot encode: expected token shards");
  }
  DatasetPlan plan;
  plan.corpus = corpus;
  plan.tokenizer = tokenizer_;
  plan.fraction = fraction;
  plan.folder = placed.folder;
  plan.settings = text_settings(config, fraction);
  plan.workers = config_.workers.is_auto() ? default_workers() : config_.workers.value().value;
  plan.progress = options_.progress;
  placed.manifest = make_dataset(plan);
  return placed;
}

std::vector<PlacedManifest> Preparer::manifests(const std::string& name, const CorpusConfig& corpus, double fraction) {
  std::vector<PlacedManifest> placed;
  const auto folders = std::count_if(corpus.paths.begin(), corpus.paths.end(), is_prepared);
  if (folders == std::ssize(corpus.paths)) {
    for (const std::string& path : corpus.paths) placed.push_back(from_folder(path));
  } else if (folders > 0) {
    throw DataError("paths of '" + name + "' mix folders of tokens with other files");
  } else if (is_prepared(text_folder(name, corpus, fraction))) {
    placed.push_back(from_text(name, corpus, fraction));
  } else if (const auto shards = shard_files(find_files(corpus.paths)); !shards.empty()) {
    placed.push_back(from_shards(name, shards));
  } else {
    placed.push_back(from_text(name, corpus, fraction));
  }
  for (const PlacedManifest& p : placed) folders_.push_back(p.folder);
  return placed;
}

Preparer::Opened Preparer::open(const std::string& name, const CorpusConfig& corpus, double fraction) {
  std::vector<PlacedManifest> placed = manifests(name, corpus, fraction);
  Opened opened;
  opened.train = open_data(placed, "train", *tokenizer_);
  if (fraction <= 0) return opened;
  for (const PlacedManifest& p : placed) {
    if (!p.manifest.splits.contains("validation")) {
      throw DataError("'" + name + "' is made of tokens, of which no documents can be held out: set validation.paths");
    }
  }
  opened.held_out = open_data(placed, "validation", *tokenizer_);
  return opened;
}

OpenedData Preparer::open_held_out(const std::string& name, const CorpusConfig& corpus) {
  std::vector<PlacedManifest> placed = manifests(name, corpus, 0);
  const bool holds_out = std::all_of(placed.begin(), placed.end(),
                                     [](const PlacedManifest& p) { return p.manifest.splits.contains("validation"); });
  return open_data(placed, holds_out ? "validation" : "train", *tokenizer_);
}

}  // namespace ingot
