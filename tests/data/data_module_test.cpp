#include "data/data_module.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <thread>

#include "base/error.h"
#include "base/text.h"
#include "data/shards/inspect.h"
#include "data/shards/tokenize.h"
#include "data/support.h"

namespace ingot {
namespace {

using DataModuleTest = PreparedData;

TEST_F(DataModuleTest, GivesEveryWindowOnceAnEpoch) {
  const std::string text = numbered_lines(500);
  folder.write("a.txt", text);
  const DataModule data = prepare("{" + train_of("a.txt", "file") + ", tokenizer: bytes, seq_len: 16}", path("run"));
  const std::int64_t samples = data.samples_per_epoch();
  EXPECT_EQ(samples, static_cast<std::int64_t>(text.size() + 1) / 16);  // and an end mark
  EXPECT_EQ(data.tokens_per_epoch(), samples * 16);
  std::set<std::string> expected, seen;
  const std::string fed = '\0' + text;  // the byte stands for the end mark that opens the document
  for (std::int64_t w = 0; w < samples; ++w) expected.insert(fed.substr(static_cast<std::size_t>(w) * 16, 16));
  for (std::int64_t i = 0; i < samples; ++i) {
    const Batch batch = data.make_batch(i, 1);
    std::string row;
    for (const TokenId id : batch.tokens) row += static_cast<char>(id);
    seen.insert(row);
    EXPECT_EQ(batch.target_count, 16);
    EXPECT_EQ(batch.samples[0], i);
    for (std::size_t k = 0; k + 1 < 16; ++k) EXPECT_EQ(batch.targets[k], batch.tokens[k + 1]);
  }
  EXPECT_EQ(seen, expected);
}

TEST_F(DataModuleTest, ASampleDoesNotDependOnItsBatch) {
  folder.write("a.txt", numbered_lines(300));
  const DataModule data =
      prepare("{" + train_of("a.txt") + ", tokenizer: bytes, seq_len: 32, reset_at_document: true}", path("run"));
  const Batch whole = data.make_batch(1000, 12);
  for (const std::int64_t ranks : {1, 2, 3, 4}) {
    for (std::int64_t rank = 0; rank < ranks; ++rank) {
      const Batch part = data.make_batch(1000 + rank * 12 / ranks, 12 / ranks);
      for (std::int64_t row = 0; row < part.rows; ++row) {
        const std::int64_t at = rank * 12 / ranks + row;
        const auto same = [&](const std::vector<std::int32_t>& a, const std::vector<std::int32_t>& b) {
          return std::equal(a.begin() + row * 32, a.begin() + (row + 1) * 32, b.begin() + at * 32);
        };
        EXPECT_TRUE(same(part.tokens, whole.tokens) && same(part.targets, whole.targets) &&
                    same(part.documents, whole.documents));
      }
    }
  }
  const std::vector<std::int64_t> picked = {1011, 1003};
  EXPECT_EQ(data.make_batch(picked).samples, picked);
  EXPECT_EQ(data.make_batch(picked).tokens[0], whole.tokens[11 * 32]);
}

TEST_F(DataModuleTest, TheSeedChangesTheOrderAndNothingElse) {
  folder.write("a.txt", numbered_lines(300));
  const std::string yaml = "{" + train_of("a.txt") + ", validation: {fraction: 0.2}, tokenizer: bytes, seq_len: 32}";
  const DataModule one = prepare(yaml, path("run"), 1), two = prepare(yaml, path("run"), 2);
  EXPECT_NE(one.make_batch(0, 8).tokens, two.make_batch(0, 8).tokens);
  EXPECT_EQ(one.identity(), two.identity());
  EXPECT_EQ(one.validation_sets()[0].make_batch(0, 3).tokens, two.validation_sets()[0].make_batch(0, 3).tokens);
}

TEST_F(DataModuleTest, OpensAgainWithoutBuilding) {
  folder.write("a.txt", numbered_lines(300));
  const std::string yaml =
      "{" + train_of("a.txt") +
      ", validation: {fraction: 0.2}, tokenizer: {type: sentencepiece, vocab_size: 300}, seq_len: 32}";
  const std::string message = message_of<DataError>([&] { prepare(yaml, path("run"), 1, false); });
  EXPECT_NE(message.find("is not prepared"), message.npos) << message;
  const DataModule built = prepare(yaml, path("run"));
  const DataModule opened = prepare(yaml, path("run"), 1, false);
  EXPECT_EQ(built.identity(), opened.identity());
  EXPECT_EQ(built.make_batch(5, 4).tokens, opened.make_batch(5, 4).tokens);
  EXPECT_EQ(open_run_tokenizer(tokenizer_family(), path("run"))->hash(), built.tokenizer().hash());
  EXPECT_TRUE(verify_data(built.folder()).problems.empty());
  // The same text in another place is the same data.
  folder.write("other/b.txt", numbered_lines(300));
  const std::string moved =
      "{" + train_of("other/b.txt") +
      ", validation: {fraction: 0.2}, tokenizer: {type: sentencepiece, vocab_size: 300}, seq_len: 32}";
  EXPECT_EQ(prepare(moved, path("run2")).identity(), built.identity());
}

TEST_F(DataModuleTest, ChangedTextIsNamed) {
  const fs::path file = folder.write("a.txt", numbered_lines(300));
  const std::string yaml = "{" + train_of("a.txt") + ", tokenizer: bytes, seq_len: 32}";
  const DataModule data = prepare(yaml, path("run"));
  // Touching it changes nothing.
  fs::last_write_time(file, fs::last_write_time(file) + std::chrono::hours(1));
  EXPECT_EQ(prepare(yaml, path("run")).identity(), data.identity());
  std::string text = numbered_lines(300);
  text[100] ^= 1;
  folder.write("a.txt", text);
  fs::last_write_time(file, fs::last_write_time(file) + std::chrono::hours(2));
  std::string message = message_of<DataError>([&] { prepare(yaml, path("run")); });
  EXPECT_NE(message.find("a.txt has changed since it was tokenised: its text is another one of the same size"),
            message.npos)
      << message;
  folder.write("a.txt", text + "more\n");
  message = message_of<DataError>([&] { prepare(yaml, path("run")); });
  EXPECT_NE(message.find("bytes instead of"), message.npos) << message;
  // Another cache takes the new text.
  EXPECT_NE(prepare(yaml, path("run2")).identity(), data.identity());
}

TEST_F(DataModuleTest, WhereTheTextIsGoneItsTokensDo) {
  folder.write("t/a.txt", numbered_lines(300));
  folder.write("v.txt", numbered_lines(30));
  const std::string yaml = "{" + train_of("t") + ", validation: {paths: " + path("v.txt") +
                           "}, tokenizer: {type: sentencepiece, vocab_size: 300}, seq_len: 32}";
  const DataModule data = prepare(yaml, path("run"));
  fs::rename(path("t"), path("away"));
  fs::remove(path("v.txt"));
  const DataModule again = prepare(yaml, path("run"));
  EXPECT_EQ(again.identity(), data.identity());
  EXPECT_EQ(again.validation_sets()[0].tokens(), data.validation_sets()[0].tokens());
  fs::create_directory(path("t"));
  EXPECT_EQ(prepare(yaml, path("run")).identity(), data.identity()) << "an empty folder";
  folder.write("t/b.txt", "other text\n");
  EXPECT_THROW(prepare(yaml, path("run")), DataError);
  PrepareOptions look{.run_dir = path("run"), .may_build = false, .text = TextUse::kIgnore};
  EXPECT_EQ(prepare_data(data_config(yaml), tokenizer_family(), look).identity(), data.identity());
  EXPECT_THROW(prepare("{" + train_of("absent") + ", tokenizer: bytes, seq_len: 32}", path("run")), DataError);
}

TEST_F(DataModuleTest, ARunThatGoesOnKeepsItsTokenizerAndRefusesOtherData) {
  folder.write("a.txt", numbered_lines(300));
  folder.write("b.txt", numbered_lines(310));
  const auto old = make_tokenizer("{type: sentencepiece, vocab_size: 300}", {sample_text(2000)});
  folder.write("t.model", old->serialize());
  const auto yaml = [&](const std::string& text) {
    return cat("{", train_of(text), ", tokenizer: {type: file, path: ", path("t.model"), "}, seq_len: 32}");
  };
  const DataModule data = prepare(yaml("a.txt"), path("run"));
  const PrepareOptions resume{.run_dir = path("run"),
                              .expected = ExpectedData{data.identity(), data.tokenizer().hash(), "step-4"}};
  const auto open = [&](const std::string& text) {
    return message_of<OtherDataError>([&] { prepare_data(data_config(yaml(text)), tokenizer_family(), resume); });
  };
  EXPECT_EQ(open("a.txt"), "");
  EXPECT_NE(open("b.txt").find("the training data is not what step-4 was trained on"), std::string::npos);
  fs::remove(path("t.model"));
  EXPECT_EQ(open("a.txt"), "") << "the run has its own copy";
  folder.write("t.model", make_tokenizer("{type: sentencepiece, vocab_size: 310}", {sample_text(2000)})->serialize());
  EXPECT_NE(open("a.txt").find("the tokenizer is not what step-4 was trained on"), std::string::npos);
  EXPECT_EQ(open_run_tokenizer(tokenizer_family(), path("run"))->hash(), old->hash());
}

TEST_F(DataModuleTest, NewAndMissingFilesAreNamed) {
  folder.write("t/a.txt", numbered_lines(300));
  const std::string yaml = "{" + train_of("t") + ", tokenizer: bytes, seq_len: 32}";
  prepare(yaml, path("run"));
  folder.write("t/b.txt", "new\n");
  std::string message = message_of<DataError>([&] { prepare(yaml, path("run")); });
  EXPECT_NE(message.find("b.txt is new since the text was tokenised"), message.npos) << message;
  fs::rename(path("t/a.txt"), path("t/b.txt"));
  EXPECT_THROW(prepare(yaml, path("run")), DataError);
}

TEST_F(DataModuleTest, ChangedShardsAreNamed) {
  folder.write("a.txt", numbered_lines(300));
  const std::string yaml = "{" + train_of("a.txt") + ", tokenizer: bytes, seq_len: 32}";
  const DataModule data = prepare(yaml, path("run"));
  const fs::path bin = data.folders()[0] / "train.bin";
  const std::string bytes = read_file(bin);
  std::string damaged = bytes;
  damaged[10] ^= 4;
  const auto rewrite = [&](const std::string& content) {
    FileWriter file(bin, ExitCode::kOther);
    file.write(content);
    file.finish();
    fs::last_write_time(bin, fs::last_write_time(bin) + std::chrono::hours(1));
  };
  rewrite(damaged);
  std::string message = message_of<DataError>([&] { prepare(yaml, path("run")); });
  EXPECT_NE(message.find("train.bin has changed since it was recorded: the checksum of bytes 0.."), message.npos)
      << message;
  const VerifyReport report = verify_data(data.folder());
  ASSERT_EQ(report.problems.size(), 1u);
  EXPECT_NE(report.problems[0].find("train.bin"), std::string::npos);
  rewrite(bytes.substr(0, bytes.size() - 2));
  message = message_of<DataError>([&] { prepare(yaml, path("run")); });
  EXPECT_NE(message.find("bytes, expected"), message.npos) << message;
  rewrite(bytes);
  EXPECT_EQ(prepare(yaml, path("run")).identity(), data.identity());
}

TEST_F(DataModuleTest, TrainsOnShardsMadeElsewhere) {
  std::vector<std::int32_t> header(256, 0);
  header[0] = 20240520;
  header[1] = 1;
  header[2] = 1000;
  std::string bytes(reinterpret_cast<const char*>(header.data()), 1024);
  for (std::uint16_t i = 0; i < 1000; ++i) {
    const std::uint16_t id = i % 100 == 0 ? 99 : i % 90;
    bytes.append(reinterpret_cast<const char*>(&id), 2);
  }
  folder.write("s_train_000000.bin", bytes);
  folder.write("s_train_000001.bin", bytes);
  folder.write("s_val_000000.bin", bytes);
  const std::string yaml = "{train: {paths: [" + path("s_train_*.bin") + "]}, validation: {paths: [" +
                           path("s_val_*.bin") +
                           "]}, tokenizer: {type: external, vocab_size: 100, eos: 99}, seq_len: 20, "
                           "reset_at_document: true}";
  const DataModule data = prepare(yaml, path("run"));
  EXPECT_EQ(data.sources()[0].tokens, 2000);
  EXPECT_EQ(data.samples_per_epoch(), 99);
  EXPECT_FALSE(data.sources()[0].text_bytes.has_value());
  const Batch batch = data.make_batch(0, 99);
  int ends = 0;
  for (std::size_t i = 0; i < batch.tokens.size(); ++i) {
    EXPECT_NE(batch.targets[i], -1);
    if (batch.tokens[i] != 99) continue;
    ++ends;
    EXPECT_TRUE(i % 20 == 0 || batch.documents[i] == batch.documents[i - 1] + 1) << "it belongs to what it opens";
  }
  EXPECT_GE(ends, 19);
  EXPECT_FALSE(data.validation_sets()[0].target_bytes(batch).has_value());
  EXPECT_EQ(prepare(yaml, path("run"), 1, false).identity(), data.identity());

  const std::string small =
      "{train: {paths: [" + path("s_train_*.bin") + "]}, tokenizer: {type: external, vocab_size: 90}, seq_len: 20}";
  const std::string message = message_of<DataError>([&] { prepare(small, path("run3")); });
  EXPECT_NE(message.find("s_train_000000.bin: byte 1024: token 99 is out of range, expected 0..89"), message.npos)
      << message;
}

TEST_F(DataModuleTest, TrainsOnAFolderOfTokens) {
  folder.write("a.txt", numbered_lines(300));
  TokenizeRequest request;
  request.input.paths = {path("a.txt")};
  request.input.documents.kind = DocumentRule::Kind::kLine;
  request.tokenizer = tokenizer_variant("{type: sentencepiece, vocab_size: 300}");
  request.validation_fraction = 0.1;
  request.output = folder.path() / "tokens";
  const TokenizeResult made = tokenize(request, tokenizer_family());
  const std::string tokenizer = "tokenizer: {type: file, path: " + path("tokens/tokenizer.model") + "}";
  const DataModule data = prepare("{train: {paths: [" + path("tokens") + "]}, validation: {paths: [" + path("tokens") +
                                      "]}, " + tokenizer + ", seq_len: 16}",
                                  path("run"));
  EXPECT_EQ(data.sources()[0].tokens, made.tokens);
  EXPECT_EQ(data.validation_sets()[0].tokens(), made.validation_tokens);

  std::string message = message_of<DataError>(
      [&] { prepare("{train: {paths: [" + path("tokens") + "]}, tokenizer: bytes, seq_len: 16}", path("run2")); });
  EXPECT_NE(message.find("were made with another tokenizer: set data.tokenizer to {type: file, path: "), message.npos)
      << message;
  message = message_of<DataError>([&] {
    prepare(
        "{train: {paths: [" + path("tokens") + "]}, tokenizer: {type: sentencepiece, vocab_size: 300}, seq_len: 16}",
        path("run3"));
  });
  EXPECT_NE(message.find("holds tokens, not text"), message.npos) << message;
}

TEST_F(DataModuleTest, TooLittleTextIsNamed) {
  folder.write("a.txt", "short");
  std::string message = message_of<DataError>(
      [&] { prepare("{" + train_of("a.txt") + ", tokenizer: bytes, seq_len: 64}", path("run")); });
  EXPECT_NE(message.find("'train' has 6 tokens, expected at least 64 for a row of seq_len (64)"), message.npos)
      << message;
  folder.write("b.txt", "one document\nanother document\n");
  message = message_of<DataError>([&] {
    prepare("{" + train_of("b.txt") + ", validation: {fraction: 0.0001}, tokenizer: bytes, seq_len: 4}", path("run2"));
  });
  EXPECT_NE(message.find("holds out none of 2 documents"), message.npos) << message;
  folder.write("c.txt", "\n \n");
  EXPECT_THROW(prepare("{" + train_of("c.txt") + ", tokenizer: bytes, seq_len: 4}", path("run3")), DataError);
  EXPECT_THROW(prepare("{" + train_of("c.txt") + ", tokenizer: characters, seq_len: 4}", path("run3")), DataError);
}

TEST_F(DataModuleTest, ManyProcessesWaitForOneThatBuilds) {
  folder.write("a.txt", numbered_lines(20000));
  const std::string yaml = "{" + train_of("a.txt") + ", tokenizer: bytes, seq_len: 32, cache: " + path("cache") + "}";
  std::vector<std::thread> threads;
  std::vector<std::string> identities(4);
  for (std::size_t i = 0; i < identities.size(); ++i) {
    threads.emplace_back([&, i] { identities[i] = prepare(yaml, path("run" + std::to_string(i))).identity(); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& identity : identities) EXPECT_EQ(identity, identities[0]);
}

TEST_F(DataModuleTest, ACacheIsNewOrOurs) {
  folder.write("a.txt", numbered_lines(200));
  const std::string yaml = "{" + train_of("a.txt") + ", tokenizer: bytes, seq_len: 32, cache: " + path("cache") + "}";
  folder.write("cache/theirs.txt", "x");
  const std::string message = message_of<ConfigError>([&] { prepare(yaml, path("run")); });
  EXPECT_NE(message.find("data.cache: '" + path("cache/theirs.txt") + "' is in the way"), message.npos) << message;
  fs::remove(path("cache/theirs.txt"));
  const std::string identity = prepare(yaml, path("run")).identity();
  // As earlier versions left it, with what a kill left.
  fs::remove(path("cache/.ingot"));
  folder.write("cache/.lock", "");
  const fs::path shards = prepare(yaml, path("run")).folders().at(0);
  folder.write("cache/" + shards.filename().string() + "/manifest.json.tmp-17-0", "half");
  folder.write("b.txt", numbered_lines(300));
  const std::string other = "{" + train_of("b.txt") + ", tokenizer: bytes, seq_len: 32, cache: " + path("cache") + "}";
  prepare(other, path("run2"));
  EXPECT_FALSE(fs::exists(shards / "manifest.json.tmp-17-0"));
  EXPECT_FALSE(fs::exists(path("cache/.lock")));
  EXPECT_EQ(prepare(yaml, path("run")).identity(), identity);
}

TEST_F(DataModuleTest, AFailedBuildLeavesNothing) {
  folder.write("a.jsonl", "{\"text\": \"x\"}\n{\"text\": cut");
  const std::string yaml = "{" + train_of("a.jsonl") + ", tokenizer: bytes, seq_len: 32}";
  EXPECT_THROW(prepare(yaml, path("run")), DataError);
  EXPECT_FALSE(fs::exists(path("run/data")));
}

TEST_F(DataModuleTest, ShowsSamplesByDocument) {
  folder.write("a.txt", numbered_lines(300));
  const DataModule data =
      prepare("{" + train_of("a.txt") + ", tokenizer: bytes, seq_len: 40, reset_at_document: true}", path("run"));
  const std::vector<ShownRow> rows = show_samples(data, 3, 2);
  ASSERT_EQ(rows.size(), 2u);
  const Batch batch = data.make_batch(3, 1);
  std::string text;
  std::int64_t tokens = 0, targets = 0;
  for (const ShownRow::Document& document : rows[0].documents) {
    EXPECT_EQ(document.first, tokens);
    tokens += document.tokens;
    targets += document.targets;
    text += document.text;
  }
  EXPECT_EQ(tokens, 40);
  EXPECT_EQ(targets, batch.target_count);
  EXPECT_EQ(text, data.tokenizer().decode(batch.tokens));
  EXPECT_NE(format_rows(rows).find("sample 4: train, epoch 0"), std::string::npos);
}

TEST(DataConfigTest, ChecksAcrossFields) {
  const auto message = [](const std::string& yaml) { return message_of<ConfigError>([&] { data_config(yaml); }); };
  const auto contains = [](const std::string& text, const std::string& part) {
    EXPECT_NE(text.find(part), text.npos) << text;
  };
  contains(message("{train: {documents: line}, tokenizer: bytes, seq_len: 4}"), "expected paths or sources");
  contains(message("{train: {sources: [{name: a, paths: [x]}, {name: a, paths: [y]}]}, tokenizer: bytes, seq_len: 4}"),
           "a second source named 'a'");
  contains(message("{train: {sources: [{name: a, paths: [x], weight: 1}, {name: b, paths: [y]}]}, tokenizer: bytes, "
                   "seq_len: 4}"),
           "expected all or none");
  contains(message("{train: {paths: [x]}, validation: {fraction: 0.1, sets: {a: {paths: [x]}}}, tokenizer: bytes, "
                   "seq_len: 4}"),
           "data.validation.fraction: excludes 'sets', which is set as well");
  contains(message("{train: {paths: [x]}, validation: {fraction: 1.5}, tokenizer: bytes, seq_len: 4}"), "fraction");
  contains(message("{train: {paths: [x]}, tokenizer: byte, seq_len: 4}"), "did you mean 'bytes'");
  contains(message("{train: {paths: [x], documents: lines}, tokenizer: bytes, seq_len: 4}"), "documents");
  contains(message("{train: {paths: [x]}, tokenizer: bytes}"), "seq_len");
  const DataConfig config =
      data_config("{train: {paths: x, documents: {separator: \"<|end|>\"}}, tokenizer: bytes, seq_len: 4}");
  EXPECT_EQ(config.train.documents, (DocumentRule{DocumentRule::Kind::kSeparator, "<|end|>"}));
}

TEST(DataConfigTest, KnowsTheNamesOfTheHeldOutSets) {
  const auto names = [](const std::string& yaml) {
    return join(validation_set_names(data_config("{" + yaml + ", tokenizer: bytes, seq_len: 4}")), " ");
  };
  const std::string mixture = "train: {sources: [{name: a, paths: [x]}, {name: b, paths: [y]}]}";
  EXPECT_EQ(names("train: {paths: [x]}"), "");
  EXPECT_EQ(names("train: {paths: [x]}, validation: {fraction: 0.1}"), "validation");
  EXPECT_EQ(names(mixture + ", validation: {fraction: 0.1}"), "a b");
  EXPECT_EQ(names(mixture + ", validation: {paths: [v]}"), "validation");
  EXPECT_EQ(names("train: {paths: [x]}, validation: {sets: {news: {paths: [n]}, code: {paths: [c]}}}"), "news code");
}

TEST(DataConfigTest, OfTheThreeWaysToHoldOutTheOneSetLaterCounts) {
  const std::string yaml = "{train: {paths: [x]}, validation: {fraction: 0.1}, tokenizer: bytes, seq_len: 4}";
  const std::string sets = "data.validation.sets={news: {paths: [n]}, code: {paths: [c]}}";
  const ValidationConfig named = data_config(yaml, {"data.validation.paths=[v]", sets}).validation;
  EXPECT_FALSE(named.fraction.has_value());
  EXPECT_TRUE(named.paths.empty());
  EXPECT_EQ(named.sets.size(), 2u);
  const ValidationConfig files = data_config(yaml, {sets, "data.validation.paths=[v]"}).validation;
  EXPECT_FALSE(files.fraction.has_value());
  EXPECT_EQ(files.paths.size(), 1u);
  EXPECT_TRUE(files.sets.empty());
  const ValidationConfig share = data_config(yaml, {sets, "data.validation.fraction=0.5"}).validation;
  EXPECT_EQ(share.fraction, 0.5);
  EXPECT_TRUE(share.sets.empty());
  // A resolved config names all three, two of them empty.
  EXPECT_EQ(data_config("{train: {paths: [x]}, validation: {fraction: 0.1, paths: [], sets: {}}, tokenizer: bytes, "
                        "seq_len: 4}")
                .validation.fraction,
            0.1);
}

}  // namespace
}  // namespace ingot
