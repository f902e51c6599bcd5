// A tokenizer made before: a `tokenizer.model` that lies beside token shards, or a sentencepiece model.

#include "base/error.h"
#include "base/files.h"
#include "config/fields.h"
#include "data/tokenizer.h"

namespace ingot {
namespace file {

struct FileConfig {
  std::string path;
};

void describe(Fields& f, FileConfig& c) {
  f.field("path", c.path, "a tokenizer.model, or any sentencepiece model that keeps the text as it is",
          Rule{}.required().path().free());
}

}  // namespace file

void register_file(Family<TokenizerEntry>& family) {
  using namespace file;
  auto& entry = family.add<FileConfig>("file", "A tokenizer that was made before.", "");
  entry.sample_bytes = [](const ConfigObject&) { return 0; };
  entry.planned_vocab_size = [](const ConfigObject&) { return std::optional<std::int64_t>(); };
  // The file says which member of the family reads it.
  entry.make = with_settings<FileConfig>([&family](const FileConfig& c, const TextSource&) {
    return load_tokenizer(family, read_file(c.path, ExitCode::kData), c.path);
  });
  entry.load = [](std::string_view, const std::string& name) -> std::shared_ptr<const Tokenizer> {
    throw DataError(name + ": no tokenizer is of the type 'file'");
  };
}

}  // namespace ingot
