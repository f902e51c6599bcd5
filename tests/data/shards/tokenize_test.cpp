#include "data/shards/tokenize.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <exception>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/random.h"
#include "data/shards/dataset.h"
#include "data/shards/inspect.h"
#include "data/shards/journal.h"
#include "data/support.h"
#include "support/file_size_limit.h"

namespace ingot {
namespace {

/// Documents in JSON lines; some are longer than a block.
std::string json_lines(int documents, std::uint64_t seed = 1) {
  RandomStream random(seed, "json lines");
  std::string lines;
  for (int i = 0; i < documents; ++i) {
    const std::size_t words = i % 200 == 77 ? 250000 : 1 + random.below(400);
    lines += nlohmann::json{{"id", i}, {"text", sample_text(words, static_cast<std::uint64_t>(i))}}.dump() + "\n";
  }
  return lines;
}

/// The token files and the tokenizer in a folder, by name.
std::map<std::string, std::string> token_files(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (entry.is_regular_file() && !name.starts_with('.') && entry.path().extension() != ".json") {
      files[name] = read_file(entry.path());
    }
  }
  return files;
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

/// Another tokenizer whose encoders fail together after a number of texts.
class FailingBytes final : public Tokenizer {
 public:
  FailingBytes(std::shared_ptr<const Tokenizer> good, int texts) : good_(std::move(good)), left_(texts) {}

  std::int64_t vocab_size() const override { return good_->vocab_size(); }
  std::optional<TokenId> eos() const override { return good_->eos(); }
  std::unique_ptr<TextEncoder> encoder() const override { return std::make_unique<Encoder>(good_->encoder(), left_); }
  std::string_view piece(TokenId id) const override { return good_->piece(id); }
  std::string serialize() const override { return good_->serialize(); }

 private:
  class Encoder final : public TextEncoder {
   public:
    Encoder(std::unique_ptr<TextEncoder> good, std::atomic<int>& left) : good_(std::move(good)), left_(left) {}
    void encode(std::string_view text, std::vector<TokenId>& ids) override {
      if (left_-- <= 0) throw std::bad_exception();
      good_->encode(text, ids);
    }

   private:
    std::unique_ptr<TextEncoder> good_;
    std::atomic<int>& left_;
  };

  std::shared_ptr<const Tokenizer> good_;
  mutable std::atomic<int> left_;
};

class TokenizeTest : public ::testing::Test {
 protected:
  TokenizeRequest request(const std::string& output, const std::string& tokenizer = "bytes") const {
    TokenizeRequest r;
    r.input.paths = {(folder.path() / "text").string()};
    r.tokenizer = tokenizer_variant(tokenizer);
    r.output = folder.path() / output;
    r.workers = 2;
    return r;
  }
  TokenizeResult run(const TokenizeRequest& r) const { return tokenize(r, tokenizer_family()); }

