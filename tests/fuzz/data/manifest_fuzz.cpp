// Manifests of token data (an input that begins with "M") and journals of a tokenisation (any other), whose lines get
// the checksums that they need to be read at all.

#include <nlohmann/json.hpp>

#include "base/text.h"
#include "data/shards/checksum.h"
#include "data/shards/dataset.h"
#include "data/shards/journal.h"
#include "data/shards/manifest.h"
#include "data/shards/megatron.h"
#include "data/shards/shard_builder.h"
#include "data/support.h"
#include "fuzz/fuzz.h"

namespace ingot {
namespace {

constexpr std::int64_t kVocabSize = 257;

std::string manifest_text() {
  MegatronWriter writer(fuzz::folder(), "train", kVocabSize);
  writer.append(std::vector<TokenId>{1, 2, 3});
  writer.end_document();
  writer.finish();
  Manifest manifest;
  manifest.tokenizer_hash = "0123456789abcdef";
  manifest.vocab_size = kVocabSize;
  manifest.settings = R"({"corpus": {"paths": ["a.txt"]}})";
  manifest.sources.push_back({look_at(fuzz::folder() / "train.bin"), "00"});
  manifest.splits["train"].text_bytes = 4;
  manifest.splits["train"].shards.push_back(
      record_shard(fuzz::folder() / "train.bin", ".", ShardKind::kMegatron, kVocabSize, std::nullopt));
  manifest.save(fuzz::folder(), "seed.json");
  return read_file(fuzz::folder() / "seed.json");
}

void read_manifest(const std::string& text) {
  fuzz::write(Manifest::kFileName, text);
  fuzz::accepts(ExitCode::kData, [&] {
    std::vector<PlacedManifest> placed{{Manifest::load(fuzz::folder()), fuzz::folder()}};
    static const auto tokenizer = make_tokenizer("bytes");
    const OpenedData data = open_data(placed, "train", *tokenizer);
    data.stream->document_starts(0, data.stream->tokens());
    check_sources(placed[0].manifest.sources, "remedy");
  });
}

/// A build that goes on from the journal, over a small text.
void read_journal(const std::string& text) {
  const fs::path work = fuzz::folder() / "work";
  fs::create_directories(work);
  std::string lines;
  for (const std::string& line : split(text, '\n')) lines += hash64(line) + " " + line + "\n";
  fuzz::write("work/journal", lines);
  fuzz::write("work/train.bin", std::string(16, '\1'));
  fuzz::write("work/train.lengths", std::string(8, '\1'));
  static const fs::path source = fuzz::write("source.txt", "one\ntwo\nthree\n");
  fuzz::accepts(ExitCode::kData, [&] {
    const DataConfig config =
        data_config("{tokenizer: bytes, seq_len: 8, train: {paths: [" + source.string() + "], documents: line}}");
    ShardBuild build;
    build.segments = Corpus::find(config.train).segments;
    build.documents = config.train.documents;
    build.tokenizer = make_tokenizer("bytes");
    build.work_folder = work;
    build.stems = {"train", "validation"};
    build.settings = "s";
    build.workers = 1;
    build_shards(build);
  });
}

}  // namespace

std::vector<std::string> fuzz::seeds() {
  const std::string state = R"({"bad_records":0,"consumed":4,"dropping":false,"finished":false,"inside":false,)"
                            R"("line":1,"offset":4,"open_split":0,"open_text_bytes":0,"segment":0,)"
                            R"("splits":[[4,1,0,110,4],[0,0,0,-1,0]]})";
  const std::string header = "{\"settings\":\"s\",\"version\":2}\n";
  return {"M" + manifest_text(), header + state, header + state + "\n" + state};
}

std::vector<std::string> fuzz::words() {
  return {"[", "{\"a\":", "null", "../", "/dev/zero", "\"part\": 3, ", "true", "-1", "1125899906842624"};
}

}  // namespace ingot

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ingot;
  const std::string text = fuzz::text_of(data, size);
  if (text.starts_with('M')) {
    read_manifest(text.substr(1));
  } else {
    read_journal(text);
  }
  return 0;
}
