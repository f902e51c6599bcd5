#pragma once
// What tests of the data module share.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/files.h"
#include "config/fields.h"
#include "data/data_config.h"
#include "data/data_module.h"
#include "data/tokenizer.h"

namespace ingot {

/// A folder of its own, removed at the end of the test.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const fs::path& path() const { return path_; }
  /// Writes a file in the folder, making folders on the way, and returns its path.
  fs::path write(const std::string& name, std::string_view bytes) const;

 private:
  fs::path path_;
};

/// All families that the data module needs.
const Families& data_families();
const Family<TokenizerEntry>& tokenizer_family();

/// A bound variant from YAML such as "{type: sentencepiece, vocab_size: 300}".
Variant<TokenizerEntry> tokenizer_variant(const std::string& yaml);
/// A tokenizer from YAML, trained on `texts`.
std::shared_ptr<const Tokenizer> make_tokenizer(const std::string& yaml, const std::vector<std::string>& texts = {});

/// The section `data` from YAML, with overrides such as "data.seq_len=8". Throws ConfigError.
DataConfig data_config(const std::string& yaml, const std::vector<std::string>& overrides = {});

/// prepare_data of a section `data` in YAML.
DataModule prepare(const std::string& yaml, const fs::path& run_dir, std::uint64_t seed = 1, bool may_build = true);

/// Tests of prepared data, in a folder of their own.
class PreparedData : public testing::Test {
 protected:
  std::string path(const std::string& name) const { return (folder.path() / name).string(); }
  std::string train_of(const std::string& name, const std::string& documents = "line") const {
    return "train: {paths: [" + path(name) + "], documents: " + documents + "}";
  }
  TemporaryFolder folder;
};

/// Documents of different lengths, each with its number in it, one a line.
std::string numbered_lines(int count);
/// Words, punctuation, newlines, runs of spaces: enough of them to train a small vocabulary. Depends on `seed` only.
std::string sample_text(std::size_t words, std::uint64_t seed = 1);
/// Texts that break tokenizers: white space of every kind, NUL, invalid UTF-8, sentencepiece's own signs.
std::vector<std::string> hostile_texts();

/// The message of the Error that `action` throws, "" if it throws none.
template <class E, class F>
std::string message_of(F action) {
  try {
    action();
  } catch (const E& error) {
    return error.what();
  }
  return "";
}

}  // namespace ingot