  TemporaryFolder folder;
};

TEST_F(TokenizeTest, TheNumberOfWorkersDoesNotMatter) {
  folder.write("text/a.jsonl", json_lines(300));
  folder.write("text/b.txt", sample_text(300000, 4));
  std::map<std::string, std::string> expected;
  for (const std::int64_t workers : {1, 2, 5}) {
    TokenizeRequest r =
        request("out" + std::to_string(workers), "{type: sentencepiece, vocab_size: 450, sample: 256 KiB}");
    r.workers = workers;
    r.validation_fraction = 0.1;
    const TokenizeResult result = run(r);
    EXPECT_EQ(result.documents + result.validation_documents, 301);
    EXPECT_GT(result.validation_documents, 5);
    EXPECT_EQ(result.vocab_size, 450);
    const auto files = token_files(r.output);
    EXPECT_EQ(files.size(), 5u);  // two splits and the tokenizer
    if (workers == 1) expected = files;
    EXPECT_EQ(files, expected);
    EXPECT_TRUE(verify_data(r.output).problems.empty());
  }
}

TEST_F(TokenizeTest, DecodesToTheText) {
  folder.write("text/a.jsonl", json_lines(120));
  const TokenizeRequest r = request("out", "{type: sentencepiece, vocab_size: 450, sample: 256 KiB}");
  const TokenizeResult result = run(r);
  const auto tokenizer = load_tokenizer(tokenizer_family(), read_file(r.output / "tokenizer.model"), "tokenizer.model");
  const auto shard = open_megatron(r.output / "train.bin");
  EXPECT_EQ(shard->documents(), 120);
  std::vector<TokenId> ids(static_cast<std::size_t>(shard->tokens()));
  shard->read(0, shard->tokens(), ids.data());
  std::vector<std::int64_t> starts;
  shard->document_starts(0, shard->tokens(), starts);
  starts.insert(starts.begin(), 0);
  starts.push_back(shard->tokens());
  RandomStream random(1, "json lines");
  std::int64_t bytes = 0;
  for (std::size_t i = 0; i < 120; ++i) {
    const std::size_t words = i % 200 == 77 ? 250000 : 1 + random.below(400);
    const std::string text = sample_text(words, i);
    const auto first = static_cast<std::size_t>(starts[i]), end = static_cast<std::size_t>(starts[i + 1]);
    const auto document = std::span(ids).subspan(first, end - first);
    EXPECT_EQ(document.back(), tokenizer->eos());
    ASSERT_EQ(tokenizer->decode(document), text) << i;
    std::vector<TokenId> expected = tokenizer->encode(text);
    expected.push_back(*tokenizer->eos());
    EXPECT_TRUE(std::equal(document.begin(), document.end(), expected.begin(), expected.end())) << i;
    bytes += std::ssize(text);
  }
  EXPECT_EQ(result.text_bytes, bytes);
}

TEST_F(TokenizeTest, ShardsMergeToTheSameTokens) {
  std::string lines = json_lines(250);
  folder.write("text/a.jsonl", lines);
  folder.write("text/b.jsonl", json_lines(90, 2));
  folder.write("text/c.txt", sample_text(1000));
  const std::string tokenizer = "{type: sentencepiece, vocab_size: 450, sample: 256 KiB}";
  TokenizeRequest whole = request("whole", tokenizer);
  whole.validation_fraction = 0.1;
  run(whole);
  TokenizeRequest part = request("parts", tokenizer);
  part.validation_fraction = 0.1;
  part.shards = 3;
  for (const std::int64_t i : {2, 0}) {
    part.shard = i;
    run(part);
  }
  const std::string message = message_of<DataError>([&] { merge_shards(part.output); });
  EXPECT_NE(message.find("lacks part-00001-of-00003.json"), message.npos) << message;
  part.shard = 1;
  run(part);
  EXPECT_TRUE(run(part).was_complete);
  const TokenizeResult merged = merge_shards(part.output);
  auto files = token_files(part.output);
  const auto expected = token_files(whole.output);
  EXPECT_EQ(files["tokenizer.model"], expected.at("tokenizer.model"));
  for (const std::string split : {"train", "validation"}) {
    std::string joined;
    for (const char* suffix : {"-00000-of-00003.bin", "-00001-of-00003.bin", "-00002-of-00003.bin"}) {
      EXPECT_FALSE(files[split + suffix].empty());
      joined += files[split + suffix];
    }
    EXPECT_EQ(joined, expected.at(split + ".bin")) << split;
  }
  EXPECT_EQ(merged.documents + merged.validation_documents, 341);
  EXPECT_TRUE(verify_data(part.output).problems.empty());
}

TEST_F(TokenizeTest, DoesNothingTwice) {
  folder.write("text/a.jsonl", json_lines(50));
  TokenizeRequest r = request("out");
  EXPECT_FALSE(run(r).was_complete);
  const TokenizeResult again = run(r);
  EXPECT_TRUE(again.was_complete);
  EXPECT_EQ(again.documents, 50);
  // Another tokenizer or text does not replace what is there.
  std::string message = message_of<DataError>([&] { run(request("out", "characters")); });
  EXPECT_NE(message.find("is of other text or settings"), message.npos) << message;
  folder.write("text/b.jsonl", json_lines(5));
  message = message_of<DataError>([&] { run(r); });
  EXPECT_NE(message.find("b.jsonl is new"), message.npos) << message;
}

TEST_F(TokenizeTest, LeavesNothingBehindAndNothingUnderAFinalNameOnErrors) {
  folder.write("text/a.jsonl", json_lines(50));
  TokenizeRequest r = request("out");
  run(r);
  EXPECT_EQ(names_in(r.output),
            (std::vector<std::string>{".ingot", "manifest.json", "tokenizer.model", "train.bin", "train.idx"}));

  folder.write("text/b.jsonl", json_lines(20) + "{\"text\": \"cut");
  r.output = folder.path() / "broken";
  const std::string message = message_of<DataError>([&] { run(r); });
  EXPECT_NE(message.find("b.jsonl:21: byte "), message.npos) << message;
  EXPECT_FALSE(fs::exists(r.output)) << "nothing was committed";
  // What was is worth going on from, and looks like nothing finished.
  DatasetPlan plan;
  plan.corpus = Corpus::find(r.input);
  plan.tokenizer = make_tokenizer("bytes");
  plan.folder = r.output;
  plan.settings = "{}";
  plan.commit_bytes = 1;
  EXPECT_THROW(make_dataset(plan), DataError);
  EXPECT_EQ(names_in(r.output), std::vector<std::string>{".partial"});
}

TEST_F(TokenizeTest, TokensWithoutAManifestDoNotStayUnderTheirFinalNames) {
  folder.write("text/a.jsonl", json_lines(50));
  const TokenizeRequest r = request("out");
  folder.write("out/.ingot", "ingot shards\n");
  fs::create_directory(r.output / "tokenizer.model");  // cannot be written over
  EXPECT_NE(message_of<Error>([&] { run(r); }).find("tokenizer.model"), std::string::npos);
  EXPECT_EQ(names_in(r.output), (std::vector<std::string>{".ingot", ".partial", "tokenizer.model"}));
  fs::remove(r.output / "tokenizer.model");
  EXPECT_EQ(run(r).documents, 50);
  EXPECT_TRUE(verify_data(r.output).problems.empty());
}

TEST_F(TokenizeTest, NothingOfOthersIsWrittenOver) {
  folder.write("text/a.jsonl", json_lines(50));
  const TokenizeRequest r = request("out");
  for (const char* name : {"train.bin", "manifest.json", "notes.txt"}) {
    folder.write(std::string("out/") + name, "theirs");
    const std::string message = message_of<ConfigError>([&] { run(r); });
    EXPECT_NE(message.find(std::string("out/") + name + "' is in the way"), message.npos) << message;
    EXPECT_EQ(names_in(r.output), std::vector<std::string>{name});
    EXPECT_EQ(read_file(r.output / name), "theirs");
    fs::remove(r.output / name);
  }
  EXPECT_EQ(run(r).documents, 50);
}

TEST_F(TokenizeTest, NamesThatAreNotUtf8AreRead) {
  folder.write("text/caf\xE9.jsonl", json_lines(50));
  const TokenizeRequest r = request("out", "{type: sentencepiece, vocab_size: 400}");
  EXPECT_EQ(run(r).documents, 50);
  EXPECT_TRUE(run(r).was_complete);
}

TEST_F(TokenizeTest, LeftoversOfKilledCallsGo) {
  folder.write("text/a.jsonl", json_lines(50));
  const TokenizeRequest r = request("out");
  for (const char* name : {".ingot", "tokenizer.model.tmp-17-0", "..tokenizer.json.tmp-00ff", "mine.tmp-1"}) {
    folder.write(std::string("out/") + name, std::string(name) == ".ingot" ? "ingot shards\n" : "half");
  }
  run(r);
  EXPECT_EQ(names_in(r.output), (std::vector<std::string>{".ingot", "manifest.json", "mine.tmp-1", "tokenizer.model",
                                                          "train.bin", "train.idx"}));
}

TEST_F(TokenizeTest, AFullDiskIsADataError) {
  folder.write("text/a.jsonl", json_lines(50));
  const TokenizeRequest r = request("out");
  {
    const testing::FileSizeLimit limit(1000);
    try {
      run(r);
      FAIL() << "writing to a full disk succeeded";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::kData);
      EXPECT_NE(std::string(error.what()).find("train.bin': File too large"), std::string::npos) << error.what();
    }
  }
  EXPECT_FALSE(fs::exists(r.output));
  EXPECT_EQ(run(r).documents, 50);
}

TEST_F(TokenizeTest, ReportsProgress) {
  folder.write("text/a.jsonl", json_lines(300));
  TokenizeRequest r = request("out", "{type: sentencepiece, vocab_size: 400}");
  std::map<std::string, DataProgress> last;
  r.progress = [&last](const DataProgress& p) { last[p.phase] = p; };
  run(r);
  const auto size = static_cast<std::int64_t>(fs::file_size(folder.path() / "text/a.jsonl"));
  for (const char* phase : {"reading", "tokenising"}) {
    EXPECT_EQ(last[phase].bytes_done, size) << phase;
    EXPECT_EQ(last[phase].bytes_total, size) << phase;
    EXPECT_GT(last[phase].bytes_per_second, 0) << phase;
  }
  EXPECT_TRUE(last.contains("training the tokenizer"));
  // A callback may stop the work.
  r.output = folder.path() / "out2";
  r.progress = [](const DataProgress& p) {
    if (p.phase == "tokenising") throw Error(ExitCode::kInterrupted, "stop");
  };
  EXPECT_THROW(run(r), Error);
}

TEST_F(TokenizeTest, TwoProcessesDoNotWriteIntoOneFolder) {
  folder.write("text/a.jsonl", json_lines(50));
  TokenizeRequest r = request("out"), inner = r;
  std::string message;
  r.progress = [&](const DataProgress&) {
    if (message.empty()) message = message_of<DataError>([&] { run(inner); });
  };
  run(r);
  EXPECT_NE(message.find("another process is writing into"), message.npos) << message;
}

TEST_F(TokenizeTest, ReadsStandardInput) {
  folder.write("text/a.jsonl", json_lines(60));
  TokenizeRequest r = request("files");
  run(r);
  TokenizeRequest piped = request("piped");
  piped.input.paths = {"-"};
  const int saved = dup(STDIN_FILENO);
  ASSERT_NE(freopen((folder.path() / "text/a.jsonl").c_str(), "r", stdin), nullptr);
  lseek(STDIN_FILENO, 0, SEEK_SET);
  const TokenizeResult result = run(piped);
  dup2(saved, STDIN_FILENO);
  close(saved);
  EXPECT_EQ(result.documents, 60);
  EXPECT_EQ(token_files(piped.output), token_files(r.output));

  piped.output = folder.path() / "trained";
  piped.tokenizer = tokenizer_variant("{type: sentencepiece, vocab_size: 400}");
  EXPECT_THROW(run(piped), ConfigError);
  piped.shards = 2;
  EXPECT_THROW(run(piped), ConfigError);
}

/// Bits per byte divides by these.
TEST_F(TokenizeTest, BytesOfTextAreThoseOfTheFilesWhateverTheTokenizer) {
  const std::string long_text = sample_text(200000, 2), text = sample_text(3000, 3);
  const auto trained = make_tokenizer("{type: sentencepiece, vocab_size: 450}", {text});
  folder.write("text/a.txt", long_text);
  folder.write("text/b.txt", text + "\r\n \xE4\xB8\x80\xE4\xB8\x81");  // characters that no piece is made of
  const std::string model = folder.write("t.model", trained->serialize()).string();
  const auto size = static_cast<std::int64_t>(fs::file_size(folder.path() / "text/a.txt") +
                                              fs::file_size(folder.path() / "text/b.txt"));
  int out = 0;
  for (const std::string& tokenizer :
       {std::string("bytes"), std::string("characters"), std::string("{type: sentencepiece, vocab_size: 400}"),
        std::string("{type: sentencepiece, vocab_size: 330, model_type: unigram}"),
        std::string("{type: sentencepiece, vocab_size: 90, byte_fallback: false, character_coverage: 0.98}"),
        "{type: file, path: " + model + "}"}) {
    const TokenizeResult result = run(request("out" + std::to_string(out++), tokenizer));
    EXPECT_EQ(result.text_bytes, size) << tokenizer;
    EXPECT_EQ(result.documents, 2) << tokenizer;
  }
}

TEST_F(TokenizeTest, BadRecordsAreLeftOutAndCounted) {
  const std::string good = json_lines(60);
  folder.write("good/a.jsonl", good);
  folder.write("text/a.jsonl", good + "{\"text\": oops}\n{\"txt\": \"x\"}\n" + "{\"text\": \"\xFF\"}\n");
  const std::string message = message_of<DataError>([&] { run(request("stopped")); });
  EXPECT_NE(message.find("a.jsonl:61: byte "), message.npos) << message;
  TokenizeRequest r = request("out");
  r.on_bad_record = OnBadRecord::kSkip;
  const TokenizeResult result = run(r);
  EXPECT_EQ(result.documents, 60);
  EXPECT_EQ(result.bad_records, 3);
  EXPECT_EQ(run(r).bad_records, 3);  // what was made before says so too
  TokenizeRequest clean = request("clean");
  clean.input.paths = {(folder.path() / "good").string()};
  EXPECT_EQ(result.text_bytes, run(clean).text_bytes);
  EXPECT_EQ(token_files(r.output), token_files(clean.output));

  folder.write("text/a.jsonl", "{\"text\": oops}\n");
  r.output = folder.path() / "none";
  EXPECT_NE(message_of<DataError>([&] { run(r); }).find("no document that can be used: 1 were left out"), message.npos);
}

/// Parts of a document that is longer than a block are written before its bad byte is met.
TEST_F(TokenizeTest, ALongBadDocumentIsLeftOutWhole) {
  const std::string longer = sample_text(400000, 6);  // several blocks
  folder.write("good/a.txt", "the first\n");
  folder.write("good/c.txt", sample_text(300, 1));
  folder.write("text/a.txt", "the first\n");
  folder.write("text/b.txt", longer + "\xFF" + longer);
  folder.write("text/c.txt", sample_text(300, 1));
  CorpusConfig input;
  input.paths = {(folder.path() / "text").string()};
  DatasetPlan plan;
  plan.corpus = Corpus::find(input, OnBadRecord::kSkip);
  plan.tokenizer = make_tokenizer("bytes");
  plan.settings = "{}";
  plan.workers = 2;
  plan.commit_bytes = 1;
  plan.folder = folder.path() / "out";
  EXPECT_EQ(make_dataset(plan).bad_records, 1);
  TokenizeRequest clean = request("clean");
  clean.input.paths = {(folder.path() / "good").string()};
  run(clean);
  EXPECT_EQ(token_files(plan.folder), token_files(clean.output));

  // Ended by an error at any part of the text, it goes on to the same files.
  int ends = 0;
  for (bool has_ended = true; has_ended; ends += has_ended) {
    plan.folder = folder.path() / ("ended" + std::to_string(ends));
    DatasetPlan failing = plan;
    failing.tokenizer = std::make_shared<FailingBytes>(make_tokenizer("bytes"), ends);
    has_ended = !message_of<std::bad_exception>([&] { make_dataset(failing); }).empty();
    EXPECT_EQ(make_dataset(plan).bad_records, 1) << ends;
    EXPECT_EQ(token_files(plan.folder), token_files(clean.output)) << ends;
  }
  EXPECT_GT(ends, 4);
}

TEST_F(TokenizeTest, TokensAreNotTextToTokenise) {
  folder.write("text/a.txt", sample_text(300));
  const TokenizeRequest r = request("out");
  run(r);
  TokenizeRequest again = request("again");
  again.input.paths = {(r.output / "train.bin").string()};
  EXPECT_NE(message_of<DataError>([&] { run(again); }).find("train.bin holds tokens already"), std::string::npos);
  // Without the index nobody can tell what the ids are of; as text they are nothing.
  folder.write("lost.bin", read_file(r.output / "train.bin"));
  again.input.paths = {(folder.path() / "lost.bin").string()};
  const std::string message = message_of<DataError>([&] { run(again); });
  EXPECT_NE(message.find("token ids without a header: it has no lost.idx beside it"), message.npos) << message;
  folder.write("words.bin", "a text may be called so\n");
  again.input.paths = {(folder.path() / "words.bin").string()};
  EXPECT_EQ(run(again).documents, 1);
}

TEST(JournalTest, IgnoresATornLineAndOtherSettings) {
  const TemporaryFolder folder;
  BuildState state;
  state.position = {3, 12345, true};
  state.splits[1].tokens = 77;
  {
    Journal journal(folder.path(), "a");
    EXPECT_FALSE(journal.last().has_value());
    journal.commit(state);
  }
  const fs::path file = folder.path() / "journal";
  const std::string good = read_file(file);
  for (const std::size_t cut : {std::size_t{1}, std::size_t{10}, std::size_t{40}}) {
    folder.write("journal", good + good.substr(good.find('\n') + 1, cut));
    const Journal journal(folder.path(), "a");
    ASSERT_TRUE(journal.last().has_value());
    EXPECT_EQ(journal.last()->position.offset, 12345);
    EXPECT_EQ(journal.last()->splits[1].tokens, 77);
    EXPECT_TRUE(journal.last()->position.inside_document);
    EXPECT_EQ(read_file(file), good);
  }
  EXPECT_FALSE(Journal(folder.path(), "b").last().has_value());
}

/// Tokenises in a child process that is killed at a random moment, again and again until it gets through.
TEST_F(TokenizeTest, KilledRunsEndWithTheSameFiles) {
  folder.write("text/a.jsonl", json_lines(150));
  folder.write("text/b.txt", sample_text(400000, 5));
  folder.write("text/c.jsonl", json_lines(100, 3));
  CorpusConfig input;
  input.paths = {(folder.path() / "text").string()};
  DatasetPlan plan;
  plan.corpus = Corpus::find(input);
  plan.tokenizer = make_tokenizer("{type: sentencepiece, vocab_size: 450, sample: 256 KiB}", {sample_text(50000)});
  plan.fraction = 0.2;
  plan.settings = "{}";
  plan.workers = 2;
  plan.commit_bytes = 1;
  plan.folder = folder.path() / "whole";
  make_dataset(plan);
  const auto expected = token_files(plan.folder);

  plan.folder = folder.path() / "killed";
  RandomStream random(static_cast<std::uint64_t>(getpid()), "kills");
  int kills = 0, resumed = 0;
  for (bool is_done = false; !is_done;) {
    const fs::path journal = plan.folder / ".partial/journal";
    if (fs::exists(journal)) {
      const std::string lines = read_file(journal);
      resumed += std::count(lines.begin(), lines.end(), '\n') > 1;
    }
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      try {
        make_dataset(plan);
      } catch (...) {
        _exit(1);
      }
      _exit(0);
    }
    // Longer and longer, so that a slow machine gets through too.
    usleep(static_cast<useconds_t>(random.below(100000 + 20000 * static_cast<std::uint64_t>(kills))));
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    is_done = WIFEXITED(status);
    if (is_done) {
      EXPECT_EQ(WEXITSTATUS(status), 0);
    }
    kills += !is_done;
  }
  EXPECT_GT(kills, 1);
  EXPECT_GT(resumed, 0) << "no killed run had committed anything";
  EXPECT_EQ(token_files(plan.folder), expected);
  EXPECT_FALSE(fs::exists(plan.folder / ".partial"));
}

}  // namespace
}  // namespace ingot
