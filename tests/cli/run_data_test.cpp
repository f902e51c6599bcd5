// What a run's data is to commands that come later.

#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "checkpoint/checkpoint.h"
#include "cli/program.h"

namespace ingot {
namespace {

using namespace testing;

class RunData : public Program {
 protected:
  RunData() { fs::copy_file(source_path("configs/test/tiny.txt"), folder / "text.txt"); }

  ProcessResult train(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> line{"train", tiny(), "data.train.paths=text.txt", "checkpoint.every=2 steps",
                                  "model.layers=AF"};
    line.insert(line.end(), more.begin(), more.end());
    return ingot(line);
  }
  /// As if the run had been killed after step 2.
  void forget_the_end() const { fs::remove_all(checkpoint_path(folder / "runs/tiny", 4)); }
};

TEST_F(RunData, WithTheTextGoneARunCanBeReadAndGoesOn) {
  const std::vector<std::string> trained{"data.tokenizer={type: sentencepiece, vocab_size: 400}"};
  ASSERT_EQ(train(trained).exit_code, 0);
  const auto scored = ingot({"eval", "runs/tiny", "--held-out", "--json"});
  fs::remove(folder / "text.txt");
  EXPECT_EQ(ingot({"eval", "runs/tiny", "--held-out", "--json"}).out, scored.out);
  EXPECT_EQ(ingot({"data", "show", "runs/tiny"}).exit_code, 0);
  EXPECT_EQ(ingot({"data", "text", "runs/tiny", "--out", "held_out.txt"}).exit_code, 0);
  EXPECT_EQ(ingot({"data", "export", "runs/tiny", "--steps", "1", "--out", "x.safetensors"}).exit_code, 0);
  const auto finished = train(trained);
  EXPECT_EQ(finished.exit_code, 0);
  EXPECT_TRUE(has(finished.err, "is finished")) << finished.err;
  forget_the_end();
  const auto resumed = train(trained);
  EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_TRUE(has(resumed.err, "text.txt is gone: going on with the tokens", "at step 2"));
  // Other text in its place does not change what the run holds.
  write_raw(folder / "text.txt", "something else\n");
  EXPECT_EQ(ingot({"eval", "runs/tiny", "--held-out"}).exit_code, 0);
}

TEST_F(RunData, AFinishedRunIsNotFinishedWithOtherData) {
  const std::string held_out = "data.validation.paths=held_out.txt";
  for (const char* copy : {"held_out.txt", "other.txt"}) fs::copy_file(folder / "text.txt", folder / copy);
  ASSERT_EQ(train({held_out}).exit_code, 0);
  for (const std::string change : {"data.train.paths=other.txt", "data.validation.paths=other.txt"}) {
    const auto changed = train({held_out, change});
    EXPECT_EQ(changed.exit_code, 2);
    EXPECT_TRUE(has(changed.err, change.substr(0, change.find('=')), "other.txt")) << changed.err;
  }
  const auto tokenizer = train({held_out, "data.tokenizer=characters"});
  EXPECT_EQ(tokenizer.exit_code, 2);
  EXPECT_TRUE(has(tokenizer.err, "data.tokenizer")) << tokenizer.err;
  write_raw(folder / "text.txt", read_file(folder / "text.txt") + "\n\nAnd more.\n");
  const auto grown = train({held_out});
  EXPECT_EQ(grown.exit_code, 3);
  EXPECT_TRUE(has(grown.err, "text.txt has changed since it was tokenised")) << grown.err;
}

TEST_F(RunData, AFinishedRunIsNotFinishedWithAnotherTokenizer) {
  const std::string sentencepiece = "{type: sentencepiece, vocab_size: ";
  ASSERT_EQ(ingot({"tokenize", "text.txt", "--out", "a", "--tokenizer", sentencepiece + "400}"}).exit_code, 0);
  ASSERT_EQ(ingot({"tokenize", "text.txt", "--out", "b", "--tokenizer", sentencepiece + "380}"}).exit_code, 0);
  fs::copy_file(folder / "a/tokenizer.model", folder / "my.model");
  const std::vector<std::string> mine{"data.tokenizer={type: file, path: my.model}"};
  ASSERT_EQ(train(mine).exit_code, 0);
  EXPECT_EQ(train(mine).exit_code, 0);
  fs::copy_file(folder / "b/tokenizer.model", folder / "my.model", fs::copy_options::overwrite_existing);
  for (const bool finished : {true, false}) {
    if (!finished) forget_the_end();
    const auto other = train(mine);
    EXPECT_EQ(other.exit_code, 3);
    EXPECT_TRUE(has(other.err, "the tokenizer is not what", "was trained on")) << other.err;
  }
  EXPECT_EQ(read_file(folder / "runs/tiny/tokenizer.model"), read_file(folder / "a/tokenizer.model"));
}

TEST_F(RunData, ARunGoesOnWithTheSameTextUnderAnotherNameOnly) {
  const std::string no_validation = "~data.validation";
  ASSERT_EQ(train({no_validation}).exit_code, 0);
  forget_the_end();
  write_raw(folder / "other.txt",
            "It is\n\nanother text\n\nwith a few\n\ndocuments of\n\nwords, and more, and "
            "more, and more.\n\nAnd more, and more, and more of them.\n\nThe end of it.\n");
  const auto other = train({no_validation, "data.train.paths=other.txt"});
  EXPECT_EQ(other.exit_code, 2);
  EXPECT_TRUE(has(other.err, "the training data is not what", "data.train.paths.0: was", "text.txt", "other.txt"))
      << other.err;
  fs::rename(folder / "text.txt", folder / "moved.txt");
  const auto moved = train({no_validation, "data.train.paths=moved.txt"});
  EXPECT_EQ(moved.exit_code, 0) << moved.err;
  EXPECT_TRUE(has(moved.err, "at step 2"));
}

TEST_F(RunData, TheBestIsOfAHeldOutSetThatExists) {
  const auto wrong = ingot({"config", "check", tiny(), "--set", "checkpoint.best=validaton"});
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_TRUE(
      has(wrong.err, "checkpoint.best: no held-out set 'validaton', expected validation", "did you mean 'validation'"));
  const auto none =
      ingot({"config", "check", tiny(), "--set", "checkpoint.best=validation", "--set", "~data.validation"});
  EXPECT_EQ(none.exit_code, 2) << none.out;
  EXPECT_EQ(ingot({"config", "check", tiny(), "--set", "checkpoint.best=validation"}).exit_code, 0);
}

TEST_F(RunData, ASampleWithoutPromptStartsWhereDocumentsDo) {
  std::string text;
  for (int i = 0; i < 200; ++i) text += "Q:" + std::string(static_cast<std::size_t>(i * 7 % 23), "ab c"[i % 4]) + "\n";
  write_raw(folder / "text.txt", text);
  const std::vector<std::string> settings{
      "data.train.documents=line", "train.duration=60 steps",        "log.every=60 steps",
      "~data.validation",          "train.global_batch=8 sequences", "checkpoint.every=60 steps"};
  ASSERT_EQ(train(settings).exit_code, 0);
  const auto sampled = ingot({"sample", "runs/tiny", "--tokens", "2", "--count", "10", "--json"});
  ASSERT_EQ(sampled.exit_code, 0) << sampled.err;
  int right = 0;
  const auto samples = nlohmann::json::parse(sampled.out).at("samples");
  for (const auto& sample : samples) right += sample.at("text") == "Q:";
  EXPECT_GE(right, 9) << samples;
}

TEST_F(RunData, WithoutATokenThatOpensDocumentsASampleNeedsAPrompt) {
  const std::vector<std::string> settings{"data.tokenizer={type: characters, eos: false}"};
  auto with_empty_prompt = settings;
  with_empty_prompt.push_back("evaluation.prompts=[\"\"]");
  const auto refused = train(with_empty_prompt);
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_TRUE(has(refused.err, "evaluation.prompts[0]: an empty prompt")) << refused.err;
  ASSERT_EQ(train(settings).exit_code, 0);
  const auto sample = ingot({"sample", "runs/tiny"});
  EXPECT_EQ(sample.exit_code, 2);
  EXPECT_TRUE(has(sample.err, "an empty prompt is the start of a document", "expected a prompt")) << sample.err;
  EXPECT_EQ(ingot({"sample", "runs/tiny", "--prompt", "At", "--tokens", "2"}).exit_code, 0);
}

}  // namespace
}  // namespace ingot
