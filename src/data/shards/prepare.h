#pragma once
// The steps of prepare_data: the tokenizer, then each source and held-out set, from the cache or made.

#include <memory>
#include <string>
#include <vector>

#include "data/data_module.h"
#include "data/shards/dataset.h"

namespace ingot {

class Preparer {
 public:
  Preparer(const DataConfig& config, const Family<TokenizerEntry>& tokenizers, fs::path cache,
           const PrepareOptions& options, bool may_build);

  /// The tokenizer; `tokenizer-KEY` in the cache if it is trained.
  std::shared_ptr<const Tokenizer> tokenizer();

  /// A source with the part that `fraction` holds out (its stream is empty without).
  struct Opened {
    OpenedData train;
    OpenedData held_out;
  };
  Opened open(const std::string& name, const CorpusConfig& corpus, double fraction);
  /// A held-out set of its own files: of prepared folders, what they hold out, else all of them.
  OpenedData open_held_out(const std::string& name, const CorpusConfig& corpus);

  /// The folders of all manifests that were opened.
  const std::vector<fs::path>& folders() const { return folders_; }

 private:
  /// Prepared folders, shards, or text: the manifests of a corpus, made if need be.
  std::vector<PlacedManifest> manifests(const std::string& name, const CorpusConfig& corpus, double fraction);
  PlacedManifest from_text(const std::string& name, const CorpusConfig& corpus, double fraction);
  PlacedManifest from_shards(const std::string& name, const std::vector<fs::path>& files);
  PlacedManifest from_folder(const fs::path& folder);
  std::string text_settings(const CorpusConfig& config, double fraction) const;
  fs::path text_folder(const std::string& name, const CorpusConfig& config, double fraction) const;
  std::shared_ptr<const Tokenizer> given_tokenizer() const;
  /// Of text that is still there; warns of what is gone.
  void require_unchanged(PlacedManifest& placed, const std::vector<CorpusConfig>& corpora) const;
  void require_building(const std::string& what) const;
  std::vector<CorpusConfig> train_corpora() const;

  const DataConfig& config_;
  const Family<TokenizerEntry>& tokenizers_;
  fs::path cache_;
  const PrepareOptions& options_;
  bool may_build_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::vector<fs::path> folders_;
};

}  // namespace ingot
