// Files of token data that somebody else wrote, or that changed after they were looked at.

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstring>
#include <functional>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "data/shards/checksum.h"
#include "data/shards/dataset.h"
#include "data/shards/document_export.h"
#include "data/shards/journal.h"
#include "data/shards/manifest.h"
#include "data/shards/megatron.h"
#include "data/shards/shard_builder.h"
#include "data/shards/token_stream.h"
#include "data/support.h"

namespace ingot {
namespace {

using nlohmann::json;

constexpr std::size_t kHeader = 34;
constexpr std::int64_t kDocuments = 6;

class ChangedIndex : public testing::Test {
 protected:
  ChangedIndex() {
    MegatronWriter writer(folder_.path(), "a", 100);
    for (std::int64_t i = 0; i < kDocuments; ++i) {
      writer.append(std::vector<TokenId>{1, 2, 3});
      writer.end_document();
    }
    writer.finish();
    MegatronWriter::remove_lengths(folder_.path(), "a");
    original_ = read_file(folder_.path() / "a.idx");
  }

  static std::size_t offset_at(std::int64_t i) { return kHeader + 4 * kDocuments + 8 * static_cast<std::size_t>(i); }
  static std::size_t bound_at(std::int64_t i) { return kHeader + 12 * kDocuments + 8 * static_cast<std::size_t>(i); }

  /// The stream of an index in which a number was replaced, as a registered one is opened: it is not checked as a
  /// whole.
  TokenStream changed(std::size_t byte, std::int64_t value) {
    std::string index = original_;
    std::memcpy(index.data() + byte, &value, sizeof value);
    folder_.write("a.idx", index);
    std::vector<std::unique_ptr<TokenShard>> shards;
    shards.push_back(open_megatron(folder_.path() / "a.bin"));
    return TokenStream(std::move(shards), 100, kDocuments);
  }

  /// What the ways to the starts of documents say. Each must be in bounds and ascending, or an error that names the
  /// place.
  void follow(std::size_t byte, std::int64_t value) {
    const std::string what = cat("byte ", byte, " = ", value);
    const std::string problem = message_of<DataError>([&] {
      const TokenStream stream = changed(byte, value);
      const std::int64_t tokens = stream.tokens();
      for (std::int64_t first = 0; first < tokens; ++first) {
        std::int64_t previous = first - 1;
        for (const std::int64_t start : stream.document_starts(first, tokens)) {
          EXPECT_GT(start, previous) << what;
          EXPECT_LT(start, tokens) << what;
          previous = start;
        }
      }
      export_documents(stream, *make_tokenizer("bytes"), "\n", [](std::string_view) {});
    });
    EXPECT_TRUE(problem.empty() || problem.find("a.") != problem.npos) << problem;
  }

  TemporaryFolder folder_;
  std::string original_;
};

TEST_F(ChangedIndex, IsNeverFollowedOutOfBounds) {
  for (std::int64_t i = 0; i < kDocuments; ++i) {
    for (const std::int64_t value : {INT64_MIN, std::int64_t{-2}, std::int64_t{0}, std::int64_t{1}, std::int64_t{2},
                                     std::int64_t{5}, std::int64_t{36}, std::int64_t{1} << 40, INT64_MAX}) {
      follow(offset_at(i), value);
      follow(bound_at(i), value);
      follow(bound_at(i) + 8, value);
    }
  }
}

TEST_F(ChangedIndex, BoundsThatFallBackAreNamed) {
  const std::string problem = message_of<DataError>([&] { changed(bound_at(3), 1).document_starts(1, 18); });
  EXPECT_NE(problem.find("a.idx: byte " + std::to_string(bound_at(3))), problem.npos) << problem;
  const std::string offset = message_of<DataError>([&] { changed(offset_at(2), -6).document_starts(0, 18); });
  EXPECT_NE(offset.find("offset -6, expected a multiple of 2 from 0"), offset.npos) << offset;
}

class ChangedManifest : public testing::Test {
 protected:
  ChangedManifest() {
    MegatronWriter writer(folder_.path(), "train", 257);
    writer.append(std::vector<TokenId>{1, 2, 3});
    writer.end_document();
    writer.finish();
    Manifest manifest;
    manifest.tokenizer_hash = "00";
    manifest.vocab_size = 257;
    manifest.sources.push_back({look_at(folder_.path() / "train.bin"), "00"});
    manifest.splits["train"].shards.push_back(
        record_shard(folder_.path() / "train.bin", ".", ShardKind::kMegatron, 257, std::nullopt));
    manifest.save(folder_.path());
    original_ = read_file(folder_.path() / "manifest.json");
  }

