// What is held out: which documents, how they are scored, and the text written out again.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "base/error.h"
#include "data/data_module.h"
#include "data/shards/document_export.h"
#include "data/shards/megatron.h"
#include "data/shards/token_stream.h"
#include "data/support.h"

namespace ingot {
namespace {

using HeldOutTest = PreparedData;

/// The documents of a stream of bytes with end marks.
std::vector<std::string> documents_of(const std::vector<TokenId>& ids) {
  std::vector<std::string> documents(1);
  for (const TokenId id : ids) {
    if (id == 256) {
      documents.emplace_back();
    } else {
      documents.back() += static_cast<char>(id);
    }
  }
  return documents;
}

TEST_F(HeldOutTest, HeldOutDocumentsAreNotTrainedOnDuplicatesIncluded) {
  const std::string text = numbered_lines(400) + numbered_lines(400) + "\n  document 3 xxxxxxxxxxxxxxxxxxxxx  \n";
  folder.write("a.txt", text);
  const DataModule data =
      prepare("{" + train_of("a.txt") + ", validation: {fraction: 0.1}, tokenizer: bytes, seq_len: 8}", path("run"));
  ASSERT_EQ(data.validation_sets().size(), 1u);
  const ValidationSet& set = data.validation_sets()[0];
  EXPECT_EQ(set.name(), "validation");
  const std::int64_t train = data.sources()[0].documents;
  EXPECT_EQ(train + set.documents(), 801);
  EXPECT_EQ(set.documents() % 2, 0) << "duplicates go together";
  EXPECT_GT(set.documents(), 40);
  EXPECT_LT(set.documents(), 160);

  const auto read_split = [&](const fs::path& bin) {
    const std::string bytes = read_file(bin);
    std::vector<TokenId> ids;
    for (std::size_t i = 0; i < bytes.size(); i += 2) {
      std::uint16_t id;
      std::memcpy(&id, bytes.data() + i, 2);
      ids.push_back(id);
    }
    std::set<std::string> trimmed;
    for (const std::string& document : documents_of(ids)) {
      if (!document.empty()) trimmed.insert(document.substr(document.find_first_not_of(' ')));
    }
    return trimmed;
  };
  const std::set<std::string> trained = read_split(data.folders()[0] / "train.bin");
  const std::set<std::string> held_out = read_split(data.folders()[0] / "validation.bin");
  for (const std::string& document : held_out) EXPECT_FALSE(trained.contains(document)) << document;
  EXPECT_GE(trained.size() + held_out.size(), 400u);
}

TEST_F(HeldOutTest, OfASingleDocumentTheLastPartIsHeldOut) {
  const std::string text = sample_text(2000);
  folder.write("a.txt", text);
  const DataModule data =
      prepare("{" + train_of("a.txt", "file") +
                  ", validation: {fraction: 0.1}, tokenizer: {type: characters, eos: false}, seq_len: 8}",
              path("run"));
  std::size_t cut = static_cast<std::size_t>(static_cast<double>(text.size()) * 0.9);
  while ((text[cut] & 0xC0) == 0x80) --cut;
  const auto encoded = [&](std::string_view part) {
    return static_cast<std::int64_t>(data.tokenizer().encode(part).size());
  };
  EXPECT_EQ(data.sources()[0].tokens, encoded(std::string_view(text).substr(0, cut)));
  EXPECT_EQ(data.validation_sets()[0].tokens(), encoded(std::string_view(text).substr(cut)));
  EXPECT_EQ(*data.sources()[0].text_bytes, static_cast<std::int64_t>(cut));
}

/// Targets of all windows of a set, and the bytes that they stand for.
struct Scored {
  std::int64_t tokens = 0;
  std::optional<double> bytes = 0.0;
};

Scored score_all(const ValidationSet& set) {
  Scored all;
  for (std::int64_t first = 0; first < set.windows(); first += 4) {
    const Batch batch = set.make_batch(first, 4);  // the last one runs past the end
    EXPECT_EQ(batch.rows, 4);
    all.tokens += batch.target_count;
    const auto bytes = set.target_bytes(batch);
    all.bytes = all.bytes && bytes ? std::optional(*all.bytes + *bytes) : std::nullopt;
  }
  return all;
}

TEST_F(HeldOutTest, EveryTokenizerIsScoredOverTheBytesOfTheFile) {
  const std::string text = sample_text(3000) + numbered_lines(12) + "x";
  const std::string lines = numbered_lines(100);  // 100 newlines between documents, which belong to none
  folder.write("a.txt", text);
  folder.write("lines.txt", lines);
  int number = 0;
  for (const std::string tokenizer :
       {"bytes", "characters", "{type: sentencepiece, vocab_size: 320}",
        "{type: sentencepiece, vocab_size: 320, model_type: unigram}",
        "{type: sentencepiece, vocab_size: 80, byte_fallback: false, character_coverage: 0.98}"}) {
    for (const std::string reset : {"true", "false"}) {
      const DataModule data =
          prepare("{" + train_of("a.txt", "file") + ", validation: {sets: {whole: {paths: " + path("a.txt") +
                      "}, lines: {paths: " + path("lines.txt") + ", documents: line}}}, tokenizer: " + tokenizer +
                      ", seq_len: 7, reset_at_document: " + reset + "}",
                  path("run" + std::to_string(number++)));
      const std::vector<ValidationSet>& sets = data.validation_sets();
      const Scored whole = score_all(sets[0]), by_line = score_all(sets[1]);
      EXPECT_EQ(whole.tokens, sets[0].tokens()) << tokenizer;
      EXPECT_EQ(by_line.tokens, sets[1].tokens()) << tokenizer;
      EXPECT_NEAR(whole.bytes.value(), static_cast<double>(text.size()), 1e-6) << tokenizer;
      EXPECT_NEAR(by_line.bytes.value(), static_cast<double>(lines.size() - 100), 1e-6) << tokenizer;
      if (const auto unknown = data.tokenizer().unknown()) {
        const std::vector<TokenId> ids = data.tokenizer().encode(text);
        EXPECT_GT(std::count(ids.begin(), ids.end(), *unknown), 0) << "this case is about text that gets lost";
      }
    }
  }
}

TEST_F(HeldOutTest, WithoutATokenThatEndsDocumentsTheirFirstIsNotCounted) {
  folder.write("a.txt", "abcd\nefgh\nijkl\n");
  const auto scored = [&](const std::string& reset) {
    const DataModule data =
        prepare("{" + train_of("a.txt") + ", validation: {paths: " + path("a.txt") +
                    "}, tokenizer: {type: characters, eos: false}, seq_len: 3, reset_at_document: " + reset + "}",
                path("run"));
    EXPECT_FALSE(data.document_opener().has_value());
    return score_all(data.validation_sets()[0]);
  };
  EXPECT_EQ(scored("true").bytes, 9.0);
  EXPECT_EQ(scored("false").bytes, 11.0) << "but for the very first";
}

TEST_F(HeldOutTest, BytesOfUnknownTokensInShardsMadeElsewhereAreNotInvented) {
  const auto tokenizer = make_tokenizer(
      "{type: sentencepiece, vocab_size: 60, byte_fallback: false, character_coverage: 0.98}", {sample_text(3000)});
  folder.write("t.model", tokenizer->serialize());
  const fs::path shards = folder.path() / "shards";
  fs::create_directory(shards);
  MegatronWriter writer(shards, "s", tokenizer->vocab_size());
  const auto plain = tokenizer->encode("the the the the the"), odd = tokenizer->encode("the \u0416 the");
  for (const auto& ids : {plain, odd}) {
    writer.append(ids);
    writer.append(std::vector<TokenId>{*tokenizer->eos()});
    writer.end_document();
  }
  writer.sync();
  writer.finish();
  const DataModule data =
      prepare("{train: {paths: [" + path("shards/s.bin") + "]}, validation: {paths: [" + path("shards/s.bin") +
                  "]}, tokenizer: {type: file, path: " + path("t.model") + "}, seq_len: 4}",
              path("run"));
  EXPECT_FALSE(score_all(data.validation_sets()[0]).bytes.has_value());
}

TEST_F(HeldOutTest, ACapIsAPrefixOfASet) {
  folder.write("a.txt", numbered_lines(100));
  const DataModule data =
      prepare("{" + train_of("a.txt") + ", validation: {paths: " + path("a.txt") + "}, tokenizer: bytes, seq_len: 7}",
              path("run"));
  const ValidationSet& set = data.validation_sets()[0];
  EXPECT_EQ(set.windows(70), 10);
  EXPECT_EQ(set.windows(3), 1);
  EXPECT_EQ(set.windows(1 << 30), set.windows());
}

TEST_F(HeldOutTest, MixesSourcesAndScoresNamedSets) {
  std::string a(3000, 'a'), b(600, 'b');
  folder.write("a.txt", a);
  folder.write("b.jsonl", "{\"text\": \"" + b + "\"}\n");
  folder.write("news.txt", "one\ntwo\n");
  folder.write("code.txt", "x = 1\n");
  const DataModule data =
      prepare("{train: {sources: [{name: a, paths: [" + path("a.txt") + "], weight: 1}, {name: b, paths: [" +
                  path("b.jsonl") + "], weight: 3}]}, validation: {sets: {news: {paths: [" + path("news.txt") +
                  "], documents: line}, code: {paths: [" + path("code.txt") + "]}}}, tokenizer: bytes, seq_len: 10}",
              path("run"));
  int from_b = 0;
  for (std::int64_t i = 0; i < 400; ++i) {
    const Batch batch = data.make_batch(i, 1);
    const bool is_b = batch.targets[0] == 'b';
    from_b += is_b;
    EXPECT_EQ(data.origin(i).source, is_b ? "b" : "a");
  }
  EXPECT_NEAR(from_b, 300, 1);
  ASSERT_EQ(data.validation_sets().size(), 2u);
  EXPECT_EQ(data.validation_sets()[0].name(), "news");
  EXPECT_EQ(data.validation_sets()[0].documents(), 2);
  EXPECT_EQ(data.validation_sets()[1].name(), "code");
  EXPECT_NEAR(data.sources()[1].share, 0.75, 1e-9);
}

TEST_F(HeldOutTest, IsWrittenAsTheTextThatWentIn) {
  // More than one piece of reading, and documents longer than one.
  const std::string long_line(150'000, 'y');
  const std::string text = numbered_lines(3000) + long_line + "\n" + numbered_lines(50);
  folder.write("a.txt", text);
  const DataModule data =
      prepare("{" + train_of("a.txt") + ", validation: {fraction: 0.1}, tokenizer: bytes, seq_len: 8}", path("run"));
  std::string trained, held_out;
  const auto train =
      export_documents(data.source_stream(0), data.tokenizer(), "\n", [&](std::string_view part) { trained += part; });
  const auto rest = export_documents(data.validation_sets()[0].stream(), data.tokenizer(), "\n",
                                     [&](std::string_view part) { held_out += part; });
  EXPECT_EQ(train.documents, data.sources()[0].documents);
  EXPECT_EQ(rest.documents, data.validation_sets()[0].documents());
  EXPECT_EQ(train.documents + rest.documents, 3051);
  EXPECT_EQ(train.bytes + train.documents, std::ssize(trained));
  EXPECT_EQ(rest.bytes + rest.documents, std::ssize(held_out));
  // Taking turns, the two give the lines of the text in their order.
  std::size_t t = 0, h = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::string line = text.substr(at, text.find('\n', at) + 1 - at);
    std::size_t& from = trained.compare(t, line.size(), line) == 0 ? t : h;
    const std::string& split = &from == &t ? trained : held_out;
    ASSERT_EQ(split.compare(from, line.size(), line), 0) << "at byte " << at;
    from += line.size();
    at += line.size();
  }
  EXPECT_EQ(t, trained.size());
  EXPECT_EQ(h, held_out.size());
}

TEST_F(HeldOutTest, IsWrittenWithTheSeparatorOfItsRule) {
  for (const std::string rule : {"file", "line", "blank_line", "{separator: \"<|end|>\"}"}) {
    const DataConfig config = data_config("{train: {paths: x, documents: " + rule + "}, tokenizer: bytes, seq_len: 4}");
    const std::string separator = separator_of(config.train.documents);
    const std::map<std::string, std::string> expected = {{"file", "\n"}, {"line", "\n"}, {"blank_line", "\n\n"}};
    EXPECT_EQ(separator, expected.contains(rule) ? expected.at(rule) : "<|end|>");
  }
  const auto foreign = make_tokenizer("{type: external, vocab_size: 100, eos: 99}");
  const TokenStream empty({}, 100, 0);
  EXPECT_THROW(export_documents(empty, *foreign, "\n", [](std::string_view) {}), DataError);
}

}  // namespace
}  // namespace ingot