  std::string problem(const std::function<void(json&)>& edit) {
    json manifest = json::parse(original_);
    edit(manifest);
    folder_.write("manifest.json", manifest.dump());
    const std::string text = message_of<DataError>([&] { Manifest::load(folder_.path()); });
    EXPECT_EQ(text.find("json.exception"), text.npos) << text;
    return text;
  }

  TemporaryFolder folder_;
  std::string original_;
};

TEST_F(ChangedManifest, IsRefusedInOurWords) {
  EXPECT_EQ(problem([](json&) {}), "");
  const auto shard = [](json& m) -> json& { return m["splits"]["train"]["shards"][0]; };
  const std::pair<std::function<void(json&)>, const char*> cases[] = {
      {[](json& m) { m.erase("vocab_size"); }, "manifest.json: the key 'vocab_size' is missing"},
      {[](json& m) { m["vocab_size"] = 0; }, "vocab_size: expected a whole number in 1..2147483647, found 0"},
      {[](json& m) { m["sources"] = 1; }, "sources: expected a list, found 1"},
      {[](json& m) { m["parts"] = 1e9; }, "parts: expected a whole number in"},
      {[&](json& m) { shard(m)["tokens"] = "3"; }, "splits.train.shards[0].tokens: expected a whole number in"},
      {[&](json& m) { shard(m)["kind"] = "zip"; }, "splits.train.shards[0].kind: expected megatron or llm.c"},
      {[&](json& m) { shard(m)["ids"]["xxh3_64mib"] = {1}; }, "shards[0].ids.xxh3_64mib[0]: expected a text, found 1"}};
  for (const auto& [edit, expected] : cases) {
    const std::string text = problem(edit);
    EXPECT_NE(text.find(folder_.path().string()), text.npos) << text;
    EXPECT_NE(text.find(expected), text.npos) << text;
  }
}

TEST_F(ChangedManifest, NamesFilesBesideItOrWholePaths) {
  for (const char* path : {"../other.bin", "a/../../other.bin", "", "a/"}) {
    const std::string text = problem([&](json& m) { m["splits"]["train"]["shards"][0]["ids"]["path"] = path; });
    EXPECT_NE(text.find("ids.path: '" + std::string(path) + "' is no file in this folder"), text.npos) << text;
  }
  EXPECT_EQ(problem([](json& m) { m["splits"]["train"]["shards"][0]["ids"]["path"] = "/data/other.bin"; }), "");
}

TEST_F(ChangedManifest, DeepNestingAndPipesAreNoCrashAndNoWaiting) {
  folder_.write("manifest.json", "{\"format\": " + std::string(200'000, '['));
  EXPECT_NE(message_of<DataError>([&] { Manifest::load(folder_.path()); }).find("nested deeper"), std::string::npos);
  fs::remove(folder_.path() / "manifest.json");
  ASSERT_EQ(::mkfifo((folder_.path() / "manifest.json").c_str(), 0600), 0);
  EXPECT_NE(message_of<Error>([&] { Manifest::load(folder_.path()); }).find("it is a pipe"), std::string::npos);
  fs::remove(folder_.path() / "train.bin");
  ASSERT_EQ(::mkfifo((folder_.path() / "train.bin").c_str(), 0600), 0);
  EXPECT_NE(message_of<Error>([&] { open_megatron(folder_.path() / "train.bin"); }).find("it is a pipe"),
            std::string::npos);
}

TEST_F(ChangedManifest, ASplitThatItLacksIsNamed) {
  folder_.write("manifest.json", original_);
  std::vector<PlacedManifest> placed{{Manifest::load(folder_.path()), folder_.path()}};
  const std::string text = message_of<DataError>(
      [&] { open_data(placed, "validation", *make_tokenizer("{type: external, vocab_size: 300}")); });
  EXPECT_NE(text.find("manifest.json lists no shards of 'validation'"), text.npos) << text;
}

TEST(HostileJournal, IsCheckedThoughItsChecksumsFit) {
  const TemporaryFolder folder;
  const auto text = folder.write("text/a.txt", "one\ntwo\n");
  const auto problem = [&](const std::string& state) {
    std::string lines;
    for (const std::string& line : {std::string(R"({"settings":"s","version":2})"), state})
      lines += hash64(line) + " " + line + "\n";
    folder.write("journal", lines);
    folder.write("train.bin", std::string(16, '\1'));
    folder.write("train.lengths", std::string(8, '\1'));
    ShardBuild build;
    build.segments =
        find_segments(data_config("{tokenizer: bytes, seq_len: 8, train: {paths: [" + text.string() + "]}}").train);
    build.tokenizer = make_tokenizer("bytes");
    build.work_folder = folder.path();
    build.settings = "s";
    return message_of<DataError>([&] { build_shards(build); });
  };
  const auto state = [](const char* open_split, const char* first) {
    return cat(R"({"consumed":0,"finished":false,"inside":false,"offset":0,"segment":0,"line":0,"dropping":false,)"
               R"("bad_records":0,"open_text_bytes":0,"open_split":)",
               open_split, R"(,"splits":[)", first, ",[0,0,0,-1,0]]}");
  };
  EXPECT_NE(problem(state("7", "[0,0,0,-1,0]")).find("open_split: expected a whole number in 0..1"), std::string::npos);
  EXPECT_NE(problem(state("1", "[0,0,0,-1,0]")).find("a document goes on that is held out"), std::string::npos);
  EXPECT_NE(problem(state("0", "[0,0]")).find("splits[0]: expected five numbers"), std::string::npos);
  EXPECT_NE(problem(state("0", "[9223372036854775807,0,0,-1,0]")).find("splits[0][0]"), std::string::npos);
  EXPECT_NE(problem(state("0", "[9000,0,0,-1,0]")).find("train.bin"), std::string::npos);
  EXPECT_NE(problem("[" + std::string(1000, '[')).find("nested deeper"), std::string::npos);
  EXPECT_EQ(problem(state("0", "[2,1,0,1,2]")), "");
}

TEST(HostileTokenizer, IsRefusedInOurWords) {
  const auto problem = [](const std::string& bytes) {
    const std::string text = message_of<DataError>([&] { load_tokenizer(tokenizer_family(), bytes, "t.model"); });
    EXPECT_EQ(text.find("json.exception"), text.npos) << text;
    return text;
  };
  EXPECT_EQ(problem(R"({"type": "external", "vocab_size": -5})"),
            "t.model: vocab_size: expected a whole number in 1..2147483647, found -5");
  EXPECT_EQ(problem(R"({"type": "external", "vocab_size": 5, "eos": 5})"),
            "t.model: eos: expected a whole number in 0..4, found 5");
  EXPECT_EQ(problem(R"({"type": "characters", "characters": "ab", "eos": 1})"),
            "t.model: eos: expected true or false, found 1");
  EXPECT_EQ(problem(R"({"type": ["bytes"]})"), "t.model: type: expected a text, found a list");
  EXPECT_EQ(problem("{\"type\": " + std::string(100'000, '[')), "t.model: the JSON is nested deeper than 64 levels");
}

}  // namespace
}  // namespace ingot
